"""Drawing the measurement of an incident."""

from datetime import timedelta

from fixtures.page_facts import BEGAN, curve
from statuspage.curve import HEADROOM, HEIGHT, WIDTH, draw

ALL = {"started_at": BEGAN + timedelta(minutes=2), "ended_at": BEGAN + timedelta(minutes=7)}


def test_the_span_of_the_incident_is_tinted_to_scale() -> None:
    """Ten minutes are the whole width."""
    drawing = draw(curve((0, 100, 100)), **ALL)
    assert (drawing.span_x, drawing.span_width) == (0.2 * WIDTH, 0.5 * WIDTH)


def test_a_span_beyond_the_edge_is_cut_and_a_short_one_stays_visible() -> None:
    """An incident of a second is still seen."""
    beyond = draw(curve((0, 100, 100)), started_at=BEGAN - timedelta(hours=1), ended_at=BEGAN + timedelta(hours=1))
    assert (beyond.span_x, beyond.span_width) == (0, WIDTH)
    short = draw(curve((0, 100, 100)), started_at=BEGAN, ended_at=BEGAN + timedelta(seconds=1))
    assert short.span_width == 2


def test_the_line_breaks_where_nothing_was_measured() -> None:
    """Minutes 2 and 3 sent nothing; minute 4 sent no valid request."""
    drawing = draw(curve((0, 10, 10), (1, 10, 10), (4, 0, 0), (5, 9, 10), (6, 9, 10)), **ALL)
    assert drawing.path.count("M") == 2
    assert drawing.area.count("Z") == 2


def test_worse_is_lower_and_everything_stays_in_the_box() -> None:
    """Even if nothing was good."""
    drawing = draw(curve((0, 10, 10), (1, 5, 10), (2, 0, 10)), **ALL)
    heights = [float(pair.split(" ")[1]) for pair in drawing.path[1:].split("L")]
    assert heights == sorted(heights)
    assert heights[0] == HEADROOM
    assert heights[-1] == HEIGHT


def test_the_lowest_point_is_found_and_a_perfect_curve_has_none() -> None:
    """All good has no low."""
    lowest = draw(curve((0, 10, 10), (1, 5, 10), (2, 9, 10)), **ALL).lowest
    assert lowest is not None
    assert lowest.at == BEGAN + timedelta(minutes=1)
    assert draw(curve((0, 10, 10)), **ALL).lowest is None


def test_small_noise_stays_small() -> None:
    """One bad request in a thousand does not fill the box."""
    drawing = draw(curve((0, 1_000, 1_000), (1, 999, 1_000)), **ALL)
    deepest = max(float(pair.split(" ")[1]) for pair in drawing.path[1:].split("L"))
    assert deepest < HEADROOM + 0.1 * HEIGHT


def test_a_curve_without_points_is_an_empty_drawing() -> None:
    """Nothing is drawn that was not measured."""
    assert draw(curve(), **ALL).path == ""
