"""The control of the canary test: a secret planted in each disguise is found, and nothing is found where there is none."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest

from tests.canary.scanner import Scanner, needles

SECRET = "KANARI-0042/+密=?7Q\nsecond line"


@pytest.mark.parametrize("kind", sorted(needles(SECRET)))
def test_each_disguise_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "clean.bin").write_bytes(os.urandom(5000))
    (tmp_path / "page.bin").write_bytes(os.urandom(3000) + needles(SECRET)[kind] + os.urandom(3000))
    found = Scanner({"a code": SECRET}).files(tmp_path)
    assert any(f"a code ({kind})" in hit for hit in found)
    assert all("page.bin" in hit for hit in found)


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
def test_base64_of_a_larger_text_is_seen_through(before: bytes) -> None:
    import base64

    text = base64.b64encode(before + SECRET.encode() + b" and more")
    assert list(Scanner({"a code": SECRET}).hits(text, "mail"))


def test_members_of_archives_are_read(tmp_path: Path) -> None:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(SECRET.encode()))
    (tmp_path / "backup.bin").write_bytes(os.urandom(100) + gzip.compress(SECRET.encode()))
    (tmp_path / "outer.zip").write_bytes(box.getvalue())
    found = Scanner({"a code": SECRET}).files(tmp_path)
    assert {Path(hit.partition("!")[0]).name for hit in found} == {"backup.bin", "outer.zip"}


def test_a_name_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "KANARI-IN-A-NAME").touch()
    assert Scanner({"a code": "KANARI-IN-A-NAME"}).files(tmp_path)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "clean.bin").write_bytes(os.urandom(1 << 20) + b"\x1f\x8b\x08 PK\x03\x04 not an archive")
    assert Scanner({"a code": SECRET, "a key": os.urandom(32)}).files(tmp_path) == []
