//! One connection from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::{debug, info};

use crate::api::{self, Reply};
use crate::node::{Node, budget_units};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::shape::Malformed;

/// Requests up to this size take no part in the memory budget: there is at most one for each connection.
const UNBUDGETED_BYTES: usize = 16 << 10;

/// Room for a request that is small, as most are.
const READ_BYTES: usize = 8 << 10;

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The client.
    pub(crate) remote: SocketAddr,
    /// The address the client reached this broker by: it is told to use the same again.
    pub(crate) local: SocketAddr,
}

/// Why a connection ends other than by the client closing it.
#[derive(Debug, Error)]
enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    #[error("a request did not arrive, or an answer was not taken, within {0:?}")]
    Slow(Duration),
    #[error("a request announces {said} bytes; at most {max} are taken (or this isn't the Kafka protocol)")]
    Size { said: i64, max: usize },
    #[error("a malformed request: {0}")]
    Malformed(#[from] Malformed),
    #[error("the client went away while it waited")]
    Gone,
}

/// Serves one client until it leaves, fails or the broker stops.
pub(super) async fn serve(stream: TcpStream, remote: SocketAddr, node: Arc<Node>) {
    match exchange(stream, remote, &node).await {
        Ok(()) => debug!(event = "client_disconnected", %remote, "connection closed"),
        Err(Ended::Io(error)) => debug!(event = "client_connection_lost", %remote, %error, "connection lost"),
        Err(Ended::Gone) => debug!(
            event = "waiting_client_disconnected",
            %remote, "connection closed by a waiting client"
        ),
        Err(reason) => info!(event = "client_connection_closed", %remote, %reason, "connection closed"),
    }
}

async fn exchange(mut stream: TcpStream, remote: SocketAddr, node: &Arc<Node>) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let peer = Peer { remote, local: stream.local_addr()? };
    let mut buffer = BytesMut::new();
    while let Some((request, memory)) = next_request(&mut stream, &mut buffer, node).await? {
        // A client that leaves while it waits for others must not keep its place. The rest is done to the end: a producer
        // may send without waiting for an answer and leave.
        let watched = api::waits_for_others(&request);
        let reply = tokio::select! {
            biased;
            reply = Box::pin(api::handle(node, peer, request)) => reply?,
            true = hung_up(&stream), if watched => return Err(Ended::Gone),
        };
        drop(memory);
        match reply {
            Reply::Answer { frame, memory } => {
                let limit = node.limits.transfer_timeout;
                timeout(limit, stream.write_all(&frame)).await.map_err(|_| Ended::Slow(limit))??;
                drop(memory);
            }
            Reply::Silence => {}
            Reply::Close => return Ok(()),
        }
    }
    Ok(())
}

/// Waits until the client has closed its side, or has sent something: then it says false.
async fn hung_up(stream: &TcpStream) -> bool {
    matches!(stream.peek(&mut [0]).await, Ok(0) | Err(_))
}

/// The next frame, without its length. None when the client has closed the connection or the broker stops.
async fn next_request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    node: &Arc<Node>,
) -> Result<Option<(Bytes, Option<OwnedSemaphorePermit>)>, Ended> {
    let idle = node.limits.idle_timeout;
    while buffer.len() < LENGTH_BYTES {
        buffer.reserve(READ_BYTES);
        let read = tokio::select! {
            read = timeout(idle, stream.read_buf(buffer)) => read.map_err(|_| Ended::Idle(idle))??,
            () = node.stopping.cancelled() => return Ok(None),
        };
        if read == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            };
        }
    }
    let said = i32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    let max = node.limits.request_bytes_max;
    let length = usize::try_from(said).ok().filter(|length| *length <= max);
    let length = length.ok_or(Ended::Size { said: i64::from(said), max })?;
    let limit = node.limits.transfer_timeout;
    let memory = if length > UNBUDGETED_BYTES {
        let units = u32::try_from(budget_units(length)).unwrap_or(u32::MAX);
        let units = units.min(u32::try_from(budget_units(node.limits.request_memory_bytes)).unwrap_or(u32::MAX));
        let permit = timeout(limit, Arc::clone(&node.request_memory).acquire_many_owned(units));
        permit.await.map_err(|_| Ended::Slow(limit))?.ok()
    } else {
        None
    };
    let whole = LENGTH_BYTES + length;
    timeout(limit, fill(stream, buffer, whole)).await.map_err(|_| Ended::Slow(limit))??;
    let mut frame = buffer.split_to(whole).freeze();
    Ok(Some((frame.split_off(LENGTH_BYTES), memory)))
}

/// Reads until `buffer` has `whole` bytes, for which the budget has room.
async fn fill(stream: &mut TcpStream, buffer: &mut BytesMut, whole: usize) -> io::Result<()> {
    while buffer.len() < whole {
        let missing = whole - buffer.len();
        buffer.reserve(missing);
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
