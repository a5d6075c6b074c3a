"""Counting points of sums and histograms: what a *set* of points says of each ten seconds.

In: the points of some series, in any order, any of them twice. Out: good and valid events per slice. Pure. A point of a
series says how much happened since the one before it; over several slices that is spread by their share of the time, in
whole numbers that add up.

    cumulative  first point, start known       counts since its start: it was zero then
                first point, start unknown     counts nothing: what happened before is not known
                same start, not less           counts the difference
                same start, less               a reset: counts since the point before
                later start                    a reset: counts since its start
                earlier start                  somebody else writes the same series: not counted
    delta       begins after the one before    a gap, and counts
                begins before it               an overlap: counts for the time that is not yet covered

What spans more than an hour is not counted: then what a slice holds depends on nothing further away than that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.sli.series import BAD, CUMULATIVE, GOOD, VALID
from processors.sli.slices import SLICE_NS

MAX_SPAN_NS = 3_600_000_000_000
GAP, OVERLAP, RESET, CONFLICT, SPREAD, TOO_LONG = "gap", "overlap", "reset", "conflict", "spread", "too_long"


class Point(NamedTuple):
    """How many events of a side one data point counts."""

    side: str
    series: int
    start_ns: int
    time_ns: int
    temporality: int
    value: int


class Tally(NamedTuple):
    """Events of one slice."""

    good: int
    valid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What a set of points says, and how often something about them was odd."""

    slices: dict[int, Tally]
    flags: Counter[str]


class _Reading(NamedTuple):
    start_ns: int
    time_ns: int
    counts: tuple[int, ...]  # the first decides about resets; no other exceeds it


@dataclass(slots=True)
class _Sums:
    """Events per slice and side while they are added up."""

    flags: Counter[str] = field(default_factory=Counter)
    sides: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, side: str, start_ns: int, end_ns: int, count: int) -> None:
        """Spread `count` events of (start, end] over the slices it touches."""
        first, last = start_ns // SLICE_NS, (end_ns - 1) // SLICE_NS
        if first >= last:
            self.sides[side][last] += count
            return
        done = 0
        for moment in range(first, last + 1):
            until = min((moment + 1) * SLICE_NS, end_ns)
            so_far = count * (until - start_ns) // (end_ns - start_ns)
            self.sides[side][moment] += so_far - done
            done = so_far


def derive(points: Iterable[Point]) -> Derived:
    """What the points of one indicator and group say."""
    series: dict[tuple[int, int], dict[str, dict[tuple[int, int], int]]] = {}
    sums = _Sums()
    for point in sorted(set(points)):
        side = series.setdefault((point.series, point.temporality), {}).setdefault(point.side, {})
        key = point.time_ns, point.start_ns
        if key in side:
            sums.flags[CONFLICT] += 1
        side[key] = max(point.value, side.get(key, 0))
    for (_, temporality), sides in series.items():
        for names, readings in _readings(sides):
            _count(names, readings, temporality, sums)
    return Derived(slices=_tallies(sums), flags=sums.flags)


def _readings(sides: dict[str, dict[tuple[int, int], int]]) -> Iterator[tuple[tuple[str, ...], list[_Reading]]]:
    """The good of a series beside its valid, for they rise and reset together; any other side by itself."""
    good = sides.get(GOOD, {})
    if VALID in sides:
        paired = [
            _Reading(start, time, (value, min(good.get((time, start), 0), value)))
            for (time, start), value in sorted(sides[VALID].items())
        ]
        yield (VALID, GOOD), paired
    for name in (GOOD, BAD):
        if name in sides and (name == BAD or VALID not in sides):
            yield (name,), [_Reading(start, time, (value,)) for (time, start), value in sorted(sides[name].items())]


def _count(names: tuple[str, ...], readings: list[_Reading], temporality: int, sums: _Sums) -> None:
    increments = _cumulative if temporality == CUMULATIVE else _delta
    for start_ns, time_ns, counts in increments(readings, sums.flags):
        if time_ns - start_ns > MAX_SPAN_NS:
            sums.flags[TOO_LONG] += 1
            continue
        if (time_ns - 1) // SLICE_NS > start_ns // SLICE_NS:
            sums.flags[SPREAD] += 1
        if len(counts) == 1:
            sums.add(names[0], start_ns, time_ns, counts[0])
        else:
            # What is good and what is not, each by itself: then no slice has more good events than valid ones.
            valid, good = counts
            sums.add("paired good", start_ns, time_ns, good)
            sums.add("paired rest", start_ns, time_ns, valid - good)


def _cumulative(readings: list[_Reading], flags: Counter[str]) -> Iterator[_Reading]:
    previous: _Reading | None = None
    for reading in _one_a_time(readings, flags):
        start_ns, time_ns, counts = reading
        if previous is None:
            if 0 < start_ns < time_ns:
                yield reading
        elif start_ns < previous.start_ns:
            flags[CONFLICT] += 1
            continue
        elif start_ns > previous.start_ns:
            flags[RESET] += 1
            if start_ns < time_ns:
                yield _Reading(max(start_ns, previous.time_ns), time_ns, counts)
        elif counts[0] < previous.counts[0]:
            flags[RESET] += 1
            yield _Reading(previous.time_ns, time_ns, counts)
        else:
            yield _Reading(previous.time_ns, time_ns, _difference(counts, previous.counts))
        previous = reading


def _difference(now: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    """How much more; the good of a histogram may have fallen where its buckets became coarser."""
    whole = now[0] - before[0]
    return (whole, *(min(max(0, one - other), whole) for one, other in zip(now[1:], before[1:], strict=True)))


def _one_a_time(readings: list[_Reading], flags: Counter[str]) -> Iterator[_Reading]:
    """Of several readings of one moment the one that started last."""
    for reading, following in zip(readings, [*readings[1:], None], strict=True):
        if following is not None and following.time_ns == reading.time_ns:
            flags[CONFLICT] += 1
        else:
            yield reading


def _delta(readings: list[_Reading], flags: Counter[str]) -> Iterator[_Reading]:
    covered_ns: int | None = None
    for start_ns, time_ns, counts in readings:
        known = 0 < start_ns < time_ns
        begin_ns = start_ns if known else time_ns
        if covered_ns is not None and begin_ns > covered_ns and known:
            flags[GAP] += 1
        if covered_ns is not None and (begin_ns < covered_ns or time_ns <= covered_ns):
            flags[OVERLAP] += 1
            if time_ns > covered_ns:
                left = tuple(count * (time_ns - covered_ns) // (time_ns - begin_ns) for count in counts)
                yield _Reading(covered_ns, time_ns, left)
        else:
            yield _Reading(begin_ns, time_ns, counts)
        covered_ns = time_ns


def _tallies(sums: _Sums) -> dict[int, Tally]:
    """Good and valid of each slice; good events are among the valid, whatever two metrics say."""
    paired, rest = sums.sides["paired good"], sums.sides["paired rest"]
    good, bad = sums.sides[GOOD], sums.sides[BAD]
    tallies = {}
    for moment in {*paired, *rest, *good, *bad}:
        valid = paired[moment] + rest[moment]
        within = paired[moment] + good[moment] - bad[moment]
        if within > valid or within < 0:
            sums.flags[CONFLICT] += 1
        tallies[moment] = Tally(min(max(0, within), valid), valid)
    return {moment: tally for moment, tally in sorted(tallies.items()) if tally.valid}
