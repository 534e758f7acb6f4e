"""The staff's cookies, and who stands behind a request.

Always true: the session's cookie is set by a log-in and by nothing else, HttpOnly, SameSite=Lax, for /admin alone,
Secure where the shop is reached by https; what it holds is stored only as a hash. The mark beside it opens nothing.
"""

import re
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from kashop.accounts.factors.rules import PENDING as PENDING_LIFETIME
from kashop.accounts.factors.rules import RESET as RESET_LIFETIME
from kashop.accounts.rules import LIFETIME
from kashop.accounts.types import Browser, SignedIn
from kashop.flows import login
from kashop.flows.login import LoggedIn
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY, SECOND
from kashop.shop import Shop

AnyRequest = Request[Any, Any, Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]

SESSION, DEVICE, PENDING, RESET = "kashop_staff", "kashop_device", "kashop_login", "kashop_reset"
MARK, _MARKS = "kashop_here", "staff in this browser"
_DEVICE_LIFETIME = 180 * DAY
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def shop_of(connection: AnyConnection) -> Shop:
    """The shop that answers."""
    return cast(Shop, connection.app.state.shop)


def request_id(connection: AnyConnection) -> str:
    """The number that the log and the answer both carry."""
    return str(connection.scope["state"].get("request_id", ""))


def client_ip(connection: AnyConnection) -> str:
    """The buyer's address, as the edge found it."""
    return connection.client.host if connection.client else ""


def browser_of(connection: AnyConnection) -> Browser:
    """Who knocks."""
    return Browser(
        ip=client_ip(connection),
        user_agent=connection.headers.get("user-agent", "")[:200],
        session=connection.cookies.get(SESSION, "")[:100],
        device=connection.cookies.get(DEVICE, "")[:100],
        request_id=request_id(connection),
    )


async def find_signed_in(connection: AnyConnection) -> SignedIn | None:
    """The member of staff behind a request, looked up once for it."""
    state = connection.scope["state"]
    if "signed_in" not in state:
        token = connection.cookies.get(SESSION, "")
        is_plausible = 0 < len(token) <= 100
        state["signed_in"] = await login.find_signed_in(shop_of(connection), token) if is_plausible else None
    return cast("SignedIn | None", state["signed_in"])


def signed_in(connection: AnyConnection) -> SignedIn:
    """The member of staff whom the guard let in."""
    found = connection.scope["state"].get("signed_in")
    assert isinstance(found, SignedIn)
    return found


def actor_of(connection: AnyConnection) -> Actor:
    """The member of staff as events name them."""
    staff = signed_in(connection)
    session = staff.session_hash.hex()[:16]
    return Actor("staff", str(staff.staff_id), client_ip(connection), session, request_id(connection))


def cookies_for(shop: Shop, logged_in: LoggedIn) -> list[Cookie]:
    """What a browser keeps after a log-in."""
    is_https = shop.base_url.startswith("https://")
    return [
        _cookie(SESSION, logged_in.session, LIFETIME, is_https),
        _cookie(DEVICE, logged_in.device, _DEVICE_LIFETIME, is_https),
        mark_cookie(shop, ids.digest(logged_in.session)),
    ]


def mark_cookie(shop: Shop, session_hash: bytes) -> Cookie:
    """What tells the storefront that somebody is signed in at the panel; it opens nothing, and holds as long as the session."""
    text = session_hash.hex()
    value = f"{text}:{shop.keyring.sign(_MARKS, text)}"
    return _cookie(MARK, value, LIFETIME, shop.base_url.startswith("https://"), path="/")


def session_of_mark(shop: Shop, mark: str) -> bytes | None:
    """The hash of the session that a mark of ours names."""
    text, _, mac = mark[:300].partition(":")
    is_ours = _HEX.fullmatch(text) is not None and shop.keyring.is_signed(_MARKS, text, mac)
    return bytes.fromhex(text) if is_ours else None


def gone_cookie() -> Cookie:
    """What takes the session away from a browser; its mark is then worth nothing."""
    return _cookie(SESSION, "", 0, is_https=False)


def pending_cookie(shop: Shop, pending: str) -> Cookie:
    """What a browser keeps between its two proofs; sent to the log-in alone. An empty one takes it away."""
    is_https = shop.base_url.startswith("https://")
    return _cookie(PENDING, pending, PENDING_LIFETIME if pending else 0, is_https, path="/admin/login")


def reset_cookie(shop: Shop, token: str) -> Cookie:
    """What a mailed link leaves in a browser until the new password is set. An empty one takes it away."""
    is_https = shop.base_url.startswith("https://")
    return _cookie(RESET, token, RESET_LIFETIME if token else 0, is_https, path="/admin/login/reset")


def _cookie(name: str, value: str, lifetime: int, is_https: bool, *, path: str = "/admin") -> Cookie:
    return Cookie(
        key=name,
        value=value,
        path=path,
        max_age=lifetime // SECOND,
        httponly=True,
        samesite="lax",
        secure=is_https,
    )
