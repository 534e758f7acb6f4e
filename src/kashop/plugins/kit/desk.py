"""The pages under /simulate: what a simulated vendor knows, and a button for all that can befall a payment."""

import html
from typing import Any, ClassVar, Protocol

from kashop.plugins.kit.vendorwords import MOODS, Answered, Asked, Heard, How, Payment, scaled


class Desked(Protocol):
    """What the desk needs of a simulator."""

    name: ClassVar[str]
    lock: Any
    payments: dict[str, Payment]

    def find(self, number: str) -> Payment: ...
    def send(self, payment: Payment, how: How) -> list[Heard]: ...
    def mood(self, mood: str, path: str = "/") -> None: ...


class Desk:
    """The pages of one simulator."""

    BUTTONS: ClassVar[tuple[tuple[str, str, dict[str, str]], ...]] = (
        ("pay", "付款 Pay", {}),
        ("lose", "付款，丢失通知 Pay, lose the callback", {"lose": "1"}),
        ("late", "付款，通知晚到 10 秒 Pay, callback 10 s late", {"delay": "10"}),
        ("thrice", "付款，通知三次 Pay, call back three times", {"times": "3", "parallel": "1"}),
        ("half", "只付一半 Pay half", {"share": "0.5"}),
        ("double", "多付一倍 Pay double", {"share": "2"}),
        ("close", "取消 Cancel", {"state": "closed"}),
        ("forge", "伪造签名 Forge the signature", {"forge": "signature"}),
    )

    def __init__(self, simulator: Desked) -> None:
        self._simulator = simulator

    def answer(self, asked: Asked) -> Answered:
        """A page, or what a button does."""
        parts = asked.path.strip("/").split("/")
        if asked.method == "POST" and parts[1:] == ["mood"]:
            return self._mood(asked.form)
        if asked.method == "POST" and parts[1:] == ["pay"]:
            return self._pay(asked.form)
        if parts[1:] == ["payments"]:
            with self._simulator.lock:
                return Answered.json([_plain(p) for p in self._simulator.payments.values()])
        try:
            return Answered.html(self._page([self._simulator.find(parts[1])] if len(parts) > 1 else None))
        except KeyError:
            return Answered.html("<h1>404</h1>", 404)

    def _mood(self, form: dict[str, str]) -> Answered:
        try:
            self._simulator.mood(form.get("mood", ""), form.get("path") or "/")
        except ValueError as error:
            return Answered.json({"error": str(error)}, 400)
        return Answered.redirect("/simulate")

    def _pay(self, form: dict[str, str]) -> Answered:
        try:
            payment = self._simulator.find(form.get("ref", ""))
            share = form.get("share", "")
            amount = form.get("amount") or (scaled(payment.amount, share) if share else "")
            how = How(
                amount=amount,
                state=form.get("state") or "paid",
                txn=form.get("txn", ""),
                times=min(int(form.get("times") or 1), 200),
                parallel=bool(form.get("parallel")),
                delay=min(float(form.get("delay") or 0), 600),
                lose=bool(form.get("lose")),
                forge=form.get("forge", ""),
            )
        except KeyError:
            return Answered.json({"error": "no such payment"}, 404)
        except ValueError:
            return Answered.json({"error": "not a number"}, 400)
        heard = self._simulator.send(payment, how)
        if form.get("go") and payment.return_url:
            return Answered.redirect(payment.return_url)
        return Answered.json({"answers": [{"status": h.status, "body": h.body} for h in heard]})

    def _page(self, payments: list[Payment] | None) -> str:
        with self._simulator.lock:
            rows = list(self._simulator.payments.values())[::-1][:50] if payments is None else payments
        cards = "".join(self._card(p) for p in rows) or "<p>…</p>"
        moods = "".join(f"<button name=mood value={m}>{m}</button> " for m in MOODS)
        title = html.escape(f"{self._simulator.name} · simulated")
        return (
            "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>{title}</title><style>body{{font:16px/1.5 sans-serif;max-width:40em;margin:1em auto;padding:0 1em}}"
            "section{border:1px solid #999;border-radius:8px;padding:1em;margin:1em 0}button{font:inherit;margin:.2em 0}</style>"
            f"<h1>{title}</h1>{cards}<form method=post action=/simulate/mood><p>API: {moods}</form>"
        )

    def _card(self, payment: Payment) -> str:
        ref = html.escape(payment.ref, quote=True)
        forms = "".join(
            f"<form method=post action=/simulate/pay><input type=hidden name=ref value='{ref}'>"
            "<input type=hidden name=go value=1>"
            + "".join(f"<input type=hidden name={name} value='{value}'>" for name, value in how.items())
            + f"<button id={key}>{label}</button></form>"
            for key, label, how in self.BUTTONS
        )
        heard = ", ".join(f"{h.status} {html.escape(h.body[:40])}" for h in payment.heard[-5:])
        return (
            f"<section><h2>{html.escape(payment.amount)} {html.escape(payment.currency)}</h2>"
            f"<p>{html.escape(payment.attempt_no)} · {html.escape(payment.state)} · {heard}</p>{forms}</section>"
        )


def _plain(payment: Payment) -> dict[str, Any]:
    kept = {name: getattr(payment, name) for name in ("ref", "attempt_no", "amount", "currency", "state", "txn", "paid_amount")}
    return {**kept, "heard": [{"status": h.status, "body": h.body} for h in payment.heard]}
