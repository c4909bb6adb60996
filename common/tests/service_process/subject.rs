//! The service under test.

use std::future::pending;

use common::service::{ExitCode, Failure, NoCommand, Problems, Program, Settings, Started, output};
use tracing::info;

const PROGRAM: Program = Program {
    name: "subject",
    version: "1.2.3",
    about: "A service under test",
    http_listen: "127.0.0.1:0",
    log_filter: common::service::logging::DEFAULT_FILTER,
};

#[derive(clap::Args, serde::Serialize, serde::Deserialize)]
struct SubjectSettings {
    /// What to do
    #[arg(long)]
    mode: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Serve,
    DrainForEver,
    Stuck,
    PanicInTask,
    Fail,
    NotRight,
    Chatter,
    Flood,
    BlockingThread,
}

impl Settings for SubjectSettings {
    type Configuration = Mode;

    fn validate(&self, problems: &mut Problems) -> Mode {
        let modes = [
            ("serve", Mode::Serve),
            ("drain-for-ever", Mode::DrainForEver),
            ("stuck", Mode::Stuck),
            ("panic-in-task", Mode::PanicInTask),
            ("fail", Mode::Fail),
            ("not-right", Mode::NotRight),
            ("chatter", Mode::Chatter),
            ("flood", Mode::Flood),
            ("blocking-thread", Mode::BlockingThread),
        ];
        problems.one_of("mode", &self.mode, "serve", &modes)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no broker at localhost:1")]
struct NoBroker {
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
#[error("connection refused;\nstart it")]
struct Cause;

impl Failure for NoBroker {
    fn exit_code(&self) -> ExitCode {
        ExitCode::KafkaFault
    }
}

pub(super) fn main() -> std::process::ExitCode {
    PROGRAM.run(run)
}

async fn run(started: Started<SubjectSettings, NoCommand>) -> Result<ExitCode, NoBroker> {
    let shutdown = started.shutdown;
    match started.configuration {
        Mode::Serve => {
            info!("ready to serve");
            shutdown.requested().await;
            output::line("drained").expect("the test reads it");
        }
        Mode::DrainForEver => {
            info!("ready to serve");
            shutdown.requested().await;
            let _parts = ["12 records", "the snapshot of partition 3"].map(|part| shutdown.draining(part));
            info!("draining");
            pending::<()>().await;
        }
        Mode::Stuck => {
            // The worker thread and the main thread both block without giving way, as no task ever should.
            tokio::spawn(async { block() });
            info!("stuck");
            block();
        }
        Mode::PanicInTask => {
            tokio::spawn(async { panic!("the fold lost a record") });
            pending::<()>().await;
        }
        Mode::Fail => return Err(NoBroker { source: Cause }),
        Mode::NotRight => return Ok(ExitCode::NotRight),
        Mode::Chatter => {
            for _ in 0..1_000 {
                info!(words = 2, "so so");
            }
            // Whether anyone still reads is no matter here.
            let _ = output::line("done");
        }
        Mode::Flood => {
            let _ = output::line("flooding");
            loop {
                info!(words = 2, "so so");
            }
        }
        Mode::BlockingThread => {
            tokio::task::spawn_blocking(block);
        }
    }
    Ok(ExitCode::Done)
}

fn block() {
    loop {
        std::thread::park();
    }
}
