"""Step 1 of an import: what it is for, and its files or pasted lines."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.flows import restock
from kashop.inventory.stockfile import Undecodable
from kashop.lib.errors import FieldError, Invalid
from kashop.vault import Sealed
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.admin.uploads import Uploads, uploads, uploads_of, wizards_of
from kashop.web.admin.wizards import Kept, Wizard
from kashop.web.edge import body_limit
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, shop_of, signed_in

_FILES = "/admin/codes/import/files"


@get("/admin/codes/import", guards=[Needs("codes.import")])
async def begin(request: AnyRequest) -> Response[bytes]:
    """A new import."""
    return await _page(request, None)


@get("/admin/codes/import/{token:str}", guards=[Needs("codes.import")])
async def back(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """Back at the first step of one that was begun: more files may join it."""
    return await _page(request, wizard_of(request, token))


@post(_FILES, guards=[Needs("codes.import", files=uploads)])
async def take(request: AnyRequest) -> Response[bytes] | Redirect:
    """Take the files of a new import."""
    return await _take(request, None)


@post(_FILES + "/{token:str}", guards=[Needs("codes.import", files=uploads)])
async def take_more(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """Take more files into one that was begun."""
    files = uploads_of(request)
    try:
        wizard = wizard_of(request, token)
    except BaseException:
        files.drop()
        raise
    return await _take(request, wizard)


@post("/admin/codes/import/{token:str}/leave", guards=[Needs("codes.import")])
async def leave(request: AnyRequest, token: FromPath[str]) -> Redirect:
    """Let an import go, with its files."""
    wizards_of(request).drop(wizard_of(request, token))
    return see("/admin/codes", "let_go")


async def _take(request: AnyRequest, wizard: Wizard | None) -> Response[bytes] | Redirect:
    form, files = form_of(request), uploads_of(request)
    try:
        restock.refuse_sealed(shop_of(request))
        target = await _target(request, form)
        kept, not_taken = await _looked_into(request, await _given(form, files, wizard))
        if not kept and (wizard is None or not wizard.files or not_taken):
            form.errors += [_named(name, refused) for name, refused in not_taken]
        form.done()
        wizard = wizard or wizards_of(request).begin(signed_in(request).session_hash, target)
        wizard.target = target
        wizard.files += kept
        wizard.not_taken = not_taken
        return see(f"/admin/codes/import/{wizard.token}/rules")
    except Invalid as refused:
        files.drop()
        return await _page(request, wizard, again(request, form, refused), refused.status)
    except Sealed as refused:
        files.drop()
        return await _page(request, wizard, refused_as(request, form, refused), refused.status)
    except BaseException:
        files.drop()
        raise


async def _target(request: AnyRequest, form: Form) -> str:
    return form.choice("sku", [value for value, _ in await shop_of(request).db.read(targets)])


async def _given(form: Form, files: Uploads, wizard: Wizard | None) -> list[Kept]:
    pasted = form.raw("pasted")
    if pasted.strip():
        await files.add("pasted.txt", pasted.encode())
    given = files.take()
    if not given and not (wizard is not None and wizard.files):
        form.complain("files", "Choose a file, or paste lines below.")
    return given


async def _looked_into(request: AnyRequest, files: list[Kept]) -> tuple[list[Kept], list[tuple[str, Invalid]]]:
    """Those that can be stock, and those that cannot with the reason; another encoding may still help some."""
    kept, not_taken = [], []
    for file in files:
        await look_into(request, file)
        if file.refused is None or isinstance(file.refused, Undecodable):
            kept.append(file)
        else:
            file.spool.close()
            not_taken.append((file.name, file.refused))
    return kept, not_taken


async def look_into(request: AnyRequest, kept: Kept) -> None:
    """What a file is by its rules, or why it is refused."""
    kept.shape = kept.refused = None
    try:
        with kept.spool.open() as file:
            found = await restock.inspect(shop_of(request), restock.StockFile(file=file, name=kept.name, rules=kept.rules))
        kept.shape = found
    except Invalid as refused:
        kept.refused = refused


def _named(name: str, refused: Invalid) -> FieldError:
    error = refused.fields[0]
    return FieldError("files", "{file}: {problem}", (("file", name), ("problem", error.text())))


def wizard_of(request: AnyRequest, token: str) -> Wizard:
    """The session's import. Raises NotFound."""
    return wizards_of(request).find(signed_in(request).session_hash, token)


async def _page(request: AnyRequest, wizard: Wizard | None, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop, asked = shop_of(request), request.query_params
    skus = await shop.db.read(targets)
    wanted = [v for v, _ in skus if v.startswith(asked.get("product", "\0") + "/") or v.endswith("/" + asked.get("sku", "\0"))]
    return answer(
        request,
        "import_source.html",
        status=status,
        form=form or Shown(),
        wizard=wizard,
        step="source",
        skus=skus,
        wanted=wizard.target if wizard is not None else wanted[0] if wanted else "",
        most=body_limit(_FILES),
    )


def targets(db: Reader) -> list[tuple[str, str]]:
    """What codes can be imported into: (`product/sku code`, name)."""
    found = []
    for product in catalog.products(db):
        if product.delivery == "auto":
            for sku in catalog.skus(db, product.product_id):
                name = f"{product.name} · {sku.name}" if sku.name else product.name
                found.append((f"{product.slug}/{sku.sku_code}", name))
    return found


route_handlers = [begin, back, take, take_more, leave]
