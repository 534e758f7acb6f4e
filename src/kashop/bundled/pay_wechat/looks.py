"""How the plugin's pages look: two languages, one column, light and dark."""

from collections.abc import Mapping
from html import escape

_CHINESE = {
    "Pay by WeChat": "微信支付",
    "Amount": "金额",
    "Pay": "立即支付",
    "Back to the order": "返回订单",
    "Try again": "重试",
    "Not paid yet. Press the button to pay.": "尚未支付，点击按钮继续支付。",
    "Open this page inside WeChat to pay.": "请在微信中打开本页支付。",
    "WeChat could not begin the payment.": "微信没有受理这次支付。",
    "This payment page is no longer good": "支付页面已失效",
    "Go back to the shop, open your order and choose WeChat again.": "请回到商店，打开订单重新选择微信支付。",
    "To the shop": "返回商店",
    "Going to WeChat": "正在前往微信",
    "Go on to WeChat": "前往微信支付",
}

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ground: #f3f4f6; --ink: #1b2430; --soft: #5b6673; --line: #d5dae1;
  --main: #067a3b; --main-ink: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1b2027; --ground: #12151a; --ink: #e8ebef; --soft: #a7b0bb; --line: #39414c; --main: #4ade80;
    --main-ink: #06260f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 30rem; margin: 0 auto; padding: 1rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; text-align: center; }
h1 { font-size: 1.125rem; margin: .5rem 0 1rem; }
.sum { font-size: 2.25rem; font-weight: 650; margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
[hidden] { display: none; }
a, button { display: block; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; margin: .75rem 0 0; border-radius: .5rem;
  border: 1px solid var(--line); background: transparent; color: inherit; font: inherit; text-decoration: none; cursor: pointer; }
.main { background: var(--main); border-color: var(--main); color: var(--main-ink); font-weight: 650; }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
"""

SCRIPT = """
(function () {
  "use strict";
  var away = document.getElementById("away");
  if (away) { location.replace(away.href); return; }
  var box = document.getElementById("bridge");
  if (!box) { return; }
  var waits = document.getElementById("waits"), outside = document.getElementById("outside"), isAsked = false;
  function ended(reply) {
    isAsked = false;
    if (reply.err_msg === "get_brand_wcpay_request:ok") { location.replace(box.dataset.back); return; }
    waits.hidden = false;
  }
  function ask() {
    if (isAsked || typeof WeixinJSBridge === "undefined") { return; }
    isAsked = true;
    outside.hidden = true;
    WeixinJSBridge.invoke("getBrandWCPayRequest", {
      appId: box.dataset.appid, timeStamp: box.dataset.timestamp, nonceStr: box.dataset.nonce,
      "package": box.dataset.package, signType: "RSA", paySign: box.dataset.sign
    }, ended);
  }
  document.getElementById("pay").addEventListener("click", ask);
  document.addEventListener("WeixinJSBridgeReady", ask, false);
  ask();
  setTimeout(function () { outside.hidden = typeof WeixinJSBridge !== "undefined"; }, 3000);
}());
"""


def bridge(locale: str, sum_text: str, title: str, asked: Mapping[str, str], back: str) -> str:
    """The page from which WeChat's bridge asks for the money."""
    data = {
        "appid": asked["appId"],
        "timestamp": asked["timeStamp"],
        "nonce": asked["nonceStr"],
        "package": asked["package"],
        "sign": asked["paySign"],
        "back": back,
    }
    told = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    body = f"""<section id="bridge" {told}>
<p class="soft">{_say(locale, "Amount")}</p><p class="sum">{escape(sum_text)}</p><p class="soft">{escape(title)}</p>
<p id="waits" role="status" hidden>{_say(locale, "Not paid yet. Press the button to pay.")}</p>
<p id="outside" role="status" hidden>{_say(locale, "Open this page inside WeChat to pay.")}</p>
<button id="pay" class="main" type="button">{_say(locale, "Pay")}</button>
<a href="{escape(back)}">{_say(locale, "Back to the order")}</a></section>"""
    return _page(locale, "Pay by WeChat", body)


def failed(locale: str, again: str, back: str) -> str:
    """The page for a payment that WeChat did not take."""
    body = f"""<section><p>{_say(locale, "WeChat could not begin the payment.")}</p>
<a class="main" href="{escape(again)}">{_say(locale, "Try again")}</a>
<a href="{escape(back)}">{_say(locale, "Back to the order")}</a></section>"""
    return _page(locale, "Pay by WeChat", body)


def stranger(locale: str, shop: str) -> str:
    """The page for an address that no account of this shop made."""
    body = f"""<section><p>{_say(locale, "Go back to the shop, open your order and choose WeChat again.")}</p>
<a class="main" href="{escape(shop)}/">{_say(locale, "To the shop")}</a></section>"""
    return _page(locale, "This payment page is no longer good", body)


def leaving(locale: str, url: str) -> str:
    """The page that goes on by itself, or by a link without JavaScript."""
    body = f'<section><a id="away" class="main" href="{url}" rel="noopener">{_say(locale, "Go on to WeChat")}</a></section>'
    return _page(locale, "Going to WeChat", body)


def _say(locale: str, text: str) -> str:
    return _CHINESE.get(text, text) if locale.lower().startswith("zh") else text


def _page(locale: str, title: str, body: str) -> str:
    language = "zh-Hans" if locale.lower().startswith("zh") else "en"
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{_say(locale, title)}</title>
<link rel="stylesheet" href="/x/pay_wechat/wechat.css">
<script src="/x/pay_wechat/wechat.js" defer></script>
</head>
<body><main>
<h1>{_say(locale, title)}</h1>{body}
</main></body>
</html>
"""
