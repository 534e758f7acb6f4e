"""The three machines together, HAProxy before them, and what Patroni says about them.

Always true: all of it is gone when the block ends.
"""

import contextlib
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench.cluster import templates
from bench.cluster.machine import Machine, as_user, own
from bench.cluster.network import Network

T = TypeVar("T")

PROXY = "proxy"

PASSWORD = "password-of-the-drill"

LONGEST_WAIT = 180

CLOSE = 65_536
"""Bytes behind the leader that count as following it: a standby is told where it stands only with the next record."""


class Cluster:
    """Make one with `with cluster() as cluster:`."""

    def __init__(self, network: Network, folder: Path):
        self.network, self.folder = network, folder
        self.repository = folder / "repository"
        self.repository.mkdir()
        own(self.repository)
        self.machines = {name: Machine(name, network, folder, self.repository) for name in templates.NAMES}

    @property
    def by_proxy(self) -> str:
        """The address that leads through HAProxy."""
        return f"postgresql://kashop:{PASSWORD}@{self.network.ips[PROXY]}:5000/kashop?sslmode=require"

    @property
    def by_hosts(self) -> str:
        """The address that names all three."""
        return self.by_host(",".join(f"{self.network.ips[name]}:5432" for name in templates.NAMES))

    def by_host(self, hosts: str) -> str:
        """The address of one that leads, among these."""
        return f"postgresql://kashop:{PASSWORD}@{hosts}/kashop?sslmode=require&target_session_attrs=read-write"

    def found(self) -> None:
        """Switch everything on; a role, an empty database and a place for backups."""
        for machine in self.machines.values():
            machine.start()
        self._start_proxy()
        leader = self.machines[self.settled()]
        leader.sql(f"CREATE ROLE kashop LOGIN PASSWORD '{PASSWORD}'")
        leader.sql("CREATE DATABASE kashop OWNER kashop ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0")
        leader.sql("REVOKE ALL ON DATABASE kashop FROM PUBLIC")
        leader.run("pgbackrest", "--stanza=kashop", "stanza-create")

    def _start_proxy(self) -> None:
        values = templates.shared({name: self.network.ips[name] for name in templates.NAMES})
        file = self.folder / "haproxy.cfg"
        file.write_text(templates.text("haproxy.cfg", {**values, "bind": f"{self.network.ips[PROXY]}:5000"}), encoding="utf-8")
        command = ["ip", "netns", "exec", self.network.space(PROXY), *as_user("nobody"), "haproxy", "-db", "-f", str(file)]
        with (self.folder / "haproxy.log").open("ab") as log:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, name: str, path: str, change: Any = None) -> tuple[int, Any]:
        """Patroni's status and words on a machine; 0 when it does not answer."""
        body = None if change is None else json.dumps(change).encode()
        request = urllib.request.Request(
            f"http://{self.network.ips[name]}:8008{path}", data=body, method="PATCH" if body else "GET"
        )
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, json.JSONDecodeError):
            return 0, None

    def leader(self) -> str:
        """Which machine says that it leads; empty when none does."""
        return next((name for name in templates.NAMES if self.ask(name, "/primary")[0] == 200), "")

    def settled(self) -> str:
        """Wait until one leads and two follow it without a gap, one of them synchronously when asked for; the leader."""

        def settled() -> str:
            name = self.leader()
            members = (self.ask(name, "/cluster")[1] or {}).get("members", []) if name else []
            following = [member for member in members if _follows(member)]
            timelines = {m.get("timeline") for m in members}
            is_safe = not self._is_synchronous(name) or any(m["role"] == "sync_standby" for m in members)
            return name if len(following) == 2 and len(timelines) == 1 and is_safe else ""

        return wait_for(settled, "a leader whom two follow")

    def _is_synchronous(self, name: str) -> bool:
        return bool(((self.ask(name, "/config")[1] if name else None) or {}).get("synchronous_mode"))

    def configure(self, **settings: Any) -> None:
        """Change what the cluster keeps in etcd, as `patronictl edit-config` does."""
        status, _ = self.ask(self.leader(), "/config", settings)
        assert status == 200

    def say(self) -> str:
        """The ends of all logs, for whom something failed."""
        files = sorted(self.folder.rglob("*.log"))
        return "\n".join(f"--- {file.relative_to(self.folder)}\n{file.read_text(errors='replace')[-3000:]}" for file in files)


@contextmanager
def cluster(place: Path | None = None) -> Iterator[Cluster]:
    """Three machines that follow one another, in a temporary folder."""
    with (
        Network((*templates.NAMES, PROXY)) as network,
        tempfile.TemporaryDirectory(prefix="kashop-cluster-", dir=place, ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = Cluster(network, Path(name))
        try:
            made.found()
            yield made
        except BaseException:
            with contextlib.suppress(OSError):
                print(made.say())
            raise
        finally:
            for machine in made.machines.values():
                machine.kill()


def _follows(member: dict[str, Any]) -> bool:
    lag = member.get("lag")  # a number, or "unknown"
    return member["role"] != "leader" and member["state"] in ("running", "streaming") and isinstance(lag, int) and lag <= CLOSE


def wait_for(look: Callable[[], T], what: str, seconds: float = LONGEST_WAIT) -> T:
    """The first that is true of what a look gives. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.2)
    raise TimeoutError(f"there was no {what} within {seconds} s")
