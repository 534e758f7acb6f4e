"""The signature of the USDT family: every vector of the sheet, and how each dialect writes numbers."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kashop.bundled.pay_usdt.signing import content, go, is_signed, literal, plain, sign, written
from kashop.plugins.api import Number
from kashop.plugins.kit.simulators.bepusdt import BepusdtSimulator

EPUSDT_KEY, GMPAY_KEY, BEPUSDT_KEY, TOKENPAY_KEY = "epusdtTokenTest", "gmpaySecretTest", "bepTokenTest", "tpTokenTest"
PAID = "order_id=K202611010001&status=2"
SHOP = "https://shop.example"


def fields(text: str, *numbers: str) -> dict[str, Any]:
    pairs = dict(part.split("=", 1) for part in text.split("&"))
    return {name: Number(value) if name in numbers else value for name, value in pairs.items()}


def urls(gateway: str, number: int) -> str:
    return f"notify_url={SHOP}/pay/{gateway}/notify/{number}&order_id=K202611010001"


VECTORS = [
    (
        "amount=42&notify_url=http://example.com/notify&order_id=20220201030210321&redirect_url=http://example.com/redirect",
        "epusdt_password_xasddawqe",
        "1cd4b52df5587cfb1968b0c0c6e156cd",
    ),
    (f"amount=12.5&{urls('epusdt', 8)}&redirect_url={SHOP}/order/K202611010001", EPUSDT_KEY, "726f63b849468971a085c8c602597079"),
    (
        (
            f"actual_amount=1.78&amount=12.5&block_transaction_id=a1b2c3&{PAID}&token=TTestAddr000000000000000000000000001"
            "&trade_id=20261101170001"
        ),
        EPUSDT_KEY,
        "dbc3cc3eb97ada6d4e260eb88440d058",
    ),
    (
        (
            "amount=100&currency=cny&name=VIP&network=tron&notify_url=https://merchant.example/notify&order_id=ORD202605230001"
            "&pid=1000&redirect_url=https://merchant.example/return&token=usdt"
        ),
        "epusdt_secret_key",
        "476412c422f4dd75c3d533f5c47a9cac",
    ),
    (
        (
            f"amount=12.5&currency=cny&name=VIP&network=tron&{urls('gmpay', 9)}&pid=1000&redirect_url={SHOP}/order/K202611010001"
            "&token=usdt"
        ),
        GMPAY_KEY,
        "0a91b9a5e91de164d518e80faa5a9da3",
    ),
    (
        (
            "actual_amount=1.78&amount=12.5&block_transaction_id=a1b2c3&order_id=K202611010001&pid=1000"
            "&receive_address=TTestAddr000000000000000000000000001&status=2&token=USDT&trade_id=20261101170001"
        ),
        GMPAY_KEY,
        "7926eba0d6c6a3bd5908b0525e37df77",
    ),
    (
        f"amount=12.5&fiat=CNY&{urls('bepusdt', 10)}&redirect_url={SHOP}/order/K202611010001&timeout=1200&trade_type=usdt.trc20",
        BEPUSDT_KEY,
        "892d8685dcad5fdf7d546a197f251ee4",
    ),
    (
        f"actual_amount=1.78&amount=12.5&block_transaction_id=a1b2c3&{PAID}&token=TTestAddr000000000000000000000000001&trade_id=b1",
        BEPUSDT_KEY,
        "5a1f5d9b2e48b1800fc84ee106e7c437",
    ),
    ("trade_id=b1", BEPUSDT_KEY, "661329026d0ad1e7e6c78dac5ec32fd3"),
    (
        (
            f"ActualAmount=12.50&Currency=USDT_TRC20&NotifyUrl={SHOP}/pay/tokenpay/notify/11&OrderUserKey=user-1"
            f"&OutOrderId=K202611010001&RedirectUrl={SHOP}/order/K202611010001"
        ),
        TOKENPAY_KEY,
        "977541a8498fc2faf338217ff5f3e189",
    ),
    (
        (
            "ActualAmount=12.50&Amount=1.78&BaseCurrency=CNY&BlockChainName=TRON&BlockTransactionId=a1b2c3&Currency=USDT_TRC20"
            "&CurrencyName=USDT&FromAddress=TFrom1&Id=00000000-0000-0000-0000-000000000001&IsDynamicAmount=0&OrderUserKey=user-1"
            "&OutOrderId=K202611010001&PayAmount=1.78&PayTime=2026-11-01 12:01:00&Status=1&ToAddress=TTo1"
        ),
        TOKENPAY_KEY,
        "1f5b587c09d6ddeb77764febc365e014",
    ),
    ("Id=00000000-0000-0000-0000-000000000001", TOKENPAY_KEY, "e2b09c400198f60b03f59f3f0218ce84"),
]


@pytest.mark.parametrize(("text", "key", "expected"), VECTORS)
def test_the_sheets_vectors(text: str, key: str, expected: str) -> None:
    assert sign(fields(text), key) == expected
    assert content(fields(text)) == text
    backwards = dict(reversed(fields(text).items()))
    assert sign({**backwards, "signature": "x", "empty": "", "none": None}, key) == expected


def test_a_million_is_signed_as_go_writes_it() -> None:
    text = VECTORS[6][0].replace("amount=12.5", "amount=1000000")
    asked = fields(text, "amount", "timeout")
    assert content(asked, go).startswith("amount=1e+06&")
    assert sign(asked, BEPUSDT_KEY, go) == "f7fe04ca7cffa164e104d687b1d77494"
    assert b'"amount":1000000,' in written(asked)


@pytest.mark.parametrize(
    ("number", "as_plain", "as_go"),
    [
        *(("100.00", "100", "100"), ("1.50", "1.5", "1.5"), ("0", "0", "0"), ("0.0", "0", "0"), ("12.5", "12.5", "12.5")),
        *(("1000000", "1000000", "1e+06"), ("1234567.89", "1234567.89", "1.23456789e+06"), ("999999.99",) + ("999999.99",) * 2),
        *(("0.0001", "0.0001", "0.0001"), ("0.00001", "0.00001", "1e-05"), ("1e-7", "0.0000001", "1e-07")),
        *(("10", "10", "10"), ("1e21", "1" + "0" * 21, "1e+21"), ("-2.50", "-2.5", "-2.5"), ("120000", "120000", "120000")),
    ],
)
def test_numbers_in_three_hands(number: str, as_plain: str, as_go: str) -> None:
    assert (literal(number), plain(number), go(number)) == (number, as_plain, as_go)


@given(st.integers(1, 10**11))
def test_every_amount_means_the_same_in_each_hand(minor: int) -> None:
    number = str(Decimal(minor) / 100)
    assert Decimal(plain(number)) == Decimal(go(number)) == Decimal(number)
    assert go(number) == object.__new__(BepusdtSimulator).text_of(float(number)), "as the simulated one writes it"


def test_booleans_and_nulls() -> None:
    assert content({"b": True, "a": False, "c": None, "d": "", "e": "0"}) == "a=false&b=true&e=0"
    assert not is_signed({"a": "1"}, None, "k", (literal,))
    assert not is_signed({"a": "1"}, "", "k", (literal,))
