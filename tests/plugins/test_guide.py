"""The guide is true: its sample gateway loads as a stranger's plugin and passes the contract, and every hook stands in it."""

import re
from pathlib import Path
from typing import Any

import pytest

from kashop.payments.types import CallbackRequest, Rejected
from kashop.plugins import hookspecs
from kashop.plugins.host import Host
from kashop.plugins.kit import GatewayContract, open_stage
from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import How

TREE = Path(__file__).resolve().parents[2]
GUIDE = (TREE / "docs/guide/plugins.md").read_text()
GATEWAY, SUITE, SIMULATOR = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
HOOKS = [name for name, thing in vars(hookspecs).items() if hasattr(thing, "kashop_spec")]


def _vendor() -> Any:
    plugin: dict[str, Any] = {}
    exec(compile(GATEWAY, "guide", "exec"), plugin)
    suite: dict[str, Any] = {}
    exec(compile(SUITE, "guide", "exec"), suite)
    vendor = suite["TestSample"].vendor
    vendor.type = plugin["register_gateways"]()[0]
    return vendor


def _simulator() -> type[Simulator]:
    known: dict[str, Any] = {}
    for block in (SUITE, SIMULATOR):
        exec(compile(block, "guide", "exec"), known)
    kind: type[Simulator] = known["SampleSimulator"]
    return kind


async def test_the_sample_vendor_pays_the_sample_gateway() -> None:
    with _simulator()() as vendor:
        async with open_stage() as stage:
            gateway = TestSampleOfTheGuide.vendor.type.make(vendor.options(), stage.ctx)
            intent = TestSampleOfTheGuide.vendor.intent()
            assert all(f.is_ok for f in await gateway.test())
            assert (await gateway.begin(intent)).url.startswith(vendor.url)
            assert (await gateway.query(intent)).state == "pending"
            vendor.pay(intent.attempt_no, lose=True)
            payment = vendor.find(intent.attempt_no)
            told = vendor.notification(payment, How())
            request = CallbackRequest(method=told.method, query=b"", headers={}, body=told.body)
            assert gateway.read_callback(request) == await gateway.query(intent)
            for forge in ("signature", "key", "merchant", "amount"):
                lie = vendor.notification(payment, How(forge=forge))
                with pytest.raises(Rejected):
                    gateway.read_callback(CallbackRequest(method=lie.method, query=b"", headers={}, body=lie.body))


class TestSampleOfTheGuide(GatewayContract):
    """As its reader would run it."""

    vendor = _vendor()


def test_the_sample_loads_as_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "pay_sample.py").write_text(GATEWAY)
    host = Host.load(tmp_path)
    assert not [p for p in host.plugins if p.problem]
    assert "sample" in host.gateway_types


def test_every_hook_stands_in_the_guide_and_is_used_by_the_box() -> None:
    assert set(HOOKS) == {"register_gateways", "register_captchas", "register_pages", "startup", "shutdown"}
    box = "".join(path.read_text() for path in (TREE / "src/kashop/bundled").glob("*/__init__.py"))
    for hook in HOOKS:
        assert f"| `{hook}(" in GUIDE
        assert re.search(rf"@hookimpl\n(async )?def {hook}\(", box)
        assert (getattr(hookspecs, hook).__doc__ or "").strip()
