"""Shops that histories are told to: each a copy of one that was furnished, in a file or on a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cast import copied
from tests.conftest import NewShop
from tests.postgres import Shops


def on_server(shops: Shops, furnished: Path, like: str) -> NewShop:
    """Makes copies of a furnished shop on a server, where a database like theirs is called `like`."""

    @contextmanager
    def lent(folder: Path) -> Iterator[Path]:
        data = copied(furnished, folder)
        for left in data.glob("kashop.db*"):
            left.unlink()
        name = shops.lend(data, like)
        yield data
        shops.take_back(name, like)

    return lent
