"""The self-test: a query for an order that never was must be refused with a signature (alipay.md §10)."""

from kashop.bundled.pay_alipay.client import Client, Said, Unproved
from kashop.plugins.api import MINUTE, Finding, GatewayFailed, _

NEVER = "KASHOPSELFTEST0000000000000"
_ADVICE = {
    "isv.invalid-app-id": _("Alipay does not know this app id. Copy it from the app's page; the sandbox has its own."),
    "isv.invalid-signature": _(
        "Alipay does not accept our signature: the public key uploaded there belongs to another private key. "
        "Upload the one that was made together with this private key."
    ),
    "isv.missing-app-cert-sn": _("This app works with certificates: add the three certificate files."),
    "isv.invalid-timestamp": _("The clock of this server is wrong: set it by NTP."),
}
_NOT_OPEN = _("The app is not online, or the product is not signed up for: see the app's page at open.alipay.com.")


async def findings(client: Client, now: int) -> list[Finding]:
    """What was found."""
    answers, key = _("Alipay answers"), _("Alipay public key")
    try:
        said = await client.ask("alipay.trade.query", {"out_trade_no": NEVER})
    except Unproved:
        advice = _("The answer is not signed by this key. Take the “Alipay public key”, not the app's own, of this very app.")
        return [Finding(subject=answers, is_ok=True), Finding(subject=key, is_ok=False, advice=advice)]
    except GatewayFailed as failed:
        return [Finding(subject=answers, is_ok=False, advice=failed.problem)]
    found = [Finding(subject=answers, is_ok=True)]
    if said.is_proved:
        found.append(Finding(subject=key, is_ok=True))
    is_taken = said.is_proved and (said.sub_code == "ACQ.TRADE_NOT_EXIST" or said.is_ok)
    advice = "" if is_taken else _advice(client, said)
    found.append(Finding(subject=_("App id and private key"), is_ok=is_taken, advice=advice))
    if said.told_at:
        is_right = abs(said.told_at - now) <= 5 * MINUTE
        advice = "" if is_right else _("The clock of this server is wrong: set it by NTP.")
        found.append(Finding(subject=_("Clock"), is_ok=is_right, advice=advice))
    return found


def _advice(client: Client, said: Said) -> str:
    if said.code == "40006" or "insufficient" in said.sub_code:
        return _NOT_OPEN
    return _ADVICE.get(said.sub_code) or client.words(said)
