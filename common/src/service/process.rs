//! What this process costs, under the names that every Prometheus client uses. Read from `/proc` when asked; where
//! there is no `/proc`, those metrics are absent.

use std::fmt::Error;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Linux reports processor time to programs in hundredths of a second (`USER_HZ`), whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector {
    started: Duration,
}

impl ProcessCollector {
    /// Takes this moment for the start of the process.
    pub(super) fn starting_now() -> Self {
        Self { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut write =
            |name: &str, help: &str, metric: &dyn EncodeMetricObject| metric.write(&mut encoder, name, help);
        write(
            "start_time_seconds",
            "Start of the process since the Unix epoch",
            &ConstGauge::new(self.started.as_secs_f64()),
        )?;
        let read = |path: &str| fs::read_to_string(path).ok();
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            write("resident_memory_bytes", "Memory that the process holds", &ConstGauge::new(bytes))?;
        }
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            write("cpu_seconds", "Processor time, user and system", &ConstCounter::new(seconds))?;
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            let count = u32::try_from(files.count()).unwrap_or(u32::MAX);
            write("open_fds", "Open files and sockets", &ConstGauge::new(i64::from(count)))?;
        }
        Ok(())
    }
}

/// `EncodeMetric` with the encoder's lifetimes out of the way, so that one line writes one metric.
trait EncodeMetricObject {
    fn write(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> Result<(), Error>;
}

impl<M: EncodeMetric> EncodeMetricObject for M {
    fn write(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> Result<(), Error> {
        self.encode(encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

/// `VmRSS` of `/proc/self/status`, in bytes.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

/// User and system time of `/proc/self/stat`, in seconds.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The program's name stands in parentheses and may hold anything, blanks and parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2_097_152));
        for odd in ["", "VmRSS: many kB", "VmRSS: 9223372036854775807 kB"] {
            assert_eq!(resident_bytes(odd), None, "{odd}");
        }
    }

    #[test]
    fn processor_time_is_read_behind_any_program_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 150 25 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_seconds(stat).map(|seconds| format!("{seconds:.2}")), Some("1.75".to_owned()));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }
}
