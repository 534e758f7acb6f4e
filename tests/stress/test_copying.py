"""The copy: what goes into it, what must not, and that it is gone afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.catalog.types import BuyerField
from kashop.flows import gateways, settings
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid, NotFound
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules, rules_of
from kashop.settings.config import Config, load
from kashop.shop import Shop
from kashop.stress import copying, epay, plan
from kashop.stress.copying import Sale
from kashop.stress.run import PREFIX, temporary
from tests import beside
from tests.cast import EPAY, OWNER, add_epay, add_product, call_back, config, epay_notice, order

SECRETS = (
    "STEAM-00000",
    "STEAM-00001",
    EPAY["key"],
    "77001",
    "buyer-7@example.net",
    OWNER,
    "mail-secret",
    "smtp.example.net",
)


async def furnished(data: Path) -> None:
    """A shop with whatever a copy must not have."""
    shop = await Shop.open(config(data), is_server=True)
    await shop.db.write(catalog_writes.add_category, slug="games", name="游戏", parent_id=None, actor=CLI)
    games = await shop.db.read(lambda db: catalog.categories(db)[0].category_id)
    fields = (BuyerField("account", "账号"), BuyerField("server", "区服", kind="select", choices=("一区", "二区")))
    await add_product(shop, "steam", codes=5, tiers=((10, 1200),), category_id=games, fields=fields, hold_minutes=30)
    await add_product(shop, "by-hand", delivery="manual")
    await add_epay(shop, pid="77001")
    rules = AccountRules(fee="added", fee_bp=100)
    await gateways.configure(shop, "second", type="epay", options={**EPAY, "pid": "77002"}, actor=CLI, rules=rules, label="备用")
    changes: dict[str, object] = {"shop.name": "真小店", "orders.late_payment": "hold", "mail.from_name": "店主"}
    await settings.change(shop, {**changes, "mail.password": "mail-secret", "mail.username": "smtp.example.net"}, CLI)
    assert shop.settings.text("risk.captcha") == "auto"
    placed = await order(shop, "steam", contact="buyer-7@example.net", fields={"account": "a", "server": "一区"})
    await call_back(shop, epay_notice(placed, pid="77001"))
    await shop.close()
    (data / "plugins" / "mine.py").write_text('KASHOP_PLUGIN = {"id": "mine", "version": "1.0", "plugin_api": 1}\n')
    (data / "uploads" / "secret.txt").write_text("STEAM-00000")


@asynccontextmanager
async def copied(data: Path, folder: Path, *, codes: int = 30, with_plugins: bool = True) -> AsyncIterator[tuple[Sale, Config]]:
    """The copy in a folder that is there as long as it is looked at, and its configuration as its server reads it."""
    config = load(data, {})
    original, told = copying.original(config), list[int]()
    with temporary(folder) as place, copying.apart(config, place / "shop") as own:
        sale = await copying.make(config, own, original, "", codes=codes, tell=told.append, with_plugins=with_plugins)
        assert told[-1] == codes
        yield sale, load(own.data, {}, database=own.database or None)


async def test_the_copy_has_the_shops_goods_prices_settings_and_accounts(data: Path, tmp_path: Path) -> None:
    await furnished(data)
    async with copied(data, tmp_path) as (sale, own):
        assert (sale.sku_code, sale.quantity, sale.gateway, sale.fields) == (
            "steam",
            1,
            "epay-main",
            {"account": "stress", "server": "一区"},
        )
        shop = await Shop.open(own)
        offer = await shop.db.read(catalog.find_offer, "steam")
        assert offer is not None
        assert (offer.sku.price_minor, offer.product.hold_minutes) == (1250, 30)
        assert [(t.min_quantity, t.price_minor) for t in offer.tiers] == [(10, 1200)]
        assert await shop.db.read(lambda db: catalog.find_product(db, "by-hand")) is not None
        assert await shop.db.read(lambda db: [c.slug for c in catalog.categories(db)]) == ["games"]
        assert shop.settings.text("shop.name") == "真小店"
        assert shop.settings.text("orders.late_payment") == "hold"
        accounts = await shop.db.read(payments.gateways)
        assert [(a.name, a.type, a.label) for a in accounts] == [("epay-main", "epay", ""), ("second", "epay", "备用")]
        assert rules_of(accounts[1]).fee_bp == 100
        assert [c.free for c in await shop.db.read(inventory.counts)] == [30]
        assert [p.id for p in shop.plugins.plugins if p.origin == "file"] == ["mine"]
        assert shop.config.is_fenced
        assert (sale.asked_for_work, shop.settings.text("risk.captcha")) == (True, "off")
        await shop.close()


async def test_no_secret_of_the_shop_is_in_the_copy(data: Path, tmp_path: Path) -> None:
    await furnished(data)
    key = data.with_name("shop.key").read_bytes()
    async with copied(data, tmp_path) as (_, own):
        place = own.data.parent
        assert place.stat().st_mode & 0o777 == 0o700
        files = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        assert any(path.name == "kashop.db" for path in files) or own.database
        for path, content in files.items():
            assert not [s for s in SECRETS if s.encode() in content], path
            assert key not in content
        shop = await Shop.open(own)
        assert not shop.settings["mail.password"]
        assert shop.settings.text("mail.from_name") == ""
        options = gateways._all_options(shop, (await shop.db.read(payments.gateways))[0])
        assert (options["key"], options["url"]) == (epay.KEY, "https://stress.invalid/")
        assert await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM orders")) == 0
        await shop.close()


async def test_plugins_stay_behind_when_they_are_not_wanted(data: Path, tmp_path: Path) -> None:
    await furnished(data)
    async with copied(data, tmp_path, with_plugins=False) as (_, own):
        assert not list((own.data / "plugins").iterdir())


async def test_the_merchants_database_is_only_read(data: Path, tmp_path: Path) -> None:
    await furnished(data)
    before = seen(data)
    async with copied(data, tmp_path):
        pass
    assert seen(data) == before


def seen(data: Path) -> tuple[object, ...]:
    files = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in data.iterdir() if p.is_file()}
    place = load(data, {}).place
    return files, beside.row_counts(place), beside.rows(place, "SELECT * FROM versions ORDER BY name")


async def test_what_is_asked_for_must_be_sold_as_codes(data: Path) -> None:
    await furnished(data)
    original = copying.original(load(data, {}))
    assert copying.chosen(original, "steam")[1].sku_code == "steam"
    with pytest.raises(Invalid, match="delivered by hand"):
        copying.chosen(original, "by-hand")
    with pytest.raises(NotFound, match="no product nonsense"):
        copying.chosen(original, "nonsense")
    with pytest.raises(NotFound, match="Nothing in this shop is sold as codes"):
        copying.chosen(msgspec.structs.replace(original, goods=()), "")


def test_a_question_in_a_form_of_its_own_is_told(data: Path) -> None:
    async def asking() -> None:
        shop = await Shop.open(config(data), is_server=True)
        await add_product(shop, "steam", fields=(BuyerField("uid", "UID", pattern="[A-Z]{3}"),))
        await shop.close()

    asyncio.run(asking())
    original = copying.original(load(data, {}))
    with pytest.raises(Invalid, match="form of its own"):
        copying.answers(original.goods[0].product)


def test_the_folder_is_gone_whatever_happens_and_the_next_run_takes_what_a_killed_one_left(tmp_path: Path) -> None:
    def fails() -> None:
        with temporary(tmp_path) as place:
            (place / "shop").mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not list(tmp_path.iterdir())
    left = tmp_path / f"{PREFIX}left"
    (left / "shop").mkdir(parents=True)
    with temporary(tmp_path) as mine:
        assert not left.exists()
        with temporary(tmp_path):  # another run beside it
            assert mine.exists()
        assert mine.exists()
    assert not list(tmp_path.iterdir())


def test_the_copy_stands_on_the_shops_own_disk(data: Path) -> None:
    assert plan.folder_for(data) == data.parent
    if os.geteuid():
        data.parent.chmod(0o500)
        try:
            assert plan.folder_for(data) == data
        finally:
            data.parent.chmod(0o700)
