"""A simulated Epay V1 server, written from the protocol sheet and not from our client: its own signing, its
own reading of requests.

In a test: `with EpaySimulator(pid="1001", key="…") as epay: …`. As a process, for browsers and end-to-end
tests: `python -m tests.gateways.epay_simulator --port 9099 --pid 1001 --key K` (port 0 draws one; the
address is printed).

    /submit.php  GET, POST   the gateway's cashier page, with buttons
    /mapi.php    POST        the same by API: qrcode for wxpay, payurl otherwise
    /api.php     GET         act=order, act=query
    /simulate/pay POST       out_trade_no and, as you like: money= status= type= pid= trade_no= repeat=
    parallel=1 delay= lose=1 forge=1 go=1
                             answers {"sent": […], "answers": [{"status":200,"body":"success"}]}; go=1 sends
                             the browser to return_url
    /simulate/orders GET     everything it knows
"""

import argparse
import contextlib
import html
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

TYPES = ("alipay", "wxpay", "qqpay", "bank", "jdpay")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def gateway_sign(parameters: dict[str, str], key: str) -> str:
    """Sheet §1.2: no sign, sign_type or blank values; sorted; raw values; key appended; lower-case hex."""
    kept = []
    for name in sorted(parameters):
        value = parameters[name]
        if name in ("sign", "sign_type") or value.strip(" \t\n\r\0\x0b") == "":
            continue
        kept.append(name + "=" + value)
    return md5(("&".join(kept) + key).encode("utf-8")).hexdigest()


def php_money(text: str) -> str:
    """Sheet §3: money passes through a float, so 12.50 comes back as 12.5 and 1.00 as 1."""
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass
class Order:
    """One order as the gateway keeps it."""

    trade_no: str
    request: dict[str, str]
    status: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)


