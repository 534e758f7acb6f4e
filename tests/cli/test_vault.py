"""`kashop vault` as a merchant types it, beside a really served shop."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import Served, here, kashop

PASSPHRASE = "correct horse battery staple"


AT_ONCE = ("--drain", "0")
"""These ask /readyz as a proxy does, and no proxy has to hear that the server leaves."""


def eventually(look: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not look():
        assert time.monotonic() < limit
        time.sleep(0.1)


def is_sealed(served: Served) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"{served.url}/readyz", timeout=60) as answer:
        return bool(json.load(answer)["checks"]["vault"] == "sealed")


def test_a_served_shop_is_sealed_restarted_and_unsealed_by_the_terminal(data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    with Served(data, arguments=AT_ONCE) as served:
        assert not is_sealed(served)
        kashop("vault", "passphrase", "--data", data, "--passphrase-file", secret, "--label", "老板")
        code = kashop("vault", "recovery", "--data", data).strip()
        assert "sealed" in kashop("vault", "seal", "--data", data)
        eventually(lambda: is_sealed(served))
        keyfile = next(
            m["id"]
            for m in json.loads(kashop("vault", "status", "--data", data, "--json"))["methods"]
            if m["method"] == "keyfile"
        )
        assert here("vault", "forget", str(keyfile), "--data", data).returncode == 1  # sealed
        assert "unsealed" in kashop("vault", "unseal", "--data", data)
        eventually(lambda: not is_sealed(served))
        kashop("vault", "forget", str(keyfile), "--data", data)
        served.kill()
        served.start()
        assert is_sealed(served)
        wrong = here("vault", "unseal", "--data", data, "--passphrase-file", "-", given="not this one at all\n")
        assert (wrong.returncode, b"does not unseal" in wrong.stderr) == (1, True)
        assert is_sealed(served)
        kashop("vault", "unseal", "--data", data, "--recovery-file", "-", given=code.lower() + "\n")
        eventually(lambda: not is_sealed(served))
    with Served(data, arguments=AT_ONCE, KASHOP_UNSEAL_PASSPHRASE_FILE=str(secret)) as served:
        assert not is_sealed(served)
        environ = Path(f"/proc/{served.process.pid if served.process else 0}/environ").read_bytes()
        assert PASSPHRASE.encode() not in environ
        memory = Path(f"/proc/{served.process.pid if served.process else 0}/limits").read_text()
        assert next(line.split()[4] for line in memory.splitlines() if line.startswith("Max core file")) == "0"
    told = served.told().encode() + b"".join(p.read_bytes() for p in data.rglob("*") if p.is_file())
    assert not [s for s in (PASSPHRASE, code) if s.encode() in told]


@pytest.mark.parametrize("arguments", [("unseal", "--passphrase-file", "a", "--recovery-file", "b"), ("forget", "x"), ("melt",)])
def test_wrong_usage_is_told(data: Path, arguments: tuple[str, ...]) -> None:
    assert here("vault", *arguments, "--data", data).returncode == 2


def test_rekey_by_terminal_prints_the_new_recovery_code_and_keeps_the_shop_open(data: Path) -> None:
    with Served(data, arguments=AT_ONCE) as served:
        said = kashop("vault", "rekey", "--data", data)
        assert len(said.strip().splitlines()[-1]) == 49
        assert not is_sealed(served)
        served.check()
    with Served(data, arguments=AT_ONCE) as served:
        assert not is_sealed(served)
