"""An authenticator app: it scans a page and shows the code of the moment."""

import html
import re

import httpx
import pyotp

from tests.admin.desk import Desk, value_of
from tests.cast import OWNER, PASSWORD, TestClock

TOTP = "/admin/account/totp"
CODE = re.compile(r"<li>([a-z0-9]{5}-[a-z0-9]{5})</li>")


class Phone:
    """Holds the seed of one account. `code` is what it shows when its clock is off by so many seconds."""

    def __init__(self, seed: str, clock: TestClock):
        self._totp = pyotp.TOTP(seed)
        self._clock = clock

    @classmethod
    def scanning(cls, page: httpx.Response, clock: TestClock) -> "Phone":
        uri = html.unescape(re.findall(r'href="(otpauth://[^"]+)"', page.text)[0])
        totp = pyotp.parse_uri(uri)
        assert totp.digits == 6
        return cls(totp.secret, clock)

    def code(self, *, off: float = 0) -> str:
        return self._totp.at(int(self._clock.ms / 1000 + off))

    def wrong_codes(self, count: int) -> list[str]:
        """Codes that it does not show at about this time."""
        shown = {self.code(off=off) for off in range(-120, 121, 30)}
        return [code for code in (f"{n:06}" for n in range(count + len(shown))) if code not in shown][:count]


async def enrol(desk: Desk, clock: TestClock) -> tuple[Phone, list[str]]:
    """Enrol whoever is logged in; their phone, half a minute later, and their recovery codes."""
    page = await desk.get(TOTP)
    phone = Phone.scanning(page, clock)
    done = await desk.post(TOTP, {"sealed": value_of(page, "sealed"), "code": phone.code()})
    assert done.status_code == 200, done.text
    codes = CODE.findall(done.text)
    assert len(codes) == 10
    clock.pass_time(seconds=30)
    return phone, codes


async def give_code(desk: Desk, code: str, **more: str) -> httpx.Response:
    """The second step of a log-in."""
    answer = await desk.http.post("/admin/login/code", data={"proof": code, **more})
    if answer.status_code == 303:
        await desk.learn()
    return answer


async def half_way(desk: Desk, **more: str) -> None:
    """The first step of a log-in."""
    answer = await desk.http.post("/admin/login", data={"email": OWNER, "password": PASSWORD, **more})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/admin/login/code")
