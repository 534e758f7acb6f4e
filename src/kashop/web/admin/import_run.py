"""Step 5 of an import: it runs in the background; any tab of the session may look, leave, come back, and stop it."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import restock
from kashop.lib.errors import Invalid
from kashop.web.admin.import_source import wizard_of
from kashop.web.admin.pace import Pace
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.admin.wizards import Wizard
from kashop.web.forms import Form
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, actor_of, shop_of


@get("/admin/codes/import/{token:str}/run", guards=[Needs("codes.import")])
async def run(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """How far it is; at its end its batch."""
    wizard = wizard_of(request, token)
    if wizard.run is None:
        return see(f"/admin/codes/import/{token}/options")
    work = wizard.run
    batch_id = work.progress.batch_id
    if work.is_over:
        if work.report is not None:
            wizard.empty()
            return see(f"/admin/codes/batches/{batch_id}", "import_stopped" if work.report.is_stopped else "imported")
        if isinstance(work.refusal, restock.Cancelled):
            wizard.run = None
            return see(f"/admin/codes/import/{token}/options", "import_cancelled")
    pace = Pace.of(work.progress, shop_of(request).clock.now())
    return answer(
        request,
        "import_run.html",
        form=_refused(request, wizard),
        step="run",
        wizard=wizard,
        work=work,
        pace=pace,
        batch_id=batch_id,
    )


@post("/admin/codes/import/{token:str}/cancel", guards=[Needs("codes.import")])
async def cancel(request: AnyRequest, token: FromPath[str]) -> Redirect:
    """Stop it behind the chunk at hand."""
    wizard = wizard_of(request, token)
    if wizard.run is not None:
        if wizard.run.progress.batch_id is not None:
            await restock.stop(shop_of(request), wizard.run.progress.batch_id, actor_of(request))
        wizard.run.let_go()
        await wizard.run.wait(1)
    return see(f"/admin/codes/import/{token}/run")


@post("/admin/codes/import/{token:str}/again", guards=[Needs("codes.import")])
async def anew(request: AnyRequest, token: FromPath[str]) -> Redirect:
    """After a refusal: back to the options, with the files still there."""
    wizard = wizard_of(request, token)
    if not wizard.is_running:
        wizard.run = None
    return see(f"/admin/codes/import/{token}/options")


def _refused(request: AnyRequest, wizard: Wizard) -> Shown:
    refused = wizard.run.refusal if wizard.run is not None else None
    if refused is None:
        return Shown()
    shown = again(request, Form(()), refused) if isinstance(refused, Invalid) else refused_as(request, Form(()), refused)
    return Shown(None, {}, tuple(shown.errors.values()) or shown.others)


route_handlers = [run, cancel, anew]
