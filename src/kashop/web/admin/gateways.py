"""Payment gateways: the accounts, their options, and whether they work. A secret goes in and never comes out again."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads as catalog
from kashop.flows import gateways, offers, self_test
from kashop.lib.errors import Conflict, FieldError, Invalid, NotFound
from kashop.lib.money import to_text
from kashop.payments import reads
from kashop.payments.account_rules import example
from kashop.payments.rows import GatewayAccount
from kashop.payments.rules import AccountRules, rules_of
from kashop.payments.types import Finding, GatewayType
from kashop.shop import Shop
from kashop.web.admin.difference import Difference, Value, compared
from kashop.web.admin.gateway_rules import in_the_form, read_rules, values
from kashop.web.admin.gateway_rules import shown as shown_rules
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, mark_cookie, shop_of, signed_in
from kashop.web.storefront.payments import percent


@get("/admin/gateways", guards=[Needs("gateways.view")])
async def gateway_list(request: AnyRequest) -> Response[bytes]:
    """Every account, and the types there are."""
    return await _list(request)


@get("/admin/gateways/new/{kind:str}", guards=[Needs("gateways.edit")])
async def new_gateway(request: AnyRequest, kind: FromPath[str]) -> Response[bytes]:
    """An empty form of a type."""
    return await _page(request, _kind(shop_of(request), kind), None)


@post("/admin/gateways/new/{kind:str}", guards=[Needs("gateways.edit", step_up=True)])
async def add_gateway(request: AnyRequest, kind: FromPath[str]) -> Response[bytes] | Redirect:
    """Add an account."""
    found = _kind(shop_of(request), kind)
    name = form_of(request).raw("name").strip()
    if await shop_of(request).db.read(reads.find_gateway, name) is not None:
        refused = Invalid.of("name", "This is already in use.")
        return await _page(request, found, None, again(request, form_of(request), refused), 422)
    return await _save(request, found, None, name)


@get("/admin/gateways/{name:str}", guards=[Needs("gateways.view")])
async def gateway_page(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """One account in its form."""
    account = await _account(request, name)
    return await _page(request, shop_of(request).plugins.gateway_types.get(account.type), account)


@post("/admin/gateways/{name:str}", guards=[Needs("gateways.edit", step_up=True)])
async def edit_gateway(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """Change an account."""
    account = await _account(request, name)
    return await _save(request, _kind(shop_of(request), account.type), account, name)


@post("/admin/gateways/{name:str}/enable", guards=[Needs("gateways.edit", step_up=True)])
async def enable(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """Offer it to buyers."""
    return await _switch(request, name, is_enabled=True)


@post("/admin/gateways/{name:str}/disable", guards=[Needs("gateways.edit", step_up=True)])
async def disable(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """Offer it no more. Callbacks for payments that are on their way are still read."""
    return await _switch(request, name, is_enabled=False)


@post("/admin/gateways/{name:str}/delete", guards=[Needs("gateways.edit", step_up=True)])
async def delete(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """Take an account away that is off and was never paid by."""
    try:
        await gateways.remove(shop_of(request), name, actor_of(request))
    except Conflict as refused:
        return await _list(request, refused_as(request, form_of(request), refused), refused.status)
    return see("/admin/gateways", "deleted")


@post("/admin/gateways/{name:str}/move", guards=[Needs("gateways.edit", step_up=True)])
async def move(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """One place up or down in the order in which buyers see the accounts and the shop takes them."""
    names = [account.name for account in await shop_of(request).db.read(reads.gateways)]
    if name not in names:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    step = -1 if form_of(request).raw("to") == "up" else 1
    await gateways.place(shop_of(request), name, max(1, names.index(name) + 1 + step), actor_of(request))
    return see("/admin/gateways", "saved")


@post("/admin/gateways/{name:str}/copy", guards=[Needs("gateways.edit", step_up=True)])
async def copy(request: AnyRequest, name: FromPath[str]) -> Response[bytes] | Redirect:
    """Another account with all that this one has, switched off."""
    account, new_name = await _account(request, name), form_of(request).raw("name").strip()[:100]
    try:
        await gateways.copy(shop_of(request), name, new_name, actor_of(request))
    except Invalid as refused:
        kind = shop_of(request).plugins.gateway_types.get(account.type)
        return await _page(request, kind, account, again(request, form_of(request), refused), 422)
    return see(f"/admin/gateways/{new_name}", "added")


@post("/admin/gateways/{name:str}/test", guards=[Needs("gateways.view")])
async def test(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Try it, moving no money."""
    account, shop = await _account(request, name), shop_of(request)
    shop.limits.take("gateway test", name)
    findings = await self_test.run(shop, name)
    return await _page(request, shop.plugins.gateway_types.get(account.type), account, findings=findings)


async def _switch(request: AnyRequest, name: str, *, is_enabled: bool) -> Response[bytes] | Redirect:
    try:
        await gateways.set_enabled(shop_of(request), name, is_enabled, actor_of(request))
    except (Invalid, Conflict) as refused:
        return await _list(request, refused_as(request, form_of(request), refused), refused.status)
    return see("/admin/gateways", "enabled" if is_enabled else "disabled")


