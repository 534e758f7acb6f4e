"""Step 3 of an import: the first rows masked, and what would become of all of them. Nothing is stored yet."""

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.db import Reader
from kashop.flows import restock
from kashop.flows.restock import Lot, Progress, Source, StockFile
from kashop.inventory import reads as inventory
from kashop.inventory.types import Batch
from kashop.lib.errors import Invalid
from kashop.web.admin.import_source import wizard_of
from kashop.web.admin.pace import Pace
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.admin.wizards import Wizard, Work
from kashop.web.forms import Form
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, actor_of, shop_of

MOST_SHOWN = 100
_MOMENT = 1.2
"""Seconds that a page may wait for work which is mostly done by then."""


@get("/admin/codes/import/{token:str}/preview", guards=[Needs("codes.import")])
async def preview(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """Look at every row; the page comes back by itself while that takes."""
    wizard = wizard_of(request, token)
    if not wizard.files or not all(kept.is_read for kept in wizard.files):
        return see(f"/admin/codes/import/{token}/rules")
    look = _look(request, wizard)
    await look.wait(_MOMENT)
    shown = Shown()
    if look.refusal is not None:
        refused = look.refusal
        shown = again(request, Form(()), refused) if isinstance(refused, Invalid) else refused_as(request, Form(()), refused)
        shown = Shown(None, {}, tuple(shown.errors.values()) or shown.others)
        wizard.looked_at = None  # the next visit looks again
    report = look.report
    digest = await _same(request, wizard) if report is not None else []
    return answer(
        request,
        "import_preview.html",
        form=shown,
        step="preview",
        wizard=wizard,
        look=look,
        pace=Pace.of(look.progress, shop_of(request).clock.now()),
        report=report,
        same=digest,
        rejects=report.rejects[:MOST_SHOWN] if report else (),
        names=[kept.name for kept in wizard.files],
    )


def _look(request: AnyRequest, wizard: Wizard) -> Work:
    if wizard.look is None or wizard.looked_at != wizard.marks or wizard.look.is_broken:
        if wizard.look is not None:
            wizard.look.let_go()
        progress = Progress(size=wizard.size)
        source = source_of(wizard, lot_of(wizard))
        coming = restock.import_codes(shop_of(request), source, actor_of(request), dry_run=True, progress=progress)
        wizard.look, wizard.looked_at = Work(coming, progress), wizard.marks
    return wizard.look


def lot_of(wizard: Wizard) -> Lot:
    """Where the codes go, with the options that were chosen so far."""
    product, _, sku = wizard.target.partition("/")
    return Lot(product=product, sku=sku, **wizard.options)


def source_of(wizard: Wizard, lot: Lot) -> Source:
    """The files, each with a reader of its own."""
    files = [StockFile(file=kept.spool.open(), name=kept.name, rules=kept.rules) for kept in wizard.files]
    first, *more = files
    values = {name: getattr(lot, name) for name in lot.__struct_fields__}
    return Source(file=first.file, name=first.name, rules=first.rules, more=tuple(more), **values)


async def _same(request: AnyRequest, wizard: Wizard) -> list[Batch]:
    digest = wizard.look.progress.digest if wizard.look is not None else b""
    return await shop_of(request).db.read(_batches, digest)


def _batches(db: Reader, digest: bytes) -> list[Batch]:
    return inventory.batches_of_file(db, digest)


route_handlers = [preview]
