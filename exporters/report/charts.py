"""Pictures as SVG, drawn by pure functions: the days of a period, its budget burning down, and the last twelve periods.

In: parts of a report. Out: `Chart`, with a title and a description that say what is to be seen. No picture has text in
it or is told by colour alone: bad days are taller, broken periods rise above the line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from itertools import accumulate

from exporters.report.document import Budget, Day, Past

STEP, BAR = 10, 8
STRIP_HEIGHT, MARK_Y = 40, 44
HEIGHTS = {"quiet": 8, "some": 17, "much": 28, "all": 40, "ahead": 2, "unknown": 2}
PLOT = 100
LOWEST = -1.5  # how far below zero a budget is drawn
HIGHEST = Fraction(2)  # how many budgets a period is drawn with at most
HEADROOM = Fraction(5, 4)
# For whoever shows a picture without the style of the page.
INKS = (
    ".quiet{fill:#5b9d80}.some{fill:#a25f00}.much{fill:#b8440c}.all{fill:#ad2420}.ahead,.unknown{fill:#c9c2b4}.mark{fill:#69645a}"
    ".kept{fill:#5b9d80}.broken{fill:#ad2420}.no_data{fill:#8d8678}.cut{fill:#fff}"
    ".line{fill:none;stroke:#1d1b17;stroke-width:1}.area{fill:#5b9d80;opacity:.18}.over{fill:#ad2420;opacity:.2}"
    ".limit{fill:none;stroke:#69645a;stroke-width:1.2;stroke-dasharray:2 2}"
)
MARKS = {
    "kept": '<circle cx="10" cy="10" r="8"/>',
    "broken": '<path d="M10 .5 19.5 10 10 19.5.5 10z"/>',
    "no_data": '<path d="M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 2.4a5.6 5.6 0 1 1 0 11.2 5.6 5.6 0 0 1 0-11.2z"/>',
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, and what it says to who does not see it."""

    svg: str
    title: str
    description: str


def styled(chart: Chart) -> str:
    """The picture with a style of its own."""
    return chart.svg.replace("><", f"><style>{INKS}</style><", 1)


def mark(verdict: str) -> str:
    """The shape that stands beside a verdict's word."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="shape" viewBox="0 0 20 20" width="14" height="14" '
        f'aria-hidden="true" focusable="false"><g class="{verdict}">{MARKS[verdict]}</g></svg>'
    )


def strip(days: Sequence[Day], name: str, title: str, description: str) -> Chart:
    """A bar a day: the worse it was, the taller. A line under a day says that an exclusion was used on it."""
    bars = "".join(
        f'<rect class="{one.level}" x="{STEP * at + 1}" y="{STRIP_HEIGHT - HEIGHTS[one.level]}" width="{BAR}" '
        f'height="{HEIGHTS[one.level]}" rx="1"/>'
        + (f'<rect class="mark" x="{STEP * at + 1}" y="{MARK_Y}" width="{BAR}" height="2"/>' if one.excluded else "")
        for at, one in enumerate(days)
    )
    return _chart(name, title, description, (STEP * len(days), MARK_Y + 2), bars)


def remaining(days: Sequence[Day], budget: Budget) -> list[Fraction]:
    """What was left of the budget at the end of each day so far; what cannot be placed was lost evenly."""
    gone = [one for one in days if one.level != "ahead"]
    allowed = Fraction(budget.allowed)
    if not gone or not allowed:
        return []
    evenly = Fraction(budget.elsewhere) / allowed / len(gone)
    return [1 - spent for spent in accumulate(Fraction(one.share or 0) + evenly for one in gone)]


def burn_down(days: Sequence[Day], budget: Budget, name: str, title: str, description: str) -> Chart | None:
    """The budget from whole to what is left; below the line it is overspent. None where nothing could be spent."""
    left = [max(LOWEST, float(one)) for one in remaining(days, budget)]
    if not left:
        return None
    lowest = min(0.0, *left)

    def y(share: float) -> str:
        return f"{(1 - share) / (1 - lowest) * (PLOT - 4) + 2:.1f}"

    points = list(_crossing([1.0, *left]))
    path = "".join(f"{'L' if at else 'M'}{x:.1f} {y(share)}" for at, (x, share) in enumerate(points))
    zero, end, width = y(0.0), STEP * len(left), STEP * len(days)
    area = "".join(f"L{x:.1f} {y(max(0.0, share))}" for x, share in points)
    below = "".join(f"L{x:.1f} {y(min(0.0, share))}" for x, share in points)
    drawn = (
        f'<path class="area" d="M0 {zero}{area}L{end} {zero}z"/><path class="over" d="M0 {zero}{below}L{end} {zero}z"/>'
        f'<path class="limit" d="M0 {zero}H{width}"/><path class="line" d="{path}"/>'
    )
    return _chart(name, title, description, (width, PLOT), drawn)


def _crossing(shares: Sequence[float]) -> Iterator[tuple[float, float]]:
    """The points of the line, with the one where it goes below zero."""
    before = shares[0]
    for number, share in enumerate(shares):
        if share < 0 < before:
            yield STEP * (number - 1 + before / (before - share)), 0.0
        yield STEP * number, share
        before = share


def trend(past: Sequence[Past | None], name: str, title: str, description: str) -> Chart:
    """A bar a period: how much of what was allowed to fail did. One that rises above the line was too much."""
    spent = [Fraction(one.used) for one in past if one and one.used is not None]
    top = min(HIGHEST, max([Fraction(1), *spent])) * HEADROOM
    limit = f"{float(PLOT * (1 - 1 / top)):.1f}"
    bars = "".join(_bar(one, at, top) for at, one in enumerate(past))
    line = f'<path class="limit" d="M0 {limit}H{2 * STEP * len(past)}"/>'
    return _chart(name, title, description, (2 * STEP * len(past), PLOT), bars + line)


def _bar(one: Past | None, at: int, top: Fraction) -> str:
    x, width = 2 * STEP * at + 4, 2 * STEP - 8
    if one is None or one.verdict == "no_data":
        kind = "ahead" if one is None else "no_data"
        return f'<rect class="{kind}" x="{x + 3}" y="{PLOT - 2}" width="{width - 6}" height="2"/>'
    used = HIGHEST if one.used is None else min(Fraction(one.used), HIGHEST)
    height = max(2.0, float(used / top * PLOT))
    bar = f'<rect class="{one.verdict}" x="{x}" y="{PLOT - height:.1f}" width="{width}" height="{height:.1f}" rx="1"/>'
    if used < HIGHEST:
        return bar
    return bar + f'<path class="cut" d="M{x - 1} {PLOT - height + 12:.1f}h{width + 2}v3h-{width + 2}z"/>'


def _chart(name: str, title: str, description: str, size: tuple[int, int], drawn: str) -> Chart:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {size[0]} {size[1]}" '
        f'preserveAspectRatio="none" role="img" aria-labelledby="{escape(name)}-t {escape(name)}-d">'
        f'<title id="{escape(name)}-t">{escape(title)}</title><desc id="{escape(name)}-d">{escape(description)}</desc>'
        f"{drawn}</svg>"
    )
    return Chart(svg, title, description)
