"""Place an order: check and price before any lock, hold in one change, then tell the gateway.

Always true: the client's prices decide nothing, and no more do those that were in memory: they are the database's at the moment
of the change; the same key never makes a second order; an attempt is written before its gateway hears of it.
"""

import asyncio

import msgspec

from kashop.catalog.rules import checked_answers, questions
from kashop.catalog.types import Offer
from kashop.db import Tx
from kashop.db.queue import Work, does
from kashop.delivery import writes as delivery
from kashop.flows import attempts, offers, pressure, unfit
from kashop.flows.contacts import wrong_contact
from kashop.flows.offers import NOBODY, Visitor
from kashop.lib import ids, money
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE, SECOND
from kashop.lib.errors import Conflict, FieldError, Invalid, Mismatch, PriceChanged, Refusal, SoldOut, Unavailable
from kashop.lib.text import contact_key
from kashop.orders import reads as orders_reads
from kashop.orders import rules
from kashop.orders import writes as orders
from kashop.orders.types import Line, LineDraft, Order, OrderDraft, Replay
from kashop.payments import rules as payment_rules
from kashop.payments import writes as payments
from kashop.payments.rows import Attempt, AttemptDraft, GatewayAccount
from kashop.payments.types import Begun
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
    """An order, the secret of its link, and its newest attempt (None when nothing is to be paid).

    With `lines` that is all there is to tell of it, and `gateway` is the name of the attempt's account; without, look.
    """

    order: Order
    token: str
    attempt: Attempt | None
    is_replay: bool = False
    lines: tuple[Line, ...] = ()
    gateway: str = ""


@does(Work.SALE)
async def place(shop: Shop, wish: Checkout, actor: Actor, *, key: str = "", visitor: Visitor = NOBODY) -> Placed:
    """Place an order and begin its payment.

    With a `key` the same wish is placed once, however often and however parallel it is asked; another wish under the same key
    is a Mismatch. A key that others may have guessed or chosen too is known only from the client that sent it.
    Raises Invalid by field, SoldOut, PriceChanged, TooMany, ProofNeeded, OverBudget.
    """
    pressure.count_try(shop, actor)
    binding, lookup_hash = _binding(shop, wish, key, actor), None
    for _ in range(MOST_TRIES):
        shown = await shop.shelf.look()
        seen = shown.listing
        try:
            basket = _basket(shop, wish, seen, visitor)
            _check_stock(shop, shown, wish.channel, basket.lines)
            admitted = await _admitted(shop, wish, basket, actor, visitor)
        except Refusal:
            known = await shop.db.glance(orders_reads.find_replay, binding.scope, binding.key_hash) if binding else None
            if known is None:
                raise
            return await _replayed(shop, known, binding, actor)
        if wish.lookup_password and lookup_hash is None:
            lookup_hash = await shop.order_passwords.hash(wish.lookup_password, field="lookup_password")
        draft, token = _draft(shop, wish, basket, seen, lookup_hash, admitted)
        payment = _payment(shop, wish, draft, basket, seen, visitor, actor)
        done = await _tried(shop, shown, draft, payment, binding, actor, admitted)
        if isinstance(done, Replay):
            return await _replayed(shop, done, binding, actor)
        if isinstance(done, _Done):
            return await _told(shop, done, payment, basket, token, actor)
        shop.shelf.doubt(done)
    raise Unavailable("The shop is very busy. Please try again in a moment.", code="busy")


async def _admitted(shop: Shop, wish: Checkout, basket: "_Basket", actor: Actor, visitor: Visitor) -> pressure.Admitted:
    asked = tuple(pressure.Asked(offer, want.quantity) for offer, want in zip(basket.goods, wish.lines, strict=True))
    return await pressure.admit(shop, asked, wish.contact, actor, visitor.shown)


async def _told(shop: Shop, done: "_Done", payment: "_Payment | None", basket: "_Basket", token: str, actor: Actor) -> Placed:
    """An order just placed, its payment begun where a gateway has to be asked for that."""
    attempt = done.attempt
    if payment is None or attempt is None:
        return Placed(done.order, token, None)
    if attempt.kind:
        return Placed(done.order, token, attempt, lines=done.lines, gateway=payment.account.name)
    tried = attempts.Tried(attempt, payment.account, done.order)
    return Placed(done.order, token, await attempts.begin(shop, tried, actor, others=basket.accounts[1:]))


def _check_stock(shop: Shop, shown: Snapshot, channel: str, lines: tuple[LineDraft, ...]) -> None:
    """Refuse what memory knows to be sold out, so that a crowd before an empty shelf keeps nobody else from the writer."""
    for line in lines:
        if line.delivery == "auto" and shop.shelf.is_sold_out(shown, line.sku_id, channel, line.quantity):
            raise SoldOut("Sold out: fewer are left than you asked for.")


async def placed(shop: Shop, order_id: int, *, is_replay: bool = False) -> Placed:
    """An order as its buyer may have it."""
    order, newest = await shop.db.read(attempts.order_and_newest, order_id)
    return Placed(order, shop.keyring.order_token(order.order_no), newest, is_replay)


class _Basket(msgspec.Struct, frozen=True):
    """What is bought, checked and priced, and the accounts that may be asked to take the payment, in order."""

    goods: tuple[Offer, ...]
    lines: tuple[LineDraft, ...]
    accounts: list[int]


class _Payment(msgspec.Struct, frozen=True):
    """The account that is asked first, what for, and its answer when it needed not be asked."""

    account: GatewayAccount
    draft: AttemptDraft
    begun: Begun


