"""Stock files through the panel: previewed masked, imported once, never in the clear."""

import html
import re
from pathlib import Path

import pytest

from kashop.inventory import reads as inventory
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, complaints
from tests.cast import TestClock, add_product

TOKEN = re.compile(r'action="/admin/codes/import/([^"]+)"')
STOCK = Path(__file__).parent.parent / "stock"
FILES = [p.name for p in sorted(STOCK.iterdir()) if p.name not in ("README.md", "products.csv")]


async def free(shop: Shop) -> int:
    return sum(c.free for c in await shop.db.read(inventory.counts))


async def preview(desk: Desk, name: str, data: bytes, **fields: object) -> tuple[str, str]:
    """The preview's text and token."""
    answer = await desk.post("/admin/codes/import", {"sku": "steam/steam", **fields}, files={"file": (name, data)})
    assert answer.status_code == 200, complaints(answer)
    return answer.text, TOKEN.findall(answer.text)[0]


def tiles(text: str) -> list[int]:
    return [int(n) for n in re.findall(r'class="tile[^>]*>.*?<b[^>]*>(\d+)</b>', text)]


@pytest.mark.parametrize("name", FILES)
async def test_every_sample_file_is_previewed_masked_and_imported(shop: Shop, owner: Desk, name: str) -> None:
    await add_product(shop, "steam")
    data = (STOCK / name).read_bytes()
    text, token = await preview(owner, name, data)
    new, in_stock, twice, bad = tiles(text)
    assert new > 0
    assert await free(shop) == 0
    done = await owner.post(f"/admin/codes/import/{token}", {"sku": "steam/steam", "do": "import"})
    assert done.status_code == 303
    assert await free(shop) == new
    page = await owner.get(done.headers["location"])
    assert tiles(page.text)[:3] == [new, in_stock + twice, bad]
    text, _ = await preview(owner, name, data)
    assert tiles(text)[:2] == [0, new]
    assert "There is nothing new in this file." in text


async def test_no_page_shows_a_code(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    codes = [f"CANARY-{n:04}-SECRET" for n in range(30)] + ["short1", "x"]
    pasted = "\n".join([*codes, codes[0], "bad\x07row"])
    answer = await owner.post("/admin/codes/import", {"sku": "steam/steam", "pasted": pasted})
    token = TOKEN.findall(answer.text)[0]
    again = await owner.post(f"/admin/codes/import/{token}", {"sku": "steam/steam", "do": "preview", "encoding": "gbk"})
    done = await owner.post(f"/admin/codes/import/{token}", {"sku": "steam/steam", "do": "import", "cost": "1.00"})
    pages = [answer, again, done]
    pages += [await owner.get(p) for p in (done.headers["location"], "/admin/codes", "/admin/stock", "/admin")]
    for page in pages:
        assert page.status_code < 400
        assert not [c for c in codes[:-1] if c in html.unescape(page.text)]
    assert tiles(answer.text) == [32, 0, 1, 1]
    assert "Has control characters" in pages[3].text
    stored = b"".join(p.read_bytes() for p in shop.config.data.rglob("*") if p.is_file())
    assert b"CANARY-0001" not in stored


async def test_a_file_that_cannot_be_read_alone_asks_for_its_columns(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    data = b"alpha,beta\nAAAA-1111,one\nBBBB-2222,two\n"
    text, token = await preview(owner, "odd.csv", data)
    assert "Columns that make up the code" in text
    assert 'value="import"' not in text
    chosen = {"sku": "steam/steam", "columns": ["alpha"], "header": "yes"}
    text = (await owner.post(f"/admin/codes/import/{token}", {**chosen, "do": "preview"})).text
    assert tiles(text)[0] == 2
    assert (await owner.post(f"/admin/codes/import/{token}", {**chosen, "do": "import"})).status_code == 303
    assert await free(shop) == 2


@pytest.mark.parametrize(
    ("fields", "content", "complaint"),
    [
        ({}, None, "Choose a file, or paste lines below."),
        ({"pasted": "A"}, b"B", "Choose a file or paste lines, not both."),
        ({"sku": "none/none"}, b"A\nB", "There is no product none."),
        ({"sku": ""}, b"A\nB", "Please fill in this field."),
        ({}, b"<html><body>hello</body></html>", None),
        ({}, b"MZ\x90\x00" + b"\x00" * 60, None),
        ({}, "好".encode() + b"\xff\xfe\xfd\n", None),
        ({"cost": "-1"}, b"A\nB", "Not an amount: write digits and a point, such as 9.90."),
    ],
)
async def test_what_cannot_be_imported_is_said_and_nothing_is_kept(
    shop: Shop, owner: Desk, fields: dict[str, str], content: bytes | None, complaint: str | None
) -> None:
    await add_product(shop, "steam")
    files = {"file": ("a.txt", content)} if content is not None else None
    answer = await owner.post("/admin/codes/import", {"sku": "steam/steam", **fields}, files=files)
    assert 400 <= answer.status_code < 500
    told = complaints(answer)
    assert told
    assert complaint is None or complaint in told, told
    assert await shop.db.read(inventory.batches) == []


async def test_a_file_belongs_to_its_session_and_is_forgotten(shop: Shop, app: Edge, owner: Desk, clock: TestClock) -> None:
    await add_product(shop, "steam")
    _, token = await preview(owner, "a.txt", b"AAAA\nBBBB\n")
    other = Desk(app)
    await other.log_in()
    sent = {"sku": "steam/steam", "do": "import"}
    assert (await other.post(f"/admin/codes/import/{token}", sent)).status_code == 404
    clock.pass_time(minutes=15)
    late = await owner.post(f"/admin/codes/import/{token}", sent)
    assert late.status_code == 404
    assert "nothing of it was imported" in late.text
    assert await free(shop) == 0


async def test_a_file_name_is_text_and_no_markup(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    name = "<img src=x onerror=alert(1)>.txt"
    _, token = await preview(owner, name, b"AAAA\n")
    done = await owner.post(f"/admin/codes/import/{token}", {"sku": "steam/steam", "do": "import"})
    for path in ("/admin/codes", done.headers["location"]):
        text = (await owner.get(path)).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


async def test_a_body_beyond_the_limit_is_refused(owner: Desk) -> None:
    answer = await owner.post("/admin/codes/import", {"sku": "steam/steam"}, files={"file": ("a.txt", b"x" * 33 * 1024 * 1024)})
    assert answer.status_code == 413


async def test_the_rules_that_were_found_stand_in_the_form(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    text, _ = await preview(owner, "cards.csv", (STOCK / "game-cards-gb18030.csv").read_bytes())
    assert 'name="joiner" type="text" value="----"' in text
    assert text.count("<th>密码</th>") == 1
    rows = re.findall(r'<td class="mono">([^<]+)</td>', text)
    assert len(rows) > 10
    assert not [cell for cell in rows if "•" not in cell]  # the header is no row, and no cell is shown whole
