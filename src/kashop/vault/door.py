"""Where a running server is handed the root key: a key pair of its own, made at its start; the private half is never stored."""

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox


class Door:
    """One process's door. A letter that was written to it is worthless once the process has ended."""

    def __init__(self) -> None:
        self.door_id = 0
        self._key = PrivateKey.generate()

    def __repr__(self) -> str:
        return f"<Door {self.door_id}>"

    @property
    def public_key(self) -> bytes:
        """What others box the root key for."""
        return bytes(self._key.public_key)

    def open(self, box: bytes) -> bytes | None:
        """The root key out of a letter; None when it was written to another door."""
        try:
            return SealedBox(self._key).decrypt(box)
        except CryptoError:
            return None