class EpaySimulator:
    """The server. `url` is its address with a slash at its end."""

    def __init__(self, *, pid: str = "1001", key: str = "KEYepayV1test0001", port: int = 0):
        self.pid = pid
        self.key = key
        self.orders: dict[str, Order] = {}
        self.queries: list[str] = []
        self.is_silent = False
        """A dead gateway: every request is answered with 502."""
        self._lock = threading.Lock()
        self._number = 0
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.epay = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> "EpaySimulator":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: dict[str, str], *, by_api: bool) -> tuple[int, str, Order | None]:
        """Judge a create request as the gateway does; (code, message, order)."""
        needed = ["pid", "out_trade_no", "notify_url", "return_url", "name", "money", "sign"]
        if by_api:
            needed += ["type", "clientip"]
        if missing := [n for n in needed if not request.get(n)]:
            return -4, f"missing {missing[0]}", None
        if request["pid"] != self.pid or request["sign"] != gateway_sign(request, self.key):
            return -3, "签名校验失败", None
        if not _is_money(request["money"]) or request.get("type", "alipay") not in TYPES:
            return -1, "bad money or type", None
        return self._book(request)

    def _book(self, request: dict[str, str]) -> tuple[int, str, Order | None]:
        with self._lock:
            known = self.orders.get(request["out_trade_no"])
            if known is None:
                self._number += 1
                trade_no = time.strftime("%Y%m%d%H%M%S") + f"{self._number:05d}"
                known = self.orders[request["out_trade_no"]] = Order(trade_no, dict(request))
            elif known.status != 0:
                return -1, "该订单已支付", None
            elif any(known.request.get(n) != request.get(n) for n in ("money", "name", "notify_url", "return_url", "param")):
                return -1, "订单信息不一致", None
            return 1, "ok", known

    def pay(self, out_trade_no: str, **how: str) -> dict[str, Any]:
        """Pay an order in one of the ways of the module's table; what the shop answered."""
        order = self.orders[out_trade_no]
        with self._lock:
            if not how.get("forge") and how.get("status", "TRADE_SUCCESS") == "TRADE_SUCCESS":
                order.status = 1
        if how.get("lose"):
            return {"sent": [], "answers": []}
        query = self.notification(order, **how)
        times = int(how.get("repeat", "1"))
        if how.get("delay"):
            later = threading.Timer(float(how["delay"]), self._send, [order, query, times, bool(how.get("parallel"))])
            later.daemon = True
            later.start()
            return {"sent": [query] * times, "answers": []}
        return {"sent": [query] * times, "answers": self._send(order, query, times, bool(how.get("parallel")))}

    def notification(self, order: Order, **how: str) -> str:
        """The query of a notification (sheet §1.3)."""
        told = {
            "pid": how.get("pid", self.pid),
            "trade_no": how.get("trade_no", order.trade_no),
            "out_trade_no": order.request["out_trade_no"],
            "type": how.get("type", order.request.get("type", "alipay")),
            "name": order.request["name"],
            "money": how.get("money", php_money(order.request["money"])),
            "trade_status": how.get("status", "TRADE_SUCCESS"),
        }
        if order.request.get("param"):
            told["param"] = order.request["param"]
        told["sign"] = gateway_sign(told, "another key" if how.get("forge") else self.key)
        told["sign_type"] = "MD5"
        return urllib.parse.urlencode(told)

    def _send(self, order: Order, query: str, times: int, is_parallel: bool) -> list[dict[str, Any]]:
        url = f"{order.request['notify_url']}?{query}"
        if is_parallel:
            with ThreadPoolExecutor(max_workers=min(times, 50)) as pool:
                answers = list(pool.map(_get, [url] * times))
        else:
            answers = [_get(url) for _ in range(times)]
        with self._lock:
            order.answers += answers
        return answers

    def order_reply(self, query: dict[str, str]) -> dict[str, Any]:
        """api.php?act=order (sheet §1.4)."""
        self.queries.append(query.get("out_trade_no", ""))
        found = [
            o
            for o in list(self.orders.values())
            if query.get("trade_no", o.trade_no) == o.trade_no
            and query.get("out_trade_no", o.request["out_trade_no"]) == o.request["out_trade_no"]
        ]
        if not found or not (query.get("trade_no") or query.get("out_trade_no")):
            return {"code": -1, "msg": "订单号不存在"}
        order = found[0]
        return {
            "code": 1,
            "msg": "succ",
            "trade_no": order.trade_no,
            "out_trade_no": order.request["out_trade_no"],
            "api_trade_no": "",
            "type": order.request.get("type", "alipay"),
            "pid": int(self.pid) if self.pid.isdigit() else self.pid,
            "addtime": "2026-11-01 12:00:00",
            "endtime": "2026-11-01 12:01:00" if order.status else None,
            "name": order.request["name"],
            "money": order.request["money"],
            "param": "",
            "buyer": "",
            "status": order.status,
        }

    def api(self, query: dict[str, str]) -> dict[str, Any]:
        """api.php (sheet §1.4)."""
        if query.get("pid") != self.pid or query.get("key") != self.key:
            return {"code": -3, "msg": "商户ID或密钥错误"}
        if query.get("act") == "order":
            return self.order_reply(query)
        if query.get("act") == "query":
            return {"code": 1, "pid": int(self.pid), "key": self.key, "active": 1, "money": "0.00", "orders": len(self.orders)}
        return {"code": -5, "msg": "No Act!"}


def _is_money(text: str) -> bool:
    whole, _, part = text.partition(".")
    return whole.isascii() and whole.isdigit() and (part == "" or (part.isdigit() and len(part) <= 2)) and float(text) > 0


