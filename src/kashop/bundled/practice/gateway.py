"""The practice gateway's side of the protocol: sends the buyer to the cashier, proves its callbacks, reads
its book.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from kashop.bundled.practice import book, signing
from kashop.plugins.api import (
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayType,
    Intent,
    Invalid,
    Method,
    Notice,
    Option,
    Rejected,
    _,
    form_fields,
    is_same,
    minor_units,
)

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_TXN = re.compile(r"[A-Z0-9]{1,64}", re.ASCII)


class PracticeGateway:
    """Keeps the Gateway protocol without a vendor."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        if not options.get("key", "").strip():
            raise Invalid.of("key", _("Without a key anyone could forge a payment."))
        self._key = options["key"]
        self._ctx = ctx

    async def begin(self, intent: Intent) -> Begun:
        """Open an entry in the cashier's book and send the buyer there."""
        key = await book.enter(self._ctx, intent, self._key)
        page = f"{self._ctx.base_url}/x/{self._ctx.plugin}/pay/{intent.attempt_no}"
        return Begun(kind="redirect", url=f"{page}?{urlencode({'k': key})}")

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a posted form: the attempt's own signature first, then merchant, then form."""
        if request.method != "POST" or request.query:
            raise Rejected("malformed")
        fields = form_fields(request.body)
        attempt_no = fields.get("attempt", "")
        if not _ATTEMPT_NO.fullmatch(attempt_no):
            raise Rejected("malformed")
        key = signing.attempt_key(self._key, attempt_no)
        if not is_same(fields.get("sign", ""), signing.sign(fields, key)):
            raise Rejected("signature")
        if fields.get("merchant") != signing.merchant(self._key):
            raise Rejected("merchant")
        if fields.get("state") == "failed":
            return Notice(state="failed", attempt_no=attempt_no)
        if fields.get("state") != "paid":
            return Notice(state="pending", attempt_no=attempt_no)
        return _paid(attempt_no, fields)

    async def query(self, intent: Intent) -> Notice | None:
        """Look into the cashier's book; None when the attempt never got there."""
        entry = await book.find(self._ctx, intent.attempt_no)
        if entry is None:
            return None
        if not entry["payments"]:
            return Notice(state="failed" if entry["is_failed"] else "pending", attempt_no=intent.attempt_no)
        first = entry["payments"][0]
        return Notice(
            state="paid",
            attempt_no=intent.attempt_no,
            gateway_txn=first["txn"],
            amount_minor=first["amount_minor"],
            currency=entry["currency"],
            method=entry["method"],
        )

    async def test(self) -> list[Finding]:
        """Write to the book and read it back."""
        now = self._ctx.clock.now()
        await self._ctx.store.set("test", now)
        is_kept = await self._ctx.store.get("test") == now
        return [Finding(subject=_("The cashier's book can be written"), is_ok=is_kept)]


def _paid(attempt_no: str, fields: Mapping[str, str]) -> Notice:
    currency, txn = fields.get("currency", ""), fields.get("txn", "")
    if not _CURRENCY.fullmatch(currency) or not _TXN.fullmatch(txn):
        raise Rejected("malformed")
    try:
        amount = minor_units(fields.get("amount", ""), currency)
    except ValueError:
        raise Rejected("amount") from None
    if amount == 0:
        raise Rejected("amount")
    return Notice(
        state="paid",
        attempt_no=attempt_no,
        gateway_txn=txn,
        amount_minor=amount,
        currency=currency,
        method=fields.get("method", ""),
    )


PRACTICE = GatewayType(
    type="practice",
    label=_("Practice"),
    methods=(Method("practice", _("Practice payment")),),
    currencies=(),
    options=(
        Option(
            name="key",
            label=_("Key of the practice cashier"),
            help=_("Leave it empty: the shop draws one."),
            is_secret=True,
            is_required=False,
            is_generated=True,
        ),
    ),
    make=PracticeGateway,
    is_practice=True,
)
