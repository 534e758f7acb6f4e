"""Where plugins come from: the box, installed packages, single files.

Finding runs none of their code; `load` does.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType

from kashop.plugins import manifest
from kashop.plugins.manifest import Manifest, Unfit

GROUP = "kashop.plugins"
BOX = "kashop.bundled"
"""Named, not imported: the box stands above this room, like every stranger."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin before any of it runs.

    `origin` is bundled, package or file; `problem` says why it cannot be loaded.
    """

    id: str
    version: str
    origin: str
    load: Callable[[], ModuleType]
    problem: str = ""


def bundled() -> Iterator[Found]:
    """One plugin for each folder in the box."""
    box = importlib.import_module(BOX)
    for module in sorted(pkgutil.iter_modules(box.__path__), key=lambda m: m.name):
        path = Path(next(iter(box.__path__))) / module.name / "__init__.py"
        yield _found(path, "bundled", module.name, partial(importlib.import_module, f"{BOX}.{module.name}"))


def packages() -> Iterator[Found]:
    """Installed packages that announce an entry point in the group; its name is the plugin's id."""
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda e: e.name):
        version = entry.dist.version if entry.dist else ""
        try:
            manifest.checked({"id": entry.name, "version": version, "plugin_api": manifest.API})
        except Unfit as unfit:
            yield Found(entry.name, version, "package", entry.load, str(unfit))
        else:
            yield Found(entry.name, version, "package", partial(_checked_package, entry))


def files(folder: Path) -> Iterator[Found]:
    """Single files in `<data>/plugins/`; names that begin with an underscore are left alone."""
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            yield _found(path, "file", path.stem, partial(_run, path))


def _found(path: Path, origin: str, name: str, load: Callable[[], ModuleType]) -> Found:
    try:
        said: Manifest = manifest.read(path)
    except Unfit as unfit:
        return Found(name, "", origin, load, str(unfit))
    problem = f"its id is {said.id!r}, its name is {name!r}" if said.id != name else ""
    return Found(name, said.version, origin, load, problem)


def _checked_package(entry: metadata.EntryPoint) -> ModuleType:
    module: ModuleType = entry.load()
    said = manifest.checked(getattr(module, "KASHOP_PLUGIN", None))
    if said.id != entry.name:
        raise Unfit(f"its id is {said.id!r}, its entry point is {entry.name!r}")
    return module


def _run(path: Path) -> ModuleType:
    name = f"kashop_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Unfit("cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
