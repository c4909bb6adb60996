//! The collector: one request at a time, each over a connection of its own, none longer than [`REQUEST_LIMIT`].
//!
//! There is at most one request a second, so a connection that is kept would save little, and would have to be found out to
//! be dead.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::settings::Endpoint;

/// How long a request may take, from connecting to the end of the answer; OTLP's default.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Most that is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Where collectors usually listen for gRPC.
const GRPC_PORT: u16 = 4317;

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where spans are sent.
pub(super) struct Collector {
    endpoint: Endpoint,
    headers: HeaderMap,
    tls: TlsConnector,
}

/// Why spans were not taken.
#[derive(Debug)]
pub(super) struct NotTaken {
    pub(super) cause: String,
    /// Whether they may be taken when they are sent again.
    pub(super) may_pass: bool,
}

impl Collector {
    pub(super) fn new(endpoint: Endpoint, mut headers: HeaderMap) -> Self {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { endpoint, headers, tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends a request of OTLP. Gives how many of its spans the collector says it has rejected.
    ///
    /// # Errors
    /// [`NotTaken`] where it took none.
    pub(super) async fn send(&self, body: Bytes) -> Result<u64, NotTaken> {
        let faulty = |cause: String| NotTaken { cause: self.advised(&cause), may_pass: true };
        let answered = timeout(REQUEST_LIMIT, Box::pin(self.ask(body))).await;
        let (status, answer) = answered
            .unwrap_or_else(|_| Err(format!("no answer within {} s", REQUEST_LIMIT.as_secs())))
            .map_err(faulty)?;
        if !status.is_success() {
            // The ones that OTLP/HTTP calls retryable.
            let may_pass = matches!(status.as_u16(), 429 | 502 | 503 | 504);
            return Err(NotTaken { cause: self.advised(&format!("answered {status}")), may_pass });
        }
        let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        Ok(partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0))
    }

    async fn ask(&self, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let stream = self.connect().await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.path.parse().expect("a path that was part of a URL");
        *request.headers_mut() = self.headers.clone();
        let host = HeaderValue::from_str(&self.endpoint.authority).expect("an authority that was part of a URL");
        request.headers_mut().insert(header::HOST, host);
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body =
            to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
        Ok((status, body))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let Endpoint { host, port, encrypted, .. } = &self.endpoint;
        let plain = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
        if !encrypted {
            return Ok(Box::new(plain));
        }
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        Ok(Box::new(self.tls.connect(name, plain).await.map_err(|error| error.to_string())?))
    }

    fn advised(&self, cause: &str) -> String {
        let Endpoint { authority, port, .. } = &self.endpoint;
        let advice = if *port == GRPC_PORT { "; that port is usually gRPC's, OTLP by HTTP has 4318" } else { "" };
        format!("{authority}: {cause}{advice}")
    }
}
