"""Closed periods: records that say everything, replay to the byte, and cannot be changed unseen."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.grids import grid_of
from processors.sla.chain import FIRST, faults, inputs_hash, record_hash
from processors.sla.close import Closing, close, late_adjustment, result_row
from processors.sla.documents import Agreement, ExclusionDocument, Reaction
from processors.sla.exclusions import excluded, with_exclusions
from processors.sla.reactions import IncidentFacts, reacted
from processors.slo.burn import default_policy
from processors.slo.grid import Grid
from processors.slo.law import deliver
from processors.slo.promise import IndicatorKey, Kind, Promise, canonical

CLOSED = datetime(2026, 4, 4, tzinfo=UTC)
MARCH_MINUTES = 44_640


def agreement() -> Agreement:
    spec = {
        "parties": {"provider": "Shop Ltd", "customer": "Baker Ltd"},
        "service": "checkout",
        "period": "month",
        "law": {"type": "downtime_minutes", "errorRate": 0.05, "minimumRequests": 10},
        "objectives": [{"indicatorRef": "checkout-good", "target": 0.999}],
        "credits": {
            "base": {"monthlyFee": 1200, "currency": "EUR"},
            "tiers": [{"below": 0.999, "atLeast": 0.99, "credit": 0.10}, {"below": 0.99, "credit": 0.25}],
            "claimWithin": "30d",
        },
    }
    written = {"apiVersion": "andon/v1", "kind": "Agreement", "metadata": {"name": "terms"}, "spec": spec}
    return Agreement.model_validate(written)


def maintenance(announced: str, day: str) -> ExclusionDocument:
    spec = {
        "category": "maintenance",
        "reason": "disks are changed",
        "author": "ops@shop.example",
        "effect": "count_good",
        "start": f"2026-03-{day} 02:00",
        "duration": "10m",
        "notice": {"announcedAt": announced, "atLeast": "72h"},
    }
    written = {"apiVersion": "andon/v1", "kind": "Exclusion", "metadata": {"name": f"disks-{day}"}, "spec": spec}
    return ExclusionDocument.model_validate(written)


def promise() -> Promise:
    terms = agreement().spec
    return Promise(
        kind=Kind.AGREEMENT,
        name="terms",
        service="checkout",
        indicator=IndicatorKey("checkout-good", "0123456789ab"),
        generation="ba9876543210",
        target=Fraction("0.999"),
        window=terms.window,
        counting=terms.counting,
        burn=default_policy(Fraction("0.999"), terms.window.nominal_s)[0],
    )


def march(down: int = 60) -> Grid:
    """Down for `down` minutes from 02:00 on the 5th."""
    first = 4 * 1_440 + 120
    return grid_of([(0 if first <= number < first + down else 20, 20) for number in range(MARCH_MINUTES)])


def closing(grid: Grid | None = None, **more: Any) -> Closing:
    bounds = agreement().spec.window.bounds(datetime(2026, 3, 15, tzinfo=UTC))
    documents = [maintenance("2026-03-01T00:00:00Z", "05"), maintenance("2026-03-05T00:00:00Z", "06")]
    found = excluded(documents, None, bounds)
    given = {
        "agreement": agreement(),
        "promise": promise(),
        "bounds": bounds,
        "grid": with_exclusions(march() if grid is None else grid, found),
        "found": found,
        "definitions": [{"kind": "Agreement", "metadata": {"name": "terms"}}],
        "closed_at": CLOSED,
        "author": "andon",
        "reason": "books closed 3d after the end of the period",
        **more,
    }
    return Closing(**given)


def test_a_record_says_everything_of_a_period() -> None:
    """An hour down of which ten minutes were announced: 50 minutes are owed for."""
    record = close(closing())
    assert record["delivered"]["good"] == f"{MARCH_MINUTES - 50}/1"
    assert record["delivered"]["eligible"] == f"{MARCH_MINUTES}/1"
    assert (record["shown"], record["verdict"], record["downtime_s"]) == ("99.8879 %", "broken", 3_000)
    assert record["broken_at"] == "2026-03-05T02:54:00Z"
    assert record["bad_slices"]["rows"][0] == ["2026-03-05T02:10:00Z", "2026-03-05T02:11:00Z", 0, 20]
    assert (len(record["bad_slices"]["rows"]), record["bad_slices"]["more"]) == (50, 0)
    assert [window["exclusion"] for window in record["exclusions"]["used"]] == ["disks-05"]
    assert "expected 72 h before" in record["exclusions"]["refused"][0]["refused"]
    assert (record["credit"]["share"], record["credit"]["amount"]) == ("1/10", "120.00")
    assert record["credit"]["claim_by"] == "2026-05-01T00:00:00Z"
    assert record["law"] == {
        "type": "downtime_minutes",
        "slice_s": 60,
        "slice_target": "19/20",
        "exclusive": False,
        "minimum_valid": 10,
        "minimum_consecutive": 1,
        "empty": "good",
    }
    assert (record["period"], record["start"], record["end"]) == (
        "2026-03",
        "2026-03-01T00:00:00Z",
        "2026-04-01T00:00:00Z",
    )


def test_a_record_holds_no_floating_point_number() -> None:
    """Whoever checks it gets the same numbers in any language."""

    def numbers(value: Any) -> list[Any]:
        if isinstance(value, Mapping):
            return [each for inner in value.values() for each in numbers(inner)]
        if isinstance(value, list):
            return [each for inner in value for each in numbers(inner)]
        return [value]

    assert not [value for value in numbers(close(closing())) if isinstance(value, float)]


@settings(max_examples=20, deadline=None)
@given(down=st.integers(0, 500))
def test_a_replay_gives_the_same_bytes(down: int) -> None:
    """The same input, computed anew or read back from its text."""
    first, second = (close(closing(march(down))) for _ in range(2))
    assert canonical(first) == canonical(second)
    assert canonical(json.loads(canonical(first))) == canonical(first)
    assert record_hash(first) == first["hash"]


def test_the_inputs_hash_changes_with_any_minute_and_any_definition() -> None:
    """And with nothing else: not with the width that a machine counts in."""
    grid = march()
    base = inputs_hash(grid, [])
    other = grid.good.copy()
    other[-1] -= 1
    heard = grid.heard_ms.copy()
    heard[0] = 0
    changed = [
        inputs_hash(replace(grid, good=other), []),
        inputs_hash(replace(grid, heard_ms=heard), []),
        inputs_hash(replace(grid, start_s=grid.start_s + 60), []),
        inputs_hash(grid, [{"kind": "Agreement"}]),
    ]
    assert len({base, *changed}) == 5
    assert inputs_hash(replace(grid, valid=grid.valid.astype(">i8")), []) == base


def chain() -> list[dict[str, Any]]:
    first = close(closing())
    revised = close(closing(march(40), revision=2, previous_hash=first["hash"], reason="20 minutes were a probe's"))
    return [first, revised]


def test_a_chain_of_records_holds() -> None:
    """A revision follows the record it revises, and says why."""
    first, revised = chain()
    assert faults([first, revised]) == ()
    assert (first["previous_hash"], revised["previous_hash"]) == (FIRST, first["hash"])


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda records: [{**records[0], "verdict": "kept"}, records[1]], "of its content"),
        (lambda records: records[1:], "expected the previous hash none"),
        (lambda records: records[::-1], "expected the previous hash"),
        (lambda records: [*records, records[1]], "expected revision 3"),
    ],
    ids=["changed", "left out", "swapped", "twice"],
)
def test_a_chain_that_was_tampered_with_is_found_out(break_it: Any, words: str) -> None:
    """In words, with the record it concerns."""
    found = faults(break_it(chain()))
    assert any(words in fault for fault in found)
    assert all(fault.startswith("terms 2026-03 revision ") for fault in found)


def test_a_row_has_what_is_asked_for_by_sql() -> None:
    """Exact where it decides, floating where it is drawn."""
    record = close(closing())
    row = result_row(record)
    assert row["Record"] == canonical(record)
    assert (row["Target"], row["CreditShare"]) == (Decimal("0.999000000000"), Decimal("0.100000000000"))
    assert (row["Kind"], row["Promise"], row["Period"], row["Revision"]) == ("Agreement", "terms", "2026-03", 1)
    assert (row["PeriodStart"], row["ClosedAt"]) == (datetime(2026, 3, 1, tzinfo=UTC), CLOSED)
    assert row["Delivered"] == pytest.approx(1 - 50 / MARCH_MINUTES)
    assert list(row) == [
        *("Kind", "Promise", "Generation", "Agreement", "Service", "Period", "PeriodStart", "PeriodEnd", "Revision"),
        *("ClosedAt", "Law", "Target", "Good", "Eligible", "Delivered", "Lower", "Upper", "Coverage", "Verdict"),
        *("DowntimeS", "CreditShare", "Record", "InputsHash", "PreviousHash", "Hash", "Author", "Reason"),
    ]


def test_a_month_in_which_nobody_listened_has_no_data() -> None:
    """It owes nothing, and the ten minutes that maintenance made good are not shown as a good month."""
    grid = grid_of([(0, 0)] * MARCH_MINUTES, unheard=range(MARCH_MINUTES))
    record = close(closing(grid))
    row = result_row(record)
    assert (record["verdict"], record["broken_at"], record["credit"]["share"]) == ("no_data", None, "0/1")
    assert (record["delivered"]["lower"], record["shown"]) == ("1/4464", None)
    assert (row["Delivered"], row["Upper"], row["Coverage"]) == (None, 1.0, 0.0)


def test_what_comes_after_the_books_are_closed_is_told_in_the_next_record() -> None:
    """The closed record stays as it is."""
    record = close(closing())
    terms = promise().counting
    assert late_adjustment(record, deliver(terms, closing().grid)) is None
    late = late_adjustment(record, deliver(terms, closing(march(70)).grid))
    assert late == {
        "period": "2026-03",
        "closed": {"good": "44590/1", "eligible": "44640/1", "ratio": "4459/4464"},
        "now": {"good": "44580/1", "eligible": "44640/1", "ratio": "743/744"},
    }
    assert close(closing(late=[late]))["late_adjustments"] == [late]


def test_reactions_are_part_of_the_record() -> None:
    """Two incidents, one answered late."""
    reaction = Reaction("response", 15 * 60 * 10**9, (), Fraction(9, 10))
    start = datetime(2026, 3, 5, 2, tzinfo=UTC)
    incidents = [
        IncidentFacts(
            id=name, impact="major", started=start, answered=start + timedelta(minutes=minutes), resolved=None
        )
        for name, minutes in (("a", 5), ("b", 16))
    ]
    outcome = reacted(reaction, incidents, closing().bounds, CLOSED)
    (told,) = close(closing(reactions=[(reaction, outcome)]))["reactions"]
    assert (told["within_s"], told["in_time"], told["late"], told["verdict"]) == ("900/1", ["a"], ["b"], "broken")


def test_an_objective_of_our_own_is_closed_the_same_way_and_costs_nothing() -> None:
    """A calendar month that was promised to nobody but ourselves."""
    record = close(closing(agreement=None, promise=replace(promise(), kind=Kind.SLO, name="checkout-works/1")))
    assert (record["kind"], record["agreement"], record["promise"]) == ("SLO", "checkout-works", "checkout-works/1")
    assert (record["verdict"], record["credit"]) == ("broken", None)
    assert result_row(record)["CreditShare"] == 0
