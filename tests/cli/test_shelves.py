"""Products, categories, price lists and codes: as a merchant fills the shelves, and as he gets it wrong."""

import io
import json
from pathlib import Path

import pytest

from tests import beside
from tests.cast import config
from tests.cli.conftest import Terminal


def rows(data: Path) -> dict[str, int]:
    """How many rows every table has."""
    return beside.row_counts(config(data).place)


def test_a_product_from_nothing_to_a_shelf_of_codes(terminal: Terminal) -> None:
    terminal.good("category", "add", "--slug", "games", "--name", "游戏点卡")
    terminal.good("category", "add", "--slug", "steam", "--name", "Steam", "--parent", "games")
    terminal.good(
        *("product", "add", "--slug", "steam-50", "--name", "Steam 充值码 50 元", "--price", "52.80", "--cost", "49"),
        *("--tiers", "10=51.9;50=51.5", "--category", "steam", "--min", "1", "--max", "200", "--hold-minutes", "20"),
        *(
            "--field",
            "account=账号",
            "--field",
            json.dumps({"name": "zone", "label": "区", "kind": "select", "choices": ["一", "二"]}),
        ),
    )
    (sku,) = terminal.json("product", "list")
    assert (sku["slug"], sku["category"], sku["price"], sku["max"]) == (
        "steam-50",
        "steam",
        {"amount": "52.80", "currency": "CNY"},
        200,
    )
    assert [t["from"] for t in sku["tiers"]] == [10, 50]
    stdin = "AAAA-1\nAAAA-2\nAAAA-1\n\n"
    dry = terminal.json("codes", "import", "-", "--product", "steam-50", "--dry-run", stdin=stdin)
    assert (dry["new"], dry["duplicate_in_file"], dry["is_dry_run"]) == (2, 1, True)
    assert terminal.json("codes", "count") == []
    done = terminal.json("codes", "import", "-", "--product", "steam-50", "--batch", "十一月", "--cost", "48.5", stdin=stdin)
    assert (done["new"], done["rejects"]) == (2, [{"row": 3, "reason": "duplicate_in_file"}])
    again = terminal.good("codes", "import", "-", "--product", "steam-50", stdin=stdin)
    assert "3 rows: 0 added to steam-50, 1 duplicate in the file, 2 already known, 0 bad." in again
    assert "AAAA" not in again
    (count,) = terminal.json("codes", "count")
    assert "There is no product nowhere" in terminal.refused("codes", "count", "--product", "nowhere")
    assert (count["free"], count["pool"]) == (2, "default")
    assert {b["name"]: b["cost"]["amount"] for b in terminal.json("codes", "batches")} == {"十一月": "48.50", "stdin": "49.00"}
    assert "游戏点卡" in terminal.good("category", "list")


