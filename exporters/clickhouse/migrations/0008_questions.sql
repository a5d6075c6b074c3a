-- Questions as views, and a word on every column.
--   SELECT * FROM sla_report(month = '2026-11')
-- Figures are sums of stored counts, and verdicts are the rows that page, reports and alerts read. A moment is given in
-- any spelling, such as '2026-11-22', '2026-11-22T14:02:00Z', or now() - INTERVAL 1 HOUR; those without a zone are UTC.

CREATE VIEW sla_report
(
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String COMMENT 'Name of the objective',
    Service LowCardinality(String) COMMENT 'The service it is about',
    Law LowCardinality(String) COMMENT 'How delivery is counted',
    PeriodStart DateTime64(3, 'UTC') COMMENT 'Start of the period, or of the rolling window',
    PeriodEnd DateTime64(3, 'UTC') COMMENT 'Its end',
    Target Decimal(18, 12) COMMENT 'Promised share',
    Delivered Nullable(Float64) COMMENT 'Good / Eligible; NULL where nothing was measured',
    Good Float64 COMMENT 'Good events or slices, as the law counts',
    Eligible Float64 COMMENT 'All events or slices that count',
    Verdict LowCardinality(String) COMMENT 'kept, broken or no_data of a closed period; else how it stands: met, at_risk, breached, no_data',
    BudgetLeft Nullable(Float64) COMMENT '1 is all, below 0 is overspent',
    DowntimeS Nullable(UInt64) COMMENT 'Seconds lost, of a closed period',
    CreditShare Nullable(Decimal(18, 12)) COMMENT 'Share of the fee that is owed, of a closed period',
    Coverage Float64 COMMENT 'Share of the time that was measured',
    Closed Bool COMMENT 'Whether this is final',
    AsOf DateTime64(3, 'UTC') COMMENT 'When it was closed or evaluated',
    MonthGood Nullable(Float64) COMMENT 'Good events of the UTC month so far, of a period that is not closed',
    MonthValid Nullable(Float64) COMMENT 'Valid events of the UTC month so far, of a period that is not closed'
)
AS WITH
    parseDateTimeBestEffort(concat({month:String}, '-01'), 'UTC') AS MonthStart,
    addMonths(MonthStart, 1) AS MonthEnd,
    MonthStart + INTERVAL 14 DAY AS Middle,
    closed AS (
        SELECT * FROM period_results WHERE PeriodStart <= Middle AND PeriodEnd > Middle
        ORDER BY ClosedAt DESC, Revision DESC LIMIT 1 BY Kind, Promise
    ),
    -- The last evaluation of the month, by the parts' own minimum and maximum; elsewhere months end up to 14 hours apart.
    greatest((SELECT max(At) FROM slo_status WHERE _partition_id = toString(toYYYYMM(MonthStart))), MonthStart) AS LastLook,
    -- A calendar period ends later than it is looked at, and belongs to the month whose middle it holds.
    running AS (
        SELECT * FROM slo_status
        PREWHERE At >= LastLook - INTERVAL 28 HOUR AND At < MonthEnd + INTERVAL 12 HOUR
        WHERE (Kind, Promise, At) IN (
            SELECT Kind, Promise, max(At) FROM slo_status
            WHERE At >= LastLook - INTERVAL 28 HOUR AND At < MonthEnd + INTERVAL 12 HOUR
                AND if(WindowEnd > At + INTERVAL 10 SECOND, WindowStart <= Middle AND WindowEnd > Middle, At >= MonthStart AND At < MonthEnd)
            GROUP BY Kind, Promise
        ) AND (Kind, Promise) NOT IN (SELECT Kind, Promise FROM closed)
    ),
    counted AS (
        SELECT Indicator, Generation, toNullable(sum(Good) + sum(GoodExtra) / 1e6) AS MonthGood,
            toNullable(sum(Valid) + sum(ValidExtra) / 1e6) AS MonthValid
        FROM sli_hours WHERE Hour >= MonthStart AND Hour < MonthEnd GROUP BY Indicator, Generation
    )
