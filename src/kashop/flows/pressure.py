"""Before an order may hold stock: how hard its products are pressed, what its buyer holds unpaid already, and his proof of work.

Always true: what is held is counted, and a proof is spent, in the change that places the order; memory only says how hard to be.
Whoever orders from an address that the merchant named his own is counted by contact alone and proves nothing. What a stranger
does with a buyer's contact from elsewhere neither counts against that buyer nor makes his work harder.
"""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from kashop.catalog.types import Offer
from kashop.db import Reader, Tx
from kashop.lib import logs
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE, SECOND
from kashop.lib.errors import Conflict, Refusal, SoldOut
from kashop.lib.text import contact_key
from kashop.orders.unpaid import reads as unpaid
from kashop.risk import budgets, one_client, pressure, writes
from kashop.risk.budgets import Caps, Who
from kashop.risk.captcha import Captcha, Proof, Shown, Task
from kashop.risk.networks import is_free
from kashop.risk.pressure import Ended, Shelf, Strain
from kashop.risk.waiting import Turn
from kashop.settings import Settings
from kashop.shop import Shop

FRESH = SECOND
"""How old a measurement may be."""
PROOF_FOR = 10 * MINUTE
CAPTCHA_SECONDS = 2.0
BUILT_IN = "altcha"
RISEN = 2.0
"""A proof still holds when the price has risen so many times while it was worked at."""
MOST_ENDED = 2000

_LAPSES = ("order.expired", "order.cancelled")
_PAID = "order.paid"

log = logs.get_logger("kashop.risk")


class Asked(msgspec.Struct, frozen=True):
    """So many of what is on offer."""

    offer: Offer
    quantity: int


class Admitted(msgspec.Struct, frozen=True):
    """What an order may do: whose it is, the bounds that are counted in its change, how long it may hold, the proof it spends."""

    goods: tuple[Asked, ...]
    who: Who = budgets.NOBODY
    caps: Caps = Caps()
    codes: int = 0
    most_minutes: int | None = None
    proof: Proof | None = None

    def minutes(self, wanted: int) -> int:
        """How long it may hold, where its product says so many minutes."""
        return wanted if self.most_minutes is None else min(wanted, self.most_minutes)


class ProofNeeded(Refusal):
    """Work is to be proved first: `challenge` is for the buyer's program, `turn` is his place in the line if he asked for one."""

    status = 428
    code = "proof_needed"

    def __init__(self, task: Task, *, challenge: Mapping[str, Any], script: str, turn: Turn | None = None, is_full: bool = False):
        text = "Very many orders are not paid just now. Work through the challenge and send its answer with the same order."
        super().__init__(text, challenge=challenge)
        self.task, self.script, self.turn, self.is_full = task, script, turn, is_full
        self.challenge = challenge


class ProofSpent(Conflict):
    """The proof has placed an order already: each serves once."""

    code = "proof_spent"


def count_try(shop: Shop, actor: Actor) -> None:
    """One more order that an address tries. Raises TooMany."""
    if actor.ip and not is_free(shop.settings.text("risk.free_networks"), actor.ip):
        shop.limits.take("order", one_client(actor.ip))


async def admit(shop: Shop, goods: Sequence[Asked], contact: str, actor: Actor, shown: Shown) -> Admitted:
    """What an order of these goods may do. Raises ProofNeeded, OverBudget, SoldOut."""
    is_ours = not actor.ip or is_free(shop.settings.text("risk.free_networks"), actor.ip)
    client = one_client(actor.ip)
    address = None if is_ours else _digest(shop, "client", client)
    browser = _digest(shop, "browser", shown.browser) if shown.browser else None
    who = Who(address, contact_key(contact) or None, browser, address or 0)
    codes = _codes(goods)
    strains = await strains_of(shop, [asked.offer.sku.sku_id for asked in goods])
    pressed = [(strain, asked) for strain, asked in zip(strains, goods, strict=True) if strain.is_pressed]
    caps = caps_of(shop, is_pressed=bool(pressed), is_ours=is_ours)
    budgets.check(caps, (), codes)
    needs = shop.settings.text("risk.captcha")
    is_asked = needs == "always" or (needs == "auto" and bool(pressed))
    proof = await _proved(shop, pressed, goods, who, client, shown) if is_asked and not is_ours else None
    least = shop.settings.number("risk.least_hold_minutes") if pressed else None
    return Admitted(tuple(goods), who, caps, codes, least, proof)


@contextmanager
def expected(shop: Shop, admitted: "Admitted") -> Iterator[Callable[[], None]]:
    """While an order is being placed its codes count as held, so that a burst is seen within itself; and until the next look once
    the given function was called."""
    counted = [(asked.offer.sku.sku_id, asked.quantity) for asked in admitted.goods if asked.offer.product.delivery == "auto"]
    for sku_id, quantity in counted:
        shop.gauge.expect(sku_id, quantity)
    is_placed = False

    def placed() -> None:
        nonlocal is_placed
        is_placed = True

    try:
        yield placed
    finally:
        for sku_id, quantity in counted if not is_placed else ():
            shop.gauge.expect(sku_id, -quantity)


