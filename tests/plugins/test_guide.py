"""The guide is true: its sample gateway loads as a stranger's plugin and passes the contract, and every hook stands in it."""

import re
from pathlib import Path
from typing import Any

from kashop.plugins import hookspecs
from kashop.plugins.host import Host
from kashop.plugins.kit import GatewayContract

TREE = Path(__file__).resolve().parents[2]
GUIDE = (TREE / "docs/guide/plugins.md").read_text()
GATEWAY, SUITE = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
HOOKS = [name for name, thing in vars(hookspecs).items() if hasattr(thing, "kashop_spec")]


def _vendor() -> Any:
    plugin: dict[str, Any] = {}
    exec(compile(GATEWAY, "guide", "exec"), plugin)
    suite: dict[str, Any] = {}
    exec(compile(SUITE, "guide", "exec"), suite)
    vendor = suite["TestSample"].vendor
    vendor.type = plugin["register_gateways"]()[0]
    return vendor


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
    assert set(HOOKS) == {"register_gateways", "register_pages", "startup", "shutdown"}
    box = "".join(path.read_text() for path in (TREE / "src/kashop/bundled").glob("*/__init__.py"))
    for hook in HOOKS:
        assert f"| `{hook}(" in GUIDE
        assert re.search(rf"@hookimpl\n(async )?def {hook}\(", box)
        assert (getattr(hookspecs, hook).__doc__ or "").strip()
