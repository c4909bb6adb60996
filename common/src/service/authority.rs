//! Host and port of a URL.

use axum::http::uri::Authority;

/// The host of a URL, without the brackets of an IPv6 address, and its port, `port_default` where it says none. A login before
/// them is passed over.
///
/// # Errors
/// What is wrong, for people: there is no host, or a port that is none.
pub fn host_and_port(authority: &Authority, port_default: u16) -> Result<(String, u16), &'static str> {
    let host = authority.host();
    let place = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, place)| place);
    // A port that is none is no number to `port_u16`, and would be taken for one that was left out.
    let port = match place.strip_prefix(host) {
        Some("") => Some(port_default),
        _ => authority.port_u16().filter(|&port| port > 0),
    };
    let port = port.ok_or("has a port that is none")?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() { Err("names no host") } else { Ok((host.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_none_is_no_port_that_was_left_out() {
        let found = |text: &str| {
            let (host, port) = host_and_port(&text.parse().unwrap(), 80).ok()?;
            Some(format!("{host} {port}"))
        };
        assert_eq!(found("collector").as_deref(), Some("collector 80"));
        assert_eq!(found("[::1]:4318").as_deref(), Some("::1 4318"));
        assert_eq!(found("me:secret@collector").as_deref(), Some("collector 80"));
        for wrong in ["collector:431800", "collector:", "collector:0", "[::1]:65536", "me@collector:x", ":80", "[]:80"]
        {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
