"""Good and valid requests per indicator and UTC day, kept between reads because old days hardly change.

In: `sli_slices`. Out: 90 days an indicator. Every read renews today and yesterday; every `RENEW_EVERY` all days are
read again, which brings in what came very late.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from pipeline.component import Query
from statuspage.snapshot import Day

DAYS_KEPT = 90
RENEW_EVERY = timedelta(minutes=10)
DAY_S = 86_400
EPOCH = date(1970, 1, 1)

SUMS = """
SELECT Indicator, intDiv(toUnixTimestamp(Slice), 86400) AS Day, sum(Good) AS DayGood, sum(Valid) AS DayValid
FROM sli_slices
WHERE Indicator IN {indicators:Array(String)} AND Slice >= fromUnixTimestamp({since:UInt32})
GROUP BY Indicator, Day
"""

FIRSTS = """
SELECT Indicator, toUnixTimestamp(min(Slice)) AS First FROM sli_slices
WHERE Indicator IN {indicators:Array(String)} GROUP BY Indicator
"""


class DaySums:
    """Sums per day of the indicators last read."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._sums: defaultdict[str, dict[date, Day]] = defaultdict(dict)
        self._first: dict[str, datetime] = {}
        self._indicators: Sequence[str] = ()
        self._renewed_at: datetime | None = None

    def read(self, indicators: Sequence[str], now: datetime) -> None:
        """Bring the sums of `indicators` up to date."""
        fresh = self._renewed_at is not None and now - self._renewed_at < RENEW_EVERY
        whole = not fresh or indicators != self._indicators or len(self._first) < len(indicators)
        self._read_days(indicators, now, days=DAYS_KEPT if whole else 2)
        if whole:
            self._read_firsts(indicators)
            self._indicators, self._renewed_at = indicators, now

    def _read_days(self, indicators: Sequence[str], now: datetime, *, days: int) -> None:
        first = now.astimezone(UTC).date() - timedelta(days=days - 1)
        parameters = {"indicators": list(indicators), "since": (first - EPOCH).days * DAY_S}
        if days == DAYS_KEPT:
            self._sums.clear()
        for row in self._query(SUMS, parameters).to_pylist():
            day = EPOCH + timedelta(days=row["Day"])
            self._sums[row["Indicator"]][day] = Day(day=day, good=row["DayGood"], valid=row["DayValid"])

    def _read_firsts(self, indicators: Sequence[str]) -> None:
        rows = self._query(FIRSTS, {"indicators": list(indicators)}).to_pylist()
        self._first = {row["Indicator"]: datetime.fromtimestamp(row["First"], UTC) for row in rows}

    def first(self, indicator: str) -> datetime | None:
        """When measuring began."""
        return self._first.get(indicator)

    def days(self, indicator: str, today: date) -> tuple[Day, ...]:
        """The last 90 days, oldest first, those without data included."""
        sums = self._sums.get(indicator, {})
        span = (today - timedelta(days=back) for back in reversed(range(DAYS_KEPT)))
        return tuple(sums.get(day) or Day(day=day, good=0, valid=0) for day in span)
