"""PayPal's certificates by their address.

Always true: one counts only when it came from a host of PayPal's own, is issued by a trusted authority for a name of PayPal's,
and is in force. They are fetched in the background, since a callback is proved without waiting: PayPal repeats what was refused.
"""

import datetime as dt
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from kashop.bundled.pay_paypal.options import Account, origin
from kashop.plugins.api import MINUTE, Certificate, Context, HttpFailed, Rejected, RsaPublicKey, rsa_key_of, x509_certificates

PATH = "/v1/notifications/certs/"
MOST_KEPT, MOST_BYTES = 4, 14 * 1024
MOST_FETCHES = 10
"""In ten minutes: strangers may name addresses that hold nothing."""


@dataclass(frozen=True, slots=True)
class _Known:
    key: RsaPublicKey
    pem: str
    not_before: int
    not_after: int


class Certificates:
    """Those of one account: in memory, and in the plugin's memory for the next start."""

    def __init__(self, account: Account, ctx: Context):
        self._account = account
        self._ctx = ctx
        self._known: dict[str, _Known] = {}
        self._fetching: set[str] = set()
        self._fetches: list[int] = []
        self._is_warm = False
        self._name = f"certificates/{hashlib.sha256(account.base.encode()).hexdigest()[:16]}"

    def key(self, url: str, *, now: int) -> RsaPublicKey:
        """The key of the certificate at an address, in force at `now`. Raises Rejected; one that is not known is fetched then."""
        if url.partition(PATH)[0] not in self._account.certificate_hosts or not _is_file(url.partition(PATH)[2]):
            raise Rejected("certificate_host")
        known = self._known.get(url)
        if known is None:
            self._begin_to_fetch(url)
            raise Rejected("certificate_unknown")
        if not known.not_before <= now <= known.not_after:
            self._known.pop(url)
            raise Rejected("certificate_expired")
        return known.key

    async def warm(self) -> None:
        """Take up what was fetched before the last start."""
        if self._is_warm:
            return
        kept = await self._ctx.store.get(self._name)
        for url, pem in kept.items() if isinstance(kept, dict) else ():
            self._take(str(url), str(pem))
        self._is_warm = True

    def _begin_to_fetch(self, url: str) -> None:
        now = self._ctx.clock.now()
        self._fetches = [at for at in self._fetches if now - 10 * MINUTE < at <= now]
        if url not in self._fetching and len(self._fetches) < MOST_FETCHES:
            self._fetches.append(now)
            self._fetching.add(url)
            self._ctx.spawn(self._fetch(url))

    async def _fetch(self, url: str) -> None:
        try:
            await self.warm()
            reply = await self._ctx.http.get(url, limit=MOST_BYTES)
            if reply.status == 200 and self._take(url, reply.body.decode("ascii", "replace")):
                newest = list(self._known.items())[-MOST_KEPT:]
                await self._ctx.store.set(self._name, {address: known.pem for address, known in newest})
            elif reply.status != 200:
                self._ctx.log.warning("PayPal's certificate cannot be fetched", status=reply.status)
        except HttpFailed as failed:
            self._ctx.log.warning("PayPal's certificate cannot be fetched", problem=failed.problem)
        finally:
            self._fetching.discard(url)

    def _take(self, url: str, pem: str) -> bool:
        trusted = (self._account.authority,) if self._account.authority else authorities()
        try:
            chain = x509_certificates(pem)
            verify(chain, trusted, now=self._ctx.clock.now())
            key = rsa_key_of(chain[0])
        except ValueError as error:
            self._ctx.log.warning("a certificate that PayPal named is not to be trusted", host=origin(url), problem=str(error))
            return False
        from_, until = (int(at.timestamp() * 1000) for at in (chain[0].not_valid_before_utc, chain[0].not_valid_after_utc))
        self._known[url] = _Known(key, pem, from_, until)
        return True


def verify(chain: Sequence[Certificate], trusted: Sequence[Certificate], *, now: int) -> None:
    """Nothing, when a chain is in force and leads from a name of PayPal's to a trusted authority. Raises ValueError."""
    try:
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        ours = [name for name in names if f".{name}".endswith(".paypal.com")]
        if not ours:
            raise ValueError("it is not for a name of PayPal's")
        at = dt.datetime.fromtimestamp(now / 1000, dt.UTC)
        verifier = (
            PolicyBuilder().store(Store(list(trusted))).time(at).build_server_verifier(x509.DNSName(ours[0].replace("*", "www")))
        )
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise ValueError("no trusted authority vouches for it now") from None


@cache
def authorities() -> tuple[Certificate, ...]:
    """Those that everybody trusts, as httpx brings them."""
    import httpx  # not at start

    ders = httpx.create_ssl_context(trust_env=False).get_ca_certs(binary_form=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of old roots, which it may refuse one day
        return tuple(filter(None, map(_loaded, ders)))


def _loaded(der: bytes) -> Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


def _is_file(name: str) -> bool:
    return 0 < len(name) <= 100 and name.isascii() and name.replace("-", "").replace("_", "").replace(".pem", "").isalnum()
