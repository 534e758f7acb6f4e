"""Where the files that come with kashop stand: beside the package when installed, at the top of a source tree otherwise."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = _PACKAGE / "_shipped"
_TREE = _PACKAGE.parent.parent


def shipped(name: str) -> Path:
    """The folder `migrations` or `themes`."""
    inside = _SHIPPED / name
    return inside if inside.is_dir() else _TREE / name
