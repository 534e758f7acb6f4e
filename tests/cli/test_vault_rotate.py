"""`kashop vault rotate` at the terminal, alone and beside a server."""

import asyncio
import json
from pathlib import Path

import pytest

from kashop.flows import rotate
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests import beside
from tests.cast import add_product, config
from tests.cli.conftest import Terminal
from tests.serving import Served, kashop

CODES = 300


@pytest.fixture
def stocked(data: Path) -> Path:
    async def furnish() -> None:
        shop = await Shop.open(config(data))
        await add_product(shop, "steam-50", codes=CODES)
        await add_product(shop, "xbox-100", codes=20)
        await shop.close()

    asyncio.run(furnish())
    return data


def test_without_a_server_it_does_the_work(stocked: Path, terminal: Terminal) -> None:
    assert "never rotated" in terminal.refused("vault", "rotate", "--status")
    assert "No rotation is under way" in terminal.refused("vault", "rotate", "--resume")
    said = terminal.json("vault", "rotate")
    assert (said["status"], said["done"], said["total"]) == ("done", CODES + 20, CODES + 20)
    assert said["before"] == said["after"] == {"codes": CODES + 20, "fingerprints": CODES + 20, "data_keys": 2}
    assert terminal.json("vault", "rotate", "--product", "xbox-100")["done"] == 20
    assert "After:  320 codes, 320 fingerprints, 2 data keys." in terminal.good("vault", "rotate", "--status")
    assert "no product nowhere" in terminal.refused("vault", "rotate", "--product", "nowhere")
    assert terminal.run("vault", "rotate", "--status", "--resume").exit_code == 2
    assert json.loads(terminal.good("check", "--all", "--json"))["ok"]


def test_an_interrupted_one_is_resumed(stocked: Path, terminal: Terminal) -> None:
    async def begin_and_leave() -> None:
        shop = await Shop.open(config(stocked))
        await rotate.begin(shop, CLI)
        await shop.close()

    asyncio.run(begin_and_leave())
    assert terminal.json("vault", "rotate", "--status")["status"] == "running"
    assert "A rotation is under way: 0 of 320" in terminal.refused("vault", "rotate")
    assert "Done: the old keys are destroyed." in terminal.good("vault", "rotate", "--resume")


def test_what_does_not_open_ends_it_with_one(stocked: Path, terminal: Terminal) -> None:
    broken = "UPDATE codes SET sealed = :sealed WHERE code_id = (SELECT MIN(code_id) FROM codes)"
    beside.change(config(stocked).place, broken, sealed=bytes(2))
    result = terminal.run("vault", "rotate")
    assert result.exit_code == 1
    assert "1 codes do not open and were left as they are" in result.stdout
    assert "product 1, epoch 1" in result.stdout


def test_beside_a_server_the_server_does_it(stocked: Path) -> None:
    with Served(stocked) as served:
        said = json.loads(kashop("vault", "rotate", "--wait", "--json", "--data", stocked))
        assert (said["status"], said["done"]) == ("done", CODES + 20)
        assert served.count("SELECT COUNT(*) FROM codes WHERE epoch <> 2") == 0
        assert served.count("SELECT COUNT(*) FROM job_runs WHERE job = 'rotate_keys' AND problem <> ''") == 0
        served.check()
