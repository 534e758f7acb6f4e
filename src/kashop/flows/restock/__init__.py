"""Stock comes in: read files, seal every code off the writer's thread, put it on the shelf in chunks.

Always true: no code in the clear outlives its chunk, and none is ever on disk; a code that the shop has ever held is never added
again; each chunk is whole and under one epoch, so that an import which dies leaves a batch that says so, and the same file adds
exactly the rest (docs/decisions/0005).

`import_codes(shop, Source(…), actor)` for files, `import_rows(shop, Lot(…), codes, actor, name=…, digest=…)` for codes that are
already in memory. Both take a `Progress` that another task may watch and cancel.
"""

import io
from typing import BinaryIO

from kashop.flows.restock.batches import edit, stop, undo
from kashop.flows.restock.notes import mask
from kashop.flows.restock.run import Cancelled
from kashop.flows.restock.types import POLICIES, REFUSE, SKIP, Lot, Progress, Reject, Report, Sample, Source, StockFile
from kashop.flows.restock.verbs import checked, import_codes, import_rows, inspect, refuse_sealed

__all__ = [
    "POLICIES",
    "REFUSE",
    "SKIP",
    "Cancelled",
    "Lot",
    "Progress",
    "Reject",
    "Report",
    "Sample",
    "Source",
    "StockFile",
    "checked",
    "edit",
    "from_text",
    "import_codes",
    "import_rows",
    "inspect",
    "mask",
    "refuse_sealed",
    "stop",
    "undo",
]


def from_text(text: str) -> BinaryIO:
    """Pasted codes as a file."""
    return io.BytesIO(text.encode())
