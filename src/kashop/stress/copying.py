"""The throw-away copy: a shop of its own, founded beside the merchant's, with the same settings, goods, prices and accounts.

Always true: the merchant's database is only read, in one snapshot, and none of his keys is; codes, orders, people, contacts,
mail, webhooks and every secret stay where they are; each gateway account is played by an Epay account with made-up keys, since
that one begins and proves a payment without asking anybody.
"""

import asyncio
import contextlib
import io
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.catalog.types import BuyerField, Category, Product, ProductDraft, Sku, SkuDraft, Tier
from kashop.db import Reader, Tx, engine, examine, migrate
from kashop.flows import restock
from kashop.flows.found import Charter, found
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid, NotFound, Unavailable
from kashop.payments import reads as payments
from kashop.payments import writes as payment_writes
from kashop.payments.rows import GatewayAccount, GatewayDraft
from kashop.payments.rules import AccountRules, rules_of
from kashop.settings import SETTINGS, Settings
from kashop.settings import reads as setting_reads
from kashop.settings import writes as setting_writes
from kashop.settings.config import Config, load
from kashop.shop import Shop
from kashop.stress.epay import CURRENCY, KEY, PID

ACCOUNT = "stress"
SCHEMA = "kashop_stress_"
PROOF = "risk.captcha"
CHUNK = 200
"""Products in one change."""

_HOME_KINDS = frozenset({"secret", "url", "host", "email", "path"})
_HOME_GROUPS = frozenset({"mail", "notices"})
"""Settings that say whom the shop tells and where: no copy has them."""


class Goods(msgspec.Struct, frozen=True):
    """A product with what is bought of it."""

    product: Product
    skus: tuple[Sku, ...]
    tiers: tuple[Tier, ...]


class Original(msgspec.Struct, frozen=True):
    """What of the merchant's shop goes into a copy."""

    settings: Settings
    shelves: tuple[Category, ...]
    goods: tuple[Goods, ...]
    accounts: tuple[GatewayAccount, ...]


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What the crowd comes for: one SKU, so many of it each, and how it is asked for."""

    shop_name: str
    locale: str
    timezone: str
    product: Product
    sku_code: str
    sku_name: str
    sku_id: int
    quantity: int
    codes: int
    gateway: str
    method: str
    fields: dict[str, str]
    made_up: frozenset[str]
    """The codes that were put in."""
    asked_for_work: bool = False
    """The shop asks browsers for a proof of work, which no single machine could do for a whole crowd: the copy does not."""

    @property
    def most_orders(self) -> int:
        """How many orders the codes are enough for."""
        return self.codes // self.quantity


def original(config: Config) -> Original:
    """Read the merchant's shop, beside its server too. Raises Unavailable."""
    if todo := migrate.pending(config.place):
        raise Unavailable(
            "The database lacks {names}: run `kashop migrate --data {data}`.", names=", ".join(todo), data=config.data
        )
    with examine.reading(config.place) as db:
        return _read(db)


def _read(db: Reader) -> Original:
    goods = []
    for product in catalog.products(db):
        skus = tuple(catalog.skus(db, product.product_id))
        goods.append(Goods(product, skus, tuple(t for s in skus for t in catalog.tiers(db, s.sku_id))))
    shelves, accounts = catalog.categories(db), payments.gateways(db)
    return Original(setting_reads.settings(db), tuple(shelves), tuple(goods), tuple(accounts))


def chosen(original: Original, wanted: str) -> tuple[Goods, Sku]:
    """The goods of a product's slug or a SKU's code; the first on sale when nothing is named. Raises NotFound, Invalid."""
    on_sale = [
        (goods, sku)
        for goods in original.goods
        for sku in goods.skus
        if not goods.product.is_hidden and not sku.is_hidden and goods.product.delivery == "auto"
    ]
    if not wanted:
        if not on_sale:
            raise NotFound("Nothing in this shop is sold as codes: add a product first.")
        return on_sale[0]
    for goods, sku in on_sale:
        if wanted in (goods.product.slug, sku.sku_code):
            return goods, sku
    if any(wanted in (g.product.slug, *(s.sku_code for s in g.skus)) for g in original.goods):
        raise Invalid.of("product", "{name} is hidden, or delivered by hand: choose one that is sold as codes.", name=wanted[:64])
    raise NotFound("There is no product {slug}.", slug=wanted[:64])


