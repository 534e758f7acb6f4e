"""Hand over what was paid for: sweep the undelivered, deliver by hand, and reveal codes to their buyer."""

import asyncio
import hmac

import msgspec

from kashop.db import Reader
from kashop.db.queue import Work, does
from kashop.delivery import writes as delivery
from kashop.flows.vault import alarm
from kashop.inventory import reads as inventory
from kashop.inventory.types import OwnedCode, SealedCode
from kashop.lib import ids
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, Invalid, NotFound, Unavailable
from kashop.orders import reads as orders
from kashop.orders.types import Line, Order
from kashop.payments.reads import refunds
from kashop.payments.rows import Refund
from kashop.shop import Shop
from kashop.vault import DataKey, OldEpoch, Sealed, Tampered
from kashop.vault import reads as vault_reads
from kashop.vault import writes as vault

MOST_CONTENT = 8192

FEW = 16
"""So many codes are opened where they are asked for, in a quarter of a millisecond: to hand them to a thread takes longer."""


class Revealed(msgspec.Struct, frozen=True):
    """A line with its codes in the clear: on its way to its buyer, and nowhere else."""

    line: Line
    codes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Revealed line={self.line.line_id} codes={len(self.codes)}>"


async def order_of_link(shop: Shop, order_no: str, token: str) -> Order:
    """The order that a link opens. Raises NotFound alike for a wrong number and a wrong token."""
    order = await shop.db.read(find_of_link, order_no, token)
    if order is None:
        raise NotFound("There is no such order.")
    return order


def find_of_link(db: Reader, order_no: str, token: str) -> Order | None:
    """The order that a link opens, within a look."""
    order = orders.find(db, order_no)
    known = order.token_hash if order else b"\0" * 32
    return order if hmac.compare_digest(known, ids.digest(token)) else None


async def reveal(shop: Shop, order: Order, actor: Actor, *, how: str) -> list[Revealed]:
    """An order's delivered codes.

    Their audit rows are committed before the vault opens a seal; `how` is page, api or download.
    """
    owned, is_gone = await shop.db.read(_owned_and_gone, order.order_id)
    codes = [code for _, codes in owned for code in codes]
    if not codes:
        raise Conflict("Nothing of this order has been delivered yet.", code="not_delivered")
    if is_gone:
        raise Conflict("The money of this order went back: its codes are shown no more.", code="refunded")
    if shop.keyring.is_sealed:
        raise Sealed
    await shop.db.write(delivery.record_reveal, order.order_id, [c.code_id for c in codes], actor, how=how)
    try:
        return await _opened_now(shop, order.order_id, owned)
    except _DoesNotOpen as failed:
        await alarm(shop, failed.code_id, failed.where)
        raise Unavailable("A code of this order cannot be read. The shop has been told.", code="delivery_failed") from None


def is_paid_back(order: Order, refunds: list[Refund]) -> bool:
    """Whether all that an order was paid went back, or is on its way."""
    return order.paid_minor > 0 and order.kept_minor <= sum(r.counted_minor for r in refunds if r.status == "open")


async def _opened_now(shop: Shop, order_id: int, owned: list[tuple[Line, list[OwnedCode]]]) -> list[Revealed]:
    """The codes in the clear. What does not open is looked at once more, with the keys of the same moment: another process
    may have brought a key that this one has not learnt, and a rotation may have sealed the code anew since it was read.
    A code that was delivered since has no audit row yet and is left out."""
    try:
        if sum(len(codes) for _, codes in owned) <= FEW:
            return _opened(shop, owned)
        return await asyncio.to_thread(_opened, shop, owned)
    except _DoesNotOpen:
        told = {code.code_id for _, codes in owned for code in codes}
        now, keys = await shop.db.read(lambda db: (_owned(db, order_id), vault_reads.data_keys(db)))
        shop.keyring.renew(keys)
        return await asyncio.to_thread(_opened, shop, [(line, [c for c in codes if c.code_id in told]) for line, codes in now])


