"""A payment vendor on loopback: the part that is alike for all. Each vendor's own is a subclass in `kit/simulators/`, written
from its protocol sheet and never from our client.

    with EpaySimulator() as epay:            # listens on a free port; `epay.options()` are good for an account of it
        epay.pay(attempt_no)                 # the buyer pays, the vendor calls back; what the shop answered
        epay.pay(attempt_no, lose=True)      # … and the callback is lost
        epay.mood("hangs", "/api/")          # from now on requests below that path hang

Over HTTP, for browsers and by hand: `/simulate` lists what was begun, with a button for all that can befall a payment;
`POST /simulate/pay` (`ref` and the words of `pay`), `POST /simulate/mood` (`mood`, `path`), `GET /simulate/payments` (JSON).
"""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlencode, urlsplit

from kashop.plugins.kit.desk import Desk
from kashop.plugins.kit.vendorwords import MOODS, Answered, Asked, Heard, How, Payment, Told

HANG_SECONDS = 30.0
SLOW_SECONDS = 2.0
MOST_HEARD = 4096
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Simulator:
    """A vendor. `url` is its address, with a slash at its end.

    `routes` maps (method, path with {parts}) to the name of a method that takes Asked and gives Answered.
    """

    name: ClassVar[str] = ""
    gateway_type: ClassVar[str] = ""
    """The type of the accounts that work with it; `method` is one of theirs, `currency` one that they take."""
    method: ClassVar[str] = ""
    currency: ClassVar[str] = "CNY"
    calls_back: ClassVar[bool] = True
    routes: ClassVar[dict[tuple[str, str], str]] = {}
    proves_when_asked: ClassVar[bool] = True
    """Whether its answer to a query proves a payment; without that, a lost callback ends on the shop's desk."""
    refund_state = "done"
    """What becomes of the next refunds: done, pending or failed."""
    clock: Callable[[], float] = staticmethod(time.time)
    """The vendor's time in seconds; a test whose shop lives at another time sets it."""

    def __init__(self, *, port: int = 0) -> None:
        self.payments: dict[str, Payment] = {}
        """By the vendor's number."""
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request, but those of /simulate."""
        self.lock = threading.RLock()
        self._moods: dict[str, str] = {}
        self._number = 0
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.simulator = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What each vendor says in its own way

    def options(self) -> dict[str, str]:
        """Options of an account that works with this vendor."""
        raise NotImplementedError

    def notification(self, payment: Payment, how: How) -> Told:
        """The callback about a payment, with its right signature unless `how` forges."""
        raise NotImplementedError

    def is_acknowledged(self, heard: Heard) -> bool:
        """Whether the vendor takes an answer as "heard, do not repeat"."""
        return heard.status == 200

    def decimal(self, amount: str) -> str:
        """An amount of a payment as decimal text in its currency; vendors that keep minor units convert."""
        return amount

    def visit(self, kind: str, url: str, fields: str) -> None:
        """A buyer follows what `begin` gave him: a redirect is opened, a form (JSON fields) is posted."""
        if kind == "redirect" and url.startswith(self.url):
            tell(Told("GET", url))
        elif kind == "form" and url.startswith(self.url):
            headers = {"content-type": "application/x-www-form-urlencoded"}
            tell(Told("POST", url, headers, urlencode(json.loads(fields)).encode()))

    # What befalls a payment

    def find(self, number: str) -> Payment:
        """A payment by the vendor's number, or the newest of an attempt by ours. Raises KeyError."""
        with self.lock:
            if number in self.payments:
                return self.payments[number]
            found = [p for p in self.payments.values() if p.attempt_no == number]
        if not found:
            raise KeyError(number)
        return found[-1]

    def pay(self, number: str, **how: Any) -> list[Heard]:
        """The buyer pays, as `How` says; what the shop answered to each callback. A late callback is not waited for."""
        return self.send(self.find(number), How(**how))

    def send(self, payment: Payment, how: How) -> list[Heard]:
        """Keep what befalls the payment, and call back."""
        with self.lock:
            if how.state == "paid" and not how.forge:
                payment.state, payment.paid_amount = "paid", how.amount or payment.amount
                payment.txn = how.txn or payment.txn or self.number("T")
                payment.paid_at = payment.paid_at or self.clock()
            elif how.state == "closed" and payment.state == "open":
                payment.state = "closed"
        if how.lose:
            return []
        told = self.notification(payment, how)
        if how.delay:
            later = threading.Timer(how.delay, self._call, [payment, told, how])
            later.daemon = True
            later.start()
            return []
        return self._call(payment, told, how)

    def _call(self, payment: Payment, told: Told, how: How) -> list[Heard]:
        if how.parallel:
            with ThreadPoolExecutor(max_workers=min(how.times, 50)) as pool:
                heard = list(pool.map(tell, [told] * how.times))
        else:
            heard = [tell(told) for _ in range(how.times)]
        with self.lock:
            payment.heard += heard
        return heard

    def mood(self, mood: str, path: str = "/") -> None:
        """What requests below a path meet from now on; `answers` ends it."""
        if mood not in MOODS:
            raise ValueError(f"no mood {mood!r}: {', '.join(MOODS)}")
        with self.lock:
            self._moods[path] = mood

    def number(self, prefix: str = "") -> str:
        """A number of the vendor's, unique and rising."""
        with self.lock:
            self._number += 1
            return f"{prefix}{time.strftime('%Y%m%d%H%M%S', time.gmtime(self.clock()))}{self._number:06d}"

    def cashier(self, payment: Payment) -> str:
        """The address of the page on which a buyer pays."""
        return f"{self.url}simulate/{quote(payment.ref)}"

    # Requests

    def answer(self, asked: Asked) -> Answered | None:
        """The answer to a request; None breaks the connection."""
        if asked.path == "/simulate" or asked.path.startswith("/simulate/"):
            return Desk(self).answer(asked)
        with self.lock:
            self.asked.append((asked.method, asked.path))
            below = [path for path in self._moods if asked.path.startswith(path)]
            mood = self._moods[max(below, key=len)] if below else "answers"
        if mood == "hangs":
            self._stopped.wait(HANG_SECONDS)
        if mood in ("hangs", "cuts"):
            return None
        if mood == "slow":
            self._stopped.wait(SLOW_SECONDS)
        if mood == "error":
            return Answered(b"<h1>502 Bad Gateway</h1>", 502, {"content-type": "text/html"})
        if mood == "html":
            return Answered.html("<title>Checking your browser</title>")
        return self._routed(asked)

    def _routed(self, asked: Asked) -> Answered:
        for (method, path), verb in self.routes.items():
            params = _matched(path, asked.path)
            if params is not None and method == asked.method:
                handler: Callable[[Asked], Answered] = getattr(self, verb)
                return handler(Asked(asked.method, asked.path, asked.query_text, asked.headers, asked.body, params))
        return Answered.json({"error": "no such address"}, 404)


