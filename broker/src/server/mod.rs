//! The listener, and one task for each connection: requests in, answers out, one after the other.
//!
//! Promises: connections are limited, each has at most one request in hand, and whoever is silent for too long, sends
//! garbage or doesn't take its answers is disconnected with one line in the log. A connection never outlives the server.

mod connection;

pub(crate) use connection::Peer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::BrokerError;
use crate::node::Node;

/// Pause after a failed accept (out of file handles): trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Refused connections are reported at most this often.
const REFUSAL_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    node: Arc<Node>,
    connections: TaskTracker,
    accepting: JoinHandle<()>,
    maintaining: JoinHandle<()>,
    /// Cancelled when connections must end even in the middle of a request.
    abort: CancellationToken,
    /// Ends all tasks when the server is dropped without being stopped.
    _on_drop: [DropGuard; 2],
}

impl Server {
    /// Serves on `listener`.
    pub(crate) fn start(listener: TcpListener, node: Arc<Node>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (connections, abort) = (TaskTracker::new(), CancellationToken::new());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&node), connections.clone(), abort.clone()));
        let maintaining = tokio::spawn(maintain(Arc::clone(&node)));
        let _on_drop = [node.stopping.clone().drop_guard(), abort.clone().drop_guard()];
        Ok(Self { address, node, connections, accepting, maintaining, abort, _on_drop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends everything in order: no new connections, requests in hand, logs, data folder.
    pub(crate) async fn stop(self) -> Result<(), BrokerError> {
        self.node.stopping.cancel();
        self.connections.close();
        if tokio::time::timeout(self.node.limits.drain_timeout, self.connections.wait()).await.is_err() {
            warn!(
                event = "requests_dropped",
                connections = self.connections.len(),
                "requests still in hand are dropped"
            );
            self.abort.cancel();
            self.connections.wait().await;
        }
        self.accepting.await?;
        self.maintaining.await?;
        let node = Arc::clone(&self.node);
        tokio::task::spawn_blocking(move || node.close()).await?;
        info!(event = "broker_stopped", "development broker has stopped");
        Ok(())
    }
}

async fn accept(listener: TcpListener, node: Arc<Node>, connections: TaskTracker, abort: CancellationToken) {
    let places = Arc::new(Semaphore::new(node.limits.connections_max));
    let mut refusals = Refusals::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = node.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let (node, abort) = (Arc::clone(&node), abort.clone());
                    connections.spawn(async move {
                        tokio::select! {
                            () = connection::serve(stream, peer, node) => {}
                            () = abort.cancelled() => {}
                        }
                        drop(place);
                    });
                }
                Err(_) => refusals.refuse(stream, peer, node.limits.connections_max),
            },
            Err(error) => {
                warn!(event = "accept_failed", %error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn maintain(node: Arc<Node>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(node.limits.maintenance_interval) => {}
            () = node.stopping.cancelled() => return,
        }
        let working = Arc::clone(&node);
        if let Err(error) = tokio::task::spawn_blocking(move || working.maintain()).await {
            warn!(event = "maintenance_failed", %error, "maintenance failed");
        }
    }
}

/// Counts refused connections, so that a flood of them doesn't become a flood of log lines.
#[derive(Debug, Default)]
struct Refusals {
    unreported: u64,
    reported_at: Option<Instant>,
}

impl Refusals {
    fn refuse(&mut self, stream: TcpStream, peer: SocketAddr, max: usize) {
        drop(stream);
        self.unreported += 1;
        let now = Instant::now();
        if self.reported_at.is_none_or(|at| now - at >= REFUSAL_REPORT_INTERVAL) {
            warn!(
                event = "client_connections_refused",
                %peer, refused = self.unreported, connections_max = max, "too many connections: refused"
            );
            (self.unreported, self.reported_at) = (0, Some(now));
        }
    }
}
