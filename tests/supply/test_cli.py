"""The supplier's and the merchant's halves at the terminal; a batch sealed there is opened by the shop."""

import json
import stat
from pathlib import Path

import pytest

from kashop.supply import sealedbatch
from tests.cli.conftest import Terminal
from tests.serving import Served, run


@pytest.fixture
def terminal(data: Path) -> Terminal:
    terminal = Terminal(data)
    terminal.good("product", "add", "--slug", "steam", "--name", "Steam", "--price", "12.50")
    terminal.good("product", "add", "--slug", "other", "--name", "Other", "--price", "1")
    return terminal


def joined(terminal: Terminal, place: Path, *more: str) -> Path:
    """A supplier whose key the merchant was told; his shop-key.json."""
    made = terminal.json("codes", "supplier-key", "--out", place / "supplier.key")
    terminal.good("supplier", "add", "老张", "--product", "steam", "--public-key", made["public_key"], *more)
    (place / "shop-key.json").write_text(terminal.good("supplier", "key", "老张"), encoding="utf-8")
    return place / "shop-key.json"


def sealed(terminal: Terminal, place: Path, text: str, *more: str) -> Path:
    (place / "codes.txt").write_text(text, encoding="utf-8")
    out = place / f"{len(list(place.iterdir()))}.sealed"
    keys = ("--to", place / "shop-key.json", "--key", place / "supplier.key")
    terminal.good("codes", "seal", place / "codes.txt", *keys, "--product", "steam", "--out", out, *more)
    return out


def test_a_batch_sealed_at_the_terminal_is_opened_by_the_shop(terminal: Terminal, tmp_path: Path) -> None:
    joined(terminal, tmp_path)
    file = sealed(terminal, tmp_path, "CLI-SEALED-0001\nCLI-SEALED-0002\nCLI-SEALED-0001\n")
    assert b"CLI-SEALED" not in file.read_bytes()
    done = terminal.json("codes", "open-sealed", file)
    assert (done["status"], done["added"], done["duplicates"], done["bad"]) == ("done", 2, 1, 0)
    assert "steam" in terminal.good("codes", "count")
    assert "sent before" in terminal.refused("codes", "open-sealed", file)
    broken = tmp_path / "broken"
    broken.write_bytes(sealed(terminal, tmp_path, "CLI-SEALED-0003\n").read_bytes()[:-1])
    assert "not as long" in terminal.refused("codes", "open-sealed", broken)
    assert [b["status"] for b in terminal.json("supplier", "batches")] == ["done"]


def test_a_supplier_needs_no_shop(tmp_path: Path, terminal: Terminal) -> None:
    joined(terminal, tmp_path)
    (tmp_path / "codes.csv").write_text("卡号,密码\nA1,P1\nA2,P2\n", encoding="gbk")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    keys = ("--to", tmp_path / "shop-key.json", "--key", tmp_path / "supplier.key")
    command = ("codes", "seal", tmp_path / "codes.csv", *keys, "--product", "steam", "--out", elsewhere / "x.sealed")
    done = run(*command, KASHOP_DATA=str(elsewhere / "none"))
    assert done.returncode == 0, done.stderr
    assert not (elsewhere / "none").exists()
    assert sealedbatch.parse_head((elsewhere / "x.sealed").read_bytes()[:4096]).manifest.count == 2


def test_keys_are_private_files_and_never_overwritten(terminal: Terminal, tmp_path: Path) -> None:
    joined(terminal, tmp_path)
    key = tmp_path / "supplier.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    terminal.refused("codes", "supplier-key", "--out", key)
    assert key.read_bytes() == before
    seed = json.loads(before)["seed"]
    assert seed not in (tmp_path / "shop-key.json").read_text(encoding="utf-8")


def test_wrong_places_and_files_are_named(terminal: Terminal, tmp_path: Path) -> None:
    joined(terminal, tmp_path)
    (tmp_path / "codes.txt").write_text("A-0001\n")
    keys = ("--to", tmp_path / "shop-key.json", "--key", tmp_path / "supplier.key")
    out = ("--out", tmp_path / "new.sealed")
    assert "steam" in terminal.refused("codes", "seal", tmp_path / "codes.txt", *keys, "--product", "other", *out)
    swapped = ("--to", tmp_path / "supplier.key", "--key", tmp_path / "shop-key.json")
    terminal.refused("codes", "seal", tmp_path / "codes.txt", *swapped, "--product", "steam", *out)
    (tmp_path / "empty.txt").write_text("\n\n")
    terminal.refused("codes", "seal", tmp_path / "empty.txt", *keys, "--product", "steam", *out)
    assert not (tmp_path / "new.sealed").exists()


def test_a_supplier_joins_by_a_link_and_sends_to_a_served_shop(terminal: Terminal, tmp_path: Path) -> None:
    import httpx

    with Served(terminal.data) as served:
        link = terminal.good("supplier", "add", "Wang", "--product", "steam", "--trusted").strip()
        assert link.startswith(served.url + "/supply#join=")
        made = terminal.json("codes", "supplier-key", "--out", tmp_path / "supplier.key", "--link", link)
        assert "refused" in terminal.refused("codes", "supplier-key", "--out", tmp_path / "second.key", "--link", link)
        assert not (tmp_path / "second.key").exists()
        assert "fingerprint" in terminal.refused("supplier", "confirm", "Wang", "0" * 24)
        terminal.good("supplier", "confirm", "Wang", sealedbatch.grouped(made["fingerprint"]))
        terminal.good("codes", "shop-key", "--key", tmp_path / "supplier.key", "--out", tmp_path / "shop-key.json")
        file = sealed(terminal, tmp_path, "SERVED-0001\nSERVED-0002\n")
        headers = {"content-type": "application/octet-stream"}
        sent = httpx.post(f"{served.url}/api/v1/supply/batches", content=file.read_bytes(), headers=headers)
        assert (sent.status_code, sent.json()["new"]) == (201, 2)
        assert "SERVED-000" not in served.told()
    listed = terminal.json("supplier", "list")
    assert [(s["name"], s["state"], s["products"]) for s in listed] == [("Wang", "trusted", ["steam"])]
    terminal.good("supplier", "disable", "Wang")
    file = sealed(terminal, tmp_path, "SERVED-0003\n")
    assert "takes no batches" in terminal.refused("codes", "open-sealed", file)
    terminal.good("supplier", "rotate-key")
    terminal.good("supplier", "enable", "Wang")
    assert terminal.json("codes", "open-sealed", file)["added"] == 1
