"""A plugin's memory in the shop's database."""

import pytest

from kashop.plugins.context import DbStore
from kashop.plugins.kit import MemoryStore
from kashop.plugins.types import Store
from kashop.shop import Shop


@pytest.fixture(params=["database", "memory"])
def store(request: pytest.FixtureRequest, shop: Shop) -> Store:
    return DbStore(shop.db, "first") if request.param == "database" else MemoryStore()


async def test_values_are_kept_changed_and_forgotten(store: Store) -> None:
    assert await store.get("a") is None
    for value in ({"x": [1, "测", None, True]}, 0, "", [], "text"):
        await store.set("a", value)
        assert await store.get("a") == value
    await store.delete("a")
    await store.delete("a")
    assert await store.get("a") is None


async def test_too_large_values_and_strange_names_are_refused(store: Store) -> None:
    await store.set("a", "x" * 65_534)
    for name, value in (("a", "x" * 65_535), ("", 1), ("a b", 1), ("x" * 129, 1), ("é", 1)):
        with pytest.raises(ValueError, match="store"):
            await store.set(name, value)
    assert await store.get("a") == "x" * 65_534


async def test_each_plugin_has_its_own(shop: Shop) -> None:
    await DbStore(shop.db, "first").set("a", 1)
    await DbStore(shop.db, "second").set("a", 2)
    await DbStore(shop.db, "second").delete("a")
    assert await DbStore(shop.db, "first").get("a") == 1


async def test_the_shops_plugins_remember_in_its_database(shop: Shop) -> None:
    findings = await shop.plugins.gateway("practice", {"key": "k" * 20}).test()
    assert [f.is_ok for f in findings] == [True]
    assert await DbStore(shop.db, "practice").get("test") == shop.clock.now()
