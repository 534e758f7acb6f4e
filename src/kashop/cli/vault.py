"""`kashop vault`: the keys. No command here prints a key; a recovery code is printed once, when it is made."""

from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from kashop.cli import frame, show
from kashop.cli.vault_rotate import rotate
from kashop.db import Reader
from kashop.db.locks import ServerLock
from kashop.flows import recover as recovery
from kashop.flows import vault as flow
from kashop.inventory.reads import counts
from kashop.lib import logs
from kashop.shop import Shop
from kashop.vault import reads

WAYS = {"keyfile": "the key file", "passphrase": "a passphrase", "recovery": "a recovery code"}


@click.group()
def vault() -> None:
    """The keys that seal the stock."""


vault.add_command(rotate)


@vault.command("status")
@frame.shop_options
def status(*, data: Path, is_json: bool) -> None:
    """Whether the vault is sealed, what unseals it, and what is in it. Prints no key."""
    is_served = ServerLock(data.absolute()).holder() is not None

    async def work(shop: Shop) -> dict[str, Any]:
        known = await flow.status(shop)
        is_sealed = known.state.sealed_at is not None if is_served else known.is_sealed
        state = "sealed" if is_sealed else "unsealed"
        methods = [{"id": m.root_id, "method": m.method, "label": m.label} for m in known.methods]
        about = {"state": state, "why": known.state.why, "waiting": known.waiting, "methods": methods}
        return {**about, "key_file": str(shop.config.unseal_key_file), **await shop.db.read(_contents)}

    known = frame.run(data, work)
    if is_json:
        show.as_json(known)
        return
    show.line(f"The vault is {known['state']}{' (' + known['why'] + ')' if known['why'] else ''}.")
    for m in known["methods"]:
        show.line(f"  {m['id']:>3}  {WAYS[m['method']]}{' «' + m['label'] + '»' if m['label'] else ''}")
    show.line(f"The key file is {known['key_file']}. {known['waiting']} deliveries wait for the vault.")
    show.line(f"{known['data_keys']} data keys; codes: " + ", ".join(f"{n} {state}" for state, n in known["codes"].items()) + ".")


def _contents(db: Reader) -> dict[str, Any]:
    kept = counts(db)
    states = {state: sum(getattr(c, state) for c in kept) for state in ("free", "held", "sold", "void")}
    return {"data_keys": len(reads.data_keys(db)), "codes": states}


@vault.command()
@frame.shop_options
def seal(*, data: Path, is_json: bool) -> None:
    """Forget the vault's keys, in a running server too: the shop sells on, deliveries wait until it is unsealed."""
    won = frame.run(data, lambda shop: flow.seal(shop, frame.actor()))
    _tell(is_json, {"state": "sealed", "changed": won}, "The vault is sealed." if won else "The vault was sealed already.")


_passphrase = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), metavar="F", help="A passphrase, in a file or `-` for stdin."
)
_recovery = click.option(
    "--recovery-file", type=click.Path(path_type=Path), metavar="F", help="A recovery code, in a file or `-` for stdin."
)


@vault.command()
@frame.shop_options
@_passphrase
@_recovery
def unseal(*, data: Path, is_json: bool, passphrase_file: Path | None, recovery_file: Path | None) -> None:
    """Unseal the vault, in a running server too, and deliver what waited. Without an option: by the key file.

    Example: kashop vault unseal --passphrase-file -
    """
    given = _given(passphrase_file, recovery_file)
    is_served = ServerLock(data.absolute()).holder() is not None
    delivered = frame.run(data, lambda shop: flow.open_with(shop, given, frame.actor()))
    said = f"The vault is unsealed; {delivered} deliveries had waited."
    _tell(is_json, {"state": "unsealed", "delivered": delivered}, said + (" The server follows in seconds." if is_served else ""))


