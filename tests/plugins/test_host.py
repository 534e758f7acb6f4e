"""The plugin host: strangers' plugins are found, checked, and kept from breaking the others."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins import guard, host
from kashop.plugins.context import RunningContext
from kashop.plugins.host import Host
from kashop.plugins.kit import FixedClock, MemoryStore
from kashop.plugins.kit.vendor import Vendor
from kashop.plugins.types import PageRequest

HEAD = """
from kashop.plugins.api import *
KASHOP_PLUGIN = {{"id": "{id}", "name": "Test", "version": "1.2", "plugin_api": 1}}
"""

GATEWAY = """
class Cash:
    accepted = Answer()
    rejected = Answer(status=400, body=b"no")
    def __init__(self, options, ctx):
        self.ctx = ctx
    async def begin(self, intent):
        {begin}
    def read_callback(self, request):
        {read}
    async def query(self, intent):
        {query}
    async def test(self):
        {test}

@hookimpl
def register_gateways():
    return [GatewayType(type="cash", label="Cash", methods=(), currencies=(), options=(), make=Cash)]
"""

WELL = {
    "begin": "return Begun(kind='redirect', url='https://pay.example/')",
    "read": "return Notice(state='pending', attempt_no='A1')",
    "query": "return None",
    "test": "return [Finding(subject='x', is_ok=True)]",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    return tmp_path


BOX = {
    *("practice", "epay", "epay_v2", "xunhu", "vmq", "transfer", "alipay", "wechat"),
    *("epusdt", "gmpay", "bepusdt", "tokenpay", "btcpay", "nowpayments", "stripe", "paypal"),
}
"""The gateway types of the box."""


def write(data: Path, id: str, body: str, *, head: str | None = None) -> Path:
    path = data / "plugins" / f"{id}.py"
    path.write_text((HEAD.format(id=id) if head is None else head) + textwrap.dedent(body))
    return path


def context(plugin: str) -> RunningContext:
    return RunningContext(plugin, base_url="https://shop.example", clock=FixedClock(), store=MemoryStore())


def problems(host: Host) -> dict[str, str]:
    return {p.id: p.problem for p in host.plugins if p.problem}


@pytest.fixture
async def stopped() -> AsyncIterator[list[Host]]:
    hosts: list[Host] = []
    yield hosts
    for one in hosts:
        await one.stop()


def test_the_box_is_loaded_by_the_same_hooks(data: Path) -> None:
    host = Host.load(data)
    assert {p.origin for p in host.plugins} == {"bundled"}
    assert {"pay_epay", "pay_alipay", "practice"} <= {p.id for p in host.plugins}
    assert problems(host) == {}
    assert set(host.gateway_types) == BOX


def test_a_single_file_is_a_plugin(data: Path) -> None:
    write(data, "cash", GATEWAY.format(**WELL))
    host = Host.load(data)
    assert problems(host) == {}
    assert "cash" in host.gateway_types
    assert [(p.version, p.origin) for p in host.plugins if p.id == "cash"] == [("1.2", "file")]


def test_safe_mode_runs_nothing_but_the_box(data: Path) -> None:
    ran = data / "ran"
    write(data, "cash", f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n" + GATEWAY.format(**WELL))
    assert {p.origin for p in Host.load(data, safe_mode=True).plugins} == {"bundled"}
    assert not ran.exists()
    Host.load(data)
    assert ran.exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('my secret')", "RuntimeError"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("from kashop.plugins.api import no_such_name", "no_such_name"),
        ("@hookimpl\ndef register_gateways():\n    raise KeyError('my secret')", "KeyError"),
        ("@hookimpl\ndef register_gateways():\n    return [1]", "gave a int"),
        ("@hookimpl\ndef register_gateways():\n    return 1", "TypeError"),
        ("@hookimpl\ndef register_pages(ctx):\n    return []", "register_pages"),
        ("@hookimpl\ndef no_such_hook():\n    return []", "there is no hook no_such_hook"),
        ("import pluggy\n@pluggy.HookimplMarker('kashop')(wrapper=True)\ndef startup(ctx):\n    yield", "wrapper"),
        (GATEWAY.format(**WELL).replace('"cash"', '"epay"'), "the gateway type epay is taken"),
    ],
)
def test_a_broken_plugin_is_off_with_a_reason_and_the_others_go_on(data: Path, body: str, reason: str) -> None:
    write(data, "broken", body)
    write(data, "later", GATEWAY.format(**WELL))
    with structlog.testing.capture_logs() as events:
        host = Host.load(data)
    assert list(problems(host)) == ["broken"]
    assert reason in problems(host)["broken"]
    assert "my secret" not in repr(events) + repr(host.plugins)
    assert [e["plugin"] for e in events if e["log_level"] in ("warning", "error")] == ["broken"]
    assert set(host.gateway_types) == BOX | {"cash"}
    assert [name for name in (*BOX, "cash", "unheard of") if not host.is_of_box(name)] == ["cash", "unheard of"]
    assert host.gateway_types["epay"].label == "Epay"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("", "no KASHOP_PLUGIN"),
        ("KASHOP_PLUGIN = dict(id='odd')\n", "literal"),
        ("KASHOP_PLUGIN = {'id': 'odd', 'version': '1'}\n", "plugin_api"),
        ("KASHOP_PLUGIN = {'id': 'odd', 'version': '1', 'plugin_api': 2}\n", "plugin API 2"),
        ("KASHOP_PLUGIN = {'id': 'odd', 'version': 1, 'plugin_api': 1}\n", "version"),
        ("KASHOP_PLUGIN = {'id': 'odd', 'version': '1', 'plugin_api': 1, 'x': 1}\n", "x"),
        ("KASHOP_PLUGIN = {'id': 'other', 'version': '1', 'plugin_api': 1}\n", "other"),
        ("KASHOP_PLUGIN = {'id': 'Odd!', 'version': '1', 'plugin_api': 1}\n", "id must be"),
        ("KASHOP_PLUGIN = (\n", "SyntaxError"),
        ("\0", "Error"),
    ],
)
def test_without_a_fit_manifest_nothing_of_a_file_runs(data: Path, head: str, reason: str) -> None:
    ran = data / "ran"
    write(data, "odd", f"\nimport pathlib\npathlib.Path({str(ran)!r}).touch()\n", head=head)
    host = Host.load(data)
    assert reason in problems(host)["odd"]
    assert not ran.exists()


def test_an_id_is_taken_once(data: Path) -> None:
    write(data, "practice", GATEWAY.format(**WELL))
    host = Host.load(data)
    taken = [(p.id, p.origin, p.problem) for p in host.plugins if p.id == "practice"]
    assert taken == [("practice", "bundled", ""), ("practice", "file", "the id practice is taken")]
    assert "cash" not in host.gateway_types


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place where packages are installed."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in [n for n in sys.modules if n.startswith("kashop_test_")]:
        del sys.modules[name]


def install(site: Path, id: str, body: str, *, manifest_id: str = "") -> None:
    (site / f"kashop_test_{id}.py").write_text(HEAD.format(id=manifest_id or id) + body)
    info = site / f"kashop_test_{id}-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kashop-test-{id}\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(f"[kashop.plugins]\n{id} = kashop_test_{id}\n")


def test_an_installed_package_is_a_plugin(data: Path, installed: Path) -> None:
    install(installed, "cash", GATEWAY.format(**WELL))
    install(installed, "liar", "", manifest_id="cash")
    install(installed, "wrong", "raise RuntimeError")
    host = Host.load(data)
    assert "cash" in host.gateway_types
    assert [(p.version, p.origin) for p in host.plugins if p.id == "cash"] == [("3.1", "package")]
    assert set(problems(host)) == {"liar", "wrong"}
    assert "entry point" in problems(host)["liar"]


# Starting and stopping


async def test_startup_and_shutdown_are_told_and_one_that_fails_is_off(
    data: Path, monkeypatch: pytest.MonkeyPatch, stopped: list[Host]
) -> None:
    monkeypatch.setattr(host, "HOOK_SECONDS", 1.0)
    told = data / "told"
    say = f"open({str(told)!r}, 'a').write"
    write(data, "aaa_raises", GATEWAY.format(**WELL) + "@hookimpl\nasync def startup(ctx):\n    raise ValueError('secret')\n")
    write(data, "bbb_hangs", "import asyncio\n@hookimpl\nasync def startup(ctx):\n    await asyncio.sleep(3600)\n")
    write(data, "ccc_fine", f"@hookimpl\ndef startup(ctx):\n    {say}('up ' + ctx.plugin + ' ')\n")
    write(data, "ddd_fine", f"@hookimpl\nasync def shutdown():\n    {say}('down')\n")
    loaded = Host.load(data)
    stopped.append(loaded)
    assert "cash" in loaded.gateway_types
    async with asyncio.timeout(60):
        await loaded.start(context)
    assert set(problems(loaded)) == {"aaa_raises", "bbb_hangs"}
    assert problems(loaded)["aaa_raises"] == "startup: ValueError"
    assert "cash" not in loaded.gateway_types
    await loaded.stop()
    assert told.read_text() == "up ccc_fine down"


async def test_background_work_ends_with_the_shop_and_its_failure_is_told(data: Path, stopped: list[Host]) -> None:
    ended = data / "ended"
    body = f"""
    import asyncio
    async def forever():
        try:
            await asyncio.sleep(3600)
        finally:
            open({str(ended)!r}, "w").close()
    async def fails():
        raise ValueError("secret")
    @hookimpl
    async def startup(ctx):
        ctx.spawn(forever())
        ctx.spawn(fails())
        await asyncio.sleep(0)
    """
    write(data, "worker", body)
    loaded = Host.load(data)
    with structlog.testing.capture_logs() as events:
        await loaded.start(context)
        await asyncio.sleep(0)
        await loaded.stop()
    assert ended.exists()
    assert [e["error"] for e in events if e["event"] == "background work failed"] == ["ValueError"]
    assert "secret" not in repr(events)


# Pages


PAGES = """
import asyncio
async def show(ctx, request):
    return PageResponse.html(ctx.plugin + request.params.get("name", "") + request.query.get("q", ""))
