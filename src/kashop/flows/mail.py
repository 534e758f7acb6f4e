"""Mail leaves the shop: one connection to the merchant's server, with verified TLS, every failure told as what to mend.

Always true: the password is never sent in the clear and never in what is told of a failure; a server that hangs is left after
seconds.
"""

import asyncio
import ssl
from email.message import EmailMessage
from types import TracebackType

import aiosmtplib
import msgspec

from kashop.lib import logs
from kashop.lib.addresses import Network
from kashop.notices.types import NotSent
from kashop.plugins.reach import Reach, Unreachable, tls_context

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 15.0
TOTAL_SECONDS = 30.0
"""For one mail with its log-in, whatever the server does between."""

log = logs.get_logger("kashop.mail")


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes, and as whom."""

    host: str
    port: int
    security: str
    username: str
    password: str
    named: tuple[Network, ...] = ()
    """Private networks that may be reached."""

    def __repr__(self) -> str:
        return f"<MailServer {self.host}:{self.port}>"


class Post:
    """Sends mails over one connection, which is opened with the first and made anew after a failure."""

    def __init__(self, server: MailServer):
        self._server = server
        self._client: aiosmtplib.SMTP | None = None

    async def __aenter__(self) -> "Post":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._client is not None:
            try:
                await self._client.quit(timeout=2)
            except (aiosmtplib.SMTPException, OSError):
                log.debug("the mail server ended the connection by itself")
            self._hang_up()

    async def send(self, message: EmailMessage, recipient: str) -> None:
        """Hand a mail to the server. Raises NotSent."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                client = self._client or await self._open()
                await client.send_message(message, recipients=[recipient])
        except (Unreachable, aiosmtplib.SMTPException, OSError) as error:
            self._hang_up()
            raise _told(error, self._server.password) from None
        except BaseException:
            self._hang_up()
            raise

    async def _open(self) -> aiosmtplib.SMTP:
        server = self._server
        if server.username and server.security == "none":
            raise NotSent("password_in_clear")
        try:
            sock = await Reach(server.named).connect(server.host, server.port, seconds=CONNECT_SECONDS)
        except TimeoutError:
            raise NotSent("no_connection") from None
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=None,
            sock=sock,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=tls_context(),
            timeout=COMMAND_SECONDS,
            local_hostname="localhost",
        )
        try:
            await client.connect()
            if server.username:
                await client.login(server.username, server.password)
        except BaseException:
            client.close()
            sock.close()
            raise
        self._client = client
        return client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _told(error: Exception, password: str) -> NotSent:
    """What a failure means for whoever has to mend it."""
    said = str(getattr(error, "message", "")).replace(password, "•••") if password else str(getattr(error, "message", ""))
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
        said = error.message
    code = int(getattr(error, "code", 0) or 0)
    answer = f"{code} {said}".strip() if code else said
    if isinstance(error, aiosmtplib.SMTPRecipientRefused):
        return NotSent("recipient_refused", answer, is_final=code >= 500)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return NotSent("wrong_login", answer)
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return NotSent("sender_refused", answer)
    return _told_of_connection(error) or NotSent("mail_refused", answer or type(error).__name__)


def _told_of_connection(error: Exception) -> NotSent | None:
    deep = error.__cause__ or error
    if isinstance(error, Unreachable):
        return NotSent("not_public" if error.is_forbidden else "no_such_host")
    if isinstance(deep, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return NotSent("bad_certificate")
    if isinstance(deep, ssl.SSLError) or "SSL" in str(error):
        return NotSent("wrong_security")
    if "STARTTLS" in str(error):
        return NotSent("no_starttls")
    if isinstance(error, TimeoutError):
        return NotSent("too_slow")
    if isinstance(error, OSError) and not isinstance(error, aiosmtplib.SMTPResponseException):
        return NotSent("no_connection")
    return None
