"""Here passwords cost what they cost a merchant: these tests are about the price."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from kashop.accounts import passwords
from kashop.flows.found import Charter, found
from tests.cast import OWNER, PASSWORD, NewShop, config, copied

_FULL = (dict(passwords._STAFF), dict(passwords._LOOKUP))
"""As the program has them: read before anything is made cheap."""


@pytest.fixture(scope="package")
def full_price(cheap_hashing: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for price, full in zip((passwords._STAFF, passwords._LOOKUP), _FULL, strict=True):
            for name, value in full.items():
                patch.setitem(price, name, value)
        yield


@pytest.fixture(scope="package")
def new_shop(full_price: None, tmp_path_factory: pytest.TempPathFactory) -> NewShop:
    """Makes shops whose owner's password was hashed at the full price; on a file, since no engine changes a price."""
    data = tmp_path_factory.mktemp("dear") / "shop"
    asyncio.run(found(config(data), Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True)))
    return lambda folder: nullcontext(copied(data, folder))
