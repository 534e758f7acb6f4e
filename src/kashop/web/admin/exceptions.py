"""The exceptions desk: what a person has to settle, oldest first."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads, writes
from kashop.web.admin.orders import facts
from kashop.web.admin.page import Shown, again, answer, cursor, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAGE = 50


@get("/admin/exceptions", guards=[Needs("exceptions.view")])
async def desk(request: AnyRequest) -> Response[bytes]:
    """What is open."""
    return await _page(request)


@post("/admin/exceptions/{exception:str}/close", guards=[Needs("exceptions.close")])
async def close(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Take one off the desk, saying why."""
    form = form_of(request)
    try:
        reason = form.text(f"reason-{row_id(exception)}", most=300, least=1)
        form.done()
    except Invalid as refused:
        return await _page(request, again(request, form, refused), 422)
    closed = await shop_of(request).db.write(writes.close_by_hand, row_id(exception), actor_of(request), reason=reason)
    if not closed:
        raise Conflict("Somebody else has closed this exception already.")
    return see("/admin/exceptions", "closed")


async def _page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    rows = await shop_of(request).db.read(reads.desk, cursor(request, "after", default=0), limit=PAGE + 1)
    return answer(
        request,
        "exceptions.html",
        status=status,
        form=form or Shown(),
        rows=[(row, facts(row.detail)) for row in rows[:PAGE]],
        newer=rows[PAGE - 1].exception_id if len(rows) > PAGE else 0,
    )


route_handlers = [desk, close]
