"""Gateways, staff, settings, orders, doctor, audit: running a shop from the terminal."""

import asyncio
import json
from pathlib import Path

import pytest

from kashop.flows import checkout
from kashop.flows.checkout import Checkout, Placed, Want
from kashop.shop import Shop
from tests import beside
from tests.cast import BUYER, add_epay, add_product, config
from tests.cli.conftest import Terminal

KEY = "KEY-canary-1234567890"
EPAY = ("--type", "epay", "--option", "url=http://127.0.0.1:9", "--option", "pid=1001")


def files_hold(data: Path, text: str) -> list[Path]:
    return [p for p in data.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


@pytest.mark.parametrize("way", ["file", "stdin", "environ", "environ file", "plain"])
def test_a_gateways_key_is_kept_and_never_shown(terminal: Terminal, tmp_path: Path, way: str) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    option, env, stdin = {
        "file": (f"key=@{tmp_path}/key", {}, None),
        "stdin": ("key=@-", {}, KEY + "\n"),
        "environ": ("", {"KASHOP_OPTION_KEY": KEY}, None),
        "environ file": ("", {"KASHOP_OPTION_KEY_FILE": f"{tmp_path}/key"}, None),
        "plain": (f"key={KEY}", {}, None),
    }[way]
    said = terminal.good("gateway", "set", "epay-main", *EPAY, *(["--option", option] if option else []), env=env, stdin=stdin)
    said += terminal.good("gateway", "list") + terminal.good("gateway", "list", "--json")
    (account,) = terminal.json("gateway", "list")
    assert (account["secrets"], account["is_enabled"], account["options"]["pid"]) == (["key"], True, "1001")
    assert KEY not in said
    assert not files_hold(terminal.data, KEY)


def test_a_gateway_is_changed_and_keeps_what_is_not_given(terminal: Terminal) -> None:
    terminal.good("gateway", "set", "e", *EPAY, "--option", f"key={KEY}", "--label", "易支付", "--disable")
    terminal.good("gateway", "set", "e", "--option", "pid=2002")
    (account,) = terminal.json("gateway", "list")
    assert (account["options"]["pid"], account["label"], account["is_enabled"]) == ("2002", "易支付", False)
    terminal.good("gateway", "enable", "e")
    assert terminal.json("gateway", "list")[0]["is_enabled"] is True
    terminal.good("gateway", "disable", "e")
    tried = terminal.run("gateway", "test", "e", "--json")
    assert tried.exit_code == 1
    assert json.loads(tried.stdout)["ok"] is False
    assert KEY not in tried.output


def test_a_gateways_rules_are_set_one_by_one(terminal: Terminal) -> None:
    terminal.good(
        "gateway", "set", "a", *EPAY, "--option", f"key={KEY}", "--fee", "added", "--fee-percent", "0.6", "--least", "10"
    )
    said = terminal.good("gateway", "set", "a", "--fee-fixed", "0.10", "--tolerance", "1")
    assert "An order of 100 CNY asks for 100.70 CNY." in said
    terminal.good("gateway", "copy", "a", "b")
    terminal.good("gateway", "set", "b", "--least", "0", "--fee-fixed", "", "--fee", "absorbed", "--position", "1", "--enable")
    b, a = terminal.json("gateway", "list")
    assert (a["name"], b["name"], b["is_enabled"]) == ("a", "b", True)
    assert a["rules"] == {"least": "10.00", "fee": "added", "fee-percent": "0.6", "fee-fixed": "0.10", "tolerance": "1"}
    assert b["rules"] == {"fee-percent": "0.6", "tolerance": "1"}
    for options, wrong in (
        (("--currency", "USD", "--rate", "0.14"), "currency: This gateway is not asked in USD"),
        (("--fee-percent", "31"), "fee-percent: A fee of 0 to 30 %."),
        (("--products", "nothing"), "products: There is no product nothing."),
        (("--least", "ten"), "least: Not an amount"),
    ):
        assert wrong in terminal.refused("gateway", "set", "a", *options)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("BAD NAME", *EPAY, "--option", "key=k1234567"), "name: "),
        (("e", "--type", "nope"), "There is no gateway type nope; there is: alipay, "),
        (("e",), "A new account needs --type"),
        (("e", *EPAY), "key: This is needed."),
        (("e", *EPAY, "--option", "key="), "key: This is needed."),
        (("e", *EPAY, "--option", "key=k", "--option", "colour=red"), "colour: There is no such option."),
        (("e", *EPAY, "--option", "key=@nowhere"), "nowhere: No such file or directory"),
    ],
)
def test_a_wrong_gateway_is_refused_by_option(terminal: Terminal, args: tuple[str, ...], said: str) -> None:
    assert said in terminal.refused("gateway", "set", *args)
    assert terminal.json("gateway", "list") == []


