"""A notice is queued in the transaction of what it tells of, once for each way it goes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.db import Tx
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.notices import reads, rules
from kashop.notices.texts import TEXTS
from kashop.notices.writes import tell
from kashop.shop import Shop
from kashop.vault import Tampered
from tests import beside
from tests.house import tree
from tests.house.messages import places

LINK = "http://shop.example/admin/invited?token=KANARI-invitation"


async def queued(shop: Shop) -> list[tuple[str, str, str]]:
    rows = await shop.db.read(reads.page, 2**62, limit=100)
    return sorted((n.about, n.channel, n.recipient) for n in rows)


def undone(tx: Tx) -> None:
    tell(tx, "vault.alarm", to=["a@example.com"], where="code 1")
    raise ZeroDivisionError


async def test_i37_what_is_rolled_back_is_never_told(shop: Shop) -> None:
    with pytest.raises(ZeroDivisionError):
        await shop.db.write(undone)
    assert await queued(shop) == []
    await shop.db.write(tell, "vault.alarm", to=["a@example.com", "b@example.com", "a@example.com"], where="code 1")
    assert await queued(shop) == [("vault.alarm", "mail", "a@example.com"), ("vault.alarm", "mail", "b@example.com")]


async def test_what_concerns_the_shop_goes_every_way_that_is_set_up(shop: Shop, tmp_path: Path) -> None:
    key = "whsec_" + "QUFB" * 8
    (tmp_path / "out").mkdir()
    values: dict[str, object] = {"notices.webhook_url": "https://203.0.114.1/", "notices.file": f"{tmp_path}/out/n.jsonl"}
    await settings.change(shop, values, CLI)
    await shop.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
    assert [way for _, way, _ in await queued(shop)] == ["file", "mail"]  # nothing is posted without a key
    await settings.change(shop, {"notices.webhook_key": key}, CLI)
    await shop.db.write(tell, "vault.sealed", to=["a@example.com"], why="start")
    await shop.db.write(tell, "password.changed", to=["a@example.com"], email="a@example.com")
    assert [way for about, way, _ in await queued(shop) if about == "vault.sealed"] == ["file", "mail", "webhook"]
    assert [way for about, way, _ in await queued(shop) if about == "password.changed"] == ["mail"]


async def test_what_is_sealed_stands_nowhere_in_the_clear(shop: Shop) -> None:
    sealed = rules.sealed_facts(shop.keyring, "staff.invited", link=LINK)
    await shop.db.write(tell, "staff.invited", to=["a@example.com"], sealed=sealed, by="o", role="support", hours=72)
    (notice,) = await shop.db.read(reads.due, "mail", limit=10)
    assert rules.opened_facts(shop.keyring, notice.about, notice.sealed) == {"link": LINK}
    assert LINK not in repr(notice) + notice.facts
    assert LINK.encode() not in beside.stored(shop.config.place)
    with pytest.raises(Tampered):
        rules.opened_facts(shop.keyring, "password.reset", notice.sealed)


def test_every_notice_that_the_shop_tells_has_its_words_and_facts() -> None:
    told = [call for path in tree.sources() for call in _told(path)]
    assert len(told) >= 5
    for about, facts, where in told:
        text = TEXTS.get(about)
        assert text is not None, f"{where}: notices/texts.py has no row for {about}"
        wanted = places(text.title) | places(text.sentence)
        assert facts is None or wanted <= facts | {"shop", "url", *text.secrets}, f"{where}: {about} lacks {wanted - facts}"


def _told(path: Path) -> Iterator[tuple[str, set[str] | None, str]]:
    """Each literal that is given to `tell`, its facts (None: not told literally), and where."""
    for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if (
            name == "tell"
            and len(call.args) > 1
            and isinstance(call.args[1], ast.Constant)
            and isinstance(call.args[1].value, str)
        ):
            facts = {k.arg for k in call.keywords if k.arg is not None}
            yield call.args[1].value, facts if len(facts) == len(call.keywords) else None, f"{path.name}:{call.lineno}"


def test_a_secret_has_a_place_in_its_text() -> None:
    for text in TEXTS.values():
        assert set(text.secrets) <= places(text.sentence), text.about
        assert not (text.secrets and text.is_shop_wide), text.about
