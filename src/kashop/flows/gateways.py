"""Configure gateway accounts, and make the Gateway of one when it is needed."""

import re
from functools import lru_cache

import msgspec

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.errors import FieldError, Invalid, NotFound
from kashop.payments import reads, writes
from kashop.payments.account_rules import checked_rules
from kashop.payments.rows import GatewayAccount, GatewayDraft
from kashop.payments.rules import AccountRules, rules_of
from kashop.payments.types import Finding, Gateway, GatewayFailed, GatewayType, Method, Option
from kashop.shop import Shop
from kashop.vault import Tampered

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)


async def configure(
    shop: Shop,
    name: str,
    *,
    type: str,
    options: dict[str, str],
    actor: Actor,
    label: str = "",
    is_enabled: bool = True,
    rules: AccountRules | None = None,
    version: int | None = None,
) -> None:
    """Add an account at the end, or change the one of that name; secret options and rules that are not given keep their value.

    `version` is what the editor saw: Conflict when it is no longer so. Raises Invalid by option.
    A practice gateway is enabled only in a practice shop.
    """
    account = await shop.db.read(reads.find_gateway, name)
    kind = _kind(shop, name, type, account, is_enabled)
    if rules is not None:
        await _check_rules(shop, kind, rules)
    merged = _checked(kind, {**_all_options(shop, account), **{k: v.strip() for k, v in options.items()}})
    shop.plugins.gateway(kind, merged)  # refuses what the gateway cannot work with
    secret_names = {o.name for o in kind.options if o.is_secret}
    open_json = msgspec.json.encode({k: v for k, v in merged.items() if k not in secret_names}).decode()
    secrets = msgspec.json.encode({k: v for k, v in merged.items() if k in secret_names})
    sealed = shop.keyring.seal_settings(secrets, name=f"gateway/{name}")
    kept = account.rules if account else "{}"
    rules_json = kept if rules is None else msgspec.json.encode(rules).decode()
    draft = GatewayDraft(label=label, options=open_json, secrets=sealed, is_enabled=is_enabled, rules=rules_json)
    if account is None:
        await shop.db.write(writes.add_gateway, name, type, draft, actor)
    else:
        seen = account.version if version is None else version
        await shop.db.write(writes.edit_gateway, account.gateway_id, draft, version=seen, actor=actor)


async def _check_rules(shop: Shop, kind: GatewayType, rules: AccountRules) -> None:
    """Raises Invalid by the fields of AccountRules."""
    checked_rules(rules, kind, shop.settings.text("shop.currency"))
    wrong = await shop.db.read(_strangers, rules)
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)


def _strangers(db: Reader, rules: AccountRules) -> list[FieldError]:
    """Complaints about slugs that name nothing."""
    products = [slug for slug in rules.products if catalog.find_product(db, slug) is None]
    categories = [slug for slug in rules.categories if catalog.find_category(db, slug) is None]
    return [FieldError("products", "There is no product {slug}.", (("slug", slug[:64]),)) for slug in products] + [
        FieldError("categories", "There is no category {slug}.", (("slug", slug[:64]),)) for slug in categories
    ]


async def copy(shop: Shop, name: str, new_name: str, actor: Actor) -> None:
    """Another account with all that one has, its keys too, switched off until it is looked at. Raises Invalid, NotFound."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    if await shop.db.read(reads.find_gateway, new_name) is not None:
        raise Invalid.of("name", "This is already in use.")
    options, rules = _all_options(shop, account), rules_of(account)
    await configure(
        shop, new_name, type=account.type, options=options, actor=actor, label=account.label, is_enabled=False, rules=rules
    )


async def place(shop: Shop, name: str, position: int, actor: Actor) -> None:
    """Put an account at a place in the order in which buyers see them and the shop takes them; 1 is the first."""
    await shop.db.write(writes.place_gateway, name, position, actor)


def _kind(shop: Shop, name: str, type: str, account: GatewayAccount | None, is_enabled: bool) -> GatewayType:
    """The type that an account of that name may be. Raises Invalid."""
    kind = shop.plugins.gateway_types.get(type)
    if not _NAME.fullmatch(name):
        raise Invalid.of("name", "Use 1 to 32 small letters, digits and hyphens.")
    if kind is None:
        known = ", ".join(sorted(shop.plugins.gateway_types))
        raise Invalid.of("type", "There is no gateway type {type}; there is: {known}.", type=type, known=known)
    if account is not None and account.type != type:
        raise Invalid.of("type", "The account {name} is of type {type}: take another name.", name=name, type=account.type)
    if kind.is_practice and is_enabled and not shop.settings.flag("shop.practice"):
        raise Invalid.of("type", "A practice gateway takes no money: it works only in a practice shop.")
    return kind


async def remove(shop: Shop, name: str, actor: Actor) -> None:
    """Take an account away that is off and was never paid by. Raises Conflict with the counts, NotFound."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    await shop.db.write(writes.remove_gateway, account.gateway_id, actor)


