"""Products, categories and pictures as staff make them."""

import io
import struct
import zlib

import pytest
from PIL import Image

from kashop.catalog import reads
from kashop.shop import Shop
from tests.admin.desk import Desk, complaints, value_of
from tests.cast import add_product

NEW = {
    "slug": "steam-50",
    "name": "Steam 50",
    "delivery": "auto",
    "sku-0-name": "One",
    "sku-0-price": "49.90",
    "sku-0-tiers": "10=48.5\n50=47",
    "sku-1-name": "Two",
    "sku-1-sku_code": "steam-two",
    "sku-1-price": "95",
    "question-0-name": "account",
    "question-0-label": "Your account",
    "question-0-is_required": "1",
}


def png(size: tuple[int, int] = (300, 200), kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#0b7a5b").save(out, kind, **more)
    return out.getvalue()


async def test_a_product_with_skus_tiers_and_questions_is_made_and_changed(shop: Shop, owner: Desk) -> None:
    made = await owner.post("/admin/products/new", NEW)
    assert made.status_code == 303, complaints(made)
    product = await shop.db.read(reads.find_product, "steam-50")
    assert product is not None
    assert '"account"' in product.fields
    one, two = await shop.db.read(reads.skus, product.product_id)
    assert (one.sku_code, one.price_minor, two.sku_code, two.price_minor) == ("steam-50", 4990, "steam-two", 9500)
    assert [(t.min_quantity, t.price_minor) for t in await shop.db.read(reads.tiers, one.sku_id)] == [(10, 4850), (50, 4700)]
    page = await owner.get(f"/admin/products/{product.product_id}")
    assert value_of(page, "sku-0-price") == "49.90"
    edit = {
        **NEW,
        "name": "Steam <b>50</b>",
        "version": value_of(page, "version"),
        "sku-0-id": str(one.sku_id),
        "sku-1-id": str(two.sku_id),
        "sku-1-price": "90",
        "sku-2-name": "Three",
        "sku-2-sku_code": "steam-three",
        "sku-2-price": "1",
    }
    changed = await owner.post(f"/admin/products/{product.product_id}", edit)
    assert changed.status_code == 303, complaints(changed)
    prices = [s.price_minor for s in await shop.db.read(reads.skus, product.product_id)]
    assert prices == [4990, 9000, 100]
    page = await owner.get("/admin/products")
    assert "Steam &lt;b&gt;50&lt;/b&gt;" in page.text
    stale = await owner.post(f"/admin/products/{product.product_id}", {**edit, "name": "Overwritten"})
    assert stale.status_code == 409
    assert "Someone else saved this while you were at it" in stale.text
    assert value_of(stale, "name") == "Overwritten"  # what was typed is not lost
    kept = await shop.db.read(reads.find_product, "steam-50")
    assert kept is not None
    assert kept.name == "Steam <b>50</b>"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": ""}, "Please fill in this field."),
        ({"name": "x" * 121}, "At most 120 characters."),
        ({"name": "a\x00b"}, "This has characters that cannot stand here."),
        ({"slug": "Not a slug"}, "Use 1 to 64 small letters, digits and hyphens."),
        ({"slug": ""}, "Please fill in this field."),
        ({"delivery": "magic"}, "Please choose one of the list."),
        ({"hold_minutes": "0"}, "A number from 1 to 1440."),
        ({"hold_minutes": "1e3"}, "Please enter a whole number."),
        ({"sku-0-price": "9.999"}, "CNY has 2 decimal places at most."),
        ({"sku-0-price": "-1"}, "Not an amount: write digits and a point, such as 9.90."),
        ({"sku-0-price": "１２"}, "Not an amount: write digits and a point, such as 9.90."),
        ({"sku-0-price": "0"}, "A price of 0 needs the free mark."),
        ({"sku-0-price": "99999999999999999999"}, "Not an amount: write digits and a point, such as 9.90."),
        ({"sku-0-tiers": "ten=5"}, "Write tiers as quantity=price, such as 10=51.90;50=51.50."),
        ({"sku-1-sku_code": "steam-50"}, "This is already in use."),
        ({"sku-0-min_quantity": "9", "sku-0-max_quantity": "3"}, "Write a number from 1 to the most per order."),
        ({"question-0-name": "Account!"}, "A question's name has small letters, digits and underscores."),
        ({"question-0-kind": "select"}, "A selection needs choices, and only a selection has them."),
        ({"category": "999"}, "There is no such category."),
    ],
)
async def test_each_wrong_field_is_told_and_nothing_is_stored(
    shop: Shop, owner: Desk, change: dict[str, str], complaint: str
) -> None:
    answer = await owner.post("/admin/products/new", {**NEW, **change})
    assert answer.status_code == 422
    assert complaint in complaints(answer), complaints(answer)
    assert value_of(answer, "sku-1-name") == "Two"
    assert await shop.db.read(reads.products) == []


async def test_several_wrong_fields_are_told_at_once(owner: Desk) -> None:
    answer = await owner.post("/admin/products/new", {**NEW, "name": "", "sku-0-price": "x", "sku-1-price": "", "position": "y"})
    assert len(complaints(answer)) >= 4


