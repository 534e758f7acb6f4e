"""What `codes import` and `product import` say of a stock file. Never a code."""

import os
from pathlib import Path
from typing import Any

from kashop.flows.restock import Report


def name_of(path: Path) -> str:
    """A file's name as the shop may keep it, whatever bytes the disk has for it."""
    return os.fsencode(path.name).decode("utf-8", "replace")[:200]


def told(report: Report) -> dict[str, Any]:
    """A report for a script: the shape without its samples."""
    shape = report.shape
    assert shape is not None
    values = {name: getattr(report, name) for name in report.__struct_fields__ if name not in ("shape", "samples")}
    return {
        **values,
        "rejects": [{"row": r.row, "reason": r.reason} for r in report.rejects],
        "shape": {
            "format": shape.format,
            "encoding": shape.encoding,
            "separator": shape.separator,
            "columns": list(shape.columns),
            "joiner": shape.joiner if len(shape.columns) > 1 else None,
            "ignored": list(shape.ignored),
            "cost_column": shape.cost_column,
            "expiry_column": shape.expiry_column,
            "sheet": shape.sheet,
        },
    }
