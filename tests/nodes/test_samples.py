"""The guide's samples for several servers: what each program itself says of its own, and that they name what there is."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kashop.cli.serve import DRAIN_SECONDS, serve
from kashop.settings import config
from tests.nodes.proxy import CONFIGURATION

SAMPLES = CONFIGURATION.parent
ROOT = SAMPLES.parents[2]


@pytest.mark.parametrize(
    "environ", [{}, {"BIND": "127.0.0.1:8443", "NODE1": "127.0.0.1:1", "NODE2": "127.0.0.1:2"}], ids=["as it stands", "elsewhere"]
)
def test_haproxy_takes_its_configuration(environ: dict[str, str]) -> None:
    if not shutil.which("haproxy"):
        pytest.skip("HAProxy is not installed")
    environ = {"PATH": os.environ["PATH"], **environ}
    checked = subprocess.run(["haproxy", "-c", "-f", str(CONFIGURATION)], env=environ, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_caddy_takes_its_configuration(tmp_path: Path) -> None:
    if not shutil.which("caddy"):
        pytest.skip("Caddy is not installed")
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(SAMPLES / "Caddyfile")]
    checked = subprocess.run(command, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", ["haproxy.cfg", "Caddyfile"])
def test_both_proxies_ask_who_is_ready_as_a_host_that_the_shop_knows(name: str) -> None:
    text = (SAMPLES / name).read_text(encoding="utf-8")
    assert "/readyz" in text
    assert re.search(r"(?i)\bhost 127\.0\.0\.1", text)


def test_a_leaving_server_serves_on_until_haproxy_has_heard() -> None:
    inter, fall = re.findall(r"inter (\d+)s .*fall (\d+)", CONFIGURATION.read_text(encoding="utf-8"))[0]
    assert int(inter) * int(fall) < DRAIN_SECONDS


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((SAMPLES / "compose.yaml").read_text(encoding="utf-8"))


def test_compose_names_only_what_it_has(compose: Any) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "one", "two", "proxy"}
    for service in services.values():
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", ())) <= set(services)
        volumes = {mount.partition(":")[0] for mount in service.get("volumes", ()) if not mount.startswith(".")}
        assert volumes <= set(compose["volumes"])
        for mount in (m.partition(":")[0] for m in service.get("volumes", ()) if m.startswith(".")):
            assert (SAMPLES / mount).is_file()
        for name, value in service["environment"].items():
            assert not value.startswith("/run/secrets/") or value.removeprefix("/run/secrets/") in service["secrets"], name
    assert all(list(secret) == ["file"] for secret in compose["secrets"].values())


@pytest.mark.parametrize("name", ["one", "two"])
def test_composed_servers_are_called_as_they_can_be(compose: Any, name: str) -> None:
    service = compose["services"][name]
    command, *arguments = service["command"]
    assert command == "serve"
    given = serve.make_context("serve", list(arguments)).params
    assert (given["host"], given["node"]) == ("0.0.0.0", name)
    known = {f"KASHOP_{each.upper()}" for each in config._NAMES}
    assert {each.removesuffix("_FILE") if each not in known else each for each in service["environment"]} <= known
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + 20
    build = service["build"]
    assert (SAMPLES / build["context"]).resolve() == ROOT
    assert (ROOT / "requirements" / f"{build['args']['REQUIREMENTS']}.txt").is_file()
    assert "ARG REQUIREMENTS=run\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_composed_servers_are_where_their_proxy_looks_and_believe_it(compose: Any) -> None:
    def address(name: str) -> str:
        return str(compose["services"][name]["networks"]["shop"]["ipv4_address"])

    told = compose["services"]["proxy"]["environment"]
    assert (told["NODE1"], told["NODE2"]) == (f"{address('one')}:8000", f"{address('two')}:8000")
    assert compose["services"]["one"]["environment"]["KASHOP_TRUSTED_PROXIES"] == address("proxy")
