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

use crate::wait::let_pass;

/// How long a client of the attack waits for anything.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks at connections that are held, and between two waves.
const PAUSE: Duration = Duration::from_millis(50);
/// How often connections that are held are looked at before they are given up; those of streams are soon tried again.
const LOOKS: u32 = 20;
const STREAM_LOOKS: u32 = 5;
/// Connections of a wave that are held: more of all kinds together than the 256 places of a server, and few enough that two
/// attacks leave a third of the usual 1 024 file descriptors to the others in this process.
const STREAMS: usize = 70;
const SLOW_HEADS: usize = 60;
const SILENT: usize = 120;
const DRIPPING: usize = 40;
/// Connections of a wave that come and go.
const BRIEF: usize = 20;
/// Connections of a wave that say nothing at all before they go.
const COMING: usize = 100;
/// Connections of a wave that ask for the same again and again.
const SCRAPERS: usize = 8;
/// The request for a stream of events.
const EVENTS: &str = "GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n";
/// The request for dead letters, which is the one that has Kafka asked: one that finds none has to look at the most.
const LETTERS: &str = "GET /api/v1/dead-letters?limit=100&to=2020-01-01T00:00:00Z HTTP/1.1\r\nhost: x\r\n\r\n";
/// What is sent where little is allowed.
const LARGE_BYTES: usize = 1 << 20;
/// A token that nobody has set.
const WRONG_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// One wave of a kind of clients; how many connections it made.
type Wave = fn(&Target) -> usize;

/// Every kind of clients.
const WAVES: [(&str, Wave); 12] = [
    ("event streams", event_streams),
    ("events left at once", leavers),
    ("comings and goings", comers),
    ("metrics without a pause", scrapers),
    ("dead letters without a pause", letter_readers),
    ("dead letters left at once", letter_leavers),
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
    connections: [AtomicU64; WAVES.len()],
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
        let target = Target { server, is_over: false.into(), connections: Default::default(), let_in: 0.into() };
        let target = Arc::new(target);
        let threads = WAVES.iter().zip(0..).map(|(&(_, wave), kind): (_, usize)| {
            let target = Arc::clone(&target);
            std::thread::spawn(move || {
                while !target.is_over.load(Relaxed) {
                    let connections = wave(&target);
                    target.connections[kind].fetch_add(connections as u64, Relaxed);
                    let_pass(PAUSE);
                }
            })
        });
        Self { threads: threads.collect(), target }
    }

    /// How many connections each kind has made so far.
    #[must_use]
    pub fn connections(&self) -> BTreeMap<&'static str, u64> {
        WAVES.iter().zip(&self.target.connections).map(|((kind, _), made)| (*kind, made.load(Relaxed))).collect()
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

    /// Opens so many connections, says this on each, and does `look` with each of them so many times; how many there were.
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
        held.len()
    }

    /// Opens a connection, says this and gives back the beginning of the answer; `None` where there was no connection.
    fn ask(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut stream = self.connect()?;
        let _ = stream.write_all(request);
        let mut answer = vec![0; 64];
        let length = stream.read(&mut answer).unwrap_or(0);
        answer.truncate(length);
        Some(answer)
    }

    /// Asks the same again and again over some connections, and takes what comes; how many there were.
    fn ask_on(&self, request: &str) -> usize {
        self.hold(SCRAPERS, &request.repeat(50), LOOKS, |stream| read_some(stream, 1 << 20))
    }

    /// Asks over some connections and waits for no answer; how many there were.
    fn leave(&self, request: &str) -> usize {
        (0..BRIEF).filter_map(|_| self.connect()?.write_all(request.as_bytes()).ok()).count()
    }

    /// Asks so many times, and counts the connections.
    fn ask_all<R: AsRef<[u8]>>(&self, requests: impl IntoIterator<Item = R>) -> usize {
        requests.into_iter().filter_map(|request| self.ask(request.as_ref())).count()
    }
}

fn read_some(stream: &mut TcpStream, bytes: usize) {
    let _ = stream.read(&mut vec![0; bytes]);
}

fn event_streams(target: &Target) -> usize {
    target.hold(STREAMS, EVENTS, STREAM_LOOKS, |stream| read_some(stream, 1 << 16))
}

fn leavers(target: &Target) -> usize {
    target.leave(EVENTS)
}

fn comers(target: &Target) -> usize {
    (0..COMING).filter_map(|_| target.connect()).count()
}

fn letter_readers(target: &Target) -> usize {
    target.ask_on(LETTERS)
}

fn letter_leavers(target: &Target) -> usize {
    target.leave(LETTERS)
}

fn scrapers(target: &Target) -> usize {
    target.ask_on("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
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
    target.ask_all((0..BRIEF).map(|_| rand::random::<[u8; 1_000]>()))
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
    target.ask_all(&requests)
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
    let mut connections = target.ask_all(wrong.map(|line| format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n")));
    let long = WRONG_TOKEN.repeat(300);
    let guesses = [format!("Bearer {WRONG_TOKEN}"), format!("Bearer {long}"), "Basic Og==".to_owned(), String::new()];
    for path in ["/metrics", "/api/v1/summary", "/api/v1/producer"] {
        for credentials in &guesses {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {credentials}\r\n\r\n");
            let Some(answer) = target.ask(request.as_bytes()) else { continue };
            connections += 1;
            if answer.starts_with(b"HTTP/1.1 200") {
                target.let_in.fetch_add(1, Relaxed);
            }
        }
    }
    connections
}
