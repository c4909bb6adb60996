//! The producer as a process: its name and version, its HTTP server, and what it prints at the end.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use common::service::http::json_response;
use common::service::{ExitCode, NoCommand, OpsServer, Program, Started, output};

use crate::counters::Counters;
use crate::error::ProducerError;
use crate::run::{Outcome, Producer};
use crate::settings::ProducerSettings;
use crate::summary::Faults;

/// What the binary is.
pub const PROGRAM: Program = Program {
    name: "producer",
    version: env!("CARGO_PKG_VERSION"),
    about: "Generates realistic financial transactions into Kafka at any rate",
    http_listen: "0.0.0.0:8081",
    log_filter: common::service::logging::DEFAULT_FILTER,
};

/// The life of the process between its start and its exit code.
///
/// The summary goes to standard output however the run ended, as JSON where that was asked for.
///
/// # Errors
/// [`ProducerError`].
pub async fn serve(started: Started<ProducerSettings, NoCommand>) -> Result<ExitCode, ProducerError> {
    let Started { configuration, http_listen, shutdown, ops, .. } = started;
    let server = OpsServer::bind(http_listen.address).await?;
    let json = configuration.json;
    let producer = Producer::new(configuration, ops.clone());
    let serving = server.serve(routes(producer.counters()), ops);
    let Outcome { summary, result } = Box::pin(producer.run(&shutdown)).await;
    let text = if json { summary.to_json() } else { summary.to_string() };
    let taken = output::result(&text);
    serving.stop().await;
    result.map(|()| if taken { ExitCode::Done } else { ExitCode::NotRight })
}

/// What can be asked of a running producer.
fn routes(counters: Arc<Counters>) -> Router {
    let counts = move || {
        let counts = counters.counts();
        let answer = serde_json::json!({
            "sent": counts.sent,
            "acknowledged": counts.acknowledged,
            "unacknowledged": counts.unacknowledged(),
            "faults": Faults::of(&counters),
        });
        std::future::ready(json_response(StatusCode::OK, &answer))
    };
    Router::new().route("/api/v1/producer", get(counts))
}
