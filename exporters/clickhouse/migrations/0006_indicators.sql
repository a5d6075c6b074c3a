-- What sampled events stand for, beside the one that each is.
ALTER TABLE sli_slices
    ADD COLUMN IF NOT EXISTS GoodExtra SimpleAggregateFunction(sum, UInt64) DEFAULT 0 COMMENT 'What good events stand for beyond themselves, in millionths',
    ADD COLUMN IF NOT EXISTS ValidExtra SimpleAggregateFunction(sum, UInt64) DEFAULT 0 COMMENT 'The same of valid events: there were Valid + ValidExtra / 1e6',
    ADD COLUMN IF NOT EXISTS Squares SimpleAggregateFunction(sum, UInt64) DEFAULT 0 COMMENT 'Sum of their squared weights, less one each',
    ADD COLUMN IF NOT EXISTS Weighted SimpleAggregateFunction(sum, UInt64) DEFAULT 0 COMMENT 'Those of Valid whose sampler said a weight';

-- Points of sums and histograms that indicators count, as they came. A point that comes twice is one row.
CREATE TABLE sli_points
(
    Indicator LowCardinality(String) COMMENT 'Name of the SLI',
    Generation LowCardinality(String) COMMENT 'Which definition of it counts',
    `Group` String COMMENT 'Value of groupBy; empty when not grouped',
    Side LowCardinality(String) COMMENT 'good, bad or valid',
    Series UInt64 COMMENT 'Hash of resource, scope, metric and attributes',
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Temporality UInt8 COMMENT '1 delta, 2 cumulative',
    Value Float64 CODEC(ZSTD(1)) COMMENT 'How many events of that side the point counts',
    ReceivedAt DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (Indicator, Generation, `Group`, Side, Series, TimeUnix, StartTimeUnix, Temporality, Value)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000
COMMENT 'Data points of which slices are derived';

-- What the evaluator made of them: totals per slice so far, and what each batch added to sli_slices.
CREATE TABLE sli_derived
(
    Batch UInt64 COMMENT 'Which batch made the row: when, in milliseconds',
    Previous UInt64 COMMENT 'The batch before it; only one can follow',
    Indicator LowCardinality(String) COMMENT 'Empty in the two rows that say which batch is the newest, and which was told',
    Generation LowCardinality(String),
    `Group` String,
    Slice DateTime('UTC') COMMENT 'Start of ten seconds of event time',
    Good UInt64 COMMENT 'All that was derived for the slice',
    Valid UInt64,
    GoodAdded UInt64 COMMENT 'What of it this batch added',
    ValidAdded UInt64,
    LateAdded UInt64 COMMENT 'ValidAdded, if something was added before',
    INDEX idx_batch Batch TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(Batch)
ORDER BY (Indicator, Generation, `Group`, Slice)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Slices derived from sli_points; the newest row of a slice counts';
