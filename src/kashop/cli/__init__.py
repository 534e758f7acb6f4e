"""The command line: one file for each group of commands.

Always true: exit 0 means done, 1 refused or failed (one line on stderr says why and what to do), 2 wrong usage; `audit verify`
says 2 for a broken chain. No command prints a code, a key or a stored password. Asking for help imports neither shop nor web.
"""

import gc
import os


def main() -> None:
    """The entry point `kashop`."""
    os.umask(0o077)  # whatever a command writes is its user's alone
    gc.disable()  # until the command is loaded (root.py): what is imported stays, and is not looked through for rubbish
    from kashop.cli.root import kashop

    kashop(prog_name="kashop")
