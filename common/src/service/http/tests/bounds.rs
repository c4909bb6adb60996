//! What no client can do: keep its place for ever, keep others from being told how the process is, or take more than its share.

use std::convert::Infallible;

use axum::response::sse::{Event, Sse};
use futures_util::stream;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, interval, interval_at, sleep};

use super::connection::Pass;
use super::*;
use crate::service::config::Secret;

#[tokio::test]
async fn a_head_that_never_ends_and_an_idle_connection_are_ended() {
    let served = serve(
        Router::new(),
        Limits { with_place: ConnectionLimits { head: SHORT, ..with_place() }, ..Limits::default() },
    )
    .await;
    assert_eq!(read_to_end(served.connect().await).await, "");
    let text = read_to_end(served.connect_and_send("GET /livez HTTP/1.1\r\nhost: x\r\n").await).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    let text = read_to_end(served.connect_and_send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_place() {
    // More than both sockets' buffers hold.
    let large = get(|| async { "x".repeat(32 * 1024 * 1024) });
    let limits = Limits {
        connections_max: 1,
        with_place: ConnectionLimits { write: WriteLimits { some: SHORT, ..with_place().write }, ..with_place() },
        ..Limits::default()
    };
    let served = serve(Router::new().route("/large", large), limits).await;
    let deaf = served.connect_and_send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    served.until_status("/metrics", 200).await;
    drop(deaf);
}

impl Served {
    /// Asks until the answer has that status.
    async fn until_status(&self, path: &str, status: u16) {
        let asking = async {
            while self.ask("GET", path).await.status != status {
                sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("never: {path} being {status}"));
    }
}

/// Few places, all of which are taken by clients that say nothing.
async fn crowded(access: Access, router: Router) -> (Served, Vec<TcpStream>) {
    let patient = ConnectionLimits { head: DEADLINE, age_max: 2 * DEADLINE, ..Limits::default().without_place };
    let limits = Limits { connections_max: 2, without_place_max: 4, without_place: patient, ..Limits::default() };
    let served = serve_to(access, router, limits).await;
    let mut silent = vec![served.connect().await, served.connect().await];
    served.until_status("/metrics", 503).await;
    for _ in 0..20 {
        silent.push(served.connect().await);
    }
    (served, silent)
}

#[tokio::test]
async fn health_is_answered_while_every_place_is_taken_and_everything_else_is_told_to_come_again() {
    let (served, silent) = crowded(Access::default(), Router::new()).await;
    let kafka = served.ops.readiness.condition("kafka");
    kafka.ready();
    for path in ["/livez", "/readyz"] {
        assert_eq!(served.ask("GET", path).await.status, 200, "{path}");
    }
    for path in ["/metrics", "/", "/livez/", "//livez", "/livez/../metrics"] {
        let refused = served.ask("GET", path).await;
        assert_eq!((refused.status, refused.problem()), (503, json!("too_many_connections")), "{path}");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
    }
    let once = served.connect_and_send(&"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2)).await;
    assert_eq!(
        read_to_end(once).await.matches("HTTP/1.1 200").count(),
        1,
        "a connection without a place is asked once"
    );
    drop(silent);
    served.until_status("/metrics", 200).await;
}

#[tokio::test]
async fn who_shows_the_token_is_answered_while_every_place_is_taken_by_others() {
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (going, begun) = (Arc::clone(&go), Arc::clone(&gone));
    let slow = get(async move || {
        begun.notify_one();
        going.notified().await;
        "at last"
    });
    let access = Access::with_token(Some(Secret::new("hunter2hunter2hunter2")));
    let (served, mut silent) = crowded(access, Router::new().route("/slow", slow)).await;
    for (shown, status) in [("hunter2hunter2hunter2", 200), ("hunter3hunter3hunter3", 503)] {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {shown}\r\n\r\n");
        assert_eq!(answer(served.connect_and_send(&request).await).await.status, status, "{shown}");
    }
    // However many come while it is answered.
    let request = "GET /slow HTTP/1.1\r\nhost: x\r\nauthorization: Bearer hunter2hunter2hunter2\r\n\r\n";
    let asked = served.connect_and_send(request).await;
    gone.notified().await;
    for _ in 0..20 {
        silent.push(served.connect().await);
    }
    // The last of them has been let in once one after it is answered.
    assert_eq!(served.ask("GET", "/livez").await.status, 200);
    go.notify_one();
    assert_eq!(answer(asked).await.body, "at last");
}

#[tokio::test]
async fn of_those_without_a_place_only_the_newest_stay() {
    let (served, mut silent) = crowded(Access::default(), Router::new()).await;
    let newest = silent.split_off(silent.len() - 4);
    let with_place = silent.drain(..2).collect::<Vec<_>>();
    for cut_off in silent {
        assert_eq!(read_to_end(cut_off).await, "");
    }
    for mut waiting in newest {
        let mut byte = [0];
        let read = tokio::time::timeout(SHORT, waiting.read(&mut byte)).await;
        assert!(read.is_err(), "it may still say what it wants: {read:?}");
    }
    drop(with_place);
    drop(served);
}

#[tokio::test]
async fn whoever_has_no_place_and_says_nothing_is_not_waited_for() {
    let hasty = ConnectionLimits { head: SHORT, age_max: SHORT, ..Limits::default().without_place };
    let served = serve(Router::new(), Limits { connections_max: 0, without_place: hasty, ..Limits::default() }).await;
    let text = read_to_end(served.connect().await).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
}

/// A client at one end of a connection, in virtual time; so much is held for it that it has not read.
fn connected(router: Router, held_bytes: usize) -> DuplexStream {
    let (near, far) = duplex(held_bytes);
    tokio::spawn(connection::serve(far, router, with_place(), Pass::default(), CancellationToken::new()));
    near
}

/// Reads a byte at a time, so far apart, and gives back how long it was served.
async fn drip(client: &mut DuplexStream, every: Duration) -> Duration {
    let began = Instant::now();
    let mut ticks = interval(every);
    let mut byte = [0];
    while matches!(client.read(&mut byte).await, Ok(1)) {
        ticks.tick().await;
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_a_byte_now_and_then_is_not_waited_for() {
    let page = Router::new().route("/page", get(|| async { "x".repeat(10_000) }));
    let mut client = connected(page, 64);
    client.write_all(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let served_for = drip(&mut client, Duration::from_secs(9)).await;
    // What was held for it is still there to read after the end.
    assert!(served_for < ANSWER_TIMEOUT + 70 * Duration::from_secs(9), "{served_for:?}");
}

/// An event a second.
fn events() -> Router {
    let events = || {
        stream::unfold(interval(Duration::from_secs(1)), async |mut ticks| {
            ticks.tick().await;
            Some((Ok::<_, Infallible>(Event::default().data("x".repeat(100))), ticks))
        })
    };
    Router::new().route("/events", get(async move || Sse::new(events())))
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_that_is_read_goes_on_for_an_hour_and_one_that_is_not_does_not() {
    let request = b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n";
    let began = Instant::now();
    let mut reader = connected(events(), 1_024);
    reader.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), STREAM_AGE_MAX.as_secs());
    assert!(bytes.len() > 100 * 3_600, "{} bytes", bytes.len());

    let mut dripping = connected(events(), 64);
    dripping.write_all(request).await.unwrap();
    let served_for = drip(&mut dripping, Duration::from_secs(1)).await;
    assert!(served_for < 4 * ANSWER_TIMEOUT, "{served_for:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_kept_busy_is_asked_to_come_again_in_the_end() {
    let mut client = connected(Router::new().route("/ok", get(|| async { "ok" })), 1_024);
    let began = Instant::now();
    // Between the seconds, so that none falls together with the end.
    let mut ticks = interval_at(began + Duration::from_millis(500), Duration::from_secs(1));
    let mut answers = 0;
    loop {
        ticks.tick().await;
        if client.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
            break;
        }
        let mut answer = [0; 1_024];
        match client.read(&mut answer).await {
            Ok(1..) => answers += 1,
            _ => break,
        }
    }
    assert_eq!(began.elapsed().as_secs(), CONNECTION_AGE_MAX.as_secs());
    assert!(answers >= CONNECTION_AGE_MAX.as_secs() - 1, "{answers} answers");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_pace_wait_for_their_turn_and_are_all_answered() {
    let limits = Limits { requests_per_s_max: 10, ..Limits::default() };
    let routes = ops::complete(Router::new(), ops(&Shutdown::manual(), Access::default()), &limits);
    let many = REQUESTS_BURST as usize + 30;
    let requests = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(many - 1)
        + "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let began = Instant::now();
    let mut client = connected(routes.all, 1 << 20);
    client.write_all(requests.as_bytes()).await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("{\"live\":true}").count(), many);
    assert_eq!(began.elapsed().as_secs(), 3, "in virtual time, after the burst");
}
