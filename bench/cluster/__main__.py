"""`python -m bench.cluster [--minutes 10]`: a cluster to try things out on by hand, gone when the time is over or at Ctrl-C."""

import argparse
import contextlib
import sys
import time

from bench.cluster.cluster import cluster
from bench.cluster.machine import missing


def main() -> int:
    """Make one, say where everything is, and wait."""
    arguments = argparse.ArgumentParser(prog="python -m bench.cluster", description="Three machines with Patroni, for a while.")
    arguments.add_argument("--minutes", type=float, default=10)
    given = arguments.parse_args()
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    with cluster() as made, contextlib.suppress(KeyboardInterrupt):
        print(f"leader: {made.leader()}\nby HAProxy: {made.by_proxy}\nby hosts:   {made.by_hosts}\nfiles:      {made.folder}")
        for name, machine in made.machines.items():
            print(f"{name}: {' '.join(machine.inside)} patronictl -c {machine.folder / 'patroni.yml.made'} list")
        time.sleep(given.minutes * 60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
