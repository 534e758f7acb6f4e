"""The rows of jobs that more than one module speaks of."""

import msgspec


class Node(msgspec.Struct, frozen=True):
    """One server of several. `newest` is the newest migration that its program knows, `does` is web, jobs or both."""

    node: str
    name: str
    version: str
    newest: str
    does: str
    url: str
    started_at: int
    seen_at: int = 0
    is_leaving: bool = False