SELECT Kind, Promise, Service, Law, PeriodStart, PeriodEnd, Target, Delivered,
    toFloat64(splitByChar('/', closed.Good)[1]) / toFloat64(splitByChar('/', closed.Good)[2]) AS Good,
    toFloat64(splitByChar('/', closed.Eligible)[1]) / toFloat64(splitByChar('/', closed.Eligible)[2]) AS Eligible,
    Verdict, 1 - (1 - Delivered) / nullIf(1 - toFloat64(Target), 0) AS BudgetLeft, toNullable(DowntimeS) AS DowntimeS,
    toNullable(CreditShare) AS CreditShare, Coverage, true AS Closed, ClosedAt AS AsOf,
    CAST(NULL, 'Nullable(Float64)') AS MonthGood, CAST(NULL, 'Nullable(Float64)') AS MonthValid
FROM closed
UNION ALL
SELECT Kind, Promise, Service, Law, WindowStart, WindowEnd, Target,
    running.Good / nullIf(running.Valid, 0), toFloat64(running.Good), toFloat64(running.Valid),
    State, toNullable(BudgetRemaining), CAST(NULL, 'Nullable(UInt64)'),
    CAST(NULL, 'Nullable(Decimal(18, 12))'), Coverage, false, At,
    counted.MonthGood, counted.MonthValid
FROM running LEFT JOIN counted ON counted.Indicator = running.Indicator AND counted.Generation = running.IndicatorGeneration
COMMENT 'What was promised and delivered in a month: sla_report(month = ''2026-11'')';

CREATE VIEW error_budget
(
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String COMMENT 'Name of the objective',
    Service LowCardinality(String) COMMENT 'The service it is about',
    Law LowCardinality(String) COMMENT 'How delivery is counted',
    State LowCardinality(String) COMMENT 'no_data, met, at_risk, breached',
    At DateTime64(3, 'UTC') COMMENT 'When it was evaluated',
    WindowStart DateTime64(3, 'UTC') COMMENT 'Since when it is counted',
    WindowEnd DateTime64(3, 'UTC') COMMENT 'Until when',
    Target Decimal(18, 12) COMMENT 'Promised share',
    Good UInt64 COMMENT 'Good events or slices, as the law counts',
    Valid UInt64 COMMENT 'Valid events or slices',
    Bad Int64 COMMENT 'How many were not good',
    Budget Decimal(38, 12) COMMENT 'How many of Valid may be bad',
    BudgetLeft Decimal(38, 12) COMMENT 'How many more, of those so far; below 0 is overspent',
    BudgetRemaining Float64 COMMENT 'The same as a share of Budget',
    ExhaustedInS Nullable(Float64) COMMENT 'Seconds until nothing is left, at the pace of the hottest alert window',
    ExhaustedAt Nullable(DateTime64(3, 'UTC')) COMMENT 'When that is',
    BurnRates Map(String, Float64) COMMENT 'How many times faster than allowed it goes, by alert window',
    Coverage Float64 COMMENT 'Share of the window in which somebody listened'
)
AS SELECT Kind, Promise, Service, Law, State, At, WindowStart, WindowEnd, Target, Good, Valid, Valid - Good AS Bad,
    toDecimal128(Valid, 0) * (1 - Target) AS Budget, Budget - Bad AS BudgetLeft, BudgetRemaining, ExhaustedInS,
    if(ExhaustedInS < 3e9, At + toIntervalMillisecond(assumeNotNull(ExhaustedInS) * 1000), NULL) AS ExhaustedAt,
    mapFromArrays(CAST(Windows.Name, 'Array(String)'), Windows.BurnRate) AS BurnRates, Coverage
FROM slo_status
WHERE (Kind, Promise, At) IN (
    SELECT Kind, Promise, max(At) FROM slo_status
    WHERE Promise = {slo:String} OR startsWith(Promise, concat({slo:String}, '/'))
    GROUP BY Kind, Promise
) AND (Promise = {slo:String} OR startsWith(Promise, concat({slo:String}, '/')))
COMMENT 'What is left of a promise: error_budget(slo = ''checkout'')';

