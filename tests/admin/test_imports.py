"""Imports that are large or long: sent in pieces, watched and stopped from any tab, edited and taken back afterwards."""

import asyncio
import re

import pytest

from kashop.flows.restock import pace, run
from kashop.inventory import reads as inventory
from kashop.inventory import writes as stock_writes
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.vault.spool import Spool
from kashop.web.admin import uploads, wizards
from kashop.web.edge import Edge, body_limit
from tests.admin.desk import Desk, complaints
from tests.admin.importing import begun, free, imported, kept_by, over, previewed, sent, tiles
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice, order


class TestUploads:
    """A body of hundreds of megabytes goes to the disk in pieces, sealed, and only behind the session's token."""

    async def test_the_token_stands_before_the_first_file(
        self, shop: Shop, app: Edge, owner: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await add_product(shop, "steam")
        begun_files: list[str] = []
        monkeypatch.setattr(uploads.Uploads, "begin", lambda self, form, field, name: begun_files.append(name))
        parts = [("files", ("a.txt", b"AAAA\n")), ("_csrf", (None, owner.csrf)), ("sku", (None, "steam/steam"))]
        answer = await owner.http.post("/admin/codes/import/files", files=parts)
        assert answer.status_code == 403
        assert begun_files == []

    async def test_a_header_may_carry_the_token(self, shop: Shop, owner: Desk) -> None:
        await add_product(shop, "steam")
        parts = [("files", ("a.txt", b"AAAA\n")), ("sku", (None, "steam/steam"))]
        answer = await owner.http.post("/admin/codes/import/files", files=parts, headers={"x-csrf-token": owner.csrf})
        assert answer.status_code == 303

    async def test_text_beside_the_files_is_bounded(self, owner: Desk) -> None:
        long = "x" * 9_000_000
        plain = await owner.post("/admin/codes/import/files", {"pasted": long})
        parted = await owner.post("/admin/codes/import/files", {"a": "b"}, files=[("pasted", (None, long))])
        assert (plain.status_code, parted.status_code) == (413, 413)

    async def test_a_body_beyond_the_limit_is_refused(self, owner: Desk) -> None:
        assert body_limit("/admin/codes/import/files") == 512 * 1024 * 1024
        assert body_limit("/admin/codes/import/x/rules") == 256 * 1024
        headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(513 * 1024 * 1024)}
        answer = await owner.http.post("/admin/codes/import/files", content=b"", headers=headers)
        assert answer.status_code == 413

    async def test_what_fills_the_shop_or_the_disk_is_refused_and_let_go(
        self, shop: Shop, app: Edge, owner: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await add_product(shop, "steam")
        room = app._app.state.wizards  # type: ignore[attr-defined]
        monkeypatch.setattr(wizards, "MOST_BYTES", 1000)
        assert (await sent(owner, ("a.txt", b"x" * 2000))).status_code == 503
        assert room._incoming == 0
        monkeypatch.undo()

        def full(self: Spool, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Spool, "write", full)
        answer = await sent(owner, ("a.txt", b"x" * 2000))
        assert answer.status_code == 503
        assert "no room" in answer.text
        assert room._incoming == 0
        assert kept_by(app) == []

    async def test_a_client_that_goes_away_leaves_nothing(self, shop: Shop, app: Edge, owner: Desk) -> None:
        head = b'--x\r\ncontent-disposition: form-data; name="_csrf"\r\n\r\n' + owner.csrf.encode() + b"\r\n"
        head += b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.txt"\r\n\r\nAAAA\n'
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await owner.http.post("/admin/codes/import/files", content=head, headers=headers)
        assert answer.status_code == 400
        assert app._app.state.wizards._incoming == 0  # type: ignore[attr-defined]


class TestWatching:
    """An import that takes its time: seen from any tab, stopped from any tab."""

    @pytest.fixture
    def gate(self, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
        """Behind two chunks of fifty the import stands until it opens."""
        monkeypatch.setattr(pace, "MOST_CHUNKS", 1)
        original, gate = run.Run._shelve, asyncio.Event()

        async def shelve(self: run.Run, *rest: object) -> None:
            if self.notes.counts["new"] >= 100:
                await gate.wait()
            await original(self, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(run.Run, "_shelve", shelve)
        return gate

    async def begun_slowly(self, shop: Shop, owner: Desk) -> tuple[str, int]:
        await add_product(shop, "steam")
        here = await begun(owner, ("a.txt", b"".join(b"CODE-%05d\n" % n for n in range(3000))))
        await previewed(owner, here)
        answer = await owner.post(f"{here}/options", {})
        assert answer.headers["location"] == f"{here}/run"
        async with asyncio.timeout(60):
            while await free(shop) < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        batch = (await shop.db.read(inventory.batches))[0]
        assert batch.status == "importing"
        return here, batch.batch_id

    async def test_it_survives_reloads_and_shows_in_other_tabs(
        self, shop: Shop, app: Edge, owner: Desk, gate: asyncio.Event
    ) -> None:
        here, batch_id = await self.begun_slowly(shop, owner)
        other = Desk(app)
        await other.log_in()
        for desk, path in ((owner, f"{here}/run"), (owner, f"{here}/run"), (other, f"/admin/codes/batches/{batch_id}")):
            page = await desk.get(path)
            assert page.status_code == 200
            assert "data-live" in page.text
            assert re.search(r'<progress max="100" value="\d+"', page.text)
            assert 'http-equiv="refresh"' in page.text
        assert "Not finished" in (await other.get("/admin/codes")).text
        assert (await owner.post(f"{here}/cancel")).status_code == 303
        gate.set()

    @pytest.mark.parametrize("how", ["wizard", "batch"])
    async def test_e06_stopped_it_keeps_what_is_shelved_and_the_file_adds_the_rest(
        self, shop: Shop, owner: Desk, gate: asyncio.Event, how: str
    ) -> None:
        here, batch_id = await self.begun_slowly(shop, owner)
        await owner.post(f"{here}/cancel" if how == "wizard" else f"/admin/codes/batches/{batch_id}/stop")
        gate.set()
        assert "import_stopped" in (await over(owner, here)).headers["location"]
        batch = await shop.db.read(inventory.get_batch, batch_id)
        assert batch.status == "stopped"
        assert 0 < batch.imported == await free(shop) < 3000
        again = await begun(owner, ("a.txt", b"".join(b"CODE-%05d\n" % n for n in range(3000))))
        await previewed(owner, again)
        assert tiles(await imported(owner, again))[0] == 3000 - batch.imported
        assert await free(shop) == 3000

    async def test_an_import_whose_process_is_gone_says_so_and_can_be_closed(
        self, shop: Shop, owner: Desk, clock: TestClock
    ) -> None:
        await add_product(shop, "steam", codes=2)
        batch = (await shop.db.read(inventory.batches))[0]
        gone = "UPDATE batches SET status = 'importing', ended_at = NULL, touched_at = :now"
        await shop.db.write(lambda tx: tx.run(gone, now=tx.now))
        clock.pass_time(minutes=3)
        page = await owner.get(f"/admin/codes/batches/{batch.batch_id}")
        assert "This import was interrupted." in page.text
        assert "data-live" not in page.text
        assert (await owner.post(f"/admin/codes/batches/{batch.batch_id}/stop")).status_code == 303
        assert (await shop.db.read(inventory.get_batch, batch.batch_id)).status == "stopped"
        assert not await shop.db.write(stock_writes.stop_batch, batch.batch_id, CLI)


class TestBatches:
    """Afterwards."""

    async def test_a_batch_is_edited_and_undone_and_its_codes_come_again(self, shop: Shop, owner: Desk) -> None:
        await add_product(shop, "steam")
        here = await begun(owner, ("a.txt", b"AAAA\nBBBB\n"))
        await previewed(owner, here)
        path = (await imported(owner, here)).url.path
        edited = {"batch": "renamed", "cost": "1.50", "note": "n", "supplier": "s", "expires": "2030-01-31"}
        assert (await owner.post(path, edited)).status_code == 303
        page = await owner.get(path)
        assert all(text in page.text for text in ("renamed", "1.50", "2030-01-31"))
        assert (await owner.post(path, {**edited, "expires": "x"})).status_code == 422
        assert (await owner.post(f"{path}/undo", {"reason": ""})).status_code == 422
        assert (await owner.post(f"{path}/undo", {"reason": "wrong product"})).status_code == 303
        assert await free(shop) == 0
        assert "Undone" in (await owner.get(path)).text
        anew = await begun(owner, ("a.txt", b"AAAA\nBBBB\n"))
        assert tiles(await previewed(owner, anew))[0] == 2
        await imported(owner, anew)
        assert await free(shop) == 2

    async def test_what_is_sold_refuses_the_undo_with_numbers(self, shop: Shop, owner: Desk) -> None:
        await add_epay(shop)
        await add_product(shop, "steam")
        here = await begun(owner, ("a.txt", b"AAAA\nBBBB\n"))
        await previewed(owner, here)
        path = (await imported(owner, here)).url.path
        await call_back(shop, epay_notice(await order(shop, "steam", 1)))
        answer = await owner.post(f"{path}/undo", {"reason": "too late"})
        assert answer.status_code == 409
        assert any("1 of its codes are sold and 0 are held" in told for told in complaints(answer))
        assert await free(shop) == 1
