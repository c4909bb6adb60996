//! One connection: HTTP/1.1 with a bound on every wait.

use std::pin::pin;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::stream::WriteBounded;
use super::{HEAD_BYTES_MAX, Limits};

/// Serves requests until the client goes, a bound is broken, or `stop` is cancelled and the open request answered.
pub(super) async fn serve(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    // Answers are small and written at once: waiting to fill packets would only delay them. Not a reason to refuse.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);
    let io = TokioIo::new(WriteBounded::new(stream, limits.write));
    let mut connection = pin!(builder.serve_connection(io, TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(event = "http_connection_ended_early", %error, "an HTTP connection ended early");
    }
}
