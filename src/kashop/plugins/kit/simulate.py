"""`python -m kashop.plugins.kit.simulate NAME [--port N]`: serve one simulated vendor on loopback until interrupted.

Prints its address and the options of an account that works with it. `/simulate` is its page for people.
"""

import argparse
import contextlib
import json
import sys
import threading

from kashop.plugins.kit.simulators import simulators


def main() -> None:
    """Serve."""
    known = simulators()
    arguments = argparse.ArgumentParser(prog="python -m kashop.plugins.kit.simulate", description="A simulated payment vendor.")
    arguments.add_argument("name", choices=sorted(known))
    arguments.add_argument("--port", type=int, default=0, help="0 draws one")
    given = arguments.parse_args()
    with known[given.name](port=given.port) as vendor:
        about = json.dumps({"type": vendor.gateway_type, "options": vendor.options()}, ensure_ascii=False)
        sys.stdout.write(f"{vendor.url}simulate\n{about}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