def _owned_and_gone(db: Reader, order_id: int) -> tuple[list[tuple[Line, list[OwnedCode]]], bool]:
    return _owned(db, order_id), is_paid_back(orders.get(db, order_id), refunds(db, order_id))


def _owned(db: Reader, order_id: int) -> list[tuple[Line, list[OwnedCode]]]:
    return [(line, inventory.owned_codes(db, line.line_id)) for line in orders.lines(db, order_id)]


def _opened(shop: Shop, owned: list[tuple[Line, list[OwnedCode]]]) -> list[Revealed]:
    return [Revealed(line, tuple(_open(shop, code) for code in codes)) for line, codes in owned if codes]


def _open(shop: Shop, code: OwnedCode) -> str:
    try:
        return shop.keyring.open_code(code.sealed, product_id=code.product_id, epoch=code.epoch, code_id=code.code_id)
    except Tampered as tampered:
        raise _DoesNotOpen(code.code_id, str(tampered)) from None


class _DoesNotOpen(Exception):
    def __init__(self, code_id: int, where: str):
        super().__init__(where)
        self.code_id, self.where = code_id, where


async def deliver_by_hand(shop: Shop, order_no: str, line_id: int, contents: list[str], actor: Actor) -> str:
    """Deliver a manual line with what staff wrote, one entry for each; the order's state then.

    It goes into the vault like any code.
    """
    order, line = await shop.db.read(_manual_line, order_no, line_id)
    if shop.keyring.is_sealed:
        raise Sealed
    contents = [c.strip() for c in contents]
    if not all(contents) or any(len(c.encode()) > MOST_CONTENT for c in contents):
        raise Invalid.of("content", "Write what the buyer gets: up to 8192 bytes each.")
    while True:
        key = await shop.db.write(vault.ensure_data_key, shop.keyring, line.product_id)
        shop.keyring.learn([key])
        try:
            codes = _sealed_by_hand(shop, line, key, contents)
            return await shop.db.write(delivery.deliver_manual, order.order_id, line_id, codes, actor)
        except OldEpoch:  # a rotation began between the two
            continue


def _sealed_by_hand(shop: Shop, line: Line, key: DataKey, contents: list[str]) -> list[SealedCode]:
    return [
        SealedCode(
            code_id=code_id,
            epoch=key.epoch,
            sealed=shop.keyring.seal_code(text, product_id=line.product_id, epoch=key.epoch, code_id=code_id),
            # the same words may be delivered to many, so what is said by hand is unique by its place alone
            fingerprint=shop.keyring.fingerprint(text, scope=b"manual/%d/%d" % (line.line_id, n)),
            cost_minor=0,
            expires_on="",
        )
        for n, (code_id, text) in enumerate(zip(ids.snowflakes.take(len(contents)), contents, strict=True))
    ]


def _manual_line(db: Reader, order_no: str, line_id: int) -> tuple[Order, Line]:
    order = orders.find(db, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    for line in orders.lines(db, order.order_id):
        if line.line_id == line_id:
            return order, line
    raise Invalid.of("line", "This order has no such line to deliver by hand.")


@does(Work.MONEY)
async def sweep(shop: Shop, *, older_than: int, limit: int = 1000) -> int:
    """Try every paid, undelivered order again; how many were looked at. What still lacks codes stays on the desk.

    One that cannot be delivered for any other reason holds up nobody's; its error is raised at the end. While the vault is
    sealed nothing is tried: what waits for it is delivered when it is unsealed (flows/vault.py).
    """
    if await shop.db.read(vault_reads.is_sealed):
        return 0
    due = await shop.db.read(orders.undelivered, shop.clock.now() - older_than, limit=limit)
    errors: list[Exception] = []
    for order_id in due:
        try:
            await shop.db.write(delivery.deliver_auto, order_id, SYSTEM)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise errors[0]
    return len(due)
