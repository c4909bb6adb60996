//! The HTTP server of every binary: `/livez`, `/readyz`, `/metrics` and the binary's own routes.
//!
//! It is for probes, scrapers and a few people, and has to survive everyone else: every wait is bounded. Connections
//! are limited (beyond the limit, health and whoever shows the token are still answered), as are the time for a request's head,
//! for its answer, for writing that out, the age of a connection, requests a second, and the size of a body. `axum::serve` has
//! none of these, hence hyper's own connection here. Whoever asks for more than health may have to show a [token](Access).
//!
//! It goes on serving while the process drains, so that `/readyz` can say so, until [`Serving::stop`].
//! HTTP/1.1 only, no TLS: that is the business of what stands in front.

mod accept;
mod access;
mod answer;
mod connection;
mod ops;
mod pace;
mod stream;
mod turns;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use access::Access;
pub use answer::{error_response, json_response, try_again_response};
pub use ops::Ops;
pub use turns::{REST, Turns, apart};

use self::connection::ConnectionLimits;
use self::stream::WriteLimits;
use super::exit::{ExitCode, Failure};

/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections beyond those, for one question each, about health or by who shows the token.
pub const URGENT_CONNECTIONS_MAX: usize = 64;
/// Requests a second, on all connections together; more of them wait for their turn, a connection one at most.
pub const REQUESTS_PER_S_MAX: u32 = 500;
/// Connections that are taken in a second; more wait with the system.
pub const CONNECTIONS_PER_S_MAX: u32 = 4_000;
/// Connections that come at once and need not wait.
pub const CONNECTIONS_BURST: u32 = 400;
/// Requests that come at once and need not wait.
pub const REQUESTS_BURST: u32 = 100;
/// Time for the head of a request to arrive, the wait for it on an open connection included.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the body of a request to arrive and its answer to be made.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take some more of an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take all of an answer, or of the events of a stream that wait for it.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Age at which a connection is asked to come again, with the answer to its last request.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
/// Age at which also a stream of events is cut off; a browser comes again by itself.
pub const STREAM_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Time for a connection without a place: for its head, its answer and its end. Who shows the token has more for the answer.
pub const URGENT_TIMEOUT: Duration = Duration::from_secs(1);
/// Largest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for open requests to be answered when the server stops.
pub const STOP_LIMIT: Duration = Duration::from_secs(1);
/// Wait after a connection could not be accepted, such as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Someone listens there.
    #[error(
        "cannot listen on {address}: the port is in use; choose another with HTTP_LISTEN or --http-listen, such as \
         {ip}:0 for any free one", ip = shown_ip(*address)
    )]
    Busy {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else, such as an address that is not this machine's or a port that needs privileges.
    #[error("cannot listen on {address}: {source}; choose another with HTTP_LISTEN or --http-listen")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for HttpError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

/// A bound server that does not serve yet.
#[derive(Debug)]
pub struct OpsServer {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

/// The bounds of one server, as constants above; tests take shorter ones.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections_max: usize,
    with_place: ConnectionLimits,
    without_place_max: usize,
    without_place: ConnectionLimits,
    connections_per_s_max: u32,
    requests_per_s_max: u32,
    request: Duration,
    stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            with_place: ConnectionLimits {
                head: HEAD_TIMEOUT,
                write: WriteLimits { some: WRITE_TIMEOUT, all: ANSWER_TIMEOUT },
                keep_alive: true,
                last_request: CONNECTION_AGE_MAX,
                age_max: STREAM_AGE_MAX,
                age_more: Duration::ZERO,
            },
            without_place_max: URGENT_CONNECTIONS_MAX,
            without_place: ConnectionLimits {
                head: URGENT_TIMEOUT,
                write: WriteLimits { some: URGENT_TIMEOUT, all: URGENT_TIMEOUT },
                keep_alive: false,
                last_request: URGENT_TIMEOUT,
                age_max: URGENT_TIMEOUT,
                age_more: REQUEST_TIMEOUT,
            },
            connections_per_s_max: CONNECTIONS_PER_S_MAX,
            requests_per_s_max: REQUESTS_PER_S_MAX,
            request: REQUEST_TIMEOUT,
            stop: STOP_LIMIT,
        }
    }
}

impl OpsServer {
    /// Listens on `address`; port 0 is any free one, see [`OpsServer::local_addr`].
    ///
    /// # Errors
    /// [`HttpError`], whose text says how to choose another address.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::Busy { address },
            _ => HttpError::Bind { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, limits: Limits::default() })
    }

    /// Listens on `address` or, where its port is in use, on any free one.
    ///
    /// # Errors
    /// [`HttpError`] where the address is no use with any port.
    pub async fn bind_or_free(address: SocketAddr) -> Result<Self, HttpError> {
        match Self::bind(address).await {
            Err(HttpError::Busy { .. }) => Self::bind(SocketAddr::new(address.ip(), 0)).await,
            other => other,
        }
    }

    /// The address it listens on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A URL that a browser on this machine can open.
    pub fn local_url(&self) -> String {
        let ip = match self.address {
            SocketAddr::V4(at) if at.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(at) if at.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            other => other.ip(),
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Serves `router` and the routes of `ops` in a task of its own, until [`Serving::stop`].
    ///
    /// # Panics
    /// If `router` has one of the routes of `ops` itself.
    #[must_use = "dropping it ends the server"]
    pub fn serve(self, router: Router, ops: Ops) -> Serving {
        info!(event = "http_serving", address = %self.address, "serving {}", self.local_url());
        let stop = CancellationToken::new();
        let routes = ops::complete(router, ops, &self.limits);
        let task = tokio::spawn(accept::accept(self.listener, routes, self.limits, stop.clone()));
        Serving { address: self.address, stop, task }
    }
}

/// A server at work. Dropping it ends it with all its connections.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, gives open ones [`STOP_LIMIT`] to be answered, and ends. To be called last, after the
    /// work has drained.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A panic in the task has ended the process before this could see it.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn shown_ip(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(at) => at.ip().to_string(),
        SocketAddr::V6(at) => format!("[{}]", at.ip()),
    }
}

#[cfg(test)]
mod tests;
