"""The approvals' rows."""

import msgspec


class Approval(msgspec.Struct, frozen=True):
    """One request. `facts` is JSON; what it is about item by item is asked for apart."""

    approval_id: int
    kind: str
    status: str
    count: int
    value_minor: int
    facts: str
    reason: str
    asked_by: str
    asked_at: int
    expires_at: int
    decided_by: str | None
    decided_at: int | None
    note: str
    used_at: int | None

    def state(self, now: int) -> str:
        """What it is now: waiting, approved, refused, used, or expired."""
        return "expired" if self.status in ("waiting", "approved") and now >= self.expires_at else self.status
