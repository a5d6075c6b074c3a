-- What was promised, what was delivered, and each time the two parted.
CREATE TABLE definitions
(
    At DateTime64(3, 'UTC') COMMENT 'When this became so',
    Kind LowCardinality(String) COMMENT 'Service, SLI, SLO, Agreement, BurnPolicy',
    Name String,
    Generation String COMMENT 'Changes when the numbers would',
    Active Bool COMMENT 'Whether it is in force',
    Service String COMMENT 'The service it is about',
    Document String COMMENT 'As written, as JSON',
    Hash String COMMENT 'SHA-256 of Document'
)
ENGINE = MergeTree
ORDER BY (Kind, Name, At)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every generation of every document';

CREATE TABLE slo_status
(
    At DateTime64(3, 'UTC') COMMENT 'When it was evaluated',
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String COMMENT 'Name of the objective',
    Generation LowCardinality(String),
    Service LowCardinality(String),
    Indicator LowCardinality(String),
    IndicatorGeneration LowCardinality(String),
    Law LowCardinality(String) COMMENT 'How delivery is counted: occurrences, request_ratio',
    State LowCardinality(String) COMMENT 'no_data, met, at_risk, breached',
    Target Decimal(18, 12) COMMENT 'Promised share of good events',
    WindowStart DateTime64(3, 'UTC'),
    WindowEnd DateTime64(3, 'UTC'),
    Good UInt64,
    Valid UInt64,
    BudgetRemaining Float64 COMMENT '1 is all, below 0 is overspent; for reading, the counts are exact',
    Coverage Float64 COMMENT 'Share of the window in which somebody listened',
    LiveGood UInt64 COMMENT 'The last minute',
    LiveValid UInt64,
    LastEventAt DateTime64(3, 'UTC') COMMENT 'End of the newest slice with a valid event',
    Windows Nested
    (
        Name LowCardinality(String),
        Good UInt64,
        Valid UInt64,
        BurnRate Float64
    ) COMMENT 'The burn-rate windows'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(At)
ORDER BY (Kind, Promise, At)
TTL toDateTime(At) + INTERVAL 40 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000
COMMENT 'What was known of each promise at each evaluation';

CREATE TABLE breaches
(
    Id String COMMENT 'Follows from what it describes',
    At DateTime64(3, 'UTC') COMMENT 'When the change was found',
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String,
    Generation LowCardinality(String),
    Service LowCardinality(String),
    Law LowCardinality(String),
    Event LowCardinality(String) COMMENT 'What happened: burn_started, target_missed, …',
    Previous LowCardinality(String) COMMENT 'State before',
    State LowCardinality(String) COMMENT 'State after: no_data, met, at_risk, breached',
    Since DateTime64(3, 'UTC') COMMENT 'Start of the first bad slice of the run that led here',
    Window LowCardinality(String) COMMENT 'The window that governs, such as 1h/5m or 2026-11',
    WindowStart DateTime64(3, 'UTC'),
    WindowEnd DateTime64(3, 'UTC'),
    Good UInt64,
    Valid UInt64,
    Target Decimal(18, 12),
    BurnRate Float64,
    Threshold Float64,
    EvidenceTraceIds Array(String) COMMENT 'Some of the requests that were not good',
    Evidence String COMMENT 'Counts of every window and the query that recomputes them, as JSON'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(At)
ORDER BY (Kind, Promise, At, Id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'One row a change of a promise''s state';