def test_what_is_not_given_stays_when_a_product_is_edited(terminal: Terminal) -> None:
    terminal.good("product", "add", "--slug", "a", "--name", "甲", "--price", "10", "--tiers", "5=9", "--summary", "一句话")
    terminal.good("product", "edit", "a", "--price", "11.5", "--hidden")
    (sku,) = terminal.json("product", "list")
    assert (sku["name"], sku["price"]["amount"], sku["tiers"][0]["price"]["amount"], sku["is_hidden"]) == (
        "甲",
        "11.50",
        "9.00",
        True,
    )
    terminal.good("product", "add-sku", "a", "--sku", "a-year", "--name", "一年", "--price", "98")
    assert "Name one of the product's SKUs" in terminal.refused("product", "edit", "a", "--price", "1")
    terminal.good("product", "edit", "a", "--sku", "a-year", "--price", "88", "--shown")
    assert {s["sku"]: s["price"]["amount"] for s in terminal.json("product", "list")} == {"a": "11.50", "a-year": "88.00"}
    assert terminal.run("product", "edit", "a").exit_code == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--slug", "UPPER"), "slug"),
        (("--slug", "../etc"), "slug"),
        (("--slug", "taken"), "slug: This is already in use."),
        (("--name", ""), "name"),
        (("--name", "x\x1b[2Jy"), "name: Control characters"),
        (("--price", "1e3"), "price: Not an amount"),
        (("--price", "-1"), "price: Not an amount"),
        (("--price", "１２"), "price: Not an amount"),
        (("--price", "1.999"), "price: CNY has 2 decimal places at most."),
        (("--price", "9" * 30), "price"),
        (("--price", "0"), "price: A price of 0 needs the free mark."),
        (("--cost", "x"), "cost"),
        (("--tiers", "5"), "tiers"),
        (("--tiers", "5=1;5=2"), "tiers: Two tiers begin at the same quantity."),
        (("--min", "0"), "min_quantity"),
        (("--min", "9", "--max", "2"), "min_quantity"),
        (("--max", "9" * 30), "max_quantity"),
        (("--hold-minutes", "0"), "hold_minutes"),
        (("--position", "9" * 30), "position"),
        (("--category", "nowhere"), "There is no category nowhere"),
        (("--field", "Bad Name=x"), "fields"),
        (("--field", "{"), "field"),
        (("--description", "@nowhere.md"), "nowhere.md: No such file or directory"),
    ],
)
def test_a_wrong_product_is_refused_by_field_and_stores_nothing(terminal: Terminal, args: tuple[str, ...], said: str) -> None:
    terminal.good("product", "add", "--slug", "taken", "--name", "n", "--price", "1")
    before = rows(terminal.data)
    line = terminal.refused("product", "add", *with_defaults(args, slug="s", name="n", price="1"))
    assert said in line
    assert rows(terminal.data) == before


def with_defaults(args: tuple[str, ...], **defaults: str) -> list[str]:
    missing = [part for k, v in defaults.items() if f"--{k}" not in args for part in (f"--{k}", v)]
    return [*missing, *args]


def test_all_seven_products_of_the_list_with_their_stock(terminal: Terminal, samples: Path) -> None:
    told = terminal.json("product", "import", samples / "products.csv", "--with-stock")
    new = {p["slug"]: p["stock"] and p["stock"]["new"] for p in told["products"]}
    assert new == {
        "steam-50": 997,
        "video-month": 500,
        "game-100": 2000,
        "gift-card": 300,
        "licence-pro": 400,
        "node-month": 120,
        "qq-topup": None,
    }
    before = rows(terminal.data)
    again = terminal.json("product", "import", samples / "products.csv", "--with-stock")
    assert {p["result"] for p in again["products"]} == {"kept"}
    assert sum(p["stock"]["new"] for p in again["products"] if p["stock"]) == 0
    after = rows(terminal.data)
    assert after["codes"] == before["codes"] == 4317
    assert terminal.run("check", "--all").exit_code == 0


def test_no_code_of_the_samples_is_ever_printed(terminal: Terminal, samples: Path) -> None:
    terminal.good("product", "import", samples / "products.csv")
    codes = [c for c in (samples / "steam-keys.txt").read_text(encoding="utf-8").split() if c]
    said = ""
    for dry in (["--dry-run"], []):
        said += terminal.run("codes", "import", samples / "steam-keys.txt", "--product", "steam-50", *dry).output
        said += terminal.run("codes", "import", samples / "steam-keys.txt", "--product", "steam-50", "--json", *dry).output
    said += terminal.run("codes", "batches").output + terminal.run("check", "--all").output
    assert not [c for c in codes if c in said]


