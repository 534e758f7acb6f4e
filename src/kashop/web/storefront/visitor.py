"""What is known of a buyer's browser: where it runs, and whether somebody is signed in at the panel in it.

The panel's session never leaves the panel. Beside it a log-in sets a mark for the whole shop, which opens nothing: it names the
session by its hash, so that accounts for staff alone are offered while that session lives.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from kashop.flows import login
from kashop.flows.offers import Visitor
from kashop.web.sessions import MARK, AnyRequest, session_of_mark, shop_of

_APPS = (("micromessenger", "wechat"), ("alipayclient", "alipay"))
_QQ = re.compile(r"\bqq/\d|\bqqtheme\b", re.I)
_PHONE = re.compile(r"android|iphone|ipod|ipad|mobile|harmonyos", re.I)

SHUT_OUT: Mapping[str, frozenset[str]] = {
    "wechat": frozenset({"alipay", "qqpay"}),
    "alipay": frozenset({"wxpay", "qqpay"}),
    "qq": frozenset({"alipay", "wxpay"}),
}
"""What each app's own browser refuses to open: the others' wallets."""


@lru_cache(maxsize=2048)
def device_of(user_agent: str) -> str:
    """Where a browser runs, as `Intent.device` names it."""
    agent = user_agent.lower()
    for sign, app in _APPS:
        if sign in agent:
            return app
    if _QQ.search(agent):
        return "qq"
    return "phone" if _PHONE.search(agent) else "desktop"


def works_in(device: str, method: str) -> bool:
    """Whether a way to pay can be used in the browser of a device."""
    return method not in SHUT_OUT.get(device, frozenset())


async def visitor_of(request: AnyRequest) -> Visitor:
    """Who asks."""
    device = device_of(request.headers.get("user-agent", "")[:400])
    session_hash = session_of_mark(shop_of(request), request.cookies.get(MARK, ""))
    is_staff = session_hash is not None and await login.is_live(shop_of(request), session_hash)
    return Visitor(device=device, is_staff=is_staff)
