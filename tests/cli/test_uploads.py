"""`kashop doctor --online` keeps a file where uploads lie, and misses no picture in silence."""

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from kashop.flows import products
from kashop.settings.config import load
from kashop.shop import Shop
from tests.cast import add_product
from tests.serving import here
from tests.storage import s3


def found(data: Path, environ: dict[str, str], *more: str) -> tuple[str, str]:
    told = json.loads(here("doctor", "--json", *more, "--data", data, **environ).stdout)
    [finding] = [f for f in told["findings"] if f["subject"] == "uploads"]
    return finding["level"], finding["said"]


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "white").save(out, "PNG")
    return out.getvalue()


async def test_the_doctor_looks_into_the_bucket(data: Path) -> None:
    with s3.serving() as bucket:
        environ = {
            "KASHOP_UPLOADS": "s3://shop-files",
            "KASHOP_S3_ENDPOINT": bucket.address,
            "KASHOP_S3_ACCESS_KEY_ID": s3.KEY_ID,
            "KASHOP_S3_SECRET_ACCESS_KEY": s3.SECRET,
        }
        shop = await Shop.open(load(data, environ))
        name = await products.keep_picture(shop, _picture())
        await add_product(shop, "x", image=name)
        await shop.close()
        assert [path for path in bucket.objects if not path.endswith(name)] == []

        assert found(data, environ) == ("ok", "in s3://shop-files (--online tries it)")
        assert found(data, environ, "--online") == ("ok", "kept in s3://shop-files, with every product's picture")
        assert list(bucket.objects) == [f"/shop-files/{name}"], "the doctor leaves nothing"
        bucket.objects.clear()
        level, said = found(data, environ, "--online")
        assert (level, f"lacks 1 pictures of products, {name} first" in said) == ("mend", True)
        level, said = found(data, environ | {"KASHOP_S3_SECRET_ACCESS_KEY": "another"}, "--online")
        assert (level, "refuses this key" in said, "another" in said) == ("mend", True, False)


def test_the_doctor_looks_into_the_folder(data: Path) -> None:
    assert found(data, {}, "--online")[0] == "ok"
    (data / "uploads").rmdir()
    (data / "uploads").write_text("in the way")
    assert found(data, {}, "--online")[0] == "mend"


def test_obstore_is_asked_for_when_it_is_needed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "kashop.storage.bucket", raising=False)
    said = here("order", "list", "--data", data, KASHOP_UPLOADS="s3://shop-files")
    assert said.returncode == 1
    assert b"pip install 'kashop[s3]'" in said.stderr
