"""Tracestates: OpenTelemetry's thresholds, and everybody else's members left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.sli.tracestate import EVERYTHING, TraceState, adjusted_count, spelled, threshold_of

WORD = st.text("abcxyz019_-@", min_size=1, max_size=140)
X100 = "x" * 100
THRESHOLD = st.integers(0, EVERYTHING - 1)


@pytest.mark.parametrize(
    ("one_in", "expected"),
    [
        (1, "0"), (2, "8"), (3, "aaab"), (4, "c"), (5, "cccd"), (8, "e"), (10, "e666"), (16, "f"), (100, "fd70a"),
        (1_000, "ffbe77"), (10_000, "fff9724"), (100_000, "ffff583a"), (1_000_000, "ffffef39"),
    ],
)  # fmt: skip
def test_thresholds_are_those_of_the_specification(one_in: int, expected: str) -> None:
    """The table in tracestate-probability-sampling, at four digits of precision."""
    assert spelled(threshold_of(100 / one_in)) == expected


@given(st.floats(1e-12, 100))
def test_a_threshold_keeps_what_was_asked_for_to_a_thousandth(percentage: float) -> None:
    """And never nothing."""
    assert float(1 / adjusted_count(threshold_of(percentage))) == pytest.approx(percentage / 100, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "threshold", "randomness"),
    [
        ("", None, None),
        ("ot=th:0", 0, None),
        ("ot=th:8", 0x80_0000_0000_0000, None),
        ("congo=t61, ot=th:C;rv:0123456789abcd ,rojo=1", 0xC0_0000_0000_0000, 0x01_2345_6789_ABCD),
        ("ot=rv:0123456789abcd;th:fd70a", 0xFD_70A0_0000_0000, 0x01_2345_6789_ABCD),
        ("ot=th:", None, None),
        ("ot=th:123456789abcdef", None, None),
        ("ot=th:xyz;rv:12", None, None),
        ("ot=p:8;r:62", None, None),
        ("robot=th:8,x@ot=th:8", None, None),
        ("ot=th:8,ot=th:4", 0x80_0000_0000_0000, None),
        (",,;=ot=,th:8", None, None),
    ],
)
def test_what_upstream_said_is_read_where_it_is_valid(text: str, threshold: int | None, randomness: int | None) -> None:
    """Anything else says nothing."""
    state = TraceState.parse(text)
    assert (state.threshold, state.randomness) == (threshold, randomness)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "ot=th:8"),
        ("congo=t61,rojo=00f067", "ot=th:8,congo=t61,rojo=00f067"),
        ("congo=t61,ot=th:4;rv:0123456789abcd;x:1", "ot=th:8;rv:0123456789abcd;x:1,congo=t61"),
        ("ot=p:8;r:62", "ot=th:8;p:8;r:62"),
        (",".join(f"k{number}=1" for number in range(32)), ",".join(["ot=th:8", *(f"k{n}=1" for n in range(31))])),
        (f"big={'x' * 300},a=1,large={'y' * 300}", "ot=th:8,a=1"),
        (",".join(f"{letter}={X100}" for letter in "abcdef"), ",".join(["ot=th:8", *(f"{c}={X100}" for c in "abcd")])),
        (f"ot=a:{'x' * 245};rv:0123456789abcd", "ot=th:8;rv:0123456789abcd"),
    ],
    ids=["none", "others", "ours first", "sub-keys stay", "33 members", "large go first", "last go next", "ot itself"],
)  # fmt: skip
def test_a_threshold_is_written_without_harm_to_others(text: str, expected: str) -> None:
    """As far as the limits of W3C and of OpenTelemetry allow."""
    assert TraceState.parse(text).written(0x80_0000_0000_0000) == expected


@given(st.lists(WORD | st.tuples(WORD, WORD).map("=".join), max_size=40), st.text(max_size=40), THRESHOLD)
def test_what_is_written_is_read_back_within_the_limits(members: list[str], noise: str, threshold: int) -> None:
    """Whatever came, the threshold is there, and so is the randomness that came."""
    text = ",".join([*members, noise])
    came = TraceState.parse(text)
    written = came.written(threshold)
    back = TraceState.parse(written)
    assert (back.threshold, back.randomness) == (threshold, came.randomness)
    assert len(written) <= 512
    assert len(written.split(",")) <= 32
    assert set(back.members) <= set(came.members)
