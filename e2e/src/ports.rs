//! Loopback ports for servers that have to come back on the same one.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections, so that none of these can be taken away
/// between asking and listening, nor while a broker is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A port on which nothing listens, given to no one else in this process.
///
/// # Panics
/// When none of 12 000 ports is free.
#[must_use]
pub fn free() -> u16 {
    // Two test processes at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("it is less than COUNT") / 100 * 100;
    for _ in 0..COUNT {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin + step % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}
