"""`kashop vault`: the keys."""

from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.db import Reader
from kashop.inventory.reads import counts
from kashop.shop import Shop
from kashop.vault import reads


@click.group()
def vault() -> None:
    """The keys that seal the stock."""


@vault.command("status")
@frame.shop_options
def status(*, data: Path, is_json: bool) -> None:
    """Whether the vault opens, by which key file, and what is in it. Prints no key."""

    async def work(shop: Shop) -> dict[str, Any]:
        return {"state": "unsealed", "key_file": str(shop.config.unseal_key_file), **await shop.db.read(_contents)}

    known = frame.run(data, work)
    if is_json:
        show.as_json(known)
        return
    show.line(f"The vault opens with {known['key_file']}.")
    show.line(f"{known['data_keys']} data keys; codes: " + ", ".join(f"{n} {state}" for state, n in known["codes"].items()) + ".")


def _contents(db: Reader) -> dict[str, Any]:
    kept = counts(db)
    states = {state: sum(getattr(c, state) for c in kept) for state in ("free", "held", "sold", "void")}
    return {"data_keys": len(reads.data_keys(db)), "codes": states}
