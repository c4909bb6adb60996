//! Who gets a place.
//!
//! ```text
//!                 ┌─ a place is free ──▶ every path, many requests, in turn
//!   connection ───┤
//!                 └─ all are taken ────▶ one request, at once: health is answered, and who shows the token; all else is
//!                                        told to come again; the newest so many, the oldest of them makes way
//! ```
//!
//! What a connection is for is known only after its head, so those for whom there is no place are given a moment to say
//! it. They can't take that from each other by saying nothing: whoever has waited longest makes way for the next, and a
//! probe, which sends its request at once, is answered before its turn to go. Who has shown the token stays until it is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::{self, Pass};
use super::pace::Pace;
use super::{ACCEPT_PAUSE, CONNECTIONS_BURST, Limits};

/// What is served, to whom.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    /// To whoever has a place.
    pub(super) all: Router,
    /// To whoever has none.
    pub(super) urgent: Router,
}

/// Takes connections until `stop`.
pub(super) async fn accept(listener: TcpListener, routes: Routes, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut without_place = Newest::new(limits.without_place_max);
    let mut connections = JoinSet::new();
    let pace = Pace::new(limits.connections_per_s_max, CONNECTIONS_BURST);
    while let Some(stream) = next(&listener, &stop).await {
        // Also those that are refused cost something, and who has no place is to keep its moment for as long as this allows.
        pace.turn().await;
        // Answers are small and written at once: waiting to fill packets would only delay them. Not a reason to refuse.
        let _ = stream.set_nodelay(true);
        let (routes, stop) = (routes.clone(), stop.clone());
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            connections.spawn(async move {
                connection::serve(stream, routes.all, limits.with_place, Pass::default(), stop).await;
                drop(place);
            });
        } else {
            let pass = Pass::default();
            let served = connection::serve(stream, routes.urgent, limits.without_place, pass.clone(), stop);
            without_place.admit(connections.spawn(served), pass);
            // It has to get a look at its request before so many others come that it must go.
            yield_now().await;
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop, all).await.is_err() {
        debug!(event = "http_connections_cut_off", open = connections.len(), "HTTP connections cut off");
    }
}

async fn next(listener: &TcpListener, stop: &CancellationToken) -> Option<TcpStream> {
    let accepted = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    warn!(event = "http_accept_failed", %error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        stream = accepted => Some(stream),
    }
}

/// Tasks of which only so many go on: those with a pass, and the newest of the others.
struct Newest {
    tasks: VecDeque<(AbortHandle, Pass)>,
    tasks_max: usize,
}

impl Newest {
    fn new(tasks_max: usize) -> Self {
        Self { tasks: VecDeque::with_capacity(tasks_max), tasks_max }
    }

    fn admit(&mut self, task: AbortHandle, pass: Pass) {
        self.tasks.retain(|(task, _)| !task.is_finished());
        if self.tasks.len() >= self.tasks_max {
            // The oldest of all, where all have one.
            let oldest = self.tasks.iter().position(|(_, pass)| !pass.is_given()).unwrap_or(0);
            if let Some((task, _)) = self.tasks.remove(oldest) {
                task.abort();
            }
        }
        self.tasks.push_back((task, pass));
    }
}
