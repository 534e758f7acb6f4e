"""Refusals as pages, fragments and problem+json."""

from tests.web.small import client


async def test_the_api_says_problem_json() -> None:
    answer = await client().get("/api/no/invalid")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told.pop("request_id") == answer.headers["x-request-id"]
    assert told == {
        "type": "urn:kashop:problem:invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "Please correct the marked fields.",
        "code": "invalid",
        "errors": [{"field": "contact", "detail": "This is not an e-mail address."}],
    }


async def test_a_browser_gets_a_page_and_htmx_a_fragment() -> None:
    page = await client().get("/no/sold_out", headers={"accept": "text/html"})
    assert page.status_code == 409
    assert page.text.startswith("<!doctype html>")
    assert "Sold out: fewer are left than you asked for." in page.text
    fragment = await client().get("/no/sold_out", headers={"hx-request": "true"})
    assert fragment.status_code == 409
    assert fragment.text.startswith('<div role="alert"')


async def test_limits_say_when_to_come_back() -> None:
    answer = await client().get("/api/no/too_many")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["detail"] == "Too many tries. Please wait 7 seconds."


async def test_the_frameworks_own_refusals_are_told_alike() -> None:
    assert (await client().get("/api/nothing")).json()["code"] == "not_found"
    wrong = await client().post("/api/no/x")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]
    plain = await client().post(
        "/pay/x/callback", content=b"x=%zz", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (plain.status_code, plain.text) == (400, "malformed")
