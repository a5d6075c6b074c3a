"""`andon statuspage`: the page, and for its evidence the query that counts each figure again from the spans.

In: an `Assembly`. Out: the page as a component. It holds a reader of ClickHouse and no writer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.assembly import Assembly
from pipeline.clock import SystemClock
from processors.sli.sql import recount as recount_sql
from processors.slo.indicators import Sli
from processors.slo.objectives import to_indicator
from statuspage.app import StatusPage


def status_page(assembly: Assembly) -> StatusPage:
    """The page that `andon.yaml` asks for."""
    # Spans that are not stored as they came do not give the same numbers, so then the page does not say they do.
    recount = recount_document if assembly.config.processors.stores_all_spans else None
    return StatusPage(assembly.config.statuspage, assembly.page().query, SystemClock(), recount=recount)


def recount_document(document: Mapping[str, Any], start: datetime, end: datetime) -> str:
    """The query that counts an SLI, as its definition was stored, over spans that ended in [start, end)."""
    return recount_sql(to_indicator(Sli.model_validate(document)), start, end)
