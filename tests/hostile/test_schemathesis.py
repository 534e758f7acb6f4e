"""Schemathesis against the served API by its own OpenAPI document: as a stranger, and as a buyer with a real order."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.hostile.served import Served
from tests.hostile.tables import changed
from tests.hostile.test_restart import WISH

STRANGER = "positive_data_acceptance"
"""Not asked of us: that a SKU is not for sale or a cursor not ours no schema can say, so well-formed input may get a 422."""

BUYER = f"{STRANGER},negative_data_rejection,ignored_auth"
"""Nor these: the buyer's document is narrower than what is allowed, and a wrong token must look like a wrong number: 404."""


def fuzz(served: Served, schema: Path, *more: str, without: str) -> None:
    """Run it; every complaint is this test's failure."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(schema), "--url", served.url]
    command += ["--checks", "all", "--exclude-checks", without, "--warnings", "off", *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=schema.parent, timeout=300)
    if done.returncode:
        pytest.fail(done.stdout[-6000:] + done.stderr[-2000:] + served.errors(), pytrace=False)
    assert "Tested: 13" in " ".join(done.stdout.split()), done.stdout


def document(served: Served) -> dict[str, Any]:
    return httpx.get(f"{served.url}/api/v1/openapi.json").raise_for_status().json()


def written(told: dict[str, Any], place: Path) -> Path:
    (place / "openapi.json").write_bytes(msgspec.json.encode(told))
    return place / "openapi.json"


def test_a_stranger_finds_nothing_and_leaves_nothing(served: Served, tmp_path: Path) -> None:
    before = served.rows()
    fuzz(served, written(document(served), tmp_path), "--max-examples", "10", "--seed", "1", without=STRANGER)
    assert changed(before, served.rows()) == {}


def test_a_buyer_breaks_nothing(served: Served, tmp_path: Path) -> None:
    fuzz(served, *_as_buyer(served, tmp_path), "--max-examples", "10", "--seed", "1", without=BUYER)
    check = [sys.executable, "-m", "kashop.cli", "check", "--all", "--data", str(served.data)]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.drill
def test_a_minute_of_each(served: Served, tmp_path: Path) -> None:
    fuzz(served, written(document(served), tmp_path), "--max-time", "60", without=STRANGER)
    fuzz(served, *_as_buyer(served, tmp_path), "--max-time", "60", without=BUYER)


def _as_buyer(served: Served, place: Path) -> tuple[Any, ...]:
    """The document narrowed to what is really there, and the token of a real order: most requests now reach the flows."""
    placed = httpx.post(f"{served.url}/api/v1/orders", json=WISH, headers={"idempotency-key": str(place)}).json()
    told = document(served)
    schemas = told["components"]["schemas"]
    schemas["NewLine"]["properties"]["sku"] = {"enum": ["steam-50", "by-hand"]}
    schemas["NewLine"]["properties"]["quantity"] = {"type": "integer", "minimum": 1, "maximum": 3}
    schemas["Contact"]["properties"] = {"type": {"const": "email"}, "value": {"const": "b@example.com"}}
    for taken in ("NewOrder", "NewAttempt"):
        schemas[taken]["properties"]["gateway"] = {"enum": ["epay-main", "practice"]}
        schemas[taken]["properties"]["method"] = {"const": ""}
    for path, methods in told["paths"].items():
        if "{no}" in path:
            for operation in methods.values():
                operation["parameters"][0]["schema"] = {"enum": [placed["order_no"]]}
    return written(told, place), "-H", f"Authorization: Bearer {placed['token']}"
