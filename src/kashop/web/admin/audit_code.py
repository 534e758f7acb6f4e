"""Who saw this code: from the text of a code to all that was ever done with it.

Always true: the pasted text stands in no address, no log and no event, and the search itself is an event; no seal is opened.
"""

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.analytics.river import reads as river
from kashop.analytics.types import CodePlace
from kashop.audit.search import reads as search
from kashop.audit.search.types import Found, Wish
from kashop.db import Reader
from kashop.flows import codes
from kashop.lib.errors import Invalid, NotFound, Refusal, Unavailable
from kashop.web.admin import event_words, told
from kashop.web.admin.page import Shown, answer, panel_of, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of
from kashop.web.text import translations

MOST = 300


@get("/admin/audit/code", guards=[Needs("audit.view")])
async def code_form(request: AnyRequest) -> Response[bytes]:
    """Where a code is pasted."""
    return _form(request)


@post("/admin/audit/code", guards=[Needs("audit.view")])
async def find_code(request: AnyRequest) -> Response[bytes] | Redirect:
    """Find a code by its text. What was pasted is not shown again."""
    form, shop = form_of(request), shop_of(request)
    try:
        text = form.raw("code")
        code_id = await codes.find_pasted(shop, text, actor_of(request))
    except Invalid as refused:
        words = translations(panel_of(request).locale(request.scope))
        return _form(request, Shown(None, {"code": words.field_error(refused.fields[0])}), 422)
    except Unavailable as refused:
        return _refused(request, refused)
    if code_id is None:
        return _refused(request, NotFound("The shop never had this code."))
    return see(f"/admin/audit/codes/{code_id}")


@get("/admin/audit/codes/{code:str}", guards=[Needs("audit.view")])
async def code_history(request: AnyRequest, code: FromPath[str]) -> Response[bytes]:
    """All that was ever done with a code, the newest first."""
    about = await shop_of(request).db.read(_history, row_id(code))
    if about is None:
        raise NotFound("There is no such code.")
    return answer(request, "audit_code_history.html", about=about, amounts=event_words.AMOUNTS)


class History(msgspec.Struct, frozen=True):
    """A code's way, and every event on it."""

    place: CodePlace
    rows: list[told.Row]
    seen: int
    """How often it was shown, copied or exported."""


_SEEN = ("code.viewed", "code.copied", "code.exported", "code.revealed")


def _history(db: Reader, code_id: int) -> History | None:
    place = river.code_place(db, code_id)
    if place is None:
        return None
    own = search.find(db, Wish(object_kind="code", object_id=code_id), limit=MOST)
    batch = search.find(db, Wish(object_kind="batch", object_id=place.batch_id), limit=MOST)
    delivered = _deliveries(db, place, code_id) if place.order_id is not None else []
    found = sorted([*own, *batch, *delivered], key=lambda event: -event.seq)
    return History(place, told.rows(db, found), sum(event.name in _SEEN for event in own))


def _deliveries(db: Reader, place: CodePlace, code_id: int) -> list[Found]:
    wish = Wish(object_kind="order", object_id=place.order_id or 0, names=("line.delivered",))
    return [e for e in search.find(db, wish, limit=MOST) if code_id in msgspec.json.decode(e.payload).get("codes", ())]


def _form(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    return answer(request, "audit_code.html", status=status, form=form or Shown(), is_sealed=shop_of(request).keyring.is_sealed)


def _refused(request: AnyRequest, refused: Refusal) -> Response[bytes]:
    told_of = refused_as(request, form_of(request), refused)
    return _form(request, Shown(None, {}, told_of.others), refused.status)


route_handlers = [code_form, find_code, code_history]
