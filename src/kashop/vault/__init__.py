"""保险库: the keys, and what is sealed under them.

Sealed, unsealed: a sealed vault sells, takes money and queues deliveries; no code can be opened until somebody unseals it.

Always true: no key and no code is ever stored, logged or put in an exception in the clear; every blob begins with a version
byte and opens only in its own row, product, epoch and shop.
"""

from kashop.vault.keyring import Keyring, Sealed, Tampered
from kashop.vault.types import DataKey, OldEpoch, RootCopy

__all__ = ["DataKey", "Keyring", "OldEpoch", "RootCopy", "Sealed", "Tampered"]
