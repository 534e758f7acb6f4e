"""Step 2 of an import: how each file is read. What was found out stands there and may be changed."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import restock
from kashop.inventory.stockfile import ENCODINGS, FORMATS, Rules
from kashop.lib.errors import Invalid
from kashop.web.admin.import_source import look_into, wizard_of
from kashop.web.admin.page import Shown, again, answer, see
from kashop.web.admin.wizards import Kept, Wizard
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest

SEPARATORS = ("tab", ",", ";", "|", "----", "space")
_WORDS = {"tab": "\t", "space": " "}


class Column(msgspec.Struct, frozen=True):
    """A column as the page offers it: its name in the form, what it is called, whether it is part of the code."""

    name: str
    label: str
    is_on: bool


class FileShown(msgspec.Struct, frozen=True):
    """One file on the page: its fields begin with `f<n>-`."""

    number: int
    kept: Kept
    form: Shown
    problem: str
    columns: list[Column]
    samples: list[list[str]]
    separators: list[str]


@get("/admin/codes/import/{token:str}/rules", guards=[Needs("codes.import")])
async def rules(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """What the files are."""
    wizard = wizard_of(request, token)
    return _page(request, wizard) if wizard.files else see(f"/admin/codes/import/{token}")


@post("/admin/codes/import/{token:str}/rules", guards=[Needs("codes.import")])
async def change(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """Look again by other rules; leave a file out; go on when every file can be read."""
    form, wizard = form_of(request), wizard_of(request, token)
    here = f"/admin/codes/import/{token}"
    do, _, which = form.raw("do").partition("-")
    if do == "remove" and which.isascii() and which.isdigit() and int(which) < len(wizard.files):
        wizard.files.pop(int(which)).spool.close()
        return see(f"{here}/rules")
    for number, kept in enumerate(wizard.files):
        kept.rules = _rules(form, f"f{number}-", kept)
    form.done()
    for kept in wizard.files:
        await look_into(request, kept)
    wizard.not_taken = []
    if do == "next" and wizard.files:
        if all(kept.is_read for kept in wizard.files):
            return see(f"{here}/preview")
        return _page(request, wizard, status=422)
    return see(f"{here}/rules")


def _rules(form: Form, at: str, kept: Kept) -> Rules:
    columns = tuple(_column(c) for c in form.many(at + "columns")[:50])
    separator = form.raw(at + "separator")[:20]
    was = kept.shape
    if was is not None and columns and [str(c).removeprefix("#") for c in columns] == [str(c) for c in was.columns]:
        columns = kept.rules.columns or ()  # as it was found out: a new reading may find it out anew
    return Rules(
        format=form.choice(at + "format", ("", *FORMATS), default="") or None,
        encoding=form.choice(at + "encoding", ("", *ENCODINGS), default="") or None,
        separator=_WORDS.get(separator, separator) or None,
        columns=columns or None,
        joiner=form.raw(at + "joiner")[:20] or "----",
        header={"yes": True, "no": False}.get(form.raw(at + "header")),
        sheet=form.text(at + "sheet", most=80) or None,
        cost_column=_column(form.text(at + "cost_column", most=80)) or None,
        expiry_column=_column(form.text(at + "expiry_column", most=80)) or None,
        is_lenient=form.flag(at + "lenient"),
    )


def _column(text: str) -> str | int:
    """`#3` is the third column; anything else a header's name."""
    digits = text.removeprefix("#")
    is_number = text.startswith("#") and digits.isascii() and digits.isdigit() and len(digits) < 4
    return int(digits) if is_number else text


def _page(request: AnyRequest, wizard: Wizard, status: int = 200) -> Response[bytes]:
    context: dict[str, Any] = {"formats": FORMATS, "encodings": ENCODINGS, "step": "rules", "wizard": wizard}
    context["files"] = [_shown(request, number, kept) for number, kept in enumerate(wizard.files)]
    refused = [(name, _said(request, invalid)) for name, invalid in wizard.not_taken]
    return answer(request, "import_rules.html", status=status, not_taken=refused, **context)


def _said(request: AnyRequest, refused: Invalid) -> str:
    return next(iter(again(request, Form(()), refused).errors.values()), "")


def _shown(request: AnyRequest, number: int, kept: Kept) -> FileShown:
    question = kept.shape.question if kept.shape is not None else None
    form = again(request, Form(()), _invalid(kept)) if kept.refused is not None or question is not None else Shown()
    errors = {f"f{number}-{name}": text for name, text in form.errors.items()}
    rule = kept.rules.separator
    separators = [s for s in SEPARATORS if _WORDS.get(s, s) != rule] + ([rule] if rule else [])
    problem = form.error("file") if kept.refused is not None else ""
    shown = msgspec.structs.replace(form, typed=None, errors=errors, others=())
    return FileShown(number, kept, shown, problem or _rest(form), _columns(kept), _samples(kept), separators)


def _rest(form: Shown) -> str:
    shown = ("columns", "format", "encoding", "sheet", "cost_column", "expiry_column")
    return next((text for name, text in form.errors.items() if name not in shown), "")


def _invalid(kept: Kept) -> Invalid:
    if kept.refused is not None:
        return kept.refused
    assert kept.shape is not None
    assert kept.shape.question is not None
    return Invalid("Please correct the marked fields.", fields=[kept.shape.question])


def _columns(kept: Kept) -> list[Column]:
    shape = kept.shape
    if shape is None:
        return [Column(str(c), str(c), True) for c in kept.rules.columns or ()]
    chosen = set(shape.columns)
    found = []
    for n in range(1, shape.width + 1):
        named = shape.header[n - 1] if n <= len(shape.header) else ""
        found.append(Column(named or f"#{n}", named or str(n), (named or str(n)) in chosen))
    return found if shape.width > 1 or shape.header else []


def _samples(kept: Kept) -> list[list[str]]:
    """The first rows with every cell masked: the form of a code is shown, and not the code."""
    shape = kept.shape
    if shape is None:
        return []
    if shape.cells:
        return [[restock.mask(cell) for cell in row] for row in shape.cells[bool(shape.header) :]]
    return [[restock.mask(row.code)] for row in shape.first]


route_handlers = [rules, change]
