//! Logs: one line an event, to standard error; JSON for machines, coloured text for people.
//!
//! JSON lines are flat: `timestamp`, `level`, `target`, `message` and the event's own fields side by side (so no
//! event names a field like one of those four). Standard output is left to results.
//!
//! Each line of ours has a field `event`, a name that stays when the wording changes: alerts and searches go by it. It
//! is in JSON lines only; people read the message. `docs/log-events.md` lists them all.
//!
//! Promises: a log that cannot be written never stops or fails the service.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::RwLock;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer as LineWriter};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config::Problems;

/// What is logged when nothing else is asked for. The Kafka clients speak of every lost connection, which our own
/// lines report with what is done about it.
pub const DEFAULT_FILTER: &str = "info,krafka=off,rskafka=off";

/// The field that holds the name of what happened.
const EVENT_FIELD: &str = "event";

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people, in colour on a terminal unless `NO_COLOR` is set.
    Pretty,
}

/// Logging was set up before.
#[derive(Debug, thiserror::Error)]
#[error("logging is set up already in this process")]
pub struct AlreadySetUp;

/// Which way lines take to the terminal; see [`write_through`].
type Through = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

static THROUGH: RwLock<Option<Through>> = RwLock::new(None);

/// Sets up logging for the process.
///
/// # Errors
/// [`AlreadySetUp`] at the second call.
pub fn init(format: LogFormat, filter: EnvFilter) -> Result<(), AlreadySetUp> {
    let on_terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let colour = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    subscriber(json, colour, filter, StandardError::default).try_init().map_err(|_| AlreadySetUp)
}

/// Has every later log line written inside `through`, which must call its argument once: the way for a progress bar
/// to step aside, e.g. `|write| bar.suspend(write)`. `None` ends that.
pub fn write_through(through: Option<Through>) {
    *THROUGH.write().unwrap_or_else(std::sync::PoisonError::into_inner) = through;
}

impl Problems {
    /// `LOG_FORMAT`.
    pub fn log_format(&mut self, setting: &'static str, given: &Option<String>) -> LogFormat {
        let choices = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("pretty", LogFormat::Pretty)];
        self.one_of(setting, given, "auto", &choices)
    }

    /// `RUST_LOG`: a level, or `target=level` pairs separated by commas. What is given replaces the default as a whole.
    pub fn log_filter(&mut self, setting: &'static str, given: &Option<String>, default: &'static str) -> EnvFilter {
        let valid = "a level (error, warn, info, debug, trace, off) or target=level, several separated by commas";
        let filter = self.parsed(setting, given, Some(default), valid, filter);
        filter.unwrap_or_else(|| EnvFilter::new(default))
    }
}

/// Reads a filter. A lone word that is no level would name a target and silence everything else, which a mistyped
/// level (`inof`, `warning`) never means: it is refused.
fn filter(text: &str) -> Result<EnvFilter, String> {
    for part in text.split(',').map(str::trim) {
        let is_word = !part.contains(['=', '[', ':']);
        let is_level = !part.is_empty() && part.parse::<tracing::level_filters::LevelFilter>().is_ok();
        if is_word && !is_level {
            return Err(format!("has {part:?}, which is no level"));
        }
    }
    EnvFilter::builder().parse(text).map_err(|error| format!("is not a filter ({error})"))
}

fn subscriber<W>(json: bool, colour: bool, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    if json {
        Box::new(base.json().flatten_event(true).with_current_span(false).with_span_list(false).finish())
    } else {
        Box::new(base.compact().with_ansi(colour).fmt_fields(FieldsForPeople).finish())
    }
}

/// Message and fields as usual, but for the name of the event, which is for machines.
struct FieldsForPeople;

impl<'w> FormatFields<'w> for FieldsForPeople {
    fn format_fields<R: RecordFields>(&self, writer: LineWriter<'w>, fields: R) -> fmt::Result {
        let mut visitor = WithoutEvent(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}

struct WithoutEvent<'w>(DefaultVisitor<'w>);

impl Visit for WithoutEvent<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != EVENT_FIELD {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.record_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.record_debug(field, value);
    }
}

/// Collects one line and writes it in one piece when dropped, so that lines of several threads never mix.
#[derive(Default)]
struct StandardError {
    line: Vec<u8>,
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for StandardError {
    fn drop(&mut self) {
        // Standard error that cannot be written (its reader has gone, a full disk) must not stop the service.
        let mut write = || drop(io::stderr().lock().write_all(&self.line));
        match THROUGH.read() {
            Ok(through) => match through.as_ref() {
                Some(through) => through(&mut write),
                None => write(),
            },
            Err(_) => write(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter_text: &str, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(json, false, filter(filter_text).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_all_fields_at_the_top() {
        let text = logged(true, DEFAULT_FILTER, || {
            let _span = tracing::info_span!("partition", partition = 3).entered();
            tracing::warn!(target: "tally", event = "disk_slow", partition = 3, topic = "a\nb", "slow");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "tally");
        assert_eq!(line["message"], "slow");
        assert_eq!(line["event"], "disk_slow");
        assert_eq!(line["partition"], 3);
        assert_eq!(line["topic"], "a\nb");
        chrono::DateTime::parse_from_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
        assert!(line.as_object().unwrap().values().all(|value| !value.is_object()), "{line}");
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn a_line_for_people_has_every_field_but_the_name_of_the_event() {
        let text = logged(false, DEFAULT_FILTER, || {
            tracing::warn!(target: "tally", event = "disk_slow", partition = 3, topic = "a b", "slow: {}", 7);
        });
        assert!(text.ends_with(" WARN tally: slow: 7 partition=3 topic=\"a b\"\n"), "{text}");
    }

    #[test]
    fn the_default_filter_quietens_the_kafka_clients_only() {
        let text = logged(false, DEFAULT_FILTER, || {
            tracing::info!(target: "consumer", "ours");
            tracing::debug!(target: "consumer", "detail");
            tracing::info!(target: "rskafka::client", "chatter");
            tracing::warn!(target: "krafka::network::pool", "lost");
            tracing::warn!(target: "krafka::group", "rebalance");
        });
        let words: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(words, ["ours"]);
    }

    #[test]
    fn lines_take_the_way_they_are_given_each_in_one_piece() {
        let calls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        write_through(Some(Box::new(move |write| {
            *counted.lock().unwrap() += 1;
            write();
        })));
        let mut line = StandardError::default();
        line.write_all(b"half a line, ").unwrap();
        line.write_all(b"written by a test of logging\n").unwrap();
        assert_eq!(*calls.lock().unwrap(), 0);
        drop(line);
        assert_eq!(*calls.lock().unwrap(), 1);
        write_through(None);
        drop(StandardError::default());
        assert_eq!(*calls.lock().unwrap(), 1);
    }

    #[test]
    fn a_mistyped_filter_is_refused() {
        for good in ["debug", "INFO", "off", "info,tally=debug", "common::kafka=trace", "warn,[span{field=1}]=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "warning", "info,", "tally=loud", "info,tally==debug", "x=y=z"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
