//! The getter for the address to listen on.

use std::net::SocketAddr;

use super::Problems;

impl Problems {
    /// An address to listen on, `IP:PORT`; port 0 is any free one.
    ///
    /// # Panics
    /// If `default` is not such an address.
    pub fn socket_address(&mut self, setting: &'static str, given: &Option<String>, default: &str) -> SocketAddr {
        let valid = "IP:PORT such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:0 (port 0: any free one)";
        self.parsed(setting, given, Some(default), valid, address)
            .unwrap_or_else(|| default.parse().expect("a default address is an address"))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
        let is_name = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':');
        if is_name { "has a host name where an IP address is needed" } else { "is not an address" }.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_an_ip_and_a_port() {
        for good in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:80"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for (bad, wrong) in [
            ("localhost:8080", "has a host name where an IP address is needed"),
            (":8080", "is not an address"),
            ("8080", "is not an address"),
            ("127.0.0.1", "is not an address"),
            ("127.0.0.1:99999", "is not an address"),
            ("::1:80", "is not an address"),
            ("", "is not an address"),
        ] {
            assert_eq!(address(bad), Err(wrong.to_owned()), "{bad}");
        }
    }

    #[test]
    fn the_default_is_taken_when_none_is_given() {
        let mut problems = Problems::default();
        assert_eq!(problems.socket_address("http_listen", &None, "0.0.0.0:8081").port(), 8081);
        problems.finish().unwrap();
    }
}
