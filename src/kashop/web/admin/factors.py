"""Two-step log-in: enrol an app by its QR code, keep the recovery codes, give both up. What is secret here is shown once."""

import re

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.flows import factors
from kashop.lib.errors import Conflict, Invalid, NotFound, TooMany
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.guards import Needs, form_of
from kashop.web.marks import secret_qr_svg
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

_MOST_SEALED = 400


@get("/admin/account/totp", guards=[Needs("self.edit", step_up=True)])
async def enrol_page(request: AnyRequest) -> Response[bytes]:
    """A fresh seed as QR code and text. Nothing is stored before it is confirmed."""
    return _offer_page(request)


@post("/admin/account/totp", guards=[Needs("self.edit", step_up=True)])
async def enrol(request: AnyRequest) -> Response[bytes]:
    """Confirm the seed by a code of it; the recovery codes follow."""
    form, shop, me = form_of(request), shop_of(request), signed_in(request)
    sealed = form.secret("sealed", most=_MOST_SEALED)
    try:
        form.done()
        codes = await factors.enrol(shop, me, sealed, form.raw("code"), actor_of(request))
    except Invalid as refused:
        return _offer_page(request, again(request, form, refused), 422, sealed=sealed)
    except TooMany as refused:
        return _offer_page(request, refused_as(request, form, refused), refused.status, sealed=sealed)
    except Conflict as refused:
        return _offer_page(request, refused_as(request, form, refused), refused.status)
    return _codes_page(request, codes, is_new=True)


@post("/admin/account/recovery-codes", guards=[Needs("self.edit", step_up=True)])
async def renew_codes(request: AnyRequest) -> Response[bytes]:
    """Ten fresh recovery codes; the old ones work no more."""
    codes = await factors.renew_recovery_codes(shop_of(request), signed_in(request), actor_of(request))
    return _codes_page(request, codes)


@post("/admin/account/recovery-codes/file", guards=[Needs("self.edit")])
async def codes_file(request: AnyRequest) -> Response[bytes]:
    """The codes that the page just showed, as a file: they come with the form, since the shop knows their hashes only."""
    shop, me = shop_of(request), signed_in(request)
    codes = [c for c in form_of(request).raw("codes").split() if re.fullmatch(r"[a-z0-9]{5}-[a-z0-9]{5}", c)][:20]
    if not await factors.are_own_codes(shop, me, codes):
        raise NotFound("These are no recovery codes of yours. Make new ones.")
    name = shop.settings.text("shop.name")
    text = "\r\n".join((f"{name} · {shop.base_url}/admin", me.email, "", *codes, ""))
    disposition = 'attachment; filename="recovery-codes.txt"'
    return Response(
        text.encode("utf-8-sig"), media_type="text/plain; charset=utf-8", headers={"content-disposition": disposition}
    )


@post("/admin/account/totp/off", guards=[Needs("self.edit", step_up=True)])
async def turn_off(request: AnyRequest) -> Redirect:
    """Log in by password alone again."""
    await factors.turn_off(shop_of(request), signed_in(request), actor_of(request))
    return see("/admin/account", "totp_off")


def _offer_page(request: AnyRequest, form: Shown | None = None, status: int = 200, *, sealed: str = "") -> Response[bytes]:
    shop, me = shop_of(request), signed_in(request)
    offer = factors.offer(shop, me, sealed=sealed)
    return answer(
        request,
        "totp.html",
        status=status,
        form=form or Shown(),
        offer=offer,
        qr=secret_qr_svg(offer.uri),
        seed=" ".join(re.findall("....", offer.seed)),
        is_demanded=factors.is_demanded(shop, me),
    )


def _codes_page(request: AnyRequest, codes: list[str], *, is_new: bool = False) -> Response[bytes]:
    return answer(request, "recovery_codes.html", codes=codes, is_new=is_new)


route_handlers = [enrol_page, enrol, renew_codes, codes_file, turn_off]
