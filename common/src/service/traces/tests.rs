//! Spans on their way to a collector, which is a listener of each test's own: what arrives, when it is tried again, and what is
//! given up and counted.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::exporter::REQUEST_SPANS_MAX;
use super::*;
use crate::service::config::{Problems, Secret};

const NOW_US: i64 = 1_795_201_921_000_000;

fn span(number: u8) -> Span {
    Span {
        trace_id: [number; 16],
        span_id: [number; 8],
        parent_id: None,
        kind: SpanKind::Producer,
        name: "send transactions".to_owned(),
        start_us: NOW_US,
        end_us: NOW_US + 5,
        attributes: vec![("messaging.system", "kafka".into()), ("messaging.kafka.offset", 7.into())],
    }
}

/// Traces that go to `listener`.
fn traced(listener: &TcpListener) -> (Traces, Exporting, Metrics) {
    let endpoint = Some(format!("http://{}/otlp", listener.local_addr().unwrap()));
    let headers = Some(Secret::new("x-key=secret"));
    let settings = TraceSettings { endpoint: &endpoint, protocol: &None, headers: &headers, service_name: &None };
    let configuration = settings.validate("test", &mut Problems::default());
    let metrics = Metrics::new("tally_test", "0");
    let (traces, exporting) = start(configuration, "test", "1.2.3", &metrics).unwrap();
    (traces, exporting, metrics)
}

fn counted(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("tally_test_{name}_total ")));
    line.unwrap().parse().unwrap()
}

/// One request: its head and its spans.
async fn taken(listener: &TcpListener, status: &str, answer: &[u8]) -> (String, ExportTraceServiceRequest) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (head, body) = request(&mut stream).await;
    let head_of_answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all(&[head_of_answer.as_bytes(), answer].concat()).await.unwrap();
    (head, ExportTraceServiceRequest::decode(body.as_slice()).unwrap())
}

async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: usize = length.parse().unwrap();
        let mut body = bytes.split_off(end + 4);
        let have = body.len();
        body.resize(length, 0);
        stream.read_exact(&mut body[have..]).await.unwrap();
        return (head, body);
    }
}

#[tokio::test]
async fn a_collector_gets_spans_with_their_resource_and_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, exporting, metrics) = traced(&listener);
    traces.offer(span(1));
    traces.offer(span(2));
    let ((), (head, request)) = tokio::join!(exporting.finish(), taken(&listener, "200 OK", b""));
    assert!(head.starts_with("POST /otlp/v1/traces HTTP/1.1\r\n"), "{head}");
    for line in ["content-type: application/x-protobuf", "x-key: secret"] {
        assert!(head.lines().any(|given| given == line), "{line} is not in {head}");
    }
    let resource = &request.resource_spans[0];
    assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
    let spans = &resource.scope_spans[0].spans;
    assert_eq!(spans.iter().map(|span| span.trace_id[0]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(spans[0].end_time_unix_nano - spans[0].start_time_unix_nano, 5_000);
    assert_eq!((counted(&metrics, "spans_exported"), counted(&metrics, "spans_dropped")), (2, 0));
}

#[tokio::test]
async fn what_a_collector_rejects_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, exporting, metrics) = traced(&listener);
    (1..=3).for_each(|number| traces.offer(span(number)));
    let partial = ExportTracePartialSuccess { rejected_spans: 1, ..ExportTracePartialSuccess::default() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    tokio::join!(exporting.finish(), taken(&listener, "200 OK", &answer));
    assert_eq!((counted(&metrics, "spans_exported"), counted(&metrics, "spans_dropped")), (2, 1));
}

#[tokio::test]
async fn what_a_collector_refuses_is_dropped_and_the_next_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, exporting, metrics) = traced(&listener);
    traces.offer(span(1));
    taken(&listener, "400 Bad Request", b"").await;
    while counted(&metrics, "spans_dropped") == 0 {
        tokio::task::yield_now().await;
    }
    traces.offer(span(2));
    let ((), (_, request)) = tokio::join!(exporting.finish(), taken(&listener, "200 OK", b""));
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].trace_id[0], 2);
    assert_eq!((counted(&metrics, "spans_exported"), counted(&metrics, "spans_dropped")), (1, 1));
}

#[tokio::test]
async fn what_a_collector_has_no_time_for_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, exporting, metrics) = traced(&listener);
    traces.offer(span(1));
    taken(&listener, "503 Service Unavailable", b"").await;
    let (_, request) = taken(&listener, "200 OK", b"").await;
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].trace_id[0], 1);
    exporting.finish().await;
    assert_eq!((counted(&metrics, "spans_exported"), counted(&metrics, "spans_dropped")), (1, 0));
}

#[tokio::test]
async fn a_silent_collector_costs_spans_and_no_waiting() {
    // Takes connections, as its system does, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, exporting, metrics) = traced(&listener);
    let offered = SPANS_WAITING_MAX + REQUEST_SPANS_MAX + 1_000;
    (0..offered).for_each(|_| traces.offer(span(1)));
    assert!(counted(&metrics, "spans_dropped") >= 1_000, "what does not fit is dropped at once");
    tokio::time::pause();
    timeout(2 * FLUSH_LIMIT, exporting.finish()).await.expect("the end of a process does not wait for a collector");
}

#[test]
fn a_second_has_room_for_so_many_spans_and_the_next_for_as_many() {
    let (queue, _keep) = mpsc::channel(1);
    let traces = Traces::new(queue, Counter::default());
    let room = |now_us| (0..5_000).filter(|_| traces.has_room(now_us, 2)).count();
    assert_eq!(room(NOW_US), 500);
    assert_eq!(room(NOW_US + 999_999), 0);
    assert_eq!(room(NOW_US + 1_000_000), 500);
    // Partitions that are folded side by side don't make room for each other by taking turns.
    assert_eq!(room(NOW_US), 0);
    assert_eq!(room(NOW_US + 1_000_000), 0);
    // A clock that was put back begins anew rather than never again.
    assert_eq!(room(NOW_US - 120_000_000), 500);
    assert_eq!(room(-1), 500);
}
