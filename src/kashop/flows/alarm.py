"""What happens when a sealed code does not open where it stands: somebody moved it, altered it, or put another shop's there.

Always true: the alarm is an event and stands in the same transaction as the order's place on the desk; the owners are told, but
not again within the hour, so that whoever spoils a whole table does not flood them.
"""

from kashop.accounts import reads as accounts
from kashop.audit import reads as audit
from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory.seals import reads as seals
from kashop.lib.actor import SYSTEM
from kashop.lib.clock import HOUR
from kashop.notices import writes as notices
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes


def sound(tx: Tx, code_id: int, where: str, *, how: str) -> None:
    """A code does not open. `where` names its place and never its content; `how` is reveal or rotation."""
    last = audit.last_at(tx, "vault.alarm")
    line_id = seals.line_of(tx, code_id)
    order_id = None if line_id is None else orders.order_of_line(tx, line_id)
    record(tx, "vault.alarm", SYSTEM, ("code", code_id), where=where, how=how, order=order_id)
    if order_id is not None:
        order_writes.open_exception(tx, order_id, "delivery_failed", SYSTEM, where=where)
    if last is None or last + HOUR <= tx.now:
        notices.tell(tx, "vault.alarm", to=accounts.owner_addresses(tx), where=where)
