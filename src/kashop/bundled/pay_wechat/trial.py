"""The self-test: a query for an order that never was must be refused with a signature (wechatpay.md §8)."""

from kashop.bundled.pay_wechat.client import Client, Said, Unproved, path
from kashop.bundled.pay_wechat.options import Account
from kashop.plugins.api import MINUTE, Finding, GatewayFailed, _

_MERCHANT = _("Merchant number, certificate and private key")
NEVER = "KASHOPSELFTEST0000000000000"
_ADVICE = {
    "SIGN_ERROR": _(
        "WeChat Pay does not accept our signature: merchant number, certificate serial number and private key must belong "
        "together, and the clock must be right."
    ),
    "APPID_MCHID_NOT_MATCH": _("This AppID is not bound to the merchant number: bind it under product centre, AppID management."),
    "NO_AUTH": _("The merchant has no right to this: see the product centre of pay.weixin.qq.com."),
    "MCH_NOT_EXISTS": _("WeChat Pay does not know this merchant number."),
}


async def findings(client: Client, account: Account, base_url: str, now: int) -> list[Finding]:
    """What was found."""
    answers, key = _("WeChat Pay answers"), _("WeChat Pay public key or platform certificate")
    found = [] if not account.is_real else [_callback(base_url)]
    try:
        said = await client.get(path("v3", "pay", "transactions", "out-trade-no", NEVER), mchid=account.mchid)
    except Unproved as unproved:
        advice = _("The answer is not signed by this key. Check the public key and its id, or the APIv3 key.")
        if "timestamp" in unproved.problem:
            advice = _("The clock of this server is wrong: set it by NTP.")
        return [*found, Finding(subject=answers, is_ok=True), Finding(subject=key, is_ok=False, advice=advice)]
    except GatewayFailed as failed:
        known = next((words for code, words in _ADVICE.items() if failed.problem.endswith(f"({code})")), "")
        return [*found, Finding(subject=_MERCHANT if known else answers, is_ok=False, advice=known or failed.problem)]
    found.append(Finding(subject=answers, is_ok=True))
    if said.is_proved:
        found.append(Finding(subject=key, is_ok=True))
    is_taken = said.is_proved and (said.code in ("ORDER_NOT_EXIST", "ORDERNOTEXIST") or said.is_ok)
    found.append(Finding(subject=_MERCHANT, is_ok=is_taken, advice="" if is_taken else _advice(client, said)))
    if said.told_at:
        is_right = abs(said.told_at - now) <= 5 * MINUTE
        advice = "" if is_right else _("The clock of this server is wrong: set it by NTP.")
        found.append(Finding(subject=_("Clock"), is_ok=is_right, advice=advice))
    return found


def _callback(base_url: str) -> Finding:
    is_ok = base_url.startswith("https://")
    advice = "" if is_ok else _("WeChat Pay sends its notices to https addresses only: serve the shop by https.")
    return Finding(subject=_("The shop's address"), is_ok=is_ok, advice=advice)


def _advice(client: Client, said: Said) -> str:
    return _ADVICE.get(said.code) or client.words(said)
