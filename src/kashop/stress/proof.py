"""The proof: what was said to the crowd against what the copy's database holds, and `kashop check --all` on it.

Always true: a claim that cannot be looked into does not hold; a witness names an order or a count, never a code.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable

import msgspec

from kashop.db import examine
from kashop.stress import reads
from kashop.stress.copying import Sale
from kashop.stress.crowd import Line, post
from kashop.stress.reads import Kept
from kashop.stress.rush import Tally
from kashop.stress.served import Served, command, environment

MOST_REVEALS = 200
CHECK_SECONDS = 600


class Claim(msgspec.Struct, frozen=True):
    """One sentence (a msgid of words.py) and the first witness against it; empty when it holds."""

    id: str
    statement: str
    witness: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.witness


class Books(msgspec.Struct, frozen=True):
    """What the database holds: orders by number, each payment's order, codes by status, and codes that buyers were shown."""

    orders: dict[str, Kept]
    payments: dict[str, str]
    codes: dict[str, int]
    shown: tuple[str, ...] = ()

    @property
    def taken(self) -> int:
        """Codes that an order holds or owns."""
        return self.codes.get("held", 0) + self.codes.get("sold", 0)


def books(server: Served, sale: Sale, shown: Iterable[str] = ()) -> Books:
    """Read the copy's database, beside its server."""
    with examine.reading(server.place) as db:
        orders = {kept.order_no: kept for kept in reads.orders(db)}
        return Books(orders, reads.payments(db), reads.codes(db, sale.sku_id), tuple(shown))


async def reveal_some(server: Served, tally: Tally) -> list[str]:
    """The codes that the first of those who paid are shown. Raises OSError when the server gives none."""
    shown: list[str] = []
    paid = [b.placed for b in tally.buyers if b.txn and b.placed][:MOST_REVEALS]
    if not paid:
        return shown
    line = await Line.open(server.port)
    try:
        for placed in paid:
            asked = post(f"/api/v1/orders/{placed.order_no}/reveal", server.port, b"{}", authorization=f"Bearer {placed.token}")
            reply = await line.ask(asked)
            told = json.loads(reply.body) if reply.status == 200 else {"lines": []}
            shown += [code for of_line in told["lines"] for code in of_line["codes"]]
    finally:
        line.close()
    return shown


def claims(tally: Tally, sale: Sale, found: Books) -> list[Claim]:
    """Everything that must be true of a rush, but for what `checked` looks into."""
    return [
        Claim("served", "Somebody could buy", _nobody(tally)),
        Claim("errors", "No answer was an error, but for “come back in a moment”", _errors(tally)),
        Claim("orders", "Every order that was acknowledged is in the database, with its codes", _lost_order(tally, found)),
        Claim("once", "Nobody's order is there twice", _strange_orders(tally, found)),
        Claim("oversold", "Not one code was promised to two", _oversold(sale, found)),
        Claim("sum", "Free, held and sold codes are together what was put in", _wrong_sum(sale, found)),
        Claim("sold_out", "“Sold out” was true for everybody who was told it", _false_sold_out(tally, sale, found)),
        Claim(
            "payments", "Every payment that was acknowledged is in the database and was delivered", _lost_payment(tally, found)
        ),
        Claim("codes", "Buyers who paid were shown different codes, each one of those put in", _wrong_codes(tally, sale, found)),
    ]


def _nobody(tally: Tally) -> str:
    return "" if tally.ended("sold") else f"answers: {_listed(tally.answers)}"


def _errors(tally: Tally) -> str:
    bad = {what: n for what, n in tally.answers.items() if what == "broken" or (what[0] == "5" and not what.startswith("503"))}
    bad |= {b.why: 1 for b in tally.ended("refused") if b.why.startswith("503")}  # a 503 that names no time to come back
    bad |= {f"callback {what}": n for what, n in tally.callback_answers.items() if what == "broken" or what.startswith("500")}
    bad |= {f"page {status}": n for status, n in tally.page_answers.items() if status >= 500 and status != 503}
    return _listed(bad) if bad else ""


