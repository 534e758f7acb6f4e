"""`kashop gateway`: ways to be paid. Secret options are sealed and never shown again."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from kashop.cli import frame, show
from kashop.cli.gateway_rules import by_option, changed, plain, rules_options, worked
from kashop.cli.statement import reconcile, statement
from kashop.flows import gateways, self_test
from kashop.lib.errors import Invalid
from kashop.payments import reads
from kashop.payments.rows import GatewayAccount
from kashop.payments.rules import AccountRules, rules_of
from kashop.payments.types import Finding, GatewayType
from kashop.shop import Shop

ENVIRON = "KASHOP_OPTION_"


@click.group()
def gateway() -> None:
    """Ways to be paid: each a configured account of a gateway type."""


gateway.add_command(reconcile)
gateway.add_command(statement)


@gateway.command("types")
@frame.shop_options
def types(*, data: Path, is_json: bool) -> None:
    """Which types there are, and what each wants to know."""

    async def work(shop: Shop) -> list[GatewayType]:
        return sorted(shop.plugins.gateway_types.values(), key=lambda t: t.type)

    found = frame.run(data, work)
    if is_json:
        show.as_json([_type_plain(t) for t in found])
        return
    for each in found:
        methods = ", ".join(m.name for m in each.methods)
        show.line(f"{each.type}: {each.label} ({methods}; {', '.join(each.currencies) or 'any currency'})")
        for o in each.options:
            notes = ["secret"] * o.is_secret + ["needed"] * (o.is_required and not o.default)
            notes += [f"one of {', '.join(o.choices)}"] * bool(o.choices) + [f"default {o.default}"] * bool(o.default)
            said = f" ({'; '.join(notes)})" if notes else ""
            show.line(f"  {o.name}: {o.label}{said}{f'. {o.help}' if o.help else ''}")


def _type_plain(kind: GatewayType) -> dict[str, Any]:
    return {
        "type": kind.type,
        "label": kind.label,
        "methods": [m.name for m in kind.methods],
        "currencies": list(kind.currencies),
        "is_practice": kind.is_practice,
        "options": [msgspec.structs.asdict(o) for o in kind.options],
    }


@gateway.command("set")
@click.argument("name")
@frame.shop_options
@click.option(
    "--type", "type_", metavar="TYPE", help="What kind of gateway; needed for a new account. See `kashop gateway types`."
)
@click.option("--option", "options", multiple=True, metavar="K=V", help="May be repeated. K=@FILE reads a file, K=@- stdin.")
@click.option("--label", help="What buyers see beside the method's name.")
@click.option("--disable", is_flag=True, help="Keep it, and offer it to nobody.")
@click.option("--enable", is_flag=True, help="Offer it (a new account is offered at once).")
@rules_options
@click.option(
    "--position", type=click.IntRange(1, 1000), help="Its place in the order in which buyers see the accounts; 1 is first."
)
def set_(
    *,
    name: str,
    data: Path,
    is_json: bool,
    type_: str | None,
    options: tuple[str, ...],
    label: str | None,
    disable: bool,
    enable: bool,
    position: int | None,
    **given: str | None,
) -> None:
    """Add an account, or change the one of that name: what is not given stays.

    So that a key stands in no process list and no shell history, give it as `--option key=@FILE`, as `--option key=@-` on stdin,
    or as KASHOP_OPTION_KEY (or KASHOP_OPTION_KEY_FILE) in the environment.

    Example: kashop gateway set epay-main --type epay --option url=https://pay.example.com --option pid=1001 --option key=@F
    """
    if disable and enable:
        raise click.UsageError("--enable and --disable contradict each other.")
    values = {**_from_environ(os.environ), **dict(_option(text) for text in options)}

    async def work(shop: Shop) -> str:
        known = await shop.db.read(reads.find_gateway, name)
        rules, currency = rules_of(known) if known else AccountRules(), shop.settings.text("shop.currency")
        changes = changed(rules, given, currency)
        was_on = bool(known.is_enabled) if known else True
        shown = label if label is not None else (known.label if known else "")
        wanted = _Wanted(type_ or (known.type if known else ""), values, shown, not disable and (enable or was_on), changes)
        await _configure(shop, name, wanted)
        if position is not None:
            await gateways.place(shop, name, position, frame.actor())
        return worked(changes, currency) if changes else ""

    example = frame.run(data, work)
    said = " ".join(filter(None, (f"Set {name}.", example, f"Try it with `kashop gateway test {name}`.")))
    show.as_json({"name": name}) if is_json else show.line(said)


class _Wanted(msgspec.Struct, frozen=True):
    """What an account is to be."""

    type: str
    options: dict[str, str]
    label: str
    is_enabled: bool
    rules: AccountRules | None


async def _configure(shop: Shop, name: str, wanted: _Wanted) -> None:
    if not wanted.type:
        known = ", ".join(sorted(shop.plugins.gateway_types))
        raise Invalid.of("type", "A new account needs --type: one of {known}.", known=known)
    try:
        await gateways.configure(
            shop,
            name,
            type=wanted.type,
            options=wanted.options,
            actor=frame.actor(),
            label=wanted.label,
            is_enabled=wanted.is_enabled,
            rules=wanted.rules,
        )
    except Invalid as refused:
        raise by_option(refused) from None


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError("Write an option as NAME=VALUE.")
    name = name.strip()
    if value.startswith("@@"):
        return name, value[1:]
    if value == "@-":
        return name, sys.stdin.read().strip()
    return name, _file(Path(value[1:]), name) if value.startswith("@") else value


def _from_environ(environ: Any) -> dict[str, str]:
    """`KASHOP_OPTION_KEY=…` or its `…_FILE` twin, for the option `key`."""
    found = {}
    for variable, value in environ.items():
        if variable.startswith(ENVIRON):
            name = variable.removeprefix(ENVIRON).lower()
            twin = name.removesuffix("_file")
            found[twin] = _file(Path(value), twin) if twin != name else value
    return found


def _file(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Invalid.of(name, "The file {path} is not UTF-8 text.", path=path) from None


@gateway.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Every account, with the names of its secrets and not their values."""

    async def work(shop: Shop) -> list[dict[str, Any]]:
        return [_account(shop, a) for a in await shop.db.read(reads.gateways)]

    found = frame.run(data, work)
    if is_json:
        show.as_json(found)
        return
    rows = [
        (
            a["name"],
            a["type"],
            a["label"],
            "on" if a["is_enabled"] else "off",
            " ".join(f"{k}={v}" for k, v in a["options"].items() if v) + "".join(f" {s}=…" for s in a["secrets"]),
            " ".join(f"{k}={v}" for k, v in a["rules"].items()),
            a["problem"],
        )
        for a in found
    ]
    show.table(
        ("NAME", "TYPE", "LABEL", "", "OPTIONS", "RULES", ""),
        rows,
        empty="No gateway yet: `kashop gateway types` shows what there is.",
    )


