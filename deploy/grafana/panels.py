"""What the dashboards show: titles, descriptions, units, queries. generate.py makes the JSON of it.

`S` selects the instances that are picked above; `other` collects what is not configured and is left out.
"""

S = 'job=~"$job", instance=~"$instance"'
JOB = ("job", "Job", "label_values(trailsight_build_info, job)")
INSTANCE = ("instance", "Instance", 'label_values(trailsight_build_info{job=~"$job"}, instance)')
INSIGHTS = (
    "Insights",
    "orange",
    f"sum by (type, sensitivity) (increase(trailsight_insights_total{{{S}}}[1m])) > 0",
    "{{type}} ({{sensitivity}})",
)


def panel(kind, title, says, unit, *queries, **more):
    return {"kind": kind, "title": title, "says": says, "unit": unit, "queries": queries, **more}


def quantile(q, metric, by="", where=""):
    labels = f"le, {by}" if by else "le"
    select = f"{S}, {where}" if where else S
    return f"histogram_quantile({q}, sum by ({labels}) (rate(trailsight_{metric}_bucket{{{select}}}[$__rate_interval])))"


OVERVIEW = {
    "title": "Trailsight / Overview",
    "says": "Insights, where records come from, where insights go.",
    "variables": [JOB, INSTANCE],
    "annotations": [],
    "rows": [
        ("Now", [
            panel("stat", "Open incidents", "Incidents that have not ended.", "short",
                  (f"sum(trailsight_incidents_open{{{S}}})", ""), steps=[(1, "orange")]),
            panel("stat", "Insights", "Starts recorded in the time shown above.", "short",
                  (f"sum(increase(trailsight_insights_total{{{S}}}[$__range]))", ""), decimals=0, steps=[(50, "red")]),
            panel("stat", "Event delay", "Half of the events are counted within this time after they happened.", "s",
                  (quantile(0.5, "event_delay_seconds"), ""), steps=[(900, "orange"), (1800, "red")]),
            panel("stat", "Detection", "99 of 100 Starts are in the outbox within this time after the record came.", "s",
                  (quantile(0.99, "detection_seconds"), ""), steps=[(1, "orange"), (5, "red")],
                  empty="no insight lately"),
            panel("stat", "Waiting for delivery", "Insights in the outbox of all sinks.", "short",
                  (f'sum(trailsight_outbox_rows{{{S}, sink!="other"}})', ""), steps=[(10, "orange"), (100, "red")],
                  empty="no sink"),
            panel("stat", "Dead letters", "Records that could not be read, in the time shown above.", "short",
                  (f'sum(increase(trailsight_records_total{{{S}, outcome="dead_letter"}}[$__range]))', ""),
                  decimals=0, steps=[(1, "orange")]),
        ]),
        ("Insights", [
            panel("timeseries", "Insights by level", "Starts recorded, by the strictest level at which they fire.",
                  "short", (f"sum by (sensitivity) (increase(trailsight_insights_total{{{S}}}[$__rate_interval]))",
                            "{{sensitivity}}"), bars=True, min=0),
            panel("timeseries", "Open incidents by type", "Incidents that have not ended.", "short",
                  (f"sum by (type, direction) (trailsight_incidents_open{{{S}}})", "{{type}} {{direction}}"), min=0),
        ]),
        ("Sources", [
            panel("timeseries", "Records", "Records read, by source and what became of them.", "ops",
                  (f'sum by (source, outcome) (rate(trailsight_records_total{{{S}, source!="other"}}[$__rate_interval]))',
                   "{{source}} {{outcome}}"), min=0),
            panel("timeseries", "Bytes", "Bytes read, as received: compressed where they come compressed.", "Bps",
                  (f'sum by (source) (rate(trailsight_source_bytes_total{{{S}, source!="other"}}[$__rate_interval]))',
                   "{{source}}"), min=0),
            panel("timeseries", "Age of the newest event", "How old the newest event of each source is. CloudTrail "
                  "itself delivers within about ten minutes.", "s",
                  (f'max by (source) (trailsight_source_lag_seconds{{{S}, source!="other"}})', "{{source}}"), min=0),
            panel("timeseries", "Waiting at the source", "Files or messages that are known to wait.", "short",
                  (f'sum by (source) (trailsight_source_lag_records{{{S}, source!="other"}})', "{{source}}"), min=0),
            panel("timeseries", "Not read", "Records that could not be read, by source and reason. They are in the "
                  "dead letter.", "ops",
                  (f"sum by (source, reason) (rate(trailsight_dead_letters_total{{{S}}}[$__rate_interval]))",
                   "{{source}} {{reason}}"), min=0, empty="none since the start"),
            panel("timeseries", "Late and paused", "Records older than the watermark when they came, a second; and "
                  "1 while a source waits for the engine.", "short",
                  (f'sum by (source) (rate(trailsight_late_records_total{{{S}, source!="other"}}[$__rate_interval]))',
                   "{{source}} late"),
                  (f'max by (source) (trailsight_source_paused{{{S}, source!="other"}})', "{{source}} paused"), min=0),
        ]),
        ("Delivery", [
            panel("timeseries", "Attempts", "Attempts to deliver, by sink and what came of them.", "ops",
                  (f'sum by (sink, outcome) (rate(trailsight_deliveries_total{{{S}, sink!="other"}}[$__rate_interval]))',
                   "{{sink}} {{outcome}}"), min=0, empty="no sink"),
            panel("timeseries", "Outbox", "Insights that wait, by sink.", "short",
                  (f'sum by (sink) (trailsight_outbox_rows{{{S}, sink!="other"}})', "{{sink}}"), min=0, empty="no sink"),
            panel("timeseries", "Longest wait", "Age of the insight that has waited longest, by sink.", "s",
                  (f'max by (sink) (trailsight_outbox_oldest_seconds{{{S}, sink!="other"}})', "{{sink}}"),
                  min=0, empty="no sink"),
            panel("timeseries", "Muted", "Insights kept from people by a mute. They are recorded all the same.", "short",
                  (f'sum by (mute) (increase(trailsight_muted_total{{{S}, mute!="other"}}[$__rate_interval]))',
                   "{{mute}}"), bars=True, min=0, empty="no mute"),
        ]),
    ],
}

