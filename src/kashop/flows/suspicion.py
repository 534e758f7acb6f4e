"""What looks strange about a log-in: told to the account and to the owners, and shown until it is dismissed.

Always true: one warning of a kind a day for one account, however long an attack lasts; a browser that the account knows and a
network that it was used from within thirty days are not strange.
"""

from kashop.accounts import reads as accounts
from kashop.accounts.factors import reads, writes
from kashop.accounts.types import Browser, Staff
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY
from kashop.notices import writes as notices
from kashop.risk import one_client


def look_at(tx: Tx, staff: Staff, browser: Browser, actor: Actor, *, is_known: bool) -> None:
    """Judge a log-in that succeeded, and remember its place. Before the account counts as used."""
    place = one_client(browser.ip)
    is_strange = not is_known and not reads.knows_place(tx, staff.staff_id, place)
    writes.note_place(tx, staff.staff_id, place)
    if is_strange:
        writes.note_suspicion(tx, staff.staff_id, actor)
        _tell(tx, staff, "new_place", browser)


def warn(tx: Tx, staff: Staff, kind: str, browser: Browser) -> None:
    """Warn of an attack on an account, once a day."""
    if reads.last_alert_at(tx, staff.staff_id, kind) <= tx.now - DAY:
        _tell(tx, staff, kind, browser)


def _tell(tx: Tx, staff: Staff, kind: str, browser: Browser) -> None:
    writes.warn(tx, staff.staff_id, kind, ip=browser.ip, user_agent=browser.user_agent)
    to = dict.fromkeys([staff.email, *accounts.owner_addresses(tx)])
    agent = browser.user_agent[:200] or "-"
    notices.tell(tx, "login.suspicious", to=to, account=staff.email, kind=kind, ip=browser.ip, user_agent=agent)
