-- Sums of sums, without groups: a month of an indicator is 720 hours and a few minutes at its ends.
CREATE TABLE sli_minutes
(
    Indicator LowCardinality(String) COMMENT 'Name of the SLI',
    Generation LowCardinality(String) COMMENT 'Which definition of it counted',
    Minute DateTime('UTC') COMMENT 'Start of the minute of event time',
    Good SimpleAggregateFunction(sum, UInt64),
    Valid SimpleAggregateFunction(sum, UInt64),
    GoodExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled good events stand for beyond themselves, in millionths',
    ValidExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled valid events stand for beyond themselves, in millionths',
    Squares SimpleAggregateFunction(sum, UInt64) COMMENT 'Sum of their squared weights, less one each',
    Weighted SimpleAggregateFunction(sum, UInt64) COMMENT 'Those of Valid whose sampler said a weight',
    Newest SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Start of the newest slice with a valid event',
    StoredAt SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'When the newest of it was stored, by the clock of ClickHouse'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Minute)
ORDER BY (Indicator, Generation, Minute)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'sli_slices by the minute, groups summed; sum them, rows may not be merged yet';

INSERT INTO sli_minutes SETTINGS insert_deduplication_token = 'sli_minutes from sli_slices'
SELECT Indicator, Generation, toStartOfMinute(Slice), sum(Good), sum(Valid), sum(GoodExtra), sum(ValidExtra), sum(Squares), sum(Weighted), maxIf(Slice, Valid > 0), now64(3) FROM sli_slices GROUP BY Indicator, Generation, toStartOfMinute(Slice);

CREATE MATERIALIZED VIEW sli_minutes_mv TO sli_minutes AS
SELECT Indicator, Generation, toStartOfMinute(Slice) AS Minute, sum(Good) AS Good, sum(Valid) AS Valid,
    sum(GoodExtra) AS GoodExtra, sum(ValidExtra) AS ValidExtra,
    sum(Squares) AS Squares, sum(Weighted) AS Weighted, maxIf(Slice, sli_slices.Valid > 0) AS Newest, now64(3) AS StoredAt
FROM sli_slices GROUP BY Indicator, Generation, Minute;

