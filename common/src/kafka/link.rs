//! One connection to one broker, with rskafka's messenger on it: that frames requests, matches answers to them, agrees on
//! versions and logs in.
//!
//! The stream underneath is made here, for three things that rskafka's own does not do: small requests go out at once
//! (`TCP_NODELAY`; without it a request of 8 to 65 kB waits some 45 ms for a delayed acknowledgement), addresses of IPv6
//! can be met over TLS, and nothing waits longer than it may.

use std::time::Duration;

use rskafka::{
    client::error::RequestError,
    messenger::Messenger,
    protocol::messages::{ReadVersionedType, RequestBody, WriteVersionedType},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Boxed, connection::ConnectionSettings, fault::Fault};

/// Largest answer that is taken from a broker, in bytes: the largest batch a broker may hold plus room to spare.
pub(super) const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a broker, ready for requests.
pub(super) struct Link(Messenger<BufStream<Box<dyn Stream>>>);

impl Link {
    /// Connects to `host:port` and logs in. `Err` says why that can't be done.
    pub(super) async fn open(address: &str, settings: &ConnectionSettings, limit: Duration) -> Result<Self, String> {
        let opening: Boxed<'_, _> = Box::pin(Self::open_slowly(address, settings));
        timeout(limit, opening).await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    async fn open_slowly(address: &str, settings: &ConnectionSettings) -> Result<Self, String> {
        let plain = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
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
        Ok(Self(messenger))
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
        let asking: Boxed<'_, _> = Box::pin(self.0.request(request));
        match timeout(limit, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault::Passing { doing: doing.to_owned(), cause: describe(&error) }),
            Err(_) => Err(Fault::silent(doing, limit)),
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
}
