"""One machine of the cluster: etcd and Patroni, which runs PostgreSQL, in a namespace, as the user whom Debian made for them."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from bench.cluster import templates
from bench.cluster.network import Network

USER = "postgres"

PROGRAMS = ("ip", "setpriv", "etcd", "patroni", "haproxy", "pgbackrest", "psql", "/usr/lib/postgresql/15/bin/postgres")

SECRETS = ("superuser_password", "replication_password", "rewind_password", "cipher_password")


def missing() -> str:
    """What this machine lacks for a cluster; empty when it lacks nothing."""
    if os.geteuid() != 0:
        return "network namespaces want root"
    if lacking := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"not installed: {', '.join(lacking)} (Debian: etcd-server patroni haproxy pgbackrest postgresql-15)"
    if not Path("/etc/ssl/private/ssl-cert-snakeoil.key").exists():
        return "not installed: ssl-cert (Debian), whose key PostgreSQL uses here"
    return ""


class Machine:
    """Its files stand in a folder of its own."""

    def __init__(self, name: str, network: Network, folder: Path, repository: Path):
        self.name, self.ip, self._network = name, network.ips[name], network
        self.folder = folder / name
        self.sockets = self.folder / "run"
        self.data = self.folder / "data"
        for made in (self.folder, self.sockets, self.folder / "lock", self.folder / "log"):
            made.mkdir()
            own(made)
        values = {
            **templates.guide(name),
            **templates.shared({each: network.ips[each] for each in templates.NAMES}),
            **{secret: f"{secret}-of-the-drill" for secret in SECRETS},
            "ip": self.ip,
            "network": network.subnet,
            "etcd_data": str(self.folder / "etcd"),
            "data": str(self.data),
            "pgpass": str(self.folder / "pgpass"),
            "sockets": str(self.sockets),
            "watchdog": "off",
            "repository": str(repository),
        }
        for template in ("etcd", "patroni.yml", "pgbackrest.conf"):
            file = self.folder / f"{template}.made"
            file.write_text(templates.text(template, values), encoding="utf-8")
            own(file)
        self.backrest = {
            "PGBACKREST_CONFIG": str(self.folder / "pgbackrest.conf.made"),
            "PGBACKREST_LOCK_PATH": str(self.folder / "lock"),
            "PGBACKREST_LOG_PATH": str(self.folder / "log"),
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Switch it on."""
        self.start_etcd()
        self.start_patroni()

    def start_etcd(self) -> None:
        """Only what says who leads."""
        lines = (self.folder / "etcd.made").read_text(encoding="utf-8").splitlines()
        self._run("etcd", "etcd", **dict(line.split("=", 1) for line in lines))

    def start_patroni(self) -> None:
        """And what runs PostgreSQL."""
        self._run("patroni", "patroni", str(self.folder / "patroni.yml.made"), **self.backrest)

    @property
    def is_on(self) -> bool:
        """Whether it was switched on, and not killed since."""
        return bool(self._running)

    def kill(self) -> int:
        """Switch it off, as a cut of the power does; how many processes died."""
        count = self._network.kill(self.name)
        for process in self._running:
            process.wait(30)
        self._running.clear()
        return count

    def _run(self, name: str, *command: str, **environ: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            arguments = [*self.inside, *command]
            kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder), **environ}
            self._running.append(
                subprocess.Popen(arguments, env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
            )

    @property
    def inside(self) -> list[str]:
        """How a command begins that runs on it, as the database's user."""
        return [*("ip", "netns", "exec", self._network.space(self.name)), *as_user()]

    def leave_running(self, name: str, *command: str) -> None:
        """Run a command on it until it is killed; what it says is told by this name."""
        self._run(name, *command)

    def run(self, *command: str, **environ: str) -> str:
        """Run a command on it to its end; what it printed. Raises RuntimeError."""
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder), **self.backrest, **environ}
        done = subprocess.run(
            [*self.inside, *command], env=kept, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, statement: str, database: str = "postgres", port: int = 5432, sockets: Path | None = None) -> str:
        """Ask its own PostgreSQL, whatever that is just now."""
        where = ["-h", str(sockets or self.sockets), "-p", str(port), "-U", USER, "-d", database]
        return self.run("psql", *where, "-XAtqc", statement).strip()

    def told(self, name: str) -> str:
        """What etcd or patroni logged, PostgreSQL with the latter, or whatever was left running."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def as_user(name: str = USER) -> list[str]:
    """How a command begins that runs as somebody who is not root."""
    return ["setpriv", f"--reuid={name}", f"--regid={pwd.getpwnam(name).pw_gid}", "--init-groups"]


def own(path: Path) -> None:
    """Give a file or folder to the database's user."""
    user = pwd.getpwnam(USER)
    os.chown(path, user.pw_uid, user.pw_gid)
    path.chmod(0o700 if path.is_dir() else 0o600)
