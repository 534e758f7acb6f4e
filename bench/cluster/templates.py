"""What the guide tells a merchant to write on his machines, filled in: the drill runs on these very files.

Always true: the texts in `docs/guide/*/cluster.md` are these templates with the values of `guide` (tests/bench/test_cluster.py).
"""

from pathlib import Path
from string import Template

PLACE = Path(__file__).parent / "templates"

NAMES = ("db1", "db2", "db3")


def text(template: str, values: dict[str, str]) -> str:
    """One file. Raises KeyError for what has no value."""
    return Template((PLACE / template).read_text(encoding="utf-8")).substitute(values)


def shared(ips: dict[str, str]) -> dict[str, str]:
    """What is the same on all three."""
    return {
        "peers": ",".join(f"{name}=http://{ip}:2380" for name, ip in ips.items()),
        **{f"ip{number}": ip for number, ip in enumerate(ips.values(), 1)},
    }


def guide(name: str) -> dict[str, str]:
    """The values of the guide's first machine, or another."""
    ips = {each: f"10.0.0.{number}" for number, each in enumerate(NAMES, 11)}
    return {
        **shared(ips),
        "name": name,
        "ip": ips[name],
        "network": "10.0.0.0/24",
        "bind": "127.0.0.1:5000",
        "etcd_data": "/var/lib/etcd/kashop",
        "data": "/var/lib/postgresql/15/kashop",
        "pgpass": "/var/lib/postgresql/.pgpass_patroni",
        "sockets": "/var/run/postgresql",
        "watchdog": "automatic",
        "repository": "/srv/pgbackrest",
        "superuser_password": "SUPERUSER_PASSWORD",
        "replication_password": "REPLICATION_PASSWORD",
        "rewind_password": "REWIND_PASSWORD",
        "cipher_password": "BACKUP_PASSWORD",
    }