async def raises(ctx, request):
    raise ValueError("secret")
async def hangs(ctx, request):
    await asyncio.sleep(60)
async def nonsense(ctx, request):
    return "text"
@hookimpl
def register_pages():
    return [Page(path="", answer=show), Page(path="hello/{name}", answer=show), Page(path="a.b", answer=show),
        Page(path="raises", answer=raises), Page(path="hangs", answer=hangs), Page(path="nonsense", answer=nonsense),
        Page(path="only", answer=show, methods=("POST",))]
"""


async def test_pages_are_found_by_path_and_method_and_a_broken_one_answers_500(
    data: Path, stopped: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "PAGE_SECONDS", 0.2)
    write(data, "pages", PAGES)
    loaded = Host.load(data)
    stopped.append(loaded)
    loaded.equip(context)

    async def visit(path: str, method: str = "GET") -> tuple[int, bytes]:
        said = await loaded.answer("pages", PageRequest(method=method, path=path, query={"q": "!"}))
        return said.status, said.body

    assert await visit("") == (200, b"pages!")
    assert await visit("hello/you") == (200, b"pagesyou!")
    for path in ("hello/", "hello/a/b", "hello", "aXb", "nowhere", "hello/you\n"):
        assert (await visit(path))[0] == (200 if path == "hello/you\n" else 404), path
    with structlog.testing.capture_logs() as events:
        assert [(await visit(p))[0] for p in ("raises", "hangs", "nonsense")] == [500, 500, 500]
    assert len([e for e in events if e["event"] == "plugin page failed"]) == 3
    assert "secret" not in repr(events)
    assert (await visit("only"))[0] == 405
    assert (await visit("only", "POST"))[0] == 200
    assert (await loaded.answer("no_such_plugin", PageRequest(method="GET", path=""))).status == 404
    assert loaded.plugins[-1].problem == ""


# A gateway that breaks its protocol


async def test_whatever_a_gateway_breaks_becomes_a_refusal(
    data: Path, stopped: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    bad = (
        "raise ValueError('secret')",
        "return 7",
        "import asyncio; await asyncio.sleep(60)",
        "return Begun(kind='fax')",
        "return Begun(kind='qr', url='https://x')",
        "return Notice(state='maybe', attempt_no='A1')",
        "return Notice(state='paid', attempt_no='A1', amount_minor='12')",
        "return [7]",
    )
    for number, line in enumerate(bad):
        read = line if "await" not in line else "raise KeyError"
        write(
            data,
            f"cash{number}",
            GATEWAY.format(begin=line, read=read, query=line, test=line).replace('"cash"', f'"cash{number}"'),
        )
    loaded = Host.load(data)
    stopped.append(loaded)
    loaded.equip(context)
    intent = Vendor.intent(Vendor())
    with structlog.testing.capture_logs() as events:
        for number in range(len(bad)):
            gateway = loaded.gateway(f"cash{number}", {})
            for ask in (lambda g=gateway: g.begin(intent), lambda g=gateway: g.query(intent), gateway.test):
                with pytest.raises(GatewayFailed) as failed:
                    await ask()
                assert failed.value.is_unclear
            with pytest.raises(Rejected):
                gateway.read_callback(CallbackRequest(method="GET", query=b"", headers={}, body=b""))
    assert "secret" not in repr(events)
    assert {e["plugin"] for e in events} == {f"cash{n}" for n in range(len(bad))}


async def test_a_gateway_that_cannot_be_made_is_a_refusal(data: Path, stopped: list[Host]) -> None:
    write(data, "cash", GATEWAY.format(**WELL).replace("self.ctx = ctx", "raise ValueError('secret')"))
    loaded = Host.load(data)
    stopped.append(loaded)
    loaded.equip(context)
    with structlog.testing.capture_logs() as events, pytest.raises(Invalid) as caught:
        loaded.gateway("cash", {})
    assert caught.value.fields[0].field == "type"
    assert "secret" not in repr(events) + caught.value.text()


async def test_good_words_pass_the_guard_unchanged(data: Path, stopped: list[Host]) -> None:
    write(data, "cash", GATEWAY.format(**WELL))
    loaded = Host.load(data)
    stopped.append(loaded)
    loaded.equip(context)
    gateway = loaded.gateway(loaded.gateway_types["cash"], {})
    intent = Vendor.intent(Vendor())
    assert (await gateway.begin(intent)).url == "https://pay.example/"
    assert await gateway.query(intent) is None
    assert [f.is_ok for f in await gateway.test()] == [True]
    assert gateway.read_callback(CallbackRequest(method="GET", query=b"", headers={}, body=b"")).state == "pending"
    assert gateway.rejected.body == b"no"