async def _save(request: AnyRequest, kind: GatewayType, account: GatewayAccount | None, name: str) -> Response[bytes] | Redirect:
    form, currency = form_of(request), shop_of(request).settings.text("shop.currency")
    try:
        label, options, rules = form.text("label", most=60), _options(form, kind), read_rules(form, currency)
        version = form.integer("version", least=0, most=10**9, default=0) if account else None
        form.done()
        await gateways.configure(
            shop_of(request),
            name,
            type=kind.type,
            options=options,
            actor=actor_of(request),
            label=label,
            is_enabled=form.flag("is_enabled"),
            rules=rules,
            version=version,
        )
    except Invalid as refused:
        return await _page(request, kind, account, again(request, form, _in_the_form(kind, refused)), 422)
    except Conflict as refused:
        now = await _account(request, name)
        shown = refused_as(request, form, refused)
        difference = _difference(kind, now, form, options)
        if rules is not None:
            difference += compared(values(rules, currency), values(rules_of(now), currency))
        return await _page(request, kind, now, shown, refused.status, difference=difference)
    saved = see(f"/admin/gateways/{name}", "saved")
    if rules is not None and rules.audience == "staff":  # who logged in before this mark was known has it now
        saved.cookies.append(mark_cookie(shop_of(request), signed_in(request).session_hash))
    return saved


def _in_the_form(kind: GatewayType, refused: Invalid) -> Invalid:
    named = {o.name for o in kind.options}
    fields = [FieldError(f"option-{e.field}", e.message, e.params) if e.field in named else e for e in refused.fields]
    return Invalid(refused.message, fields=in_the_form(Invalid(refused.message, fields=fields)))


def _difference(kind: GatewayType, now: GatewayAccount, form: Form, options: dict[str, str]) -> list[Difference]:
    """What was typed against what stands now. Of a secret only that another was typed."""
    stored = msgspec.json.decode(now.options, type=dict[str, str])
    labels = {o.name: o.label for o in kind.options}
    open_ones = [o.name for o in kind.options if not o.is_secret]
    mine: dict[str, Value] = {"Name for yourself": form.raw("label").strip(), "Offered to buyers": form.flag("is_enabled")}
    theirs: dict[str, Value] = {"Name for yourself": now.label, "Offered to buyers": bool(now.is_enabled)}
    mine |= {labels[name]: options.get(name, "") for name in open_ones}
    theirs |= {labels[name]: stored.get(name, "") for name in open_ones}
    typed = [o.label for o in kind.options if o.is_secret and o.name in options]
    return compared(mine, theirs) + [Difference(label, "•••", "•••") for label in typed]


def _options(form: Form, kind: GatewayType) -> dict[str, str]:
    """What was filled in; a secret left empty keeps what it was."""
    options = {}
    for option in kind.options:
        field = f"option-{option.name}"
        if option.kind == "flag":
            options[option.name] = "1" if form.flag(field) else "0"
        elif option.is_secret:
            value = form.text(field, most=8000, is_long=True)
            if value:
                options[option.name] = value
        else:
            options[option.name] = form.text(field, most=2000)
    return options


async def _account(request: AnyRequest, name: str) -> GatewayAccount:
    account = await shop_of(request).db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    return account


def _kind(shop: Shop, name: str) -> GatewayType:
    kind = shop.plugins.gateway_types.get(name)
    if kind is None:
        raise NotFound("There is no such kind of gateway.")
    return kind


async def _list(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    types = shop.plugins.gateway_types
    return answer(
        request,
        "gateways.html",
        status=status,
        form=form or Shown(),
        rows=[_row(shop, account) for account in await shop.db.read(reads.gateways)],
        types=[kind for kind in types.values() if not kind.is_practice or shop.settings.flag("shop.practice")],
        troubled=[p for p in shop.plugins.plugins if p.problem],
    )


class Row(msgspec.Struct, frozen=True):
    """An account in the list; `is_misfit` when its gateway is not asked in its currency."""

    account: GatewayAccount
    kind: GatewayType | None
    rules: AccountRules
    fee: str
    is_misfit: bool
    rests_until: int


def _row(shop: Shop, account: GatewayAccount) -> Row:
    rules, kind = rules_of(account), shop.plugins.gateway_types.get(account.type)
    fee = percent(rules.fee_bp) + "%" if rules.fee_bp else ""
    if rules.fee_fixed_minor:
        fee += f"{' + ' if fee else ''}{to_text(rules.fee_fixed_minor, shop.settings.text('shop.currency'))}"
    is_misfit = kind is not None and not offers.takes_currency(shop, account)
    return Row(account, kind, rules, fee, is_misfit, shop.failures.rests_until(account.gateway_id))


async def _page(
    request: AnyRequest,
    kind: GatewayType | None,
    account: GatewayAccount | None,
    form: Shown | None = None,
    status: int = 200,
    findings: list[Finding] | None = None,
    difference: Sequence[Difference] = (),
) -> Response[bytes]:
    stored: dict[str, Any] = msgspec.json.decode(account.options) if account else {}
    shop, rules = shop_of(request), rules_of(account) if account else AccountRules()
    currency, base = shop.settings.text("shop.currency"), shop.base_url
    asked = example(rules, currency)
    return answer(
        request,
        "gateway.html",
        status=status,
        form=form or Shown(),
        kind=kind,
        account=account,
        stored=stored,
        findings=None if findings is None else [(f, dict(f.params)) for f in findings],
        difference=difference,
        callback_url=f"{base}/pay/{account.name}/callback" if account else "",
        rules=rules,
        stands=shown_rules(rules, currency),
        asked=asked if (asked.amount_minor, asked.currency) != (asked.due_minor, currency) else None,
        others=[(c, c) for c in kind.currencies if c != currency] if kind else [],
        shelves=await shop.db.read(catalog.categories),
        is_misfit=account is not None and kind is not None and not offers.takes_currency(shop, account),
        rests_until=shop.failures.rests_until(account.gateway_id) if account else 0,
    )


route_handlers = [gateway_list, new_gateway, add_gateway, gateway_page, edit_gateway, enable, disable, delete, move, copy, test]
