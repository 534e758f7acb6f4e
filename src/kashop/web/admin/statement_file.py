"""A statement file on its way in: chosen, looked at with its columns, then reconciled. Nothing is kept before that."""

import datetime as dt
from typing import cast

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import reconcile
from kashop.inventory.stockfile import ENCODINGS
from kashop.lib.errors import Invalid, NotFound
from kashop.payments.statements import columns
from kashop.web.admin.page import Shown, again, answer, see
from kashop.web.admin.statements import HOME
from kashop.web.admin.uploads import Uploads, uploads_of
from kashop.web.admin.wizards import Wizard, Wizards
from kashop.web.edge import body_limit
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyConnection, AnyRequest, actor_of, shop_of, signed_in

_FILES = HOME + "/files/{gateway:str}"


def statement_uploads(connection: AnyConnection) -> Uploads:
    """Where the files of a request go: not among those of imports, which need another permission."""
    return Uploads(_wizards(connection))


def _wizards(connection: AnyConnection) -> Wizards:
    return cast(Wizards, connection.app.state.statement_files)


@get(HOME + "/upload/{gateway:str}", guards=[Needs("statements.edit")])
async def choose(request: AnyRequest, gateway: FromPath[str]) -> Response[bytes]:
    """Choose a file."""
    return await _choose(request, gateway)


@post(_FILES, guards=[Needs("statements.edit", files=statement_uploads)])
async def take_in(request: AnyRequest, gateway: FromPath[str]) -> Response[bytes] | Redirect:
    """Keep the file for an hour, encrypted, while it is looked at."""
    form, files = form_of(request), uploads_of(request)
    try:
        account, _ = await reconcile.account_of(shop_of(request), gateway)
        given = files.take()
        for extra in given[1:]:
            extra.spool.close()
        if not given:
            raise Invalid.of("file", "Choose a file.")
        wizard = _wizards(request).begin(signed_in(request).session_hash, account.name)
        wizard.files = given[:1]
        with given[0].spool.open() as file:
            await reconcile.look(shop_of(request), account.name, file, given[0].name)
    except Invalid as refused:
        files.drop()
        return await _choose(request, gateway, again(request, form, refused), 422)
    except BaseException:
        files.drop()
        raise
    return see(f"{HOME}/upload/{account.name}/{wizard.token}")


@get(HOME + "/upload/{gateway:str}/{token:str}", guards=[Needs("statements.edit")])
async def look(request: AnyRequest, gateway: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    """What the file is, and what would come of it."""
    return await _look(request, _wizard(request, gateway, token))


@post(HOME + "/upload/{gateway:str}/{token:str}", guards=[Needs("statements.edit")])
async def go_on(request: AnyRequest, gateway: FromPath[str], token: FromPath[str]) -> Response[bytes] | Redirect:
    """Look again by other columns, or reconcile."""
    form, wizard = form_of(request), _wizard(request, gateway, token)
    try:
        wizard.options = _options(form)
        form.done()
        if form.raw("do") != "take":
            return see(f"{HOME}/upload/{gateway}/{token}")
        outcomes = await _take(request, wizard)
    except Invalid as refused:
        return await _look(request, wizard, again(request, form, refused), 422)
    _wizards(request).drop(wizard)
    last = outcomes[-1]
    return see(f"{HOME}/{gateway}/{last.day}", f"statement_{last.state}")


async def _take(request: AnyRequest, wizard: Wizard) -> list[reconcile.Outcome]:
    looked = await _looked(request, wizard)
    day = wizard.options.get("day", "")
    wanted = dt.date.fromisoformat(day) if day else None
    name = wizard.files[0].name
    return await reconcile.take_file(shop_of(request), wizard.target, looked, actor_of(request), file_name=name, day=wanted)


def _options(form: Form) -> dict[str, str]:
    found = {f"column-{field}": str(form.integer(f"column-{field}", least=0, most=256, default=0)) for field in columns.FIELDS}
    if not any(f"column-{field}" in form for field in columns.FIELDS):
        found = {}
    day = form.text("day", most=10)
    try:
        found["day"] = dt.date.fromisoformat(day).isoformat() if day else ""
    except ValueError:
        form.complain("day", "Write the date as 2027-12-31.")
    return {**found, "encoding": form.choice("encoding", ("", *ENCODINGS), default="")}


async def _looked(request: AnyRequest, wizard: Wizard) -> reconcile.Look:
    kept, options = wizard.files[0], wizard.options
    chosen = {field: int(options[name]) for field in columns.FIELDS if (name := f"column-{field}") in options}
    with kept.spool.open() as file:
        return await reconcile.look(
            shop_of(request), wizard.target, file, kept.name, encoding=options.get("encoding") or None, chosen=chosen
        )


def _wizard(request: AnyRequest, gateway: str, token: str) -> Wizard:
    wizard = _wizards(request).find(signed_in(request).session_hash, token)
    if wizard.target != gateway:
        raise NotFound("There is no such page.")
    return wizard


async def _choose(request: AnyRequest, gateway: str, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    account, kind = await reconcile.account_of(shop_of(request), gateway)
    most = body_limit(HOME + "/files/") // 1048576
    return answer(request, "statement_upload.html", status=status, form=form or Shown(), account=account, kind=kind, most=most)


async def _look(request: AnyRequest, wizard: Wizard, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    account, kind = await reconcile.account_of(shop_of(request), wizard.target)
    looked: reconcile.Look | None = None
    try:
        looked = await _looked(request, wizard)
        problem = looked.problem
    except Invalid as refused:
        problem = refused
    shown = form or (again(request, Form(()), problem) if problem is not None else Shown())
    return answer(
        request,
        "statement_file.html",
        status=status,
        form=shown,
        account=account,
        kind=kind,
        looked=looked,
        kept=wizard.files[0],
        wizard=wizard,
        fields=columns.FIELDS,
        encodings=ENCODINGS,
        numbers=range(1, (looked.shape.width if looked is not None and looked.shape is not None else 0) + 1),
    )


route_handlers = [choose, take_in, look, go_on]
