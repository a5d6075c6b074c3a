"""Exclusions: what is taken out, what is refused and why, by the minute."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.sla.calendar import minutes
from processors.sla.documents import ExclusionDocument, ServiceCalendar
from processors.sla.exclusions import MAX_OCCURRENCES, excluded, excluder, judged
from processors.slo.grid import Exclusion
from processors.slo.windows import Bounds, month

OCTOBER = month("Europe/Paris").bounds(datetime(2026, 10, 15, tzinfo=UTC))
NIGHTLY = {"start": "2026-01-01 22:00", "duration": "6h", "rrule": "FREQ=DAILY"}


def exclusion(name: str = "maintenance", **more: Any) -> ExclusionDocument:
    spec = {
        "category": "maintenance",
        "reason": "disks are changed",
        "author": "ops@shop.example",
        "effect": "remove",
        "timeZone": "Europe/Paris",
        **more,
    }
    written = {"apiVersion": "andon/v1", "kind": "Exclusion", "metadata": {"name": name}, "spec": spec}
    return ExclusionDocument.model_validate(written)


def office(zone: str = "Europe/Paris") -> ServiceCalendar:
    spec = {"timeZone": zone, "hours": {"mon-fri": ["08:00-18:00"]}}
    written = {"apiVersion": "andon/v1", "kind": "ServiceCalendar", "metadata": {"name": "office"}, "spec": spec}
    return ServiceCalendar.model_validate(written)


def lengths(document: ExclusionDocument, bounds: Bounds = OCTOBER) -> list[float]:
    return [(window.end - window.start) / timedelta(hours=1) for window in judged(document, bounds)]


@pytest.mark.parametrize(
    ("night", "hours"), [("2026-03-28", 5), ("2026-10-24", 7), ("2026-06-01", 6)], ids=["short", "long", "usual"]
)
def test_oracle_15_a_window_from_22_to_4_lasts_as_long_as_the_clocks_make_it(night: str, hours: int) -> None:
    """Its duration is read off the wall: five hours when the clock goes forward, seven when it goes back."""
    start = datetime.fromisoformat(f"{night}T12:00:00+00:00")
    assert lengths(exclusion(**NIGHTLY), Bounds(start, start + timedelta(hours=12))) == [hours]


def test_a_rule_recurs_and_spares_its_exceptions_and_holidays() -> None:
    """Sundays of October 2026 are 4, 11, 18 and 25; the 11th is excepted, and the 18th a day off."""
    rule = {"start": "2026-01-04 02:00", "duration": "1h", "rrule": "FREQ=WEEKLY;BYDAY=SU"}
    assert len(lengths(exclusion(**rule))) == 4
    spared = exclusion(**rule, exdates=["2026-10-11"], holidays={"dates": ["2026-10-18"]})
    assert [window.start.day for window in judged(spared, OCTOBER)] == [4, 25]


@pytest.mark.parametrize(
    ("rrule", "count"),
    [("FREQ=DAILY;COUNT=5", 5), ("FREQ=DAILY;UNTIL=20261003T235959", 3), ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", 0)],
)
def test_a_rule_ends_by_count_or_until_and_one_that_never_comes_true_ends_too(rrule: str, count: int) -> None:
    """Occurrences are counted from the start, before exceptions."""
    assert len(lengths(exclusion(start="2026-10-01 02:00", duration="1h", rrule=rrule))) == count


def test_effects_are_told_apart_and_removing_wins() -> None:
    """Of two windows over the same hour one removes, one counts as good; a third is only noted."""
    window = {"start": "2026-10-05 10:00", "duration": "1h"}
    longer = {"start": "2026-10-05 09:00", "duration": "3h"}
    noted = {"start": "2026-10-06 09:00", "duration": "3h"}
    found = excluded(
        [
            exclusion("a", **window),
            exclusion("b", effect="count_good", **longer),
            exclusion("c", effect="count", **noted),
        ],
        None,
        OCTOBER,
    )
    assert [int((found.codes == code).sum()) for code in (Exclusion.REMOVED, Exclusion.GOOD)] == [60, 120]
    assert [window.exclusion for window in found.used] == ["a", "b", "c"]


def test_time_outside_of_service_hours_is_removed() -> None:
    """22 working days of ten hours in October 2026 stay."""
    codes = excluded([], office(), OCTOBER).codes
    assert int((codes == Exclusion.NONE).sum()) == 22 * 600
    assert len(codes) == 44_700


@pytest.mark.parametrize(
    ("announced", "refused"),
    [
        ("2026-10-05T21:59:00Z", ""),
        (
            "2026-10-05T22:00:00Z",
            "announced on 2026-10-06; expected by 2026-10-05, 5 working days before it begins",
        ),
        (None, "not announced; expected 5 working days before it begins"),
    ],
)
def test_a_window_announced_too_late_is_refused_with_its_reason(announced: str | None, refused: str) -> None:
    """Five working days before Monday the 12th end with Monday the 5th, in Paris."""
    notice = {"atLeast": "5 working days"} | ({"announcedAt": announced} if announced else {})
    found = excluded([exclusion(start="2026-10-12 10:00", duration="1h", notice=notice)], None, OCTOBER)
    assert [window.refused for window in found.used + found.refused] == [refused]
    assert int(found.codes.astype(bool).sum()) == (0 if refused else 60)


def test_notice_in_hours_is_counted_to_the_minute() -> None:
    """72 h before 10:00 in Paris."""
    windows = [
        {"start": "2026-10-12 10:00", "duration": "1h", "announcedAt": announced}
        for announced in ("2026-10-09T08:00:00Z", "2026-10-09T08:01:00Z")
    ]
    found = excluded([exclusion(windows=windows, notice={"atLeast": "72h"})], None, OCTOBER)
    assert [len(found.used), len(found.refused)] == [1, 1]
    assert found.refused[0].refused == "announced at 2026-10-09T08:01Z; expected 72 h before it begins"


def test_more_windows_than_a_month_allows_are_refused_and_those_refused_do_not_count() -> None:
    """One a month: the first was announced too late, so the second is used and the third is one too many."""
    windows = [
        {"start": f"2026-10-{day} 10:00", "end": f"2026-10-{day} 11:00", "announcedAt": "2026-10-06T08:00:00Z"}
        for day in ("07", "12", "19")
    ]
    found = excluded([exclusion(windows=windows, notice={"atLeast": "72h", "perMonth": 1})], None, OCTOBER)
    assert [window.start.day for window in found.used] == [12]
    assert [window.refused.partition(";")[0] for window in found.refused] == [
        "announced at 2026-10-06T08:00Z",
        "one too many: at most 1 a calendar month",
    ]


def test_a_window_over_the_end_of_the_month_counts_in_the_month_it_begins() -> None:
    """The night of 30 September reaches into October and is September's second: it is refused there and here."""
    windows = [
        {"start": "2026-09-10 22:00", "duration": "6h"},
        {"start": "2026-09-30 22:00", "duration": "6h"},
        {"start": "2026-10-30 22:00", "duration": "6h"},
    ]
    found = excluded([exclusion(windows=windows, notice={"perMonth": 1})], None, OCTOBER)
    assert [window.start.day for window in found.used] == [30]
    assert [window.start.month for window in found.refused] == [9]


