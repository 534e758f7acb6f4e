"""A bucket of an object storage that speaks S3: every server of a shop finds there what another kept."""

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from kashop.lib.errors import Unavailable
from kashop.settings.config import Config
from kashop.storage import is_name

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
    from obstore.store import S3Store
except ImportError:
    raise Unavailable("Uploads are in a bucket, and obstore is not installed: pip install 'kashop[s3]'.") from None

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

CONNECT, ANSWER = timedelta(seconds=3), timedelta(seconds=15)
RETRIES, RETRYING = 2, timedelta(seconds=20)
MOST_KEPT = 16 * 1024 * 1024
LARGEST_KEPT = 512 * 1024
"""Bytes of pictures in memory, and of one: a name is never given to another picture, and a sale's crowd asks for the same few."""

_ABSENT = (NotFoundError, FileNotFoundError)
_FAILURES = (BaseError, OSError)
"""obstore raises Python's own where Python has one."""


class Bucket:
    """Files below a prefix of one bucket."""

    def __init__(self, config: Config):
        self._name, prefix = config.bucket or ("", "")
        client: ClientConfig = {
            "connect_timeout": CONNECT,
            "timeout": ANSWER,
            "allow_http": config.s3_endpoint.startswith("http://"),
        }
        retries: RetryConfig = {"max_retries": RETRIES, "retry_timeout": RETRYING}
        self._store = S3Store(
            self._name,
            prefix=prefix or None,
            client_options=client,
            retry_config=retries,
            config=_given(config),
        )
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    async def put(self, name: str, body: bytes) -> None:
        """Kept once the storage says so."""
        if not is_name(name):
            raise ValueError(name)
        try:
            await obstore.put_async(self._store, name, body)
        except _FAILURES as error:
            raise self._unavailable(error) from None

    async def get(self, name: str) -> bytes | None:
        """From memory where it is a picture that was asked for lately; what lies in a folder is read each time."""
        if not is_name(name):
            return None
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        try:
            body = bytes(await (await obstore.get_async(self._store, name)).bytes_async())
        except _ABSENT:
            return None
        except _FAILURES as error:
            raise self._unavailable(error) from None
        if "/" not in name and len(body) <= LARGEST_KEPT and name not in self._kept:
            self._keep(name, body)
        return body

    async def delete(self, name: str) -> None:
        """Gone from the storage; S3 does not mind a name that is not there."""
        if not is_name(name):
            return
        self._forget(name)
        try:
            await obstore.delete_async(self._store, name)
        except _ABSENT:
            return
        except _FAILURES as error:
            raise self._unavailable(error) from None

    def _forget(self, name: str) -> None:
        self._size -= len(self._kept.pop(name, b""))

    def _keep(self, name: str, body: bytes) -> None:
        self._kept[name] = body
        self._size += len(body)
        while self._size > MOST_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)

    def _unavailable(self, error: Exception) -> Unavailable:
        """What the storage said may name keys and addresses: only its kind is told."""
        if isinstance(error, _ABSENT):
            return Unavailable("There is no bucket {bucket} there.", bucket=self._name)
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
            return Unavailable("The bucket {bucket} refuses this key: look at its rights there.", bucket=self._name)
        return Unavailable("The bucket {bucket} does not answer as it should. Please try again.", bucket=self._name)


def _given(config: Config) -> "S3Config":
    """What the merchant wrote; without a key, obstore looks where the tools of S3 do: AWS_*, the machine's own role."""
    given: S3Config = {"region": config.s3_region or "us-east-1"}
    if config.s3_endpoint:
        given["endpoint"] = config.s3_endpoint
    if config.s3_access_key_id:
        given["access_key_id"] = config.s3_access_key_id
        given["secret_access_key"] = str(config.s3_secret_access_key)
    return given
