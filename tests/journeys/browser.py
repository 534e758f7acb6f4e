"""A browser without JavaScript: pages, their forms, and a button pressed. It knows no field that the page does not show."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


@dataclass
class HtmlForm:
    """One form as the page has it."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    """The ids of its buttons."""
    texts: set[str] = field(default_factory=set)
    """Names of fields to type in."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[HtmlForm] = []
        self._open: HtmlForm | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = HtmlForm(a.get("action", ""), a.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "button":
            self._open.buttons.append(a.get("id", ""))
        elif tag == "input":
            self._input(self._open, a, {name for name, _ in attrs})
        elif tag == "select":
            self._select = a.get("name", "")
        elif tag == "option" and self._select:
            if self._select not in self._open.values or "selected" in dict(attrs):
                self._open.values[self._select] = a.get("value", "")
        elif tag == "textarea":
            self._open.texts.add(a["name"])
            self._open.values.setdefault(a["name"], "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""

    def _input(self, form: HtmlForm, a: dict[str, str], flags: set[str]) -> None:
        kind, name = a.get("type", "text"), a.get("name", "")
        if kind in ("radio", "checkbox"):
            if "checked" in flags or (kind == "radio" and name not in form.values and "disabled" not in flags):
                form.values[name] = a.get("value", "on")
        elif name:
            form.values[name] = a.get("value", "")
            if kind != "hidden":
                form.texts.add(name)


class Browser:
    """One visitor with his cookies."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        """Every answer, those on the way to a redirect too: (method and path, body)."""
        self._client = httpx.Client(
            trust_env=False,
            follow_redirects=True,
            timeout=60,
            headers={"accept-language": "zh-CN"},
            event_hooks={"response": [self._hear]},
        )
        self.page = httpx.Response(204)

    def _hear(self, answer: httpx.Response) -> None:
        self.heard.append((f"{answer.request.method} {answer.request.url.path}", answer.read()))

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Done."""
        self._client.close()

    @property
    def forms(self) -> list[HtmlForm]:
        """The forms of the page he looks at."""
        reader = _Reader()
        reader.feed(self.page.text)
        return reader.forms

    def form(self, action: str) -> HtmlForm:
        """The first form whose action ends so."""
        found = [f for f in self.forms if f.action.partition("?")[0].endswith(action)]
        assert found, f"{self.page.url} has no form {action}: {[f.action for f in self.forms]}"
        return found[0]

    def open(self, address: str) -> httpx.Response:
        """Go to an address."""
        self.page = self._client.get(address)
        assert self.page.status_code == 200, (address, self.page.status_code, self.page.text[:500])
        return self.page

    @property
    def cookies(self) -> dict[str, str]:
        """What the shops he visited keep with him."""
        return {cookie.name: cookie.value or "" for cookie in self._client.cookies.jar}

    def upload(self, form: HtmlForm, name: str, data: bytes, **chosen: str) -> httpx.Response:
        """Submit a form with a file in its field `file`."""
        address = urljoin(str(self.page.url), form.action)
        values = {k: v for k, v in {**form.values, **chosen}.items() if k != "file"}
        self.page = self._client.post(address, data=values, files={"file": (name, data)})
        return self.page

    def try_to_send(self, form: HtmlForm, **typed: str) -> httpx.Response:
        """Submit what will be refused."""
        address = urljoin(str(self.page.url), form.action)
        self.page = self._client.post(address, data={**form.values, **typed})
        assert 400 <= self.page.status_code < 500, (address, self.page.status_code)
        return self.page

    def send(self, form: HtmlForm, **typed: str) -> httpx.Response:
        """Fill in and submit, as a browser of this page would."""
        assert typed.keys() <= form.texts, f"the form has no field {typed.keys() - form.texts}"
        address = urljoin(str(self.page.url), form.action)
        values = {**form.values, **typed}
        here = self.page.url
        headers = {"origin": f"{here.scheme}://{here.netloc.decode()}", "sec-fetch-site": "same-origin"}
        if not address.startswith(headers["origin"]):
            headers["sec-fetch-site"] = "cross-site"
        if form.method == "post":
            self.page = self._client.post(address, data=values, headers=headers)
        else:
            self.page = self._client.get(address, params=values)
        assert self.page.status_code == 200, (address, self.page.status_code, self.page.text[:800])
        return self.page
