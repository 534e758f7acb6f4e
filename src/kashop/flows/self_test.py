"""Try a gateway account (拨测): what the shop itself can know of it, then the gateway's own test. Moves no money.

Always true: what cannot be shown from here is said to be so, and is not called right or wrong; nothing is sent to an address
that the account or the administrator did not name.
"""

import asyncio
import time
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from kashop.flows import gateways, offers
from kashop.lib import ids
from kashop.lib.clock import SECOND
from kashop.lib.errors import NotFound
from kashop.payments import reads, rules
from kashop.payments.rows import GatewayAccount
from kashop.payments.types import Finding
from kashop.plugins.guard import Guarded
from kashop.plugins.http import NOT_TRUSTED, Http, HttpFailed
from kashop.plugins.reach import Reach, Unreachable
from kashop.shop import Shop

PROBE = "kashop-probe"
"""The parameter by which our own probe is known at the door of callbacks."""

PROBE_LIFE, PROBE_SECONDS = 60 * SECOND, 8.0
MOST_SKEW_SECONDS = 30
"""Vendors refuse signatures that are minutes off; a synchronised clock is off by less than a second."""

_ASKS, _ANSWERS = "callback probe", "callback probe's answer"


async def run(shop: Shop, name: str) -> list[Finding]:
    """Try an account: what was found, ready to be shown. Raises NotFound."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    kind = shop.plugins.gateway_types.get(account.type)
    if kind is None or kind.is_practice or kind.is_manual:
        return [*_offer(shop, account), *await gateways.test(shop, name)]
    began = time.monotonic()
    own = await gateways.test(shop, name)
    return [*_offer(shop, account), *own, *_clock(shop, account, began), *await _callback(shop, name)]


def _offer(shop: Shop, account: GatewayAccount) -> list[Finding]:
    kind = shop.plugins.gateway_types.get(account.type)
    if kind is None or offers.takes_currency(shop, account):
        return []
    asked_in = rules.rules_of(account).currency or shop.settings.text("shop.currency")
    advice = "This gateway is not asked in {currency}, but in {known}: choose one and a rate."
    return [_wrong("Offered to buyers", advice, currency=asked_in, known=", ".join(kind.currencies))]


def _clock(shop: Shop, account: GatewayAccount, began: float) -> list[Finding]:
    """This machine's clock against the time that the gateway named in its answers (RFC 9110 §6.6.1)."""
    try:
        made = gateways.made(shop, account)
    except NotFound:
        return []
    skew = made.skew_since(began) if isinstance(made, Guarded) else None
    if skew is None:
        return [_unsure("Clock", "The gateway named no time to compare this machine's clock with.")]
    if abs(skew) <= MOST_SKEW_SECONDS:
        return [Finding(subject="Clock", is_ok=True)]
    advice = (
        "This machine's clock is {seconds} seconds ahead of the gateway's: switch on its synchronisation (NTP)."
        if skew > 0
        else "This machine's clock is {seconds} seconds behind the gateway's: switch on its synchronisation (NTP)."
    )
    return [_wrong("Clock", advice, seconds=round(abs(skew)))]


async def _callback(shop: Shop, name: str) -> list[Finding]:
    """Whether the gateway can reach us, as far as that can be known from inside. In a practice shop nothing of it is wrong."""
    address = f"{shop.base_url}/pay/{name}/callback"
    found = [await _is_public(address), await _reaches_us(shop, name, address)]
    if shop.settings.flag("shop.practice"):
        found = [f if f.is_ok else _unsure(f.subject, f.advice, **dict(f.params)) for f in found]
    return found


async def _is_public(address: str) -> Finding:
    subject, url = "Callback address is public", urlsplit(address)
    host = url.hostname or ""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await Reach().addresses(host, url.port or (443 if url.scheme == "https" else 80))
    except (Unreachable, TimeoutError) as unreachable:
        if not getattr(unreachable, "is_forbidden", False):
            return _wrong(subject, "No name server knows {host}: gateways cannot call {address}.", host=host, address=address)
        advice = "Only this machine or its network reaches {address}. Set base_url in kashop.toml to the shop's public address."
        return _wrong(subject, advice, address=address)
    if url.scheme != "https":
        advice = "{address} is not encrypted. Serve the shop by https and set base_url in kashop.toml: most gateways want it."
        return _wrong(subject, advice, address=address)
    if _is_number(host):
        advice = "{address} is a bare number: most gateways want a name with a certificate that is trusted."
        return _wrong(subject, advice, address=address)
    return Finding(subject=subject, is_ok=True)


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _reaches_us(shop: Shop, name: str, address: str) -> Finding:
    """Ask our own callback address from here: does this very shop answer?"""
    subject = "Callback address answers"
    token = _probe(shop, name)
    http = Http(connect_seconds=4, total_seconds=PROBE_SECONDS)
    try:
        reply = await http.get(f"{address}?{urlencode({PROBE: token})}")
    except HttpFailed as failed:
        if failed.problem == NOT_TRUSTED:
            return _wrong(subject, "The certificate of {address} is not trusted: gateways refuse it too.", address=address)
        advice = "{address} does not answer from here ({problem}): is the shop running, do name, proxy and firewall lead to it?"
        return _wrong(subject, advice, address=address, problem=failed.problem)
    finally:
        await http.close()
    if reply.body.strip() != shop.keyring.sign(_ANSWERS, token).encode():
        advice = "Something else answers at {address} (HTTP {status}): name, proxy or path lead to another server than this shop."
        return _wrong(subject, advice, address=address, status=reply.status)
    note = "Asked from this machine. Whether a firewall keeps the gateway out cannot be shown from here: a payment will."
    return Finding(subject=subject, is_ok=True, advice=note)


def _probe(shop: Shop, name: str) -> str:
    said = f"{name}.{ids.token()}.{shop.clock.now() + PROBE_LIFE}"
    return f"{said}.{shop.keyring.sign(_ASKS, said)}"


def answer_probe(shop: Shop, name: str, query: bytes) -> str | None:
    """What this shop answers to a probe of its own, whichever of its processes sent it; None when the query is none."""
    start = f"{PROBE}=".encode()
    if not query.startswith(start) or len(query) > 400:
        return None
    token = query.removeprefix(start).decode("latin-1")
    said, _, mac = token.rpartition(".")
    whose, _, rest = said.partition(".")
    until = rest.rpartition(".")[2]
    is_ours = whose == name and shop.keyring.is_signed(_ASKS, said, mac)
    if not is_ours or not until.isdigit() or int(until) < shop.clock.now():
        return None
    return shop.keyring.sign(_ANSWERS, token)


def _wrong(subject: str, advice: str, **params: object) -> Finding:
    return Finding(subject=subject, is_ok=False, advice=advice, params=_told(params))


def _unsure(subject: str, advice: str, **params: object) -> Finding:
    return Finding(subject=subject, is_ok=True, is_sure=False, advice=advice, params=_told(params))


def _told(params: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in params.items())
