"""The guide to a cluster shows the very files that the drill runs on (tests/crash/test_cluster.py)."""

from pathlib import Path

import pytest

from bench.cluster import templates

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("template", sorted(file.name for file in templates.PLACE.iterdir()))
def test_the_guide_shows_what_the_drill_runs(language: str, template: str) -> None:
    shown = (GUIDE / language / "cluster.md").read_text(encoding="utf-8").split("```")[1::2]
    blocks = [block.partition("\n")[2] for block in shown]
    assert templates.text(template, templates.guide("db1")) in blocks


def test_what_differs_between_the_machines_of_the_guide_is_what_it_says() -> None:
    first, other = (templates.text("etcd", templates.guide(name)).splitlines() for name in ("db1", "db2"))
    assert all(a == b for a, b in zip(first[6:], other[6:], strict=True))
    first, other = (templates.text("patroni.yml", templates.guide(name)).splitlines() for name in ("db1", "db2"))
    assert {line.split(":")[0].strip() for line, there in zip(first, other, strict=True) if line != there} == {
        "name",
        "hosts",
        "listen",
        "connect_address",
    }