CREATE VIEW availability
(
    Component LowCardinality(String) COMMENT 'Name of the service',
    Indicator LowCardinality(String) COMMENT 'Name of the SLI that its promises rest on',
    Generation LowCardinality(String) COMMENT 'Which definition of it counted; figures of two are never mixed',
    Good Float64 COMMENT 'Good events',
    Valid Float64 COMMENT 'Valid events',
    Availability Nullable(Float64) COMMENT 'Good / Valid',
    FirstAt DateTime('UTC') COMMENT 'Start of the first hour, minute or slice with counts',
    LastAt DateTime('UTC') COMMENT 'Start of the newest slice with a valid event'
)
AS WITH
    parseDateTimeBestEffort({from:String}, 'UTC') AS Since, parseDateTimeBestEffort({to:String}, 'UTC') AS Until,
    toStartOfMinute(Since + INTERVAL 59 SECOND) AS FirstMinute, toStartOfMinute(Until) AS EndMinute,
    toStartOfHour(Since + INTERVAL 3599 SECOND) AS FirstHour, toStartOfHour(Until) AS EndHour,
    resting AS (
        SELECT DISTINCT Service, Indicator FROM slo_status
        WHERE Service = {component:String} AND At >= (SELECT max(At) FROM slo_status) - INTERVAL 1 HOUR
    ),
    counted AS (
        SELECT Indicator, Generation, Hour AS At, Good, Valid, GoodExtra, ValidExtra, Newest FROM sli_hours
        WHERE Indicator IN (SELECT Indicator FROM resting) AND Hour >= FirstHour AND Hour < EndHour
        UNION ALL
        SELECT Indicator, Generation, Minute, Good, Valid, GoodExtra, ValidExtra, Newest FROM sli_minutes
        WHERE Indicator IN (SELECT Indicator FROM resting) AND Minute >= FirstMinute AND Minute < EndMinute
            AND NOT (Minute >= FirstHour AND Minute < EndHour)
        UNION ALL
        SELECT Indicator, Generation, Slice, Good, Valid, GoodExtra, ValidExtra, if(Valid > 0, Slice, toDateTime(0, 'UTC'))
        FROM sli_slices
        WHERE Indicator IN (SELECT Indicator FROM resting) AND Slice >= Since AND Slice < Until
            AND NOT (Slice >= FirstMinute AND Slice < EndMinute)
    )
SELECT toLowCardinality({component:String}) AS Component, Indicator, Generation,
    sum(counted.Good) + sum(GoodExtra) / 1e6 AS Good, sum(counted.Valid) + sum(ValidExtra) / 1e6 AS Valid,
    least(Good / nullIf(Valid, 0), 1) AS Availability, min(At) AS FirstAt, max(CAST(Newest, 'DateTime(\'UTC\')')) AS LastAt
FROM counted GROUP BY Indicator, Generation
COMMENT 'What a service delivered: availability(component = ''checkout'', from = ''2026-11-01'', to = now())';

