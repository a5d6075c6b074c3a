"""The shapes that stand beside a state's word, drawn once for the page and for the icon in the browser's tab."""

from collections.abc import Mapping

from markupsafe import Markup

from statuspage.states import LOOKS, Shape, State

RING = '<circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="2"'
DRAWINGS: Mapping[Shape, Markup] = {
    Shape.DISC: Markup('<circle cx="10" cy="10" r="8"/>'),
    Shape.TRIANGLE: Markup('<path d="M10 1.5 19 18H1z"/>'),
    Shape.DIAMOND: Markup('<path d="M10 .5 19.5 10 10 19.5.5 10z"/>'),
    Shape.SQUARE: Markup('<path d="M2 2h16v16H2z"/>'),
    Shape.DOTTED: Markup(f'{RING} stroke-dasharray="2.6 3.29"/>'),  # noqa: S704 - nothing here comes from outside
    Shape.QUARTER: Markup(f'{RING}/><path d="M10 10V2.5A7.5 7.5 0 0 1 17.5 10z"/>'),  # noqa: S704
}
GREY, AMBER = "#8d8678", "#c98018"
INKS: Mapping[State, str] = {  # seen on light and on dark tabs alike
    State.WORKING: "#3c9a70",
    State.RECOVERING: AMBER,
    State.SOME: AMBER,
    State.MOST: "#d4601f",
    State.DOWN: "#cf3b35",
    State.NO_SIGNAL: GREY,
    State.LOW_TRAFFIC: GREY,
}


def icon(state: State) -> str:
    """An SVG file of the shape and colour of `state`."""
    ink, drawing = INKS[state], DRAWINGS[LOOKS[state].shape]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20" color="{ink}" fill="{ink}">{drawing}</svg>'
