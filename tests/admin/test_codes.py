"""Stock files through the panel: read as found out, previewed masked, imported once; never in the clear."""

import asyncio
import html
import re
from pathlib import Path

import pytest

from kashop.inventory import reads as inventory
from kashop.shop import Shop
from kashop.web.admin import wizards
from kashop.web.edge import Edge
from tests.admin.desk import Desk, complaints
from tests.admin.importing import begun, free, imported, kept_by, previewed, sent, tiles
from tests.cast import TestClock, add_product

STOCK = Path(__file__).parent.parent / "stock"
FILES = [p.name for p in sorted(STOCK.iterdir()) if p.name not in ("README.md", "products.csv")]


@pytest.mark.parametrize("name", FILES)
async def test_every_sample_file_is_previewed_masked_and_imported(shop: Shop, owner: Desk, name: str) -> None:
    await add_product(shop, "steam")
    data = (STOCK / name).read_bytes()
    here = await begun(owner, (name, data))
    rules = await owner.get(f"{here}/rules")
    shown = re.findall(r'<td class="mono">([^<]+)</td>', rules.text)
    assert shown
    assert not [cell for cell in shown if "•" not in cell]
    new, twice, in_stock, sold, bad = tiles(await previewed(owner, here))
    assert new > 0
    assert await free(shop) == 0
    page = await imported(owner, here)
    assert await free(shop) == new
    assert tiles(page)[:3] == [new, in_stock + sold + twice, bad]
    again = await previewed(owner, await begun(owner, (name, data)))
    assert tiles(again)[:3] == [0, twice, new]
    assert "There is nothing new in this file." in again.text
    assert "This very file was imported before:" in again.text


async def test_no_page_and_no_file_shows_a_code(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    codes = [f"CANARY-{n:04}-SECRET" for n in range(30)] + ["short1", "x"]
    pasted = "\n".join([*codes, codes[0], "bad\x07row"])
    here = await begun(owner, pasted=pasted)
    pages = [await owner.get(f"{here}/rules"), await previewed(owner, here), await owner.get(f"{here}/options")]
    stored = [p.read_bytes() for p in shop.config.data.rglob("*") if p.is_file()]
    page = await imported(owner, here, cost="1.00")
    pages += [page, *[await owner.get(p) for p in (here, f"{here}/run", "/admin/codes", "/admin/stock", "/admin")]]
    pages.append(await owner.get(f"{page.url.path}/rejects"))
    for shown in pages:
        assert shown.status_code < 400
        assert not [c for c in codes[:-1] if c in html.unescape(shown.text)]
    assert tiles(pages[1]) == [32, 1, 0, 0, 1]
    assert "Has control characters" in page.text
    stored += [p.read_bytes() for p in shop.config.data.rglob("*") if p.is_file()]
    assert b"CANARY-0001" not in b"".join(stored)


async def test_several_files_become_one_batch_each_read_its_own_way(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", b"A-1\nA-2\n"), ("b.csv", "卡号,密码\nB1,P1\nB2,P2\n".encode("gbk")), pasted="P-1\nA-1\n")
    page = await owner.get(f"{here}/rules")
    assert page.text.count('class="samples"') == 3
    assert tiles(await previewed(owner, here)) == [5, 1, 0, 0, 0]
    answer = await owner.post(f"{here}/rules", {"do": "remove-0"})
    assert answer.status_code == 303
    assert tiles(await previewed(owner, here)) == [4, 0, 0, 0, 0]
    there, more = f"/admin/codes/import/files/{here.rsplit('/')[-1]}", [("files", ("c.txt", b"C-1\n"))]
    answer = await owner.post(there, {"sku": "steam/steam"}, files=more)
    assert answer.status_code == 303
    page = await imported(owner, here, batch="mixed", note="three ways in", expires="2031-05-01")
    assert tiles(page)[0] == 5
    assert "mixed" in page.text
    batch = (await shop.db.read(inventory.batches))[0]
    assert (batch.source, batch.note, batch.expires_on) == ("b.csv + pasted.txt + c.txt", "three ways in", "2031-05-01")


async def test_e09_a_file_that_cannot_be_read_alone_asks_for_its_columns(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("odd.csv", b"alpha,beta\nAAAA-1111,one\nBBBB-2222,two\n"))
    page = await owner.get(f"{here}/rules")
    assert "Columns that make up the code" in page.text
    refused = await owner.post(f"{here}/rules", {"do": "next"})
    assert refused.status_code == 422
    assert (await owner.get(f"{here}/preview")).headers["location"].endswith("/rules")
    chosen = {"f0-columns": ["#1"], "f0-header": "yes", "do": "next"}
    assert (await owner.post(f"{here}/rules", chosen)).headers["location"].endswith("/preview")
    assert tiles(await previewed(owner, here))[0] == 2
    await imported(owner, here)
    assert await free(shop) == 2


async def test_e02_one_byte_that_is_no_text_refuses_the_file_or_its_row(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", "卡密甲乙丙丁-1\n".encode() * 1 + b"A-2\nbad\xff\xfe\nA-3\n"))
    page = await owner.get(f"{here}/rules")
    assert any("row 3" in told for told in [html.unescape(t) for t in re.findall(r"<p>([^<]+)</p>", page.text)])
    assert (await owner.post(f"{here}/rules", {"do": "next"})).status_code == 422
    lenient = await owner.post(f"{here}/rules", {"do": "next", "f0-lenient": "1"})
    assert lenient.status_code == 303
    assert tiles(await previewed(owner, here)) == [3, 0, 0, 0, 1]
    page = await imported(owner, here)
    assert await free(shop) == 3
    listed = await owner.get(f"{page.url.path}/rejects")
    assert listed.content.decode("utf-8-sig").splitlines() == ["file,row,reason", '"a.txt",3,bad_unicode']


@pytest.mark.parametrize(
    ("fields", "content", "complaint"),
    [
        ({}, None, "Choose a file, or paste lines below."),
        ({"sku": "none/none"}, b"A\nB", "Please choose one of the list."),
        ({"sku": ""}, b"A\nB", "Please choose one of the list."),
        ({}, b"", "a.txt: The file is empty."),
        (
            {},
            b"<html><body>hello</body></html>",
            "a.txt: This is a web page or XML, not a list of codes. Save it as CSV or .xlsx.",
        ),
        ({}, b"MZ\x90\x00" + b"\x00" * 60, "a.txt: This is a program, a picture or an archive, not a list of codes."),
    ],
)
async def test_what_cannot_be_imported_is_said_and_nothing_is_kept(
    shop: Shop, owner: Desk, app: Edge, fields: dict[str, str], content: bytes | None, complaint: str
) -> None:
    await add_product(shop, "steam")
    answer = await sent(owner, *([("a.txt", content)] if content is not None else []), **fields)
    assert answer.status_code == 422
    assert complaint in complaints(answer), complaints(answer)
    assert kept_by(app) == []


async def test_a_good_file_goes_on_and_a_bad_one_is_named(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("good.txt", b"A-1\n"), ("bad.exe", b"MZ\x90\x00" + b"\x00" * 60))
    page = await owner.get(f"{here}/rules")
    assert "bad.exe: This is a program" in page.text
    assert tiles(await previewed(owner, here))[0] == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"cost": "-1"}, "Not an amount: write digits and a point, such as 9.90."),
        ({"expires": "tomorrow"}, "Write the date as 2027-12-31."),
        ({"duplicates": "refuse"}, "1 rows are in the file twice and 0 were in the shop before: nothing was imported."),
        ({"bad_rows": "refuse"}, "1 rows are bad, the first is row 3: nothing was imported."),
        ({"duplicates": "sometimes"}, "Please choose one of the list."),
    ],
)
async def test_options_that_refuse_leave_everything_as_it_was(
    shop: Shop, owner: Desk, options: dict[str, str], complaint: str
) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", b"A-1\nA-1\nb\x01\n"))
    await previewed(owner, here)
    answer = await owner.post(f"{here}/options", options)
    assert answer.status_code == 422
    assert complaint in complaints(answer), complaints(answer)
    assert await shop.db.read(inventory.batches) == []
    await imported(owner, here)
    assert await free(shop) == 1


