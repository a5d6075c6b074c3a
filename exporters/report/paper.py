"""The report as PDF, set by Typst: the same words and pictures as the page, A4, black on white.

In: `Report`. Out: bytes of a PDF, the same for the same report. What people wrote reaches the template as data and is
never read as markup; fonts are those that the compiler brings along.
"""

import json
from dataclasses import fields
from importlib.resources import files
from typing import Any

from exporters.report.charts import Chart, styled
from exporters.report.document import Report
from exporters.report.view import view
from pipeline.errors import PermanentError

PIXELS_PER_INCH = 110


def to_pdf(report: Report) -> bytes:
    """The report as PDF.

    Raises:
        PermanentError: Typst is not installed.
    """
    pdf: bytes = _compiled(report, format="pdf", pdf_standards=["ua-1"])
    return pdf


def to_pictures(report: Report) -> list[bytes]:
    """Its pages as PNG."""
    pages = _compiled(report, format="png", ppi=PIXELS_PER_INCH)
    return pages if isinstance(pages, list) else [pages]


def _compiled(report: Report, **options: Any) -> Any:
    try:
        import typst  # noqa: PLC0415 - of an extra: all other forms do without
    except ImportError:
        raise PermanentError("expected Typst for PDF, got none; install andon[report]") from None
    template = (files("exporters.report") / "templates" / "report.typ").read_bytes()
    return typst.compile(template, sys_inputs={"data": _data(report)}, ignore_system_fonts=True, **options)


def _data(report: Report) -> str:
    """The view as JSON, its pictures with a style of their own."""
    return json.dumps(view(report), default=_plain, ensure_ascii=False)


def _plain(part: Any) -> dict[str, Any]:
    """A part of a view as a dictionary; a picture as SVG with its style, and its words."""
    if isinstance(part, Chart):
        return {"svg": styled(part), "alt": f"{part.title}. {part.description}"}
    return {each.name: getattr(part, each.name) for each in fields(part)}
