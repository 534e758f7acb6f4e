"""The tree keeps its shape: short functions, promised functions, honest handlers, nothing of one machine."""

from collections.abc import Callable, Iterator

import pytest

from tests.house import shape, tree

ROOMS = {
    "accounts",
    "audit",
    "catalog",
    "delivery",
    "inventory",
    "notices",
    "orders",
    "payments",
    "risk",
    "settings",
    "shelf",
    "supply",
    "vault",
}
TEXT = {
    ".css",
    ".html",
    ".in",
    ".json",
    ".md",
    ".po",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
    ".yml",
    ".yaml",
    ".js",
    "",
}

Rule = Callable[[str, str], Iterator[str]]


def broken(rule: Rule, files: list[tuple[str, str]]) -> str:
    return "\n".join(line for text, file in files for line in rule(text, file))


def python_files(*, rooms_only: bool = False) -> list[tuple[str, str]]:
    chosen = [p for p in tree.sources() if not rooms_only or p.relative_to(tree.SRC).parts[0] in ROOMS]
    return [(path.read_text(encoding="utf-8"), tree.short(path)) for path in chosen]


def text_files() -> list[tuple[str, str]]:
    chosen = [p for p in tree.tracked() if p.suffix in TEXT and "assets/vendor" not in p.as_posix()]
    # Stock files stand in every encoding; they are data, and say nothing of a machine.
    kept = [p for p in chosen if p.suffix == ".py" or not {"stock", "samples"} & set(p.parts)]
    return [(p.read_text(encoding="utf-8"), tree.short(p)) for p in kept]


def test_every_source_file() -> None:
    files = python_files()
    assert len(files) > 50
    rules = (shape.long_parts, shape.undocumented, shape.swallowed, shape.borrowed)
    found = [line for each in files for rule in rules for line in rule(*each)]
    assert not found, "\n".join(found)


def test_rooms_tell_themselves_by_their_first_argument() -> None:
    files = python_files()
    assert not broken(shape.wrong_first_arguments, files), broken(shape.wrong_first_arguments, files)


def test_tests_and_scripts_are_no_longer_than_the_rest() -> None:
    chosen = [p for p in tree.tracked() if p.suffix == ".py" and tree.short(p).startswith(("bench/", "scripts/", "tests/"))]
    files = [(p.read_text(encoding="utf-8"), tree.short(p)) for p in chosen]
    assert not broken(shape.long_parts, files), broken(shape.long_parts, files)


def test_nothing_in_the_tree_knows_a_registry_or_a_machine() -> None:
    files = text_files()
    assert len(files) > 50
    assert not broken(shape.misplaced_text, files), broken(shape.misplaced_text, files)


def test_pages_fetch_nothing_from_elsewhere() -> None:
    chosen = [p for p in tree.tracked() if p.suffix in (".html", ".css", ".js") and "/vendor/" not in p.as_posix()]
    files = [(p.read_text(encoding="utf-8"), tree.short(p)) for p in chosen]
    assert files
    assert not broken(shape.far_assets, files), broken(shape.far_assets, files)


def test_no_name_that_says_nothing() -> None:
    found = [line for path in tree.tracked() for line in shape.vague_names(tree.short(path))]
    assert not found, "\n".join(found)


LONG = "def f() -> None:\n" + "    x = 1\n" * 41


@pytest.mark.parametrize(
    ("rule", "text", "complaint"),
    [
        (shape.long_parts, LONG, "f has 42 lines"),
        (shape.long_parts, "x = 1\n" * 402, "has 403 lines"),
        (shape.undocumented, "x = 1\n", "module has no docstring"),
        (shape.undocumented, '"""A."""\nclass A: ...\n', "A has no docstring"),
        (shape.swallowed, "try:\n    x()\nexcept Exception:\n    pass\n", "swallows"),
        (shape.swallowed, "try:\n    x()\nexcept:\n    ...\n", "swallows"),
        (shape.misplaced_text, "see " + "py" + "pi.org", "registry"),
        (shape.misplaced_text, "open('/" + "tmp/x')", "place of one machine"),
        (shape.misplaced_text, "DATA=/" + "root/shop", "place of one machine"),
        (shape.far_assets, '<script src="https://cdn.example/x.js">', "from elsewhere"),
        (shape.far_assets, "a { background: url(//cdn.example/x.png) }", "from elsewhere"),
    ],
)
def test_a_broken_rule_is_seen(rule: Rule, text: str, complaint: str) -> None:
    assert complaint in "\n".join(rule(text, "src/kashop/x.py"))


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("reads.py", "async def get(db: Reader) -> int: ...", "is async"),
        ("reads.py", "def get(tx: Tx) -> int: ...", "does not take a Reader first"),
        ("writes.py", "def place(order: Order, tx: Tx) -> int: ...", "does not take a Tx first"),
        ("writes.py", "def place(con: Tx) -> int: ...", "calls its Tx 'con'"),
    ],
)
def test_a_wrong_first_argument_is_seen(file: str, source: str, complaint: str) -> None:
    assert complaint in "\n".join(shape.wrong_first_arguments(source, f"src/kashop/orders/{file}"))


def test_a_plugin_that_borrows_is_seen() -> None:
    file = "src/kashop/bundled/pay_x/gateway.py"
    assert "kashop.db.Tx" in "\n".join(shape.borrowed("from kashop.db import Tx\n", file))
    assert "kashop.plugins.wire" in "\n".join(shape.borrowed("from kashop.plugins import wire\n", file))
    assert "bundled.pay_y" in "\n".join(shape.borrowed("import kashop.bundled.pay_y.signing\n", file))
    good = "from kashop.plugins.api import Gateway\nfrom kashop.bundled.pay_x import signing\nimport json\n"
    assert not list(shape.borrowed(good, file))


def test_good_examples_are_left_alone() -> None:
    good = '"""Looks."""\n\n\ndef get(db: Reader) -> int:\n    """One."""\n    return 1\n'
    for rule in (
        shape.long_parts,
        shape.undocumented,
        shape.swallowed,
        shape.wrong_first_arguments,
        shape.misplaced_text,
    ):
        assert not list(rule(good, "src/kashop/orders/reads.py"))
    assert not list(shape.far_assets('<a class="x" href="https://example.com">out</a>', "x.html"))
    assert not list(shape.misplaced_text("GET /work-orders and $DIR/tmp/ and themes/root/x", "x.md"))
    assert list(shape.vague_names("src/kashop/utils/x.py"))
    assert not list(shape.vague_names("src/kashop/orders/rules.py"))
