"""docs/reference is what the program says of itself; and every command the documents name is there."""

import re

from kashop.cli.root import COMMANDS
from scripts.reference import FOLDER, pages
from tests.house import tree

NAMED = re.compile(r"(?:^|[`/ ])kashop ([a-z][a-z-]*)(?: ([a-z][a-z0-9-]*))?")


def named_commands(text: str) -> set[str]:
    """The commands that a document's code names, such as `kashop codes import`."""
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", text, re.S)
    found = set()
    for line in "\n".join(block or span for block, span in code).splitlines():
        if (said := NAMED.search(line)) and not line.startswith("docker"):
            found.add(" ".join(word for word in said.groups() if word))
    return found


def test_the_reference_is_up_to_date() -> None:
    stale = [name for name, text in pages().items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert not stale, f"run `make docs`: {stale}"


def test_documents_name_no_command_that_is_not_there() -> None:
    reference = pages()["cli.md"]
    documents = [*tree.ROOT.glob("*.md"), *(tree.ROOT / "docs" / "guide").rglob("*.md")]
    named = {(c, d.name) for d in documents for c in named_commands(d.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [pair for pair in named if pair[0].split()[0] not in COMMANDS] == []
    assert [pair for pair in named if f"kashop {pair[0]}\n" not in reference] == []


def test_a_command_that_is_not_there_is_seen() -> None:
    assert named_commands("```sh\n.venv/bin/kashop codes fly x --data d\n```") == {"codes fly"}
    assert named_commands("Run `kashop serve --data d` now, not kashop nothing.") == {"serve"}
