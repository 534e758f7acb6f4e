"""Which ways to pay a buyer is offered, and which accounts stand behind the one that he took.

Always true: an account is offered only for what its rules admit, in a currency that its gateway takes; what is refused here is
refused to a page, a script and the cashier alike.
"""

from collections.abc import Iterable, Sequence

import msgspec

from kashop.catalog.types import Category, Product
from kashop.flows.gateways import methods
from kashop.lib.errors import Invalid
from kashop.payments import rules
from kashop.payments.rows import GatewayAccount
from kashop.payments.rules import AccountRules
from kashop.risk.captcha import Shown
from kashop.shop import Shop


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays: where his browser runs (as `Intent.device`), and whether somebody is signed in at the panel in it."""

    device: str = ""
    is_staff: bool = False
    shown: Shown = Shown()
    """What he brings that bears on whether he may hold stock."""


NOBODY = Visitor()


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid for, as far as accounts ask: slugs of the products, for each those of its categories, and the total,
    which on a product's page may be anything from `least_minor` to `most_minor`."""

    products: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    least_minor: int
    most_minor: int


def basket(products: Sequence[Product], shelves: Iterable[Category], least_minor: int, most_minor: int | None = None) -> Basket:
    """The basket of some products; their categories are looked for among `shelves`."""
    by_id = {shelf.category_id: shelf for shelf in shelves}

    def above(category_id: int | None) -> tuple[str, ...]:
        shelf = by_id.get(category_id or 0)
        return (shelf.slug, *above(shelf.parent_id)) if shelf else ()

    return Basket(
        products=tuple(p.slug for p in products),
        categories=tuple(above(p.category_id) for p in products),
        least_minor=least_minor,
        most_minor=least_minor if most_minor is None else most_minor,
    )


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One way to pay, as a buyer chooses it."""

    gateway: str
    method: str
    label: str
    """A msgid."""
    account_label: str
    terms: AccountRules
    """What it costs the buyer, and the bounds of all accounts that stand behind it."""
    is_manual: bool = False
    """Staff say what arrived: not the same to a buyer as a gateway that says so at once."""
    others: tuple[str, ...] = ()
    """Further accounts that take the same way to pay at the same price."""

    def stands_for(self, gateway: str, method: str) -> bool:
        """Whether this is the choice that an account's method is part of."""
        return self.method == method and (self.gateway == gateway or gateway in self.others)


def on_offer(shop: Shop, accounts: Sequence[GatewayAccount], wanted: Basket, visitor: Visitor) -> list[Choice]:
    """What a buyer may choose from among these accounts, in order; a way that costs the same by several stands there once."""
    found: list[Choice] = []
    for account in _in_order(shop, accounts):
        if _fits(shop, account, wanted, visitor):
            kind, terms = shop.plugins.gateway_types[account.type], rules.rules_of(account)
            for m in methods(account, kind):
                choice = Choice(gateway=account.name, method=m.name, label=m.label, account_label=account.label, terms=terms)
                _add(found, msgspec.structs.replace(choice, is_manual=kind.is_manual))
    return found


def _add(found: list[Choice], new: Choice) -> None:
    for n, known in enumerate(found):
        is_same = new.method and (known.method, known.is_manual) == (new.method, new.is_manual)
        if is_same and rules.is_alike(known.terms, new.terms):
            bounds = (known.terms.most_minor, new.terms.most_minor)
            terms = msgspec.structs.replace(
                known.terms,
                least_minor=min(known.terms.least_minor, new.terms.least_minor),
                most_minor=max(bounds) if all(bounds) else 0,
            )
            found[n] = msgspec.structs.replace(known, terms=terms, others=(*known.others, new.gateway))
            return
    found.append(new)


def chosen(
    shop: Shop, accounts: Sequence[GatewayAccount], wanted: Basket, visitor: Visitor, *, gateway: str, method: str
) -> list[int]:
    """The accounts that take the way to pay which a buyer chose, whom to ask first at the front. Raises Invalid by `gateway` or
    `method`.

    He named one account; others that take the method at the same price stand behind it, since it is all the same to him.
    """
    named = next((a for a in accounts if a.name == gateway), None)
    if named is None:
        raise _refused("gateway")
    if method and method not in _method_names(shop, named):
        raise _refused("method")
    terms = rules.rules_of(named)
    alike = [named]
    if method:
        others = [a for a in accounts if a is not named and method in _method_names(shop, a)]
        others = [a for a in others if _is_manual(shop, a) == _is_manual(shop, named)]
        alike += [a for a in others if rules.is_alike(terms, rules.rules_of(a))]
    fit = [a.gateway_id for a in _in_order(shop, alike, keep=True) if _fits(shop, a, wanted, visitor)]
    if not fit:
        raise _refused("gateway")
    return fit


def _refused(field: str) -> Invalid:
    return Invalid.of(field, "Choose one of the ways to pay.")


def _in_order(shop: Shop, accounts: Sequence[GatewayAccount], *, keep: bool = False) -> list[GatewayAccount]:
    """By position, those that fail just now behind the others."""
    ranked = accounts if keep else sorted(accounts, key=lambda a: (a.position, a.gateway_id))
    return sorted(ranked, key=lambda a: bool(shop.failures.rests_until(a.gateway_id)))


def _fits(shop: Shop, account: GatewayAccount, wanted: Basket, visitor: Visitor) -> bool:
    return (
        bool(account.is_enabled)
        and takes_currency(shop, account)
        and rules.admits(
            rules.rules_of(account),
            total_minor=wanted.least_minor,
            up_to=wanted.most_minor,
            products=wanted.products,
            categories=wanted.categories,
            is_staff=visitor.is_staff,
        )
    )


def takes_currency(shop: Shop, account: GatewayAccount) -> bool:
    """Whether its gateway is there, and takes the currency that it would be asked in."""
    kind = shop.plugins.find_gateway_type(account.type)
    asked_in = rules.rules_of(account).currency or shop.settings.text("shop.currency")
    return kind is not None and (not kind.currencies or asked_in in kind.currencies)


def _method_names(shop: Shop, account: GatewayAccount) -> set[str]:
    kind = shop.plugins.find_gateway_type(account.type)
    return {m.name for m in methods(account, kind)} if kind else set()


def _is_manual(shop: Shop, account: GatewayAccount) -> bool:
    kind = shop.plugins.find_gateway_type(account.type)
    return kind is not None and kind.is_manual
