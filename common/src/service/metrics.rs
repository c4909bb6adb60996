//! Metrics: one registry a process, names that begin with the program's, and what the process itself costs.
//!
//! Recording is what prometheus-client's own types do (an atomic operation); this adds only where they live, how they
//! are written out and the standard `process_…` metrics.
//!
//! They are written as OpenMetrics text, or as Prometheus' protobuf for whoever would rather have that: native histograms
//! exist in nothing else.

mod accept;

use super::http::Turns;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::prometheus_protobuf;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::process::ProcessCollector;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of [`Metrics::encode_protobuf`].
pub const PROTOBUF_CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The metrics of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics {
    registries: Arc<Mutex<Registries>>,
    turns: Turns,
}

#[derive(Debug)]
struct Registries {
    /// Ours, all with the program's prefix.
    program: Registry,
    /// Names that every Prometheus dashboard knows, so without it.
    process: Registry,
}

impl Metrics {
    /// An empty registry whose names begin with `prefix` and `_`, but for `<prefix>_build_info` and the process's own.
    pub fn new(prefix: &str, version: &str) -> Self {
        let mut program = Registry::with_prefix(prefix);
        let build = Info::new(vec![("version".to_owned(), version.to_owned())]);
        program.register("build", "The version that runs", build);
        let mut process = Registry::with_prefix("process");
        process.register_collector(Box::new(ProcessCollector::starting_now()));
        Self { registries: Arc::new(Mutex::new(Registries { program, process })), turns: Turns::new(1) }
    }

    /// Registers a metric and gives it back: `let sent = metrics.register("records_sent", "…", Counter::default())`.
    /// The metric's clones are one, so the caller keeps one and counts with it. A counter's name gets its `_total`.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.lock().program.register(name, help, metric.clone());
        metric
    }

    /// The registry itself, for what [`Metrics::register`] does not do, such as collectors and units.
    pub fn with_registry<T>(&self, use_it: impl FnOnce(&mut Registry) -> T) -> T {
        use_it(&mut self.lock().program)
    }

    /// Everything as OpenMetrics text, to be sent as [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let registries = self.lock();
        let mut text = String::new();
        let written = encode_registry(&mut text, &registries.program)
            .and_then(|()| encode_registry(&mut text, &registries.process))
            .and_then(|()| encode_eof(&mut text));
        written.expect("a String takes any text");
        text
    }

    /// The same as Prometheus' protobuf, to be sent as [`PROTOBUF_CONTENT_TYPE`].
    pub fn encode_protobuf(&self) -> Vec<u8> {
        let registries = self.lock();
        let encode = |registry| prometheus_protobuf::encode_to_vec(registry).expect("a Vec takes any message");
        let mut bytes = encode(&registries.program);
        bytes.extend(encode(&registries.process));
        bytes
    }

    /// What is to be sent to whoever has `accept` in the header of that name, and its content type: text for everybody who
    /// does not prefer protobuf.
    pub fn answer(&self, accept: Option<&str>) -> (&'static str, Vec<u8>) {
        if accept.is_some_and(accept::prefers_protobuf) {
            (PROTOBUF_CONTENT_TYPE, self.encode_protobuf())
        } else {
            (CONTENT_TYPE, self.encode().into_bytes())
        }
    }

    /// The same, one at a time and off the threads that count: a scrape reads histograms and files of the kernel, and nobody
    /// should keep others from counting by asking for it all the time.
    pub(super) async fn answer_in_turn(&self, accept: Option<&str>) -> (&'static str, Vec<u8>) {
        let (metrics, accept) = (self.clone(), accept.map(str::to_owned));
        self.turns.take(move || metrics.answer(accept.as_deref())).await
    }

    fn lock(&self) -> MutexGuard<'_, Registries> {
        self.registries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[test]
    fn names_begin_with_the_program_and_counts_show() {
        let metrics = Metrics::new("tally_producer", "1.2.3");
        let sent: Counter = metrics.register("records_sent", "Records sent", Counter::default());
        let lag: Gauge = metrics.register("lag", "Lag", Gauge::default());
        sent.inc_by(3);
        lag.set(-1);
        let text = metrics.encode();
        for line in [
            "# TYPE tally_producer_records_sent counter",
            "tally_producer_records_sent_total 3",
            "tally_producer_lag -1",
            "tally_producer_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(text.lines().any(|given| given == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1);
    }

    #[test]
    fn protobuf_has_the_same_names_and_only_for_whoever_prefers_it() {
        let metrics = Metrics::new("tally_producer", "1.2.3");
        let sent: Counter = metrics.register("records_sent", "Records sent", Counter::default());
        sent.inc_by(3);
        let (content_type, bytes) = metrics.answer(Some("application/vnd.google.protobuf;encoding=delimited"));
        assert_eq!(content_type, PROTOBUF_CONTENT_TYPE);
        for name in ["tally_producer_records_sent_total", "tally_producer_build_info", "process_start_time_seconds"] {
            assert!(bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{name} is not in the answer");
        }
        for accept in [None, Some("*/*"), Some("text/html")] {
            let (content_type, text) = metrics.answer(accept);
            assert_eq!(content_type, CONTENT_TYPE, "{accept:?}");
            assert!(text.ends_with(b"# EOF\n"));
        }
    }

    #[test]
    fn the_process_reports_when_it_started_under_the_standard_names() {
        let text = Metrics::new("tally_producer", "1.2.3").encode();
        assert!(text.contains("\nprocess_start_time_seconds "), "{text}");
        if cfg!(target_os = "linux") {
            for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "] {
                assert!(text.contains(&format!("\n{name}")), "{name} is not in\n{text}");
            }
        }
    }
}
