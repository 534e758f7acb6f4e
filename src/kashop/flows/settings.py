"""Change what the merchant may choose, and let the running shop know."""

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import FieldError, Invalid
from kashop.settings import SETTINGS, reads, writes
from kashop.settings.table import checked
from kashop.shop import Shop


async def change(shop: Shop, values: dict[str, object], actor: Actor) -> None:
    """Store settings, all or none. Raises Invalid naming every wrong one; fixed ones are refused."""
    wrong: list[FieldError] = []
    for name, value in values.items():
        try:
            checked(name, value)
            if SETTINGS[name].is_fixed:
                raise Invalid.of(name, "This cannot be changed here.")
        except Invalid as invalid:
            wrong += invalid.fields
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    await shop.db.write(_change, values, actor)
    await reload(shop)


def _change(tx: Tx, values: dict[str, object], actor: Actor) -> None:
    for name, value in values.items():
        writes.change(tx, name, value, actor)
    record(tx, "settings.changed", actor, ("shop", 0), names=sorted(values))


async def reload(shop: Shop) -> None:
    """Take up settings that another process may have changed."""
    shop.settings = await shop.db.read(reads.settings)
