"""Random statements against random receipts: every line and every receipt is judged once, and no money appears or vanishes."""

import datetime as dt
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kashop.payments.statements import rules
from kashop.payments.statements.types import Known, Line, OurAttempt, OurReceipt, OurRefund

ACCOUNT = 1
TXNS = st.sampled_from(["", *(f"T{n}" for n in range(12))])
ATTEMPTS = st.sampled_from(["", "order-7", *(f"A261031{n:014}" for n in range(12))])
AMOUNTS = st.sampled_from([100, 900, 1250])
REFUNDS = st.sampled_from(["", *(f"R261031{n:014}" for n in range(6))])


def lines() -> st.SearchStrategy[list[Line]]:
    one = st.builds(
        Line,
        number=st.just(0),
        kind=st.sampled_from(["payment", "payment", "refund"]),
        gateway_txn=TXNS,
        attempt_no=ATTEMPTS,
        refund_no=REFUNDS,
        gateway_refund=st.sampled_from(["", "V1", "V2"]),
        amount_minor=AMOUNTS,
        currency=st.sampled_from(["CNY", "CNY", "USD"]),
        fee_minor=st.integers(0, 20),
        happened_at=st.just(1),
        reference=st.sampled_from(["", "A261031" + "0" * 14, "转账 T3 谢谢"]),
    )
    return st.lists(one, max_size=30).map(lambda found: [renumbered(line, n) for n, line in enumerate(found, 1)])


def renumbered(line: Line, number: int) -> Line:
    return Line(number, *(getattr(line, name) for name in line.__struct_fields__[1:]))


@st.composite
def known(draw: st.DrawFn) -> tuple[Known, list[OurReceipt], list[OurRefund]]:
    receipts = [
        OurReceipt(n, f"T{n}", f"A261031{n % 5:014}", n % 5, n % 5, draw(AMOUNTS), "CNY", draw(SOURCES), draw(st.integers(0, 1)))
        for n in range(draw(st.integers(0, 10)))
    ]
    refunds = [
        OurRefund(n, f"R261031{n:014}", f"V{n}", n, draw(st.sampled_from(["done", "failed"])), draw(AMOUNTS), "CNY", "")
        for n in range(draw(st.integers(0, 5)))
    ]
    attempts = [
        OurAttempt(n, f"A261031{n:014}", draw(st.sampled_from([ACCOUNT, 2])), n, f"K{n:05}", f"REF{n:03}", "open", 1250, "CNY")
        for n in range(draw(st.integers(0, 12)))
    ]
    is_manual = draw(st.booleans())
    of_attempts: dict[str, list[OurReceipt]] = {}
    for receipt in receipts:
        of_attempts.setdefault(receipt.attempt_no, []).append(receipt)
    found = Known(
        gateway_id=ACCOUNT,
        is_manual=is_manual,
        receipts={r.gateway_txn: r for r in receipts},
        of_attempts=of_attempts,
        attempts={a.attempt_no: a for a in attempts},
        refunds={r.refund_no: r for r in refunds},
        vendor_refunds={r.gateway_refund: r for r in refunds},
        loose_receipts=[r for r in receipts if not r.is_stated] if is_manual else [],
        loose_refunds=refunds if is_manual else [],
        waiting=attempts if is_manual else [],
    )
    return found, receipts, refunds


SOURCES = st.sampled_from(["callback", "query", "manual", "statement"])
TAKES = ("matched", "found", "differs")


@given(lines(), known(), st.booleans())
def test_every_line_and_every_receipt_is_judged_once(
    stated: list[Line], ours: tuple[Known, list[OurReceipt], list[OurRefund]], is_proof: bool
) -> None:
    around, receipts, _ = ours
    taken = rules.Taken()
    judged = rules.judge(stated[:7], around, taken, is_proof=is_proof)
    judged += rules.judge(stated[7:], around, taken, is_proof=is_proof)  # in chunks, as it is done
    assert [each.line for each in judged] == stated
    assert all(each.verdict in rules.VERDICTS for each in judged)
    of_receipts = Counter(j.receipt.receipt_id for j in judged if j.line.kind == "payment" and j.receipt and j.verdict in TAKES)
    of_refunds = Counter(j.refund.refund_id for j in judged if j.refund and j.verdict in TAKES)
    assert not [n for n in (of_receipts + Counter()).values() if n > 1]
    assert not [n for n in of_refunds.values() if n > 1]
    assert set(of_receipts) == taken.receipts
    assert set(of_refunds) == taken.refunds
    assert not [r for r in receipts if r.is_stated and r.receipt_id in of_receipts]
    by_verdict = Counter[str]()
    for each in judged:
        by_verdict[each.verdict] += each.line.amount_minor
    assert sum(by_verdict.values()) == sum(line.amount_minor for line in stated)
    missing = sum(r.amount_minor for r in receipts if r.receipt_id not in taken.receipts)
    agreed = sum(j.line.amount_minor for j in judged if j.line.kind == "payment" and j.verdict in ("matched", "found"))
    differing = sum(j.receipt.amount_minor for j in judged if j.line.kind == "payment" and j.verdict == "differs" and j.receipt)
    assert agreed + differing + missing == sum(r.amount_minor for r in receipts)


@given(lines(), known(), st.booleans())
def test_every_difference_has_its_own_subject(
    stated: list[Line], ours: tuple[Known, list[OurReceipt], list[OurRefund]], is_proof: bool
) -> None:
    judged = rules.judge(stated, ours[0], rules.Taken(), is_proof=is_proof)
    drafts = [d for j in judged if (d := rules.difference_of(j, gateway_id=1, day="2026-10-31", statement_id=1))]
    assert len(drafts) == sum(j.verdict in rules.OPEN_VERDICTS for j in judged)
    numbered = [d.subject for d in drafts if "~" not in d.subject]  # without any number two lines may be the very same
    assert len(numbered) == len(set(zip((d.kind for d in drafts if "~" not in d.subject), numbered, strict=True)))


@given(lines())
def test_a_digest_is_of_what_is_said_and_not_of_its_order(stated: list[Line]) -> None:
    assert rules.digest(stated) == rules.digest(reversed(stated))
    if stated:
        assert rules.digest(stated) != rules.digest(stated[1:])


def test_days_are_those_of_the_vendor() -> None:
    shanghai = rules.bounds(dt.date(2026, 10, 31), "Asia/Shanghai")
    assert shanghai.ends_at - shanghai.begins_at == 24 * 3_600_000
    assert shanghai.ready_at - shanghai.ends_at == 10 * 3_600_000
    berlin = rules.bounds(dt.date(2026, 10, 25), "Europe/Berlin")
    assert berlin.ends_at - berlin.begins_at == 25 * 3_600_000, "the clocks were set back"
    planned = rules.wanted_days(shanghai.ends_at, "Asia/Shanghai", newest="2026-10-28", since=0)
    assert [d.day for d in planned] == ["2026-10-29", "2026-10-30", "2026-10-31"]
    assert len(rules.wanted_days(shanghai.ends_at, "Asia/Shanghai", newest=None, since=0)) == 7
    assert len(rules.wanted_days(shanghai.ends_at, "Asia/Shanghai", newest="2024-01-01", since=0)) == 62
