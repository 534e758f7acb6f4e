"""How a notice becomes words: a mail in the shop's language, a webhook's body and signature, a line of the file. Pure.

Always true: facts are text: they stand in no header beyond one clean line and are escaped in HTML.
"""

import hashlib
import hmac
import html
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import msgspec

from kashop.lib.catalogue import Catalogue, translations
from kashop.lib.clock import rfc3339
from kashop.lib.text import is_plain
from kashop.notices.texts import text_of
from kashop.notices.types import Notice, Sender

MOST_SHOWN = 20
"""So many of one kind stand in one mail, the newest; the rest are counted."""

Item = tuple[Notice, Mapping[str, str]]
"""A notice and its opened facts."""


def mail(items: Sequence[Item], sender: Sender, now: int) -> EmailMessage:
    """One mail of one or more notices of one kind to one address, ready to be sent."""
    words = translations(sender.locale)
    first, newest = items[0][0], items[-1]
    about = title(newest[0], sender, words)
    more = f" (×{len(items)})" if len(items) > 1 else ""
    message = EmailMessage(policy=SMTP)
    domain = sender.address.rpartition("@")[2]
    message["From"] = Address(_one_line(sender.name or sender.shop), addr_spec=sender.address)
    message["To"] = Address(addr_spec=first.recipient)
    message["Subject"] = f"[{_one_line(sender.shop)}] {about}{more}"[:200]
    message["Date"] = format_datetime(datetime.fromtimestamp(now / 1000, UTC))
    message["Message-ID"] = f"<{first.number}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_plain(items, sender, words), cte="base64")
    message.add_alternative(_html(items, sender, words), subtype="html", cte="base64")
    return message


def title(notice: Notice, sender: Sender, words: Catalogue) -> str:
    """What a notice is about, in one line; of what is sealed in it, nothing."""
    return _one_line(words.say(text_of(notice.about).title, _facts((notice, {}), sender, words)))


def posted(notice: Notice) -> bytes:
    """A webhook's body and a line of the file: what happened, when, and its references; never what is sealed."""
    told = {
        "type": notice.about,
        "timestamp": rfc3339(notice.created_at),
        "data": msgspec.json.decode(notice.facts),
    }
    return msgspec.json.encode(told)


def lined(notice: Notice) -> bytes:
    """A notice as one line of the notice file."""
    return msgspec.json.encode({"id": notice.number, **msgspec.json.decode(posted(notice))}) + b"\n"


def signed_headers(notice: Notice, key: str, body: bytes, now: int) -> dict[str, str]:
    """The headers of Standard Webhooks: an id that stays at every try, this try's time, HMAC-SHA256 of both and the body."""
    number, seconds = f"msg_{notice.number}", str(now // 1000)
    return {
        "webhook-id": number,
        "webhook-timestamp": seconds,
        "webhook-signature": signature(number, seconds, body, key),
        "content-type": "application/json",
        "user-agent": "kashop",
    }


def signature(number: str, seconds: str, body: bytes, key: str) -> str:
    """`v1,…` over `number.seconds.body` (Standard Webhooks)."""
    signed = f"{number}.{seconds}.".encode() + body
    return "v1," + b64encode(hmac.new(b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()).decode()


def _facts(item: Item, sender: Sender, words: Catalogue) -> dict[str, str]:
    """What fills the places of a text, cleaned; a place without a fact is a dash."""
    notice, secrets = item
    text = text_of(notice.about)
    facts = {name: _clean(str(value)) for name, value in msgspec.json.decode(notice.facts).items()}
    facts = {name: words.say(text.words[v], facts) if v in text.words else v for name, v in facts.items()}
    return _Filled({"about": notice.about, **facts, **secrets, "shop": sender.shop, "url": sender.url})


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "—"


def _plain(items: Sequence[Item], sender: Sender, words: Catalogue) -> str:
    text = text_of(items[0][0].about)
    parts = []
    for item in items[-MOST_SHOWN:]:
        sentence = words.gettext(text.sentence).format_map(_facts(item, sender, words))
        parts += [f"{sentence}\n{_when(item[0].created_at, sender)}"]
    if len(items) > MOST_SHOWN:
        parts.append(words.say("And {n} earlier ones of this kind.", {"n": len(items) - MOST_SHOWN}))
    if text.page:
        parts.append(sender.url + text.page)
    parts.append("-- \n" + words.say("Sent by the shop {shop}, {url}.", {"shop": sender.shop, "url": sender.url}))
    return "\n\n".join(parts) + "\n"


def _html(items: Sequence[Item], sender: Sender, words: Catalogue) -> str:
    text = text_of(items[0][0].about)
    parts = [f'<h1 style="font-size:20px;margin:0 0 16px">{html.escape(title(items[-1][0], sender, words))}</h1>']
    for item in items[-MOST_SHOWN:]:
        facts = _facts(item, sender, words)
        shown = {name: _linked(name, value) for name, value in facts.items()}
        sentence = html.escape(words.gettext(text.sentence)).format_map(_Filled(shown)).replace("\n", "<br>")
        parts.append(f'<p style="margin:0">{sentence}</p>{_quiet(_when(item[0].created_at, sender))}')
    if len(items) > MOST_SHOWN:
        parts.append(f"<p>{html.escape(words.say('And {n} earlier ones of this kind.', {'n': len(items) - MOST_SHOWN}))}</p>")
    if text.page:
        parts.append(f"<p>{_link(sender.url + text.page)}</p>")
    parts.append(_quiet(words.say("Sent by the shop {shop}, {url}.", {"shop": sender.shop, "url": sender.url})))
    language = sender.locale.replace("_", "-")
    style = "font:16px/1.6 sans-serif;max-width:560px;margin:0 auto;padding:16px;overflow-wrap:anywhere"
    body = f'<body style="{style}">{"".join(parts)}</body>'
    return f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"></head>{body}</html>'


def _quiet(text: str) -> str:
    return f'<p style="margin:0 0 16px;font-size:13px;color:#666">{html.escape(text)}</p>'


def _linked(name: str, value: str) -> str:
    return _link(value) if name == "link" and value.startswith(("https://", "http://")) else html.escape(value)


def _link(address: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(address)}</a>'


def _when(ms: int, sender: Sender) -> str:
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(sender.timezone))
    return f"{local:%Y-%m-%d %H:%M} (UTC{local:%z})"


def _clean(text: str) -> str:
    return "".join(c for c in text if is_plain(c))


def _one_line(text: str) -> str:
    return " ".join(_clean(text).split())
