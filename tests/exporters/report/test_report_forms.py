"""What a report looks like in each form, whatever people called their things."""

import csv
import io
import re
import string
import sys
from base64 import b64encode
from datetime import UTC, datetime
from fractions import Fraction
from hashlib import sha256
from html import unescape
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typst
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from exporters.report import charts, losses, words
from exporters.report.document import Report
from exporters.report.page import to_html
from exporters.report.paper import _data, to_pdf, to_pictures
from exporters.report.sheet import COLUMNS, harmless, to_csv
from exporters.report.view import view
from fixtures.report_seed import HOSTILE
from pipeline.errors import PermanentError

LOOKS = list(product((1280, 360), ("light", "dark")))


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(report).removeprefix("\ufeff"), newline="")))


def test_the_first_words_say_whether_by_how_much_and_what_is_owed(october: Report) -> None:
    """For one agreement in sentences, for several in a table as well."""
    shown = view(october)
    assert shown.headline == "1 of 2 promises was broken in October 2026"
    assert shown.lede == ("Broken: Checkout agreement.", "Owed: 120.00\xa0EUR to Baker Ltd.")
    alone = view(october.model_copy(update={"agreements": october.agreements[:1]}))
    assert alone.headline == "Checkout agreement was broken in October 2026"
    assert alone.lede[0].replace("\xa0", " ") == (
        "99.8652 % was delivered, 99.9 % was promised: 60 minutes were down, and 44.5 minutes were allowed."
    )


def test_a_running_month_is_told_as_so_far(november: Report) -> None:
    """In the headline, the verdicts and what is owed."""
    shown = view(november)
    assert shown.headline == "Both promises are kept in November 2026 so far"
    assert shown.lede == ("Nothing is owed so far.",)
    assert {one.word for one in shown.summary} == {"kept so far"}


def test_a_month_without_promises_is_no_empty_page(october: Report) -> None:
    """It says that there is nothing."""
    empty = october.model_copy(update={"agreements": []})
    assert "Nothing was promised for October 2026" in to_html(empty)
    assert to_pdf(empty).startswith(b"%PDF")
    assert rows(empty) == []


def test_html_escapes_what_people_wrote(hostile: Report) -> None:
    """No tag of theirs, and no attribute."""
    page = to_html(hostile)
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page


def test_html_asks_nobody_for_anything(october: Report) -> None:
    """No address but names of XML's; a policy that allows its own style by hash, and nothing else."""
    page = to_html(october)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"\s(?:src|href|style|on\w+)=(?!\"#)", page) == []
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'" in unescape(page)


def test_the_same_report_gives_the_same_bytes(october: Report) -> None:
    """In every form."""
    assert to_html(october) == to_html(october)
    assert to_pdf(october) == to_pdf(october)


def test_pdf_takes_what_people_wrote_as_text(hostile: Report) -> None:
    """Typst's own reading of the headings has it, letter for letter, as text and not as markup."""
    template = (files("exporters.report") / "templates" / "report.typ").read_bytes()
    found = typst.query(template, "heading", sys_inputs={"data": _data(hostile)}, ignore_system_fonts=True)
    assert HOSTILE.replace('"', '\\"') in found
    assert len(to_pictures(hostile)) > 1


def test_without_typst_there_is_no_pdf_and_the_reason_is_told(october: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install; all other forms do without."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(PermanentError, match=r"install andon\[report\]"):
        to_pdf(october)
    assert to_html(october)


def test_a_spreadsheet_computes_nothing_that_people_wrote(hostile: Report) -> None:
    """What would be a formula stands there as text."""
    formula = hostile.agreements[0].model_copy(update={"title": "=HYPERLINK(1)", "customer": "@x", "provider": " +1"})
    first = rows(hostile.model_copy(update={"agreements": [formula]}))[0]
    assert (first["title"], first["customer"], first["provider"]) == ("'=HYPERLINK(1)", "'@x", "' +1")


@given(st.text(st.sampled_from("=+-@\t\r\n ,\"'a1"), max_size=8))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """However many blanks stand before it, and whatever CSV does to it; nothing of it is lost."""
    out = io.StringIO()
    csv.writer(out).writerow([harmless(text), "end"])
    cell = next(csv.reader(io.StringIO(out.getvalue(), newline="")))[0]
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell.endswith(text)


def test_csv_has_one_row_a_promise_and_decimal_points(october: Report) -> None:
    """Under one header, with ISO dates; shares are cut, not rounded."""
    assert to_csv(october).startswith("\ufeffmonth,")
    found = {row["promise"]: row for row in rows(october)}
    assert list(found) == ["checkout-terms", "search-terms"]
    one = found["checkout-terms"]
    assert tuple(one) == COLUMNS
    assert (one["target"], one["verdict"], one["so_far"]) == ("0.999", "broken", "no")
    assert one["delivered"] == "0.998652291105"
    assert Fraction(one["delivered"]) < Fraction(october.agreements[0].objectives[0].record["delivered"]["ratio"])
    assert (one["start"], one["credit_amount"], one["currency"]) == ("2026-09-30T22:00:00Z", "120.00", "EUR")
    assert set("".join(one["good"])) <= set(string.digits)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_page_is_sound(
    browser: Browser, hostile: Report, november: Report, tmp_path: Path, look: tuple[int, Any]
) -> None:
    """No violation of axe's rules, nothing that sticks out, nothing forbidden, nothing from elsewhere."""
    width, scheme = look
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab, complaints = context.new_page(), list[str]()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: complaints.append(request.url) if "report-" not in request.url else None)
    for name, report in (("hostile", hostile), ("november", november)):
        path = tmp_path / f"report-{name}.html"
        path.write_text(to_html(report))
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
    context.close()
    assert complaints == []


