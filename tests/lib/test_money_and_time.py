"""How amounts and times are written: fast, and as the slow and plain way writes them."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kashop.lib import money
from kashop.lib.clock import rfc3339


@given(st.integers(-money.MAX_MINOR, money.MAX_MINOR), st.sampled_from(["CNY", "JPY", "BHD", "USD", "XXX"]))
def test_an_amount_is_written_with_its_currencys_places(minor: int, currency: str) -> None:
    places = money.places(currency)
    assert money.to_text(minor, currency) == f"{Decimal(minor).scaleb(-places):.{places}f}"


def test_the_sign_of_less_than_one_is_kept() -> None:
    assert [money.to_text(minor, "CNY") for minor in (-5, 0, 5, 1980)] == ["-0.05", "0.00", "0.05", "19.80"]


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_is_written_in_whole_seconds(ms: int) -> None:
    assert rfc3339(ms) == datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
