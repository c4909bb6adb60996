//! HTTP clients as nobody wants them: many at a time, of every kind, for as long as it takes.
//!
//! More connections are held than a server has places, by clients that say nothing, a byte now and then, or never read; in
//! between, others come and go with what is no request, far too large, or not theirs to ask.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::Rng as _;

use crate::wait::let_pass;

/// How long a client of the attack waits for anything.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks at connections that are held, and between two waves.
const PAUSE: Duration = Duration::from_millis(50);
/// How often connections that are held are looked at before they are given up; those of streams are soon tried again.
const LOOKS: u32 = 20;
const STREAM_LOOKS: u32 = 5;
/// Connections of a wave that are held: more of all kinds together than the 256 places of a server, and few enough that two
/// attacks leave half of the usual 1 024 file descriptors to the others in this process.
const STREAMS: usize = 70;
const SLOW_HEADS: usize = 60;
const SILENT: usize = 100;
const DRIPPING: usize = 40;
/// Connections of a wave that come and go.
const BRIEF: usize = 20;
/// What is sent where little is allowed.
const LARGE_BYTES: usize = 1 << 20;
/// A token that nobody has set.
const WRONG_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// One wave of a kind of clients; how many there were.
type Wave = fn(&Target) -> usize;

/// Every kind of clients.
const WAVES: [(&str, Wave); 7] = [
    ("event streams", event_streams),
    ("heads a byte at a time", slow_heads),
    ("silence", silence),
    ("answers a byte at a time", dripping_readers),
    ("garbage", garbage),
    ("far too large", too_large),
    ("wrong methods, paths and tokens", not_theirs),
];

/// Whom all of them go for.
#[derive(Debug)]
struct Target {
    server: SocketAddr,
    is_over: AtomicBool,
    attempts: [AtomicU64; WAVES.len()],
    let_in: AtomicU64,
}

/// An attack that goes on until it is ended, or dropped.
#[derive(Debug)]
pub struct Attack {
    target: Arc<Target>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    /// Lets all of them loose, each kind on a thread of its own.
    #[must_use]
    pub fn on(server: SocketAddr) -> Self {
        let target = Target { server, is_over: false.into(), attempts: Default::default(), let_in: 0.into() };
        let target = Arc::new(target);
        let threads = WAVES.iter().zip(0..).map(|(&(_, wave), kind): (_, usize)| {
            let target = Arc::clone(&target);
            std::thread::spawn(move || {
                while !target.is_over.load(Relaxed) {
                    let attempts = wave(&target);
                    target.attempts[kind].fetch_add(attempts as u64, Relaxed);
                    let_pass(PAUSE);
                }
            })
        });
        Self { threads: threads.collect(), target }
    }

    /// How many connections each kind has made so far.
    #[must_use]
    pub fn attempts(&self) -> BTreeMap<&'static str, u64> {
        WAVES.iter().zip(&self.target.attempts).map(|((kind, _), made)| (*kind, made.load(Relaxed))).collect()
    }

    /// How many requests with a wrong token were answered with 200.
    #[must_use]
    pub fn let_in(&self) -> u64 {
        self.target.let_in.load(Relaxed)
    }
}

/// Ends it: every connection is closed.
impl Drop for Attack {
    fn drop(&mut self) {
        self.target.is_over.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // One that has panicked has nothing to add.
            let _ = thread.join();
        }
    }
}

impl Target {
    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.server, TIMEOUT).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        stream.set_write_timeout(Some(TIMEOUT)).ok()?;
        Some(stream)
    }

    /// Opens so many connections, says this on each, and does `look` with each of them so many times.
    fn hold(&self, count: usize, first: &str, looks: u32, mut look: impl FnMut(&mut TcpStream)) -> usize {
        let mut held: Vec<TcpStream> = (0..count).filter_map(|_| self.connect()).collect();
        for stream in &mut held {
            let _ = stream.write_all(first.as_bytes());
            let _ = stream.set_nonblocking(true);
        }
        for _ in 0..looks {
            held.iter_mut().for_each(&mut look);
            let_pass(PAUSE);
            if self.is_over.load(Relaxed) {
                break;
            }
        }
        count
    }

    /// Opens a connection, says this and gives back the beginning of the answer.
    fn ask(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut stream = self.connect()?;
        let _ = stream.write_all(request);
        let mut answer = vec![0; 64];
        let length = stream.read(&mut answer).ok()?;
        answer.truncate(length);
        Some(answer)
    }
}

fn read_some(stream: &mut TcpStream, bytes: usize) {
    let _ = stream.read(&mut vec![0; bytes]);
}

fn event_streams(target: &Target) -> usize {
    target.hold(STREAMS, "GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n", STREAM_LOOKS, |stream| {
        read_some(stream, 1 << 16);
    })
}

fn slow_heads(target: &Target) -> usize {
    target.hold(SLOW_HEADS, "GET /api/v1/summary HTTP/1.1\r\nhost: ", LOOKS, |stream| {
        let _ = stream.write(b"x");
    })
}

fn silence(target: &Target) -> usize {
    target.hold(SILENT, "", LOOKS, |_| {})
}

fn dripping_readers(target: &Target) -> usize {
    let many = "GET /api/v1/summary HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    target.hold(DRIPPING, &many, LOOKS, |stream| read_some(stream, 1))
}

fn garbage(target: &Target) -> usize {
    let mut bytes = [0; 1_000];
    for _ in 0..BRIEF {
        rand::rng().fill_bytes(&mut bytes);
        target.ask(&bytes);
    }
    BRIEF
}

fn too_large(target: &Target) -> usize {
    let large = "x".repeat(LARGE_BYTES);
    let requests = [
        format!("GET /{large} HTTP/1.1\r\n\r\n"),
        format!("GET /metrics HTTP/1.1\r\nhost: {large}\r\n\r\n"),
        format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000)),
        format!("POST /api/v1/summary HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999999\r\n\r\n{large}"),
        format!("GET /readyz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{LARGE_BYTES:x}\r\n{large}\r\n"),
    ];
    for request in &requests {
        target.ask(request.as_bytes());
    }
    requests.len()
}

fn not_theirs(target: &Target) -> usize {
    let wrong = [
        "DELETE /api/v1/summary",
        "PUT /metrics",
        "TRACE /livez",
        "CONNECT evil.example:443",
        "GET /api/v1/../../etc/passwd",
        "GET //api//v1//summary",
        "GET /%2e%2e/%00",
        "GET /api/v1/windows?limit=-1",
    ];
    for line in wrong {
        target.ask(format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    }
    let long = WRONG_TOKEN.repeat(300);
    let guesses = [format!("Bearer {WRONG_TOKEN}"), format!("Bearer {long}"), "Basic Og==".to_owned(), String::new()];
    for path in ["/metrics", "/api/v1/summary", "/api/v1/producer"] {
        for credentials in &guesses {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {credentials}\r\n\r\n");
            if target.ask(request.as_bytes()).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
                target.let_in.fetch_add(1, Relaxed);
            }
        }
    }
    wrong.len() + 3 * guesses.len()
}
