"""The supplier's half of `kashop codes`: a key of his own, and batches sealed for a shop. Needs no shop's data directory."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import rich_click as click

from kashop.cli import frame, show, stock_files
from kashop.inventory import stockfile
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Conflict, Invalid, Unavailable
from kashop.supply import sealedbatch
from kashop.vault import boxes

T = TypeVar("T")

_SECONDS = 30


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A supplier's key as it is kept: the secret half, and at which shop it speaks for whom."""

    kashop: str = "supplier-key"
    version: int = 1
    url: str = ""
    shop: str = ""
    supplier: str = ""
    seed: str

    def __repr__(self) -> str:
        return "<KeyFile>"


class _Sku(msgspec.Struct, frozen=True):
    sku: str
    name: str


class _Product(msgspec.Struct, frozen=True):
    product: str
    name: str
    skus: tuple[_Sku, ...]


class ShopFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `--to` reads of a shop key file."""

    kashop: str
    shop: str
    supplier: str
    import_key: str
    import_public_key: str
    products: tuple[_Product, ...] = ()
    most_rows: int = sealedbatch.MOST_ROWS


OUT = click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="F", help="Must not exist.")
KEY = click.option(
    "--key", "key_file", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="F", help="Your supplier.key."
)


@click.command("supplier-key")
@frame.json_option
@OUT
@click.option("--link", default="", metavar="URL", help="The shop's one-time link: registers the public half there.")
def supplier_key(*, is_json: bool, out: Path, link: str) -> None:
    """Make a supplier's key: the secret half goes into F and nowhere else.

    Example: kashop codes supplier-key --out supplier.key --link "https://shop.example/supply#join=…"
    """
    seed = boxes.new_seed()
    kept = KeyFile(seed=sealedbatch.base64(seed))
    _write_new(out, msgspec.json.encode(kept), 0o600)
    try:
        if link:
            kept = _registered(link, seed)
            out.write_bytes(msgspec.json.encode(kept))
    except BaseException:
        out.unlink()
        raise
    public = boxes.public_of(seed)
    told = {"public_key": sealedbatch.base64(public), "fingerprint": sealedbatch.fingerprint(public), "supplier": kept.supplier}
    if is_json:
        show.as_json(told)
        return
    show.line(f"Public key:  {told['public_key']}")
    show.line(f"Fingerprint: {sealedbatch.grouped(told['fingerprint'])}")
    show.line("Tell the shop this fingerprint by telephone or face to face; it confirms the key then.")


@click.command("shop-key")
@frame.json_option
@KEY
@OUT
def shop_key(*, is_json: bool, key_file: Path, out: Path) -> None:
    """Ask the shop for what a batch is sealed with: its import key, and the products you may bring codes for.

    Example: kashop codes shop-key --key supplier.key --out shop-key.json
    """
    key = _key(key_file)
    if not key.url:
        raise Invalid.of("key", "This key was not registered by a link: ask the shop for its shop-key.json.")
    token = sealedbatch.call_token(_seed(key), shop=key.shop, supplier=key.supplier, now=_now())
    answer = _asked("GET", f"{key.url}/api/v1/supply/key", headers={"authorization": f"Bearer {token}"})
    _write_new(out, json.dumps(answer, ensure_ascii=False, indent=2).encode(), 0o644)
    if is_json:
        show.as_json(answer)
    else:
        show.line(f"Wrote {out}: key {sealedbatch.grouped(answer['import_key'])}, {len(answer['products'])} products.")


@click.command("seal")
@click.argument("file", metavar="FILE")
@frame.json_option
@click.option("--to", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="F", help="The shop-key.json.")
@KEY
@click.option("--product", required=True, metavar="SLUG")
@click.option("--sku", default="", metavar="CODE", help="Which SKU, if the product has several.")
@click.option("--columns", metavar="A,B", help="Which columns make up the code: names or numbers from 1.")
@click.option("--join", "joiner", default="----", show_default=True, metavar="SEP", help="Between joined columns.")
@OUT
def seal(*, file: str, is_json: bool, to: Path, key_file: Path, out: Path, **given: Any) -> None:
    """Seal the codes of FILE for one shop, so that nobody reads them on the way, and sign the batch.

    Example: kashop codes seal cards.txt --to shop-key.json --key supplier.key --product steam-50 --out batch.sealed

    Send it: curl --data-binary @batch.sealed -H "Content-Type: application/octet-stream" https://shop.example/api/v1/supply/batches
    """
    shop, key = _shop(to), _key(key_file)
    if key.shop and (key.shop, key.supplier) != (shop.shop, shop.supplier):
        raise Invalid.of("to", "This shop key belongs to another supplier or another shop.")
    product, sku = _place(shop, given["product"], given["sku"])
    codes, bad = _codes(file, given["columns"], given["joiner"])
    if len(codes) > shop.most_rows:
        raise Invalid.of("file", "Seal at most {most} codes in one batch.", most=shop.most_rows)
    sealed = sealedbatch.seal(
        sealedbatch.rows(codes),
        seed=_seed(key),
        public_key=_bytes(shop.import_public_key, boxes.KEY_BYTES, "to"),
        import_key=shop.import_key,
        now=_now(),
        shop=shop.shop,
        supplier=shop.supplier,
        product=product,
        sku=sku,
    )
    _write_new(out, sealed, 0o644)
    told = {"batch": sealedbatch.parse_head(sealed).manifest.batch, "count": len(codes), "left_out": bad, "bytes": len(sealed)}
    show.as_json(told) if is_json else show.line(f"Sealed {told['count']} codes into {out}; {bad} bad rows left out.")


def _now() -> int:
    return SystemClock().now()


def _registered(link: str, seed: bytes) -> KeyFile:
    url, token = urlsplit(link), urlsplit(link).fragment.removeprefix("join=")
    if url.scheme not in ("http", "https") or not token:
        raise Invalid.of("link", "This is not a shop's link for suppliers.")
    public = boxes.public_of(seed)
    proof = sealedbatch.base64(boxes.sign(seed, sealedbatch.join_text(token, public)))
    home = f"{url.scheme}://{url.netloc}"
    body = {"token": token, "public_key": sealedbatch.base64(public), "proof": proof}
    answer = _asked("POST", f"{home}/api/v1/supply/keys", json=body)
    return KeyFile(url=home, shop=answer["shop"], supplier=answer["supplier"], seed=sealedbatch.base64(seed))


def _asked(method: str, url: str, **more: Any) -> Any:
    import httpx

    try:
        answer = httpx.request(method, url, timeout=_SECONDS, **more)
        told = answer.json()
    except (httpx.HTTPError, ValueError):
        raise Unavailable("The shop does not answer at {url}.", url=url) from None
    if answer.status_code >= 400:
        raise Conflict("The shop refused: {why}", why=str(told.get("detail", answer.status_code)))
    return told


def _place(shop: ShopFile, product: str, sku: str) -> tuple[str, str]:
    known = {p.product: [s.sku for s in p.skus] for p in shop.products}
    if product not in known:
        raise Invalid.of("product", "You may bring codes for: {known}.", known=", ".join(known) or "-")
    if not sku and len(known[product]) == 1:
        return product, known[product][0]
    if sku not in known[product]:
        raise Invalid.of("sku", "Name one of the product's SKUs: {known}.", known=", ".join(known[product]) or "-")
    return product, sku


def _codes(file: str, columns: str | None, joiner: str) -> tuple[list[str], int]:
    path = Path(file)
    chosen = tuple(int(c) if c.isascii() and c.isdigit() and len(c) < 4 else c for c in columns.split(",")) if columns else None
    rules = stockfile.Rules(columns=chosen, joiner=joiner)
    with path.open("rb") as opened:
        found = list(stockfile.rows(opened, stock_files.name_of(path), rules))
    codes = [row.code for row in found if row.problem is None]
    if not codes:
        raise Invalid.of("file", "There is no good row in this file.")
    return codes, len(found) - len(codes)


def _key(path: Path) -> KeyFile:
    key = _read(path, KeyFile, "key")
    if key.kashop != "supplier-key":
        raise Invalid.of("key", "This is not a supplier's key.")
    return key


def _shop(path: Path) -> ShopFile:
    shop = _read(path, ShopFile, "to")
    if shop.kashop != "shop-key":
        raise Invalid.of("to", "This is not a shop's key.")
    return shop


def _seed(key: KeyFile) -> bytes:
    return _bytes(key.seed, boxes.KEY_BYTES, "key")


def _read(path: Path, kind: type[T], field: str) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, ValueError):
        raise Invalid.of(field, "{path} is not a key file.", path=path) from None


def _bytes(text: str, length: int, field: str) -> bytes:
    try:
        return sealedbatch.unbase64(text, length)
    except ValueError:
        raise Invalid.of(field, "The key in this file is cut or changed.") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)
