"""Categories: two levels of shelves, all on one page."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads, writes
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of


@get("/admin/categories", guards=[Needs("products.edit")])
async def category_list(request: AnyRequest) -> Response[bytes]:
    """Every category and an empty form."""
    return await _page(request)


@post("/admin/categories", guards=[Needs("products.edit")])
async def add_category(request: AnyRequest) -> Response[bytes] | Redirect:
    """Put up a shelf."""
    form = form_of(request)
    try:
        values = {"slug": form.text("slug", most=64, least=1), "name": form.text("name", most=60, least=1)}
        position = form.integer("position", least=-1_000_000, most=1_000_000, default=0)
        form.done()
        await shop_of(request).db.write(
            writes.add_category, **values, parent_id=_parent(form), actor=actor_of(request), position=position
        )
    except Invalid as refused:
        return await _page(request, form=again(request, form, refused), status=422)
    return see("/admin/categories", "added")


@get("/admin/categories/{category:str}", guards=[Needs("products.edit")])
async def category_page(request: AnyRequest, category: FromPath[str]) -> Response[bytes]:
    """One category in the form."""
    return await _page(request, row_id(category))


@post("/admin/categories/{category:str}", guards=[Needs("products.edit")])
async def edit_category(request: AnyRequest, category: FromPath[str]) -> Response[bytes] | Redirect:
    """Rename, move or hide one."""
    form, category_id = form_of(request), row_id(category)
    try:
        name = form.text("name", most=60, least=1)
        position = form.integer("position", least=-1_000_000, most=1_000_000, default=0)
        form.done()
        await shop_of(request).db.write(
            writes.edit_category,
            category_id,
            name=name,
            parent_id=_parent(form),
            position=position,
            is_hidden=form.flag("is_hidden"),
            actor=actor_of(request),
        )
    except Invalid as refused:
        return await _page(request, category_id, form=again(request, form, refused), status=422)
    return see("/admin/categories", "saved")


@post("/admin/categories/{category:str}/delete", guards=[Needs("products.edit")])
async def delete_category(request: AnyRequest, category: FromPath[str]) -> Response[bytes] | Redirect:
    """Take an empty shelf down."""
    category_id = row_id(category)
    try:
        await shop_of(request).db.write(writes.remove_category, category_id, actor_of(request))
    except Conflict as refused:
        others = refused_as(request, form_of(request), refused).others
        return await _page(request, category_id, form=Shown(others=others), status=refused.status)
    return see("/admin/categories", "deleted")


def _parent(form: Form) -> int | None:
    parent = form.raw("parent")
    return row_id(parent) if parent else None


async def _page(
    request: AnyRequest, category_id: int | None = None, *, form: Shown | None = None, status: int = 200
) -> Response[bytes]:
    categories = await shop_of(request).db.read(reads.categories)
    now = next((c for c in categories if c.category_id == category_id), None)
    if category_id is not None and now is None:
        raise NotFound("There is no such category.")
    roots = [c for c in categories if c.parent_id is None]
    tree = [(root, [c for c in categories if c.parent_id == root.category_id]) for root in roots]
    return answer(request, "categories.html", status=status, form=form or Shown(), tree=tree, roots=roots, now=now)


route_handlers = [category_list, add_category, category_page, edit_category, delete_category]
