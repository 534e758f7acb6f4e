"""Every sample of a merchant's file, read with no rules at all: how many codes, and which."""

import json
from collections import Counter
from pathlib import Path

import pytest

from kashop.inventory import stockfile
from kashop.inventory.stockfile import Row, Rules, Shape, fingerprint_text
from kashop.lib.errors import Invalid

SAMPLES = Path(__file__).parent.parent / "stock"


def read(name: str, rules: Rules | None = None) -> tuple[Shape, list[Row]]:
    data = (SAMPLES / name).read_bytes()
    return stockfile.inspect(data, name, rules or Rules()), list(stockfile.rows(data, name, rules or Rules()))


def codes(rows: list[Row]) -> list[str]:
    assert [row for row in rows if row.problem] == []
    return [row.code for row in rows]


def test_plain_keys_lose_only_their_outer_blanks():
    shape, rows = read("steam-keys.txt")
    assert (shape.format, shape.encoding, shape.separator, shape.question) == ("txt", "utf-8", None, None)
    found = codes(rows)
    assert len(found) == 1000
    assert len({fingerprint_text(code) for code in found}) == 997
    assert sum(times - 1 for times in Counter(found).values()) == 3
    assert found[0] == "BNT3Q-LX7QD-ZC88S-Q7R2D-37SRJ"
    assert (rows[1].number, rows[1].code) == (3, "D4X7T-B3RZL-L7288-ZN5XX-TF2JP")
    assert {row.warning for row in rows} == {None}


def test_account_lines_stay_one_code_and_keep_their_chinese():
    shape, rows = read("video-accounts-gbk.txt")
    assert (shape.format, shape.encoding) == ("txt", "gbk")
    found = codes(rows)
    assert len(found) == len(set(found)) == 500
    assert found[:2] == [
        "user39827@example.com----scbU9H9uRW----年卡",
        "user45408@example.com----46A%RVLfXr----影视会员月卡",
    ]


def test_account_lines_can_be_taken_apart():
    rules = Rules(separator="----", columns=(1, 2), note_column=3, joiner=" / ")
    _, rows = read("video-accounts-gbk.txt", rules)
    assert codes(rows)[0] == "user39827@example.com / scbU9H9uRW"
    assert rows[0].note == "年卡"
    _, again = read("video-accounts-gbk.txt", Rules(columns=("1", "2"), joiner=" / "))
    assert codes(again) == codes(rows)


def test_a_card_is_its_number_and_its_password():
    shape, rows = read("game-cards-gb18030.csv")
    assert (shape.format, shape.encoding, shape.separator) == ("csv", "gb18030", ",")
    assert shape.columns == ("卡号", "密码")
    assert (shape.cost_column, shape.expiry_column, shape.note_column) == ("成本", "有效期", "备注")
    assert shape.ignored == ("面值",)
    assert len(set(codes(rows))) == 2000
    first, third = rows[0], rows[2]
    assert (first.number, first.code) == (2, "7803196735811105----160444628106710284")
    assert (first.cost, first.expires, first.note) == ("190", "2027-12-24", None)
    assert third.note == "㐂"
    assert Counter(row.note for row in rows)["批次A, 已验"] > 100


def test_a_chosen_column_may_hold_what_only_gb18030_has():
    _, rows = read("game-cards-gb18030.csv", Rules(columns=("备注", "卡号"), joiner=" "))
    assert rows[2].code == "㐂 7983053472788712"
    assert rows[0].problem == "missing_column"


def test_leading_zeros_survive_in_utf16():
    shape, rows = read("gift-cards-utf16.txt")
    assert (shape.format, shape.encoding, shape.separator) == ("tsv", "utf-16-le", "\t")
    assert shape.columns == ("code", "pin")
    found = codes(rows)
    assert len(set(found)) == 300
    assert found[:2] == ["007019051181----5289", "003264381802----3764"]
    _, tabbed = read("gift-cards-utf16.txt", Rules(joiner="\t"))
    text = (SAMPLES / "gift-cards-utf16.txt").read_bytes().decode("utf-16")
    assert codes(tabbed) == text.split("\r\n")[1:-1]


def test_only_the_stock_sheet_is_read_and_formulas_are_text():
    shape, rows = read("licences.xlsx")
    assert (shape.format, shape.sheets, shape.sheet) == ("xlsx", ("许可证", "说明"), "许可证")
    assert (shape.columns, shape.note_column, shape.ignored) == (("License",), "Note", ("Seats",))
    found = codes(rows)
    assert len(set(found)) == 400
    assert found[0] == "GCPY-WKZD-NX69-7CUP"
    assert {code[0] for code in found} >= set("=@")
    assert "@SHKF-5D75-QL4V-7RLK" in found
    assert (rows[2].number, rows[2].note) == (4, "三端通用")


def test_another_sheet_only_when_asked_for():
    shape, rows = read("licences.xlsx", Rules(sheet="说明"))
    assert (shape.sheet, codes(rows)) == ("说明", ["第二页不是库存"])


def test_codes_of_several_lines_are_exact():
    shape, rows = read("vpn-configs.jsonl")
    assert (shape.format, shape.columns, shape.expiry_column) == ("jsonl", ("code",), "expires")
    lines = (SAMPLES / "vpn-configs.jsonl").read_text("utf-8").splitlines()
    assert codes(rows) == [json.loads(line)["code"] for line in lines]
    assert len(rows) == 120
    assert rows[0].code == "[peer]\nname=节点000\nkey=ABCEFX97-ABGQ2DQG-HQMGHW38\n"
    assert rows[0].expires == "2027-01-31"


def test_a_list_of_products_is_not_taken_for_stock():
    data = (SAMPLES / "products.csv").read_bytes()
    shape = stockfile.inspect(data, "products.csv", Rules())
    assert shape.question is not None
    assert shape.question.field == "columns"
    assert "slug, name" in shape.question.text()
    with pytest.raises(Invalid) as caught:
        stockfile.rows(data, "products.csv", Rules())
    assert caught.value.fields == (shape.question,)


@pytest.mark.parametrize("name", ["steam-keys.txt", "game-cards-gb18030.csv", "licences.xlsx", "vpn-configs.jsonl"])
def test_the_name_of_a_file_says_nothing_its_content_does_not(name: str):
    data = (SAMPLES / name).read_bytes()
    plain = list(stockfile.rows(data, name, Rules()))
    for other in ("stock.txt", "stock", "stock.bin"):
        assert list(stockfile.rows(data, other, Rules())) == plain


def test_no_repr_shows_a_code():
    shape, rows = read("steam-keys.txt")
    assert rows[0].code not in repr(rows[0])
    assert rows[0].code not in repr(shape)
    assert shape.first[0] == rows[0]