def _lost_order(tally: Tally, found: Books) -> str:
    for buyer in tally.ended("sold"):
        assert buyer.placed is not None
        kept = found.orders.get(buyer.placed.order_no)
        if kept is None:
            return f"order {buyer.placed.order_no} was acknowledged and is not there"
        if kept.held + kept.sold != kept.quantity and kept.status in ("pending", "paid", "delivered"):
            return f"order {kept.order_no} wants {kept.quantity} codes and has {kept.held + kept.sold}"
    return ""


def _strange_orders(tally: Tally, found: Books) -> str:
    told = {b.placed.order_no for b in tally.buyers if b.placed}
    if len(told) < len(tally.ended("sold")):
        return f"{len(tally.ended('sold'))} buyers were told {len(told)} order numbers"
    unknown = sum(1 for b in tally.buyers if not b.end)
    strange = len(found.orders.keys() - told)
    return f"{strange} orders that no buyer was told of, {unknown} buyers without an answer" if strange > unknown else ""


def _oversold(sale: Sale, found: Books) -> str:
    wanted = sum(kept.quantity for kept in found.orders.values() if kept.status in ("pending", "paid", "delivering", "delivered"))
    if wanted > sale.codes:
        return f"orders for {wanted} codes, and there were {sale.codes}"
    return "" if wanted == found.taken else f"orders for {wanted} codes, and {found.taken} codes are held or sold"


def _wrong_sum(sale: Sale, found: Books) -> str:
    total = sum(found.codes.values())
    return "" if total == sale.codes else f"{total} codes, and {sale.codes} were put in"


def _false_sold_out(tally: Tally, sale: Sale, found: Books) -> str:
    came_back = sum(kept.quantity for kept in found.orders.values() if kept.status in ("expired", "cancelled"))
    free, told = found.codes.get("free", 0) - came_back, len(tally.ended("sold_out"))
    return f"{told} were told “sold out”, and {free} codes are free" if told and free >= sale.quantity else ""


def _lost_payment(tally: Tally, found: Books) -> str:
    for buyer in tally.buyers:
        if not buyer.txn or buyer.placed is None:
            continue
        number = buyer.placed.order_no
        kept = found.orders.get(number)
        if found.payments.get(buyer.txn) != number:
            return f"payment {buyer.txn} of order {number} was acknowledged and is not there"
        if kept is None or kept.status != "delivered" or kept.sold != kept.quantity:
            return f"order {number} was paid and is {kept.status if kept else 'gone'} with {kept.sold if kept else 0} codes sold"
    return ""


def _wrong_codes(tally: Tally, sale: Sale, found: Books) -> str:
    paid = min(MOST_REVEALS, sum(1 for b in tally.buyers if b.txn))
    if len(found.shown) != paid * sale.quantity:
        return f"{paid} buyers were shown {len(found.shown)} codes"
    if twice := sum(n - 1 for n in Counter(found.shown).values()):
        return f"{twice} of {len(found.shown)} codes were shown to two"
    strange = sum(code not in sale.made_up for code in found.shown)
    return f"{strange} codes that were never put in" if strange else ""


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} × {what}" for what, n in sorted(counts.items()))


async def checked(server: Served) -> Claim:
    """`kashop check --all` on the copy, as any merchant would run it."""
    statement = "kashop check --all finds nothing broken"
    process = await asyncio.create_subprocess_exec(
        *command("check", "--all", "--json", "--data", str(server.config.data)),
        env=environment(server.config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            said, complaint = await process.communicate()
    except TimeoutError:
        return Claim("check", statement, f"it was not done within {CHECK_SECONDS} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Claim("check", statement, _broken(said, complaint, process.returncode))


def _broken(said: bytes, complaint: bytes, returncode: int | None) -> str:
    try:
        results = json.loads(said)["results"]
    except (ValueError, KeyError):
        return complaint.decode("utf-8", "replace").strip() or f"it ended with {returncode}"
    broken = [f"{r['id']}: {r['witness']}" for r in results if r["ok"] is False]
    return "; ".join(broken) or ("" if returncode == 0 else f"it ended with {returncode}")
