"""No code, key or password in anything that is written (promises, M8): a whole life with canaries, then every file, log,
answer and environment is read for them in every disguise. The codes leave by a reveal alone.
"""

import json
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kashop.plugins.kit.simulators.epay import EpaySimulator
from tests.canary.scanner import Scanner
from tests.cast import OWNER
from tests.journeys.browser import Browser
from tests.serving import Served, here


def canary(kind: str) -> str:
    """A secret that nobody could write by accident, with characters that encodings disagree about."""
    return f"KANARI-{kind}-{secrets.token_hex(8)}/+密=?"


class Life:
    """One shop from its making to its end, and all that was said meanwhile."""

    def __init__(self, folder: Path, epay: EpaySimulator):
        self.folder, self.epay, self.data = folder, epay, folder / "shop"
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.secrets: dict[str, str] = {"gateway key": epay.key}
        self.tokens: dict[str, str] = {}
        """Secrets that their owner is shown: they may stand in answers, and in nothing that is kept."""
        self.said: list[tuple[str, bytes]] = []
        self.served = Served(self.data, KASHOP_LOG_LEVEL="debug", TMPDIR=str(self.spool))
        self.browser = Browser()
        self.script = httpx.Client(trust_env=False, timeout=60)

    def new(self, kind: str) -> str:
        """A new canary, remembered."""
        made = canary(kind.replace(" ", "-"))
        self.secrets[f"{kind} {len(self.secrets)}"] = made
        return made

    def command(self, *arguments: str | Path, given: str = "", ends: int = 0) -> None:
        """A command whose whole output is kept for the scan."""
        done = here(*arguments, "--data", self.data, given=given, KASHOP_LOG_LEVEL="debug")
        assert done.returncode == ends, (arguments, done.returncode, done.stderr.decode())
        self.said.append((f"kashop {' '.join(map(str, arguments[:2]))}", done.stdout + done.stderr))

    def note_spools(self) -> None:
        """Keep for the scan what the server holds open on the disk without a name: files on their way in."""
        assert self.served.process is not None
        links = [fd for fd in Path(f"/proc/{self.served.process.pid}/fd").iterdir() if str(fd.readlink()).endswith("(deleted)")]
        kept = [fd.read_bytes() for fd in links if str(self.data) in str(fd.readlink())]
        assert any(len(data) > 1_000_000 for data in kept), "the upload lies nowhere"
        self.said += [("spool", data) for data in kept]

    def ask(self, method: str, path: str, *, is_reveal: bool = False, **more: Any) -> httpx.Response:
        """One API call; its answer is kept unless it is a reveal."""
        answer = self.script.request(method, self.served.url + path, **more)
        if not is_reveal:
            self.said.append((f"{method} {path}", answer.content + str(answer.headers).encode()))
        return answer

    def order(self, slug: str, *, password: str = "") -> dict[str, Any]:
        """An order by the API."""
        wish = {
            "lines": [{"sku": slug, "quantity": 1}],
            "contact": {"type": "email", "value": "a@example.com"},
            "gateway": "epay-main",
            "method": "wxpay",
            "lookup_password": password,
        }
        answer = self.ask("POST", "/api/v1/orders", json=wish, headers={"idempotency-key": secrets.token_hex(8)})
        assert answer.status_code == 201, answer.text
        self.tokens[f"order token {len(self.tokens)}"] = answer.json()["token"]
        return dict(answer.json())

    def codes(self, placed: dict[str, Any]) -> list[str]:
        """A reveal by the API."""
        path = f"/api/v1/orders/{placed['order_no']}/reveal"
        answer = self.ask("POST", path, is_reveal=True, headers={"authorization": f"Bearer {placed['token']}"})
        return [code for line in answer.json()["lines"] for code in line["codes"]] if answer.status_code == 200 else []

    def close(self) -> None:
        """End what runs."""
        self.browser.close()
        self.script.close()
        self.served.stop()


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    with EpaySimulator(key=f"KANARIkey{secrets.token_hex(12)}") as epay:
        lived = Life(tmp_path, epay)
        monkeypatch.setattr(tempfile, "tempdir", str(lived.spool))
        yield lived
        lived.close()


