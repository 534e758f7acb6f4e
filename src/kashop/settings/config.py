"""What the process needs before the database is open: `kashop.toml` in the data directory, then `KASHOP_*`.

A secret has a `…_FILE` twin; a twin that cannot be read fails loudly.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kashop.db import Place
from kashop.lib.addresses import Network, networks
from kashop.lib.errors import Invalid

_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s@/?#:,\[\]]*)(:\d*)?"
_ADDRESS = re.compile(rf"postgres(ql)?://([^\s@/?]*@)?{_HOST}(,{_HOST})*(/[^\s@?]*)?(\?[^\s@?]*)?")


class Secret(str):
    """Text that no print, log or traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """One process's configuration. `base_url` is empty until known; then it has no slash at its end."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    base_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    unseal_key_file: Path
    unseal_passphrase: Secret = Secret("")
    """Only from the environment, or from the file that `KASHOP_UNSEAL_PASSPHRASE_FILE` names: never from the data directory."""
    database: Secret = Secret("")
    """Where PostgreSQL is, `postgresql://…`, with or without a password; empty for the file in the data directory."""
    uploads: str = ""
    """Where uploaded files lie: a folder, `s3://bucket/folder`, or empty for `uploads` in the data directory."""
    s3_endpoint: str = ""
    """An object storage that is not Amazon's: `https://…`."""
    s3_region: str = ""
    s3_access_key_id: str = ""
    s3_secret_access_key: Secret = Secret("")
    limits: Secret = Secret("")
    """The Valkey or Redis in which several servers count tries together, `valkey://…`; empty for the database."""
    node: str = ""
    """What people call this server among several; the machine's name unless it is said."""
    log_format: str = "text"
    log_level: str = "info"
    private_networks: tuple[str, ...] = ()
    """Networks that are not public and that mail and webhooks may reach all the same: a mail server of one's own."""
    is_fenced: bool = False
    """A copy that must not act in the shop's name: its server reaches nobody (lib/fence.py)."""

    @property
    def reachable(self) -> tuple[Network, ...]:
        """`private_networks`, parsed."""
        return networks(self.private_networks)

    @property
    def file(self) -> Path:
        """The database file, which a shop on PostgreSQL does not have."""
        return self.data / "kashop.db"

    @property
    def moved_file(self) -> Path:
        """What the file is called once its shop is on PostgreSQL."""
        return self.data / "kashop.db.moved"

    @property
    def bucket(self) -> tuple[str, str] | None:
        """The bucket that uploads lie in, and the folder there; None when they lie on a disk."""
        named = _BUCKET.fullmatch(self.uploads)
        return (named["bucket"], named["folder"] or "") if named else None

    @property
    def place(self) -> Place:
        """Where the database is."""
        return str(self.database) if self.database else self.file

    @property
    def url(self) -> str:
        """Where buyers and gateways reach the shop."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"


_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<folder>[\w-][\w.-]*(/[\w-][\w.-]*)*))?/?", re.ASCII)
_NODE = re.compile(r"[A-Za-z0-9._-]{0,60}")

_NAMES = (
    "host",
    "port",
    "base_url",
    "trusted_proxies",
    "unseal_key_file",
    "unseal_passphrase",
    "database",
    "uploads",
    "s3_endpoint",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "limits",
    "node",
    "log_format",
    "log_level",
    "private_networks",
    "is_fenced",
)


_STORES = ("valkey://", "valkeys://", "redis://", "rediss://", "unix://")


def load(data: Path, environ: Mapping[str, str] = os.environ, **given: Any) -> Config:
    """The configuration of a data directory: file, then environment, then what the command line gave (None: not given).

    Raises Invalid for the name that is wrong.
    """
    data = data.absolute()
    values: dict[str, Any] = {"unseal_key_file": str(default_key_file(data))}
    values |= _from_file(data / "kashop.toml")
    values |= _from_environ(environ)
    values |= {k: v for k, v in given.items() if v is not None}
    for name in ("trusted_proxies", "private_networks"):
        if isinstance(listed := values.get(name), str):
            values[name] = [part.strip() for part in listed.split(",") if part.strip()]
    try:
        config = msgspec.convert({**values, "data": data}, Config, strict=False, dec_hook=_made)
    except msgspec.ValidationError as error:
        raise Invalid.of("configuration", "{problem}", problem=error) from None
    return _checked(config)


def check_address(address: str) -> None:
    """Raises Invalid for what is no address of a PostgreSQL: the driver would take a part of the password for a host, and tell it
    to everyone who reads the log."""
    if not _ADDRESS.fullmatch(address):
        raise Invalid.of(
            "database",
            "Write the database's address as postgresql://USER:PASSWORD@HOST:PORT/NAME, with %40 for @, %2F for /, %3F for ? and "
            "%25 for % in the password.",
        )


def default_key_file(data: Path) -> Path:
    """`/etc/kashop/unseal.key` for root's one shop under /var/lib, otherwise beside the data directory; never inside it."""
    if os.geteuid() == 0 and data == Path("/var/lib/kashop"):
        return Path("/etc/kashop/unseal.key")
    return data.with_name(data.name + ".key")


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid.of("kashop.toml", "{problem}", problem=error) from None
    if unknown := set(values) - (set(_NAMES) - {"unseal_passphrase"}):
        raise Invalid.of("kashop.toml", "There is no setting {names}.", names=", ".join(sorted(unknown)))
    return values


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _NAMES:
        key = f"KASHOP_{name.upper()}"
        if key in environ:
            found[name] = environ[key]
        elif f"{key}_FILE" in environ and not name.endswith("_file"):
            try:
                found[name] = Path(environ[f"{key}_FILE"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Invalid.of(f"{key}_FILE", "{problem}", problem=error) from None
    return found


def _made(kind: type, value: Any) -> Any:
    if kind is not None and issubclass(kind, (Path, Secret)):
        return kind(value)
    raise NotImplementedError(kind)


def _checked(config: Config) -> Config:
    if not 0 <= config.port <= 65535:
        raise Invalid.of("port", "Write a port from 1 to 65535.")
    if config.base_url and not config.base_url.startswith(("http://", "https://")):
        raise Invalid.of("base_url", "Write an address that begins with https:// or http://.")
    if config.database:
        check_address(config.database)
    _check_uploads(config)
    _check_nodes(config)
    if config.log_format not in ("text", "json"):
        raise Invalid.of("log_format", "Write text or json.")
    for name, listed in (("trusted_proxies", config.trusted_proxies), ("private_networks", config.private_networks)):
        for text in listed:
            try:
                networks([text])
            except ValueError:
                raise Invalid.of(name, "{proxy} is not an address or a network.", proxy=text) from None
    if config.unseal_key_file.absolute().is_relative_to(config.data):
        raise Invalid.of("unseal_key_file", "The unseal key must stand outside the data directory.")
    return msgspec.structs.replace(config, base_url=config.base_url.rstrip("/"))


def _check_nodes(config: Config) -> None:
    if config.limits and not config.limits.startswith(_STORES):
        raise Invalid.of("limits", "Write an address that begins with valkey:// or valkeys://.")
    if not _NODE.fullmatch(config.node):
        raise Invalid.of("node", "Write a server's name in at most 60 letters, digits, dots and dashes.")


def _check_uploads(config: Config) -> None:
    if config.uploads.startswith("s3:"):
        if _BUCKET.fullmatch(config.uploads) is None:
            raise Invalid.of("uploads", "Write s3://bucket or s3://bucket/folder.")
    elif config.uploads and not Path(config.uploads).is_absolute():
        raise Invalid.of("uploads", "Write a folder's whole path, or s3://bucket/folder.")
    if config.s3_endpoint and not config.s3_endpoint.startswith(("https://", "http://")):
        raise Invalid.of("s3_endpoint", "Write an address that begins with https:// or http://.")
    if bool(config.s3_access_key_id) != bool(config.s3_secret_access_key):
        raise Invalid.of("s3_access_key_id", "The key's name and its secret go together.")
