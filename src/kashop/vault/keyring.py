"""The key hierarchy and the seals (promises, "Key hierarchy").

unseal secret → KEK → root key → one derived key per purpose; wrap key → data key per product and epoch → code. Derived by
keyed BLAKE2b with a 16-byte personalisation; sealed by XChaCha20-Poly1305 with a random nonce and the blob's identity as
associated data. Three of the derived keys serve the shop even while it is sealed; they are wrapped by themselves under
the key file (docs/decisions/0010).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

import nacl.exceptions
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.public import PublicKey, SealedBox
from nacl.utils import random

from kashop.lib.errors import Unavailable
from kashop.vault.types import DataKey, OldEpoch

VERSION = b"\x01"
KEY_BYTES = 32

_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES


class Tampered(Exception):
    """A sealed blob does not open where it stands: moved, altered, or of another shop. Names the place, never the content."""


class Sealed(Unavailable):
    """The vault is sealed: this needs a key that is not in memory. Nothing was changed."""

    code = "sealed"

    def __init__(self) -> None:
        super().__init__("The vault is sealed. This works again as soon as the shop unseals it.")


class Keyring:
    """The keys of a running shop: those that serve it at all times, and those of the vault while it is unsealed.

    Sealed, it signs, makes order tokens and opens settings; all that touches a code raises Sealed. Thread-safe: a call that
    began with the vault's keys ends with them, whoever seals meanwhile.
    """

    def __init__(self, shop_id: str, root: bytes = b"", *, service: bytes = b""):
        """Unsealed by the root key; or sealed, with the service keys alone."""
        self._shop = shop_id.encode()
        self._service = service or service_keys(root)
        if len(self._service) != 3 * KEY_BYTES:
            raise ValueError("the service keys have 96 bytes")
        self._vault: _Vault | None = None
        if root:
            self.unseal(root)

    def __repr__(self) -> str:
        return f"<Keyring {'sealed' if self.is_sealed else 'unsealed'}>"

    @property
    def is_sealed(self) -> bool:
        """Whether the vault's keys are not in memory."""
        return self._vault is None

    def unseal(self, root: bytes) -> None:
        """Take up the vault's keys. Raises Tampered for the root key of another shop."""
        if len(root) != KEY_BYTES or not hmac.compare_digest(service_keys(root), self._service):
            raise Tampered("root key: not this shop's")
        if self._vault is None:
            self._vault = _Vault(root)

    def seal(self) -> None:
        """Forget the vault's keys."""
        self._vault = None

    def new_data_key(self, product_id: int, epoch: int) -> DataKey:
        """A fresh random key for a product and epoch, wrapped. Stores nothing. Raises Sealed."""
        key = random(KEY_BYTES)
        return DataKey(product_id, epoch, _seal(self._unsealed.wrap, key, self._data_key_name(product_id, epoch)))

    def learn(self, keys: Iterable[DataKey]) -> None:
        """Unwrap data keys for use. Raises Tampered or Sealed."""
        vault = self._unsealed
        for k in keys:
            if (k.product_id, k.epoch) not in vault.data:
                name = self._data_key_name(k.product_id, k.epoch)
                vault.data[k.product_id, k.epoch] = _open(vault.wrap, k.wrapped, name)

    def renew(self, keys: Iterable[DataKey]) -> None:
        """Know every key that there is, and forget those that were destroyed. `keys` are all of the shop's.

        Raises Tampered or Sealed.
        """
        vault = self._unsealed
        self.learn(there := list(keys))
        newest: dict[int, int] = {}
        for k in there:
            newest[k.product_id] = max(k.epoch, newest.get(k.product_id, 0))
        kept = {(k.product_id, k.epoch) for k in there}
        # below the newest and not there: destroyed; above it: made after the caller looked
        for product_id, epoch in [k for k in list(vault.data) if k not in kept and k[1] < newest.get(k[0], 0)]:
            vault.data.pop((product_id, epoch), None)

    def knows(self, product_id: int, epoch: int) -> bool:
        """Whether the data key was learnt. Raises Sealed."""
        return (product_id, epoch) in self._unsealed.data

    def seal_code(self, text: str, *, product_id: int, epoch: int, code_id: int) -> bytes:
        """A code as it may be stored: bound to its row, product, epoch and shop.

        Raises Sealed; OldEpoch for a key that is not there.
        """
        key = self._unsealed.data.get((product_id, epoch))
        if key is None:
            raise OldEpoch
        return _seal(key, text.encode(), self._code_name(product_id, epoch, code_id))

    def open_code(self, sealed: bytes, *, product_id: int, epoch: int, code_id: int) -> str:
        """The code. Only after its audit row is committed. Raises Sealed; Tampered, for a key that is not there too."""
        name = self._code_name(product_id, epoch, code_id)
        key = self._unsealed.data.get((product_id, epoch))
        if key is None:
            raise Tampered(f"{_readable(name)}: no data key")
        return _open(key, sealed, name).decode()

    def fingerprint(self, normal: str, *, scope: bytes = b"") -> bytes:
        """32 bytes that are equal for equal normalised codes and tell nothing else. `scope` sets texts apart that may repeat.

        Raises Sealed.
        """
        return blake2b(_joined(self._shop, scope, normal.encode()), digest_size=32, key=self._unsealed.fingerprint).digest()

    def seal_in_vault(self, plain: bytes, *, name: str) -> bytes:
        """What only an unsealed shop may use, bound to its name: the private key that opens suppliers' batches. Raises Sealed."""
        return _seal(self._unsealed.secrets, plain, _joined(b"kashop/secret/v1", self._shop, name.encode()))

    def open_in_vault(self, sealed: bytes, *, name: str) -> bytes:
        """The inverse of `seal_in_vault`. Raises Tampered or Sealed."""
        return _open(self._unsealed.secrets, sealed, _joined(b"kashop/secret/v1", self._shop, name.encode()))

    def wrap_root(self, secret: bytes, *, method: str) -> bytes:
        """The root key wrapped for one more way to unseal. Raises Sealed."""
        return wrap_root(self._unsealed.root, secret, shop_id=self._shop.decode(), method=method)

    def wrap_service(self, secret: bytes) -> bytes:
        """The service keys wrapped under a key file."""
        return wrap_root(self._service, secret, shop_id=self._shop.decode(), method="service")

    def box_root(self, public_key: bytes) -> bytes:
        """The root key for the process whose door has that public key, and for nobody else. Raises Sealed."""
        return SealedBox(PublicKey(public_key)).encrypt(self._unsealed.root)

    def seal_settings(self, plain: bytes, *, name: str) -> bytes:
        """Secrets of a setting, a gateway account or a member of staff, bound to their name."""
        return _seal(self._service[:32], plain, _joined(b"kashop/setting/v1", self._shop, name.encode()))

    def open_settings(self, sealed: bytes, *, name: str) -> bytes:
        """The inverse of `seal_settings`. Raises Tampered."""
        return _open(self._service[:32], sealed, _joined(b"kashop/setting/v1", self._shop, name.encode()))

    def order_token(self, order_no: str) -> str:
        """The secret of an order's link: 192 bits, the same whenever asked, so that a replayed request gets the same answer."""
        mac = blake2b(_joined(self._shop, order_no.encode()), digest_size=24, key=self._service[64:]).digest()
        return _text(mac)

    def sign(self, purpose: str, text: str) -> str:
        """A MAC for what we hand to a browser and want back unchanged."""
        return _text(blake2b(_joined(purpose.encode(), text.encode()), digest_size=24, key=self._service[32:64]).digest())

    def is_signed(self, purpose: str, text: str, mac: str) -> bool:
        """Whether `mac` came from `sign`, in constant time."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), mac.encode())

    @property
    def _unsealed(self) -> "_Vault":
        vault = self._vault
        if vault is None:
            raise Sealed
        return vault

    def _data_key_name(self, product_id: int, epoch: int) -> bytes:
        return _joined(b"kashop/dek/v1", self._shop, b"%d" % product_id, b"%d" % epoch)

    def _code_name(self, product_id: int, epoch: int, code_id: int) -> bytes:
        return _joined(b"kashop/code/v1", self._shop, b"%d" % product_id, b"%d" % code_id, b"%d" % epoch)


class _Vault:
    """The keys that open codes. `data` is a cache of data keys, each written once and dropped when it is destroyed."""

    __slots__ = ("data", "fingerprint", "root", "secrets", "wrap")

    def __init__(self, root: bytes):
        self.root = root
        self.wrap = _derive(root, "wrap")
        self.fingerprint = _derive(root, "fingerprint")
        self.secrets = _derive(root, "vault secret")
        self.data: dict[tuple[int, int], bytes] = {}


def service_keys(root: bytes) -> bytes:
    """What serves a sealed shop: the keys of settings, cookies and order tokens, in a row. Nothing leads back to the root."""
    if len(root) != KEY_BYTES:
        raise ValueError("a root key has 32 bytes")
    return b"".join(_derive(root, purpose) for purpose in ("settings", "cookie", "order token"))


def wrap_root(root: bytes, secret: bytes, *, shop_id: str, method: str) -> bytes:
    """The root key, or for the method `service` the service keys, wrapped under an unseal secret of 32 bytes."""
    return _seal(_derive(secret, "kek"), root, _root_name(shop_id, method))


def unwrap_root(wrapped: bytes, secret: bytes, *, shop_id: str, method: str) -> bytes:
    """The inverse of `wrap_root`. Raises Tampered when the secret is another shop's or the blob was changed."""
    return _open(_derive(secret, "kek"), wrapped, _root_name(shop_id, method))


def _root_name(shop_id: str, method: str) -> bytes:
    return _joined(b"kashop/root/v1", shop_id.encode(), method.encode())


def _derive(key: bytes, purpose: str) -> bytes:
    person = f"kashop {purpose}".encode()[:16].ljust(16, b"\0")
    return blake2b(b"", digest_size=KEY_BYTES, key=key, person=person).digest()


def _seal(key: bytes, plain: bytes, name: bytes) -> bytes:
    nonce = random(_NONCE)
    return VERSION + nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plain, name, nonce, key)


def _open(key: bytes, blob: bytes, name: bytes) -> bytes:
    if blob[:1] != VERSION or len(blob) < 1 + _NONCE + _TAG:
        raise Tampered(_readable(name))
    nonce, sealed = blob[1 : 1 + _NONCE], blob[1 + _NONCE :]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, name, nonce, key)
    except nacl.exceptions.CryptoError:
        raise Tampered(_readable(name)) from None


def _joined(*parts: bytes) -> bytes:
    return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def _readable(name: bytes) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name.decode("ascii", "replace")).split())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
