//! `insights list`, `insights show`: the history, read through the same queries as the API.

use std::io::{self, Write};

use serde_json::Value;
use trailsight_schemas::time::format_rfc3339;

use super::args::{InsightsAction, InsightsArgs, ListArgs, OutputFormat, ShowArgs};
use super::exit::{self, Exit, Failure};
use super::line::named;
use super::table::{Table, plain};
use crate::config::{self, Config, units::Span};
use crate::http::{self, Filter, IncidentView, Insight, InsightReader, QueryError};

/// Incidents where `--limit` says nothing.
const DEFAULT_LIMIT: u32 = 50;

/// Opens the history that a configuration names.
pub(super) type Open<'a> = &'a mut dyn FnMut(&Config) -> Result<Box<dyn InsightReader>, Failure>;

/// `now`: milliseconds since the epoch, for `--since 24h`.
pub(super) fn run(args: &InsightsArgs, now: i64, open: Open<'_>, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.action {
        None => list(&args.list, now, open, out),
        Some(InsightsAction::List(args)) => list(args, now, open, out),
        Some(InsightsAction::Show(args)) => show(args, open, out),
    }
}

fn list(args: &ListArgs, now: i64, open: Open<'_>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let filter = filter(args, now)?;
    let reader = open(&config::load(&args.location.inputs())?)?;
    let insights = read(reader.as_ref(), &filter, args.limit.unwrap_or(DEFAULT_LIMIT) as usize)?;
    exit::written(match OutputFormat::or_suited(args.output_format) {
        OutputFormat::Ndjson => insights.iter().try_for_each(|insight| records(insight, out)),
        OutputFormat::Human if insights.is_empty() => writeln!(out, "no insights"),
        OutputFormat::Human => {
            let width = width();
            table(&insights, width).write(width, out)
        }
    })
}