CREATE VIEW breaches_between
(
    Kind LowCardinality(String) COMMENT 'SLO or Agreement',
    Promise String COMMENT 'Name of the objective',
    Service LowCardinality(String) COMMENT 'The service it is about',
    Event LowCardinality(String) COMMENT 'burn_started or target_missed',
    Since DateTime64(3, 'UTC') COMMENT 'Start of the first bad slice of the run that led here',
    At DateTime64(3, 'UTC') COMMENT 'When it was found',
    Until Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was over; NULL while it lasts',
    Window LowCardinality(String) COMMENT 'The window that governs, such as 1h/5m or 2026-11',
    Good UInt64 COMMENT 'Good in that window',
    Valid UInt64 COMMENT 'Valid in that window',
    Target Decimal(18, 12) COMMENT 'Promised share',
    BurnRate Float64 COMMENT 'How many times faster than allowed the budget went in it',
    Threshold Float64 COMMENT 'The burn rate it was held against',
    EvidenceTraceIds Array(String) COMMENT 'Some of the requests that were not good',
    Id String COMMENT 'Of the row in breaches'
)
AS WITH
    parseDateTime64BestEffort({from:String}, 3, 'UTC') AS Begin, parseDateTime64BestEffort({to:String}, 3, 'UTC') AS End,
    changes AS (
        SELECT *, minIf(toNullable(At), breaches.Event IN ('burn_stopped', 'data_ended')) OVER later AS BurnEnd,
            minIf(toNullable(At), breaches.Event IN ('target_regained', 'period_turned', 'data_ended')) OVER later AS MissEnd
        FROM breaches
        WINDOW later AS (PARTITION BY Kind, Promise, Generation ORDER BY At DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
SELECT Kind, Promise, Service, Event, Since, At, if(Event = 'burn_started', BurnEnd, MissEnd) AS Until, Window,
    Good, Valid, Target, BurnRate, Threshold, EvidenceTraceIds, Id
FROM changes
WHERE Event IN ('burn_started', 'target_missed') AND Since < End AND (Until IS NULL OR Until > Begin)
COMMENT 'Who broke what when, with all that lasted into the time asked for: breaches_between(from = ''2026-11-01'', to = now())';

CREATE VIEW incident_cost
(
    Incident String COMMENT 'Id of the incident',
    Title String COMMENT 'What people read',
    StartedAt DateTime64(3, 'UTC') COMMENT 'First bad slice',
    EndedAt DateTime64(3, 'UTC') COMMENT 'When it was over; now while it lasts',
    Kind String COMMENT 'SLO or Agreement; empty where nothing is known of the promise any more',
    Promise String COMMENT 'A promise that it touched',
    Law LowCardinality(String) COMMENT 'How delivery is counted',
    Bad Nullable(Float64) COMMENT 'Events or slices of its time that were not good, as the law counts',
    Budget Nullable(Float64) COMMENT 'How many may be bad in the period that it began in, of those so far',
    BudgetShare Nullable(Float64) COMMENT 'Bad / Budget: what it cost of the budget',
    Period Nullable(String) COMMENT 'That period, if it is closed',
    Verdict LowCardinality(Nullable(String)) COMMENT 'kept, broken, no_data; NULL while the period is not closed',
    CreditShare Nullable(Decimal(18, 12)) COMMENT 'Share of the fee owed for the whole period, once it is closed',
    CreditAmount Nullable(Decimal(18, 2)) COMMENT 'The same as money, where the agreement names a base',
    Currency Nullable(String) COMMENT 'Of CreditAmount'
)
AS WITH
    incident AS (
        SELECT Id, Title, StartedAt, coalesce(ResolvedAt, now64(3, 'UTC')) AS EndedAt, arrayJoin(Promises) AS Promise
        FROM incidents_current WHERE Id = {incident:String}
    ),
    (SELECT (min(StartedAt), max(EndedAt)) FROM incident) AS Span,
    known AS (
        SELECT * FROM slo_status WHERE Promise IN (SELECT Promise FROM incident) AND (Kind, Promise, At) IN (
            SELECT Kind, Promise, max(At) FROM slo_status
            WHERE Promise IN (SELECT Promise FROM incident) AND WindowStart <= Span.1 AND WindowEnd > Span.1
            GROUP BY Kind, Promise
        )
    ),
    events AS (
        SELECT Indicator, Generation, toNullable(sum(Valid) + sum(ValidExtra) / 1e6 - sum(Good) - sum(GoodExtra) / 1e6) AS Bad
        FROM sli_slices
        WHERE (Indicator, Generation) IN (SELECT Indicator, IndicatorGeneration FROM known)
            AND Slice >= toDateTime(Span.1) AND Slice < Span.2
        GROUP BY Indicator, Generation
    ),
    slices AS (
        SELECT Kind, Promise, Generation, toNullable(toFloat64(count())) AS Bad,
            toNullable(sum(1 - Good / nullIf(Valid, 0))) AS Missed
        FROM slice_states_current
        WHERE Promise IN (SELECT Promise FROM incident) AND State = 'bad' AND Slice + Seconds > Span.1 AND Slice < Span.2
        GROUP BY Kind, Promise, Generation
    ),
    closed AS (
        SELECT Kind, Promise, toNullable(Period) AS Period, toNullable(toString(Verdict)) AS Verdict,
            toNullable(CreditShare) AS CreditShare,
            toFloat64OrNull(splitByChar('/', Eligible)[1]) / toFloat64OrNull(splitByChar('/', Eligible)[2]) * (1 - toFloat64(Target)) AS Budget,
            toDecimal64OrNull(JSONExtractString(Record, 'credit', 'amount'), 2) AS CreditAmount,
            nullIf(JSONExtractString(Record, 'credit', 'currency'), '') AS Currency
        FROM period_results
        WHERE Promise IN (SELECT Promise FROM incident) AND PeriodStart <= Span.1 AND PeriodEnd > Span.1
        ORDER BY ClosedAt DESC, Revision DESC LIMIT 1 BY Kind, Promise
    )
SELECT incident.Id AS Incident, incident.Title AS Title, incident.StartedAt AS StartedAt, incident.EndedAt AS EndedAt,
    if(known.Kind != '', known.Kind, closed.Kind) AS Kind, incident.Promise AS Promise, known.Law AS Law,
    multiIf(Law = '', NULL, Law IN ('occurrences', 'request_ratio'), coalesce(events.Bad, 0),
        Law IN ('timeslices', 'downtime_minutes'), coalesce(slices.Bad, 0), coalesce(slices.Missed, 0)) AS Bad,
    coalesce(closed.Budget, if(Law = '', NULL, known.Valid * (1 - toFloat64(known.Target)))) AS Budget,
    Bad / nullIf(Budget, 0) AS BudgetShare, closed.Period AS Period, closed.Verdict AS Verdict,
    closed.CreditShare AS CreditShare, closed.CreditAmount AS CreditAmount, closed.Currency AS Currency
FROM incident
LEFT JOIN known ON known.Promise = incident.Promise
LEFT JOIN events ON events.Indicator = known.Indicator AND events.Generation = known.IndicatorGeneration
LEFT JOIN slices ON slices.Kind = known.Kind AND slices.Promise = known.Promise AND slices.Generation = known.Generation
LEFT JOIN closed ON closed.Promise = incident.Promise AND (known.Kind = '' OR closed.Kind = known.Kind)
COMMENT 'What an incident cost, promise by promise: incident_cost(incident = ''3f1c…'')';

ALTER TABLE otel_traces
    COMMENT COLUMN SpanName 'Name of the operation',
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN SpanAttributes 'What the span says about itself, such as http.route',
    COMMENT COLUMN StatusMessage 'Why the status is Error',
    COMMENT COLUMN `Events.Timestamp` 'When something happened within the span',
    COMMENT COLUMN `Events.Name` 'What happened, such as exception',
    COMMENT COLUMN `Events.Attributes` 'More about it',
    COMMENT COLUMN `Links.TraceId` 'Trace of another span that this one refers to',
    COMMENT COLUMN `Links.SpanId` 'That span',
    COMMENT COLUMN `Links.TraceState` 'Its trace state',
    COMMENT COLUMN `Links.Attributes` 'More about the link';

ALTER TABLE otel_logs
    COMMENT COLUMN TraceFlags 'W3C trace flags; 1 is sampled',
    COMMENT COLUMN SeverityText 'Severity in the words of the source',
    COMMENT COLUMN Body 'The message; JSON where it is not a text',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN LogAttributes 'What the record says about itself',
    COMMENT COLUMN EventName 'Name of the event, where the record is one';

ALTER TABLE otel_metrics_gauge
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN `Exemplars.FilteredAttributes` 'Attributes of an example that the series leaves out',
    COMMENT COLUMN `Exemplars.TimeUnix` 'When the example happened',
    COMMENT COLUMN `Exemplars.Value` 'What the example measured',
    COMMENT COLUMN `Exemplars.SpanId` 'Span of the example',
    COMMENT COLUMN `Exemplars.TraceId` 'Trace of the example';

ALTER TABLE otel_metrics_sum
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN IsMonotonic 'Whether it only grows',
    COMMENT COLUMN `Exemplars.FilteredAttributes` 'Attributes of an example that the series leaves out',
    COMMENT COLUMN `Exemplars.TimeUnix` 'When the example happened',
    COMMENT COLUMN `Exemplars.Value` 'What the example measured',
    COMMENT COLUMN `Exemplars.SpanId` 'Span of the example',
    COMMENT COLUMN `Exemplars.TraceId` 'Trace of the example';

ALTER TABLE otel_metrics_histogram
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN Count 'How many measurements',
    COMMENT COLUMN Sum 'Their sum',
    COMMENT COLUMN `Exemplars.FilteredAttributes` 'Attributes of an example that the series leaves out',
    COMMENT COLUMN `Exemplars.TimeUnix` 'When the example happened',
    COMMENT COLUMN `Exemplars.Value` 'What the example measured',
    COMMENT COLUMN `Exemplars.SpanId` 'Span of the example',
    COMMENT COLUMN `Exemplars.TraceId` 'Trace of the example',
    COMMENT COLUMN Min 'The smallest; 0 if unknown',
    COMMENT COLUMN Max 'The largest; 0 if unknown';

ALTER TABLE otel_metrics_exp_histogram
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN Count 'How many measurements',
    COMMENT COLUMN Sum 'Their sum',
    COMMENT COLUMN ZeroCount 'How many fell into the zero bucket',
    COMMENT COLUMN PositiveOffset 'Index of the first positive bucket',
    COMMENT COLUMN PositiveBucketCounts 'Counts of the positive buckets',
    COMMENT COLUMN NegativeOffset 'Index of the first negative bucket',
    COMMENT COLUMN NegativeBucketCounts 'Counts of the negative buckets',
    COMMENT COLUMN `Exemplars.FilteredAttributes` 'Attributes of an example that the series leaves out',
    COMMENT COLUMN `Exemplars.TimeUnix` 'When the example happened',
    COMMENT COLUMN `Exemplars.Value` 'What the example measured',
    COMMENT COLUMN `Exemplars.SpanId` 'Span of the example',
    COMMENT COLUMN `Exemplars.TraceId` 'Trace of the example',
    COMMENT COLUMN Min 'The smallest; 0 if unknown',
    COMMENT COLUMN Max 'The largest; 0 if unknown';

ALTER TABLE otel_metrics_summary
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN Count 'How many measurements',
    COMMENT COLUMN Sum 'Their sum',
    COMMENT COLUMN `ValueAtQuantiles.Quantile` 'From 0 to 1',
    COMMENT COLUMN `ValueAtQuantiles.Value` 'What that share of measurements does not exceed';

ALTER TABLE sli_slices
    COMMENT COLUMN Good 'How many were good',
    COMMENT COLUMN Valid 'How many counted';

ALTER TABLE sli_minutes
    COMMENT COLUMN Good 'How many were good',
    COMMENT COLUMN Valid 'How many counted';

ALTER TABLE sli_hours
    COMMENT COLUMN Good 'How many were good',
    COMMENT COLUMN Valid 'How many counted';

ALTER TABLE sli_points
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN ReceivedAt 'When it was received';

ALTER TABLE sli_derived
    COMMENT COLUMN Indicator 'Name of the SLI',
    COMMENT COLUMN Generation 'Which definition of it counted',
    COMMENT COLUMN `Group` 'Value of groupBy; empty when not grouped',
    COMMENT COLUMN Valid 'All valid ones that were derived for the slice',
    COMMENT COLUMN ValidAdded 'What of Valid this batch added';

ALTER TABLE definitions
    COMMENT COLUMN Name 'Name of the document';

ALTER TABLE slo_status
    COMMENT COLUMN Generation 'Which wording of the promise',
    COMMENT COLUMN Service 'The service it is about',
    COMMENT COLUMN Indicator 'Name of the SLI that counts for it',
    COMMENT COLUMN IndicatorGeneration 'Which definition of the SLI',
    COMMENT COLUMN WindowStart 'Since when it is counted',
    COMMENT COLUMN WindowEnd 'Until when; of a calendar period its end, which lies ahead',
    COMMENT COLUMN Good 'Good events or slices in the window, as the law counts',
    COMMENT COLUMN Valid 'Valid events or slices in the window, as the law counts',
    COMMENT COLUMN LiveGood 'Good events of the last minute',
    COMMENT COLUMN LiveValid 'Valid events of the last minute',
    COMMENT COLUMN `Windows.Name` 'Length of an alert window, such as 1h',
    COMMENT COLUMN `Windows.Good` 'Good events or slices in it',
    COMMENT COLUMN `Windows.Valid` 'Valid events or slices in it',
    COMMENT COLUMN `Windows.BurnRate` 'How many times faster than allowed the budget went in it';

ALTER TABLE slice_states
    COMMENT COLUMN Generation 'Which wording of the promise';

ALTER TABLE period_results
    COMMENT COLUMN Generation 'Which wording of the promise',
    COMMENT COLUMN Service 'The service it is about',
    COMMENT COLUMN PeriodStart 'Start of the period',
    COMMENT COLUMN PeriodEnd 'End of the period',
    COMMENT COLUMN ClosedAt 'When the books were closed on it',
    COMMENT COLUMN Law 'How delivery is counted',
    COMMENT COLUMN Target 'Promised share',
    COMMENT COLUMN DowntimeS 'Seconds lost, rounded up; 0 where events are counted',
    COMMENT COLUMN Author 'Who closed or corrected it',
    COMMENT COLUMN Reason 'Why';

ALTER TABLE breaches
    COMMENT COLUMN Promise 'Name of the objective',
    COMMENT COLUMN Generation 'Which wording of the promise',
    COMMENT COLUMN Service 'The service it is about',
    COMMENT COLUMN Law 'How delivery is counted',
    COMMENT COLUMN WindowStart 'Start of the window that governs',
    COMMENT COLUMN WindowEnd 'End of the window that governs',
    COMMENT COLUMN Good 'Good in the window that governs',
    COMMENT COLUMN Valid 'Valid in the window that governs',
    COMMENT COLUMN Target 'Promised share',
    COMMENT COLUMN BurnRate 'How many times faster than allowed the budget went in it',
    COMMENT COLUMN Threshold 'The burn rate it was held against';

ALTER TABLE incidents
    COMMENT COLUMN Revision 'From 1; the newest holds',
    COMMENT COLUMN Service 'The service it is about',
    COMMENT COLUMN Title 'What people read',
    COMMENT COLUMN DetectedAt 'When it was noticed',
    COMMENT COLUMN ResolvedAt 'When it was over; NULL while it lasts',
    COMMENT COLUMN Valid 'Requests while it lasted';

ALTER TABLE incident_updates
    COMMENT COLUMN Id 'Follows from what it says',
    COMMENT COLUMN IncidentId 'The incident it is about',
    COMMENT COLUMN At 'When it was said',
    COMMENT COLUMN Body 'What was said',
    COMMENT COLUMN Author 'Who said it';

ALTER TABLE migrations
    COMMENT COLUMN Name 'Name of the file',
    COMMENT COLUMN AppliedAt 'When it was applied';

ALTER TABLE incidents_current
    COMMENT COLUMN Id 'Follows from what it describes',
    COMMENT COLUMN Revision 'The newest',
    COMMENT COLUMN At 'When this revision was written',
    COMMENT COLUMN State 'open, recovering, resolved',
    COMMENT COLUMN Service 'The service it is about',
    COMMENT COLUMN Title 'What people read',
    COMMENT COLUMN Impact 'minor, major, critical',
    COMMENT COLUMN StartedAt 'First bad slice, before it was detected',
    COMMENT COLUMN DetectedAt 'When it was noticed',
    COMMENT COLUMN ResolvedAt 'When it was over; NULL while it lasts',
    COMMENT COLUMN Promises 'The promises it touches',
    COMMENT COLUMN Good 'Good requests while it lasted',
    COMMENT COLUMN Valid 'Requests while it lasted';

ALTER TABLE slice_states_current
    COMMENT COLUMN Kind 'SLO or Agreement',
    COMMENT COLUMN Promise 'Name of the objective',
    COMMENT COLUMN Generation 'Which wording of the promise',
    COMMENT COLUMN Slice 'Start of the slice',
    COMMENT COLUMN Revision 'The newest',
    COMMENT COLUMN At 'When it was found',
    COMMENT COLUMN Seconds 'How much of it is inside of the window and not excluded',
    COMMENT COLUMN State 'good, bad, empty, gap, excluded',
    COMMENT COLUMN Good 'Counted good, whatever the state',
    COMMENT COLUMN Valid 'Counted valid, whatever the state',
    COMMENT COLUMN HeardMs 'How long of it somebody listened';

ALTER TABLE otel_metrics_exponential_histogram
    COMMENT COLUMN ResourceAttributes 'What sent it, such as service.name, host.name, k8s.pod.name',
    COMMENT COLUMN ResourceSchemaUrl 'Version of the semantic conventions of the resource',
    COMMENT COLUMN ScopeName 'Library that made it',
    COMMENT COLUMN ScopeVersion 'Version of that library',
    COMMENT COLUMN ScopeAttributes 'Attributes of that library',
    COMMENT COLUMN ScopeDroppedAttrCount 'Attributes of the scope that the SDK left out',
    COMMENT COLUMN ScopeSchemaUrl 'Version of the semantic conventions of the scope',
    COMMENT COLUMN ServiceName 'Resource attribute service.name',
    COMMENT COLUMN MetricName 'Name of the instrument',
    COMMENT COLUMN MetricDescription 'What the instrument measures',
    COMMENT COLUMN MetricUnit 'UCUM',
    COMMENT COLUMN Attributes 'What tells this series from the others of its metric',
    COMMENT COLUMN StartTimeUnix 'Since when it is counted',
    COMMENT COLUMN TimeUnix 'Until when it is counted',
    COMMENT COLUMN Count 'How many measurements',
    COMMENT COLUMN Sum 'Their sum',
    COMMENT COLUMN Scale 'Buckets grow by 2^(2^-Scale)',
    COMMENT COLUMN ZeroCount 'How many fell into the zero bucket',
    COMMENT COLUMN PositiveOffset 'Index of the first positive bucket',
    COMMENT COLUMN PositiveBucketCounts 'Counts of the positive buckets',
    COMMENT COLUMN NegativeOffset 'Index of the first negative bucket',
    COMMENT COLUMN NegativeBucketCounts 'Counts of the negative buckets',
    COMMENT COLUMN `Exemplars.FilteredAttributes` 'Attributes of an example that the series leaves out',
    COMMENT COLUMN `Exemplars.TimeUnix` 'When the example happened',
    COMMENT COLUMN `Exemplars.Value` 'What the example measured',
    COMMENT COLUMN `Exemplars.SpanId` 'Span of the example',
    COMMENT COLUMN `Exemplars.TraceId` 'Trace of the example',
    COMMENT COLUMN Flags 'Bit 1: no recorded value',
    COMMENT COLUMN Min 'The smallest; 0 if unknown',
    COMMENT COLUMN Max 'The largest; 0 if unknown',
    COMMENT COLUMN AggregationTemporality '1 delta, 2 cumulative',
    COMMENT COLUMN ZeroThreshold 'Half the width of the zero bucket';

ALTER TABLE otel_traces_trace_id_ts_mv
    COMMENT COLUMN TraceId 'Lower-case hex',
    COMMENT COLUMN Start 'Start of the first span',
    COMMENT COLUMN End 'Start of the last span';

ALTER TABLE sli_minutes_mv
    COMMENT COLUMN Indicator 'Name of the SLI',
    COMMENT COLUMN Generation 'Which definition of it counted',
    COMMENT COLUMN Minute 'Start of the minute of event time',
    COMMENT COLUMN Good 'How many were good',
    COMMENT COLUMN Valid 'How many counted',
    COMMENT COLUMN GoodExtra 'What sampled good events stand for beyond themselves, in millionths',
    COMMENT COLUMN ValidExtra 'The same of valid events',
    COMMENT COLUMN Squares 'Sum of their squared weights, less one each',
    COMMENT COLUMN Weighted 'Those whose sampler said a weight',
    COMMENT COLUMN Newest 'Start of the newest slice with a valid event',
    COMMENT COLUMN StoredAt 'When it was stored, by the clock of ClickHouse';

ALTER TABLE sli_hours_mv
    COMMENT COLUMN Indicator 'Name of the SLI',
    COMMENT COLUMN Generation 'Which definition of it counted',
    COMMENT COLUMN Hour 'Start of the hour of event time',
    COMMENT COLUMN Good 'How many were good',
    COMMENT COLUMN Valid 'How many counted',
    COMMENT COLUMN GoodExtra 'What sampled good events stand for beyond themselves, in millionths',
    COMMENT COLUMN ValidExtra 'The same of valid events',
    COMMENT COLUMN Squares 'Sum of their squared weights, less one each',
    COMMENT COLUMN Weighted 'Those whose sampler said a weight',
    COMMENT COLUMN Newest 'Start of the newest slice with a valid event';

ALTER TABLE incidents_current MODIFY COMMENT 'The newest revision of every incident';

ALTER TABLE slice_states_current MODIFY COMMENT 'The newest revision of every slice';

ALTER TABLE otel_metrics_exponential_histogram MODIFY COMMENT 'otel_metrics_exp_histogram under the name that some look for';

ALTER TABLE otel_traces_trace_id_ts_mv MODIFY COMMENT 'Fills otel_traces_trace_id_ts';

ALTER TABLE sli_minutes_mv MODIFY COMMENT 'Fills sli_minutes';

ALTER TABLE sli_hours_mv MODIFY COMMENT 'Fills sli_hours';
