//! Metrics: one registry a process, names that begin with the program's, and what the process itself costs.
//!
//! Recording is what prometheus-client's own types do (an atomic operation); this adds only where they live, how they
//! are written out (OpenMetrics text) and the standard `process_…` metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::process::ProcessCollector;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics {
    registries: Arc<Mutex<Registries>>,
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
        Self { registries: Arc::new(Mutex::new(Registries { program, process })) }
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
