"""An approval holds as long as the rights that it rests on, and nobody acts on a right that he just lost (F05)."""

from typing import Any

import pytest

from kashop.accounts import reads as accounts_reads
from kashop.accounts import writes as accounts
from kashop.approvals import reads as approval_reads
from kashop.flows import codes, exports, second_person
from kashop.flows import settings as settings_flow
from kashop.flows.codes import Asked
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Denied
from kashop.shop import Shop
from tests.cast import add_product
from tests.flows.test_exports import BOSS, MATE, add_mate, events, wish


@pytest.mark.parametrize("lost", ["requester demoted", "approver disabled", "approver demoted"])
async def test_an_approval_dies_with_the_rights_it_rests_on(shop: Shop, lost: str) -> None:
    """An ex-employee's approval, or one for somebody who may export no longer, opens nothing and is not spent."""
    await add_mate(shop, "owner")
    boss, mate = await shop.db.read(accounts_reads.get, 1), await shop.db.read(accounts_reads.get, 2)
    product = await add_product(shop, "goods", codes=60)
    for kind in ("export", "reveal"):
        if kind == "export":
            asked = await exports.export(shop, wish(product), BOSS, expected=60)
        else:
            await settings_flow.change(shop, {"codes.second_person_above": 1}, CLI)
            two = [r.code_id for r in await shop.db.read(codelist.oldest, Sought(), limit=2)]
            asked = await codes.reveal(shop, two, BOSS, reason="a buyer complains")
        assert isinstance(asked, Asked)
        await shop.db.write(second_person.decide, asked.approval_id, MATE, is_approved=True, note="")
        if lost == "requester demoted":
            await shop.db.write(accounts.change_role, boss.staff_id, "auditor", CLI)
        elif lost == "approver demoted":
            await shop.db.write(accounts.change_role, mate.staff_id, "support", CLI)
        else:
            await shop.db.write(accounts.disable, mate.staff_id, CLI)
        done: Any = exports.export_approved(shop, asked.approval_id, BOSS)
        if kind == "reveal":
            done.close()
            done = codes.reveal(shop, [], BOSS, reason="", approval_id=asked.approval_id)
        with pytest.raises(Denied if lost == "requester demoted" else Conflict):
            await done
        assert (await shop.db.read(approval_reads.get, asked.approval_id)).status == "approved"
        await shop.db.write(accounts.change_role, boss.staff_id, "owner", CLI)
        await shop.db.write(accounts.enable, mate.staff_id, CLI)
        await shop.db.write(accounts.change_role, mate.staff_id, "owner", CLI)
    assert await events(shop, "code.exported", "code.viewed") == []


async def test_who_lost_the_right_since_the_page_let_him_pass_does_nothing(shop: Shop) -> None:
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=60)
    asked = await exports.export(shop, wish(product), BOSS, expected=60)
    assert isinstance(asked, Asked)
    await shop.db.write(accounts.change_role, 2, "auditor", CLI)
    with pytest.raises(Denied):
        await shop.db.write(second_person.decide, asked.approval_id, MATE, is_approved=True, note="")
    with pytest.raises(Denied):
        await exports.export(shop, wish(product, 5), MATE, expected=5)
    (first,) = await shop.db.read(codelist.oldest, Sought(), limit=1)
    with pytest.raises(Denied):
        await codes.reveal(shop, [first.code_id], MATE, reason="a buyer complains")
    assert await events(shop, "export.begun", "code.viewed", "approval.approved") == []
