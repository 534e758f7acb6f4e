"""Looks at servers on one database."""

import msgspec

from kashop.db import Reader


class Node(msgspec.Struct, frozen=True):
    """A server and what it says it holds, as JSON."""

    number: int
    name: str
    says: str


def alive(db: Reader) -> list[Node]:
    """Servers whose lease runs."""
    return db.all("SELECT number, name, says FROM node_numbers WHERE until > :now ORDER BY number", Node, now=db.now)


def free_number(db: Reader, *, below: int) -> int:
    """The least number that nobody has; with none left, the one whose lease ends first."""
    lapsed = db.value("SELECT MIN(number) FROM node_numbers WHERE until <= :now", now=db.now)
    if lapsed is not None:
        return int(lapsed)
    unused = int(db.value("SELECT COALESCE(MAX(number) + 1, 0) FROM node_numbers"))
    if unused < below:
        return unused
    return int(db.value("SELECT number FROM node_numbers ORDER BY until, number LIMIT 1"))
