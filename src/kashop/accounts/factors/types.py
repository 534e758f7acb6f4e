"""The factors' rows."""

import msgspec


class Seed(msgspec.Struct, frozen=True):
    """An enrolled seed, sealed. `last_step` is the step of the code used last."""

    staff_id: int
    sealed: bytes
    last_step: int
    failures: int
    locked_until: int
    created_at: int

    def __repr__(self) -> str:
        return f"<Seed of staff {self.staff_id}>"


class Alert(msgspec.Struct, frozen=True):
    """Something strange about an account's log-ins; `kind` is new_place, failures or codes."""

    alert_id: int
    staff_id: int
    email: str
    kind: str
    ip: str
    user_agent: str
    created_at: int


class Tried(msgspec.Struct, frozen=True):
    """What became of a code: it is right, or the account now waits until `locked_until`; 0 when it may try again."""

    is_right: bool
    locked_until: int = 0
    is_newly_locked: bool = False
