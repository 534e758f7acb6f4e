"""`kashop init`: make a shop."""

import asyncio
from pathlib import Path

import rich_click as click

from kashop.cli import frame, show
from kashop.flows.found import Charter, Founded, found
from kashop.lib import logs

OWNER = "owner@kashop.local"


@click.command()
@frame.shop_options
@click.option("--owner", default=OWNER, show_default=True, metavar="EMAIL", help="Who logs in to the panel.")
@click.option(
    "--owner-password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="F",
    help="Holds the owner's password on its first line; `-` reads stdin. Without it one is made up and shown once.",
)
@click.option("--currency", default="CNY", show_default=True, help="Fixed once there is a shop.")
@click.option("--timezone", default="Asia/Shanghai", show_default=True)
@click.option("--shop-name", default="kashop", show_default=True, metavar="N")
@click.option("--locale", default="zh_Hans", show_default=True, metavar="zh_Hans|en", help="For visitors who ask for neither.")
@click.option("--practice", is_flag=True, help="A shop to practise with: it may use gateways that take no money.")
def init(
    *,
    data: Path,
    is_json: bool,
    owner: str,
    owner_password_file: Path | None,
    currency: str,
    timezone: str,
    shop_name: str,
    locale: str,
    practice: bool,
) -> None:
    """Make a shop: its directory, database, keys and owner.

    Example: kashop init --data /srv/shop --owner me@example.com --shop-name 我的小店
    """
    config = frame.configured(data)
    logs.configure(config.log_format, "warning")
    charter = Charter(
        owner=owner,
        owner_password=frame.read_secret(owner_password_file, field="owner_password_file"),
        currency=currency.upper(),
        timezone=timezone,
        shop_name=shop_name,
        locale=locale,
        is_practice=practice,
    )
    founded = asyncio.run(found(config, charter))
    if is_json:
        show.as_json({"data": str(config.data), **_told(founded)})
    else:
        _tell(config.data, founded)


def _told(founded: Founded) -> dict[str, object]:
    return {
        "key_file": str(founded.key_file),
        "made_key": founded.made_key,
        "owner": founded.owner,
        "password": founded.password or None,
    }


def _tell(data: Path, founded: Founded) -> None:
    made = "made now" if founded.made_key else "was there already"
    show.line(f"The shop stands in {data}.")
    show.line(f"Its unseal key is {founded.key_file} ({made}).")
    show.line("  It opens the vault. It stands outside the data directory so that a copy of the data alone is worth nothing.")
    show.line("  Keep a copy of it somewhere else: without it no code can ever be read again.")
    show.line(f"Owner: {founded.owner}")
    if founded.password:
        show.line(f"Password, shown this once: {founded.password}")
    show.line()
    show.line("Next:")
    show.line(f"  kashop vault recovery --data {data}      (a code on paper, for the day the key file is lost)")
    show.line(f"  kashop product add --data {data} --slug … --name … --price …")
    show.line(f"  kashop gateway types --data {data}")
    show.line(f"  kashop serve --data {data}")