/// Page after page, until there are enough.
fn read(reader: &dyn InsightReader, filter: &Filter, limit: usize) -> Result<Vec<Insight>, Failure> {
    let mut insights = Vec::new();
    let mut cursor: Option<String> = None;
    while insights.len() < limit {
        let wanted = (limit - insights.len()).min(http::LIMIT.1);
        let page = reader.insights(filter, wanted, cursor.as_deref()).map_err(failed)?;
        insights.extend(page.insights);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    insights.truncate(limit);
    Ok(insights)
}

/// The filters of the API, and times that are so long ago.
fn filter(args: &ListArgs, now: i64) -> Result<Filter, Failure> {
    let time = |given: &Option<String>| {
        let given = given.as_ref()?;
        let ago = Span::parse(given).and_then(|span| i64::try_from(span.0).ok());
        Some(ago.map_or_else(|| given.clone(), |ago| format_rfc3339((now.saturating_sub(ago)).div_euclid(1000))))
    };
    let given = [
        ("since", time(&args.since)),
        ("until", time(&args.until)),
        ("sensitivity", args.sensitivity.clone()),
        ("account", args.account.clone()),
        ("region", args.region.clone()),
        ("source", args.source.clone()),
        ("name", args.name.clone()),
        ("type", args.r#type.clone()),
        ("state", args.state.clone()),
    ];
    let pairs = given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    http::parse_filter(pairs).map(|parsed| parsed.filter).map_err(|error| Failure::Usage(error.to_string()))
}

fn show(args: &ShowArgs, open: Open<'_>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let reader = open(&config::load(&args.location.inputs())?)?;
    let Some(view) = reader.insight(&args.id).map_err(failed)? else {
        return Err(Failure::Usage(format!("there is no insight {}", args.id)));
    };
    exit::written(match OutputFormat::or_suited(args.output_format) {
        OutputFormat::Ndjson => view.records.iter().try_for_each(|record| writeln!(out, "{}", record.get())),
        OutputFormat::Human => describe(&view, out),
    })
}

fn failed(error: QueryError) -> Failure {
    Failure::Failed(anyhow::Error::new(error))
}

/// Start and End as they were recorded.
fn records(insight: &Insight, out: &mut dyn Write) -> io::Result<()> {
    let both = insight.start.iter().chain(&insight.end);
    both.into_iter().try_for_each(|record| writeln!(out, "{}", record.get()))
}

/// One line an incident where the terminal is wide enough, two where it is not.
fn table(insights: &[Insight], width: Option<usize>) -> Table {
    let wide = wide(insights);
    if width.is_none_or(|width| wide.least() <= width) { wide } else { narrow(insights) }
}

fn wide(insights: &[Insight]) -> Table {
    let head = ["START", "LENGTH", "LEVEL", "KIND", "RATE", "BASELINE", "ACCOUNT", "REGION", "ID", "API"];
    let mut table = Table::new(&head);
    for insight in insights {
        let facts = Facts::of(insight);
        let id = insight.shared_event_id.to_string();
        let Facts { start, length, level, kind, rate, baseline, account, region, api } = &facts;
        table.row([start, length, level, kind, rate, baseline, account, region, &id, api].map(String::as_str));
    }
    table
}

fn narrow(insights: &[Insight]) -> Table {
    let mut table = Table::new(&["START", "LENGTH", "LEVEL", "KIND", "RATE", "API"]);
    for insight in insights {
        let facts = Facts::of(insight);
        let Facts { start, length, level, kind, rate, api, .. } = &facts;
        table.row([start, length, level, kind, rate, api].map(String::as_str));
        table.below(&format!("{}  {} {}", insight.shared_event_id, facts.account, facts.region));
    }
    table
}

/// What a person reads of a record.
struct Facts {
    start: String,
    length: String,
    level: String,
    kind: String,
    rate: String,
    baseline: String,
    account: String,
    region: String,
    api: String,
}

impl Facts {
    fn of(insight: &Insight) -> Facts {
        let parse = |record: &Option<Box<serde_json::value::RawValue>>| -> Value {
            record.as_ref().and_then(|record| serde_json::from_str(record.get()).ok()).unwrap_or_default()
        };
        let (start, end) = (parse(&insight.start), parse(&insight.end));
        let newest = if end.is_null() { &start } else { &end };
        let details = &newest["insightDetails"];
        let statistics = &details["insightContext"]["statistics"];
        let length = match (&insight.muted_by, statistics["insightDuration"].as_u64()) {
            (Some(_), _) => "muted".to_owned(),
            (None, Some(minutes)) if !end.is_null() => Span::minutes(minutes).to_string(),
            _ => "open".to_owned(),
        };
        let what = match details["insightType"].as_str() {
            Some("ApiCallRateInsight") => "calls",
            Some("ApiErrorRateInsight") => "errors",
            other => other.unwrap_or("-"),
        };
        let direction = if newest["trailsight"]["direction"] == "below" { "below" } else { "above" };
        let started = if start.is_null() { newest } else { &start };
        let code = details["errorCode"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        let source = text(&details["eventSource"]);
        Facts {
            // Always a whole minute.
            start: text(&started["eventTime"]).replace('T', " ").replace(":00Z", "Z"),
            length,
            level: text(&newest["trailsight"]["sensitivity"]),
            kind: format!("{what} {direction}"),
            rate: rate(&statistics["insight"]["average"]),
            baseline: rate(&statistics["baseline"]["average"]),
            account: named(&text(&newest["recipientAccountId"]), insight.alias.as_deref()),
            region: text(&newest["awsRegion"]),
            api: format!("{}:{}{code}", source.trim_end_matches(".amazonaws.com"), text(&details["eventName"])),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// Calls a minute with three significant figures.
fn rate(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(0.0) => "0/min".to_owned(),
        Some(rate) => {
            let figures = 2 - rate.abs().log10().floor() as i32;
            let digits = usize::try_from(figures.clamp(0, 10)).unwrap_or(0);
            let written = format!("{rate:.digits$}");
            let short = if digits > 0 { written.trim_end_matches('0').trim_end_matches('.') } else { &written };
            format!("{short}/min")
        }
    }
}

fn describe(view: &IncidentView, out: &mut dyn Write) -> io::Result<()> {
    let facts = Facts::of(&view.insight);
    for (name, value) in [
        ("id", &view.insight.shared_event_id.to_string()),
        ("api", &facts.api),
        ("kind", &facts.kind),
        ("account", &facts.account),
        ("region", &facts.region),
        ("start", &facts.start),
        ("length", &facts.length),
        ("level", &facts.level),
        ("rate", &facts.rate),
        ("baseline", &facts.baseline),
    ] {
        writeln!(out, "{name:<9} {}", plain(value))?;
    }
    if let Some(mute) = &view.insight.muted_by {
        writeln!(out, "muted by  {}", plain(mute))?;
    }
    if !view.explanation.is_empty() {
        writeln!(out)?;
        view.explanation.iter().try_for_each(|sentence| writeln!(out, "{}", plain(sentence)))?;
    }
    recommendations(view, out)?;
    let newest = view.insight.end.as_ref().or(view.insight.start.as_ref());
    let record: Value = newest.and_then(|record| serde_json::from_str(record.get()).ok()).unwrap_or_default();
    attributions(&record["insightDetails"]["insightContext"]["attributions"], out)?;
    deliveries(view, out)
}

/// What to look at next, each command on a line of its own.
fn recommendations(view: &IncidentView, out: &mut dyn Write) -> io::Result<()> {
    let start = view.insight.start.as_ref();
    let record: Value = start.and_then(|record| serde_json::from_str(record.get()).ok()).unwrap_or_default();
    for step in record["trailsight"]["recommendations"].as_array().into_iter().flatten() {
        writeln!(out, "\n{}", plain(&text(&step["text"])))?;
        if let Some(command) = step["command"].as_str() {
            writeln!(out, "  {}", plain(command))?;
        }
    }
    Ok(())
}

/// Who, with what, and how it failed: during the incident against before.
fn attributions(attributions: &Value, out: &mut dyn Write) -> io::Result<()> {
    for attributed in attributions.as_array().into_iter().flatten() {
        writeln!(out)?;
        let mut table = Table::new(&["RATE", "DURING", &text(&attributed["attribute"])]);
        for (during, name) in [("incident", "insight"), ("before", "baseline")] {
            for value in attributed[name].as_array().into_iter().flatten() {
                table.row([rate(&value["average"]).as_str(), during, &text(&value["value"])]);
            }
        }
        table.write(width(), out)?;
    }
    Ok(())
}

fn deliveries(view: &IncidentView, out: &mut dyn Write) -> io::Result<()> {
    if view.deliveries.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(&["SINK", "STATE", "ATTEMPTS", "EVENT", "LAST ERROR"]);
    for delivery in &view.deliveries {
        table.row([
            delivery.sink.as_str(),
            delivery.state,
            &delivery.attempts.to_string(),
            &delivery.event_id.to_string(),
            delivery.last_error.as_deref().unwrap_or(""),
        ]);
    }
    table.write(width(), out)
}

/// Columns of the terminal; `None` where there is none.
fn width() -> Option<usize> {
    use std::io::IsTerminal;
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_figures() {
        for (value, expected) in [
            (0.0, "0/min"),
            (0.0000882, "0.0000882/min"),
            (0.6, "0.6/min"),
            (664.0, "664/min"),
            (12345.0, "12345/min"),
            (85.420_238_095_2, "85.4/min"),
            (1e-30, "0/min"),
        ] {
            assert_eq!(rate(&value.into()), expected);
        }
        assert_eq!(rate(&Value::Null), "-");
    }

    #[test]
    fn a_narrow_terminal_gets_two_lines() {
        let incident = Insight {
            shared_event_id: uuid::Uuid::nil(),
            start: serde_json::value::RawValue::from_string("{\"awsRegion\":\"eu-west-1\"}".to_owned()).ok(),
            end: None,
            revision: 0,
            muted_by: None,
            alias: None,
        };
        for (width, lines) in [(Some(80), 3), (Some(200), 2), (None, 2)] {
            let mut out = Vec::new();
            table(std::slice::from_ref(&incident), width).write(width, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.lines().all(|line| line.len() <= width.unwrap_or(usize::MAX)), "{text}");
            assert!(text.contains("00000000-0000-0000-0000-000000000000") && text.contains("eu-west-1"), "{text}");
        }
    }
}
