"""What the doctor looks at where a shop has several servers."""

from collections.abc import AsyncIterator

from kashop.cli.finding import Finding
from kashop.flows import nodes
from kashop.shop import Shop


async def of_nodes(shop: Shop) -> AsyncIterator[Finding]:
    """What servers share."""
    if shop.limits.is_shared:
        await shop.limits.exchange()
        where = "the store that `limits` names" if shop.config.limits else "the database"
        if shop.limits.problem:
            yield Finding("limits", "mend", f"each server counts tries alone: {shop.limits.problem} Start it, or mend `limits`")
        else:
            yield Finding("limits", "ok", f"tries are counted over all servers in {where}")
    for difference in await nodes.differences(shop):
        yield Finding("servers", "mend", difference)