@contextlib.contextmanager
def apart(config: Config, data: Path) -> Iterator[Config]:
    """The configuration of a copy in `data`: of a shop on PostgreSQL, its rows are in a schema of their own beside the shop's."""
    if not config.database:
        yield load(data, {})
        return
    with engine.postgres("postgres_apart").schema(config.database, SCHEMA) as address:
        yield load(data, {}, database=address)


async def make(
    config: Config, own: Config, original: Original, wanted: str, *, codes: int, tell: Callable[[int], None], with_plugins: bool
) -> Sale:
    """Make the copy where `own` says and stock it; `tell` hears how many codes are in."""
    goods, sku = chosen(original, wanted)
    fields = answers(goods.product)
    settings = original.settings
    await found(own, _charter(settings))
    _write_config(own.data)
    await asyncio.to_thread(_copy_files, config.data, own.data, with_plugins)
    shop = await Shop.open(own, is_server=True, safe_mode=True)
    try:
        await shop.db.write(_copy_settings, settings)
        await _copy_goods(shop, original)
        gateway = await _copy_accounts(shop, original, goods, sku)
        made_up = await _stock(shop, goods.product, sku, codes, tell)
        sku_id = await shop.db.read(_sku_id, sku.sku_code)
    finally:
        await shop.close()
    return Sale(
        shop_name=settings.text("shop.name"),
        locale=settings.text("shop.locale"),
        timezone=settings.text("shop.timezone"),
        product=goods.product,
        sku_code=sku.sku_code,
        sku_name=sku.name,
        sku_id=sku_id,
        quantity=sku.min_quantity,
        codes=codes,
        gateway=gateway,
        method="alipay" if gateway else "",
        fields=fields,
        made_up=made_up,
        asked_for_work=settings.text(PROOF) != "off",
    )


def _charter(settings: Settings) -> Charter:
    return Charter(
        owner="stress@example.com",
        currency=settings.text("shop.currency"),
        timezone=settings.text("shop.timezone"),
        shop_name=settings.text("shop.name"),
        locale=settings.text("shop.locale"),
        is_practice=settings.flag("shop.practice"),
    )


def answers(product: Product) -> dict[str, str]:
    """What a buyer would write into the product's questions. Raises Invalid when a pattern asks for what nobody can make up."""
    made = {"number": "1", "email": "buyer@example.com", "phone": "13800138000", "checkbox": "1"}
    found: dict[str, str] = {}
    for field in msgspec.json.decode(product.fields, type=list[BuyerField]):
        if not field.is_required:
            continue
        if field.pattern:
            raise Invalid.of(
                "product",
                "{name} asks its buyers for {question} in a form of its own: choose another.",
                name=product.slug,
                question=field.name,
            )
        found[field.name] = field.choices[0] if field.choices else made.get(field.kind, "stress")[: field.max_length]
    return found


