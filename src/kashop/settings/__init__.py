"""设置: what the merchant may choose.

Always true: every setting is one row of SETTINGS with a type, a default and a help text; an unknown name or a value of
another type is refused; the stored value is JSON, of a secret its seal.
"""

from kashop.settings.table import SETTINGS, Settings
from kashop.settings.types import Setting

__all__ = ["SETTINGS", "Setting", "Settings"]
