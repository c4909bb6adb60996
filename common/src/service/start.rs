//! From `main` to the binary's own function and back to an exit code.
//!
//! ```text
//! flags ─ environment ─ checks ─▶ logs ─▶ signals ─▶ runtime ─▶ run(Started) ─▶ exit code
//!          └ any problem: all of them on standard error, exit 2, nothing opened
//! ```
//!
//! ```no_run
//! use common::service::{logging, ExitCode, Failure, NoCommand, Problems, Program, Settings, Started};
//!
//! const PROGRAM: Program = Program {
//!     name: "example",
//!     version: env!("CARGO_PKG_VERSION"),
//!     about: "Shows how a binary starts",
//!     http_listen: "127.0.0.1:8080",
//!     log_filter: logging::DEFAULT_FILTER,
//! };
//!
//! #[derive(clap::Args, serde::Serialize, serde::Deserialize)]
//! struct ExampleSettings {}
//!
//! impl Settings for ExampleSettings {
//!     type Configuration = ();
//!     fn validate(&self, _: &mut Problems) {}
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("cannot go on; try again")]
//! struct ExampleError;
//!
//! impl Failure for ExampleError {
//!     fn exit_code(&self) -> ExitCode { ExitCode::KafkaFault }
//! }
//!
//! async fn run(started: Started<ExampleSettings, NoCommand>) -> Result<ExitCode, ExampleError> {
//!     started.shutdown.requested().await;
//!     Ok(ExitCode::Done)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     PROGRAM.run(run)
//! }
//! ```

mod common_settings;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args as _, Command, FromArgMatches as _, Subcommand};
use common_settings::{ServiceConfiguration, ServiceSettings};

pub use common_settings::Listen;

use super::bug::abort_on_panic;
use super::config::{self, ConfigurationError, Environment, Problems, Settings, layered};
use super::exit::{self, ExitCode, Failure, one_line};
use super::healthcheck;
use super::http::Ops;
use super::liveness::Liveness;
use super::logging;
use super::metrics::Metrics;
use super::output::complain;
use super::readiness::Readiness;
use super::shutdown::Shutdown;
use super::traces;

/// Time that work on blocking threads is given to end when the runtime stops; what is still at it is left behind.
const RUNTIME_STOP_LIMIT: Duration = Duration::from_secs(1);

/// What a binary is.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name, also that of its metrics: `tally_<name>_…`.
    pub name: &'static str,
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Default of `HTTP_LISTEN`.
    pub http_listen: &'static str,
    /// Default of `RUST_LOG`.
    pub log_filter: &'static str,
}

/// What the binary's own function gets.
#[derive(Debug)]
pub struct Started<S: Settings, C = NoCommand> {
    /// Its checked settings.
    pub configuration: S::Configuration,
    /// Its subcommand, where one was given.
    pub command: Option<C>,
    /// Where its HTTP server is to listen; nothing listens there yet.
    pub http_listen: Listen,
    /// Triggered by SIGTERM and SIGINT.
    pub shutdown: Shutdown,
    /// Its readiness, liveness and metrics, for the HTTP server.
    pub ops: Ops,
}

/// For binaries without subcommands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum NoCommand {}

/// What the command line and the environment came to.
#[derive(Debug)]
pub struct Parsed<S: Settings, C> {
    configuration: S::Configuration,
    command: Option<C>,
    /// The path that `healthcheck` was told to ask for.
    health_path: Option<&'static str>,
    service: ServiceConfiguration,
}

impl<S: Settings, C> Parsed<S, C> {
    /// The checked settings of the binary.
    pub fn configuration(&self) -> &S::Configuration {
        &self.configuration
    }

    /// Its subcommand.
    pub fn command(&self) -> Option<&C> {
        self.command.as_ref()
    }

    /// Where to listen.
    pub fn http_listen(&self) -> Listen {
        self.service.http_listen
    }
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The flags are not ours, or only help or the version was asked for.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The settings cannot be run with.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Program {
    /// The whole life of the process: checks everything, runs `main`, and gives back what to end with.
    pub fn run<S, C, E>(self, main: impl AsyncFnOnce(Started<S, C>) -> Result<ExitCode, E>) -> std::process::ExitCode
    where
        S: Settings,
        C: Subcommand,
        E: Failure,
    {
        abort_on_panic();
        match self.parse::<S, C>(std::env::args_os(), &Environment::of_process()) {
            Ok(parsed) => self.run_parsed(parsed, main).into(),
            Err(NotStarted::CommandLine(error)) => {
                // Help goes to standard output, everything else to standard error; a reader that has gone is no fault.
                let _ = error.print();
                std::process::ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(ExitCode::Configuration.code()))
            }
            Err(NotStarted::Configuration(error)) => {
                complain(&format!(
                    "{}: {error}\nNothing was started. `{} --help` lists every setting.",
                    self.name, self.name
                ));
                ExitCode::Configuration.into()
            }
        }
    }