def _write_config(data: Path) -> None:
    lines = ('host = "127.0.0.1"', 'trusted_proxies = ["127.0.0.1"]', 'log_format = "json"', "is_fenced = true")
    (data / "kashop.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _copy_files(source: Path, data: Path, with_plugins: bool) -> None:
    for name in ("plugins", "themes") if with_plugins else ("themes",):
        if (source / name).is_dir():
            shutil.copytree(source / name, data / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_settings(tx: Tx, settings: Settings) -> None:
    for name, setting in SETTINGS.items():
        is_home = setting.is_fixed or setting.kind in _HOME_KINDS or setting.group in _HOME_GROUPS
        if not is_home and settings[name] != setting.default:
            setting_writes.change(tx, name, settings[name], CLI)
    setting_writes.change(tx, PROOF, "off", CLI)


async def _copy_goods(shop: Shop, original: Original) -> None:
    shelves = await shop.db.write(_add_shelves, original.shelves)
    for start in range(0, len(original.goods), CHUNK):
        await shop.db.write(_add_products, original.goods[start : start + CHUNK], shelves)


def _add_shelves(tx: Tx, shelves: Sequence[Category]) -> dict[int, int]:
    """By the original's number, the copy's."""
    new: dict[int, int] = {}
    for shelf in sorted(shelves, key=lambda s: s.parent_id is not None):
        stands: dict[str, Any] = {
            "name": shelf.name,
            "parent_id": new[shelf.parent_id] if shelf.parent_id is not None else None,
            "position": shelf.position,
            "actor": CLI,
        }
        new[shelf.category_id] = catalog_writes.add_category(tx, slug=shelf.slug, **stands)
        if shelf.is_hidden:
            catalog_writes.edit_category(tx, new[shelf.category_id], is_hidden=True, **stands)
    return new


def _add_products(tx: Tx, many: Sequence[Goods], shelves: dict[int, int]) -> None:
    for goods in many:
        product = goods.product
        kept = {name: getattr(product, name) for name in ProductDraft.__struct_fields__ if name not in ("category_id", "fields")}
        draft = ProductDraft(
            **{**kept, "image": "", "is_hidden": bool(product.is_hidden)},
            category_id=shelves.get(product.category_id or 0),
            fields=msgspec.json.decode(product.fields, type=tuple[BuyerField, ...]),
        )
        catalog_writes.add_product(tx, draft, [_sku_draft(sku, goods.tiers) for sku in goods.skus], CLI)


def _sku_draft(sku: Sku, tiers: Sequence[Tier]) -> SkuDraft:
    kept = {name: getattr(sku, name) for name in SkuDraft.__struct_fields__ if name != "tiers"}
    kept |= {"is_free": bool(sku.is_free), "is_hidden": bool(sku.is_hidden)}
    return SkuDraft(**kept, tiers=tuple((t.min_quantity, t.price_minor) for t in tiers if t.sku_id == sku.sku_id))


async def _copy_accounts(shop: Shop, original: Original, goods: Goods, sku: Sku) -> str:
    """Each account under its name and rules; the name of the one that the crowd pays by, '' when there is nothing to pay."""
    for account in original.accounts:
        await shop.db.write(_add_account, shop, account.name, account.label, bool(account.is_enabled), rules_of(account))
    if not sku.price_minor:
        return ""
    for account in original.accounts:
        if account.is_enabled and _admits_all(rules_of(account)):
            return account.name
    name = ACCOUNT if all(a.name != ACCOUNT for a in original.accounts) else f"{ACCOUNT}-{secrets.token_hex(4)}"
    await shop.db.write(_add_account, shop, name, "", True, AccountRules())
    return name


def _admits_all(rules: AccountRules) -> bool:
    """Whether an account takes any order of anybody, so that none of its own bounds turns the crowd away."""
    return rules.audience == "everyone" and not (rules.least_minor or rules.most_minor or rules.products or rules.categories)


def _add_account(tx: Tx, shop: Shop, name: str, label: str, is_enabled: bool, rules: AccountRules) -> None:
    """Played by Epay: its currency, at the account's own rate, and no odd cents, which tell transfers apart."""
    played = msgspec.structs.replace(rules, currency=CURRENCY, spread_minor=0)
    options = {"url": "https://stress.invalid/", "pid": PID, "mode": "page", "methods": "", "allow_http": "no"}
    sealed = shop.keyring.seal_settings(msgspec.json.encode({"key": KEY}), name=f"gateway/{name}")
    draft = GatewayDraft(
        label=label,
        options=msgspec.json.encode(options).decode(),
        secrets=sealed,
        is_enabled=is_enabled,
        rules=msgspec.json.encode(played).decode(),
    )
    payment_writes.add_gateway(tx, name, "epay", draft, CLI)


async def _stock(shop: Shop, product: Product, sku: Sku, codes: int, tell: Callable[[int], None]) -> frozenset[str]:
    made_up = [f"STRESS-{n:07}-{secrets.token_hex(6).upper()}" for n in range(codes)]
    progress = restock.Progress()
    source = restock.Source(
        file=io.BytesIO("\n".join(made_up).encode()), name="stress.txt", product=product.slug, sku=sku.sku_code, batch="stress"
    )
    importing = asyncio.ensure_future(restock.import_codes(shop, source, CLI, progress=progress))
    while not importing.done():
        await asyncio.wait({importing}, timeout=0.2)
        tell(round(progress.share * codes))
    report = importing.result()
    if report.new != codes:
        raise Unavailable("Only {n} of {wanted} codes could be put into the copy.", n=report.new, wanted=codes)
    return frozenset(made_up)


def _sku_id(db: Reader, sku_code: str) -> int:
    sku = catalog.find_sku(db, sku_code)
    assert sku is not None
    return sku.sku_id
