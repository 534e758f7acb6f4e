"""The practice gateway: a cashier of our own that takes no money and can do everything that goes wrong with
real ones.

Always true: it lives behind the same hooks as any gateway, and its callbacks go over real HTTP to the
shop's own door.
"""

from kashop.bundled.practice import sender
from kashop.bundled.practice.gateway import PRACTICE
from kashop.bundled.practice.pages import PAGES
from kashop.plugins.api import Context, GatewayType, Page, hookimpl

KASHOP_PLUGIN = {"id": "practice", "name": "Practice cashier", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `practice`."""
    return [PRACTICE]


@hookimpl
def register_pages() -> list[Page]:
    """The cashier."""
    return PAGES


@hookimpl
async def startup(ctx: Context) -> None:
    """Send the delayed callbacks that the last run still owed."""
    await sender.resume(ctx)


@hookimpl
async def shutdown(ctx: Context) -> None:
    """Say how many delayed callbacks the next run must send."""
    if owed := await sender.owed(ctx):
        ctx.log.info("delayed practice callbacks wait for the next start", count=len(owed))
