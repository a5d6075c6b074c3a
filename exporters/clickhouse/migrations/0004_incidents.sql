-- What people are told.
CREATE TABLE incidents
(
    Id String COMMENT 'Follows from what it describes',
    Revision UInt32,
    At DateTime64(3, 'UTC') COMMENT 'When this revision was written',
    State LowCardinality(String) COMMENT 'open, recovering, resolved',
    Service LowCardinality(String),
    Title String,
    Impact LowCardinality(String) COMMENT 'minor, major, critical',
    StartedAt DateTime64(3, 'UTC') COMMENT 'First bad slice, before it was detected',
    DetectedAt DateTime64(3, 'UTC'),
    ResolvedAt Nullable(DateTime64(3, 'UTC')),
    Promises Array(String) COMMENT 'The promises it touches',
    Good UInt64 COMMENT 'Good requests while it lasted',
    Valid UInt64
)
ENGINE = MergeTree
ORDER BY (Id, Revision)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every revision of every incident; incidents_current has the newest';

CREATE VIEW incidents_current AS
SELECT * FROM incidents ORDER BY Revision DESC, At DESC LIMIT 1 BY Id;

CREATE TABLE incident_updates
(
    Id String,
    IncidentId String,
    At DateTime64(3, 'UTC'),
    Status LowCardinality(String) COMMENT 'investigating, identified, monitoring, resolved',
    Body String,
    Automatic Bool COMMENT 'Written from measurement, not by a person',
    Author String
)
ENGINE = MergeTree
ORDER BY (IncidentId, At, Id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What was said about each incident';