def test_a_window_that_the_clock_skips_is_refused() -> None:
    """Between 02:00 and 03:00 on 29 March 2026 there is nothing in Paris."""
    march = month("Europe/Paris").bounds(datetime(2026, 3, 15, tzinfo=UTC))
    found = excluded([exclusion(start="2026-03-29 02:15", duration="30m")], None, march)
    assert [window.refused for window in found.refused] == ["the clock goes forward over all of it"]


def test_a_rule_with_too_many_occurrences_is_told() -> None:
    """A daily rule from 1990 on has more than we expand, so what lies beyond is not excluded silently."""
    document = exclusion(start="1990-01-01 02:00", duration="1h", rrule="FREQ=DAILY")
    found = excluded([document], None, OCTOBER)
    assert not found.used
    assert f"more than {MAX_OCCURRENCES} occurrences" in found.refused[0].refused


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "either start with duration"),
        ({"start": "2026-10-05 10:00"}, "either start with duration"),
        ({**NIGHTLY, "windows": [{"start": "2026-10-05 10:00", "duration": "1h"}]}, "either start with duration"),
        ({"start": "2026-10-05 10:00:30", "duration": "1h"}, "on a whole minute"),
        ({"start": "2026-10-05T10:00Z", "duration": "1h"}, "local time such as"),
        ({"start": "2026-10-05 10:00", "duration": "90s"}, "whole minutes"),
        ({"start": "2026-10-05 10:00", "duration": "32d"}, "at most 31d"),
        ({**NIGHTLY, "rrule": "FREQ=HOURLY"}, "by days or longer"),
        ({**NIGHTLY, "rrule": "FREQ=WEEKLY;BYDAY=XX"}, "RFC 5545"),
        ({**NIGHTLY, "rrule": "FREQ=DAILY;UNTIL=20261231T000000Z"}, "local time as 20261231T235959"),
        ({**NIGHTLY, "notice": {"atLeast": "soon"}}, "5 working days, or a duration"),
        ({**NIGHTLY, "notice": {"atLeast": "0h"}}, "at most 366 days"),
        ({**NIGHTLY, "notice": {"announcedAt": "2026-10-05 10:00"}}, "a time with its zone"),
        ({"windows": [{"start": "2026-10-05 10:00", "end": "2026-10-05 10:00"}]}, "an end after the start"),
        ({"start": "2026-10-05 10:00", "duration": "1h", "exdates": ["2026-10-05"]}, "only with an rrule"),
        ({**NIGHTLY, "effect": "forgive"}, "'remove', 'count_good' or 'count'"),
    ],
)
def test_exclusions_that_cannot_work_say_what_is_expected(written: dict[str, Any], words: str) -> None:
    """Edges off the minute are refused, never rounded."""
    with pytest.raises(ValidationError, match=words):
        exclusion(**written)


