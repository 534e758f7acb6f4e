"""nginx, PHP and MariaDB for a peer, on the loopback, in a folder of their own, ended with their block.

Debian's packages may be installed (`root` is `/`) or only unpacked somewhere: `apt-get install --download-only`, then `dpkg -x`.
MariaDB keeps its defaults, so a commit is on the disk before it is answered; PHP has OPcache and sixteen workers, nginx a worker
for each core.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

EXTENSIONS = "mysqlnd pdo pdo_mysql gd curl mbstring xml dom simplexml zip bcmath ctype fileinfo iconv tokenizer phar posix"
DATABASE = "peer"

PHP_INI = """extension_dir={modules}
zend_extension=opcache
opcache.enable=1
opcache.validate_timestamps=0
memory_limit=256M
pdo_mysql.default_socket={socket}
{extensions}
"""
FPM = """[global]
error_log={work}/fpm.log
daemonize=no
[peer]
listen={work}/fpm.sock
user=root
group=root
pm=static
pm.max_children=16
"""
NGINX = """daemon off;
{user}
worker_processes auto;
pid {work}/nginx.pid;
error_log {work}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  include {etc}/mime.types;
  access_log off;
  keepalive_timeout 60;
  keepalive_requests 100000;
  client_body_temp_path {work}/body;
  fastcgi_temp_path {work}/fastcgi;
  proxy_temp_path {work}/proxy;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {work}/site;
    index index.php;
    location / {{ if (!-e $request_filename) {{ rewrite ^(.*)$ /index.php?s=$1 last; }} }}
    location ~ \\.php$ {{ include {etc}/fastcgi.conf; fastcgi_pass unix:{work}/fpm.sock; }}
  }}
}}
"""


class Stack:
    """The three of them round a copy of the peer's own files, in `work`."""

    def __init__(self, root: Path, peer: Path, work: Path, port: int):
        self._root, self._peer, self.work, self.port = root, peer, work, port
        self._processes: list[subprocess.Popen[bytes]] = []
        libraries = ":".join(str(p) for p in root.glob("usr/lib/*-linux-gnu"))
        self._env = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if root != Path("/") else {})}

    def __enter__(self) -> "Stack":
        shutil.copytree(self._peer, self.work / "site", ignore=shutil.ignore_patterns(".git"))
        try:
            self._start_database()
            self._start_php()
            self._start_nginx()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def sql(self, text: str) -> str:
        """Run statements; what they say, tab by tab."""
        command = [str(self._root / "usr/bin/mariadb"), "--no-defaults", f"--socket={self._socket}", "-N", "-B", DATABASE]
        return subprocess.run(command, input=text, text=True, capture_output=True, check=True, env=self._env).stdout

    def memory_mib(self) -> float:
        """Private memory of all of them, with their children, in proportion to what they share."""
        return sum(_proportional_kib(pid) for p in self._processes for pid in (p.pid, *_children(p.pid))) / 1024

    @property
    def _socket(self) -> Path:
        return self.work / "db.sock"

    def _start_database(self) -> None:
        data, share = self.work / "db", self._root / "usr/share/mysql"
        data.mkdir()
        own = [f"--datadir={data}", f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}", "--user=root"]
        server = [str(self._root / "usr/sbin/mariadbd"), "--no-defaults", *own]
        names = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
        script = "CREATE DATABASE mysql;\nUSE mysql;\n" + "\n".join((share / name).read_text() for name in names)
        with (self.work / "db.log").open("wb") as log:
            subprocess.run([*server, "--bootstrap"], input=script.encode(), stdout=log, stderr=log, check=True, env=self._env)
            # everything else is as it comes: InnoDB keeps each commit on the disk
            more = [f"--socket={self._socket}", "--skip-networking", "--skip-grant-tables", f"--plugin-dir={self._plugins()}"]
            self._processes.append(subprocess.Popen([*server, *more], stdout=log, stderr=log, env=self._env))
        self._wait(self._socket)
        command = [str(self._root / "usr/bin/mariadb"), "--no-defaults", f"--socket={self._socket}"]
        subprocess.run(command, input=f"CREATE DATABASE {DATABASE};", text=True, check=True, env=self._env)

    def _plugins(self) -> Path:
        return next(iter(self._root.glob("usr/lib/mysql/plugin")), self.work)

    def _start_php(self) -> None:
        modules = next(self._root.glob("usr/lib/php/2*"))
        extensions = "\n".join(f"extension={name}" for name in EXTENSIONS.split() if (modules / f"{name}.so").exists())
        ini = self.work / "php.ini"
        ini.write_text(PHP_INI.format(modules=modules, socket=self._socket, extensions=extensions))
        (self.work / "fpm.conf").write_text(FPM.format(work=self.work))
        fpm = next(self._root.glob("usr/sbin/php-fpm8*"))
        command = [str(fpm), "-R", "-F", "-n", "-c", str(ini), "-y", str(self.work / "fpm.conf")]
        self._processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=self._env))
        self._wait(self.work / "fpm.sock")

    def _start_nginx(self) -> None:
        (self.work / "nginx.conf").write_text(
            NGINX.format(work=self.work, port=self.port, etc=self._root / "etc/nginx", user=_user())
        )
        command = [str(self._root / "usr/sbin/nginx"), "-c", str(self.work / "nginx.conf"), "-p", str(self.work), "-e", "stderr"]
        self._processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=self._env))
        self._wait(self.work / "nginx.pid")

    def _wait(self, path: Path) -> None:
        for _ in range(1200):
            if path.exists() and self._processes[-1].poll() is None:
                return
            if self._processes[-1].poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{path.name} did not come; look at the logs in {self.work}")

    def _end(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _user() -> str:
    """nginx started by root would give its workers to somebody who may not enter our folder."""
    return "user root;" if os.geteuid() == 0 else ""


def _children(pid: int) -> list[int]:
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [further for child in found for further in _children(child)]


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