def test_a_list_saved_by_a_spreadsheet_in_gbk_with_chinese_columns(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "商品.csv"
    path.write_text("标识,名称,分类,价格,发货\na,甲,点卡,1.50,自动\nb,乙,点卡,2,人工\n", encoding="gbk")
    assert [p["result"] for p in terminal.json("product", "import", path)["products"]] == ["added", "added"]
    assert {s["slug"]: (s["category"], s["delivery"]) for s in terminal.json("product", "list")} == {
        "a": ("category-1", "auto"),
        "b": ("category-1", "manual"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The file"),
        ("slug,name\na,b\n", "missing: price"),
        ("slug,name,price\n", "The file has no rows."),
        (
            "slug,name,price\na,A,x\nb,B,1.234\n",
            "row 2, price: Not an amount: write digits and a point, such as 9.90.; row 3, price",
        ),
        ("slug,name,price\na,A,1\na,B,1\n", "row 3, slug: This slug stands on two rows."),
        ("slug,name,price\na,A, B,1\n", "row 2: There are more cells than columns"),
        ("slug,name,price,max\na,A,1,many\n", "row 2, max: Write a whole number."),
        ("slug,name,price,delivery\na,A,1,drone\n", "row 2, delivery: Choose auto or manual."),
        ("slug,name,price,stock_file\na,A,1,nowhere.txt\n", "row 2, stock_file: There is no file nowhere.txt beside the list."),
        ("slug,name,price,stock_file\na,A,1,empty.txt\n", "row 2: empty.txt: "),
        ("slug,name,price,delivery,stock_file\na,A,1,manual,empty.txt\n", "delivered by hand has no stock"),
        ('slug,name,price\na,"A,1\n', "a quote is opened and never closed"),
    ],
)
def test_a_wrong_list_is_refused_by_row_and_stores_nothing(terminal: Terminal, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    (tmp_path / "empty.txt").write_bytes(b"\n\n")
    before = rows(terminal.data)
    assert said in terminal.refused("product", "import", tmp_path / "list.csv", "--with-stock")
    assert rows(terminal.data) == before


@pytest.mark.parametrize(
    ("content", "args", "said"),
    [
        (b"", (), "The file"),
        (b"\x00\x01\x02\xff" * 50, (), "file"),
        (b"PK\x03\x04broken", (), "file"),
        (b"a\n", ("--product", "nowhere"), "There is no product nowhere."),
        (b"a\n", ("--product", "hand"), "delivered by hand"),
        (b"a\n", ("--sku", "nowhere"), "sku: Name one of the product's SKUs"),
        (b"a\n", ("--pool", "nowhere"), "pool: There is no pool nowhere."),
        (b"a\n", ("--cost", "cheap"), "cost: Not an amount"),
        (b"a,b\n1,2\n", ("--columns", "c,d"), "columns"),
        (b"\xb2\xe2\n", ("--encoding", "utf-8"), "row 1"),
    ],
)
def test_a_wrong_stock_file_is_refused_and_stores_nothing(
    terminal: Terminal, content: bytes, args: tuple[str, ...], said: str
) -> None:
    terminal.good("product", "add", "--slug", "p", "--name", "n", "--price", "1")
    terminal.good("product", "add", "--slug", "hand", "--name", "n", "--price", "1", "--delivery", "manual")
    before = rows(terminal.data)
    given = args if "--product" in args else ("--product", "p", *args)
    line = terminal.refused("codes", "import", "-", *given, stdin=io.BytesIO(content).read())
    assert said.lower() in line.lower()
    assert rows(terminal.data) == before


def test_a_stock_file_that_is_not_there(terminal: Terminal, tmp_path: Path) -> None:
    assert "nowhere.txt: No such file or directory" in terminal.refused("codes", "import", "nowhere.txt", "--product", "p")
    assert terminal.run("codes", "import", tmp_path, "--product", "p").exit_code == 2


def test_columns_are_chosen_and_joined(terminal: Terminal, tmp_path: Path) -> None:
    terminal.good("product", "add", "--slug", "p", "--name", "n", "--price", "1")
    path = tmp_path / "卡.csv"
    path.write_text("x,y,z\n1,0002,3\n4,0005,6\n", encoding="gbk")
    said = terminal.good("codes", "import", path, "--product", "p", "--columns", "y,z", "--join", r"\t", "--header")
    assert "code = y \t z" in said
    assert "2 rows: 2 added to p" in said
