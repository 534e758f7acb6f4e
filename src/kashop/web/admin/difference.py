"""What one editor has beside what another saved meanwhile (F06): nothing is lost, and nothing is put over it unseen."""

from collections.abc import Iterable, Mapping

import msgspec

Value = str | bool


class Difference(msgspec.Struct, frozen=True):
    """One thing that the two have differently. `label` is a msgid, or a word of `kind`; `of` says of which part."""

    label: str
    mine: Value
    now: Value
    of: str = ""
    kind: str = ""
    words: str = ""
    """The kind of words that the two values are, where they are stored as short words."""


def compared(mine: Mapping[str, Value], now: Mapping[str, Value], *, of: str = "") -> list[Difference]:
    """Where two maps of label → value differ, in the order of the first."""
    labels: Iterable[str] = dict.fromkeys([*mine, *now])
    pairs = [(label, mine.get(label, ""), now.get(label, "")) for label in labels]
    return [Difference(label, a, b, of) for label, a, b in pairs if a != b]
