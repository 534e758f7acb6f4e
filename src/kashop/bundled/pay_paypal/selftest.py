"""The self-test of a PayPal account: credentials, the webhook that is to call us, the permission to read reports."""

from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_paypal.client import PayPalApi, PayPalRefused
from kashop.bundled.pay_paypal.events import NEEDED
from kashop.plugins.api import Finding, GatewayFailed, _

REPORTS = "reporting/search/read"
ANSWERS, CREDENTIALS = _("Gateway answers"), _("Client ID and secret")
WEBHOOK, EVENTS, STATEMENTS = _("Webhook"), _("Events of the webhook"), _("Statements")


async def findings(api: PayPalApi, webhook_id: str, base_url: str) -> list[Finding]:
    """What was found; each that is not right says what to do."""
    try:
        await api.renew()
    except PayPalRefused as no:
        return [Finding(subject=ANSWERS, is_ok=True), Finding(subject=CREDENTIALS, is_ok=False, advice=no.problem)]
    except GatewayFailed as failed:
        return [Finding(subject=ANSWERS, is_ok=False, advice=failed.problem)]
    known = [Finding(subject=ANSWERS, is_ok=True), Finding(subject=CREDENTIALS, is_ok=True)]
    may_read = REPORTS in api.scopes
    advice = "" if may_read else _("Switch on Transaction search in the app's features; it may take hours until PayPal knows.")
    return [*known, *await _webhook(api, webhook_id, base_url), Finding(subject=STATEMENTS, is_ok=may_read, advice=advice)]


async def _webhook(api: PayPalApi, webhook_id: str, base_url: str) -> list[Finding]:
    """PayPal signs nothing on demand: that its signature can be proved shows with the first event."""
    try:
        said = await api.get(f"/v1/notifications/webhooks/{webhook_id}")
    except PayPalRefused as no:
        advice = _("PayPal does not know this webhook of this app: copy its ID anew, in the right environment.")
        return [Finding(subject=WEBHOOK, is_ok=False, advice=advice if no.status == 404 else no.problem)]
    except GatewayFailed as failed:
        return [Finding(subject=WEBHOOK, is_ok=False, advice=failed.problem)]
    url = str(said.get("url"))
    is_here = url.startswith(f"{base_url}/pay/") and url.endswith("/callback")
    advice = "" if is_here else _("The webhook calls another address: write the callback address of this account there.")
    is_whole = _hears_all(said)
    missing = (
        ""
        if is_whole
        else _("Subscribe the webhook to the events of Checkout order approved, Payments and capture, and Disputes.")
    )
    return [Finding(subject=WEBHOOK, is_ok=is_here, advice=advice), Finding(subject=EVENTS, is_ok=is_whole, advice=missing)]


def _hears_all(webhook: Mapping[str, Any]) -> bool:
    rows = webhook.get("event_types")
    names = {str(row.get("name")) for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else set()
    return "*" in names or names >= NEEDED
