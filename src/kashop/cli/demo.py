"""`kashop demo`: a practice shop with everything in it, served at once.

Always true: it never touches a shop that is not a practice shop; run again, it uses what is there and adds what is missing.
"""

import asyncio
import shlex
from pathlib import Path

import msgspec
import rich_click as click

from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.catalog.types import ProductDraft
from kashop.cli import admin, demo_gateways, demo_goods, frame, serve, show
from kashop.cli.init import OWNER
from kashop.db import Reader, Tx, engine, migrate
from kashop.flows import gateways, login, restock, settings
from kashop.flows.found import Charter, found
from kashop.inventory import reads as inventory
from kashop.lib import logs
from kashop.lib.actor import CLI
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Conflict
from kashop.payments import reads as payments
from kashop.plugins.kit.simulator import Simulator
from kashop.settings.config import Config
from kashop.shop import Shop
from kashop.vault import reads as vault

GATEWAYS = (("practice", "模拟收银台"), ("practice-2", "备用模拟通道"))


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="KASHOP_DATA",
    default=Path("demo-data"),
    show_default=True,
    help="Where the practice shop is made, or is already.",
    metavar="DIR",
)
@click.option("--host", help="Where to listen; 127.0.0.1 unless configured.")
@click.option("--port", type=click.IntRange(0, 65535), help="8000 unless configured; 0 takes a free one.")
@click.option("--no-serve", is_flag=True, help="Only make it.")
@click.option("--gateways", "with_vendors", is_flag=True, help="Every gateway of the box too, with a simulated vendor.")
def demo(*, data: Path, host: str | None, port: int | None, no_serve: bool, with_vendors: bool) -> None:
    """Run a practice shop: goods, random codes, and a cashier that takes no money.

    Prints the addresses of the storefront and the panel, and a one-time log-in for its owner.

    With --gateways the address of each simulated vendor is printed too: its page pays, loses, repeats and forges.

    Example: kashop demo --port 8000
    """
    config = frame.configured(data, host=host, port=port)
    logs.configure(config.log_format, "warning")
    if not asyncio.run(_is_founded(config)):
        charter = Charter(owner=OWNER, shop_name=demo_goods.SHOP_NAME, is_practice=True)
        show.aside(f"Making a practice shop in {config.data} …")
        asyncio.run(found(config, charter))
    with demo_gateways.vendors(are_wanted=with_vendors) as at_work:
        asyncio.run(_furnish(config, at_work))
        if no_serve:
            show.line(f"The practice shop is in {config.data}: kashop serve --data {config.data}")
        else:
            serve.work(config, welcome=_welcome)


async def _is_founded(config: Config) -> bool:
    """Whether a shop was made there in whole: a making that was interrupted is begun again."""
    if not engine.exists(config.place) or migrate.scripts()[0].stem in migrate.pending(config.place):
        return False
    db = await engine.open_db(config.place, SystemClock(), readers=1)
    try:
        return await db.read(vault.find_root, "keyfile") is not None
    finally:
        await db.close()


async def _furnish(config: Config, at_work: list[Simulator]) -> None:
    shop = await Shop.open(config, is_server=True)
    try:
        if not shop.settings.flag("shop.practice"):
            if config.database:
                raise Conflict("The database holds a real shop: set KASHOP_DATABASE to another one for the demo.")
            raise Conflict("{data} holds a real shop: choose another --data for the demo.", data=config.data)
        if not shop.settings.text("shop.announcement"):
            await settings.change(shop, {"shop.announcement": demo_goods.ANNOUNCEMENT}, CLI)
        await shop.db.write(_add_goods)
        for goods in demo_goods.GOODS:
            await _stock(shop, goods)
        for name, label in GATEWAYS:
            if await shop.db.read(payments.find_gateway, name) is None:
                await gateways.configure(shop, name, type="practice", options={}, actor=CLI, label=label)
        await demo_gateways.configure(shop, at_work)
        for vendor in at_work:
            show.line(f"  {vendor.name:<12} {vendor.url}simulate")
    finally:
        await shop.close()


def _add_goods(tx: Tx) -> None:
    for position, (slug, name) in enumerate(demo_goods.CATEGORIES):
        if catalog.find_category(tx, slug) is None:
            catalog_writes.add_category(tx, slug=slug, name=name, parent_id=None, position=position, actor=CLI)
    shelves = {c.slug: c.category_id for c in catalog.categories(tx)}
    for goods in demo_goods.GOODS:
        if catalog.find_product(tx, goods.product.slug) is None:
            draft = _on_shelf(goods, shelves[goods.category])
            catalog_writes.add_product(tx, draft, list(goods.skus), CLI)


async def _stock(shop: Shop, goods: demo_goods.Goods) -> None:
    for sku, count in zip(goods.skus, goods.stock, strict=True):
        code = sku.sku_code or goods.product.slug
        if count and not await shop.db.read(_was_stocked, code):
            text = "\n".join(goods.make() for _ in range(count))
            source = restock.Source(
                file=restock.from_text(text), name="demo.txt", product=goods.product.slug, sku=code, batch="演示卡密"
            )
            await restock.import_codes(shop, source, CLI)


def _was_stocked(db: Reader, sku_code: str) -> bool:
    sku = catalog.find_sku(db, sku_code)
    return sku is not None and any(c.sku_id == sku.sku_id for c in inventory.counts(db))


def _on_shelf(goods: demo_goods.Goods, category_id: int) -> ProductDraft:
    return msgspec.structs.replace(goods.product, category_id=category_id)


async def _welcome(shop: Shop) -> str:
    owner = await shop.db.read(admin.first_owner)
    link = await login.make_login_link(shop, owner.staff_id, CLI)
    base, folder = shop.base_url, shlex.quote(str(shop.config.data))
    return "\n".join(
        (
            "",
            f"  {shop.settings.text('shop.name')}",
            "",
            f"  Storefront 店铺      {base}/",
            f"  Panel 后台           {base}/admin",
            f"  Owner log-in 登录    {link}",
            f"                       (once, within ten minutes; another: kashop admin link --data {folder})",
            "",
            "  Nothing here is real: the cashier takes no money. Ctrl-C ends it.",
            "",
        )
    )
