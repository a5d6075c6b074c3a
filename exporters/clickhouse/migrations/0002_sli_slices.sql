-- What every chunk adds to an indicator's ten seconds of event time: sums that merge in any order.
CREATE TABLE sli_slices
(
    Indicator LowCardinality(String) COMMENT 'Name of the SLI',
    Generation LowCardinality(String) COMMENT 'Which definition of it counted',
    `Group` String COMMENT 'Value of groupBy; empty when not grouped',
    Slice DateTime('UTC') COMMENT 'Start of ten seconds of event time',
    Good SimpleAggregateFunction(sum, UInt64),
    Valid SimpleAggregateFunction(sum, UInt64),
    Late SimpleAggregateFunction(sum, UInt64) COMMENT 'Those of Valid that came more than a minute after the slice ended',
    BadTraceIds SimpleAggregateFunction(groupUniqArrayArray(5), Array(String)) COMMENT 'A few of the traces that were not good',
    ReceivedAt SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'When the newest of it was received'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Slice)
ORDER BY (Indicator, Generation, `Group`, Slice)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Good and valid events per indicator, group and slice; sum them, rows may not be merged yet';

-- The proof that silence was silence.
CREATE TABLE receiver_ledger
(
    Worker String COMMENT 'Which ingest worker',
    Signal LowCardinality(String) COMMENT 'traces',
    Slice DateTime('UTC') COMMENT 'Start of ten seconds of receive time',
    ListeningMs SimpleAggregateFunction(sum, UInt64) COMMENT 'How long of the slice its doors were open',
    Accepted SimpleAggregateFunction(sum, UInt64) COMMENT 'Items acknowledged',
    Refused SimpleAggregateFunction(sum, UInt64) COMMENT 'Items or requests that were malformed',
    Shed SimpleAggregateFunction(sum, UInt64) COMMENT 'Requests turned away for want of room'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Slice)
ORDER BY (Slice, Worker, Signal)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What each ingest worker heard, per ten seconds';
