"""The pretended vendor, whom servers ask about payments: it knows which of them were paid."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from kashop.stress import epay

MONEY = "12.50"


@dataclass
class Vendor:
    """`paid` are the attempts that it has money for."""

    url: str
    paid: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def word(self, attempt_no: str) -> dict[str, str]:
        """What it says of an attempt (the Epay sheet, act=order)."""
        self.asked.append(attempt_no)
        status = "1" if attempt_no in self.paid else "0"
        told = {"code": "1", "pid": epay.PID, "trade_no": f"V{attempt_no}", "out_trade_no": attempt_no}
        return told | {"type": "alipay", "name": "x", "money": MONEY, "status": status}


@contextmanager
def vendor() -> Iterator[Vendor]:
    """It answers on this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(known.word(parse_qs(urlsplit(self.path).query)["out_trade_no"][0])).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_anything: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Vendor(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield known
        finally:
            server.shutdown()
            serving.join(30)