def _account(shop: Shop, account: GatewayAccount) -> dict[str, Any]:
    kind = shop.plugins.gateway_types.get(account.type)
    return {
        "name": account.name,
        "type": account.type,
        "label": account.label,
        "is_enabled": bool(account.is_enabled),
        "options": msgspec.json.decode(account.options, type=dict[str, str]),
        "rules": plain(rules_of(account), shop.settings.text("shop.currency")),
        "secrets": [o.name for o in kind.options if o.is_secret] if kind else [],
        "problem": "" if kind else "its plugin is not loaded",
    }


@gateway.command("test")
@click.argument("name")
@frame.shop_options
@click.pass_context
def test(ctx: click.Context, *, name: str, data: Path, is_json: bool) -> None:
    """Try an account: keys, clock, callback address, a signature; moves no money. Exit 1 when something is wrong."""
    findings: list[Finding] = frame.run(data, lambda shop: self_test.run(shop, name))
    if is_json:
        plain = [{**msgspec.structs.asdict(f), "advice": _advice(f)} for f in findings]
        show.as_json({"ok": all(f.is_ok for f in findings), "findings": plain})
    else:
        for f in findings:
            mark = "BAD" if not f.is_ok else "ok " if f.is_sure else "?  "
            show.line(f"{mark}  {f.subject}{f': {_advice(f)}' if f.advice else ''}")
    if not all(f.is_ok for f in findings):
        ctx.exit(1)


def _advice(finding: Finding) -> str:
    return finding.advice.format_map(dict(finding.params)) if finding.params else finding.advice


@gateway.command("enable")
@click.argument("name")
@frame.shop_options
def enable(*, name: str, data: Path, is_json: bool) -> None:
    """Offer an account to buyers."""
    frame.run(data, lambda shop: gateways.set_enabled(shop, name, True, frame.actor()))
    show.as_json({"name": name, "is_enabled": True}) if is_json else show.line(f"{name} is on.")


@gateway.command("copy")
@click.argument("name")
@click.argument("new_name")
@frame.shop_options
def copy(*, name: str, new_name: str, data: Path, is_json: bool) -> None:
    """Make another account with all that one has, its keys and rules too; it is off until you enable it."""
    frame.run(data, lambda shop: gateways.copy(shop, name, new_name, frame.actor()))
    show.as_json({"name": new_name, "is_enabled": False}) if is_json else show.line(f"Copied {name} to {new_name}; it is off.")


@gateway.command("delete")
@click.argument("name")
@frame.shop_options
def delete(*, name: str, data: Path, is_json: bool) -> None:
    """Take an account away that is off and was never paid by; any other stays, switched off."""
    frame.run(data, lambda shop: gateways.remove(shop, name, frame.actor()))
    show.as_json({"name": name}) if is_json else show.line(f"Deleted {name}.")


@gateway.command("disable")
@click.argument("name")
@frame.shop_options
def disable(*, name: str, data: Path, is_json: bool) -> None:
    """Offer an account to nobody; payments already begun still arrive."""
    frame.run(data, lambda shop: gateways.set_enabled(shop, name, False, frame.actor()))
    show.as_json({"name": name, "is_enabled": False}) if is_json else show.line(f"{name} is off.")
