"""The other side of a notice, on loopback: a mail server with TLS and accounts, an HTTP receiver. Real ones, in moods."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "shop@example.com", "KANARI-mail-Passw0rd/+密=?"


@dataclass
class MailHouse:
    """What the mail server has taken, and how it behaves."""

    port: int = 0
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    refuses: dict[str, str] = field(default_factory=dict)
    """What is said to RCPT for an address."""
    data_answer: str = "250 taken"
    sender_answer: str = ""
    hangs_at: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]) -> Any:  # noqa: N802
        session.host_name = hostname
        self.connections += 1
        await self._hang("ehlo")
        return responses

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        await self._hang(address)
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            parsed = BytesParser(policy=policy.default).parsebytes(envelope.content)
            assert isinstance(parsed, EmailMessage)
            self.mails += [(address, parsed) for address in envelope.rcpt_tos]
        await self._hang("data")
        return self.data_answer

    async def _hang(self, where: str) -> None:
        if where == self.hangs_at:
            await self.gate.wait()

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """One account, one password."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == (USER, PASSWORD), handled=False)

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for to, mail in self.mails if to == address]


@asynccontextmanager
async def mail_house(
    security: str = "none", *, context: ssl.SSLContext | None = None, auth: bool = False
) -> AsyncIterator[MailHouse]:
    """A mail server on a free port of 127.0.0.1."""
    house, loop = MailHouse(), asyncio.get_running_loop()
    more: dict[str, Any] = {"authenticator": house.authenticate, "auth_require_tls": security != "none"} if auth else {}
    if auth:
        more["auth_required"] = True
    tls = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    if security == "tls":
        more["auth_require_tls"] = False  # the whole connection is inside TLS already

    def protocol() -> SMTP:
        return SMTP(house, hostname="mail.test", loop=loop, enable_SMTPUTF8=True, timeout=60, **more, **tls)

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    house.port = server.sockets[0].getsockname()[1]
    try:
        yield house
    finally:
        house.gate.set()
        server.close()


@dataclass
class Hook:
    """What the receiver was posted, and what it answers."""

    port: int = 0
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: bytes = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"
    mood: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    """An HTTP receiver on a free port of 127.0.0.1."""
    made = Hook()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                made.posts.append((headers, await reader.readexactly(int(headers.get("content-length", "0")))))
                if made.mood == "hangs":
                    await made.gate.wait()
                writer.write(made.answer)
                while made.mood == "endless" and not writer.is_closing():
                    writer.write(b"x" * 8192)
                    await writer.drain()
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.gate.set()
        server.close()


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a fresh certificate for names, and the certificate itself for who is to trust it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kashop test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "cert.pem", folder / "key.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, key_path)
    return context, path
