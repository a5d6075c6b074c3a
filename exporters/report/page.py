"""The report as a page: one HTML file that asks nobody for anything, for screens of any width and for paper.

In: `Report`. Out: HTML. What people wrote is escaped; the page allows no script, no request and no style but its own,
which its policy names by hash.
"""

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from exporters.report.charts import mark
from exporters.report.document import Report
from exporters.report.view import view


def to_html(report: Report) -> str:
    """The report as HTML; the same text for the same report."""
    style = _style()
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = _environment().get_template("report.html")
    return template.render(view=view(report), style=Markup(style), policy=f"'sha256-{digest}'")  # noqa: S704 - ours


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("exporters.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["mark"] = lambda verdict: Markup(mark(verdict))  # noqa: S704 - nothing from outside is in it
    environment.filters["drawn"] = lambda chart: Markup(chart.svg)  # noqa: S704 - drawn by us, its words are escaped
    return environment


@cache
def _style() -> str:
    return (files("exporters.report") / "templates" / "report.css").read_text()