def test_no_secret_is_in_anything_that_is_kept_or_said(life: Life) -> None:
    owner = found(life)
    stock(life)
    life.served.start()
    environ = Path(f"/proc/{life.served.process.pid}/environ").read_bytes() if life.served.process else b""
    sell(life)
    by_panel(life, owner)
    refuse(life)
    life.served.kill()
    kept = Scanner({**life.secrets, **life.tokens, "unseal key": life.data.with_name("shop.key").read_bytes()})
    assert (life.data / "kashop.db-wal").stat().st_size > 0
    assert kept.files(life.data, life.spool) == []
    life.served.start()
    life.command("check", "--all")
    life.command("doctor")
    life.served.stop()
    break_a_seal(life)
    assert kept.files(life.data, life.spool) == []
    assert kept.texts([("the server's log", life.served.log.read_bytes()), ("its environment", environ)]) == []
    shown = ("/reveal", "/codes.txt")
    answers = [(where, body) for where, body in life.browser.heard if not where.endswith(shown)]
    assert len(answers) > 20
    assert Scanner(life.secrets).texts(life.said + answers) == []


def found(life: Life) -> str:
    owner = life.new("boss")
    life.command("init", "--owner", OWNER, "--owner-password-file", "-", given=owner)
    life.command("product", "add", "--slug", "keys", "--name", "Keys", "--price", "9.90", "--lookup-password", "required")
    life.command("product", "add", "--slug", "configs", "--name", "Configs", "--price", "5")
    life.command("product", "add", "--slug", "byhand", "--name", "By hand", "--price", "3", "--delivery", "manual")
    key = life.folder / "epay.key"
    key.write_text(life.epay.key)
    options = ["--option", f"pid={life.epay.pid}", "--option", f"key=@{key}", "--option", f"url={life.epay.url}"]
    life.command("gateway", "set", "epay-main", "--type", "epay", *options, "--option", "mode=api")
    life.command("gateway", "list", "--json")
    life.command("gateway", "test", "epay-main", ends=1)  # it is not served yet, and its address is no public one
    return owner


def stock(life: Life) -> None:
    """Good files, a file with every kind of bad row, and one that is refused whole."""
    plain = [life.new("code") for _ in range(6)]
    life.command("codes", "import", "-", "--product", "keys", "--dry-run", given="\n".join(plain))
    life.command("codes", "import", "-", "--product", "keys", given="\n".join(plain))
    config = life.new("config") + "\n" + life.new("second line")
    life.command("codes", "import", "-", "--product", "configs", given=json.dumps({"code": config}, ensure_ascii=False))
    mixed = [plain[0], life.new("bad") + "\x01", life.new("repeated")]
    life.command("codes", "import", "-", "--product", "keys", "--json", given="\n".join([*mixed, mixed[2]]))
    broken = life.folder / "broken.txt"
    broken.write_bytes(b"\xef\xbb\xbf" + life.new("refused").encode() + b"\n\xff\xfe\xfa\n")
    life.command("codes", "import", broken, "--product", "keys", ends=1)
    life.command("codes", "import", "-", "--product", "nowhere", given=life.new("homeless"), ends=1)