    /// Reads and checks flags and environment; opens nothing. `arguments` begins with the program's name.
    ///
    /// # Errors
    /// [`NotStarted`], with every problem of the configuration.
    pub fn parse<S: Settings, C: Subcommand>(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        environment: &Environment,
    ) -> Result<Parsed<S, C>, NotStarted> {
        let mut matches = self.command::<S, C>().try_get_matches_from(arguments)?;
        let health_path = matches.subcommand_matches(healthcheck::NAME).map(healthcheck::path);
        let is_own = health_path.is_none() && matches.subcommand_name().is_some();
        let command = is_own.then(|| C::from_arg_matches(&matches)).transpose()?;
        let settings = S::from_arg_matches_mut(&mut matches)?;
        let service = ServiceSettings::from_arg_matches_mut(&mut matches)?;
        let mut problems = Problems::default();
        let settings = layered(settings, environment, &mut problems);
        let service = layered(service, environment, &mut problems);
        let configuration = settings.validate(&mut problems);
        let service = service.validate_with(self, &mut problems);
        problems.finish()?;
        Ok(Parsed { configuration, command, health_path, service })
    }

    /// The command line as clap knows it, each flag with its variable and default.
    pub fn command<S: Settings, C: Subcommand>(&self) -> Command {
        let settings = self.settings::<S>().mut_args(|arg| {
            // `--lateness-ms -5` is a wrong value, to be reported with all others, and no flag.
            arg.global(true).allow_negative_numbers(true)
        });
        let command = config::annotate(settings, self.described::<S>().described());
        // Last, for the comments on the structs of settings and subcommands would pass for it.
        C::augment_subcommands(command.name(self.name).bin_name(self.name).version(self.version))
            .about(self.about)
            .long_about(None)
            .after_long_help(exit::HELP)
            .subcommand(healthcheck::command())
    }

    /// All settings as a Markdown table, for the README.
    pub fn settings_table<S: Settings>(&self) -> String {
        config::markdown(&config::rows(&self.settings::<S>(), self.described::<S>().described()))
    }

    /// What is wrong with the declaration of the settings; for a test in each binary to find empty.
    pub fn settings_faults<S: Settings>(&self) -> Vec<String> {
        config::faults(&self.settings::<S>(), &self.described::<S>())
    }

    fn settings<S: Settings>(&self) -> Command {
        ServiceSettings::augment_args(S::augment_args(Command::new(self.name)))
    }

    /// What the getters say of the settings when nothing is set.
    fn described<S: Settings>(&self) -> Problems {
        let mut problems = Problems::default();
        let unset: S = config::unset();
        unset.validate(&mut problems);
        ServiceSettings::default().validate_with(self, &mut problems);
        problems
    }

    fn run_parsed<S, C, E>(
        &self,
        parsed: Parsed<S, C>,
        main: impl AsyncFnOnce(Started<S, C>) -> Result<ExitCode, E>,
    ) -> ExitCode
    where
        S: Settings,
        E: Failure,
    {
        let Parsed { configuration, command, health_path, service } = parsed;
        if let Some(path) = health_path {
            return healthcheck::run(service.http_listen.address, path);
        }
        if let Err(error) = logging::init(service.log_format, service.log_filter) {
            complain(&format!("{}: {error}", self.name));
        }
        // Always set: left alone, tokio would read a variable of its own and panic where that is no number.
        let threads = service.worker_threads.or_else(|| std::thread::available_parallelism().ok());
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads.map_or(1, NonZeroUsize::get)).thread_name(self.name);
        let system = Shutdown::on_signals().and_then(|shutdown| Ok((shutdown, builder.enable_all().build()?)));
        let (shutdown, runtime) = match system {
            Ok(system) => system,
            Err(error) => {
                tracing::error!(
                    event = "system_limits_too_low",
                    %error, "the system gives no threads or signals: {error}; look at its limits"
                );
                return ExitCode::Configuration;
            }
        };
        let metrics = Metrics::new(&format!("tally_{}", self.name), self.version);
        let tracing = runtime.block_on(async { traces::start(service.traces, self.name, self.version, &metrics) });
        let (traces, exporting) = tracing.unzip();
        let ops = Ops {
            readiness: Readiness::new(&shutdown),
            liveness: Liveness::default(),
            metrics,
            access: service.access,
            traces,
        };
        let started = Started { configuration, command, http_listen: service.http_listen, shutdown, ops };
        tracing::debug!(event = "process_started", version = self.version, "{} {} starts", self.name, self.version);
        let ended = runtime.block_on(Box::pin(main(started)));
        if let Some(exporting) = exporting {
            runtime.block_on(exporting.finish());
        }
        runtime.shutdown_timeout(RUNTIME_STOP_LIMIT);
        self.conclude(ended)
    }

    /// Says how it ended, in one line that is seen whatever the log filter is.
    fn conclude<E: Failure>(&self, ended: Result<ExitCode, E>) -> ExitCode {
        match ended {
            Ok(code) => {
                tracing::debug!(event = "process_ended", exit_code = code.code(), "{} ends", self.name);
                code
            }
            Err(error) => {
                let (code, line) = (error.exit_code(), one_line(&error));
                if tracing::event_enabled!(tracing::Level::ERROR) {
                    tracing::error!(event = "process_failed", exit_code = code.code(), "{line}");
                } else {
                    complain(&format!("{}: {line}", self.name));
                }
                code
            }
        }
    }
}
