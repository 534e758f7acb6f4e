"""Confirm that it is you: a code, or where none is enrolled the password, before what deserves it."""

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.flows import step_up
from kashop.flows.factors import WrongCode
from kashop.flows.login import WrongLogin
from kashop.lib.errors import Conflict, Invalid, TooMany
from kashop.web.admin.page import Shown, again, answer, panel_path, refused_as, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, browser_of, shop_of, signed_in

MOST_PROOF = 256


@get("/admin/step-up", guards=[Needs("self.edit")])
async def step_up_page(request: AnyRequest) -> Response[bytes]:
    """The question."""
    return await _page(request, panel_path(request.query_params.get("next", "")))


@post("/admin/step-up", guards=[Needs("self.edit")])
async def confirm(request: AnyRequest) -> Response[bytes] | Redirect:
    """Take the proof, and go on to where it was asked for."""
    form, shop = form_of(request), shop_of(request)
    wanted = panel_path(form.raw("next"))
    try:
        given = form.secret("proof", most=MOST_PROOF)
        if not given:
            form.complain("proof", "Please fill in this field.")
        form.done()
        await step_up.prove(shop, signed_in(request), given, browser_of(request), actor_of(request))
    except Invalid as refused:
        return await _page(request, wanted, again(request, form, refused), 422)
    except (WrongCode, WrongLogin, TooMany, Conflict) as refused:
        return await _page(request, wanted, refused_as(request, form, refused), refused.status)
    return see(wanted)


async def _page(request: AnyRequest, wanted: str, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    return answer(
        request,
        "step_up.html",
        status=status,
        form=form or Shown(),
        next=wanted,
        with_recovery="recovery" in request.query_params,
        has_proof=await step_up.has_proof(shop_of(request), signed_in(request)),
    )


route_handlers = [step_up_page, confirm]