def _get(url: str) -> dict[str, Any]:
    try:
        with _OPENER.open(urllib.request.Request(url, headers={"User-Agent": "Mozilla/5.0 Epay"}), timeout=20) as reply:
            return {"status": reply.status, "body": reply.read(4096).decode("utf-8", "replace")}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read(4096).decode("utf-8", "replace")}
    except OSError as error:
        return {"status": 0, "body": f"{type(error).__name__}: {error}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    epay: EpaySimulator


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._route({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._route(dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)))

    def _route(self, form: dict[str, str]) -> None:
        url = urllib.parse.urlsplit(self.path)
        asked = {**dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)), **form}
        answer = self._ROUTES.get((self.command, url.path))
        if self.server.epay.is_silent:
            self._reply(502, "text/html", "<h1>502 Bad Gateway</h1>")
        elif url.path.startswith("/cashier/"):
            found = [o for o in self.server.epay.orders.values() if o.trade_no == url.path.rpartition("/")[2]]
            self._reply(200, "text/html", _page(found[0]) if found else "订单不存在")
        elif answer:
            answer(self, asked)
        else:
            self._reply(404, "text/plain", "not found")

    def _api(self, asked: dict[str, str]) -> None:
        self._json(self.server.epay.api(asked))

    def _orders(self, _asked: dict[str, str]) -> None:
        self._json({no: asdict(order) for no, order in list(self.server.epay.orders.items())})

    def _submit(self, request: dict[str, str]) -> None:
        code, message, order = self.server.epay.take(request, by_api=False)
        self._reply(200, "text/html", _page(order) if order else f"<h3>{html.escape(message)} ({code})</h3>")

    def _mapi(self, request: dict[str, str]) -> None:
        code, message, order = self.server.epay.take(request, by_api=True)
        if order is None:
            self._json({"code": code, "msg": message})
        elif request["type"] == "wxpay":
            self._json({"code": 1, "trade_no": order.trade_no, "qrcode": f"weixin://wxpay/bizpayurl?pr={order.trade_no}"})
        else:
            self._json({"code": 1, "trade_no": order.trade_no, "payurl": f"{self.server.epay.url}cashier/{order.trade_no}"})

    def _pay(self, how: dict[str, str]) -> None:
        out_trade_no = how.pop("out_trade_no", "")
        order = self.server.epay.orders.get(out_trade_no)
        if order is None:
            self._reply(404, "application/json", '{"error": "no such order"}')
            return
        outcome = self.server.epay.pay(out_trade_no, **how)
        if not how.get("go"):
            self._json(outcome)
            return
        self.send_response(302)
        self.send_header("location", f"{order.request['return_url']}?{self.server.epay.notification(order, **how)}")
        self.send_header("content-length", "0")
        self.end_headers()

    def _json(self, value: Any) -> None:
        self._reply(200, "application/json", json.dumps(value))

    def _reply(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", f"{kind}; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: Any) -> None:
        """Quiet: addresses may carry the key."""

    _ROUTES: ClassVar = {
        ("GET", "/submit.php"): _submit,
        ("POST", "/submit.php"): _submit,
        ("POST", "/mapi.php"): _mapi,
        ("GET", "/api.php"): _api,
        ("POST", "/simulate/pay"): _pay,
        ("GET", "/simulate/orders"): _orders,
    }


_BUTTONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("pay", "Pay", {}),
    ("lose", "Pay, lose the notification", {"lose": "1"}),
    ("part", "Pay 0.01", {"money": "0.01"}),
    ("pending", "Do not pay: WAIT_BUYER_PAY", {"status": "WAIT_BUYER_PAY"}),
    ("forge", "Forge", {"forge": "1"}),
    ("other", "Other merchant", {"pid": "9999"}),
)


def _page(order: Order) -> str:
    forms = "".join(
        '<form method="post" action="/simulate/pay"><input type="hidden" name="go" value="1">'
        + "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
            for name, value in {"out_trade_no": order.request["out_trade_no"], **how}.items()
        )
        + f'<button id="{id_}">{label}</button></form>'
        for id_, label, how in _BUTTONS
    )
    money, name = html.escape(order.request["money"]), html.escape(order.request["name"])
    return f"<!doctype html><meta charset=utf-8><title>Epay</title><h1>¥{money}</h1><p>{name}</p>{forms}"


def main() -> None:
    """Serve until interrupted."""
    arguments = argparse.ArgumentParser(description="A simulated Epay V1 gateway.")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--pid", default="1001")
    arguments.add_argument("--key", default="KEYepayV1test0001")
    given = arguments.parse_args()
    with EpaySimulator(pid=given.pid, key=given.key, port=given.port) as epay:
        print(epay.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