def test_a_practice_gateway_has_no_place_in_a_real_shop(tmp_path: Path) -> None:
    real = Terminal(tmp_path / "real")
    real.good("init")
    assert "works only in a practice shop" in real.refused("gateway", "set", "p", "--type", "practice")


def test_staff(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("another Good one 9\n")
    made = terminal.json("admin", "create", "Wang@Example.com", "--role", "support")
    assert len(made["password"]) == 16
    given = terminal.json("admin", "create", "li@example.com", "--role", "manager", "--password-file", tmp_path / "pw")
    assert given["password"] is None
    assert {s["email"]: s["role"] for s in terminal.json("admin", "list")} == {
        "owner@example.com": "owner",
        "wang@example.com": "support",
        "li@example.com": "manager",
    }
    assert "Somebody has this address already." in terminal.refused("admin", "create", "WANG@example.com")
    assert "Nobody has the address x@example.com" in terminal.refused("admin", "unlock", "x@example.com")
    assert "At least one owner must be able to log in." in terminal.refused("admin", "disable", "owner@example.com")
    terminal.good("admin", "disable", "wang@example.com")
    assert "disabled" in terminal.good("admin", "list")
    assert terminal.json("admin", "reset-password", "li@example.com")["password"]
    beside.change(config(terminal.data).place, "UPDATE staff SET locked_until = 9999999999999, failed_logins = 12")
    assert "locked" in terminal.good("admin", "list")
    terminal.good("admin", "unlock", "owner@example.com")
    assert not {s["email"]: s["is_locked"] for s in terminal.json("admin", "list")}["owner@example.com"]
    assert terminal.good("admin", "link").startswith("http://127.0.0.1:8000/admin/login/link?token=")


def test_settings(terminal: Terminal) -> None:
    terminal.good("setting", "set", "shop.name", "改名小店")
    assert terminal.good("setting", "get", "shop.name") == "改名小店\n"
    assert terminal.json("setting", "list")["shop.currency"] == "CNY"
    assert "cannot be changed here" in terminal.refused("setting", "set", "shop.currency", "USD")
    assert "There is no setting shop.colour" in terminal.refused("setting", "set", "shop.colour", "red")
    assert "callbacks.keep_days: Write a number from 7 to 3650." in terminal.refused("setting", "set", "callbacks.keep_days", "6")


def placed(data: Path, *skus: str) -> list[Placed]:
    """Unpaid orders, one for each SKU."""

    async def work() -> list[Placed]:
        shop = await Shop.open(config(data))
        await add_epay(shop)
        await add_product(shop, "auto", codes=3)
        await add_product(shop, "hand", delivery="manual")
        wishes = [
            Checkout(lines=(Want(sku, 1),), contact_type="email", contact="a@example.com", gateway="epay-main", method="alipay")
            for sku in skus
        ]
        made = [await checkout.place(shop, wish, BUYER) for wish in wishes]
        await shop.close()
        return made

    return asyncio.run(work())


def test_orders_from_unpaid_to_delivered(terminal: Terminal, tmp_path: Path) -> None:
    auto, hand, gone = (p.order.order_no for p in placed(terminal.data, "auto", "hand", "auto"))
    assert {o["status"] for o in terminal.json("order", "list")} == {"pending"}
    done = terminal.good("order", "confirm", auto, "--reference", "BANK-1", "--note", "银行流水已核对")
    assert done == f"{auto} is delivered.\n"
    assert "already paid" in terminal.refused("order", "confirm", auto, "--reference", "BANK-1", "--note", "x")
    assert "reference: This payment was already counted." in terminal.refused(
        "order", "confirm", hand, "--reference", "BANK-1", "--note", "x"
    )
    assert "Only a paid order can be delivered." in terminal.refused("order", "deliver", hand, stdin="已充值\n")
    assert terminal.json("order", "confirm", hand, "--reference", "BANK-2", "--note", "x")["status"] == "delivering"
    assert "Write 1 entries" in terminal.refused("order", "deliver", hand, stdin="一\n二\n")
    (tmp_path / "what").write_text("CANARY 已充值\n第二行\n", encoding="utf-8")
    assert terminal.json("order", "deliver", hand, "--content-file", tmp_path / "what")["status"] == "delivered"
    terminal.good("order", "cancel", gone, "--reason", "买家不要了")
    assert "can no longer be cancelled" in terminal.refused("order", "cancel", gone)
    assert "There is no order K0" in terminal.refused("order", "show", "K0")
    assert "reference" in terminal.refused("order", "confirm", gone, "--reference", "x" * 129, "--note", "x")
    known = terminal.json("order", "show", auto)
    assert (known["status"], known["receipts"][0]["source"], known["lines"][0]["delivered"]) == ("delivered", "manual", 1)
    said = "".join(terminal.good("order", "show", no) + terminal.good("order", "show", no, "--json") for no in (auto, hand, gone))
    assert "买家不要了" in said
    assert "AUTO-0" not in said
    assert "CANARY" not in said
    assert terminal.json("order", "exceptions") == []
    assert not files_hold(terminal.data, "CANARY")
    assert terminal.run("check", "--all").exit_code == 0


def test_a_late_confirmation_with_empty_shelves_is_on_the_desk(terminal: Terminal) -> None:
    orders = [p.order.order_no for p in placed(terminal.data, "auto", "auto", "auto")]
    terminal.good("order", "cancel", orders[0])
    asyncio.run(_sell_the_rest(terminal.data))
    terminal.good("order", "confirm", orders[0], "--reference", "B", "--note", "late")
    (row,) = terminal.json("order", "exceptions")
    assert (row["order_no"], row["kind"]) == (orders[0], "paid_late")
    assert "paid_late" in terminal.good("order", "exceptions")


async def _sell_the_rest(data: Path) -> None:
    shop = await Shop.open(config(data))
    wish = Checkout(lines=(Want("auto", 1),), contact_type="email", contact="b@example.com", gateway="epay-main", method="alipay")
    await checkout.place(shop, wish, BUYER)
    await shop.close()


def test_the_vault_and_the_chain(terminal: Terminal) -> None:
    placed(terminal.data, "auto")
    assert terminal.json("vault", "status")["codes"] == {"free": 2, "held": 1, "sold": 0, "void": 0}
    whole = terminal.json("audit", "verify")
    assert whole["ok"] is True
    assert terminal.good("audit", "head") == f"{whole['seq']} {whole['hash']}\n"
    crime = "UPDATE events SET reason = 'x' WHERE seq = 2"
    beside.change(config(terminal.data).place, crime, past=("events_never_updated",))
    broken = terminal.run("audit", "verify")
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert "event 2" in broken.stderr
    assert terminal.run("check", "--all").exit_code == 1
    assert json.loads(terminal.run("check", "--all", "--json").stdout)["ok"] is False


def findings(terminal: Terminal, **env: str) -> tuple[int, dict[str, tuple[str, str]]]:
    result = terminal.run("doctor", "--json", env=env)
    found = json.loads(result.stdout)["findings"]
    worst = sorted(found, key=lambda f: ["mend", "note", "ok"].index(f["level"]), reverse=True)
    return result.exit_code, {f["subject"]: (f["level"], f["said"]) for f in worst}


@pytest.mark.sqlite  # on a server it looks at other things: tests/cli/test_on_postgres.py
def test_the_doctor_finds_a_new_shop_well(terminal: Terminal) -> None:
    code, found = findings(terminal)
    assert code == 0, found
    assert {"SQLite", "database", "schema", "disk", "permissions", "address", "clock", "server", "audit", "plugins"} <= set(found)
    assert found["server"][0] == "note"
    assert "Nothing must be mended." in terminal.good("doctor")


@pytest.mark.sqlite
def test_the_doctor_says_what_to_mend(terminal: Terminal) -> None:
    key = terminal.data.with_name("shop.key")
    (terminal.data / "kashop.db").chmod(0o644)
    (terminal.data / "plugins" / "bad.py").write_text("KASHOP_PLUGIN = nonsense")
    beside.change(config(terminal.data).place, "INSERT INTO job_runs VALUES ('forget', 1, 1, 0, 'it broke')")
    code, found = findings(terminal, KASHOP_BASE_URL="http://shop.example")
    mend = {subject: said for subject, (level, said) in found.items() if level == "mend"}
    assert code == 1
    assert "chmod 600" in mend["permissions"]
    assert "is not https" in mend["address"]
    assert mend["job forget"] == "failed: it broke"
    assert "is off" in mend["plugin bad"]
    key.chmod(0o604)
    assert terminal.run("doctor", "--fix").exit_code == 1  # a broken plugin is nothing that a program may mend
    assert (terminal.data / "kashop.db").stat().st_mode & 0o777 == 0o600
    assert key.stat().st_mode & 0o777 == 0o400
    assert findings(terminal)[1]["permissions"][0] == "ok"
    key.unlink()
    code, found = findings(terminal)
    assert code == 1
    assert found["permissions"][0] == "mend"
    assert "is missing: put it back" in found["shop"][1]