ONE = (f'{S}, account=~"$account", region=~"$region", event_source=~"$event_source", event_name=~"$event_name", '
       'error_code=~"$error_code"')
BY = "account, region, event_source, event_name, error_code"
NAMED = "{{account}} {{region}} {{event_source}} {{event_name}} {{error_code}}"


def of_series(name, label, before=""):
    where = f'job=~"$job", instance=~"$instance"{before}'
    return (name, label, f"label_values(trailsight_series_expected{{{where}}}, {name})")


API = {
    "title": "Trailsight / API",
    "says": "Observed against expected, of the series that metrics.series_limit lets show.",
    "variables": [
        JOB,
        INSTANCE,
        of_series("account", "Account"),
        of_series("region", "Region", ', account=~"$account"'),
        of_series("event_source", "Event source", ', account=~"$account"'),
        of_series("event_name", "API", ', account=~"$account", event_source=~"$event_source"'),
        of_series("error_code", "Error code", ', account=~"$account", event_name=~"$event_name"'),
    ],
    "annotations": [INSIGHTS],
    "rows": [
        ("Chosen series", [
            panel("timeseries", "Observed", "Calls (or errors, where a code is named) in the newest closed minute.",
                  "short", (f"sum by ({BY}) (trailsight_series_observed{{{ONE}}})", NAMED), min=0),
            panel("timeseries", "Expected", "What the baseline expected in that minute.", "short",
                  (f"sum by ({BY}) (trailsight_series_expected{{{ONE}}})", NAMED), min=0),
            panel("timeseries", "Observed against expected", "Sums over the chosen series. Apart for long: look at the "
                  "series one by one.", "short",
                  (f"sum(trailsight_series_observed{{{ONE}}})", "observed"),
                  (f"sum(trailsight_series_expected{{{ONE}}})", "expected"), min=0),
            panel("timeseries", "Farthest above", "The ten series with the largest ratio of observed to expected; "
                  "series of which less than one call in ten minutes is expected are left out.", "none",
                  (f"topk(10, sum by ({BY}) (trailsight_series_observed{{{ONE}}}) / "
                   f"(sum by ({BY}) (trailsight_series_expected{{{ONE}}}) > 0.1))", NAMED), min=0),
        ]),
        ("Newest closed minute", [
            panel("table", "All of them", "Observed and expected of each chosen series now.", "short",
                  (f"sum by ({BY}) (trailsight_series_observed{{{ONE}}})", ""),
                  (f"sum by ({BY}) (trailsight_series_expected{{{ONE}}})", ""),
                  hidden=["Time"], decimals=2,
                  renamed={"Value #A": "observed", "Value #B": "expected", "account": "account", "region": "Region",
                           "event_source": "source", "event_name": "API", "error_code": "error code"}),
        ]),
        ("Context", [
            panel("timeseries", "Insights by type", "Starts recorded, all series.", "short",
                  (f"sum by (type) (increase(trailsight_insights_total{{{S}}}[$__rate_interval]))", "{{type}}"),
                  bars=True, min=0),
            panel("timeseries", "Series shown", "Series whose gauges are on, against all that are watched.", "short",
                  (f"count(trailsight_series_expected{{{S}}})", "shown"),
                  (f"sum by (kind) (trailsight_series{{{S}}})", "{{kind}}"), min=0),
        ]),
    ],
}

