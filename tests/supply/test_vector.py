"""The vector of docs/reference/sealed-batch.md holds: another program that keeps to it is understood."""

import base64
import re
from pathlib import Path

from kashop.supply import sealedbatch
from kashop.vault import boxes

SHEET = (Path(__file__).parents[2] / "docs" / "reference" / "sealed-batch.md").read_text(encoding="utf-8")
SEED, PRIVATE = bytes(range(32)), bytes(range(32, 64))
NAMES = {"shop": "0123456789abcdef0123456789abcdef", "supplier": "0123456789ABCDEF"}


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)\n```", SHEET, re.S)
    return found


def test_the_vector_opens_and_is_what_we_would_sign() -> None:
    file = base64.b64decode(block("base64"))
    head = sealedbatch.parse_head(file)
    line, signature = block("text").splitlines()
    assert head.line.decode() == line
    assert sealedbatch.base64(head.signature) == signature
    assert boxes.is_signed(boxes.public_of(SEED), sealedbatch.signed_text(head.line), head.signature)
    body = file[sealedbatch.head_length(file) or 0 :]
    assert sealedbatch.assembled(head.manifest, body, SEED) == file
    sealedbatch.check_body(head.manifest, body)
    plain = boxes.open_box(PRIVATE, body)
    codes = ["TEST-0001-ABCD", "测试-卡密----密码 2", "line one\nline two"]
    assert plain == sealedbatch.rows(codes)
    assert sealedbatch.read_rows(head.manifest, plain) == codes


def test_the_keys_and_the_token_of_the_sheet() -> None:
    public = boxes.public_of(SEED)
    assert f"`{sealedbatch.base64(public)}`, fingerprint `{sealedbatch.fingerprint(public)}`" in SHEET
    assert sealedbatch.call_token(SEED, now=1_793_505_600_000, **NAMES) == block("token")


def test_every_refusal_is_on_the_sheet() -> None:
    assert [
        f"| `batch_{why}` | {told} |" for why, told in sealedbatch.REFUSALS.items() if f"`batch_{why}` | {told}" not in SHEET
    ] == []
