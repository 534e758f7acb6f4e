"""Check an audit checkpoint of a kashop shop: `python check_note.py shop.pub < note.txt`. Needs PyNaCl, nothing of kashop.

`shop.pub` holds what `kashop audit pubkey` printed. Prints how many events the note stands for, the hash of the last one and
the time; exits 1 when the signature is not by that key.
"""

import base64
import hashlib
import sys
from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

name, key_id, encoded = Path(sys.argv[1]).read_text(encoding="utf-8").strip().split("+", 2)
kind_and_key = base64.b64decode(encoded)
if hashlib.sha256(name.encode() + b"\n" + kind_and_key).hexdigest()[:8] != key_id or kind_and_key[:1] != b"\x01":
    sys.exit("this is no Ed25519 key of a signed note")

body, _, signatures = sys.stdin.buffer.read().decode().replace("\r\n", "\n").partition("\n\n")
body += "\n"
for line in signatures.splitlines():
    dash, signer, signature = line.split(" ")
    raw = base64.b64decode(signature)
    if (dash, signer, raw[:4].hex()) == ("—", name, key_id):
        try:
            VerifyKey(kind_and_key[1:]).verify(body.encode(), raw[4:])
        except BadSignatureError:
            sys.exit("the signature is wrong: the note was changed, or signed by another key")
        origin, size, head, *more = body.splitlines()
        print(f"{origin}: {size} events, the last one's hash is {base64.b64decode(head).hex()}, {' '.join(more)}")
        sys.exit(0)
sys.exit("the note has no signature by this key")
