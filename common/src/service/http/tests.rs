//! The server on real sockets. A bound is shown by what it lets happen (an end of the connection, another client's
//! turn), never by the time that took.

mod access;
mod bounds;
mod odd_requests;

use std::future::pending;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::service::{Liveness, Metrics, Readiness, Shutdown};

/// Whatever takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(20);
/// A bound that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

struct Served {
    serving: Serving,
    shutdown: Shutdown,
    ops: Ops,
}

async fn serve(router: Router, limits: Limits) -> Served {
    serve_to(Access::default(), router, limits).await
}

fn ops(shutdown: &Shutdown, access: Access) -> Ops {
    Ops {
        traces: None,
        readiness: Readiness::new(shutdown),
        liveness: Liveness::default(),
        metrics: Metrics::new("tally_test", "1.2.3"),
        access,
    }
}

async fn serve_to(access: Access, router: Router, limits: Limits) -> Served {
    let mut server = OpsServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    server.limits = limits;
    let shutdown = Shutdown::manual();
    let ops = ops(&shutdown, access);
    Served { serving: server.serve(router, ops.clone()), shutdown, ops }
}

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        self.json_of("application/json")
    }

    /// What is wrong, as RFC 9457 has it; its code.
    fn problem(&self) -> Value {
        let problem = self.json_of("application/problem+json");
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{self:?}");
        problem["code"].clone()
    }

    fn json_of(&self, content_type: &str) -> Value {
        assert_eq!(self.header("content-type"), Some(content_type), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.serving.local_addr()).await.unwrap()
    }

    async fn connect_and_send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        answer(self.connect_and_send(&request).await).await
    }
}

fn with_place() -> ConnectionLimits {
    Limits::default().with_place
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await;
    read.expect("the server ends the connection").unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn answer(stream: TcpStream) -> Answer {
    let text = read_to_end(stream).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn readiness_is_answered_with_what_is_unmet_and_why() {
    let served = serve(Router::new(), Limits::default()).await;
    let answer = served.ask("GET", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json(), json!({"ready": false, "unmet": [{"condition": "start", "reason": "starting"}]}));

    let kafka = served.ops.readiness.condition("kafka");
    kafka.not_ready("no \"broker\" answers");
    let answer = served.ask("GET", "/readyz").await;
    assert_eq!(answer.json()["unmet"], json!([{"condition": "kafka", "reason": "no \"broker\" answers"}]));

    kafka.ready();
    let answer = served.ask("GET", "/readyz").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"ready": true})));
}

