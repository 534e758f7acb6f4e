"""A folder and a bucket promise the same: whole files, names that lead nowhere else, a clear word when they cannot."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.lib.errors import Invalid, Unavailable
from kashop.settings.config import Config, Secret, load
from kashop.storage import Storage, open_storage
from tests.storage import s3

STRANGE = (
    "",
    ".",
    "..",
    "../kashop.db",
    "a/../b.webp",
    "a/b/c.webp",
    ".hidden.webp",
    "A/b.webp",
    "a.webp\0",
    "/a.webp",
    "é.webp",
)


@pytest.fixture
def bucket() -> Iterator[s3.S3]:
    with s3.serving() as serving:
        yield serving


def configured(data: Path, bucket: s3.S3 | None = None, **more: str) -> Config:
    environ = {f"KASHOP_{name.upper()}": value for name, value in more.items()}
    if bucket:
        environ = {
            "KASHOP_UPLOADS": f"s3://{s3.BUCKET}/uploads",
            "KASHOP_S3_ENDPOINT": bucket.address,
            "KASHOP_S3_ACCESS_KEY_ID": s3.KEY_ID,
            "KASHOP_S3_SECRET_ACCESS_KEY": s3.SECRET,
        } | environ
    return load(data, environ)


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    bucket = request.getfixturevalue("bucket") if request.param == "bucket" else None
    return open_storage(configured(tmp_path / "shop", bucket))


async def test_what_is_kept_is_there(storage: Storage) -> None:
    large = os.urandom(600 * 1024)  # larger than what a bucket keeps in memory
    for name, body in (("a.webp", b"one"), ("evidence/a.pdf", b"two"), ("large.webp", large), ("empty.webp", b"")):
        assert await storage.get(name) is None
        await storage.put(name, body)
        assert [await storage.get(name), await storage.get(name)] == [body, body]
    await storage.put("evidence/a.pdf", b"three")
    assert await storage.get("evidence/a.pdf") == b"three"
    for name in ("a.webp", "evidence/a.pdf", "never.webp"):
        await storage.delete(name)
        assert await storage.get(name) is None
    assert await storage.get("large.webp") == large


@pytest.mark.parametrize("name", STRANGE)
async def test_a_strange_name_is_nobodys(storage: Storage, name: str) -> None:
    assert await storage.get(name) is None
    await storage.delete(name)
    with pytest.raises(ValueError):
        await storage.put(name, b"x")


async def test_a_folder_leads_nowhere_else(tmp_path: Path) -> None:
    storage, place = open_storage(configured(tmp_path / "shop")), tmp_path / "shop" / "uploads"
    await storage.put("a.webp", b"x")
    (tmp_path / "secret.txt").write_text("secret")
    (place / "link.webp").symlink_to(tmp_path / "secret.txt")
    (place / "folder.webp").mkdir()
    assert [await storage.get("link.webp"), await storage.get("folder.webp")] == [None, None]
    assert (place / "a.webp").stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(configured(tmp_path / "shop"))
    await storage.put("a.webp", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await storage.put("a.webp", b"new")
    assert await storage.get("a.webp") == b"old"
    assert [path.name for path in (tmp_path / "shop" / "uploads").iterdir()] == ["a.webp"]


async def test_a_shared_folder_may_be_anywhere(tmp_path: Path) -> None:
    one, two = (open_storage(configured(tmp_path / name, uploads=str(tmp_path / "shared"))) for name in ("one", "two"))
    await one.put("a.webp", b"x")
    assert await two.get("a.webp") == b"x"
    assert not (tmp_path / "one" / "uploads").exists()


async def test_a_crowd_reads_a_picture_once_and_evidence_each_time(tmp_path: Path, bucket: s3.S3) -> None:
    one, two = (open_storage(configured(tmp_path / name, bucket)) for name in ("one", "two"))
    await one.put("a.webp", b"x")
    await one.put("evidence/a.pdf", b"y")
    bucket.asked.clear()
    for _ in range(3):
        assert [await two.get("a.webp"), await two.get("evidence/a.pdf")] == [b"x", b"y"]
    assert bucket.asked.count(("GET", "/shop-files/uploads/a.webp")) == 1
    assert bucket.asked.count(("GET", "/shop-files/uploads/evidence/a.pdf")) == 3


async def test_memory_is_bounded(tmp_path: Path, bucket: s3.S3) -> None:
    storage, body = open_storage(configured(tmp_path, bucket)), b"x" * 512 * 1024
    for n in range(40):
        await storage.put(f"p{n}.webp", body)
        await storage.get(f"p{n}.webp")
    bucket.asked.clear()
    await storage.get("p39.webp")
    assert bucket.asked == []
    await storage.get("p0.webp")
    assert len(bucket.asked) == 1, "the oldest of twenty MiB was still there"


async def test_a_wrong_secret_is_told_and_not_shown(tmp_path: Path, bucket: s3.S3) -> None:
    storage = open_storage(configured(tmp_path, bucket, s3_secret_access_key="not-the-secret-123"))
    for ask in (lambda: storage.put("a.webp", b"x"), lambda: storage.get("a.webp"), lambda: storage.delete("a.webp")):
        with pytest.raises(Unavailable, match="shop-files refuses this key") as caught:
            await ask()
        assert "not-the-secret" not in str(caught.value) + repr(caught.value.__cause__)
    assert bucket.objects == {}


async def test_a_bucket_in_trouble_is_not_an_absent_file(tmp_path: Path, bucket: s3.S3) -> None:
    storage = open_storage(configured(tmp_path, bucket))
    await storage.put("a.webp", b"x")
    bucket.trouble = 500
    async with asyncio.timeout(30):
        with pytest.raises(Unavailable, match="does not answer"):
            await storage.get("a.webp")
    bucket.trouble = 0
    assert await storage.get("a.webp") == b"x"


async def test_an_absent_bucket_is_told(tmp_path: Path, bucket: s3.S3) -> None:
    storage = open_storage(configured(tmp_path, bucket, uploads="s3://nobodys"))
    with pytest.raises(Unavailable, match="no bucket nobodys"):
        await storage.put("a.webp", b"x")


async def test_a_fenced_copy_has_a_folder_of_its_own(tmp_path: Path, bucket: s3.S3) -> None:
    storage = open_storage(configured(tmp_path, bucket, is_fenced="true"))
    await storage.put("a.webp", b"x")
    assert bucket.asked == []
    assert (tmp_path / "uploads" / "a.webp").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"uploads": "s3://"}, "uploads"),
        ({"uploads": "s3://UPPER"}, "uploads"),
        ({"uploads": "s3://bucket/../x"}, "uploads"),
        ({"uploads": "s3://bucket?x"}, "uploads"),
        ({"uploads": "s3:bucket"}, "uploads"),
        ({"uploads": "pictures"}, "uploads"),
        ({"s3_endpoint": "storage.example"}, "s3_endpoint"),
        ({"s3_access_key_id": "a"}, "s3_access_key_id"),
        ({"s3_secret_access_key": "a"}, "s3_access_key_id"),
    ],
)
def test_a_wrong_address_is_told(tmp_path: Path, named: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        configured(tmp_path, **named)
    assert caught.value.fields[0].field == field


def test_a_bucket_without_a_folder(tmp_path: Path) -> None:
    assert configured(tmp_path, uploads="s3://shop-files/").bucket == ("shop-files", "")
    assert configured(tmp_path, uploads="s3://shop-files/a/b.c/").bucket == ("shop-files", "a/b.c")
    given = configured(tmp_path, s3_access_key_id="a", s3_secret_access_key="hidden")
    assert isinstance(given.s3_secret_access_key, Secret)
    assert "hidden" not in repr(given)
