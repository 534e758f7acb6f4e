"""The cashier's pages: one to pay on, in Chinese or English, without JavaScript; and its style sheet."""

import re
from typing import Any

from kashop.bundled.practice import book, looks, sender, signing
from kashop.plugins.api import Context, Page, PageRequest, PageResponse, is_same, minor_units

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
REPEATS = 10
MOST_SECONDS = 3600
_SEEN = {str(n) for n in range(100)}


async def show(ctx: Context, request: PageRequest) -> PageResponse:
    """The cashier of one attempt, for whoever holds its key."""
    entry = await _opened(ctx, request, request.query.get("k", ""))
    if entry is None:
        return PageResponse.html(looks.missing(request.locale), status=404)
    return PageResponse.html(looks.cashier(request, entry, key=request.query["k"]))


async def act(ctx: Context, request: PageRequest) -> PageResponse:
    """Do what the button says, then send the browser back to the shop."""
    key = request.form.get("k", "")
    entry = await _opened(ctx, request, key)
    if entry is None:
        return PageResponse.html(looks.missing(request.locale), status=404)
    wanted = request.form.get("act", "")
    if wanted not in _ACTS:
        return PageResponse.html(looks.cashier(request, entry, key=key, problem="act"), status=422)
    try:
        await _ACTS[wanted](Payment(ctx, request, entry, key))
    except book.Repeated:
        ctx.log.info("practice button pressed twice", attempt=request.params["attempt_no"])
    except ValueError as error:
        return PageResponse.html(looks.cashier(request, entry, key=key, problem=str(error)), status=422)
    return PageResponse.redirect(entry["return_url"])


async def style(_ctx: Context, _request: PageRequest) -> PageResponse:
    """The style sheet: a file of its own, so that the strictest content security policy lets it in."""
    headers = {"content-type": "text/css; charset=utf-8", "cache-control": "public, max-age=3600"}
    return PageResponse(body=looks.CSS.encode(), headers=headers)


async def _opened(ctx: Context, request: PageRequest, key: str) -> dict[str, Any] | None:
    attempt_no = request.params["attempt_no"]
    entry = await book.find(ctx, attempt_no) if _ATTEMPT_NO.fullmatch(attempt_no) else None
    if entry is None or not is_same(signing.digest(key), entry["key_digest"]):
        return None
    return entry


class Payment:
    """One press of a button."""

    def __init__(self, ctx: Context, request: PageRequest, entry: dict[str, Any], key: str):
        self.ctx = ctx
        self.form = request.form
        self.attempt_no = request.params["attempt_no"]
        self.entry = entry
        self.key = key

    @property
    def url(self) -> str:
        """The shop's door."""
        return str(self.entry["callback_url"])

    async def paid(self, amount_minor: int) -> dict[str, str]:
        """Write down a payment; its callback."""
        seen = self.form.get("seen", "")
        txn = await book.pay(self.ctx, self.attempt_no, amount_minor, seen=int(seen) if seen in _SEEN else 0)
        return self.callback(state="paid", txn=txn, amount=looks.amount(amount_minor, self.entry["currency"]))

    def callback(self, **facts: str) -> dict[str, str]:
        """A signed callback."""
        fields = {
            "merchant": self.entry["merchant"],
            "attempt": self.attempt_no,
            "currency": self.entry["currency"],
            "method": self.entry["method"],
            **facts,
        }
        return {**fields, "sign": signing.sign(fields, self.key)}

    def chosen_amount(self) -> int:
        """The amount in the form's field. Raises ValueError("amount")."""
        try:
            amount_minor = minor_units(self.form.get("amount", "").strip(), self.entry["currency"])
        except ValueError:
            raise ValueError("amount") from None
        if amount_minor == 0:
            raise ValueError("amount")
        return amount_minor

    def chosen_seconds(self) -> int:
        """The delay in the form's field. Raises ValueError("seconds")."""
        text = self.form.get("seconds", "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_SECONDS):
            raise ValueError("seconds")
        return int(text)


async def _pay(payment: Payment) -> None:
    await sender.send_surely(payment.ctx, payment.url, await payment.paid(payment.entry["amount_minor"]))


async def _pay_amount(payment: Payment) -> None:
    await sender.send_surely(payment.ctx, payment.url, await payment.paid(payment.chosen_amount()))


async def _fail(payment: Payment) -> None:
    await book.fail(payment.ctx, payment.attempt_no)
    await sender.send_surely(payment.ctx, payment.url, payment.callback(state="failed"))


async def _delay(payment: Payment) -> None:
    seconds = payment.chosen_seconds()
    callback = await payment.paid(payment.entry["amount_minor"])
    await sender.send_later(payment.ctx, payment.url, callback, seconds=seconds)


async def _repeat(payment: Payment) -> None:
    callback = await payment.paid(payment.entry["amount_minor"])
    for _ in range(REPEATS):
        await sender.send(payment.ctx, payment.url, callback)


async def _lose(payment: Payment) -> None:
    await payment.paid(payment.entry["amount_minor"])


async def _forge(payment: Payment) -> None:
    facts = {"state": "paid", "txn": "PFORGED", "amount": looks.amount(payment.entry["amount_minor"], payment.entry["currency"])}
    callback = payment.callback(**facts)
    callback["sign"] = signing.sign(callback, "not the key")
    await sender.send(payment.ctx, payment.url, callback)


_ACTS = {
    "pay": _pay,
    "amount": _pay_amount,
    "fail": _fail,
    "delay": _delay,
    "repeat": _repeat,
    "lose": _lose,
    "forge": _forge,
}

PAGES = [
    Page(path="pay/{attempt_no}", answer=show),
    Page(path="pay/{attempt_no}", answer=act, methods=("POST",)),
    Page(path="practice.css", answer=style),
]
