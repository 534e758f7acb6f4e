"""Text files of every kind: tables mapped or asked about, broken files and other things refused whole."""

import codecs
import io
import json
import tempfile

import pytest

from kashop.inventory import stockfile
from kashop.inventory.stockfile import Rules
from kashop.lib.errors import Invalid
from tests.inventory.stock_reading import good, read, refused


@pytest.mark.parametrize("data", [b"", b"\n\n  \r\n\t\n", codecs.BOM_UTF8, b"\xff\xfe", b"\xef\xbb\xbf\n \n", b",,\n,\n"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_e08_nothing_in_the_file(data: bytes, name: str):
    if data.startswith(b",") and name == "a.txt":
        return
    assert "empty" in refused(data, name) or "blanks" in refused(data, name)


def test_e08_a_line_of_ten_megabytes():
    assert refused(b"A" * 10_000_000) == "Row 1 is longer than 262144 characters."
    assert "Row 3 " in refused(b"code,pin\n1,2\n" + b"A" * 10_000_000, "a.csv")


def test_e08_a_hundred_thousand_columns():
    wide = b"code" + b",x" * 100_000 + b"\n" + b"1" + b",2" * 100_000 + b"\n"
    assert "more than 256 columns" in refused(wide, "a.csv")
    rows = read(wide, "a.txt", format="txt")
    assert [row.problem for row in rows] == ["too_long", "too_long"]


@pytest.mark.parametrize("rows_before", [0, 3, 500])
@pytest.mark.parametrize("rows_after", [0, 3, 50_000])
def test_e08_an_unclosed_quote(rows_before: int, rows_after: int):
    data = b"code,pin\n" + b"A,1\n" * rows_before + b'"B,2\n' + b"C,3\n" * rows_after
    assert refused(data, "a.csv") == f"Row {rows_before + 2}: a quote is opened and never closed."


def test_e08_text_behind_a_quote_is_not_swallowed():
    assert refused(b'code,pin\nA,1\n"B"x,2\n', "a.csv").startswith("Row 3: text stands behind a closing quote")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_e09_separators_with_quotes_and_line_ends_inside(separator: str):
    text = f'密码{separator}卡号\r\n"p""1{separator}x\r\ny"{separator}0001\r\n\r\np2{separator}0002\r\n'
    rows = read(text.encode("gb18030"), "a.bin")
    assert [(row.number, row.code) for row in rows] == [
        (2, f'0001----p"1{separator}x\r\ny'),
        (5, "0002----p2"),
    ]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("卡号,密码", ("卡号", "密码")),
        ("密码,卡号", ("卡号", "密码")),
        ("卡号,卡密", ("卡号", "卡密")),
        ("pin,code", ("code", "pin")),
        ("Card No.,PIN Code", ("Card No.", "PIN Code")),
        ("account,password,note", ("account", "password")),
        ("账号（必填）,密码(必填),邮箱密码", ("账号（必填）", "密码(必填)", "邮箱密码")),
        ("foo,卡密,bar", ("卡密",)),
        ("Key,Region,Cost", ("Key",)),
        ("卡号,面值", ("卡号",)),
    ],
)
def test_e09_headers_that_are_known(header: str, columns: tuple[str, ...]):
    shape = stockfile.inspect(f"{header}\na,b,c\nd,e,f\n".encode(), "a.csv", Rules())
    assert (shape.question, shape.columns) == (None, columns)


@pytest.mark.parametrize(
    "header",
    [
        "code,key",
        "账号,邮箱,密码",
        "ip,账号,密码",
        "server,password",
        "account,foo",
        "cost,note,foo",
        "账号,cdk,兑换码",
    ],
)
def test_e09_headers_that_are_not_clear_are_asked_about(header: str):
    message = refused(f"{header}\na,b,c\n".encode(), "a.csv", field="columns")
    assert all(name in message for name in header.split(","))


def test_e09_no_header_is_asked_about_without_telling_codes():
    data = b"AAAA-1,zzz\nBBBB-2,yyy\n"
    message = refused(data, "a.csv", field="columns")
    assert "2 columns" in message
    assert "AAAA" not in message
    assert "zzz" not in message
    assert good(data, "a.csv", columns=(2, 1), joiner=" ") == ["zzz AAAA-1", "yyy BBBB-2"]
    assert good(data, "a.csv", columns=("2",)) == ["zzz", "yyy"]
    assert good(data, "a.txt") == ["AAAA-1,zzz", "BBBB-2,yyy"]
    assert good(data, "a.txt", columns=(1,)) == ["AAAA-1", "BBBB-2"]


