"""A shop that is really served tells, is killed in the middle, and tells the rest; no secret is left anywhere (I-25, I-37)."""

import asyncio
import json
from pathlib import Path

import pytest

from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.notices import reads, rules
from kashop.notices.writes import tell
from kashop.settings.config import load
from kashop.shop import Shop
from tests import beside
from tests.canary.scanner import Scanner
from tests.cast import config
from tests.notices.receivers import MailHouse, mail_house
from tests.notices.setting_up import set_file
from tests.serving import Served, kashop

LINK = "http://shop.example/admin/invited?token=KANARI-9f3b77c1d2e84a"
PASSWORD = "KANARI-mail-5521-Passw0rd"


async def wait_for(house: MailHouse, to: list[str]) -> None:
    """Until each was written to."""
    async with asyncio.timeout(120):
        while not set(to) <= {address for address, _ in house.mails}:  # noqa: ASYNC110  # the server has no event to wait for
            await asyncio.sleep(0.05)


async def queue(data: Path, house: MailHouse, to: list[str]) -> None:
    """Beside the server, as a command would."""
    shop = await Shop.open(load(data, {}))
    await settings.change(shop, {"mail.host": "127.0.0.1", "mail.port": str(house.port), "mail.security": "none"}, CLI)
    await settings.change(shop, {"mail.from": "shop@example.com", "mail.password": PASSWORD}, CLI)
    await set_file(shop, data.parent / "notices.jsonl")
    sealed = rules.sealed_facts(shop.keyring, "staff.invited", link=LINK)
    await shop.db.write(tell, "staff.invited", to=to, sealed=sealed, by="owner", role="support", hours=72)
    await shop.db.write(tell, "vault.alarm", to=[], where="code 1")
    await shop.close()


def let_leases_end(data: Path) -> None:
    """Two minutes pass for what the killed server held."""
    later = "UPDATE notices SET next_try_at = next_try_at - 130000 WHERE next_try_at IS NOT NULL"
    beside.change(config(data).place, later)


@pytest.mark.sqlite  # a dead server's turn lasts half a minute there: tests/nodes shows who goes on
async def test_i37_a_killed_server_tells_the_rest_and_keeps_no_secret(data: Path) -> None:
    with (data / "kashop.toml").open("a", encoding="utf-8") as file:  # where its database is may stand there
        file.write('private_networks = ["127.0.0.1"]\n')
    served = Served(data, KASHOP_LOG_LEVEL="debug")
    to = [f"p{n}@example.com" for n in range(6)]
    async with mail_house() as house:
        house.hangs_at = "p3@example.com"
        await queue(data, house, to)
        await asyncio.to_thread(served.start)
        await wait_for(house, to[:3])
        served.kill()
        house.gate.set()
        let_leases_end(data)
        await asyncio.to_thread(served.start)
        await wait_for(house, to)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(served.stop)
    invited = [(address, mail) for address, mail in house.mails if address in to]
    assert len({(address, mail["message-id"]) for address, mail in invited}) == 6  # twice only under the same name
    assert all(LINK in next(mail.iter_parts()).get_content() for _, mail in invited)
    lines = (data.parent / "notices.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["id"] for line in lines if json.loads(line)["type"] == "vault.alarm"}) == 1
    assert not any("invited" in line for line in lines)
    kept = Scanner({"link": LINK, "password": PASSWORD})
    assert kept.files(data) == []
    assert kept.texts([("database", beside.stored(config(data).place))]) == []
    said = [("log", served.log.read_bytes()), ("file", "\n".join(lines).encode())]
    said.append(("list", kashop("notice", "list", "--json", "--data", data).encode()))
    assert kept.texts(said) == []
    assert {n["state"] for n in json.loads(said[-1][1])["notices"] if n["about"] == "staff.invited"} == {"sent"}


def test_the_scanner_would_have_found_it(data: Path) -> None:
    """The control: the same link told as a plain fact is found."""

    async def careless() -> None:
        shop = await Shop.open(load(data, {}))
        await shop.db.write(tell, "staff.invited", to=["a@example.com"], link=LINK)
        assert len(await shop.db.read(reads.page, 2**62, limit=9)) == 1
        await shop.close()

    asyncio.run(careless())
    scanner, place = Scanner({"link": LINK}), config(data).place
    assert scanner.texts([("database", beside.stored(place))]) != []
    assert scanner.files(data) != [] or not isinstance(place, Path)
