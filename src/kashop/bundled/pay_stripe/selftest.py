"""The self-test of a Stripe account: key, mode, and the webhook endpoint that is to call us. Moves no money."""

from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_stripe.client import StripeApi, StripeRefused
from kashop.bundled.pay_stripe.events import NEEDED
from kashop.plugins.api import Finding, GatewayFailed, _

ANSWERS, KEY, TAKES = _("Gateway answers"), _("Secret key"), _("May take payments")
ENDPOINT, EVENTS = _("Webhook endpoint"), _("Events of the endpoint")


async def findings(api: StripeApi, base_url: str) -> list[Finding]:
    """What was found; each that is not right says what to do."""
    try:
        about = await api.get("account")
    except StripeRefused as no:
        if no.status in (401, 403):
            return [Finding(subject=ANSWERS, is_ok=True), Finding(subject=KEY, is_ok=False, advice=no.problem)]
        return [Finding(subject=ANSWERS, is_ok=False, advice=no.problem)]
    except GatewayFailed as failed:
        return [Finding(subject=ANSWERS, is_ok=False, advice=failed.problem)]
    is_account = about.get("object") == "account"
    known = Finding(
        subject=KEY, is_ok=is_account, advice="" if is_account else _("This is not Stripe's answer: check the address.")
    )
    if not is_account:
        return [Finding(subject=ANSWERS, is_ok=True), known]
    takes = about.get("charges_enabled") is True
    advice = "" if takes else _("Stripe has not opened this account for payments yet: finish its activation in the Dashboard.")
    opened = Finding(subject=TAKES, is_ok=takes, advice=advice)
    return [Finding(subject=ANSWERS, is_ok=True), known, opened, *await _endpoint(api, base_url)]


async def _endpoint(api: StripeApi, base_url: str) -> list[Finding]:
    """Stripe shows an endpoint's secret only once, so whether ours is right shows with the first event."""
    try:
        ours = [e async for e in api.each("webhook_endpoints", {}) if str(e.get("url")).startswith(f"{base_url}/pay/")]
    except GatewayFailed as failed:
        return [Finding(subject=ENDPOINT, is_ok=False, advice=failed.problem)]
    live = [e for e in ours if e.get("status") == "enabled" and str(e.get("url")).endswith("/callback")]
    if not live:
        advice = _("Add an endpoint in the Dashboard, Developers, Webhooks: the callback address of this account.")
        return [Finding(subject=ENDPOINT, is_ok=False, advice=advice)]
    is_whole = any(_hears_all(endpoint) for endpoint in live)
    advice = _("Subscribe the endpoint to the events of checkout.session, refund, charge.refunded and charge.dispute.created.")
    return [Finding(subject=ENDPOINT, is_ok=True), Finding(subject=EVENTS, is_ok=is_whole, advice="" if is_whole else advice)]


def _hears_all(endpoint: Mapping[str, Any]) -> bool:
    events = endpoint.get("enabled_events")
    return isinstance(events, list) and ("*" in events or set(NEEDED) <= set(events))