def _matched(path: str, asked: str) -> dict[str, str] | None:
    wanted, given = path.split("/"), asked.split("/")
    if len(wanted) != len(given):
        return None
    params = {}
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{") and want.endswith("}") and have:
            params[want[1:-1]] = have
        elif want != have:
            return None
    return params


def tell(told: Told) -> Heard:
    """Send a callback, as a vendor does: 20 s of patience, no redirect followed beyond urllib's."""
    request = urllib.request.Request(told.url, data=told.body or None, headers=dict(told.headers), method=told.method)  # noqa: S310
    request.add_header("User-Agent", "Mozilla/5.0 vendor")
    try:
        with _OPENER.open(request, timeout=20) as reply:
            return Heard(reply.status, reply.read(MOST_HEARD).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Heard(error.code, error.read(MOST_HEARD).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return Heard(0, f"{type(error).__name__}: {getattr(error, 'reason', error)}")  # urllib keeps what happened in its reason


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    simulator: Simulator


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answered = self.server.simulator.answer(Asked(self.command, parts.path, parts.query, headers, body))
        if answered is None:
            self.close_connection = True
            return
        self.send_response(answered.status)
        for name, value in answered.headers.items():
            self.send_header(name, value)
        if answered.status != 204:
            self.send_header("content-length", str(len(answered.body)))
        self.end_headers()
        self.wfile.write(answered.body)

    def log_message(self, *_args: Any) -> None:
        """Quiet: addresses may carry keys."""
