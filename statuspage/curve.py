"""The measurement of an incident as a drawing: counts to coordinates, so that the template only writes them down.

In: a `Curve` of equal stretches and the span of its incident. Out: SVG path data in a box of `WIDTH` by `HEIGHT`; time
runs right, the share of good requests up. A stretch without requests breaks the line: nothing is drawn that was not
measured.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from statuspage.snapshot import Curve, Point

WIDTH, HEIGHT = 640, 72
HEADROOM = 6  # above 100 %, so that the line is not cut
LEAST_DEPTH = Fraction(2, 100)  # the lowest drawn share is at least so far below all good: noise stays small
DEPTH_MARGIN = Fraction(115, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Coordinates: the line's path, the promised level, the tinted span, and its lowest point."""

    path: str
    area: str
    promised_y: float
    span_x: float
    span_width: float
    lowest: Point | None


def draw(curve: Curve, *, started_at: datetime, ended_at: datetime) -> Drawing:
    """The drawing of `curve`, with [`started_at`, `ended_at`) tinted."""
    lowest = max((point for point in curve.points if point.valid), key=_bad, default=None)
    depth = max(LEAST_DEPTH, DEPTH_MARGIN * _bad(lowest) if lowest else LEAST_DEPTH, 2 * (1 - Fraction(curve.target)))
    depth = min(depth, Fraction(1))
    left, right = _x(curve, started_at), _x(curve, ended_at)
    runs = _runs(curve, depth)
    return Drawing(
        path=" ".join(_line(run) for run in runs),
        area=" ".join(_filled(run) for run in runs),
        promised_y=_y(1 - Fraction(curve.target), depth),
        span_x=left,
        span_width=round(max(2.0, right - left), 1),
        lowest=lowest if lowest and lowest.good < lowest.valid else None,
    )


def _bad(point: Point) -> Fraction:
    return Fraction(point.valid - point.good, point.valid)


def _x(curve: Curve, moment: datetime) -> float:
    whole = (curve.end - curve.start) / timedelta(seconds=1)
    place = (moment - curve.start) / timedelta(seconds=1) / whole * WIDTH if whole > 0 else 0
    return round(min(max(place, 0), WIDTH), 1)


def _y(bad: Fraction, depth: Fraction) -> float:
    return round(HEADROOM + float(bad / depth) * (HEIGHT - HEADROOM), 1)


def _runs(curve: Curve, depth: Fraction) -> list[list[tuple[float, float]]]:
    """Coordinates of points without a gap between them, at the middle of their stretch."""
    runs: list[list[tuple[float, float]]] = []
    step = timedelta(seconds=curve.step_s)
    before: datetime | None = None
    for point in (point for point in curve.points if point.valid):
        if before is None or point.at - before > step:
            runs.append([])
        runs[-1].append((_x(curve, point.at + step / 2), _y(_bad(point), depth)))
        before = point.at
    return runs


def _line(run: list[tuple[float, float]]) -> str:
    first, *rest = run
    return f"M{first[0]} {first[1]}" + "".join(f"L{x} {y}" for x, y in rest or [(first[0] + 0.1, first[1])])


def _filled(run: list[tuple[float, float]]) -> str:
    """The same run closed along the top: what is missing from all good."""
    return f"{_line(run)}L{run[-1][0]} {HEADROOM}L{run[0][0]} {HEADROOM}Z"
