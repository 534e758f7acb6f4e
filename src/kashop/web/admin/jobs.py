"""Jobs: what runs by itself, and how it went last."""

from litestar import Response, get

from kashop.web.admin.page import answer
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, shop_of


@get("/admin/jobs", guards=[Needs("jobs.view")])
async def jobs(request: AnyRequest) -> Response[bytes]:
    """Every job with its last run, and the servers that do them where there are several. The wiring hands over the looks: web and
    jobs do not know each other."""
    state, shop = request.app.state, shop_of(request)
    runs = {run.job: run for run in await shop.db.read(state.job_runs)}
    rows = [(name, every, runs.get(name), (state.job_times or {}).get(name)) for name, every in state.job_names]
    nodes = await shop.db.read(state.nodes) if state.nodes else []
    gone_before = shop.clock.now() - state.node_gone
    living = [node for node in nodes if node.seen_at > gone_before]
    return answer(
        request,
        "jobs.html",
        rows=rows,
        is_running=state.job_times is not None,
        nodes=[(node, node in living) for node in nodes],
        has_several_programs=len({(node.version, node.newest) for node in living}) > 1,
    )


route_handlers = [jobs]