class _Done(msgspec.Struct, frozen=True):
    """What the change left: the order, its lines, and its attempt if anything is to be paid."""

    order: Order
    lines: tuple[Line, ...]
    attempt: Attempt | None


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


def _basket(shop: Shop, wish: Checkout, seen: Listing, visitor: Visitor) -> _Basket:
    """What a wish comes to. Raises Invalid by field, PriceChanged."""
    found = {want.sku: seen.offers.get(want.sku) for want in wish.lines}
    lines = _priced(wish, found)
    _check_total(shop, wish, lines)
    goods, total = tuple(offer for offer in found.values() if offer), rules.total(lines)
    if not total:
        return _Basket(goods, lines, [])
    wanted = offers.basket([o.product for o in goods], seen.categories, total)
    return _Basket(goods, lines, offers.chosen(shop, seen.accounts, wanted, visitor, gateway=wish.gateway, method=wish.method))


def _priced(wish: Checkout, offers: dict[str, Offer | None]) -> tuple[LineDraft, ...]:
    wrong: list[FieldError] = []
    if not 1 <= len(wish.lines) <= MOST_LINES:
        wrong.append(FieldError("lines", "Order 1 to 20 different things."))
    if len({w.sku for w in wish.lines}) < len(wish.lines):
        wrong.append(FieldError("lines", "The same SKU stands on two lines: put them together."))
    for index, want in enumerate(wish.lines):
        wrong += _wrong_quantity(f"lines.{index}", want, offers[want.sku])
    on_offer = {sku: offer for sku, offer in offers.items() if offer is not None}
    wrong += wrong_contact(wish.contact_type, wish.contact, wish.lookup_password, list(on_offer.values()))
    asked = {sku: questions(o.product.fields) for sku, o in on_offer.items()}
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
    shop: Shop, wish: Checkout, basket: _Basket, seen: Listing, lookup_hash: str | None, admitted: pressure.Admitted
) -> tuple[OrderDraft, str]:
    """The order as it is to be placed, and the secret of its link."""
    now = shop.clock.now()
    order_no = ids.number("K", now)
    token = shop.keyring.order_token(order_no)
    hold_minutes = admitted.minutes(min(offer.product.hold_minutes for offer in basket.goods))
    draft = OrderDraft(
        order_no=order_no,
        token_hash=ids.digest(token),
        channel=wish.channel,
        contact_type=wish.contact_type,
        contact=contact_key(wish.contact),
        lookup_hash=lookup_hash,
        currency=shop.settings.text("shop.currency"),
        total_minor=rules.total(basket.lines),
        locale=wish.locale,
        expires_at=now + hold_minutes * MINUTE,
        lines=basket.lines,
        pool_id=seen.pool_of(wish.channel),
        client=admitted.who.client or 0,
        browser=admitted.who.browser or 0,
        units=admitted.codes,
    )
    return draft, token


def _payment(
    shop: Shop, wish: Checkout, draft: OrderDraft, basket: _Basket, seen: Listing, visitor: Visitor, actor: Actor
) -> _Payment | None:
    """The first try to pay, as far as it can be made before its order is placed; None when nothing is to be paid."""
    if not basket.accounts:
        return None
    account = next(a for a in seen.accounts if a.gateway_id == basket.accounts[0])
    first = attempts.drafted(
        account,
        draft.total_minor,
        draft.currency,
        method=wish.method,
        device=visitor.device,
        now=shop.clock.now(),
        until=draft.expires_at,
    )
    return _Payment(account, first, attempts.begun_alone(shop, account, first, draft.order_no, draft.locale, actor))


async def _tried(
    shop: Shop,
    shown: Snapshot,
    draft: OrderDraft,
    payment: _Payment | None,
    binding: _Binding | None,
    actor: Actor,
    admitted: pressure.Admitted,
) -> Replay | int | _Done:
    try:
        with pressure.expected(shop, admitted) as took:
            done = await shop.db.write(_place, draft, payment, binding, actor, shown.version, admitted)
            if isinstance(done, _Done):
                took()
            return done
    except SoldOut:
        shop.shelf.overcounted(shown)
        raise


def _place(
    tx: Tx,
    draft: OrderDraft,
    payment: _Payment | None,
    binding: _Binding | None,
    actor: Actor,
    seen: int,
    admitted: pressure.Admitted,
) -> Replay | int | _Done:
    """The one change: the order, its holds, its key and its first attempt. A free order is delivered at once.

    Nothing but the shelf's version when that is not the one that the draft was priced by.
    """
    if binding is None:
        version = shelf.version(tx)
    else:
        version, known = shelf.standing(tx, binding.scope, binding.key_hash)
        if known is not None:
            return known
    if version != seen:
        return version
    pressure.check(tx, admitted)
    order, lines = orders.place(tx, draft, actor)
    pressure.spend(tx, admitted)
    order_id = order.order_id
    if binding:
        orders.remember_key(tx, scope=binding.scope, key_hash=binding.key_hash, request_digest=binding.digest, order_id=order_id)
    if payment is not None:
        spread = payment_rules.rules_of(payment.account).spread_minor
        attempt = attempts.open_drafted(tx, order_id, payment.draft, actor, spread=spread, begun=payment.begun)
        return _Done(order, tuple(lines), attempt)
    if not orders.mark_paid(tx, order_id, actor, expected="pending"):
        raise Conflict("This order cannot be completed.")
    delivery.deliver_auto(tx, order_id, actor)
    return _Done(orders_reads.get(tx, order_id), (), None)


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
