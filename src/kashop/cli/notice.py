"""`kashop notice`: what the shop tells people."""

from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.flows import notices
from kashop.flows.notices import Tried
from kashop.lib.errors import Unavailable
from kashop.notices import reads, rules
from kashop.notices.texts import told_problem
from kashop.notices.types import CHANNELS, Notice
from kashop.shop import Shop


@click.group()
def notice() -> None:
    """What the shop tells people by mail, webhook and file: list, retry, test."""


@notice.command("list")
@frame.shop_options
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, the newest first.")
def list_(*, data: Path, is_json: bool, limit: int) -> None:
    """The last notices: sent, waiting, failing or given up, and why."""

    async def work(shop: Shop) -> tuple[list[Notice], str, list[str]]:
        ready = sorted(rules.channels(shop.settings))
        return await shop.db.read(reads.page, 2**62, limit=limit), shop.settings.text("shop.timezone"), ready

    found, timezone, ready = frame.run(data, work)
    if is_json:
        show.as_json({"channels": ready, "notices": [_plain(n) for n in found]})
        return
    rows = [
        (n.notice_id, show.when(n.sent_at or n.created_at, timezone), n.about, n.recipient or n.channel, n.state, _why(n.problem))
        for n in found
    ]
    show.table((">ID", "WHEN", "ABOUT", "TO", "STATE", "WHY"), rows, empty="Nothing was told yet.")
    if missing := [c for c in CHANNELS if c not in ready]:
        show.aside(f"Not set up: {', '.join(missing)}. `kashop setting list` shows mail.* and notices.*")


@notice.command("retry")
@click.argument("notice_id", type=int)
@frame.shop_options
def retry(*, notice_id: int, data: Path, is_json: bool) -> None:
    """Send one that failed or was given up again; a running server does so within seconds."""
    frame.run(data, lambda shop: notices.retry(shop, notice_id, frame.actor()))
    show.as_json({"notice_id": notice_id, "state": "waiting"}) if is_json else show.line(
        f"Notice {notice_id} will be sent again."
    )


@notice.command("test")
@click.argument("channel", type=click.Choice(CHANNELS))
@frame.shop_options
@click.option("--to", default="", metavar="ADDRESS", help="Where the test mail goes.")
def test(*, channel: str, data: Path, is_json: bool, to: str) -> None:
    """Send a test over a channel now; exit 1 and what to mend when it does not leave.

    Example: kashop notice test mail --to me@example.com
    """

    async def work(shop: Shop) -> Tried:
        return await notices.test(shop, channel, frame.actor(), to=to)

    tried = frame.run(data, work)
    if tried.problem:
        raise Unavailable("{problem}", code="not_sent", problem=_why(tried.problem))
    show.as_json({"channel": channel, "sent": True}) if is_json else show.line(f"The test left well over {channel}.")


@notice.command("key")
@frame.shop_options
def key(*, data: Path, is_json: bool) -> None:
    """Make a new key for the webhook and print it, this once; the old one signs no more."""
    made = frame.run(data, lambda shop: notices.new_webhook_key(shop, frame.actor()))
    show.as_json({"webhook_key": made}) if is_json else show.line(made)


def _why(problem: str) -> str:
    message, detail = told_problem(problem)
    return message.replace("{detail}", detail)


def _plain(n: Notice) -> dict[str, Any]:
    return {
        "notice_id": n.notice_id,
        "about": n.about,
        "channel": n.channel,
        "recipient": n.recipient,
        "state": n.state,
        "tries": n.tries,
        "created_at": n.created_at,
        "sent_at": n.sent_at,
        "next_try_at": n.next_try_at,
        "problem": n.problem,
    }
