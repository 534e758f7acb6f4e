"""Suppliers' scripts and their page: register a key, learn what to seal for, send sealed batches, see what became of them.

Always true: every call is signed by the supplier's key, or carries a link that lets one key be registered; no answer
holds a code.
"""

from collections.abc import Iterable
from itertools import groupby

from litestar import Response, get, post
from litestar.params import FromPath

from kashop.flows import supply
from kashop.lib.actor import Actor
from kashop.lib.clock import rfc3339
from kashop.lib.errors import Invalid, NotFound
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch
from kashop.supply import types as rows
from kashop.supply.sealedbatch import MOST_BYTES, MOST_ROWS
from kashop.vault import boxes
from kashop.web.api import shapes
from kashop.web.api.door import KEY, Operation, body_of, said, supplier_token
from kashop.web.errors import Problem, Stopped
from kashop.web.forms import body_chunks
from kashop.web.sessions import AnyRequest, client_ip, request_id, shop_of

MOST_LISTED = 20
FILE = "application/octet-stream"

_OF_CALL: dict[int, tuple[str, ...]] = {
    401: ("token_missing",),
    403: ("supplier_unknown", "stale", "disabled"),
    429: ("too_many",),
}

REGISTER = Operation(
    name="registerSupplierKey",
    summary="Register the public half of a supplier's key by a one-time link",
    gives=shapes.SupplierKey,
    status=201,
    body=shapes.NewSupplierKey,
    refusals={403: ("wrong_proof",), 404: ("not_found",), 409: ("key_known",), 429: ("too_many",)},
)
SHOP_KEY = Operation(
    name="getShopKey",
    summary="What a supplier needs to seal a batch",
    gives=shapes.ShopKey,
    is_suppliers=True,
    refusals={**_OF_CALL, 503: ("sealed",)},
)
SEND = Operation(
    name="sendSealedBatch",
    summary="Send a sealed batch; its signature says from whom",
    gives=shapes.SupplyBatch,
    status=201,
    upload=FILE,
    refusals={422: tuple(f"batch_{why}" for why in sealedbatch.REFUSALS if why != "declined"), 429: ("too_many",)},
)
BATCHES = Operation(
    name="listSupplyBatches",
    summary="The supplier's newest batches",
    gives=shapes.SupplyBatches,
    is_suppliers=True,
    refusals=_OF_CALL,
)
BATCH = Operation(
    name="getSupplyBatch",
    summary="What became of one batch",
    gives=shapes.SupplyBatch,
    is_suppliers=True,
    refusals={**_OF_CALL, 404: ("not_found",)},
)


@post("/supply/keys", opt={KEY: REGISTER})
async def register(request: AnyRequest) -> Response[bytes]:
    """Take a key; it counts once staff have confirmed it."""
    shop, new = shop_of(request), body_of(request, shapes.NewSupplierKey)
    public_key = _raw(new.public_key, boxes.KEY_BYTES, "public_key")
    proof = _raw(new.proof, boxes.SIGNATURE_BYTES, "proof")
    actor = Actor("anonymous", "", client_ip(request), request_id=request_id(request))
    supplier = await supply.join(shop, new.token, public_key, proof, actor)
    answer = shapes.SupplierKey(
        shop=shop.settings.text("shop.id"),
        supplier=supplier.ref,
        fingerprint=sealedbatch.fingerprint(public_key),
        status="offered",
    )
    return said(answer, status=REGISTER.status)


@get("/supply/key", opt={KEY: SHOP_KEY})
async def shop_key(request: AnyRequest) -> Response[bytes]:
    """The shop's key, and what may be brought."""
    shop = shop_of(request)
    supplier, key = await _caller(request)
    return said(shown_key(shop, await supply.shop_key(shop, supplier), key))


@post("/supply/batches", opt={KEY: SEND})
async def send(request: AnyRequest) -> Response[bytes]:
    """Take a batch."""
    if request.headers.getall("content-type", []) != [FILE]:
        raise Stopped(Problem(415, "unsupported_media_type", "Send application/octet-stream."))
    chunks = body_chunks(request)
    made = await supply.receive(shop_of(request), chunks, ip=client_ip(request), request_id=request_id(request))
    return said(_shown(made), status=SEND.status)


@get("/supply/sent", opt={KEY: BATCHES})
async def batches(request: AnyRequest) -> Response[bytes]:
    """His newest."""
    supplier, key = await _caller(request)
    found: list[rows.SealedBatch] = []
    if key.status == "confirmed":
        found = await shop_of(request).db.read(reads.batches, supplier_id=supplier.supplier_id, limit=MOST_LISTED)
    return said(shapes.SupplyBatches(batches=tuple(map(_shown, found))))


@get("/supply/batches/{batch:str}", opt={KEY: BATCH})
async def batch(request: AnyRequest, batch: FromPath[str]) -> Response[bytes]:
    """One of his."""
    supplier, key = await _caller(request)
    db = shop_of(request).db
    found = await db.read(reads.find_own, supplier.supplier_id, batch) if key.status == "confirmed" else None
    if found is None:
        raise NotFound("There is no such batch.")
    return said(_shown(await db.read(reads.get_batch, found)))


async def _caller(request: AnyRequest) -> tuple[rows.Supplier, rows.SupplierKey]:
    return await supply.caller(shop_of(request), supplier_token(request), client_ip(request))


def shown_key(shop: Shop, known: supply.ShopKey, key: rows.SupplierKey | None) -> shapes.ShopKey:
    """The shop's key as a supplier's program reads it."""
    is_confirmed = key is not None and key.status == "confirmed"
    return shapes.ShopKey(
        shop=known.shop,
        supplier=known.supplier.ref,
        fingerprint=sealedbatch.fingerprint(key.public_key) if key else "",
        status="confirmed" if is_confirmed else "offered",
        shop_name=shop.settings.text("shop.name"),
        supplier_name=known.supplier.name,
        import_key=known.key.name,
        import_public_key=sealedbatch.base64(known.key.public_key),
        products=tuple(_products(known.allowed)) if is_confirmed else (),
        most_rows=MOST_ROWS,
        most_bytes=MOST_BYTES,
    )


def _products(allowed: list[rows.Allowed]) -> Iterable[shapes.SupplyProduct]:
    for slug, group in groupby(allowed, key=lambda each: each.slug):
        skus = list(group)
        named = tuple(shapes.SupplySku(sku=each.sku_code, name=each.sku_name) for each in skus)
        yield shapes.SupplyProduct(product=slug, name=skus[0].product_name, skus=named)


def _shown(batch: rows.SealedBatch) -> shapes.SupplyBatch:
    return shapes.SupplyBatch(
        batch=batch.batch_no,
        product=batch.slug,
        product_name=batch.product_name,
        sku=batch.sku_code,
        count=batch.count,
        status=batch.status,  # type: ignore[arg-type]
        reason=batch.reason,
        received_at=rfc3339(batch.received_at),
        new=batch.added,
        duplicates=batch.duplicates,
        bad=batch.bad,
    )


def _raw(text: str, length: int, field: str) -> bytes:
    try:
        return sealedbatch.unbase64(text, length)
    except ValueError:
        raise Invalid.of(field, "This does not have the form that is asked for.") from None
