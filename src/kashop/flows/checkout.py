"""Place an order: check and price before any lock, hold in one change, then tell the gateway.

Always true: the client's prices decide nothing, and no more do those that were in memory: they are the database's at the moment
of the change; the same key never makes a second order; an attempt is written before its gateway hears of it.
"""

import asyncio

import msgspec

from kashop.catalog.rules import checked_answers
from kashop.catalog.types import BuyerField, Offer
from kashop.db import Tx
from kashop.db.queue import Work, does
from kashop.delivery import writes as delivery
from kashop.flows import attempts, offers, unfit
from kashop.flows.offers import NOBODY, Visitor
from kashop.lib import ids, money
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE, SECOND
from kashop.lib.errors import Conflict, FieldError, Invalid, Mismatch, PriceChanged, Refusal, SoldOut, Unavailable
from kashop.lib.text import contact_key, is_email, is_phone, is_plain, is_qq
from kashop.orders import reads as orders_reads
from kashop.orders import rules
from kashop.orders import writes as orders
from kashop.orders.types import LineDraft, Order, OrderDraft, Replay
from kashop.payments import writes as payments
from kashop.payments.rows import Attempt
from kashop.risk import one_client
from kashop.shelf import reads as shelf
from kashop.shelf.types import Listing, Snapshot
from kashop.shop import Shop

MOST_LINES = 20
MOST_TRIES = 8
"""How often an order is priced anew because what is for sale changed between that and its change."""
SURELY_RANDOM = 20
"""Characters of an idempotency key: a UUID has 32 or 36, 128 bits in base 64 have 22; what people count has fewer."""

_MESSAGE = "Please correct the marked fields."


