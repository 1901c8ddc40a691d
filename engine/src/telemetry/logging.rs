//! The log, on standard error: lines for people on a terminal, JSON otherwise.
//!
//! Records are hostile text, and a terminal obeys control characters: whatever a field holds is escaped before
//! it is written for people. JSON escapes them by itself.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::Writer;

use crate::config::LogConfig;
use crate::config::written::LogFormat;

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is not one, nor directives.
    #[error("log.level: {0}")]
    Level(String),
    /// Something else is set up already.
    #[error("the log is set up already: {0}")]
    Taken(String),
}

/// Sets up the log of the process. Once.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder().parse(&config.level).map_err(|error| LoggingError::Level(error.to_string()))?;
    let terminal = io::stderr().is_terminal();
    let human = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = if human {
        builder.with_ansi(terminal).fmt_fields(Escaped).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    set.map_err(|error| LoggingError::Taken(error.to_string()))
}

/// Writes `message key=value …` with control characters escaped.
struct Escaped;

struct Line<'a> {
    writer: Writer<'a>,
    empty: bool,
    result: fmt::Result,
}

impl<'a> MakeVisitor<Writer<'a>> for Escaped {
    type Visitor = Line<'a>;

    fn make_visitor(&self, writer: Writer<'a>) -> Line<'a> {
        Line { writer, empty: true, result: Ok(()) }
    }
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.empty) {
            self.writer.write_char(' ')?;
        }
        if field.name() != "message" {
            write!(self.writer, "{}=", field.name())?;
        }
        Escaping(&mut self.writer).write_fmt(value)
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.result = self.result.and_then(|()| self.write(field, format_args!("{value}")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.result = self.result.and_then(|()| self.write(field, format_args!("{value:?}")));
    }
}

impl VisitOutput<fmt::Result> for Line<'_> {
    fn finish(self) -> fmt::Result {
        self.result
    }
}

impl VisitFmt for Line<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        &mut self.writer
    }
}

/// Escapes control characters, and those that turn the direction of text around.
struct Escaping<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for found in text.chars() {
            if found.is_control() || matches!(found, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                write!(self.0, "{}", found.escape_default())?;
            } else {
                self.0.write_char(found)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn hostile_text_is_one_plain_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let subscriber = builder.with_ansi(false).fmt_fields(Escaped).finish();
        let hostile = "AWSCLI\u{1b}[2J\n2026-01-01 INFO all is well \u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("file", path = %hostile);
            span.in_scope(|| tracing::info!(agent = %hostile, quoted = ?hostile, plain = hostile, "read {hostile}"));
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(|found| found.is_control() || found == '\u{202e}'), "{text:?}");
        assert_eq!(text.matches("all is well").count(), 5, "{text}");
    }
}