def test_e09_columns_by_the_merchants_own_names():
    data = b"serial thing;foo;EK\nA;1;9.90\nB;2;8\n"
    rows = read(data, "a.txt", columns=("foo", "serial thing"), joiner=":", cost_column="EK")
    assert [(row.code, row.cost) for row in rows] == [("1:A", "9.90"), ("2:B", "8")]
    assert "serial thing, foo, EK" in refused(data, "a.csv", field="columns", columns=("nope",), header=True)
    assert "EK" in refused(data, "a.csv", field="cost_column", columns=(1,), cost_column="nope", header=True)
    assert refused(data, "a.csv", field="columns", columns=(4,), header=True)
    assert refused(data, "a.csv", field="columns", columns=(0,), header=True)
    assert "number" in refused(b"a,a\n1,2\n", "a.csv", field="columns", columns=("a",))


def test_e09_rows_that_do_not_fit_the_header():
    rows = read(
        "卡号,密码,成本,有效期\n1,a,5,2027-01-31\n2\n3,b,5,2027-01-31,x\n,,5,\n4,,5,\n5,c,1.2.3,\n6,d,5,soon\n".encode(),
        "a.csv",
    )
    assert [(row.number, row.problem) for row in rows] == [
        (2, None), (3, "missing_column"), (4, "extra_column"), (5, "empty"),
        (6, "missing_column"), (7, "bad_cost"), (8, "bad_expiry"),
    ]  # fmt: skip


def test_e09_whether_the_first_row_is_a_header_can_be_said():
    assert good(b"code\nA\nB\n", "a.txt") == ["A", "B"]
    assert good("账号----密码----备注\nA----1----x\n".encode(), "a.txt") == ["A----1----x"]
    assert good(b"code\nA\n", "a.txt", header=False) == ["code", "A"]
    assert good(b"thing\nA\n", "a.csv", header=True) == ["A"]
    assert good(b"thing\nA\n", "a.csv") == ["thing", "A"]


@pytest.mark.parametrize("separator", ["\t", "tab", "\\t"])
def test_e09_a_separator_by_name(separator: str):
    assert good(b"A\tB\n", columns=(1, 2), joiner="+", separator=separator) == ["A+B"]


FORMULAS = [
    '=HYPERLINK("http://x.example","y")',
    "+49-1",
    "-1",
    "@SUM(A1)",
    "=1+1",
    "'=x",
    '"quoted"',
    "a,b",
    " lead",
    "0007",
]


def test_e10_formulas_are_text():
    table = io.StringIO()
    stock = [code for code in FORMULAS if code.strip()]
    table.write("code,note\n" + "".join('"{}",n\n'.format(code.replace('"', '""')) for code in stock))
    rows = read(table.getvalue().encode(), "a.csv")
    assert [row.code for row in rows] == stock
    assert [row.code for row in rows if row.warning == "outer_space"] == [" lead"]
    lines = [code for code in stock if code == code.strip()]
    assert good("\n".join(lines).encode(), "a.txt") == lines


