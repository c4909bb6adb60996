//! A collector of traces, as small as can be: takes OTLP by HTTP and keeps the spans; or never answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use crate::{Checked, Failure};

/// How long a request may take to come in.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A span that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The name of the service that it came from.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Taken {
    /// An attribute, as text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<String> {
        let value = self.span.attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?;
        text(value.value.as_ref()?)
    }
}

fn text(value: &any_value::Value) -> Option<String> {
    match value {
        any_value::Value::StringValue(text) => Some(text.clone()),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The collector. Ends with the process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
    /// Of one that never answers: where connections wait for ever.
    _listener: Option<TcpListener>,
}

impl Collector {
    /// One that takes everything.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start() -> Checked<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keep = Arc::clone(&keep);
                thread::spawn(move || {
                    if let Ok(spans) = take(&stream) {
                        keep.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
                        let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                });
            }
        });
        Ok(Self { address, taken, _listener: None })
    }

    /// One that lets everybody connect and never says a word.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn silent() -> Checked<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self { address: listener.local_addr()?, taken: Arc::default(), _listener: Some(listener) })
    }

    /// What programs are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has taken so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads one request, which must be what OTLP/HTTP asks for.
fn take(stream: &TcpStream) -> Checked<Vec<Taken>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    let asked = head.first().map(String::as_str);
    if asked != Some("post /v1/traces http/1.1")
        || !head.iter().any(|line| line == "content-type: application/x-protobuf")
    {
        return Err(Failure::new(format!("that is no request of OTLP/HTTP: {head:?}")));
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse()?];
    reader.read_exact(&mut body)?;
    let request = ExportTraceServiceRequest::decode(body.as_slice())
        .map_err(|error| Failure::new(format!("that is no message of OTLP: {error}")))?;
    let mut taken = Vec::new();
    for from in request.resource_spans {
        let attributes = from.resource.unwrap_or_default().attributes;
        let service = attributes.iter().find(|attribute| attribute.key == "service.name");
        let service = service.and_then(|name| text(name.value.as_ref()?.value.as_ref()?)).unwrap_or_default();
        let spans = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
        taken.extend(spans.map(|span| Taken { service: service.clone(), span }));
    }
    Ok(taken)
}
