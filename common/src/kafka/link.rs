//! One connection to one broker, with rskafka's messenger on it: that frames requests, matches answers to them, agrees on
//! versions and logs in.
//!
//! The stream underneath is made here, for three things that rskafka's own does not do: small requests go out at once
//! (`TCP_NODELAY`; without it a request of 8 to 65 kB waits some 45 ms for a delayed acknowledgement), addresses of IPv6
//! can be met over TLS, and nothing waits longer than it may.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rskafka::{
    client::error::RequestError,
    messenger::Messenger,
    protocol::messages::{ReadVersionedType, RequestBody, WriteVersionedType},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Boxed, connection::ConnectionSettings, fault::Fault};

/// Largest answer that is taken from a broker, in bytes: the largest batch a broker may hold plus room to spare.
pub(super) const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// A connection that was idle for longer is not trusted: brokers close theirs after ten minutes, some routers after four.
const IDLE_MAX: Duration = Duration::from_secs(180);
/// How long one attempt to connect has the field to itself.
const STAGGER: Duration = Duration::from_secs(1);

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a broker, ready for requests.
pub(super) struct Link {
    messenger: Messenger<BufStream<Box<dyn Stream>>>,
    used: Mutex<Instant>,
}

impl Link {
    /// Connects to `host:port` and logs in. `Err` says why that can't be done.
    pub(super) async fn open(address: &str, settings: &ConnectionSettings) -> Result<Self, String> {
        let plain = connect(address).await?;
        plain.set_nodelay(true).map_err(|error| error.to_string())?;
        let stream: Box<dyn Stream> = match settings.security.tls() {
            None => Box::new(plain),
            Some(tls) => {
                let name = ServerName::try_from(host(address).to_owned()).map_err(|error| error.to_string())?;
                Box::new(TlsConnector::from(tls).connect(name, plain).await.map_err(|error| error.to_string())?)
            }
        };
        let mut messenger =
            Messenger::new(BufStream::new(stream), RESPONSE_BYTES_MAX, settings.client_id.as_str().into());
        messenger.sync_versions().await.map_err(|error| error.to_string())?;
        if let Some(sasl) = settings.security.sasl() {
            messenger.do_sasl(sasl).await.map_err(|error| error.to_string())?;
        }
        Ok(Self { messenger, used: Mutex::new(Instant::now()) })
    }

    /// Whether it has been idle for so long that a broker, or a router between, may have closed it without a word.
    pub(super) fn is_stale(&self) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > IDLE_MAX
    }

    /// Asks, and waits for the answer no longer than `limit`. After any fault this connection is of no use any more.
    ///
    /// # Errors
    /// [`Fault::Silent`], or [`Fault::Passing`] where the connection broke or the answer isn't one.
    pub(super) async fn ask<R>(&self, doing: &str, limit: Duration, request: R) -> Result<R::ResponseBody, Fault>
    where
        R: RequestBody + Send + WriteVersionedType<Vec<u8>>,
        R::ResponseBody: ReadVersionedType<std::io::Cursor<Vec<u8>>>,
    {
        let asking: Boxed<'_, _> = Box::pin(self.messenger.request(request));
        let answered = timeout(limit, asking).await;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault::Passing { doing: doing.to_owned(), cause: describe(&error) }),
            Err(_) => Err(Fault::silent(doing, limit)),
        }
    }
}

/// Connects to the first address of a name that answers: one of them may be that of a host that is gone.
async fn connect(address: &str) -> Result<TcpStream, String> {
    let addresses = lookup_host(address).await.map_err(|error| error.to_string())?;
    let attempts =
        addresses.map(|address| async move { TcpStream::connect(address).await.map_err(|error| error.to_string()) });
    first_of(attempts).await.map_err(|causes| match causes.as_slice() {
        [] => "the name has no address".to_owned(),
        causes => causes.join("; "),
    })
}

/// What the first attempt gives that works. Each begins [`STAGGER`] after the one before, or as soon as one has failed; those
/// that are not needed any more are dropped. Where none works: why, of each.
pub(super) async fn first_of<T: Send + 'static>(
    attempts: impl Iterator<Item: Future<Output = Result<T, String>> + Send + 'static>,
) -> Result<T, Vec<String>> {
    let mut attempts = attempts.fuse();
    let mut under_way = JoinSet::new();
    let mut causes = Vec::new();
    loop {
        let next = attempts.next();
        let is_last = next.is_none();
        if let Some(next) = next {
            under_way.spawn(next);
        }
        while let Some(ended) = under_way.len().checked_sub(1).map(|_| under_way.join_next()) {
            let ended = if is_last { ended.await } else { timeout(STAGGER, ended).await.unwrap_or_default() };
            match ended.map(|ended| ended.expect("a task that panics stops the process")) {
                Some(Ok(works)) => return Ok(works),
                Some(Err(cause)) => {
                    causes.push(cause);
                    if !is_last {
                        break;
                    }
                }
                // It is time for the next one.
                None => break,
            }
        }
        if is_last {
            return Err(causes);
        }
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn describe(error: &RequestError) -> String {
    match error {
        RequestError::Poisoned(first) => describe(first),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_what_a_certificate_would_name() {
        for (address, expected) in
            [("kafka:9092", "kafka"), ("10.0.0.1:9093", "10.0.0.1"), ("[::1]:9093", "::1"), ("kafka", "kafka")]
        {
            assert_eq!(host(address), expected);
            assert!(ServerName::try_from(host(address).to_owned()).is_ok(), "{address}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_holds_the_next_one_up_for_a_moment_only() {
        let attempts = |works: [Option<bool>; 3]| {
            works.into_iter().enumerate().map(|(number, works)| async move {
                match works {
                    None => std::future::pending().await,
                    Some(true) => Ok(number),
                    Some(false) => Err(format!("attempt {number}")),
                }
            })
        };
        let began = tokio::time::Instant::now();
        assert_eq!(first_of(attempts([None, Some(false), Some(true)])).await, Ok(2));
        assert_eq!(began.elapsed(), STAGGER);
        assert_eq!(first_of(attempts([Some(true), None, None])).await, Ok(0));
        let causes = first_of(attempts([Some(false); 3])).await.expect_err("none works");
        assert_eq!(causes, ["attempt 0", "attempt 1", "attempt 2"]);
    }
}
