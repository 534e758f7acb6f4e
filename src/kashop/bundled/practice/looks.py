"""How the cashier looks: two languages, one column that fits a phone, light and dark."""

from html import escape
from typing import Any

from kashop.plugins.api import PageRequest, amount_text

amount = amount_text

_CHINESE = {
    "Practice cashier": "练习收银台",
    "No money moves here. Choose what the gateway should do.": "这里不会动用真实资金。请选择让支付通道怎么做。",
    "Amount": "金额",
    "Order": "订单",
    "Payment no.": "支付单号",
    "Pay": "支付成功",
    "Pay another amount": "按其他金额支付",
    "Pay this amount": "支付此金额",
    "Less leaves the order partly paid, more is recorded as overpaid.": "少付：订单为部分支付；多付：记录为多付。",
    "What goes wrong in real life": "现实中会出的差错",
    "Pay, callback after": "支付成功，回调延迟",
    "seconds": "秒",
    "Delay": "延迟回调",
    "Pay, callback ten times": "支付成功，回调重复十次",
    "Pay, callback is lost": "支付成功，回调丢失（只能查询得知）",
    "The payment fails": "支付失败",
    "Forged callback: not paid, wrong signature": "伪造回调（未支付，签名错误）",
    "Back to the shop without paying": "不支付，返回商店",
    "Already paid": "已支付",
    "another payment is a double payment": "再次支付即为重复支付",
    "Write an amount such as {example}.": "请填写金额，例如 {example}。",
    "Write 1 to 3600 seconds.": "请填写 1 到 3600 秒。",
    "Press one of the buttons.": "请点击其中一个按钮。",
    "This cashier does not exist": "没有这个收银台",
    "Go back to the shop and open the payment page again.": "请返回商店，重新打开支付页面。",
}

_PROBLEMS = {
    "amount": "Write an amount such as {example}.",
    "seconds": "Write 1 to 3600 seconds.",
    "act": "Press one of the buttons.",
}

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ground: #f3f4f6; --ink: #1b2430; --soft: #5b6673; --line: #d5dae1;
  --main: #1558d6; --main-ink: #fff; --warn: #b3261e; --note: #fff4d6; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1b2027; --ground: #12151a; --ink: #e8ebef; --soft: #a7b0bb; --line: #39414c;
    --main: #8ab4f8; --main-ink: #10213d; --warn: #ffb4ab; --note: #3a3117; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font: 1rem/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 30rem; margin: 0 auto; padding: 1rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; margin: 0 0 1rem; }
h1 { font-size: 1.125rem; margin: .5rem 0 1rem; }
h2 { font-size: 1rem; margin: 0 0 .75rem; }
p { margin: 0 0 .75rem; }
.sum { font-size: 2.25rem; font-weight: 650; margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.note { background: var(--note); border-radius: .5rem; padding: .5rem .75rem; }
.problem { color: var(--warn); font-weight: 600; }
form > * + * { margin-top: .5rem; }
.row { display: flex; gap: .5rem; align-items: center; flex-wrap: wrap; }
.row input { flex: 1 1 6rem; min-width: 0; }
button, input, .button { font: inherit; min-height: 2.75rem; border-radius: .5rem; border: 1px solid var(--line);
  background: transparent; color: inherit; padding: .5rem .75rem; }
button { width: 100%; cursor: pointer; text-align: left; }
.row button { width: auto; }
button.main { background: var(--main); border-color: var(--main); color: var(--main-ink); text-align: center; font-weight: 650; }
button:hover, button:focus-visible, input:focus-visible { border-color: var(--main); }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
a { color: var(--main); }
"""


def cashier(request: PageRequest, entry: dict[str, Any], *, key: str, problem: str = "") -> str:
    """The page on which a buyer pays, or does not."""
    locale = request.locale or entry["locale"]
    say = _speaker(locale)
    sum_text = amount_text(entry["amount_minor"], entry["currency"])
    part = amount_text(max(1, entry["amount_minor"] // 2), entry["currency"])
    typed = escape(request.form.get("amount", part))
    complaint = say(_PROBLEMS[problem]).format(example=escape(part)) if problem else ""
    hidden = _hidden(k=key, seen=str(len(entry["payments"])))
    body = f"""
<section>
  <p class="soft">{say("Amount")}</p>
  <p class="sum">{escape(sum_text)} {escape(entry["currency"])}</p>
  <p class="soft">{say("Order")}: {escape(entry["title"])}<br>
  {say("Payment no.")}: {escape(request.params["attempt_no"])}</p>
  {_paid_note(entry, say)}
  {f'<p class="problem" role="alert">{complaint}</p>' if complaint else ""}
  <p class="soft">{say("No money moves here. Choose what the gateway should do.")}</p>
  {_button(hidden, "pay", say("Pay"), is_main=True)}
</section>
<section>
  <h2>{say("Pay another amount")}</h2>
  <p class="soft" id="amount-help">{say("Less leaves the order partly paid, more is recorded as overpaid.")}</p>
  <form method="post">{hidden}<div class="row">
    <input name="amount" inputmode="decimal" autocomplete="off" value="{typed}" aria-label="{say("Amount")}"
      aria-describedby="amount-help">
    <button name="act" value="amount">{say("Pay this amount")}</button></div></form>
</section>
{_mishaps(request, say, hidden)}
<p><a href="{escape(entry["return_url"])}">{say("Back to the shop without paying")}</a></p>"""
    return _page(locale, say("Practice cashier"), body)


def missing(locale: str) -> str:
    """The page for an attempt that is not known, or a wrong key: the two are not told apart."""
    say = _speaker(locale)
    body = f"<section><p>{say('Go back to the shop and open the payment page again.')}</p></section>"
    return _page(locale, say("This cashier does not exist"), body)


def _mishaps(request: PageRequest, say: Any, hidden: str) -> str:
    seconds = escape(request.form.get("seconds", "10"))
    return f"""<section>
  <h2>{say("What goes wrong in real life")}</h2>
  <form method="post">{hidden}<label for="seconds">{say("Pay, callback after")}</label><div class="row">
    <input id="seconds" name="seconds" inputmode="numeric" autocomplete="off" value="{seconds}">
    <span>{say("seconds")}</span>
    <button name="act" value="delay">{say("Delay")}</button></div></form>
  <br>
  {_button(hidden, "repeat", say("Pay, callback ten times"))}
  {_button(hidden, "lose", say("Pay, callback is lost"))}
  {_button(hidden, "fail", say("The payment fails"))}
  {_button(hidden, "forge", say("Forged callback: not paid, wrong signature"))}
</section>"""


def _paid_note(entry: dict[str, Any], say: Any) -> str:
    if not entry["payments"]:
        return ""
    sums = ", ".join(amount_text(p["amount_minor"], entry["currency"]) for p in entry["payments"])
    return f'<p class="note">{say("Already paid")}: {escape(sums)} ({say("another payment is a double payment")})</p>'


def _button(hidden: str, act: str, label: str, *, is_main: bool = False) -> str:
    look = ' class="main"' if is_main else ""
    return f'<form method="post">{hidden}<button name="act" value="{act}"{look}>{label}</button></form>'


def _hidden(**fields: str) -> str:
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _speaker(locale: str) -> Any:
    words = _CHINESE if locale.lower().startswith("zh") else {}
    return lambda text: words.get(text, text)


def _page(locale: str, title: str, body: str) -> str:
    language = "zh-Hans" if locale.lower().startswith("zh") else "en"
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="stylesheet" href="/x/practice/practice.css">
</head>
<body><main>
<h1>{title}</h1>{body}
</main></body>
</html>
"""