CREATE TABLE sli_hours
(
    Indicator LowCardinality(String) COMMENT 'Name of the SLI',
    Generation LowCardinality(String) COMMENT 'Which definition of it counted',
    Hour DateTime('UTC') COMMENT 'Start of the hour of event time',
    Good SimpleAggregateFunction(sum, UInt64),
    Valid SimpleAggregateFunction(sum, UInt64),
    GoodExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled good events stand for beyond themselves, in millionths',
    ValidExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled valid events stand for beyond themselves, in millionths',
    Squares SimpleAggregateFunction(sum, UInt64) COMMENT 'Sum of their squared weights, less one each',
    Weighted SimpleAggregateFunction(sum, UInt64) COMMENT 'Those of Valid whose sampler said a weight',
    Newest SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Start of the newest slice with a valid event'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Hour)
ORDER BY (Indicator, Generation, Hour)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'sli_slices by the hour, groups summed; sum them, rows may not be merged yet';

INSERT INTO sli_hours SETTINGS insert_deduplication_token = 'sli_hours from sli_slices'
SELECT Indicator, Generation, toStartOfHour(Slice), sum(Good), sum(Valid), sum(GoodExtra), sum(ValidExtra), sum(Squares), sum(Weighted), maxIf(Slice, Valid > 0) FROM sli_slices GROUP BY Indicator, Generation, toStartOfHour(Slice);

CREATE MATERIALIZED VIEW sli_hours_mv TO sli_hours AS
SELECT Indicator, Generation, toStartOfHour(Slice) AS Hour, sum(Good) AS Good, sum(Valid) AS Valid,
    sum(GoodExtra) AS GoodExtra, sum(ValidExtra) AS ValidExtra,
    sum(Squares) AS Squares, sum(Weighted) AS Weighted, maxIf(Slice, sli_slices.Valid > 0) AS Newest
FROM sli_slices GROUP BY Indicator, Generation, Hour;

ALTER TABLE receiver_ledger ADD COLUMN IF NOT EXISTS StoredUntil SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'All that this worker received before is stored';

-- What became of each slice of time that a law counts, and what was thought of it before.
CREATE TABLE slice_states
(
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String COMMENT 'Name of the objective',
    Generation LowCardinality(String),
    Slice DateTime('UTC') COMMENT 'Start of the slice',
    Revision UInt32 COMMENT 'From 1; the newest holds, the others say what was thought before',
    At DateTime64(3, 'UTC') COMMENT 'When it was found',
    Seconds UInt32 COMMENT 'How much of it is inside of the window and not excluded',
    State LowCardinality(String) COMMENT 'good, bad, empty, gap, excluded',
    Good UInt64 COMMENT 'Counted good, whatever the state',
    Valid UInt64 COMMENT 'Counted valid, whatever the state',
    HeardMs UInt64 COMMENT 'How long of it somebody listened'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(Slice)
ORDER BY (Kind, Promise, Generation, Slice, Revision)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'The slices of promises that are counted by slices of time, with every revision';

CREATE VIEW slice_states_current AS
SELECT * FROM slice_states ORDER BY Revision DESC LIMIT 1 BY Kind, Promise, Generation, Slice;

-- Periods that are closed. A correction is another revision, with who made it and why.
CREATE TABLE period_results
(
    Kind LowCardinality(String) COMMENT 'Agreement, or SLO with a calendar window',
    Promise String COMMENT 'Name of the objective',
    Generation LowCardinality(String),
    Agreement String COMMENT 'Name of the document',
    Service LowCardinality(String),
    Period String COMMENT 'Such as 2026-10',
    PeriodStart DateTime64(3, 'UTC'),
    PeriodEnd DateTime64(3, 'UTC'),
    Revision UInt32 COMMENT 'From 1; the newest holds',
    ClosedAt DateTime64(3, 'UTC'),
    Law LowCardinality(String),
    Target Decimal(18, 12),
    Good String COMMENT 'Exact, as numerator/denominator: events or slices, as the law counts',
    Eligible String COMMENT 'Exact, as numerator/denominator',
    Delivered Nullable(Float64) COMMENT 'Good / Eligible, for reading',
    Lower Nullable(Float64) COMMENT 'If all that was not seen was bad',
    Upper Nullable(Float64) COMMENT 'If all that was not seen was good',
    Coverage Float64 COMMENT 'Share of the time that was measured',
    Verdict LowCardinality(String) COMMENT 'kept, broken, no_data',
    DowntimeS UInt64,
    CreditShare Decimal(18, 12) COMMENT 'Of the fee',
    Record String COMMENT 'All of it, with the computation, as JSON',
    InputsHash String COMMENT 'SHA-256 over the counts and the definition',
    PreviousHash String COMMENT 'Hash of the row before',
    Hash String COMMENT 'SHA-256 over this row, which includes PreviousHash',
    Author String,
    Reason String
)
ENGINE = MergeTree
ORDER BY (Kind, Promise, Generation, PeriodStart, Revision)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What was delivered in each period that is closed, never changed again';

ALTER TABLE slo_status ADD COLUMN IF NOT EXISTS Unseen Float64 COMMENT 'Events or slices that may have happened while nobody listened, estimated';
ALTER TABLE slo_status ADD COLUMN IF NOT EXISTS Lower Nullable(Float64) COMMENT 'Delivered share if all of them were bad';
ALTER TABLE slo_status ADD COLUMN IF NOT EXISTS Upper Nullable(Float64) COMMENT 'Delivered share if all of them were good';
ALTER TABLE slo_status ADD COLUMN IF NOT EXISTS ExhaustedInS Nullable(Float64) COMMENT 'Seconds until nothing is left of the budget, at the pace of the hottest alert window';
ALTER TABLE slo_status ADD COLUMN IF NOT EXISTS UnweightedShare Nullable(Float64) COMMENT 'Share of Valid whose sampler said no weight, though others did';