def _codes(goods: Sequence[Asked]) -> int:
    return sum(asked.quantity for asked in goods if asked.offer.product.delivery == "auto")


def check(tx: Tx, admitted: Admitted) -> None:
    """Count what the buyer holds, within the change that places his order and before it writes. Raises OverBudget."""
    counted = admitted.caps.counted(admitted.who)
    if counted != budgets.NOBODY:
        budgets.check(admitted.caps, unpaid.held_by(tx, counted), admitted.codes)


def spend(tx: Tx, admitted: Admitted) -> None:
    """Spend the proof, within the change that places the order. Raises ProofSpent."""
    proof = admitted.proof
    if proof is not None and not writes.spend(tx, proof.mark, proof.task.until):
        raise ProofSpent("This proof was used already. Each serves for one order.")


def caps_of(shop: Shop, *, is_pressed: bool, is_ours: bool) -> Caps:
    """The bounds that hold now."""
    return _caps(shop.settings, is_pressed, is_ours)


@lru_cache(maxsize=8)
def _caps(settings: Settings, is_pressed: bool, is_ours: bool) -> Caps:
    number = settings.number
    buyer = (number("risk.orders_per_buyer"), number("risk.codes_per_buyer"))
    client = (number("risk.orders_per_address"), number("risk.codes_per_address"))
    if is_pressed:
        buyer = _tighter(buyer, (number("risk.orders_per_buyer_pressed"), number("risk.codes_per_buyer_pressed")))
        most = number("risk.orders_per_address_pressed")
        client = _tighter(client, (most, most * number("risk.codes_per_buyer_pressed")))
    return Caps(*buyer) if is_ours else Caps(*buyer, *client)


def _tighter(wide: tuple[int, int], narrow: tuple[int, int]) -> tuple[int, int]:
    """The smaller of each pair; 0 is no bound."""
    orders, codes = (min(filter(None, pair), default=0) for pair in zip(wide, narrow, strict=True))
    return orders, codes


async def strains_of(shop: Shop, sku_ids: Sequence[int]) -> list[Strain]:
    """How some SKUs stand, measured a second ago at most."""
    await measure(shop)
    now, line = shop.clock.now(), _line(shop)
    return [shop.gauge.strain(sku_id, now, line) for sku_id in sku_ids]


async def pressed_now(shop: Shop) -> list[Strain]:
    """Every SKU that is pressed, the hardest first."""
    await measure(shop)
    return shop.gauge.pressed(shop.clock.now(), _line(shop))


def _line(shop: Shop) -> float:
    return shop.settings.number("risk.pressure_share") / 100


async def measure(shop: Shop) -> None:
    """Look again, unless it was done just now; of many who ask at once, one looks."""
    gauge, now = shop.gauge, shop.clock.now()
    if gauge.read_at and 0 <= now - gauge.read_at < FRESH:
        return
    if gauge.looking is None or gauge.looking.done():
        gauge.looking = asyncio.get_running_loop().create_task(_look(shop, now))
    await asyncio.shield(gauge.looking)


async def _look(shop: Shop, now: int) -> None:
    gauge = shop.gauge
    found = await shop.db.read(_seen, gauge.seen, gauge.remembers, _line(shop))
    gauge.take_lapsed([line for line in found.lapsed if line.at > now - pressure.REMEMBERED])
    gauge.take_paid([line for line in found.paid if line.at > now - pressure.REMEMBERED])
    gauge.take_stock(found.shelves, now, _line(shop))
    gauge.seen = found.newest


class _Seen(msgspec.Struct, frozen=True):
    shelves: list[Shelf]
    lapsed: list[Ended]
    paid: list[Ended]
    newest: int


def _seen(db: Reader, after: int, remembers: bool, line: float) -> _Seen:
    newest = unpaid.newest_event(db)
    lapsed = [e for name in _LAPSES for e in unpaid.ended(db, name, after, limit=MOST_ENDED)]
    # a payment only matters to those who are remembered for something
    paid = unpaid.ended(db, _PAID, after, limit=MOST_ENDED) if remembers or lapsed else []
    shelves = unpaid.shelves(db)
    if any(s.held >= pressure.LEAST_HELD and s.held >= line * (s.free + s.held) for s in shelves):
        kept = unpaid.kept_for_paid(db)  # while the vault is sealed, say: paid for, and nobody's hoard
        shelves = [msgspec.structs.replace(s, held=max(0, s.held - kept.get(s.sku_id, 0))) for s in shelves]
    return _Seen(shelves, sorted(lapsed, key=lambda e: e.seq), sorted(paid, key=lambda e: e.seq), newest)


def _digest(shop: Shop, kind: str, value: str) -> int:
    """48 bits that are the same for the same, of this shop alone; never 0."""
    return int.from_bytes(urlsafe_b64decode(shop.keyring.sign(f"risk {kind}", value)[:8]), "big") or 1


