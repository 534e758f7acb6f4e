"""Checkpoints as signed notes: text that says how long the chain is and what its head is, with an Ed25519 signature below.

The shape is that of C2SP signed-note and tlog-checkpoint (c2sp.org), so strangers' tools read it too: three lines of body, our
own line with the time, a blank line, the signature. The second line counts events, the third is the last one's hash; the chain
is no Merkle tree. docs/reference/audit.md shows how to check one in thirty lines.
"""

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

SEED_BYTES = 32
_ED25519 = b"\x01"
_NOTE = re.compile(
    r"^(?P<signed>(?P<origin>kashop/[^\s+]+)\n(?P<size>[1-9][0-9]{0,18})\n(?P<hash>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<time>[0-9T:.-]{23}Z)\n)"
    r"\n(?P<signatures>(?:— [^\s+]+ [A-Za-z0-9+/]+=*(?:\n|\Z))+)",
    re.M,
)
_KEY = re.compile(r"^(?P<name>[^\s+]+)\+(?P<key_id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]{44})$", re.M)


class Key(msgspec.Struct, frozen=True):
    """What checks a signature. `str` of it is what a merchant keeps: name, key id and key in one word."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """What two people compare over the telephone."""
        digest = sha256(self.public).hexdigest()[:32]
        return " ".join(digest[n : n + 4] for n in range(0, 32, 4))

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(_ED25519 + self.public).decode()}"


class Note(msgspec.Struct, frozen=True):
    """A signed note, taken apart. `signed` is what the signatures are over."""

    origin: str
    size: int
    hash: bytes
    at: int
    signed: str
    signatures: str

    @property
    def text(self) -> str:
        """The whole note."""
        return f"{self.signed}\n{self.signatures}"

    def is_signed_by(self, key: Key) -> bool:
        """Whether one of its signatures is this key's."""
        return key.name == self.origin and any(_fits(line, self.signed, key) for line in self.signatures.splitlines())


def sign(seed: bytes, *, name: str, size: int, head: bytes, at: int) -> str:
    """A note on the first `size` events, signed."""
    time = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    signed = f"{name}\n{size}\n{b64encode(head).decode()}\ntime {time}.{at % 1000:03}Z\n"
    signing = SigningKey(seed)
    key = Key(name, bytes(signing.verify_key))
    signature = b64encode(key.key_id + signing.sign(signed.encode()).signature).decode()
    return f"{signed}\n— {name} {signature}\n"


def key_of(seed: bytes, name: str) -> Key:
    """The key that checks what a seed signs."""
    return Key(name, bytes(SigningKey(seed).verify_key))


def find_notes(text: str) -> list[Note]:
    """Every note that stands in a text: a file of many, a mail with words round it, or lines of JSON."""
    plain = text.replace("\r\n", "\n")
    inside = plain.replace('"', "\n").replace("\\n", "\n")  # strings of JSON begin and break lines
    return list(dict.fromkeys([*_notes(plain), *_notes(inside)]))


def _notes(text: str) -> list[Note]:
    found = []
    for match in _NOTE.finditer(text):
        at = _moment(match["time"])
        if at is not None:
            note = (match["origin"], int(match["size"]), b64decode(match["hash"]), at, match["signed"], match["signatures"])
            found.append(Note(*note))
    return found


def find_keys(text: str) -> list[Key]:
    """Every key that stands in a text on a line of its own."""
    found = []
    for match in _KEY.finditer(text.replace("\r\n", "\n")):
        raw = b64decode(match["key"])
        key = Key(match["name"], raw[1:])
        if raw[:1] == _ED25519 and len(raw) == 33 and key.key_id.hex() == match["key_id"]:
            found.append(key)
    return found


def _moment(text: str) -> int | None:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


def _fits(line: str, signed: str, key: Key) -> bool:
    name, _, encoded = line.removeprefix("— ").partition(" ")
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError:
        return False
    if name != key.name or raw[:4] != key.key_id or len(raw) != 4 + 64 or b64encode(raw).decode() != encoded:
        return False  # the last: base64 can write the same bytes in more than one way
    try:
        VerifyKey(key.public).verify(signed.encode(), raw[4:])
    except (BadSignatureError, ValueError):
        return False
    return True
