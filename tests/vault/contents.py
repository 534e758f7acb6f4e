"""What stands in the vault, read from the file itself and opened with a keyring of its own: what a fresh process would see."""

from collections import Counter

from kashop.shop import Shop
from kashop.vault import Keyring
from tests import beside


def texts(shop: Shop) -> dict[int, str]:
    """Every code in the clear, by its id. Raises Tampered."""
    keyring = fresh_keyring(shop)
    sql = "SELECT code_id, product_id, epoch, sealed FROM codes ORDER BY code_id"
    return {i: keyring.open_code(sealed, product_id=p, epoch=e, code_id=i) for i, p, e, sealed in rows(shop, sql)}


def fresh_keyring(shop: Shop) -> Keyring:
    """The shop's root key, and the data keys that stand in the file now."""
    vault = shop.keyring._vault
    assert vault is not None
    keyring = Keyring(shop.settings.text("shop.id"), vault.root)
    keyring.learn(keys(shop))
    return keyring


def keys(shop: Shop):
    """The wrapped data keys."""
    from kashop.vault import DataKey

    return [DataKey(*row) for row in rows(shop, "SELECT product_id, epoch, wrapped FROM vault_keys ORDER BY 1, 2")]


def epochs(shop: Shop) -> Counter[tuple[int, int]]:
    """How many codes are under each (product, epoch)."""
    return Counter((p, e) for p, e in rows(shop, "SELECT product_id, epoch FROM codes"))


def fingerprints(shop: Shop) -> set[tuple[int, bytes]]:
    """Each code's id and fingerprint."""
    return set(rows(shop, "SELECT code_id, fingerprint FROM codes"))


def states(shop: Shop) -> list[tuple]:
    """All of a code but its seal."""
    sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, fingerprint, status, line_id, held_until, cost_minor,
               expires_on, changed_at, replaces_code_id FROM codes ORDER BY code_id"""
    return rows(shop, sql)


def rows(shop: Shop, sql: str) -> list[tuple]:
    """Rows of the file, beside the shop's own connections."""
    return beside.rows(shop.config.place, sql)


def spoil(shop: Shop, sql: str, **values: object) -> None:
    """Change the database as a thief would: past every rule."""
    beside.change(shop.config.place, sql, past=("codes_move_to_the_newest_key",), **values)