@vault.command()
@frame.shop_options
@_passphrase
@click.option("--label", default="", help="Whose it is.")
def passphrase(*, data: Path, is_json: bool, passphrase_file: Path | None, label: str) -> None:
    """Add a passphrase that unseals: 12 characters at least, better a sentence.

    Remove the key file's line afterwards (`kashop vault forget`) and the shop starts sealed, until somebody gives a passphrase.
    """
    text = _secret(passphrase_file, "passphrase")
    frame.run(data, lambda shop: flow.add_passphrase(shop, text, label[:60], frame.actor()))
    _tell(is_json, {"added": "passphrase"}, "Added. `kashop vault status` lists what unseals the vault.")


@vault.command("recovery")
@frame.shop_options
def recovery_(*, data: Path, is_json: bool) -> None:
    """Make a recovery code and print it, this once: write it on paper and lock it away. The one before opens nothing more."""
    code = frame.run(data, lambda shop: flow.make_recovery(shop, frame.actor()))
    _tell(is_json, {"recovery": code}, code)


@vault.command()
@click.argument("method_id", type=int, metavar="ID")
@frame.shop_options
def forget(*, method_id: int, data: Path, is_json: bool) -> None:
    """Take away a way to unseal, by its number in `kashop vault status`. The last one but a recovery code stays."""
    frame.run(data, lambda shop: flow.drop_method(shop, method_id, frame.actor()))
    _tell(is_json, {"removed": method_id}, "Removed.")


@vault.command()
@frame.shop_options
def keyfile(*, data: Path, is_json: bool) -> None:
    """Let the key file unseal the vault by itself at every start again."""
    frame.run(data, lambda shop: flow.use_key_file(shop, frame.actor()))
    _tell(is_json, {"added": "keyfile"}, "The key file unseals the vault at every start.")


@vault.command()
@frame.shop_options
@_passphrase
def rekey(*, data: Path, is_json: bool, passphrase_file: Path | None) -> None:
    """Make a new key file and recovery code, and set the passphrase anew or drop it. What unsealed before does so no more.

    Takes a second or two while the shop sells on. The new recovery code is printed this once.
    """
    text = frame.read_secret(passphrase_file, field="passphrase")
    code = frame.run(data, lambda shop: flow.rekey(shop, frame.actor(), passphrase=text))
    _tell(
        is_json,
        {"recovery": code},
        f"Done. Copy the new key file to where the second one is kept. The new recovery code:\n{code}",
    )


@vault.command()
@frame.shop_options
@_passphrase
@_recovery
def recover(*, data: Path, is_json: bool, passphrase_file: Path | None, recovery_file: Path | None) -> None:
    """Make a new key file after the old one was lost, with a passphrase or a recovery code. Not while a server runs."""
    frame.keep_memory_private()
    config = frame.configured(data)
    logs.configure(config.log_format, "warning")
    recovery.run(config, _given(passphrase_file, recovery_file, is_needed=True), frame.actor())
    said = f"The new key file is {config.unseal_key_file}: keep a second copy away from this machine."
    _tell(is_json, {"key_file": str(config.unseal_key_file)}, said)


def _given(passphrase_file: Path | None, recovery_file: Path | None, *, is_needed: bool = False) -> flow.Given:
    if passphrase_file is not None and recovery_file is not None:
        raise click.UsageError("Give a passphrase or a recovery code, not both.")
    if recovery_file is not None:
        return flow.Given(recovery=frame.read_secret(recovery_file, field="recovery"))
    if passphrase_file is not None or is_needed:
        return flow.Given(passphrase=_secret(passphrase_file, "passphrase"))
    return flow.Given()


def _secret(path: Path | None, name: str) -> str:
    """Out of a file, or typed at the terminal unseen."""
    return frame.read_secret(path, field=name) if path else str(click.prompt(name.capitalize(), hide_input=True, err=True))


def _tell(is_json: bool, facts: dict[str, Any], said: str) -> None:
    if is_json:
        show.as_json(msgspec.to_builtins(facts))
    else:
        show.line(said)
