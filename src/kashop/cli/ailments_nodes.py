"""What the doctor looks at where a shop has several servers."""

from collections.abc import AsyncIterator, Iterator

from kashop.cli.finding import Finding
from kashop.flows import nodes
from kashop.jobs import reads as jobs
from kashop.jobs.presence import GONE
from kashop.jobs.rows import Node
from kashop.shop import Shop


async def of_nodes(shop: Shop) -> AsyncIterator[Finding]:
    """What servers share, and which there are."""
    if shop.db.has_nodes:
        for finding in _living(await shop.db.read(jobs.nodes), shop.clock.now()):
            yield finding
    if shop.limits.is_shared:
        await shop.limits.exchange()
        where = "the store that `limits` names" if shop.config.limits else "the database"
        if shop.limits.problem:
            yield Finding("limits", "mend", f"each server counts tries alone: {shop.limits.problem} Start it, or mend `limits`")
        else:
            yield Finding("limits", "ok", f"tries are counted over all servers in {where}")
    for difference in await nodes.differences(shop):
        yield Finding("servers", "mend", difference)


def _living(found: list[Node], now: int) -> Iterator[Finding]:
    """The servers of one database: who lives, who died, and whether they are of one program."""
    living = [node for node in found if node.seen_at > now - GONE]
    for node in found:
        seen, what = f"last seen {(now - node.seen_at) // 1000} s ago", f"{node.version}, {node.does.replace(' ', ' and ')}"
        if node not in living:
            yield Finding(f"server {node.name}", "note", f"{what}, {seen}: it died, and others took over its jobs")
        else:
            yield Finding(f"server {node.name}", "ok", f"{what}, {seen}" + (", is leaving" if node.is_leaving else ""))
    if len({(node.version, node.newest) for node in living}) > 1:
        yield Finding("servers", "note", "not all run the same program: bring the others up to date too")
    if len({node.name for node in living}) < len(living):
        yield Finding("servers", "note", "two of them have one name: give each its own with --node")
    for what, said in (("jobs", "no unpaid order ends, no gateway is asked"), ("web", "nobody can buy")):
        if living and not any(what in node.does for node in living):
            yield Finding("servers", "mend", f"none of them does {what}: {said}")
