"""The vault's promises: a blob opens only in its own place, and equal codes have equal fingerprints."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kashop.lib.errors import Unavailable
from kashop.vault import Keyring, Tampered, keyring, unseal

ROOT = bytes(range(32))
STRETCH = unseal.new_stretch
"""As the program has it: read before anything is made cheap."""


def ring(shop: str = "shop-a", root: bytes = ROOT) -> Keyring:
    made = Keyring(shop, root)
    made.learn([made.new_data_key(product, epoch) for product in (1, 2) for epoch in (1, 2)])
    return made


@given(st.text(max_size=300))
def test_what_went_in_comes_out(text: str) -> None:
    keys = ring()
    if text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") != text:
        return
    sealed = keys.seal_code(text, product_id=1, epoch=1, code_id=5)
    assert keys.open_code(sealed, product_id=1, epoch=1, code_id=5) == text
    assert len(sealed) == len(text.encode()) + 41


def test_a_moved_seal_does_not_open() -> None:
    keys = ring()
    sealed = keys.seal_code("secret", product_id=1, epoch=1, code_id=5)
    for product, epoch, code in itertools.product((1, 2), (1, 2), (5, 6)):
        if (product, epoch, code) != (1, 1, 5):
            with pytest.raises(Tampered):
                keys.open_code(sealed, product_id=product, epoch=epoch, code_id=code)


def test_every_changed_byte_is_noticed() -> None:
    keys = ring()
    sealed = keys.seal_code("secret", product_id=1, epoch=1, code_id=5)
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        with pytest.raises(Tampered):
            keys.open_code(changed, product_id=1, epoch=1, code_id=5)
    with pytest.raises(Tampered):
        keys.open_code(b"", product_id=1, epoch=1, code_id=5)


def test_another_shop_opens_nothing() -> None:
    mine, key = Keyring("shop-a", ROOT), Keyring("shop-a", ROOT).new_data_key(1, 1)
    mine.learn([key])
    for other in (Keyring("shop-b", ROOT), Keyring("shop-a", bytes(32))):
        with pytest.raises(Tampered):
            other.learn([key])
        assert other.fingerprint("x") != mine.fingerprint("x")
        assert other.order_token("K1") != mine.order_token("K1")


def test_fingerprints_tell_equal_from_unequal() -> None:
    keys = ring()
    assert keys.fingerprint("a") == keys.fingerprint("a") != keys.fingerprint("A")
    assert keys.fingerprint("a", scope=b"line") != keys.fingerprint("a")


def test_a_setting_opens_under_its_own_name_only() -> None:
    keys = ring()
    sealed = keys.seal_settings(b"key", name="gateway/a")
    assert keys.open_settings(sealed, name="gateway/a") == b"key"
    with pytest.raises(Tampered):
        keys.open_settings(sealed, name="gateway/b")


def test_a_signature_is_bound_to_its_purpose() -> None:
    keys = ring()
    mac = keys.sign("cookie", "text")
    assert keys.is_signed("cookie", "text", mac)
    assert not keys.is_signed("other", "text", mac)
    assert not keys.is_signed("cookie", "text", mac[:-1])
    assert not keys.is_signed("cookie", "text", "é")


def test_the_root_key_opens_with_its_own_secret_only() -> None:
    wrapped = keyring.wrap_root(ROOT, b"s" * 32, shop_id="shop-a", method="keyfile")
    assert keyring.unwrap_root(wrapped, b"s" * 32, shop_id="shop-a", method="keyfile") == ROOT
    for secret, shop, method in ((b"t" * 32, "shop-a", "keyfile"), (b"s" * 32, "shop-b", "keyfile"), (b"s" * 32, "shop-a", "x")):
        with pytest.raises(Tampered):
            keyring.unwrap_root(wrapped, secret, shop_id=shop, method=method)


def test_a_passphrase_is_stretched_over_256_mebibytes_with_a_salt_of_its_own() -> None:
    one, other = (msgspec.json.decode(STRETCH(), type=unseal.Stretch) for _ in range(2))
    assert (one.memory, one.passes, one.lanes) == (256 * 1024, 3, 1)
    assert one.salt != other.salt


def test_the_key_file_is_private_and_never_overwritten(tmp_path) -> None:
    path = tmp_path / "deep" / "unseal.key"
    assert unseal.create_key_file(path)
    first = unseal.read_key_file(path)
    assert not unseal.create_key_file(path)
    assert unseal.read_key_file(path) == first
    assert path.stat().st_mode & 0o777 == 0o400
    assert [p.name for p in path.parent.iterdir()] == ["unseal.key"]
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Unavailable, match="32 bytes"):
        unseal.read_key_file(path)
    with pytest.raises(Unavailable, match="missing"):
        unseal.read_key_file(tmp_path / "none")


def test_nothing_prints_its_secret() -> None:
    keys = ring()
    assert "0001" not in repr(keys)
    assert ROOT.hex() not in repr(vars(keys))
