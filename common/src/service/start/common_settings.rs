//! The settings that every binary has: where its HTTP server listens, how it logs, how many threads it takes.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use tracing_subscriber::EnvFilter;

use super::Program;
use crate::service::config::{Problems, Secret, Settings};
use crate::service::http::Access;
use crate::service::logging::LogFormat;
use crate::service::secret_file::secret_or_file;
use crate::service::traces::{TraceConfiguration, TraceSettings};

/// Most worker threads that can be asked for.
const WORKER_THREADS_MAX: usize = 256;
/// Fewest characters of a token: what can't be found by trying.
const TOKEN_CHARACTERS_MIN: usize = 16;
/// Most characters of a token.
const TOKEN_CHARACTERS_MAX: usize = 256;
/// What RFC 6750 allows: a token goes into a header as it is.
const TOKEN_CHARACTERS: &str = "A-Z a-z 0-9 - . _ ~ + / and = at its end";

const TOKEN: &str = "http_token";
const TOKEN_FILE: &str = "http_token_file";

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Whether someone chose it; if not, it is the program's default, and another may do as well.
    pub chosen: bool,
}

/// What every binary can be told.
#[derive(Debug, Default, clap::Args, serde::Serialize, serde::Deserialize)]
pub(super) struct ServiceSettings {
    /// Address of the HTTP server; port 0 takes any free one
    #[arg(long, value_name = "IP:PORT")]
    http_listen: Option<String>,
    /// What whoever asks the HTTP server has to show; no argument, because others can see those
    #[arg(skip)]
    http_token: Option<Secret>,
    /// File that holds the token that whoever asks for more than health has to show, instead of HTTP_TOKEN; without both, anybody
    /// may ask
    #[arg(long, value_name = "FILE")]
    http_token_file: Option<String>,
    /// How log lines look; auto is pretty on a terminal and json otherwise
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Which log lines are written; replaces the default as a whole
    #[arg(long, value_name = "FILTER")]
    rust_log: Option<String>,
    /// Threads that do the work; one for each processor when left out
    #[arg(long, value_name = "N")]
    worker_threads: Option<String>,
    /// Collector that spans are sent to; without one there are no traces
    #[arg(long, value_name = "URL")]
    otel_exporter_otlp_endpoint: Option<String>,
    /// How they are sent; there for those who set it to something else for other programs
    #[arg(long, value_name = "NAME")]
    otel_exporter_otlp_protocol: Option<String>,
    /// Headers of every request to the collector, such as its key
    #[arg(skip)]
    otel_exporter_otlp_headers: Option<Secret>,
    /// Name of this service in traces
    #[arg(long, value_name = "NAME")]
    otel_service_name: Option<String>,
}

#[derive(Debug)]
pub(super) struct ServiceConfiguration {
    pub(super) http_listen: Listen,
    pub(super) access: Access,
    pub(super) log_format: LogFormat,
    pub(super) log_filter: EnvFilter,
    pub(super) worker_threads: Option<NonZeroUsize>,
    pub(super) traces: Option<TraceConfiguration>,
}

impl ServiceSettings {
    pub(super) fn validate_with(
        &self,
        &Program { name, http_listen: default_listen, log_filter: default_filter, .. }: &Program,
        problems: &mut Problems,
    ) -> ServiceConfiguration {
        let address = problems.socket_address("http_listen", &self.http_listen, default_listen);
        let token = self.token(problems);
        let threads =
            problems.optional_integer("worker_threads", &self.worker_threads, 1..=WORKER_THREADS_MAX, "threads");
        ServiceConfiguration {
            http_listen: Listen { address, chosen: self.http_listen.is_some() },
            access: Access::with_token(token),
            log_format: problems.log_format("log_format", &self.log_format),
            log_filter: problems.log_filter("rust_log", &self.rust_log, default_filter),
            worker_threads: threads.and_then(NonZeroUsize::new),
            traces: self.traces().validate(name, problems),
        }
    }
}

impl ServiceSettings {
    fn traces(&self) -> TraceSettings<'_> {
        TraceSettings {
            endpoint: &self.otel_exporter_otlp_endpoint,
            protocol: &self.otel_exporter_otlp_protocol,
            headers: &self.otel_exporter_otlp_headers,
            service_name: &self.otel_service_name,
        }
    }
}

impl ServiceSettings {
    /// What opens the HTTP server; `None` where it is open to all.
    fn token(&self, problems: &mut Problems) -> Option<Secret> {
        let range = format!("{TOKEN_CHARACTERS_MIN} to {TOKEN_CHARACTERS_MAX} characters of {TOKEN_CHARACTERS}");
        problems.describe(TOKEN, None, &format!("{range}, kept out of logs and messages"));
        let given = problems.optional_secret(TOKEN, &self.http_token);
        let file = problems.optional_path(TOKEN_FILE, &self.http_token_file);
        let setting = if file.is_some() { TOKEN_FILE } else { TOKEN };
        let token = secret_or_file([TOKEN, TOKEN_FILE], self.http_token.is_some(), given, file, problems)?;
        match wrong_with(token.reveal()) {
            None => Some(token),
            Some(wrong) => {
                problems.add(&[setting], format!("(hidden) {wrong}; make one with `openssl rand -hex 32`"));
                None
            }
        }
    }
}

fn wrong_with(token: &str) -> Option<String> {
    let is_odd = |c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c));
    if token.len() < TOKEN_CHARACTERS_MIN {
        Some(format!("is shorter than {TOKEN_CHARACTERS_MIN} characters and could be found by trying"))
    } else if token.len() > TOKEN_CHARACTERS_MAX {
        Some(format!("is longer than {TOKEN_CHARACTERS_MAX} characters"))
    } else if token.trim_end_matches('=').contains(is_odd) {
        Some(format!("has a character other than {TOKEN_CHARACTERS}"))
    } else {
        None
    }
}

/// Only so that `layered` takes it; the default of `http_listen` is the program's.
impl Settings for ServiceSettings {
    type Configuration = ();
    fn validate(&self, _: &mut Problems) {}
}
