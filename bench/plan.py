"""How much is measured: the whole bench within ten minutes on two cores, and a short one for development and CI."""

import os
from dataclasses import dataclass

GOALS = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sizes of one run."""

    rounds: int = 5
    seconds: float = 1.2
    """What one drive of one server is to take."""
    most: int = 5000
    """Requests of one drive, at most."""
    order_connections: tuple[int, ...] = (100, 500, 1000)
    callback_connections: tuple[int, ...] = (16, 100)
    connections: int = 100
    """For everything else."""
    crowd: int = 10_000
    stocks: tuple[int, ...] = (10_000, 1_000)
    crowd_rounds: int = 5
    crowd_seconds: float = 200
    """No further round of crowds begins that would end later than this."""
    quiet_seconds: float = 2
    """Before each crowd the probes see the shop at rest for so long."""
    imported: int = 60_000
    import_rounds: int = 5
    starts: int = 5
    """None: the shop of the crowds alone tells of its start and its memory."""
    large_orders: int = 200_000
    """Of the larger shop of P7; 0 leaves P7 out. `python -m bench.scale` does the five million."""

    def told(self) -> dict[str, object]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


WHOLE = Plan()
QUICK = Plan(
    rounds=2,
    seconds=0.4,
    most=1000,
    order_connections=(100,),
    callback_connections=(100,),
    crowd=300,
    stocks=(300, 30),
    crowd_rounds=1,
    quiet_seconds=0.7,
    imported=3_000,
    import_rounds=1,
    starts=0,
    large_orders=0,
)


@dataclass(frozen=True)
class Pins:
    """Which cores the servers and the client run on; none: the machine chooses."""

    server: tuple[int, ...] = ()
    client: tuple[int, ...] = ()

    @classmethod
    def apart(cls) -> "Pins":
        """The client on the last core, the servers on the others. Raises OSError on a machine with one core."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise OSError("a client can be kept apart from the server on two cores or more")
        return cls(tuple(cores[:-1]), (cores[-1],))

    def take(self) -> None:
        """Put this process, the client, where it belongs."""
        if self.client:
            os.sched_setaffinity(0, self.client)
