"""风控: limits on what one client may try.

Always true: a limit counts one scope for one subject and nobody else's; being over it never costs the shop more than a look
in memory.
"""

from kashop.risk.limits import Limits, one_client
from kashop.risk.scopes import SCOPES

__all__ = ["SCOPES", "Limits", "one_client"]
