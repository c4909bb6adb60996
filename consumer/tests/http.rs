//! The consumer's routes as they are served, on a real socket: before there are figures, asked wrongly, and asked oddly.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::sync::Arc;
use std::time::Duration;

use common::kafka::{Cluster, ConnectionSettings, Security};
use common::service::{Access, Liveness, Metrics, Ops, OpsServer, Readiness, Shutdown};
use common::topics::TopicNames;
use consumer::dead_letters::served::Served as Letters;
use consumer::view::View;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Whatever takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longest answer to a wrong question: what was asked is repeated once, escaped.
const PROBLEM_BYTES_MAX: usize = 128 * 1_024;
const EVENTS: &str = "/api/v1/events";
/// Read from Kafka, of which there is none here.
const DEAD_LETTERS: &str = "/api/v1/dead-letters";

struct Served {
    serving: common::service::http::Serving,
    view: Arc<View>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn served() -> Served {
    let shutdown = Shutdown::manual();
    let ops = Ops {
        readiness: Readiness::new(&shutdown),
        liveness: Liveness::default(),
        metrics: Metrics::new("tally_test", "0"),
        traces: None,
        access: Access::default(),
    };
    let view = Arc::new(View::default());
    let nowhere = ConnectionSettings {
        bootstrap_servers: vec!["127.0.0.1:1".to_owned()],
        client_id: "test".to_owned(),
        security: Security::default(),
    };
    let letters = Letters::new(&Cluster::new(nowhere), &TopicNames::new("t"));
    let readiness = ops.readiness.clone();
    let router = consumer::http::router(Arc::clone(&view), letters, readiness, CancellationToken::new());
    let server = OpsServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    Served { serving: server.serve(router, ops), view }
}

impl Served {
    async fn ask(&self, method: &str, path: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.serving.local_addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await;
        read.unwrap_or_else(|_| panic!("no end of the answer to {method} {path}")).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn catch_up(&self) {
        self.view.set_partitions(1);
        self.view.set_caught_up(0);
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What is wrong, as RFC 9457 has it; its code.
    fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        assert!(self.body.len() <= PROBLEM_BYTES_MAX, "{} bytes", self.body.len());
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem["code"].clone()
    }
}

/// The paths that the OpenAPI document names, and whether each has to wait for figures.
fn documented() -> Vec<(String, bool)> {
    let document: Value = serde_json::from_str(include_str!("../src/api/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let needs_figures = |path: &str| path != EVENTS && !paths[path]["get"]["responses"]["503"].is_null();
    paths.keys().map(|path| (path.clone(), needs_figures(path))).collect()
}

#[tokio::test]
async fn before_all_is_read_every_figure_is_refused_with_when_to_ask_again() {
    let served = served().await;
    let figures: Vec<String> = documented().into_iter().filter(|(_, needs)| *needs).map(|(path, _)| path).collect();
    assert!(figures.len() >= 5, "{figures:?}");
    for path in &figures {
        let refused = served.ask("GET", path).await;
        assert_eq!((refused.status, refused.problem()), (503, json!("not_caught_up")), "{path}");
        assert_eq!(refused.header("retry-after"), Some("1"), "{path}");
        let head = served.ask("HEAD", path).await;
        assert_eq!((head.status, head.body.as_str()), (503, ""), "{path}");
    }
    served.catch_up();
    for path in figures.iter().filter(|path| *path != DEAD_LETTERS) {
        assert_eq!(served.ask("GET", path).await.status, 200, "{path}");
    }
    let refused = served.ask("GET", DEAD_LETTERS).await;
    assert_eq!((refused.status, refused.problem()), (503, json!("kafka_fault")));
}

#[tokio::test]
async fn every_path_is_for_reading_and_says_so() {
    let served = served().await;
    served.catch_up();
    let paths = documented().into_iter().map(|(path, _)| path);
    for path in paths.chain(["/".to_owned(), "/page/page.js".to_owned(), "/api/v1/openapi.json".to_owned()]) {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let refused = served.ask(method, &path).await;
            assert_eq!((refused.status, refused.problem()), (405, json!("method_not_allowed")), "{method} {path}");
            assert_eq!(refused.header("allow"), Some("GET,HEAD"), "{method} {path}");
        }
        if ![EVENTS, DEAD_LETTERS, "/api/v1/latency"].contains(&path.as_str()) {
            let (get, head) = (served.ask("GET", &path).await, served.ask("HEAD", &path).await);
            assert_eq!((get.status, head.status, head.body.as_str()), (200, 200, ""), "{path}");
            assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_path_that_only_looks_like_one_of_ours_is_not_found() {
    let served = served().await;
    served.catch_up();
    for path in [
        "//",
        "//api/v1/summary",
        "/api//v1/summary",
        "/api/v1/summary/",
        "/api/v1/summary%2f",
        "/api/v1%2fsummary",
        "/api/v1/../v1/summary",
        "/api/v1/%2e%2e/v1/summary",
        "/api/v1/summary%00",
        "/api/v1/%73ummary",
        "/API/v1/summary",
        "/api/v1/summary;x=y",
        "/page/../api/v1/summary",
        "/page/..%2f..%2fetc%2fpasswd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/",
        "/page/page.js.map",
        "/.git/config",
    ] {
        let refused = served.ask("GET", path).await;
        assert_eq!((refused.status, refused.problem()), (404, json!("not_found")), "{path}");
    }
    let long = served.ask("GET", &format!("/api/v1/{}", "summary/".repeat(1_500))).await;
    assert_eq!((long.status, long.problem()), (404, json!("not_found")));
}

#[tokio::test]
async fn an_odd_query_is_refused_in_an_answer_of_bounded_length() {
    let served = served().await;
    served.catch_up();
    let (long, many) = ("%01".repeat(4_000), "limit=1&".repeat(1_500));
    for query in [
        "limit=%ff",
        "limit=1%00",
        "limit=99999999999999999999999999",
        "limit=1e2",
        "limit=",
        "limit[]=1",
        "from=%00",
        "to=99999-01-01T00:00:00Z",
        "from=2026-11-20T00:00:00Z%0d%0aset-cookie:%20a=b",
        "grouping=%E2%80%AE",
        "=",
        "unknown=1",
        &many,
        &format!("from={long}&to={long}").chars().take(12_000).collect::<String>(),
    ] {
        let refused = served.ask("GET", &format!("/api/v1/windows?{query}")).await;
        let shown: String = query.chars().take(60).collect();
        assert_eq!((refused.status, refused.problem()), (400, json!("bad_query")), "{shown}");
        assert_eq!(refused.header("set-cookie"), None, "{shown}");
    }
    // What takes no query is not confused by one, and an empty one is none.
    for fine in ["/api/v1/summary?limit=-1", "/api/v1/windows?", "/api/v1/producers?after=%00%ff"] {
        let status = served.ask("GET", fine).await.status;
        assert!(status == 200 || fine.contains("%ff") && status == 400, "{fine}: {status}");
    }
}
