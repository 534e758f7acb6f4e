"""What changed of how many rows every table of a shop holds (tests/beside.py)."""


def changed(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """The tables whose number of rows is another, with the difference. Jobs run beside all this, and note that they did."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name] and name != "job_runs"}
