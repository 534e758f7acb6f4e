"""The plugin's pages: paying inside WeChat (JSAPI), and leaving for WeChat's page for phones (H5)."""

from html import escape
from urllib.parse import urlencode

from kashop.bundled.pay_wechat import doors, looks
from kashop.plugins.api import Context, GatewayFailed, Page, PageRequest, PageResponse, amount_text


async def pay(ctx: Context, request: PageRequest) -> PageResponse:
    """Learn from WeChat who the buyer is, then let its bridge ask him for the money (wechatpay.md §5)."""
    text, mark = request.query.get("d", ""), request.query.get("s", "")
    door = doors.find(ctx, text, mark)
    if door is None:
        return PageResponse.html(looks.stranger(request.locale, ctx.base_url), status=404)
    here = f"{ctx.base_url}/x/{ctx.plugin}/pay?{urlencode({'d': text, 's': mark})}"
    wish = doors.read_wish(text)
    code = request.query.get("code", "")
    if not code:
        return PageResponse.redirect(door.consent(here))
    try:
        asked = await door.prepay(wish, code)
    except GatewayFailed as failed:
        ctx.log.warning("a payment inside WeChat could not begin", attempt=wish.attempt_no, problem=failed.problem)
        return PageResponse.html(looks.failed(request.locale, here, ctx.base_url + wish.back), status=502)
    sum_text = f"{amount_text(wish.amount_minor, 'CNY')} CNY"
    return PageResponse.html(looks.bridge(request.locale, sum_text, wish.title, asked, ctx.base_url + wish.back))


async def leave(ctx: Context, request: PageRequest) -> PageResponse:
    """Go on to WeChat's page, telling it which site the buyer comes from: it refuses everybody else (wechatpay.md §1)."""
    url = request.query.get("d", "")
    if doors.find(ctx, url, request.query.get("s", "")) is None:
        return PageResponse.html(looks.stranger(request.locale, ctx.base_url), status=404)
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "referrer-policy": "origin"}
    return PageResponse(body=looks.leaving(request.locale, escape(url)).encode(), headers=headers)


async def script(_ctx: Context, _request: PageRequest) -> PageResponse:
    """The script of both pages: a file, so that the strictest content security policy lets it in."""
    return _asset(looks.SCRIPT, "text/javascript")


async def style(_ctx: Context, _request: PageRequest) -> PageResponse:
    """The style sheet of both pages."""
    return _asset(looks.CSS, "text/css")


def _asset(text: str, kind: str) -> PageResponse:
    headers = {"content-type": f"{kind}; charset=utf-8", "cache-control": "public, max-age=3600"}
    return PageResponse(body=text.encode(), headers=headers)


PAGES = [
    Page(path="pay", answer=pay),
    Page(path="leave", answer=leave),
    Page(path="wechat.js", answer=script),
    Page(path="wechat.css", answer=style),
]
