"""报表: looks across all rooms. Today: the invariants of `kashop check` (docs: promises, "Invariants").

Always true: this room changes nothing; a look says what is wrong by names and numbers, never with a code, a key or a contact.
"""

from kashop.analytics.invariants import INVARIANTS, Invariant
from kashop.analytics.types import Witness

__all__ = ["INVARIANTS", "Invariant", "Witness"]
