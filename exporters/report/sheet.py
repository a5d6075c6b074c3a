"""The report as a sheet: CSV that opens without a wizard, one row a promise.

In: `Report`. Out: UTF-8 text with a byte order mark, a header, decimal points, ISO dates. Text that a spreadsheet would
take for a formula is written with an apostrophe in front; shares are cut to twelve decimals, never rounded up.
"""

import csv
import io
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from exporters.report.document import Agreement, Objective, Report

MARK = "\N{BYTE ORDER MARK}"
DECIMALS = 12
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(report: Report) -> str:
    """The report as CSV."""
    rows = [_row(report, agreement, one) for agreement in report.agreements for one in agreement.objectives]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([harmless(row[name]) for name in COLUMNS] for row in rows)
    return MARK + text.getvalue()


def harmless(value: Any) -> str:
    """A cell that no spreadsheet computes: what looks like a formula is text."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def decimal(ratio: str | None) -> str:
    """An exact ratio with a decimal point, rounded down."""
    if ratio is None:
        return ""
    whole, rest = divmod(Fraction(ratio) * 10**DECIMALS // 1, 10**DECIMALS)
    digits = f"{rest:0{DECIMALS}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _row(report: Report, agreement: Agreement, one: Objective) -> dict[str, Any]:
    record = one.record
    delivered, credit = record["delivered"], record["credit"] or {}
    known = record["verdict"] != "no_data"
    return {
        "month": report.month,
        "kind": agreement.kind,
        "agreement": agreement.name,
        "title": agreement.title,
        "promise": one.promise,
        "service": agreement.service,
        "provider": agreement.provider,
        "customer": agreement.customer,
        "period": record["period"],
        "start": record["start"],
        "end": record["end"],
        "time_zone": agreement.time_zone,
        "so_far": _yes(one.so_far),
        "law": record["law"]["type"],
        "target": decimal(record["target"]),
        "delivered": decimal(delivered["ratio"]) if known else "",
        "lower": decimal(delivered["lower"]),
        "upper": decimal(delivered["upper"]),
        "coverage": decimal(delivered["coverage"]),
        "verdict": record["verdict"],
        "broken_at": record["broken_at"],
        "good": decimal(delivered["good"]),
        "eligible": decimal(delivered["eligible"]),
        "downtime_s": record["downtime_s"],
        "budget_unit": one.budget.unit,
        "budget_allowed": decimal(one.budget.allowed),
        "budget_lost": decimal(one.budget.used),
        "budget_used": decimal(one.budget.share),
        "incidents": len(one.incidents),
        "breaches": len(one.breaches) + one.breaches_left_out,
        "exclusions_used": len(record["exclusions"]["used"]),
        "exclusions_refused": len(record["exclusions"]["refused"]),
        "credit_share": decimal(credit.get("share")),
        "credit_amount": credit.get("amount"),
        "bonus_share": decimal(credit.get("bonus")),
        "bonus_amount": credit.get("bonus_amount"),
        "currency": credit.get("currency"),
        "claim_before": credit.get("claim_by"),
        "credit_words": " ".join(credit.get("words", ())),
        "closed_at": "" if one.so_far else record["closed_at"],
        "author": "" if one.so_far else record["author"],
        "reason": "" if one.so_far else record["reason"],
        "revision": "" if one.so_far else record["revision"],
        "generation": record["generation"],
        "inputs_hash": record["inputs_hash"],
        "hash": "" if one.so_far else record["hash"],
        "made_at": _moment(report.made_at),
    }


COLUMNS = (
    *("month", "kind", "agreement", "title", "promise", "service", "provider", "customer", "period", "start", "end"),
    *("time_zone", "so_far", "law", "target", "delivered", "lower", "upper", "coverage", "verdict", "broken_at"),
    *("good", "eligible", "downtime_s", "budget_unit", "budget_allowed", "budget_lost", "budget_used", "incidents"),
    *("breaches", "exclusions_used", "exclusions_refused", "credit_share", "credit_amount", "bonus_share"),
    *("bonus_amount", "currency", "claim_before", "credit_words", "closed_at", "author", "reason", "revision"),
    *("generation", "inputs_hash", "hash", "made_at"),
)


def _yes(flag: bool) -> str:  # noqa: FBT001 - what else would it be asked
    return "yes" if flag else "no"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