LAW = {"type": "request_ratio"}


def record(
    rows: list[list[Any]], *, good: str, eligible: str, target: str = "9/10", unit: int = 1, **law: Any
) -> dict[str, Any]:
    return {
        "law": LAW | law,
        "verdict": "kept",
        "target": target,
        "start": "2026-10-24T22:00:00Z",
        "end": "2026-10-26T23:00:00Z",
        "delivered": {"good": good, "eligible": eligible},
        "bad_slices": {"rows": rows, "unit": unit},
        "exclusions": {"used": []},
    }


def test_what_is_lost_in_good_minutes_is_known_as_a_sum() -> None:
    """Ten of a hundred failed, four of them in a bad minute."""
    rows = [["2026-10-25T10:00:00Z", "2026-10-25T10:01:00Z", 1, 5]]
    one = losses.budget(record(rows, good="90/1", eligible="100/1"))
    assert (one.used, one.allowed, one.elsewhere, one.share) == ("10/1", "10/1", "6/1", "1/1")


def test_slices_that_an_exclusion_cut_lose_no_more_than_the_period_did() -> None:
    """Two slices of five minutes, of which six minutes counted."""
    rows = [[f"2026-10-25T10:0{n}:00Z", f"2026-10-25T10:{n + 5:02}:00Z", 0, 9] for n in (0, 5)]
    found = losses.losses(record(rows, good="0/1", eligible="6/5", type="downtime_minutes", slice_s=300))
    assert [one.amount for one in found] == [3, 3]


def test_a_mean_loses_shares() -> None:
    """Half of five minutes; sampled events weigh what they stand for."""
    rows = [["2026-10-25T10:00:00Z", "2026-10-25T10:05:00Z", 4, 8]]
    found = losses.losses(record(rows, good="1/2", eligible="1/1", type="mean_interval_availability", slice_s=300))
    assert [one.amount for one in found] == [Fraction(5, 2)]
    sampled = losses.losses(record(rows, good="6/1000000", eligible="10/1000000", unit=1_000_000))
    assert [one.amount for one in sampled] == [Fraction(4, 1_000_000)]


def test_days_are_local_and_one_of_them_has_25_hours() -> None:
    """The clock goes back on the 25th; what lies ahead is told as such."""
    rows = [["2026-10-25T22:30:00Z", "2026-10-25T22:31:00Z", 0, 3]]
    made = record(rows, good="97/1", eligible="100/1")
    found = losses.days(made, "Europe/Paris", datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert [(one.day.day, one.lost, one.level) for one in found] == [(25, "3/1", "some"), (26, "0/1", "ahead")]


def test_days_of_which_nothing_is_known_are_not_shown_as_good() -> None:
    """A month in which too little was measured has no verdict, and no green line."""
    made = record([], good="0/1", eligible="0/1") | {"verdict": "no_data"}
    found = losses.days(made, "UTC", datetime(2027, 1, 1, tzinfo=UTC))
    assert {one.level for one in found} == {"unknown"}


def test_where_nothing_may_fail_there_is_no_share() -> None:
    """And nothing is divided by nothing."""
    one = losses.budget(record([], good="99/1", eligible="100/1", target="1/1"))
    assert (one.allowed, one.share) == ("0/1", None)
    assert charts.burn_down([], one, "x", "t", "d") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (words.percent(Fraction(999_999_999, 10**9)), "99.9999 %"),
        (words.percent(Fraction(1)), "100 %"),
        (words.lost_percent(Fraction(1, 10**6)), "1 %"),
        (words.amount(Fraction("44.71"), "minutes"), "44.7 minutes"),
        (words.amount(Fraction("44.71"), "minutes", up=True), "44.8 minutes"),
        (words.amount(Fraction(1), "requests"), "1 request"),
        (words.amount(Fraction("1204.01"), "requests", up=True), "1 205 requests"),
        (words.money("1204.5", "EUR"), "1 204.50 EUR"),
        (words.lasted(3 * 86_400 + 7_200), "3 d 2 h"),
    ],
)
def test_nothing_is_rounded_in_anybodys_favour(text: str, shown: str) -> None:
    """What was delivered goes down, what was lost goes up."""
    assert text.replace("\xa0", " ").replace("\u202f", " ") == shown