class Want(msgspec.Struct, frozen=True):
    """So many of a SKU."""

    sku: str
    quantity: int


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer asks for.

    `expected_minor` is the total that he was shown; `fields` are his answers by name, for every line that asks.
    """

    lines: tuple[Want, ...]
    contact_type: str = "any"
    contact: str = ""
    gateway: str = ""
    method: str = ""
    lookup_password: str = ""
    fields: dict[str, str] = {}
    expected_minor: int | None = None
    channel: str = "web"
    locale: str = ""


class Placed(msgspec.Struct, frozen=True):
    """An order, the secret of its link, and its newest attempt (None when nothing is to be paid)."""

    order: Order
    token: str
    attempt: Attempt | None
    is_replay: bool = False


@does(Work.SALE)
async def place(shop: Shop, wish: Checkout, actor: Actor, *, key: str = "", visitor: Visitor = NOBODY) -> Placed:
    """Place an order and begin its payment.

    With a `key` the same wish is placed once, however often and however parallel it is asked; another wish under the same key
    is a Mismatch. A key that others may have guessed or chosen too is known only from the client that sent it.
    Raises Invalid by field, SoldOut, PriceChanged.
    """
    binding = _binding(shop, wish, key, actor)
    password = wish.lookup_password
    lookup_hash: str | None = None
    for _ in range(MOST_TRIES):
        shown = await shop.shelf.look()
        seen = shown.listing
        try:
            goods = {want.sku: seen.offers.get(want.sku) for want in wish.lines}
            lines = _priced(wish, goods)
            _check_total(shop, wish, lines)
            chosen = _chosen(shop, wish, visitor, seen, [o for o in goods.values() if o], rules.total(lines))
            _check_stock(shop, shown, wish.channel, lines)
        except Refusal:
            known = await shop.db.read(orders_reads.find_replay, binding.scope, binding.key_hash) if binding else None
            if known is None:
                raise
            return await _replayed(shop, known, binding, actor)
        if password and lookup_hash is None:
            lookup_hash = await shop.order_passwords.hash(password, field="lookup_password")
        payment = _Payment(chosen[0], wish.method, visitor.device) if chosen else None
        draft = _draft(shop, wish, goods, lines, lookup_hash)
        done = await _tried(shop, shown, draft, payment, binding, actor)
        if isinstance(done, Replay):
            return await _replayed(shop, done, binding, actor)
        if isinstance(done, int):
            shop.shelf.doubt(done)
            continue
        order, tried = done
        attempt = await attempts.begin(shop, tried, actor, others=chosen[1:]) if tried else None
        return Placed(order, shop.keyring.order_token(order.order_no), attempt)
    raise Unavailable("The shop is very busy. Please try again in a moment.", code="busy")


def _chosen(shop: Shop, wish: Checkout, visitor: Visitor, seen: Listing, goods: list[Offer], total: int) -> list[int]:
    """The accounts to be asked, in order; none when nothing is to be paid."""
    if not total:
        return []
    wanted = offers.basket([o.product for o in goods], seen.categories, total)
    return offers.chosen(shop, seen.accounts, wanted, visitor, gateway=wish.gateway, method=wish.method)


def _check_stock(shop: Shop, shown: Snapshot, channel: str, lines: tuple[LineDraft, ...]) -> None:
    """Refuse what memory knows to be sold out, so that a crowd before an empty shelf keeps nobody else from the writer."""
    for line in lines:
        if line.delivery == "auto" and shop.shelf.is_sold_out(shown, line.sku_id, channel, line.quantity):
            raise SoldOut("Sold out: fewer are left than you asked for.")


async def placed(shop: Shop, order_id: int, *, is_replay: bool = False) -> Placed:
    """An order as its buyer may have it."""
    order, newest = await shop.db.read(attempts.order_and_newest, order_id)
    return Placed(order, shop.keyring.order_token(order.order_no), newest, is_replay)


class _Payment(msgspec.Struct, frozen=True):
    """The account that is asked first, by which method, from what device."""

    gateway_id: int
    method: str
    device: str


class _Binding(msgspec.Struct, frozen=True):
    scope: str
    key_hash: bytes
    digest: bytes


def _binding(shop: Shop, wish: Checkout, key: str, actor: Actor) -> _Binding | None:
    if not key:
        return None
    # keyed: the wish holds the look-up password, which a plain digest in a stolen file would let anyone guess at full speed
    digest = shop.keyring.sign("order wish", msgspec.json.encode(wish, order="sorted").decode()).encode()
    # an answer holds the order's token: `order-1`, with a contact that is known, must not hand it to a stranger
    whose = f"/{one_client(actor.ip)}" if len(key) < SURELY_RANDOM else ""
    return _Binding(f"order/{wish.channel}{whose}", rules.key_hash(key), digest)


async def _replayed(shop: Shop, known: Replay, binding: _Binding | None, actor: Actor) -> Placed:
    if binding is None or known.request_digest != binding.digest:
        raise Mismatch("This key was used for another order.", code="idempotency_mismatch")
    return await _begun(shop, known.order_id, actor)


async def _begun(shop: Shop, order_id: int, actor: Actor) -> Placed:
    """A replayed order once its first asking has heard from the gateway; asked again when that asking died with its process."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + attempts.BEGIN_PATIENCE / SECOND  # a clock that was set back must not keep a buyer waiting
    while True:
        replayed = await placed(shop, order_id, is_replay=True)
        newest = replayed.attempt
        if newest is None or newest.status != "open" or newest.kind or newest.problem or replayed.order.status != "pending":
            return replayed
        if shop.clock.now() - newest.created_at > attempts.BEGIN_PATIENCE or loop.time() > give_up:
            await attempts.begin(shop, await shop.db.read(attempts.tried, newest.attempt_id), actor)
            return await placed(shop, order_id, is_replay=True)
        await asyncio.sleep(0.1)


