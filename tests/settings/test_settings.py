"""Settings: what is refused, and that a secret goes in and never comes out again (F07, H01)."""

import msgspec
import pytest

from kashop.audit import reads as audit
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.settings import reads, writes
from kashop.shop import Shop

SECRET = "hush-Mail-Passw0rd-7"

INNER = (
    *("127.0.0.1", "0", "0.0.0.0", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "localhost", "localhost.", "LOCALHOST", "db.internal"),
    *("[::1]", "[::]", "[::ffff:10.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b::169.254.169.254]", "[fe80::1]"),
    *("[fc00::1]", "[2002:7f00:1::]", "[::7f00:1]", "[ff02::1]", "[fec0::1]", "[64:ff9b:1::a00:1]", "[fd00:ec2::254]"),
)
STRANGE = (
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://@example.com/",
    "unix:/run/x.sock",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "http://example.com/",
    "https://",
    "https:///x",
    "//example.com",
    "example.com",
    "javascript:alert(1)",
    "https://example.com:99999/",
    "https://exa mple.com/",
    "https://example.com/\r\nHost: x",
    "https://ex\u0430mple.com/",
    "https://[::1",
    "https://[fe80::1%25eth0]/",
    "https://example.com@127.0.0.1/",
    "https://" + "a" * 1000 + ".com/",
)


async def refused(shop: Shop, name: str, value: object) -> str:
    """The field that is complained about."""
    with pytest.raises(Invalid) as caught:
        await settings.change(shop, {name: value}, CLI)
    (error,) = caught.value.fields
    return error.field


@pytest.mark.parametrize("host", INNER)
async def test_h01_no_address_leads_into_a_private_network(shop: Shop, host: str) -> None:
    for url in (f"https://{host}/hook", f"https://{host}:8443/hook", f"http://{host}/hook"):
        assert await refused(shop, "notices.webhook_url", url) == "notices.webhook_url"
    assert await refused(shop, "mail.host", host.strip("[]")) == "mail.host"
    assert shop.settings.text("notices.webhook_url") == shop.settings.text("mail.host") == ""


@pytest.mark.parametrize("url", STRANGE)
async def test_h01_what_is_no_plain_web_address_is_refused(shop: Shop, url: str) -> None:
    assert await refused(shop, "notices.webhook_url", url) == "notices.webhook_url"


async def test_public_addresses_are_taken(shop: Shop) -> None:
    for url in ("https://203.0.114.1/x", "https://[2606:4700::1]/x?y=1", "https://hooks.example.com:8443/a"):
        await settings.change(shop, {"notices.webhook_url": url}, CLI)
        assert shop.settings.text("notices.webhook_url") == url


async def test_f07_settings_that_are_not_in_the_table_are_refused(shop: Shop) -> None:
    for name in ("mail.passwort", "shop.owner", "__class__", "", "shop.id", "shop.practice"):
        assert await refused(shop, name, "1") == name


@pytest.mark.parametrize("address", ["a@example.com\r\nBcc: b@example.com", "a@b@c", "a", "a b@example.com"])
async def test_f07_a_sender_that_is_no_address_is_refused(shop: Shop, address: str) -> None:
    assert await refused(shop, "mail.from", address) == "mail.from"
    assert await refused(shop, "mail.from_name", "shop\r\nBcc: b@example.com") == "mail.from_name"
    assert await refused(shop, "mail.username", "me\nRSET") == "mail.username"


async def test_the_notice_file_stands_outside_the_data(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    inside = shop.config.data
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "link").symlink_to(inside)
    wrong = (f"{inside}/notices.jsonl", "notices.jsonl", f"{elsewhere}/../x", f"{elsewhere}/link/x", str(elsewhere), "/no/such/x")
    for path in wrong:
        assert await refused(shop, "notices.file", path) == "notices.file"
    await settings.change(shop, {"notices.file": f"{elsewhere}/notices.jsonl"}, CLI)


async def test_a_secret_is_sealed_and_told_to_nobody(shop: Shop) -> None:
    await settings.change(shop, {"mail.password": SECRET, "mail.username": "me"}, CLI)
    assert settings.secret(shop, "mail.password") == SECRET
    assert shop.settings["mail.password"] is True
    assert SECRET not in repr(vars(shop.settings))
    stored = {s.name: s.value for s in await shop.db.read(lambda db: db.all("SELECT name, value FROM settings", reads.Stored))}
    assert SECRET not in stored["mail.password"]
    events = await shop.db.read(audit.page, 0, limit=1000)
    told = [e for e in events if e.name == "settings.changed"][-1]
    assert msgspec.json.decode(told.payload) == {"names": ["mail.password", "mail.username"]}
    await settings.change(shop, {"mail.password": ""}, CLI)
    assert settings.secret(shop, "mail.password") == ""
    assert shop.settings["mail.password"] is False


async def test_a_secret_is_bound_to_its_setting(shop: Shop) -> None:
    await settings.change(shop, {"mail.password": SECRET}, CLI)
    moved = shop.settings.sealed("mail.password")
    await shop.db.write(writes.keep_secret, "notices.webhook_key", moved, CLI)
    await settings.reload(shop)
    with pytest.raises(Exception, match="setting"):
        settings.secret(shop, "notices.webhook_key")
    with pytest.raises(TypeError):
        await shop.db.write(writes.change, "mail.password", SECRET, CLI)


@pytest.mark.parametrize("key", ["secret", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "whsec_" + "A" * 100])
async def test_a_webhook_key_is_long_enough(shop: Shop, key: str) -> None:
    assert await refused(shop, "notices.webhook_key", key) == "notices.webhook_key"
