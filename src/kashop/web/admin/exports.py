"""Export codes: choose, count, say why, fetch the sealed workbook; or ask a second person first."""

from collections.abc import Mapping
from typing import cast

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import exports
from kashop.flows.codes import Asked
from kashop.flows.exports import MOST_CODES, Made, Wish
from kashop.flows.workbook import LEAST_PASSPHRASE, MOST_PASSPHRASE
from kashop.inventory.codelist.types import STATES
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.web.admin import words
from kashop.web.admin.code_filter import Filter, filter_of, offer
from kashop.web.admin.code_list import said_of
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.admin.ready import Ready, Waiting
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@get("/admin/codes/export", guards=[Needs("codes.export", step_up=True)])
async def export_page(request: AnyRequest) -> Response[bytes]:
    """What would be exported."""
    return await _page(request, request.query_params)


@post("/admin/codes/export", guards=[Needs("codes.export", step_up=True)])
async def export(request: AnyRequest) -> Response[bytes] | Redirect:
    """Make the file, or the request."""
    shop, form = shop_of(request), form_of(request)
    asked = {name: form.raw(name) for name in form.names()}
    try:
        chosen = await _chosen(request, asked)
        expected, passphrase = form.integer("expected", least=1, most=MOST_CODES), passphrase_of(form)
        wish = Wish(
            sought=chosen.sought,
            most=_most(asked),
            take_out=form.flag("take_out") and chosen.sought.status == "free",
            reason=form.text("reason", most=300),
        )
        form.done()
        done = await exports.export(shop, wish, actor_of(request), expected=expected, passphrase=passphrase)
    except Invalid as refused:
        return await _page(request, asked, again(request, form, refused), 403 if _is_why(refused) else 422)
    except Conflict as refused:
        return await _page(request, asked, refused_as(request, form, refused), refused.status)
    if isinstance(done, Asked):
        return see(f"/admin/approvals/{done.approval_id}", "asked_second")
    return keep(request, done)


@get("/admin/codes/export/{token:str}", guards=[Needs("codes.export", step_up=True)])
async def ready_page(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """The file waits; a passphrase that was made for it is told this once."""
    waiting = _waiting(request, token)
    return answer(request, "export_ready.html", made=waiting.made, passphrase=waiting.passphrase(), token=token)


@post("/admin/codes/export/{token:str}", guards=[Needs("codes.export", step_up=True)])
async def fetch(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """The file itself, after that is written down too."""
    made = _waiting(request, token).made
    await exports.note_fetched(shop_of(request), made, actor_of(request))
    headers = {"content-disposition": f'attachment; filename="{made.name}"', "cache-control": "no-store"}
    return Response(made.data, status_code=200, media_type=_WORKBOOK, headers=headers)


def keep(request: AnyRequest, made: Made) -> Redirect:
    """On to the page where a finished export waits."""
    return see(f"/admin/codes/export/{_ready(request).keep(signed_in(request).session_hash, made)}")


def passphrase_of(form: Form) -> str:
    """The passphrase of a form, typed twice alike; '' when one is to be made."""
    first, second = form.secret("passphrase", most=MOST_PASSPHRASE), form.secret("passphrase_again", most=MOST_PASSPHRASE)
    if first != second:
        form.complain("passphrase_again", "The two are not the same.")
    return first


def _ready(request: AnyRequest) -> Ready:
    return cast(Ready, request.app.state.ready)


def _waiting(request: AnyRequest, token: str) -> Waiting:
    waiting = _ready(request).find(signed_in(request).session_hash, token)
    if waiting is None:
        raise NotFound("This export is no longer kept: it waits ten minutes, for the log-in that made it.")
    return waiting


async def _chosen(request: AnyRequest, asked: Mapping[str, str]) -> Filter:
    """The filter of an export: of one state, free unless another is chosen."""
    return await filter_of(shop_of(request), {**{name: asked[name] for name in asked}, "state": asked.get("state") or "free"})


def _most(asked: Mapping[str, str]) -> int:
    text = asked.get("most", "")
    if not text:
        return MOST_CODES
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_CODES):
        raise Invalid.of("most", "A number from {least} to {most}.", least=1, most=MOST_CODES)
    return int(text)


def _is_why(refused: Invalid) -> bool:
    return any(f.field == "reason" for f in refused.fields)


async def _page(request: AnyRequest, asked: Mapping[str, str], form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    chosen, most = await _chosen(request, asked), _most(asked)
    wish = Wish(sought=chosen.sought, most=most)
    return answer(
        request,
        "export.html",
        status=status,
        form=form or Shown(),
        filter=chosen,
        most=most if most < MOST_CODES else "",
        offer=await shop.db.read(offer),
        states=STATES,
        expiries=list(words.EXPIRY),
        said_of=await shop.db.read(said_of, chosen),
        preview=await exports.preview(shop, wish, actor_of(request)),
        bounds={"codes": MOST_CODES, "least": LEAST_PASSPHRASE},
    )


route_handlers = [export_page, export, ready_page, fetch]
