"""What people type, judged character by character."""

import sys
import unicodedata

from kashop.lib.text import is_plain


def test_plain_is_what_holds_no_control_character_and_turns_no_direction() -> None:
    overrides = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    odd = {
        c
        for c in map(chr, range(sys.maxunicode + 1))
        if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t") or c in overrides
    }
    assert {c for c in map(chr, range(sys.maxunicode + 1)) if not is_plain(f"a{c}b")} == odd