@pytest.mark.parametrize(
    "data",
    [
        b"MZ\x90\x00\x03\x00\x00\x00\x04" + bytes(200),
        b"\x7fELF\x02\x01\x01" + bytes(100),
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\x1f\x8b\x08\x00" + bytes(50),
        b"Rar!\x1a\x07\x01\x00",
        b"7z\xbc\xaf\x27\x1c",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
        b"SQLite format 3\x00" + bytes(80),
        b"<!DOCTYPE html><table><tr><td>code</td></tr></table>",
        b"\xef\xbb\xbf\r\n <HTML><body>x",
        "<html><td>卡密</td>".encode("utf-16"),
        b"<?xml version='1.0'?><Workbook/>",
        b"\x01\x02\x03\x04\x05\x06\x07",
        b"\xff\xfe\x00\x00A\x00\x00\x00",
        b'[{"code":"A"},{"code":"B"}]',
        b'[\n{"code":"A"},\n{"code":"B"}\n]\n',
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.xlsx"])
def test_e11_what_is_no_text_is_refused(data: bytes, name: str):
    assert refused(data, name)


def test_e11_a_code_may_begin_like_a_program():
    assert good(b"MZ7Q-1111\nPK22-3333\nBM\n%PD\n") == ["MZ7Q-1111", "PK22-3333", "BM", "%PD"]


def test_e11_an_asked_format_must_be_one():
    assert "jsonl" in refused(b"A\n", field="format", format="exe")
    assert refused(b"A\n", field="format", format="xlsx")


def test_json_lines():
    lines = [
        json.dumps({"code": "a\r\nb\t=1\n", "expires": "2027/1/5", "cost": 5}),
        "",
        '{"code": 0.10000000000000000000001, "note": "x"}',
        '{"code": 12345678901234567890123, "sku": "s"}',
        '{"code": "broken"',
        '{"code": "A", "code": "B"}',
        '{"nocode": 1}',
        '{"code": null}',
        '{"code": ["A"]}',
        '{"code": true}',
        '{"code": "\\ud800"}',
        '{"code": ""}',
        '["A"]',
        "[" * 100_000,
        '{"code": "\\u0000"}',
        '{"code": "last"}',
    ]
    rows = read("\n".join(lines).encode(), "a.jsonl")
    assert [(row.number, row.code) for row in rows if not row.problem] == [
        (1, "a\r\nb\t=1\n"), (3, "0.10000000000000000000001"), (4, "12345678901234567890123"), (16, "last"),
    ]  # fmt: skip
    assert (rows[0].cost, rows[0].expires, rows[1].note) == ("5", "2027-01-05", "x")
    assert [(row.number, row.problem) for row in rows if row.problem] == [
        (5, "bad_json"), (6, "bad_json"), (7, "missing_column"),
        (8, "missing_column"), (9, "not_text"), (10, "not_text"), (11, "bad_unicode"),
        (12, "empty"), (13, "bad_json"), (14, "bad_json"), (15, "control_character"),
    ]  # fmt: skip


def test_json_configurations_are_asked_about_or_taken_whole():
    data = b'{"v":"2","ps":"n1","add":"h.example"}\n{"v":"2","ps":"n2","add":"i.example"}\n'
    assert "v, ps, add" in refused(data, field="columns")
    assert good(data, format="txt") == data.decode().split()


@pytest.mark.parametrize(
    ("text", "cost", "problem"),
    [("5", "5", None), ("¥ 1,234.50", "1234.50", None),
     ("95.2元", "95.2", None), ("", None, None), ("-1", "-1", "bad_cost"),

     ("1e3", "1e3", "bad_cost"), ("NaN", "NaN", "bad_cost"), ("47,50", "47,50", "bad_cost"),
        ("٣", "٣", "bad_cost")],
)  # fmt: skip
def test_costs(text: str, cost: str | None, problem: str | None):
    (row,) = read(f"code;cost\nA;{text}\n".encode(), "a.csv")
    assert (row.cost, row.problem) == (cost, problem)


@pytest.mark.parametrize(
    ("text", "expires", "problem"),
    [("2027-01-31", "2027-01-31", None), ("2027/1/5", "2027-01-05", None),
     ("2027年1月31日", "2027-01-31", None),
     ("20270131", "2027-01-31", None),
     ("2027-01-31 23:59", "2027-01-31T23:59:00", None),
     ("2027-01-31T23:59:59Z", "2027-01-31T23:59:59+00:00", None), ("永久", None, None),
     ("", None, None), ("2027-02-30", "2027-02-30", "bad_expiry"),
     ("31.01.2027", "31.01.2027", "bad_expiry"),
     ("2027-01-31 25:00", "2027-01-31 25:00", "bad_expiry")],
)  # fmt: skip
def test_expiry_dates(text: str, expires: str | None, problem: str | None):
    (row,) = read(f"code;expires\nA;{text}\n".encode(), "a.csv")
    assert (row.expires, row.problem) == (expires, problem)


def test_a_file_object_stays_open_and_can_be_read_again():
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        file.write("卡号,密码\n1,2\n".encode("gb18030"))
        rules = Rules()
        for _ in range(2):
            assert stockfile.inspect(file, "a.csv", rules).columns == ("卡号", "密码")
            assert [row.code for row in stockfile.rows(file, "a.csv", rules)] == ["1----2"]
        half_read = stockfile.rows(file, "a.csv", rules)
        next(half_read)
        del half_read
        assert file.seek(0) == 0


def test_no_refusal_carries_a_code_in_its_cause():
    secret = "TOPSECRET-1234"
    for data, name in [
        (f"{secret}\n".encode() + b"\xff\n", "a.txt"),
        (f'code,pin\n"{secret}\n'.encode(), "a.csv"),
        (f"{secret},x\n".encode(), "a.csv"),
    ]:
        with pytest.raises(Invalid) as caught:
            list(stockfile.rows(data, name, Rules()))
        error: BaseException | None = caught.value
        while error is not None:
            assert secret not in repr(error.__dict__) + str(error) + repr(error.args)
            assert not isinstance(error, UnicodeError)
            error = error.__cause__ or error.__context__
