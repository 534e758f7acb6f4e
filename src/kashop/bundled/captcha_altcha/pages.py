"""The two scripts that a page under pressure loads: our driver, and ALTCHA's own worker as it is published."""

from functools import lru_cache
from pathlib import Path

from kashop.plugins.api import Context, Page, PageRequest, PageResponse

_HERE = Path(__file__).parent / "assets"
_FILES = {"proof.js": _HERE / "proof.js", "pbkdf2.js": _HERE / "vendor" / "pbkdf2.js"}
_VERSION = "1-3.2.2"
"""In the address, so that a browser may keep the files: change it with either of them."""

SCRIPT = f"{_VERSION}/proof.js"


async def script(ctx: Context, request: PageRequest) -> PageResponse:
    """One of the files."""
    name = request.params["name"]
    if request.params["version"] != _VERSION or name not in _FILES:
        return PageResponse(status=404)
    headers = {"content-type": "text/javascript", "cache-control": "public, max-age=31536000, immutable"}
    return PageResponse(body=_read(name), headers=headers)


@lru_cache
def _read(name: str) -> bytes:
    return _FILES[name].read_bytes()


PAGES = [Page(path="{version}/{name}", answer=script)]
