"""One account that takes transfers: tells the buyer where to send what, under which reference.

Always true: nobody calls back and nobody can be asked, so every callback is rejected and no query finds anything. The reference
is the end of the attempt's number, so that whoever has it in a statement finds the attempt.
"""

import re
from collections.abc import Mapping

from kashop.plugins.api import (
    Answer,
    Begun,
    CallbackRequest,
    Context,
    FieldError,
    Finding,
    GatewayType,
    Intent,
    Invalid,
    Method,
    Notice,
    Option,
    Rejected,
    _,
    amount_text,
    is_web_address,
)

REFERENCE_LENGTH = 8
MOST = {"payee": 100, "bank": 120, "account": 64, "qr": 512}
METHODS = (
    Method("transfer", _("Bank transfer")),
    Method("alipay", _("Alipay transfer")),
    Method("wxpay", _("WeChat transfer")),
)

OPTIONS = (
    Option(
        name="methods",
        label=_("What the buyer pays by"),
        help=_("transfer: from his bank. alipay or wxpay: to your personal QR code."),
        kind="choice",
        choices=tuple(m.name for m in METHODS),
        default="transfer",
    ),
    Option(name="payee", label=_("Payee"), help=_("The name of the account's holder, as the buyer's bank asks for it.")),
    Option(name="bank", label=_("Bank"), help=_("With its branch (开户行), where banks ask for it."), is_required=False),
    Option(
        name="account",
        label=_("Account number"),
        help=_("The card or account number, IBAN, or the Alipay account. It may be left empty when there is a QR code."),
        is_required=False,
    ),
    Option(
        name="qr",
        label=_("Text of your personal QR code"),
        help=_("What the code that you take money by says, such as https://qr.alipay.com/… or wxp://…: scan it to see."),
        is_required=False,
    ),
)

_CARD = re.compile(r"62[0-9]{14,17}", re.ASCII)


class TransferGateway:
    """Keeps the Gateway protocol without anybody on the other side."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._options = {name: options.get(name, "").strip() for name in MOST}
        wrong = [FieldError(n, _("Write one line, and a shorter one.")) for n, v in self._options.items() if not _is_line(n, v)]
        if not self._options["payee"]:
            wrong.append(FieldError("payee", _("Say who takes the money.")))
        if not (self._options["account"] or self._options["qr"]):
            wrong.append(FieldError("account", _("Write an account number, or the text of a QR code.")))
        if options.get("methods") not in [m.name for m in METHODS]:
            wrong.append(FieldError("methods", _("Choose one of the values on offer.")))
        if wrong:
            raise Invalid("Please correct the marked fields.", fields=wrong)

    async def begin(self, intent: Intent) -> Begun:
        """Where to send what."""
        return self.begin_alone(intent)

    def begin_alone(self, intent: Intent) -> Begun:
        """Where to send what, in lines to copy."""
        reference = intent.attempt_no[-REFERENCE_LENGTH:]
        lines = {
            _("Payee"): self._options["payee"],
            _("Bank"): self._options["bank"],
            _("Account number"): self._options["account"],
            _("Amount"): amount_text(intent.amount_minor, intent.currency),
            _("Reference: write it as the transfer's remark"): reference,
        }
        return Begun(
            kind="transfer",
            fields={label: value for label, value in lines.items() if value},
            qr=self._options["qr"],
            url=self._options["qr"] if is_web_address(self._options["qr"]) else "",
            gateway_ref=reference,
        )

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Nobody calls back."""
        raise Rejected("no_callbacks")

    async def query(self, intent: Intent) -> Notice | None:
        """Nobody can be asked."""
        return None

    async def test(self) -> list[Finding]:
        """Look for what is easily mistyped: a bank card's check digit."""
        number = re.sub(r"[ -]", "", self._options["account"])
        is_right = not _CARD.fullmatch(number) or _luhn(number)
        advice = _("A digit of this card number is wrong: compare it with the card.")
        return [
            Finding(subject=_("Account number"), is_ok=is_right, advice="" if is_right else advice),
            Finding(subject=_("Staff confirm what arrived, or a bank statement does"), is_ok=True),
        ]


def _is_line(name: str, value: str) -> bool:
    return len(value) <= MOST[name] and (value == "" or value.isprintable())


def _luhn(number: str) -> bool:
    """Whether a card number's last digit fits the others (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2] + [d * 2 - 9 * (d > 4) for d in digits[1::2]]) % 10 == 0


TRANSFER = GatewayType(
    type="transfer",
    label=_("Transfer with a reference"),
    methods=METHODS,
    currencies=(),
    options=OPTIONS,
    make=TransferGateway,
    begins_alone=True,
    is_manual=True,
)
