"""A file of codes on its way in: read anywhere, never in the clear on the disk, gone with its process."""

import io
import os
import random
from pathlib import Path

import pytest

from kashop.vault import Tampered
from kashop.vault.spool import CHUNK, Spool


def spooled(folder: Path, data: bytes, *, pieces: int = 9973) -> Spool:
    spool = Spool(folder)
    for at in range(0, len(data), pieces):
        spool.write(data[at : at + pieces])
    spool.finish()
    return spool


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17])
def test_it_reads_as_it_was_written_from_any_place(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    spool = spooled(tmp_path / "spool", data)
    reader, plain = spool.open(), io.BytesIO(data)
    assert reader.read() == data
    dice = random.Random(7)
    for _ in range(200):
        place, count = dice.randrange(size + 10), dice.randrange(2 * CHUNK)
        assert reader.seek(place) == plain.seek(place)
        assert reader.read(count) == plain.read(count)
    assert reader.seek(0, io.SEEK_END) == size


def test_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    spool = spooled(tmp_path, b"a" * CHUNK + b"b" * CHUNK)
    one, two = spool.open(), spool.open()
    one.seek(CHUNK)
    assert (two.read(3), one.read(3), two.read(3)) == (b"aaa", b"bbb", b"aaa")


def test_the_disk_never_sees_a_name_or_a_clear_byte(tmp_path: Path) -> None:
    spool = spooled(tmp_path / "spool", b"CANARY-CODE-0001\n" * 20_000)
    assert list((tmp_path / "spool").iterdir()) == []
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    stored = os.pread(spool._file.fileno(), 1 << 24, 0)
    assert len(stored) > spool.size
    assert b"CANARY" not in stored
    assert "CANARY" not in repr(spool)
    spool.close()
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        spool.open().read()


@pytest.mark.parametrize("fault", ["flipped", "swapped", "cut"])
def test_what_was_changed_on_the_disk_does_not_open(tmp_path: Path, fault: str) -> None:
    spool = spooled(tmp_path, b"x" * (3 * CHUNK))
    fd, step = spool._file.fileno(), CHUNK + 16
    first, second = os.pread(fd, step, 0), os.pread(fd, step, step)
    if fault == "flipped":
        os.pwrite(fd, bytes([first[100] ^ 1]), 100)
    elif fault == "swapped":
        os.pwrite(fd, second + first, 0)
    else:
        os.ftruncate(fd, step - 1)
    with pytest.raises(Tampered):
        spool.open().read()