async def _proved(
    shop: Shop, pressed: Sequence[tuple[Strain, Asked]], goods: Sequence[Asked], who: Who, client: str, shown: Shown
) -> Proof | None:
    """The proof that an order needs. Raises ProofNeeded; SoldOut and OverBudget, so that nobody works for nothing."""
    for strain, asked in pressed:
        if strain.free is not None and asked.offer.product.delivery == "auto" and strain.free < asked.quantity:
            raise SoldOut("Sold out: fewer are left than you asked for.")
    held = await shop.db.read(unpaid.held_by, who)
    budgets.check(caps_of(shop, is_pressed=bool(pressed), is_ours=False), held, _codes(goods))  # nor in vain
    captcha = _captcha(shop)
    if captcha is None:
        return None
    task = _task(shop, pressed, goods, who, client, taken=max(each.orders for each in held))
    proof = await _answered(shop, captcha, shown)
    if proof is not None and proof.task.subject == task.subject and proof.task.work * RISEN >= task.work:
        return proof
    ticket = _ticket_proof(shop, shown.ticket, client)
    if ticket is not None and ticket.task.work * RISEN >= task.work:
        await _leave_line(shop, client)
        return ticket
    raise await _needed(shop, captcha, task, client, shown)


def _task(
    shop: Shop, pressed: Sequence[tuple[Strain, Asked]], goods: Sequence[Asked], who: Who, client: str, *, taken: int
) -> Task:
    """What the buyer has to prove: harder with the pressure, with the codes he wants, and with what he took and did not pay."""
    now, gauge = shop.clock.now(), shop.gauge
    hardest = max(pressed, key=lambda p: p[0].force)[1] if pressed else goods[0]
    force = max((strain.force for strain, _asked in pressed), default=0.0)
    marks = [gauge.unpaid("client", who.client or 0, now), gauge.unpaid("browser", who.browser or 0, now)]
    seconds = pressure.work(force, codes=sum(asked.quantity for _strain, asked in pressed), taken=max(marks) + taken)
    subject = shop.keyring.sign("risk task", f"order|{hardest.offer.product.product_id}|{client}")
    return Task(subject=subject, work=seconds, until=now + PROOF_FOR)


def _captcha(shop: Shop) -> tuple[Captcha, str] | None:
    """The chosen provider at work, else the one in the box; None when no plugin brings either."""
    kinds = shop.plugins.captcha_types
    name = next((n for n in (shop.settings.text("risk.captcha_by"), BUILT_IN) if n in kinds), None)
    if name is None:
        log.error("no captcha is there: orders are bounded by budgets alone")
        return None
    if name not in shop.captchas:
        secret = blake2b(shop.keyring.sign("captcha", name).encode(), digest_size=32).digest()
        shop.captchas[name] = shop.plugins.captcha(name, secret)
    return shop.captchas[name], kinds[name].script


async def _answered(shop: Shop, captcha: tuple[Captcha, str], shown: Shown) -> Proof | None:
    if not shown.answer:
        return None
    try:
        return await asyncio.wait_for(captcha[0].proof(shown.answer), CAPTCHA_SECONDS)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; then nothing is proved
        log.error("captcha failed", error=type(error).__name__)
        return None


async def _needed(shop: Shop, captcha: tuple[Captcha, str], task: Task, client: str, shown: Shown) -> ProofNeeded:
    if shown.asks_turn or shown.ticket:
        turn = await _turn(shop, client, task.work)
        return ProofNeeded(task, challenge={}, script="", turn=turn, is_full=turn is None)
    challenge = await asyncio.wait_for(captcha[0].challenge(task), CAPTCHA_SECONDS)
    return ProofNeeded(task, challenge=challenge, script=captcha[1])


async def _turn(shop: Shop, client: str, seconds: float) -> Turn | None:
    """A place in the line, which is one however many servers there are."""
    if not shop.db.has_nodes:
        return shop.waiting_line.turn(client, seconds)
    return await shop.db.write(writes.take_place, shop.keyring.sign("risk line", client), seconds)


async def _leave_line(shop: Shop, client: str) -> None:
    shop.waiting_line.leave(client)
    if shop.db.has_nodes:
        await shop.db.write(writes.leave_place, shop.keyring.sign("risk line", client))


def ticket_of(shop: Shop, turn: Turn, client: str) -> str:
    """A place in the line, as its holder keeps it."""
    text = f"{turn.opens_at}.{turn.until}.{turn.seconds:.3f}"
    return f"{text}:{shop.keyring.sign('risk turn', f'{client}|{text}')}"


def _ticket_proof(shop: Shop, ticket: str, client: str) -> Proof | None:
    """What a ticket proves once its turn has come."""
    text, _, mac = ticket[:200].partition(":")
    if not text or not shop.keyring.is_signed("risk turn", f"{client}|{text}", mac):
        return None
    opens_at, until, seconds = text.split(".", 2)
    if not int(opens_at) <= shop.clock.now() <= int(until):
        return None
    mark = blake2b(f"turn|{client}|{text}".encode(), digest_size=32).digest()
    return Proof(task=Task(subject="", work=float(seconds), until=int(until)), mark=mark)
