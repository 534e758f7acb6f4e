"""The supplier's door over HTTP: what it answers, what fits its document, and that no bytes make it fall over."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from kashop.app import make_app
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.supply.sealedbatch import BatchRefused
from kashop.vault import boxes
from tests.cast import add_product
from tests.supply.sender import Sender, confirm, join

FILE = {"content-type": "application/octet-stream"}


@pytest.fixture
async def http(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    await add_product(shop, "steam")
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example/api/v1") as client:
        yield client


@pytest.fixture
async def sender(shop: Shop, http: httpx.AsyncClient) -> Sender:
    return await join(shop)


def bearer(sender: Sender, **over: Any) -> dict[str, str]:
    names = {"shop": sender.shop.settings.text("shop.id"), "supplier": sender.supplier.ref, **over}
    return {"authorization": "Bearer " + sealedbatch.call_token(sender.seed, now=sender.shop.clock.now(), **names)}


async def test_a_script_registers_learns_seals_and_sends(shop: Shop, http: httpx.AsyncClient) -> None:
    from kashop.flows import supply

    supplier_id = await shop.db.write(writes.add_supplier, "Zhang", products=[1], is_trusted=True, actor=CLI)
    token = (await supply.invite(shop, supplier_id, CLI)).partition("#join=")[2]
    seed = boxes.new_seed()
    public = boxes.public_of(seed)
    proof = sealedbatch.base64(boxes.sign(seed, sealedbatch.join_text(token, public)))
    body = {"token": token, "public_key": sealedbatch.base64(public), "proof": proof}
    made = await http.post("/supply/keys", json=body)
    assert made.status_code == 201
    assert made.json()["fingerprint"] == sealedbatch.fingerprint(public)
    assert (await http.post("/supply/keys", json=body)).status_code == 404
    ref, shop_id = made.json()["supplier"], made.json()["shop"]
    headers = {"authorization": "Bearer " + sealedbatch.call_token(seed, shop=shop_id, supplier=ref, now=shop.clock.now())}
    key = (await http.get("/supply/key", headers=headers)).json()
    assert (key["status"], key["products"]) == ("offered", [])
    await confirm(shop, supplier_id)
    key = (await http.get("/supply/key", headers=headers)).json()
    assert key["products"] == [{"product": "steam", "name": "商品 steam", "skus": [{"sku": "steam", "name": ""}]}]
    file = sealed_by(seed, key, ["API-0001", "API-0002", "API-0001"], now=shop.clock.now())
    sent = await http.post("/supply/batches", content=file, headers=FILE)
    assert sent.status_code == 201
    assert [sent.json()[k] for k in ("status", "new", "duplicates", "bad")] == ["done", 2, 1, 0]
    again = await http.post("/supply/batches", content=file, headers=FILE)
    assert (again.status_code, again.json()["code"]) == (422, "batch_replayed")
    listed = (await http.get("/supply/sent", headers=headers)).json()["batches"]
    assert listed == [sent.json()]
    one = await http.get(f"/supply/batches/{sent.json()['batch']}", headers=headers)
    assert one.json() == sent.json()
    assert "API-000" not in one.text + sent.text + again.text


def sealed_by(seed: bytes, key: dict[str, Any], codes: list[str], *, now: int) -> bytes:
    """As a script does it, by what the shop told it."""
    return sealedbatch.seal(
        sealedbatch.rows(codes),
        seed=seed,
        public_key=sealedbatch.unbase64(key["import_public_key"], 32),
        import_key=key["import_key"],
        now=now,
        shop=key["shop"],
        supplier=key["supplier"],
        product=key["products"][0]["product"],
        sku=key["products"][0]["skus"][0]["sku"],
    )


async def test_one_supplier_sees_nothing_of_another(shop: Shop, http: httpx.AsyncClient, sender: Sender) -> None:
    other = await join(shop, "Li")
    sent = (await http.post("/supply/batches", content=sender.sealed(["MINE-0001"]), headers=FILE)).json()
    assert (await http.get("/supply/sent", headers=bearer(other))).json() == {"batches": []}
    assert (await http.get(f"/supply/batches/{sent['batch']}", headers=bearer(other))).status_code == 404
    assert (await http.get(f"/supply/batches/{sent['batch']}", headers=bearer(sender))).status_code == 200
    for path in ("/supply/key", "/supply/sent", f"/supply/batches/{sent['batch']}"):
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers=bearer(sender, supplier=other.supplier.ref))).status_code == 403


async def test_answers_fit_the_document(shop: Shop, http: httpx.AsyncClient, sender: Sender) -> None:
    told = (await http.get("/openapi.json")).json()
    file = sender.sealed(["FIT-0001"])
    seen = [
        ("post", "/supply/batches", await http.post("/supply/batches", content=file, headers=FILE)),
        ("post", "/supply/batches", await http.post("/supply/batches", content=file, headers=FILE)),
        ("post", "/supply/batches", await http.post("/supply/batches", content=b"x", headers=FILE)),
        ("post", "/supply/batches", await http.post("/supply/batches", json={})),
        ("get", "/supply/sent", await http.get("/supply/sent", headers=bearer(sender))),
        ("get", "/supply/batches/{batch}", await http.get(f"/supply/batches/{'0' * 32}", headers=bearer(sender))),
        ("get", "/supply/key", await http.get("/supply/key", headers=bearer(sender))),
        ("get", "/supply/key", await http.get("/supply/key", headers=bearer(sender, shop="0" * 32))),
        ("get", "/supply/key", await http.get("/supply/key")),
        ("post", "/supply/keys", await http.post("/supply/keys", json={"token": "x"})),
        (
            "post",
            "/supply/keys",
            await http.post("/supply/keys", json={"token": "x", "public_key": "A" * 43, "proof": "A" * 86}),
        ),
    ]
    assert [fits(told, *each) for each in seen] == [201, 422, 422, 415, 200, 404, 200, 403, 401, 422, 403]


def fits(told: dict[str, Any], method: str, path: str, answer: httpx.Response) -> int:
    declared = told["paths"][f"/api/v1{path}"][method]["responses"][str(answer.status_code)]
    schema = declared["content"][answer.headers["content-type"]]["schema"]
    assert not list(validator_for({**schema, "components": told["components"]}).iter_errors(answer.json())), answer.text
    if answer.status_code >= 400:
        assert f"`{answer.json()['code']}`" in declared["description"], answer.text
    return answer.status_code


async def test_a_strangers_content_is_not_read(http: httpx.AsyncClient, sender: Sender) -> None:
    read = 0
    head = sender.sealed(["X-0001"], seed=boxes.new_seed())

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield head[: sealedbatch.head_length(head)]
        while True:
            read += 1
            yield b"x" * 65536

    answer = await http.post("/supply/batches", content=endless(), headers=FILE)
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_supplier")
    assert read < 3


async def test_a_supplier_cannot_send_more_than_he_signed_for(http: httpx.AsyncClient, sender: Sender) -> None:
    read = 0
    file = sender.sealed(["X-0001"])

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield file
        while True:
            read += 1
            yield b"x" * 65536

    answer = await http.post("/supply/batches", content=endless(), headers=FILE)
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_size")
    assert read < 3


async def test_e13_over_http_every_refusal_has_one_form(shop: Shop, http: httpx.AsyncClient, sender: Sender) -> None:
    bad = [
        (sender.sealed(["A-1"], seed=boxes.new_seed()), "batch_supplier"),
        (sender.sealed(["A-1"], shop="0" * 32), "batch_shop"),
        (sender.sealed(["A-1"], product="none", sku="none"), "batch_product"),
        (sender.sealed(["A-1"], now=0), "batch_time"),
        (sender.sealed(["A-1"])[:-1], "batch_size"),
        (b"", "batch_malformed"),
    ]
    for file, code in bad:
        answer = await http.post("/supply/batches", content=file, headers=FILE)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.headers["content-type"] == "application/problem+json"
    assert await shop.db.read(reads.batches) == []


SLOW = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
_GOOD = sealedbatch.seal(
    sealedbatch.rows(["FUZZ-0001"]),
    seed=b"s" * 32,
    public_key=boxes.new_box_key()[1],
    import_key="0" * 24,
    now=0,
    shop="0" * 32,
    supplier="0" * 16,
    product="steam",
    sku="steam",
)


@SLOW
@given(st.binary(max_size=300), st.integers(0, len(_GOOD)), st.integers(0, len(_GOOD)))
def test_no_bytes_break_the_parser(noise: bytes, start: int, end: int) -> None:
    for data in (noise, sealedbatch.MAGIC + noise, _GOOD[:start] + noise + _GOOD[end:], _GOOD[:start] + _GOOD[end:]):
        with suppress(BatchRefused):
            head = sealedbatch.parse_head(data)
            assert sealedbatch.canonical(head.manifest) == head.line
            assert re.fullmatch(rb"[!-~]+", head.line)


async def test_no_bytes_break_the_door_or_leave_anything(shop: Shop, http: httpx.AsyncClient, sender: Sender) -> None:
    tried = 0

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.binary(max_size=200), st.integers(0, 900), st.integers(0, 900))
    def fuzz(noise: bytes, start: int, end: int) -> None:
        nonlocal tried
        file = sender.sealed(["FUZZ-0001"])
        cut = file[:start] + noise + file[end:]
        if cut == file:
            return
        answer = loop.run_until_complete(http.post("/supply/batches", content=cut, headers=FILE))
        tried += 1
        assert answer.status_code in (422, 429), answer.text

    loop = asyncio.new_event_loop()
    try:
        await asyncio.to_thread(fuzz)
    finally:
        loop.close()
    assert tried > 30
    assert await shop.db.read(reads.batches) == []
