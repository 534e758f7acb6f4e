"""The report: both languages whole, nothing loaded, nothing of the shop's that must not be shown, names escaped."""

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from kashop.lib.catalogue import translations
from kashop.settings.config import load
from kashop.stress import curve, figures, report
from kashop.stress.plan import Plan
from kashop.stress.proof import Claim, claims
from kashop.stress.run import Machine, Memory, Result
from kashop.stress.served import Writes, environment, writes
from tests.stress.test_proof import PRODUCT, SALE, books, rush

MACHINE = Machine(
    cores=2, processor="CPU <x>", memory_mib=2048, python="3.11", database="SQLite 3.40", kashop="0.1.0", load_before=0.5
)


def result(**more: object) -> Result:
    product = msgspec.structs.replace(PRODUCT, name="<b>Steam</b> & 充值卡")
    tally = rush(seconds=1.0, latencies=[0.1, 0.2, 0.3], callbacks=[0.01], pages=[0.02], quiet_pages=[0.01], at_once=3)
    made = Result(
        plan=Plan(buyers=3, codes=2),
        sale=msgspec.structs.replace(SALE, product=product),
        tally=tally,
        books=books(),
        claims=(*claims(tally, SALE, books()), Claim("check", "kashop check --all finds nothing broken")),
        machine=MACHINE,
        memory=Memory(90.0, 120.0, 100.0),
        writes=Writes(10, 40),
        cpu_seconds=0.5,
        began_at=1_795_851_383.0,
    )
    return msgspec.structs.replace(made, **more)


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_it_loads_nothing_and_runs_nothing() -> None:
    text = report.html(result(), timezone="Asia/Shanghai")
    tags = Page(text).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "a", "form"}
    assert not [name for _, attrs in tags for name in attrs if name in ("src", "href", "srcset") or name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text


def test_both_languages_are_whole() -> None:
    text = report.html(result(), timezone="Asia/Shanghai")
    assert text.count('lang="zh-Hans">') == text.count('lang="en">') + 1  # the page itself is Chinese
    for chinese, english in (("秒杀压测", "Flash crowd"), ("超卖", "oversold"), ("全部核对通过", "Everything checked out")):
        assert chinese in text
        assert english in text


def test_every_claim_and_every_word_of_a_curve_has_chinese_words() -> None:
    chinese = translations("zh_Hans").messages
    assert len(result().claims) == 10
    assert not [claim.statement for claim in result().claims if claim.statement not in chinese]
    assert not [kind for kind in report._KINDS.values() if kind not in chinese]
    assert not [text for text in ("share of buyers", "seconds", "Buyers") if text not in chinese]


def test_names_are_escaped_and_what_failed_is_said() -> None:
    broken = (Claim("oversold", "Not one code was promised to two", "orders for 3 codes, <script>"),)
    text = report.html(result(claims=broken), timezone="Asia/Shanghai")
    assert "<b>Steam" not in text
    assert "&lt;b&gt;Steam&lt;/b&gt; &amp; 充值卡" in text
    assert "orders for 3 codes, &lt;script&gt;" in text
    assert "核对未通过" in text
    assert "全部核对通过" not in text
    assert "CPU &lt;x&gt;" in text


def test_it_holds_no_code_token_or_number_of_an_order() -> None:
    text = report.html(result(), timezone="Asia/Shanghai")
    for secret in ("S-1", "S-2", "token", "K1", "T1"):
        assert secret not in re.sub(r"<style>.*?</style>", "", text, flags=re.S), secret


def test_a_run_beside_a_shop_says_so() -> None:
    assert "同机运行" not in report.html(result(), timezone="UTC")
    assert "同机运行" in report.html(result(plan=Plan(buyers=3, codes=2, is_beside=True)), timezone="UTC")


def test_a_run_in_which_nobody_was_served_can_be_told_too() -> None:
    none = rush(buyers=[], seconds=0.0)
    text = report.html(result(tally=none, writes=Writes(), cpu_seconds=0.0), timezone="UTC")
    assert "NaN" not in text
    assert figures.plain(result(tally=none))["figures"]["sold"] == 0


def test_figures_count_what_was_lost_and_oversold() -> None:
    assert (figures.of(result()).sold, figures.of(result()).oversold, figures.of(result()).lost) == (2, 0, 0)
    lost = figures.of(result(books=books(orders={}, payments={})))
    assert lost.lost == 3
    assert figures.of(result(sale=msgspec.structs.replace(SALE, codes=1))).oversold == 1
    assert figures.of(result()).orders_per_second == 2.0


def test_the_curve_of_a_terminal_grows_to_the_right() -> None:
    lines = curve.terminal([n / 100 for n in range(100)], width=20, height=4)
    assert len(lines) == 6
    assert lines[0].startswith("      1 s ┤")
    assert lines[0].endswith("█")
    assert lines[3].count("█") > lines[0].count("█")
    assert "50%" in lines[-1]
    assert curve.terminal([])


def test_axes_end_a_little_above_what_they_show() -> None:
    assert [curve.nice(most) for most in (0, 0.97, 1, 1.01, 1.9, 600, 10_000, 10_200)] == [1, 1, 1, 1.2, 2, 600, 10_000, 12_000]
    assert curve.cumulated([0.1, 0.2, 5.0], 1.0, steps=2) == [0, 2, 3]
    assert curve.shares([3.0, 1.0, 2.0], steps=2) == [1.0, 2.0, 3.0]


def test_commits_are_read_from_the_log_of_the_server() -> None:
    log = 'started\n{"commits": 12, "changes": 40, "event": "database closed", "level": "info"}\nbye\n'
    assert writes(log) == Writes(12, 40)
    assert writes("killed\n") == Writes(0, 0)


def test_nothing_that_concerns_the_merchants_own_shop_reaches_the_copys_server() -> None:
    found = environment(load(Path("x"), {}), {"PATH": "/bin", "KASHOP_UNSEAL_PASSPHRASE": "x", "KASHOP_DATA": "y"})
    assert found == {"PATH": "/bin", "PYTHONUTF8": "1"}
