//! One connection: HTTP/1.1 with a bound on every wait, and on how long it may last.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::HEAD_BYTES_MAX;
use super::stream::{WriteBounded, WriteLimits};

/// What bounds a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// Time for a head to arrive, the wait for it included.
    pub(super) head: Duration,
    /// How slowly answers may be read.
    pub(super) write: WriteLimits,
    /// Whether it may be asked more than once.
    pub(super) keep_alive: bool,
    /// Age at which it takes no more requests; the open one is answered, and a stream goes on.
    pub(super) last_request: Duration,
    /// Age at which it is cut off.
    pub(super) age_max: Duration,
    /// How much older it may become where it has a [`Pass`].
    pub(super) age_more: Duration,
}

/// Given to a connection without a place whose request is worth being answered, whoever else comes meanwhile. Every request has that
/// of its connection among its extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass(Arc<AtomicBool>);

impl Pass {
    pub(super) fn give(&self) {
        self.0.store(true, Relaxed);
    }

    pub(super) fn is_given(&self) -> bool {
        self.0.load(Relaxed)
    }
}

struct Passing {
    routes: TowerToHyperService<Router>,
    pass: Pass,
}

impl Service<Request<Incoming>> for Passing {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.pass.clone());
        self.routes.call(request)
    }
}

/// Serves requests until the client goes, a bound is broken, or `stop` is cancelled and the open request answered.
pub(super) async fn serve<S>(stream: S, router: Router, limits: ConnectionLimits, pass: Pass, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(limits.keep_alive);
    let io = TokioIo::new(WriteBounded::new(stream, limits.write));
    let service = Passing { routes: TowerToHyperService::new(router), pass: pass.clone() };
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut whole = pin!(async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = stop.cancelled() => {}
            () = sleep(limits.last_request) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    });
    let mut ended = timeout(limits.age_max, whole.as_mut()).await;
    if ended.is_err() && pass.is_given() {
        ended = timeout(limits.age_more, whole).await;
    }
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(event = "http_connection_ended_early", %error, "an HTTP connection ended early"),
        Err(_) => {
            debug!(event = "http_connection_cut_off", "an HTTP connection was cut off: it has lasted long enough");
        }
    }
}