OPERATIONS = {
    "title": "Trailsight / Operations",
    "says": "The journal, snapshots, memory, disk, latencies.",
    "variables": [JOB, INSTANCE],
    "annotations": [INSIGHTS],
    "rows": [
        ("Now", [
            panel("stat", "Version", "Which build runs.", "none",
                  (f"count by (version, revision) (trailsight_build_info{{{S}}})", "{{version}} {{revision}}")),
            panel("stat", "Watermark", "How far behind now minutes are closed. Simulated time may be ahead.", "s",
                  (f"time() - min(trailsight_watermark_timestamp_seconds{{{S}}} > 0)", ""),
                  steps=[(1800, "orange"), (3600, "red")]),
            panel("stat", "Snapshots", "Age of the newest whole round of snapshots.", "s",
                  (f"time() - min(trailsight_snapshot_timestamp_seconds{{{S}}} > 0)", ""),
                  steps=[(3600, "orange"), (7200, "red")], empty="none yet"),
            panel("stat", "Series", "Series in memory.", "short", (f"sum(trailsight_series{{{S}}})", "")),
            panel("stat", "Disk left", "Of the file system of the data directory.", "percentunit",
                  (f"min(trailsight_disk_free_bytes{{{S}}} / trailsight_disk_size_bytes{{{S}}})", ""), min=0, max=1),
            panel("stat", "Evicted", "Series evicted at limits.series, in the time shown above.", "short",
                  (f"sum(increase(trailsight_series_evicted_total{{{S}}}[$__range]))", ""), decimals=0,
                  steps=[(1, "red")]),
        ]),
        ("Journal", [
            panel("timeseries", "Time until an entry is durable", "Mostly the disk's time for one fsync.", "s",
                  *[(quantile(q, "journal_commit_seconds"), f"p{int(q * 100)}") for q in (0.5, 0.9, 0.99)], min=0),
            panel("timeseries", "Entries", "Entries appended.", "ops",
                  (f"sum by (instance) (rate(trailsight_journal_entries_total{{{S}}}[$__rate_interval]))",
                   "{{instance}}"), min=0),
            panel("timeseries", "Bytes", "Bytes appended.", "Bps",
                  (f"sum by (instance) (rate(trailsight_journal_bytes_total{{{S}}}[$__rate_interval]))",
                   "{{instance}}"), min=0),
            panel("timeseries", "Disk", "Space on the file system of the data directory.", "bytes",
                  (f"min by (instance) (trailsight_disk_free_bytes{{{S}}})", "{{instance}} free"),
                  (f"min by (instance) (trailsight_disk_size_bytes{{{S}}})", "{{instance}} size"), min=0),
        ]),
        ("State", [
            panel("timeseries", "Memory of state", "What state holds, by kind.", "bytes",
                  (f"sum by (kind) (trailsight_state_bytes{{{S}}})", "{{kind}}"), min=0),
            panel("timeseries", "Against its limit", "At 1 the coldest part is forgotten.", "percentunit",
                  (f"max by (kind) (trailsight_state_bytes{{{S}}} / (trailsight_state_limit_bytes{{{S}}} > 0))",
                   "{{kind}}"), min=0, max=1),
            panel("timeseries", "Series by kind", "Series in memory.", "short",
                  (f"sum by (kind) (trailsight_series{{{S}}})", "{{kind}}"), min=0),
            panel("timeseries", "Watermark behind now", "How far behind now minutes are closed.", "s",
                  (f"time() - min by (instance) (trailsight_watermark_timestamp_seconds{{{S}}} > 0)", "{{instance}}")),
        ]),
        ("Latency", [
            panel("timeseries", "Detection", "From a record being taken to its Start being in the outbox.", "s",
                  *[(quantile(q, "detection_seconds"), f"p{int(q * 100)}") for q in (0.5, 0.99)], min=0,
                  empty="no insight lately"),
            panel("timeseries", "Event delay", "From the time of an event to its being counted.", "s",
                  *[(quantile(q, "event_delay_seconds"), f"p{int(q * 100)}") for q in (0.5, 0.95)], min=0),
            panel("timeseries", "Delivery", "Time of one attempt, by sink.", "s",
                  (quantile(0.99, "delivery_seconds", "sink", 'sink!="other"'), "{{sink}} p99"), min=0,
                  empty="no sink"),
            panel("timeseries", "Sources waiting", "1 while a source waits for the engine.", "short",
                  (f'max by (instance, source) (trailsight_source_paused{{{S}, source!="other"}})',
                   "{{instance}} {{source}}"), min=0, max=1),
        ]),
    ],
}

DASHBOARDS = {"trailsight-overview": OVERVIEW, "trailsight-api": API, "trailsight-operations": OPERATIONS}