def sell(life: Life) -> None:
    password = life.new("look-up")
    first, second, third = life.order("keys", password=password), life.order("configs"), life.order("byhand")
    for placed, how in ((first, {}), (second, {"times": 3, "parallel": True}), (third, {"lose": True})):
        life.epay.pay(placed["payment"]["attempt"], **how)
    assert len(life.codes(first)) == len(life.codes(second)) == 1
    life.browser.open(f"{life.served.url}/o/{third['order_no']}?k={third['token']}")
    life.browser.send(life.browser.form("/check"))  # asks the gateway: the key goes out in a query
    life.command("order", "deliver", third["order_no"], given=life.new("by hand"))
    assert len(life.codes(third)) == 1
    life.command("order", "show", first["order_no"], "--json")
    life.browser.open(f"{life.served.url}/lookup")
    life.browser.send(life.browser.form("/lookup"), query=first["order_no"], password=password)
    life.browser.open(f"{life.served.url}/o/{first['order_no']}?k={first['token']}")
    life.browser.send(life.browser.form("/reveal"))
    life.browser.send(life.browser.form("/codes.txt"))
    life.ask("GET", f"/api/v1/orders/{first['order_no']}", headers={"authorization": f"Bearer {first['token']}"})


def by_panel(life: Life, owner: str) -> None:
    """Log in, import by file, look round."""
    browser = life.browser
    browser.open(f"{life.served.url}/admin/login")
    browser.try_to_send(browser.form("/admin/login"), email=OWNER, password=life.new("wrong word"))
    browser.send(browser.form("/admin/login"), email=OWNER, password=owner)
    life.tokens["session"] = browser.cookies["kashop_staff"]
    browser.open(f"{life.served.url}/admin/codes/import")
    lines = "\n".join([life.new("panel code"), *(f"{n:06}-{'x' * 90}" for n in range(12_000))])  # more than a megabyte
    browser.upload(browser.form("/admin/codes/import/files"), "panel.txt", lines.encode(), sku="keys/keys")
    assert browser.page.status_code == 200, browser.page.text[:500]
    here = str(browser.page.url).removesuffix("/rules")
    life.note_spools()
    form = browser.form("/rules")
    form.values["do"] = "next"
    browser.send(form)
    while "data-live" in browser.page.text:
        browser.open(f"{here}/preview")
    browser.open(f"{here}/options")
    browser.send(browser.form("/options"))
    while "data-live" in browser.page.text:
        browser.open(f"{here}/run")
    assert "/admin/codes/batches/" in str(browser.page.url)
    for page in (
        "",
        "/orders",
        "/exceptions",
        "/stock",
        "/codes",
        "/gateways",
        "/gateways/epay-main",
        "/jobs",
        "/staff",
        "/settings",
    ):
        browser.open(f"{life.served.url}/admin{page}")


def refuse(life: Life) -> None:
    """Everything that is refused, with secrets in it."""
    browser = life.browser
    browser.open(f"{life.served.url}/p/keys")
    browser.try_to_send(browser.form("/checkout"), contact="", lookup_password=life.new("typed word"))
    browser.open(f"{life.served.url}/lookup")
    browser.try_to_send(browser.form("/lookup"), query="a@example.com", password=life.new("wrong look-up"))
    for body in (json.dumps({"lookup_password": life.new("api word")}), '{"lookup_password": "' + life.new("cut")):
        answer = life.ask("POST", "/api/v1/orders", content=body.encode(), headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500
    life.ask("POST", "/api/v1/orders/K000/reveal", headers={"authorization": f"Bearer {life.new('guess')}".encode()})
    life.ask("GET", f"/pay/epay-main/callback?out_trade_no=A1&sign={'0' * 32}")


def break_a_seal(life: Life) -> None:
    """A code that does not open is an alarm, and neither the log nor the answer says what it was."""
    with sqlite3.connect(life.data / "kashop.db") as con:
        con.execute("UPDATE codes SET sealed = CAST(substr(sealed, 1, 30) || x'00' AS BLOB) WHERE status = 'sold'")
    con.close()
    life.served.start()
    password = next(secret for name, secret in life.secrets.items() if name.startswith("look-up"))
    life.browser.open(f"{life.served.url}/lookup")
    life.browser.send(life.browser.form("/lookup"), query="a@example.com", password=password)
    life.command("check", "--all", ends=1)
    life.served.stop()