#[tokio::test]
async fn while_draining_it_still_answers_alive_but_not_ready() {
    let served = serve(Router::new(), Limits::default()).await;
    served.ops.readiness.condition("kafka").ready();
    served.shutdown.trigger();
    let answer = served.ask("GET", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["unmet"], json!([{"condition": "shutdown", "reason": "draining"}]));
    assert_eq!(served.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn a_stuck_loop_makes_it_not_alive_and_is_named() {
    let served = serve(Router::new(), Limits::default()).await;
    assert_eq!(served.ask("GET", "/livez").await.json(), json!({"live": true}));
    let heart = served.ops.liveness.heartbeat("partition 3", Duration::ZERO);
    let stalled = || !served.ops.liveness.stalled(std::time::Instant::now()).is_empty();
    until("the heartbeat is overdue", stalled).await;
    let answer = served.ask("GET", "/livez").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["stalled"][0]["heartbeat"], "partition 3");
    drop(heart);
    assert_eq!(served.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let served = serve(Router::new(), Limits::default()).await;
    let answer = served.ask("GET", "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.body.contains("tally_test_build_info") && answer.body.ends_with("# EOF\n"), "{answer:?}");
}

#[tokio::test]
async fn errors_are_json_and_every_answer_is_protected() {
    let own = get(|| async { Response::builder().header("cache-control", "max-age=9").body(Body::empty()).unwrap() });
    let served = serve(Router::new().route("/own", own), Limits::default()).await;

    let not_found = served.ask("GET", "/nothing").await;
    assert_eq!((not_found.status, not_found.problem()), (404, json!("not_found")));
    for path in ["/livez", "/own"] {
        let wrong_method = served.ask("POST", path).await;
        assert_eq!((wrong_method.status, wrong_method.header("allow")), (405, Some("GET,HEAD")), "{wrong_method:?}");
        assert_eq!(wrong_method.problem(), "method_not_allowed");
    }
    for path in ["/nothing", "/livez", "/readyz", "/metrics"] {
        let answer = served.ask("GET", path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(answer.header("content-security-policy").is_some(), "{answer:?}");
    }
    let own = served.ask("GET", "/own").await;
    assert_eq!(
        (own.header("cache-control"), own.header("x-content-type-options")),
        (Some("max-age=9"), Some("nosniff"))
    );
}

#[tokio::test]
async fn a_head_request_is_answered_like_a_get_without_the_body() {
    let served = serve(Router::new(), Limits::default()).await;
    for path in ["/livez", "/readyz", "/nothing"] {
        let (get, head) = (served.ask("GET", path).await, served.ask("HEAD", path).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let served = serve(Router::new(), Limits::default()).await;
    let request = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2) + "GET /livez HTTP/1.0\r\n\r\n";
    let text = read_to_end(served.connect_and_send(&request).await).await;
    assert_eq!(text.matches("{\"live\":true}").count(), 3, "{text}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_so() {
    let never = get(|| async { pending::<&str>().await });
    let router = Router::new().route("/never", never).route("/length", post(|body: Bytes| async move { body }));
    let served = serve(router, Limits { request: SHORT, ..Limits::default() }).await;
    let answer_late = served.ask("GET", "/never").await;
    assert_eq!((answer_late.status, answer_late.problem()), (503, json!("timeout")));
    let half_a_body = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf";
    let body_late = answer(served.connect_and_send(half_a_body).await).await;
    assert_eq!((body_late.status, body_late.problem()), (503, json!("timeout")));
}

#[tokio::test]
async fn stopping_answers_open_requests_and_ends_idle_connections() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let inside = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = get(move || {
        let (entered, leave) = inside.clone();
        async move {
            entered.notify_one();
            leave.notified().await;
            "done"
        }
    });
    let served = serve(Router::new().route("/slow", slow), Limits { stop: DEADLINE, ..Limits::default() }).await;
    let address = served.serving.local_addr();
    let idle = served.connect().await;
    let open = served.connect_and_send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    entered.notified().await;
    let stopping = tokio::spawn(served.serving.stop());
    assert_eq!(read_to_end(idle).await, "");
    leave.notify_one();
    let answer = answer(open).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    tokio::time::timeout(DEADLINE, stopping).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_request_that_never_ends() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let never = get(move || {
        inside.notify_one();
        pending::<&str>()
    });
    let served = serve(Router::new().route("/never", never), Limits { stop: SHORT, ..Limits::default() }).await;
    let open = served.connect_and_send("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    entered.notified().await;
    tokio::time::timeout(DEADLINE, served.serving.stop()).await.unwrap();
    assert_eq!(read_to_end(open).await, "");
}

#[tokio::test]
async fn a_port_in_use_is_said_with_what_to_do_or_passed_over() {
    let taken = OpsServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = OpsServer::bind(taken.local_addr()).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Configuration);
    let expected = format!(
        "cannot listen on {}: the port is in use; choose another with HTTP_LISTEN or --http-listen, such as 127.0.0.1:0 \
         for any free one",
        taken.local_addr()
    );
    assert_eq!(error.to_string(), expected);
    let free = OpsServer::bind_or_free(taken.local_addr()).await.unwrap();
    assert_ne!(free.local_addr(), taken.local_addr());
}

#[tokio::test]
async fn an_address_of_another_machine_is_said_with_what_to_do() {
    // 192.0.2.0/24 is set aside for documentation: no machine has it.
    let error = OpsServer::bind("192.0.2.1:8080".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on 192.0.2.1:8080: ") && error.contains("--http-listen"), "{error}");
}

#[tokio::test]
async fn an_address_of_all_interfaces_is_shown_as_one_that_can_be_opened() {
    let server = OpsServer::bind("0.0.0.0:0".parse().unwrap()).await.unwrap();
    assert_eq!(server.local_url(), format!("http://127.0.0.1:{}", server.local_addr().port()));
}
