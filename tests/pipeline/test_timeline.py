"""What is rehearsed: streams that are exact however they are cut, and files that are refused with what was expected."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import NS_PER_S
from pipeline.errors import ConfigError
from pipeline.rehearse.play import read_timeline
from pipeline.rehearse.timeline import Counter, Timeline, Traffic
from pipeline.rehearse.traffic import received
from processors.sli.tracestate import EVERYTHING, TraceState

HOUR_NS = 3_600 * NS_PER_S
CUTS = st.lists(st.integers(0, 360), max_size=8).map(
    lambda cuts: [0, *(10 * NS_PER_S * cut for cut in sorted(cuts)), HOUR_NS]
)
REST = """
start: 2026-11-10T10:00:00Z
duration: 1h
"""


def timeline(tmp_path: Path, text: str) -> Timeline:
    (tmp_path / "timeline.yaml").write_text(REST + text)
    return read_timeline(tmp_path)


@given(CUTS, st.sampled_from(["10", "1/7", "0.3"]), st.sampled_from(["0s", "90s"]))
def test_a_stream_is_the_same_however_it_is_cut(cuts: list[int], rate: str, late: str) -> None:
    """Every event is received once, in order, and at the moment it is due."""
    stream = Traffic.model_validate({"service": "shop", "per_second": rate, "late": late, "to": "50m"})
    numbers = [number for since, until in pairwise(cuts) for number in stream.received(since, until, HOUR_NS)]
    assert numbers == list(range(stream.until(3_000 * NS_PER_S)))
    assert stream.happens_ns(numbers[-1]) < 3_000 * NS_PER_S


@given(CUTS, st.sampled_from(["cumulative", "delta"]))
def test_a_counter_is_exported_the_same_however_it_is_cut(cuts: list[int], temporality: str) -> None:
    """Every point is taken once, and the last when the process ends."""
    stream = counter(temporality)
    exports = [taken for since, until in pairwise(cuts) for taken in stream.exports(since, until, HOUR_NS)]
    assert exports == [60 * minute * NS_PER_S for minute in range(1, 31)] + [1_830 * NS_PER_S]


def test_both_temporalities_count_the_same() -> None:
    """Differences of the one are what the other says; what died with a process is missing in both."""
    counts = {}
    for temporality in ("cumulative", "delta"):
        stream = counter(temporality)
        exports = [*stream.exports(0, HOUR_NS, HOUR_NS)]
        points = [
            (stream.since_ns(taken), stream.until(taken) - stream.until(stream.since_ns(taken))) for taken in exports
        ]
        if temporality == "cumulative":
            points = [
                (start, value - (before if start == started else 0))
                for (started, before), (start, value) in pairwise([(-1, 0), *points])
            ]
        counts[temporality] = [value for _, value in points]
    assert counts["cumulative"] == counts["delta"]
    assert sum(counts["delta"]) == 10 * (1_830 - 30)


def counter(temporality: str) -> Counter:
    said = {"service": "shop", "name": "requests", "per_second": 10, "to": "30m30s", "temporality": temporality}
    return Counter.model_validate({**said, "restarts": ["10m30s", "20m"]})


@given(st.fractions(Fraction(1, 100), 1), st.fractions(0, 1))
def test_a_sampler_keeps_its_share_of_what_failed_and_of_the_rest(sampled: Fraction, failing: Fraction) -> None:
    """So what is kept stands for what there was, but for less than one of each."""
    stream = Traffic.model_validate(
        {"service": "shop", "per_second": 1, "sampled": str(sampled), "failing": str(failing)}
    )
    kept = [number for number in range(500) if stream.kept(number)]
    failed = [number for number in kept if stream.failed(number)]
    there = stream.failed_of(500)
    assert len(failed) == int(there * sampled)
    assert len(kept) - len(failed) == int((500 - there) * sampled)


def test_a_sampled_span_says_so_and_its_trace_id_would_have_been_kept(tmp_path: Path) -> None:
    """Its threshold is that of its share, and it is kept by its trace id; its bytes are the same again."""
    made = timeline(tmp_path, "traffic: [{service: shop, per_second: 1, sampled: 1/4}]")
    ((_, message),) = received(made, 0, 100 * NS_PER_S)
    spans = message.resource_spans[0].scope_spans[0].spans  # type: ignore[attr-defined]
    assert len(spans) == 25
    for span in spans:
        assert TraceState.parse(span.trace_state).weight == 4
        assert int.from_bytes(span.trace_id[-7:], "big") >= EVERYTHING * 3 // 4
    assert len({span.trace_id for span in spans}) == len(spans)
    ((_, again),) = received(made, 0, 100 * NS_PER_S)
    assert message.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


def test_promises_are_looked_at_step_by_step_and_where_something_changes(tmp_path: Path) -> None:
    """An edge begins a new step."""
    made = timeline(tmp_path, "step: 20m\nsteps: [{from: 25m, to: 26m, step: 30s}]\ndeaf: [{from: 50m, to: 55m}]")
    assert [moment // NS_PER_S / 60 for moment in made.moments()] == [20, 25, 25.5, 26, 46, 50, 55, 60]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step: 15s", "step: expected a multiple of 10s, got '15s'"),
        ("step: 0s", "step: expected more than 0s, got '0s'"),
        ("deaf: [{from: 5s, to: 10s}]", "deaf[0].from: expected a multiple of 10s, got '5s'"),
        (
            "traffic: [{service: shop, per_second: 0}]",
            "traffic[0].per_second: expected so many a second, more than none",
        ),
        (
            "traffic: [{service: shop, per_second: 1, failing: 2}]",
            "traffic[0].failing: expected a share between 0 and 1",
        ),
        ("counters: [{service: shop, per_second: 1}]", "counters[0].name"),
        ("step: 1m\nsteps: [{from: 0s, to: 1m}]", "steps[0].step"),
    ],
)
def test_a_timeline_that_cannot_be_played_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """With what was expected, and where."""
    with pytest.raises(ConfigError) as caught:
        timeline(tmp_path, text)
    assert expected in str(caught.value)
