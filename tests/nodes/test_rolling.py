"""An upgrade while the shop sells: a newer server starts beside an old one, the old one leaves, and no buyer notices anything."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from kashop import __version__
from tests import beside
from tests.crash.test_burst import furnish
from tests.nodes.pair import Pair, at_work, until
from tests.nodes.proxy import proxied
from tests.planting import planted
from tests.serving import Served, run

pytestmark = pytest.mark.sqlite  # it brings its own server

MORE = "9001_more"


def newer(folder: Path) -> Path:
    """The program of the next release: it knows one migration more, which only adds."""
    tree = planted(folder, ("src/kashop/__init__.py", f'__version__ = "{__version__}"', '__version__ = "99.0"'))
    (tree / "migrations" / f"{MORE}.sql").write_text("ALTER TABLE orders ADD COLUMN more BIGINT NOT NULL DEFAULT 0;\n")
    return tree


@dataclass
class Buying:
    """One buyer after another, each on a connection of his own."""

    port: int
    bought: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def buy(self, number: int) -> None:
        wish = {"lines": [{"sku": "steam-50", "quantity": 1}], "contact": {"type": "email", "value": f"b{number}@example.com"}}
        try:
            placed = order(f"http://127.0.0.1:{self.port}", number, wish)
            self.bought.append(placed.json()["order_no"]) if placed.status_code == 201 else self.failed.append(placed.text)
        except httpx.HTTPError as error:
            self.failed.append(repr(error))

    def more(self, count: int) -> None:
        """Wait until so many more have bought."""
        wanted = len(self.bought) + count
        until(lambda: len(self.bought) >= wanted or bool(self.failed), what="buyers")


def order(url: str, number: int, wish: dict[str, object]) -> httpx.Response:
    who = {"idempotency-key": f"rolling-{number:05}", "x-forwarded-for": f"198.18.{number >> 8}.{number & 255}"}
    wish = {**wish, "gateway": "epay-main", "method": "alipay"}
    return httpx.post(f"{url}/api/v1/orders", json=wish, headers=who, timeout=60)


@contextmanager
def buying(port: int) -> Iterator[Buying]:
    all_day, evening = Buying(port), threading.Event()

    def day() -> None:
        for number in itertools.count(1):
            if evening.wait(0.05):
                return
            all_day.buy(number)

    thread = threading.Thread(target=day)
    thread.start()
    try:
        yield all_day
    finally:
        evening.set()
        thread.join(90)


def ready(server: Served) -> tuple[int, str]:
    """Whether it is ready, and what its database and itself are."""
    told = httpx.get(f"{server.url}/readyz", timeout=60)
    checks = told.json()["checks"]
    return told.status_code, ", ".join(word for word in (checks["server"], checks["database"]) if word != "ok")


def test_a_newer_server_takes_over_from_an_old_one_while_the_shop_sells(pair: Pair, tmp_path: Path) -> None:
    furnish(pair.folders[0], 1000)
    old, new = pair.server(0, "--drain", "5"), pair.server(1, tree=newer(tmp_path))
    with at_work(old), proxied((old.port, new.port), tmp_path) as port, buying(port) as all_day:
        all_day.more(3)
        with at_work(new):
            assert "more" in beside.columns(pair.address, "orders")
            all_day.more(10)
            assert [ready(old), ready(new)] == [(200, ""), (200, "")]
            assert "not all run the same program" in run("doctor", "--data", pair.data, tree=new.tree).stdout.decode()
            beside.change(pair.address, f"DELETE FROM kashop_migrations WHERE name = '{MORE}'")
            assert [ready(old), ready(new)] == [(200, ""), (503, f"lacks {MORE}")]
            beside.change(pair.address, f"INSERT INTO kashop_migrations (name) VALUES ('{MORE}')")
            assert old.process is not None
            old.process.terminate()
            until(lambda: not is_ready(old), what="that the old server leaves")
            assert old.process.wait(120) == 0
            all_day.more(10)
            assert all_day.failed == []
            assert "written by a newer kashop" in run("serve", "--data", pair.folders[0]).stderr.decode()
            names = beside.rows(pair.address, "SELECT name FROM nodes")
            assert names == [("other",)]


def is_ready(server: Served) -> bool:
    """No is as good as no answer."""
    with contextlib.suppress(httpx.HTTPError):
        return ready(server)[0] == 200
    return False
