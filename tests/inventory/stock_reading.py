"""How the tests read a stock file: all its rows, only good ones, or the refusal."""

import pytest

from kashop.inventory import stockfile
from kashop.inventory.stockfile import Row, Rules
from kashop.lib.errors import Invalid


def read(data: bytes, name: str = "stock.txt", **rules: object) -> list[Row]:
    return list(stockfile.rows(data, name, Rules(**rules)))  # type: ignore[arg-type]


def good(data: bytes, name: str = "stock.txt", **rules: object) -> list[str]:
    rows = read(data, name, **rules)
    assert [row for row in rows if row.problem] == []
    return [row.code for row in rows]


def refused(data: bytes, name: str = "stock.txt", field: str = "file", **rules: object) -> str:
    with pytest.raises(Invalid) as caught:
        read(data, name, **rules)
    assert [error.field for error in caught.value.fields] == [field]
    return caught.value.fields[0].text()