def _priced(wish: Checkout, offers: dict[str, Offer | None]) -> tuple[LineDraft, ...]:
    wrong: list[FieldError] = []
    if not 1 <= len(wish.lines) <= MOST_LINES:
        wrong.append(FieldError("lines", "Order 1 to 20 different things."))
    if len({w.sku for w in wish.lines}) < len(wish.lines):
        wrong.append(FieldError("lines", "The same SKU stands on two lines: put them together."))
    for index, want in enumerate(wish.lines):
        wrong += _wrong_quantity(f"lines.{index}", want, offers[want.sku])
    on_offer = {sku: offer for sku, offer in offers.items() if offer is not None}
    wrong += _wrong_contact(wish, list(on_offer.values()))
    asked = {sku: msgspec.json.decode(o.product.fields, type=list[BuyerField]) for sku, o in on_offer.items()}
    known = {f.name for fields in asked.values() for f in fields}
    wrong += [FieldError(f"fields.{name}", "There is no such question.") for name in sorted(wish.fields.keys() - known)]
    answers: dict[str, dict[str, str]] = {}
    for sku, fields in asked.items():
        own = {f.name: wish.fields[f.name] for f in fields if f.name in wish.fields}
        answers[sku], complaints = checked_answers(fields, own)
        wrong += [c for c in complaints if c not in wrong]
    if wrong:
        raise Invalid(_MESSAGE, fields=wrong)
    return tuple(rules.priced(on_offer[w.sku], w.quantity, answers[w.sku]) for w in wish.lines)


def _wrong_quantity(field: str, want: Want, offer: Offer | None) -> list[FieldError]:
    if offer is None:
        return [FieldError(f"{field}.sku", "This is not for sale.")]
    sku = offer.sku
    if not sku.min_quantity <= want.quantity <= sku.max_quantity:
        params = (("least", str(sku.min_quantity)), ("most", str(sku.max_quantity)))
        return [FieldError(f"{field}.quantity", "Order from {least} to {most} of this.", params)]
    return []


_CONTACTS = {
    "email": (is_email, "This is not an e-mail address."),
    "phone": (is_phone, "This is not a phone number."),
    "qq": (is_qq, "This is not a QQ number."),
}


def _wrong_contact(wish: Checkout, offers: list[Offer]) -> list[FieldError]:
    wrong = []
    wanted = {o.product.contact_type for o in offers}
    needed = bool(wanted - {"none"})
    if wish.contact_type not in (*_CONTACTS, "any", "none"):
        wrong.append(FieldError("contact.type", "Choose one of the values on offer."))
    kinds = (wanted & _CONTACTS.keys()) | ({wish.contact_type} & _CONTACTS.keys())
    if needed and not wish.contact.strip():
        wrong.append(FieldError("contact", "This is needed."))
    elif len(wish.contact) > 254:
        wrong.append(FieldError("contact", "This is too long."))
    elif not is_plain(wish.contact):
        wrong.append(FieldError("contact", "Control characters are not allowed."))
    elif wish.contact.strip():
        wrong += [FieldError("contact", _CONTACTS[k][1]) for k in sorted(kinds) if not _CONTACTS[k][0](wish.contact.strip())]
    if not wish.lookup_password and any(_asks_password(o) for o in offers):
        wrong.append(FieldError("lookup_password", "This is needed."))
    if wish.lookup_password and not 4 <= len(wish.lookup_password) <= 64:
        wrong.append(FieldError("lookup_password", "Use 4 to 64 characters."))
    return wrong


def _asks_password(offer: Offer) -> bool:
    return offer.product.lookup_password == "required"  # noqa: S105 - a rule about passwords, not one


def _check_total(shop: Shop, wish: Checkout, lines: tuple[LineDraft, ...]) -> None:
    total, currency = rules.total(lines), shop.settings.text("shop.currency")
    if total > money.MAX_MINOR:
        raise Invalid.of("lines", "The amount is too large.")
    if wish.expected_minor is not None and wish.expected_minor != total:
        raise PriceChanged(
            "The price changed from {old} to {new}. Please check and order again.",
            old=money.to_text(wish.expected_minor, currency),
            new=money.to_text(total, currency),
            total={"amount": money.to_text(total, currency), "currency": currency},
        )