def _all_options(shop: Shop, account: GatewayAccount | None) -> dict[str, str]:
    if account is None:
        return {}
    secrets = shop.keyring.open_settings(account.secrets, name=f"gateway/{account.name}")
    return {
        **msgspec.json.decode(account.options, type=dict[str, str]),
        **msgspec.json.decode(secrets, type=dict[str, str]),
    }


def _checked(kind: GatewayType, options: dict[str, str]) -> dict[str, str]:
    known = {o.name: o for o in kind.options}
    wrong = [FieldError(name, "There is no such option.") for name in options.keys() - known.keys()]
    values = {name: options.get(name, "") or o.default or _generated(o) for name, o in known.items()}
    for name, option in known.items():
        if option.is_required and not values[name]:
            wrong.append(FieldError(name, "This is needed."))
        elif option.choices and values[name] and values[name] not in option.choices:
            wrong.append(FieldError(name, "Choose one of the values on offer."))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return values


def _generated(option: Option) -> str:
    return ids.token() if option.is_generated else ""


async def set_enabled(shop: Shop, name: str, is_enabled: bool, actor: Actor) -> None:
    """Switch an account on or off; off also when it is broken, or its plugin gone."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name)
    if not is_enabled:
        draft = GatewayDraft(
            label=account.label, options=account.options, secrets=account.secrets, is_enabled=False, rules=account.rules
        )
        await shop.db.write(writes.edit_gateway, account.gateway_id, draft, version=account.version, actor=actor)
        return
    await configure(shop, name, type=account.type, options={}, actor=actor, label=account.label, is_enabled=is_enabled)


async def test(shop: Shop, name: str) -> list[Finding]:
    """The gateway's own test of an account: what it found. `self_test.run` looks at the shop's side of it besides."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name)
    try:
        return await made(shop, account).test()
    except GatewayFailed as failed:
        return [Finding(subject=name, is_ok=False, advice=failed.problem)]
    except NotFound as gone:
        return [Finding(subject=name, is_ok=False, advice=gone.text())]


def made(shop: Shop, account: GatewayAccount) -> Gateway:
    """The Gateway of an account, made once for each version of its options. Raises NotFound when it cannot be made (any more)."""
    key = (account.gateway_id, account.version)
    if key not in shop.gateways:
        kind = shop.plugins.find_gateway_type(account.type)
        if kind is None:
            raise NotFound("The plugin of the gateway {name} is not loaded.", name=account.name)
        try:
            shop.gateways[key] = shop.plugins.gateway(kind, _all_options(shop, account))
        except (Invalid, Tampered) as unfit:  # a newer plugin asks for more, or the row is another shop's
            shop.log.error("gateway cannot be made", gateway=account.name, problem=str(unfit))
            raise NotFound("The gateway {name} does not work with its options.", name=account.name) from None
    return shop.gateways[key]


def methods(account: GatewayAccount, kind: GatewayType) -> tuple[Method, ...]:
    """The methods an account offers: those its `methods` option names, or all of its type."""
    names = _named(account.options)
    return tuple(m for m in kind.methods if m.name in names) if names else kind.methods


@lru_cache(maxsize=256)
def _named(options: str) -> frozenset[str]:
    wanted = msgspec.json.decode(options, type=dict[str, str]).get("methods", "")
    return frozenset(m.strip() for m in wanted.split(",") if m.strip())