async def test_an_import_belongs_to_its_session_and_is_forgotten(shop: Shop, app: Edge, owner: Desk, clock: TestClock) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", b"AAAA\nBBBB\n"))
    other = Desk(app)
    await other.log_in()
    for step in ("", "/rules", "/preview", "/options", "/run"):
        assert (await other.get(here + step)).status_code == 404
    for step in ("/rules", "/options", "/cancel", "/again", "/leave"):
        assert (await other.post(here + step)).status_code == 404
    (wizard,) = kept_by(app)
    clock.pass_time(minutes=60)
    late = await owner.post(f"{here}/options")
    assert late.status_code in (303, 404)
    assert wizard.files == []
    assert kept_by(app) == []
    assert await free(shop) == 0


async def test_leaving_and_beginning_anew_let_the_files_go(shop: Shop, app: Edge, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", b"AAAA\n"))
    (wizard,) = kept_by(app)
    spool = wizard.files[0].spool
    assert (await owner.post(f"{here}/leave")).headers["location"].startswith("/admin/codes")
    assert spool._file.closed
    for _ in range(wizards.MOST_OF_SESSION + 2):
        await begun(owner, ("a.txt", b"AAAA\n"))
    assert len(kept_by(app)) == wizards.MOST_OF_SESSION


async def test_steps_can_be_walked_back_and_started_once(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam")
    here = await begun(owner, ("a.txt", b"AAAA\nBBBB\n"))
    assert (await owner.get(f"{here}/options")).headers["location"].endswith("/preview")
    await previewed(owner, here)
    for step in ("", "/rules", "/preview", "/options"):
        page = await owner.get(here + step)
        assert page.status_code == 200
        assert page.text.count('aria-current="step"') == 1
    twice = await asyncio.gather(*(owner.post(f"{here}/options", {"batch": "once"}) for _ in range(2)))
    assert {answer.status_code for answer in twice} == {303}
    await imported(owner, here)
    assert [b.imported for b in await shop.db.read(inventory.batches)] == [2]


async def test_a_file_name_is_text_and_no_markup(shop: Shop, owner: Desk) -> None:
    """F03."""
    await add_product(shop, "steam")
    name = "<img src=x onerror=alert(1)>.txt"
    here = await begun(owner, (name, b"AAAA\nAAAA\n"))
    pages = [await owner.get(f"{here}/rules"), await previewed(owner, here), await owner.get(f"{here}/options")]
    page = await imported(owner, here)
    for shown in (*pages, page, await owner.get("/admin/codes")):
        assert "<img src=x" not in shown.text
    assert "&lt;img src=x" in page.text


async def test_e14_a_sealed_vault_takes_no_file_and_says_so(shop: Shop, app: Edge, owner: Desk) -> None:
    await add_product(shop, "steam")
    shop.keyring.seal()
    answer = await sent(owner, ("a.txt", b"AAAA\n"))
    assert answer.status_code == 503
    assert any("vault is sealed" in told for told in complaints(answer))
    assert kept_by(app) == []