def _draft(
    shop: Shop, wish: Checkout, offers: dict[str, Offer | None], lines: tuple[LineDraft, ...], lookup_hash: str | None
) -> OrderDraft:
    now = shop.clock.now()
    order_no = ids.number("K", now)
    hold_minutes = min(o.product.hold_minutes for o in offers.values() if o is not None)
    return OrderDraft(
        order_no=order_no,
        token_hash=ids.digest(shop.keyring.order_token(order_no)),
        channel=wish.channel,
        contact_type=wish.contact_type,
        contact=contact_key(wish.contact),
        lookup_hash=lookup_hash,
        currency=shop.settings.text("shop.currency"),
        total_minor=rules.total(lines),
        locale=wish.locale,
        expires_at=now + hold_minutes * MINUTE,
        lines=lines,
    )


async def _tried(
    shop: Shop, shown: Snapshot, draft: OrderDraft, payment: _Payment | None, binding: _Binding | None, actor: Actor
) -> Replay | int | tuple[Order, attempts.Tried | None]:
    try:
        return await shop.db.write(_place, draft, payment, binding, actor, shown.version)
    except SoldOut:
        shop.shelf.overcounted(shown)
        raise


def _place(
    tx: Tx, draft: OrderDraft, payment: _Payment | None, binding: _Binding | None, actor: Actor, seen: int
) -> Replay | int | tuple[Order, attempts.Tried | None]:
    """The one change: the order, its holds, its key and its first attempt. A free order is delivered at once.

    Nothing but the shelf's version when that is not the one that the draft was priced by.
    """
    if binding and (known := orders_reads.find_replay(tx, binding.scope, binding.key_hash)):
        return known
    if (version := shelf.version(tx)) != seen:
        return version
    order_id = orders.place(tx, draft, actor)
    if binding:
        orders.remember_key(tx, scope=binding.scope, key_hash=binding.key_hash, request_digest=binding.digest, order_id=order_id)
    if payment is not None:
        attempt_id = attempts.open_for(tx, order_id, actor=actor, **msgspec.structs.asdict(payment))
        tried = attempts.tried(tx, attempt_id)
        return tried.order, tried
    if not orders.mark_paid(tx, order_id, actor, expected="pending"):
        raise Conflict("This order cannot be completed.")
    delivery.deliver_auto(tx, order_id, actor)
    return orders_reads.get(tx, order_id), None


async def cancel(shop: Shop, order: Order, actor: Actor, *, reason: str = "") -> None:
    """End an unpaid order. Its gateways are asked once more first, for a payment that is on its way."""
    await attempts.query_open(shop, order.order_id, actor)
    if not await shop.db.write(_cancel, order.order_id, actor, reason, unfit.policy(shop)):
        raise Conflict("This order can no longer be cancelled.", code="not_pending")


def _cancel(tx: Tx, order_id: int, actor: Actor, reason: str, chosen: unfit.Policy) -> bool:
    if not orders.cancel(tx, order_id, actor, reason=reason):
        return False
    payments.end_attempts(tx, order_id)
    unfit.at_the_end(tx, order_id, chosen)
    return True


async def expire(shop: Shop, order_id: int, actor: Actor) -> bool:
    """End an order whose deadline has passed, after asking its gateways once more; whether it ended."""
    await attempts.query_open(shop, order_id, actor)
    return await shop.db.write(_expire, order_id, actor, unfit.policy(shop))


def _expire(tx: Tx, order_id: int, actor: Actor, chosen: unfit.Policy) -> bool:
    if not orders.expire(tx, order_id, actor):
        return False
    payments.end_attempts(tx, order_id)
    unfit.at_the_end(tx, order_id, chosen)
    return True
