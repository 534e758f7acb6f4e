"""Who does something: named in every event."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is buyer, staff, supplier, system, gateway or cli; `ref` names which one; `ip` is the socket's or a proxy's word."""

    kind: str
    ref: str = ""
    ip: str = ""
    session: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref}" if self.ref else self.kind


SYSTEM = Actor("system")
CLI = Actor("cli")
