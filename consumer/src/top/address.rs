//! Where the consumer is that is looked at.

use std::{fmt, net::SocketAddr, str::FromStr};

use axum::http::Uri;
use common::service::{host_and_port, reachable};

/// Host and port of a consumer's HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Of the process that listens there.
    #[must_use]
    pub fn of_listener(listen: SocketAddr) -> Self {
        let address = reachable(listen);
        Self { host: address.ip().to_string(), port: address.port() }
    }

    /// As the `Host` header has it.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "give http://HOST:PORT, such as http://127.0.0.1:8080";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("plain http only, there is no TLS here; give http://HOST:PORT"),
            _ => return Err(FORM),
        }
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(FORM);
        }
        let (host, port) = host_and_port(authority, 80).map_err(|_| FORM)?;
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_by_plain_http() {
        for (given, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://tally.localhost/", "http://tally.localhost:80"),
            ("HTTP://[::1]:9000", "http://[::1]:9000"),
        ] {
            assert_eq!(given.parse::<Address>().unwrap().to_string(), shown);
        }
        assert!("https://tally.example".parse::<Address>().unwrap_err().contains("plain http only"));
        for wrong in [
            "",
            "localhost",
            "localhost:8080",
            "ftp://x",
            "http://",
            "http://:80",
            "http://x:",
            "http://x:0",
            "http://x:99999",
            "http://x/api/v1/events",
            "http://x/?a=b",
            "http://user:secret@x",
            "http://a b",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_asked_over_loopback() {
        assert_eq!(Address::of_listener("0.0.0.0:8080".parse().unwrap()).authority(), "127.0.0.1:8080");
        assert_eq!(Address::of_listener("[::]:1".parse().unwrap()).authority(), "[::1]:1");
    }
}
