"""Step 4 of an import: what is noted of the batch, and what becomes of repeated and bad rows. The last look before it starts."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import restock
from kashop.flows.restock import Progress
from kashop.inventory import reads as inventory
from kashop.lib.errors import Invalid
from kashop.web.admin.import_preview import lot_of, source_of
from kashop.web.admin.import_source import wizard_of
from kashop.web.admin.page import Shown, again, answer, see
from kashop.web.admin.wizards import Wizard, Work
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

_MOMENT = 1.2


@get("/admin/codes/import/{token:str}/options", guards=[Needs("codes.import")])
async def options(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """What may be chosen."""
    wizard = wizard_of(request, token)
    if wizard.look is None or wizard.look.report is None or wizard.looked_at != wizard.marks:
        return see(f"/admin/codes/import/{token}/preview")
    return await _page(request, wizard, Shown())


@post("/admin/codes/import/{token:str}/options", guards=[Needs("codes.import")])
async def start(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """Start the import, once."""
    form, wizard = form_of(request), wizard_of(request, token)
    if wizard.run is None:
        if not wizard.files:
            return see(f"/admin/codes/import/{token}")
        try:
            wizard.options = _chosen(form)
            restock.checked(lot_of(wizard))
        except Invalid as refused:
            return await _page(request, wizard, again(request, form, refused), refused.status)
        progress = Progress(size=wizard.size)
        source = source_of(wizard, lot_of(wizard))
        wizard.run = Work(restock.import_codes(shop_of(request), source, actor_of(request), progress=progress), progress)
    await wizard.run.wait(_MOMENT)
    no = wizard.run.refusal
    if isinstance(no, Invalid):
        wizard.run = None
        return await _page(request, wizard, again(request, form, no), no.status)
    return see(f"/admin/codes/import/{token}/run")


def _chosen(form: Form) -> dict[str, str]:
    chosen = {
        "batch": form.text("batch", most=80),
        "supplier": form.text("supplier", most=80),
        "cost": form.text("cost", most=20),
        "expires": form.text("expires", most=10),
        "note": form.text("note", most=300),
        "pool": form.text("pool", most=40) or "default",
        "duplicates": form.choice("duplicates", restock.POLICIES, default=restock.SKIP),
        "bad_rows": form.choice("bad_rows", restock.POLICIES, default=restock.SKIP),
    }
    form.done()
    return chosen


async def _page(request: AnyRequest, wizard: Wizard, form: Shown, status: int = 200) -> Response[bytes]:
    return answer(
        request,
        "import_options.html",
        status=status,
        form=form,
        step="options",
        wizard=wizard,
        report=wizard.look.report if wizard.look is not None else None,
        pools=[(pool.slug, pool.name) for pool in await shop_of(request).db.read(inventory.pools)],
        named=" + ".join(kept.name for kept in wizard.files)[:80],
    )


route_handlers = [options, start]
