"""What an account asks for and who may pay by it, whether a notice may settle an attempt, and when a gateway is asked again.

Pure. Between what is asked at the gateway and what it pays of the order stand a fee, another currency, or odd cents; so an
attempt keeps both amounts, and what arrives counts in their proportion (docs/decisions/0019).
"""

import hashlib
from collections.abc import Collection, Sequence
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

import msgspec

from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND
from kashop.lib.money import places
from kashop.payments.rows import Attempt, GatewayAccount
from kashop.payments.types import Notice

ODD_AMOUNT_REST = DAY
"""How long an odd amount stays taken after its order's life."""

FIRST_QUERY, LONGEST_SILENCE, LAST_QUERY = 20 * SECOND, 80 * SECOND, 20 * SECOND
QUERY_FOR = 26 * HOUR
"""Vendors repeat a callback for a day; after that the statement is the place to look."""

CLOSE_AGAIN = (30 * SECOND, 2 * MINUTE, 10 * MINUTE)
"""How long after each failed try a gateway is told again that an attempt is closed; after the last, never."""


class AccountRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the merchant decides about an account, whatever its gateway: nothing here is the vendor's.

    `least_minor` and `most_minor` bound the order's total (0: no bound); `products` and `categories` hold slugs (empty: all);
    `audience` is everyone or staff, who try an account before it is opened. `fee` is absorbed or added: `fee_bp` hundredths of a
    percent and `fee_fixed_minor` are what the vendor takes, and what the buyer pays besides when it is added.
    `currency` is what the gateway is asked in (empty: the shop's), at `rate`, the decimal text of what one unit of the shop's
    currency is worth in it. So many hundredths of a percent less than asked is enough: `tolerance_bp`. `spread_minor`: transfers
    are told apart by up to so many odd cents (minor units) on top.
    """

    least_minor: int = 0
    most_minor: int = 0
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    audience: str = "everyone"
    fee: str = "absorbed"
    fee_bp: int = 0
    fee_fixed_minor: int = 0
    currency: str = ""
    rate: str = "1"
    tolerance_bp: int = 0
    spread_minor: int = 0


def rules_of(account: GatewayAccount) -> AccountRules:
    """The account's rules."""
    return _decoded(account.rules)


@lru_cache(maxsize=256)
def _decoded(text: str) -> AccountRules:
    return msgspec.json.decode(text, type=AccountRules)


class Bill(msgspec.Struct, frozen=True):
    """What is asked for `due_minor` of an order: `amount_minor` of `currency`; in it `fee_minor`, in the order's currency."""

    due_minor: int
    fee_minor: int
    amount_minor: int
    currency: str
    tolerance_minor: int


def bill(account: AccountRules, due_minor: int, currency: str) -> Bill:
    """What an account asks for what is due in the order's currency. Parts of a minor unit are rounded up, for the merchant."""
    fee = 0
    if account.fee == "added":
        fee = -(-due_minor * account.fee_bp // 10_000) + account.fee_fixed_minor
    asked, asked_in = due_minor + fee, account.currency or currency
    if asked_in != currency:
        scale = Decimal(10) ** (places(asked_in) - places(currency))
        asked = int((Decimal(asked) * Decimal(account.rate) * scale).to_integral_value(ROUND_CEILING))
    return Bill(due_minor, fee, asked, asked_in, asked * account.tolerance_bp // 10_000)


def admits(
    account: AccountRules,
    *,
    total_minor: int,
    products: Sequence[str],
    categories: Sequence[Collection[str]],
    is_staff: bool = False,
    up_to: int | None = None,
) -> bool:
    """Whether an order of these products (with each one's categories) may be paid by an account.

    A total that is not settled yet may be anything from `total_minor` `up_to` another: whether any of it may.
    """
    if account.audience == "staff" and not is_staff:
        return False
    most = total_minor if up_to is None else up_to
    if most < account.least_minor or (account.most_minor and total_minor > account.most_minor):
        return False
    if not (account.products or account.categories):
        return True
    shelves = set(account.categories)
    return all(p in account.products or shelves.intersection(c) for p, c in zip(products, categories, strict=True))


def is_alike(one: AccountRules, other: AccountRules) -> bool:
    """Whether a buyer pays the same by either account, whatever he buys."""
    return _terms(one) == _terms(other)


def _terms(account: AccountRules) -> tuple[object, ...]:
    fee = (account.fee_bp, account.fee_fixed_minor) if account.fee == "added" else (0, 0)
    return (*fee, account.currency, account.rate if account.currency else "")


class Asked(msgspec.Struct, frozen=True):
    """What an attempt asks for, and what that pays of its order; so much less is enough."""

    due_minor: int
    amount_minor: int
    tolerance_minor: int


def counted(asked: Asked, amount_minor: int) -> int:
    """What an amount that arrived pays of its order: in proportion to what was asked, whole when it is enough."""
    if asked.amount_minor - asked.tolerance_minor <= amount_minor <= asked.amount_minor:
        return asked.due_minor
    return asked.due_minor * amount_minor // asked.amount_minor


def first_odd(attempt_no: str, spread: int) -> int:
    """Where the search for free cents begins: spread over the range, so that neighbours rarely meet."""
    return int.from_bytes(hashlib.blake2b(attempt_no.encode(), digest_size=4).digest()) % spread


def asked_for(attempt: Attempt, due_minor: int) -> int:
    """The amount in the attempt's currency that counts as so much of its order: the inverse of `counted`, rounded up."""
    return -(-attempt.amount_minor * due_minor // attempt.due_minor)


def flaw(attempt: Attempt, notice: Notice) -> str:
    """Why the money of a proved notice may not be counted towards its attempt's order: a stable word, or nothing.

    The gateway account and the merchant were bound before: the attempt is looked up within the account that proved the notice.
    """
    if notice.currency != attempt.currency:
        return "currency"
    if notice.method and attempt.method and notice.method != attempt.method:
        return "method"
    if notice.coin_amount and attempt.coin_amount and not _is_enough(attempt, notice):
        return "coin"
    return ""


def _is_enough(attempt: Attempt, notice: Notice) -> bool:
    """Whether the coins that were sent are of the kind that was asked for, and no fewer than the amount claims."""
    asked, sent = Decimal(attempt.coin_amount), Decimal(notice.coin_amount)
    is_same = not notice.coin or not attempt.coin or notice.coin.casefold() == attempt.coin.casefold()
    return is_same and sent * attempt.amount_minor >= asked * (notice.amount_minor - attempt.tolerance_minor)


def next_query(attempt: Attempt, now: int) -> int | None:
    """When to ask the gateway again: doubling from 20 s to 80 s while the order lives and once just before its deadline, so that
    a gateway that never calls back is found out within two minutes; then more seldom. None after a day.
    """
    if now >= attempt.created_at + QUERY_FOR:
        return None
    if now >= attempt.expires_at:
        return now + HOUR if now > attempt.expires_at + 30 * MINUTE else now + 5 * MINUTE
    later, last = now + min(FIRST_QUERY << min(attempt.queries, 10), LONGEST_SILENCE), attempt.expires_at - LAST_QUERY
    return min(later, last if now < last else attempt.expires_at)
