"""A plugin's manifest: the literal `KASHOP_PLUGIN` at the top of its module, read without running a line of
it.
"""

import ast
import re
from pathlib import Path

import msgspec

API = 1
_ID = re.compile(r"[a-z][a-z0-9_]{2,31}", re.ASCII)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who a plugin says it is. `id` names its pages, its memory and its log."""

    id: str
    version: str
    plugin_api: int
    name: str = ""
    homepage: str = ""
    license: str = ""


class Unfit(Exception):
    """Why a plugin is not loaded, in words for the operator."""


def read(path: Path) -> Manifest:
    """The manifest of a single file or of a package's `__init__.py`. Raises Unfit."""
    try:
        tree = ast.parse(path.read_bytes(), filename=path.name)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise Unfit(f"cannot be read: {type(error).__name__}") from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "KASHOP_PLUGIN" for t in node.targets):
            try:
                return checked(ast.literal_eval(node.value))
            except ValueError:
                raise Unfit("KASHOP_PLUGIN must be a literal") from None
    raise Unfit("has no KASHOP_PLUGIN")


def checked(said: object) -> Manifest:
    """A manifest from what KASHOP_PLUGIN holds. Raises Unfit."""
    try:
        manifest = msgspec.convert(said, Manifest)
    except msgspec.ValidationError as error:
        raise Unfit(f"KASHOP_PLUGIN: {error}") from None
    if not _ID.fullmatch(manifest.id):
        raise Unfit("KASHOP_PLUGIN: the id must be 3 to 32 of a-z, 0-9 and _, a letter first")
    if manifest.plugin_api != API:
        raise Unfit(f"is written for plugin API {manifest.plugin_api}; this kashop speaks {API}")
    return manifest