def test_any_stretch_of_time_has_the_codes_that_the_month_has_there() -> None:
    """However a window rolls: what a month allows is counted by the month, not by the stretch."""
    documents = [
        exclusion(start="2026-10-01 22:00", duration="6h", rrule="FREQ=WEEKLY", notice={"perMonth": 2}),
        exclusion("other", effect="count_good", start="2026-10-10 00:00", duration="3d"),
    ]
    codes = excluder(documents, office())
    whole = codes(OCTOBER)
    for first, last in ((0, 1), (60, 10_000), (9_000, 20_000), (20_001, 44_700)):
        bounds = Bounds(*(OCTOBER.start + timedelta(minutes=edge) for edge in (first, last)))
        assert codes(bounds).tolist() == whole[first:last].tolist()


days = st.dates(date(2026, 9, 29), date(2026, 11, 1)) | st.sampled_from([date(2026, 10, 24), date(2026, 10, 25)])
windows = st.tuples(days, st.integers(0, 95), st.integers(1, 200), st.sampled_from(["remove", "count_good", "count"]))


def slow_codes(written: Sequence[tuple[date, int, int, str]], zone: ZoneInfo, bounds: Bounds) -> list[int]:
    """Minute by minute: read the clock, mark from the first reading of the start to the first of the end."""
    start = bounds.start - timedelta(days=8)
    clock = [
        (start + timedelta(minutes=number)).astimezone(zone).replace(tzinfo=None)
        for number in range(minutes(bounds) + 12 * 1440)
    ]
    codes = np.zeros(len(clock), dtype=np.int8)
    order = {"remove": Exclusion.REMOVED, "count_good": Exclusion.GOOD}
    for effect in ("count_good", "remove"):
        for day, quarter, length, wanted in written:
            if wanted == effect:
                begin = datetime(*day.timetuple()[:3]) + timedelta(minutes=15 * quarter)  # noqa: DTZ001
                edges = [
                    next((n for n, reading in enumerate(clock) if reading >= edge), len(clock))
                    for edge in (begin, begin + timedelta(minutes=15 * length))
                ]
                codes[slice(*edges)] = order[effect]
    return [int(code) for code in codes[8 * 1440 : 8 * 1440 + minutes(bounds)]]


@settings(max_examples=25, deadline=None)
@given(written=st.lists(windows, max_size=5), zone=st.sampled_from(["Europe/Paris", "UTC", "Asia/Kathmandu"]))
def test_the_mask_is_that_of_its_slow_twin(written: list[tuple[date, int, int, str]], zone: str) -> None:
    """Every minute of October, whatever windows overlap, reach over the edges or meet a clock change."""
    documents = [
        exclusion(
            f"x{number}",
            effect=effect,
            timeZone=zone,
            start=f"{day} {quarter // 4:02}:{quarter % 4 * 15:02}",
            duration=f"{15 * length}m",
        )
        for number, (day, quarter, length, effect) in enumerate(written)
    ]
    found = excluded(documents, None, OCTOBER)
    assert found.codes.tolist() == slow_codes(written, ZoneInfo(zone), OCTOBER)
