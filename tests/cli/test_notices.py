"""`kashop setting` with secrets, and `kashop notice`, as an administrator types them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.serving import here

SECRET = "KANARI-mail-Passw0rd/+密=?"


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def said(data: Path, *arguments: str, given: str = "", ends: int = 0, **environ: str) -> str:
    done = here(*arguments, "--data", data, given=given, **environ)
    assert done.returncode == ends, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


def test_a_secret_is_taken_from_a_file_or_stdin_alone(data: Path, tmp_path: Path) -> None:
    assert "@FILE" in said(data, "setting", "set", "mail.password", SECRET, ends=1)
    (tmp_path / "secret").write_text(SECRET + "\n", encoding="utf-8")
    heard = said(data, "setting", "set", "mail.password", f"@{tmp_path}/secret")
    assert heard.strip() == "mail.password is now set."
    heard += said(data, "setting", "get", "mail.password")
    heard += said(data, "setting", "list") + said(data, "setting", "list", "--json")
    assert json.loads(said(data, "setting", "get", "mail.password", "--json")) == {"mail.password": "set"}
    assert SECRET not in heard
    assert said(data, "setting", "clear", "mail.password").strip() == "mail.password is now not set."
    said(data, "setting", "set", "mail.password", "-", given=SECRET + "\n")
    assert said(data, "setting", "get", "mail.password").strip() == "set"
    assert "private_networks" in said(data, "setting", "set", "notices.webhook_url", "https://169.254.169.254/", ends=1)
    assert said(data, "setting", "set", "mail.nothing", "1", ends=1).startswith("kashop: There is no setting")


@pytest.mark.sqlite  # it writes kashop.toml anew, and asks the doctor
def test_the_webhook_is_tried_from_the_terminal(data: Path, receiver: HTTPServer, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/"
    assert "private_networks" in said(data, "setting", "set", "notices.webhook_url", url, ends=1)
    (data / "kashop.toml").write_text('private_networks = ["127.0.0.1"]\n', encoding="utf-8")
    said(data, "setting", "set", "notices.webhook_url", url)
    assert "not set up" in said(data, "notice", "test", "webhook", ends=1)
    key = said(data, "notice", "key").strip()
    assert key.startswith("whsec_")
    assert key not in said(data, "setting", "list")
    assert "left well" in said(data, "notice", "test", "webhook")
    receiver.shutdown()
    receiver.server_close()
    assert "No connection" in said(data, "notice", "test", "webhook", ends=1)
    assert json.loads(said(data, "notice", "list", "--json"))["channels"] == ["webhook"]
    assert "There is no such notice." in said(data, "notice", "retry", "7", ends=1)
    assert "mail: is not set up" in said(data, "doctor")
    (data / "kashop.toml").write_text('private_networks = ["all"]\n', encoding="utf-8")
    assert "private_networks" in said(data, "notice", "list", ends=1)
