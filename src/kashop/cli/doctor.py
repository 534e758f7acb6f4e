"""`kashop doctor`: look for anything about an installation that should be mended.

Always true: without --fix it changes nothing, and it still answers when the shop cannot be opened.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import rich_click as click

from kashop.cli import ailments, frame, show
from kashop.cli.finding import Finding
from kashop.lib import logs
from kashop.lib.errors import Refusal
from kashop.settings.config import Config
from kashop.shop import require

LEVELS = {"ok": "ok  ", "note": "note", "mend": "MEND"}


@click.command()
@frame.shop_options
@click.option("--fix", is_flag=True, help="First mend what is safe to mend: permissions, and the schema while no server runs.")
@click.option("--online", is_flag=True, help="Also try every enabled gateway over the network.")
@click.pass_context
def doctor(ctx: click.Context, *, data: Path, is_json: bool, fix: bool, online: bool) -> None:
    """Look for anything about this installation that should be mended; exit 1 when something must be.

    Versions, files, permissions, disk, addresses, migrations, jobs, gateways, plugins. `kashop check` looks at the shop itself.
    """
    config = frame.configured(data)
    if not config.database:
        require(config)
    logs.configure(config.log_format, "error")
    if fix:
        ailments.mend(config)
    findings = [f for look in ailments.without_shop(config) for f in _careful(look, config)]
    try:
        findings += frame.run(data, lambda shop: ailments.of_shop(shop, online=online))
    except Refusal as refusal:
        findings.append(Finding("shop", "mend", refusal.text()))
    is_well = all(f.level != "mend" for f in findings)
    if is_json:
        show.as_json({"ok": is_well, "findings": [msgspec.structs.asdict(f) for f in findings]})
    else:
        for f in findings:
            show.line(f"{LEVELS[f.level]}  {f.subject}: {f.said}")
        show.line()
        show.line("Nothing must be mended." if is_well else "Something must be mended.")
    if not is_well:
        ctx.exit(1)


def _careful(look: Callable[[Config], Iterator[Finding]], config: Config) -> list[Finding]:
    try:
        return list(look(config))
    except (OSError, Refusal) as error:
        return [Finding(look.__name__.replace("_", " "), "mend", str(error))]
