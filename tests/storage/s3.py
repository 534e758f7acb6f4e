"""A storage that speaks S3, written from its documentation: it verifies each request's signature (version 4) and keeps objects.

It can be told to say no: `trouble` is the status that it answers with instead.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET = "shop-files"
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class S3:
    """What stands behind the address. `objects` by path, `asked` counts every request."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.trouble = 0
        self.address = ""


@contextmanager
def serving() -> Iterator[S3]:
    """A storage on a free port of this machine."""
    s3 = S3()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Door", (_Door,), {"s3": s3}))
    s3.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3

    def do_PUT(self) -> None:
        if (body := self._entered()) is not None:
            self.s3.objects[urlsplit(self.path).path] = body
            self._answer(200, etag=f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')

    def do_GET(self) -> None:
        if self._entered() is not None:
            body = self.s3.objects.get(urlsplit(self.path).path)
            if body is None:
                self._refuse(404, "NoSuchKey")
            else:
                self._answer(200, body, etag='"e"', last_modified="Sat, 28 Nov 2026 10:00:00 GMT")

    def do_POST(self) -> None:
        """Several keys are deleted at once; one that is not there counts as deleted."""
        if (body := self._entered()) is not None and urlsplit(self.path).query == "delete":
            keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", body.decode())]
            for key in keys:
                self.s3.objects.pop(f"{urlsplit(self.path).path}/{key}", None)
            deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _entered(self) -> bytes | None:
        """The body of a request that may come in."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.s3.asked.append((self.command, urlsplit(self.path).path))
        if self.s3.trouble:
            return self._refuse(self.s3.trouble, "InternalError")
        if not urlsplit(self.path).path.startswith(f"/{BUCKET}"):
            return self._refuse(404, "NoSuchBucket")
        if not self._is_signed(body):
            return self._refuse(403, "SignatureDoesNotMatch")
        return body

    def _is_signed(self, body: bytes) -> bool:
        scheme, _, told = self.headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().split("=", 1) for part in told.split(",") if "=" in part)
        key_id, day, region, service, end = parts.get("Credential", "////").split("/")
        if (scheme, key_id, service, end) != ("AWS4-HMAC-SHA256", KEY_ID, "s3", "aws4_request"):
            return False
        digest = self.headers["x-amz-content-sha256"]
        if digest not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
            return False
        url, names = urlsplit(self.path), parts["SignedHeaders"].split(";")
        query = "&".join(f"{quote(k, '~')}={quote(v, '~')}" for k, v in sorted(parse_qsl(url.query, keep_blank_values=True)))
        headers = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in names)
        request = "\n".join((self.command, url.path, query, headers, ";".join(names), digest))
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join((scheme, self.headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()))
        key = b"AWS4" + SECRET.encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), parts.get("Signature", ""))

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