async def test_without_a_sku_there_is_no_product(shop: Shop, owner: Desk) -> None:
    answer = await owner.post("/admin/products/new", {"slug": "a", "name": "A", "delivery": "auto"})
    assert answer.status_code == 422
    assert "A product needs at least one SKU." in complaints(answer)
    assert await shop.db.read(reads.products) == []


async def test_a_foreign_sku_cannot_be_edited_through_another_product(shop: Shop, owner: Desk) -> None:
    mine, other = await add_product(shop, "mine"), await add_product(shop, "other")
    victim = (await shop.db.read(reads.skus, other))[0]
    answer = await owner.post(
        f"/admin/products/{mine}", {**NEW, "version": "1", "sku-0-id": str(victim.sku_id), "sku-0-price": "0.01"}
    )
    assert answer.status_code == 404
    assert (await shop.db.read(reads.skus, other))[0].price_minor == victim.price_minor


async def test_a_product_is_hidden_and_shown(shop: Shop, owner: Desk) -> None:
    product_id = await add_product(shop, "steam-50", codes=1)
    assert (await owner.get("/p/steam-50")).status_code == 200
    await owner.post(f"/admin/products/{product_id}/hide")
    assert (await owner.get("/p/steam-50")).status_code == 404
    await owner.post(f"/admin/products/{product_id}/show")
    assert (await owner.get("/p/steam-50")).status_code == 200


async def test_a_picture_is_drawn_anew_and_served(shop: Shop, owner: Desk) -> None:
    exif = Image.Exif()
    exif[0x010E] = "CANARY-WHERE-I-LIVE"
    data = png((2400, 1600), "JPEG", exif=exif)
    assert b"CANARY-WHERE-I-LIVE" in data
    name = "../../evil.php\x00.jpg"
    answer = await owner.post("/admin/products/new", NEW, files={"image": (name, data, "image/jpeg")})
    assert answer.status_code == 303, complaints(answer)
    product = await shop.db.read(reads.find_product, "steam-50")
    assert product is not None
    kept = shop.config.data / "uploads" / product.image
    assert kept.suffix == ".webp"
    assert b"CANARY-WHERE-I-LIVE" not in kept.read_bytes()
    with Image.open(kept) as drawn:
        assert max(drawn.size) == 1200
    served = await owner.get(f"/uploads/{product.image}")
    assert served.headers["content-type"] == "image/webp"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert sorted(p.name for p in (shop.config.data / "uploads").iterdir()) == [product.image]


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script>",
        b"GIF89a<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + b"x" * 100,
        png()[:-40],
        b"",
    ],
)
async def test_what_is_no_picture_is_refused(shop: Shop, owner: Desk, content: bytes) -> None:
    answer = await owner.post("/admin/products/new", NEW, files={"image": ("a.png", content, "image/png")})
    assert answer.status_code == 422
    assert "This is not a picture: use PNG, JPEG, WebP or GIF." in complaints(answer)
    assert not list((shop.config.data / "uploads").iterdir())
    assert await shop.db.read(reads.products) == []


@pytest.mark.parametrize("side", [7000, 20_000])  # more than we take, and more than the library opens
async def test_a_pixel_flood_is_refused_before_it_is_drawn(owner: Desk, side: int) -> None:
    small = await owner.post("/admin/products/new", NEW, files={"image": ("a.png", blank(20), "image/png")})
    assert small.status_code == 303
    flood = {"image": ("a.png", blank(side), "image/png")}
    answer = await owner.post("/admin/products/new", {**NEW, "slug": "another"}, files=flood)
    assert answer.status_code == 422
    assert "The picture is too large: 40 megapixels at most." in complaints(answer)


def blank(side: int) -> bytes:
    """A black square, whole, and of a few kilobytes however large: written by hand, since drawing it is the flood."""
    rows = zlib.compress(bytes(side // 8 + 1 + (side % 8 > 0)) * side)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    framed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


async def test_categories_have_two_levels(shop: Shop, owner: Desk) -> None:
    assert (await owner.post("/admin/categories", {"slug": "games", "name": "Games"})).status_code == 303
    games = await shop.db.read(reads.find_category, "games")
    assert games is not None
    second = {"slug": "steam", "name": "Steam", "parent": str(games.category_id)}
    assert (await owner.post("/admin/categories", second)).status_code == 303
    steam = await shop.db.read(reads.find_category, "steam")
    assert steam is not None
    third = await owner.post("/admin/categories", {"slug": "x", "name": "X", "parent": str(steam.category_id)})
    assert third.status_code == 422
    assert "Categories have two levels." in complaints(third)
    again = await owner.post("/admin/categories", {"slug": "games", "name": "Again"})
    assert "This is already in use." in complaints(again)
    edit = {"name": "Games & more", "position": "3", "is_hidden": "1"}
    assert (await owner.post(f"/admin/categories/{games.category_id}", edit)).status_code == 303
    page = await owner.get("/admin/categories")
    assert "Games &amp; more" in page.text
    assert (await owner.get("/admin/categories/999")).status_code == 404
