"""Forms as browsers and others post them."""

import pytest

from kashop.lib.errors import Invalid
from kashop.web.forms import Form
from tests.web.small import client, pieces

URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=B"}


def part(disposition: str, body: bytes) -> bytes:
    return b"--B\r\ncontent-disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + body + b"\r\n"


async def test_fields_and_files_are_read() -> None:
    answer = await client().post("/form", content=b"a=1&b=%E5%95%86+x&a=2&c=", headers=URLENCODED)
    assert answer.json()["fields"] == {"a": ["1", "2"], "b": ["商 x"], "c": [""]}
    body = part('name="a"', "商".encode()) + part('name="f"; filename="x.txt"', b"\xff" * 9) + b"--B--\r\n"
    for content in (body, pieces(*(body[i : i + 7] for i in range(0, len(body), 7)))):
        answer = await client().post("/form", content=content, headers=MULTIPART)
        assert answer.json() == {"fields": {"a": ["商"]}, "files": {"f": ["x.txt", 9]}}
    assert (await client().post("/form")).json() == {"fields": {}, "files": {}}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"a=%ff", URLENCODED, 400),
        (b"a=%zz", URLENCODED, 400),
        (b"a=\xff", URLENCODED, 400),
        (b"a%00=1", URLENCODED, 400),
        (b"x" * 101 + b"=1", URLENCODED, 400),
        (b"&".join(b"a=1" for _ in range(51)), URLENCODED, 400),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded; charset=utf-16"}, 415),
        (b'{"a":1}', {"content-type": "application/json"}, 415),
        (b"a=1", {"content-type": "text/plain"}, 415),
        (b"a=1", {"content-type": "x"}, 415),
        (b"a=1", {}, 415),
        (part('name="a"', b"1"), MULTIPART, 400),
        (part('name="a"', b"\xff") + b"--B--\r\n", MULTIPART, 400),
        (b"".join(part('name="a"', b"1") for _ in range(51)) + b"--B--\r\n", MULTIPART, 400),
        (part('name="f"; filename="a"', b"1") * 2 + b"--B--\r\n", MULTIPART, 400),
        (b"--B\r\n\r\n1\r\n--B--\r\n", MULTIPART, 400),
        (b"nonsense", MULTIPART, 400),
        (b"--B--\r\n", {"content-type": "multipart/form-data"}, 400),
        (b"--B--\r\n", {"content-type": "multipart/form-data; boundary=" + "b" * 2000}, 400),
    ],
)
async def test_what_is_not_well_formed_is_refused(content: bytes, headers: dict[str, str], status: int) -> None:
    assert (await client().post("/form", content=content, headers=headers)).status_code == status


def complained(form: Form) -> dict[str, str]:
    try:
        form.done()
    except Invalid as invalid:
        return {e.field: e.text() for e in invalid.fields}
    return {}


def test_all_complaints_come_at_once_by_field() -> None:
    form = Form([("n", "1e3"), ("t", "a\x07"), ("c", "z"), ("m", "1.234"), ("two", "a"), ("two", "b"), ("line", "a\nb")])
    form.integer("n", least=0, most=9)
    form.text("t")
    form.text("needed", least=1)
    form.choice("c", ("x", "y"))
    form.amount("m", "CNY")
    form.text("two")
    form.text("line")
    assert complained(form).keys() == {"n", "t", "needed", "c", "m", "two", "line"}


@pytest.mark.parametrize("value", ["", "1.0", "+1", "1e1", "0x1", "１", "9" * 400, "-1", "10", "true", " "])
def test_only_plain_numbers_in_range_are_numbers(value: str) -> None:
    form = Form([("n", value)])
    form.integer("n", least=0, most=9)
    assert complained(form)


def test_text_keeps_its_lines_and_loses_its_edges() -> None:
    form = Form([("t", "  a\r\nb\rc \n")])
    assert form.text("t", is_long=True) == "a\nb\nc"
    assert Form([("p", "  keep me ")]).secret("p") == "  keep me "
    assert not complained(form)


def test_a_file_is_not_shown_by_mistake() -> None:
    from kashop.web.forms import Upload

    assert "CANARY" not in repr(Upload("a.txt", b"CANARY"))
