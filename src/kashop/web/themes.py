"""Themes: where a page's template, its assets and its words come from.

Always true: templates run in Jinja's immutable sandbox with autoescape, and see only what is handed to them; all but
templates is read at start.
"""

import re
import tomllib
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Undefined,
)
from jinja2.bccache import Bucket, BytecodeCache
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from kashop.lib.money import Money
from kashop.lib.where import shipped
from kashop.web.assets import Assets
from kashop.web.marks import markdown, qr_svg
from kashop.web.text import Catalogue, core_catalogues, marked, money_text, read_catalogues, time_mark

THEME_API = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


class ThemeBroken(Exception):
    """A theme cannot be used; the message says which and why."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`theme.toml`."""

    id: str
    name: str
    version: str
    theme_api: int
    license: str = ""
    author: str = ""
    kashop: str = ""
    extends: str = ""


class Theme:
    """A theme and the themes that it extends, ready to render. Make one with `load_theme`."""

    def __init__(self, chain: list[tuple[Manifest, Path]], timezone: Callable[[], str], *, is_strict: bool):
        self.manifest = chain[0][0]
        self._chain = chain
        self._timezone = timezone
        self._is_strict = is_strict
        self._environments: dict[str, Environment] = {}
        self.assets = Assets.read(f"/t/{self.manifest.id}", [root / "assets" for _, root in chain])

    @cached_property
    def catalogues(self) -> dict[str, Catalogue]:
        """The words of each locale: the theme's own, then its parents', then the core's."""
        merged = dict(core_catalogues())
        for _, root in reversed(self._chain):
            for locale, catalogue in read_catalogues(root / "locales").items():
                merged[locale] = catalogue.over(merged[locale]) if locale in merged else catalogue
        return merged

    @cached_property
    def locales(self) -> tuple[str, ...]:
        """The languages of `catalogues`."""
        return tuple(self.catalogues)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The same as a page offers them."""
        return tuple(sorted(self.catalogues, reverse=True))

    def templates_state(self) -> int:
        """A number that is another one when a template file was changed, came or went."""
        found = [path for _, root in self._chain for path in sorted((root / "templates").rglob("*"))]
        return hash(tuple(_state(path) for path in found))

    def environment(self, locale: str) -> Environment:
        """The theme's templates in one language."""
        if locale not in self._environments:
            made = make_environment(
                loader=self._loader(),
                catalogue=self.catalogues[locale],
                timezone=self._timezone,
                is_strict=self._is_strict,
            )
            made.globals["asset"] = self.assets.url
            made.globals["theme"] = self.manifest
            self._environments[locale] = made
        return self._environments[locale]

    def _loader(self) -> BaseLoader:
        """Child before parent; `default/product.html` names one theme's file, so a child may extend it."""
        by_theme: dict[str, BaseLoader] = {m.id: FileSystemLoader(root / "templates") for m, root in self._chain}
        return ChoiceLoader([*by_theme.values(), PrefixLoader(by_theme)])


def load_theme(
    name: str,
    *,
    data: Path | None = None,
    timezone: Callable[[], str] = lambda: "UTC",
    is_strict: bool = False,
) -> Theme:
    """A theme of the data directory or of kashop, with what it extends. Raises ThemeBroken."""
    chain: list[tuple[Manifest, Path]] = []
    wanted = name
    while wanted:
        if any(m.id == wanted for m, _ in chain):
            raise ThemeBroken(f"theme {name}: {wanted} extends itself")
        chain.append(_read_manifest(wanted, data))
        wanted = chain[-1][0].extends
    if not chain:
        raise ThemeBroken("no theme is named")
    return Theme(chain, timezone, is_strict=is_strict)


def _read_manifest(name: str, data: Path | None) -> tuple[Manifest, Path]:
    homes = [home for home in (data and data / "themes", shipped("themes")) if home]
    for home in homes if _NAME.fullmatch(name) else ():
        file = home / name / "theme.toml"
        if file.is_file():
            break
    else:
        raise ThemeBroken(f"theme {name}: there is no theme.toml")
    try:
        manifest = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Manifest)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as problem:
        raise ThemeBroken(f"theme {name}: {problem}") from problem
    if manifest.id != name:
        raise ThemeBroken(f"theme {name}: its id is {manifest.id}")
    if manifest.theme_api != THEME_API:
        raise ThemeBroken(f"theme {name}: made for theme_api {manifest.theme_api}, this kashop has {THEME_API}")
    return manifest, file.parent


def _state(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except OSError:  # it went meanwhile
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size


def make_environment(
    *, loader: BaseLoader, catalogue: Catalogue, timezone: Callable[[], str], is_strict: bool = False
) -> Environment:
    """Jinja as kashop uses it everywhere, in one language.

    In every template: `_('… {name} …', name=…)`, `ngettext(one, many, n)`, `money(amount)`, `when(ms)`,
    `markdown(text)`, `qr_svg(text)`, `locale`.
    """
    environment = _Sandbox(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined if is_strict else Undefined,
        bytecode_cache=_COMPILED,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals = {
        **_words(catalogue, timezone),
        "locale": catalogue.locale,
        "markdown": markdown,
        "qr_svg": qr_svg,
    }
    return environment


class _Compiled(BytecodeCache):
    """What templates were compiled to, for every language of a theme: the code is the same, only the words differ."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled from the same source."""
        if (code := self._kept.get((bucket.key, bucket.checksum))) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with a short way to what pages are made of: fields of frozen structs, words and a template's macros."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - named as Jinja does
        """A plain function without a mark (what is unsafe or asks for the context has one) and a macro are safe by their kind;
        all else goes the long way."""
        kind = type(__obj)
        if kind is not Macro and (kind is not FunctionType or __obj.__dict__):
            return super().call(__context, __obj, *args, **kwargs)
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        return __obj(__context.eval_ctx, *args, **kwargs) if kind is Macro else __obj(*args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a struct is safe by its kind; all else goes the long way."""
        if isinstance(obj, msgspec.Struct) and attribute in obj.__struct_fields__:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


def _words(catalogue: Catalogue, timezone: Callable[[], str]) -> dict[str, Any]:
    @lru_cache(maxsize=2048)
    def said(message: str) -> Markup:
        return marked(catalogue.gettext(message), {})

    def translate(message: str, /, **detail: object) -> Markup:
        return marked(catalogue.gettext(message), detail) if detail else said(message)

    def translate_many(one: str, many: str, n: int, /, **detail: object) -> Markup:
        return marked(catalogue.ngettext(one, many, n), {"n": n, **detail})

    def money(amount: Money) -> str:
        return money_text(amount, catalogue.locale)

    def when(ms: int) -> Markup:
        return time_mark(ms, timezone())

    return {"_": translate, "gettext": translate, "ngettext": translate_many, "money": money, "when": when}
