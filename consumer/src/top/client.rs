//! Questions to a consumer's HTTP API. Every wait ends, and no answer fills the memory.

use std::{collections::VecDeque, io, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{
        HeaderMap, HeaderValue, Request, Response, StatusCode,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
    },
};
use futures_util::StreamExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::{
    address::Address,
    figures::Event,
    sse::{EVENT_BYTES_MAX, Parser, ServerSent, TooLong},
    text::Clean,
};

/// Longest wait for a connection, and for the head of an answer.
const STEP_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for an event, of which one comes a second; and for the rest of an answer.
const EVENT_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most bytes of an answer that is no stream.
const ANSWER_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("{address} does not answer: {error}. Does the consumer run there? --url says where to look")]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        error: io::Error,
    },
    /// Nothing came for too long.
    #[error("{address} is silent: nothing came for {} s", .limit.as_secs())]
    Silent {
        /// Who.
        address: Address,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection is gone.
    #[error("{address} has closed the connection{}", .error.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Closed {
        /// Who.
        address: Address,
        /// What HTTP says of it.
        error: Option<Clean>,
    },
    /// It answers, and not as we were told.
    #[error("{address} answers, but not as a consumer of Tally: {what}")]
    NotTally {
        /// Who.
        address: Address,
        /// What is wrong with it.
        what: Clean,
    },
    /// It is a consumer of Tally that says no.
    #[error("{address} answers {status}: {detail}")]
    Refused {
        /// Who.
        address: Address,
        /// The status of the answer.
        status: StatusCode,
        /// What it says is to be done.
        detail: Clean,
    },
}

/// A consumer's HTTP API.
#[derive(Clone, Debug)]
pub struct Api {
    address: Address,
    /// What shows that this process may ask; `None` where it has no token.
    authorization: Option<HeaderValue>,
}

/// An answer whose body is still to come, over a connection of its own that ends with it.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: BodyDataStream,
    driving: JoinSet<()>,
}

impl Api {
    /// Of the consumer there, to which `authorization` is shown.
    #[must_use]
    pub fn new(address: Address, authorization: Option<HeaderValue>) -> Self {
        Self { address, authorization }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The one place where requests are made: what every request has to carry goes here.
    fn request(&self, path: &str, accept: &str) -> Request<Body> {
        let mut request = Request::get(path)
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("tally-top/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, accept)
            .body(Body::empty())
            .expect("path and headers are plain ASCII");
        request.headers_mut().extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        request
    }

    /// Asks, over a connection of its own.
    async fn ask(&self, path: &str, accept: &str) -> Result<Answer, Trouble> {
        let stream = self.connect().await?;
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_BYTES_MAX);
        let (mut sender, connection) =
            http.handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let mut driving = JoinSet::new();
        // What goes wrong with the connection is told to whoever waits for the answer.
        driving.spawn(async { drop(connection.await) });
        let answer = timeout(STEP_LIMIT, sender.send_request(self.request(path, accept)));
        let answer: Response<_> =
            answer.await.map_err(|_| self.silent(STEP_LIMIT))?.map_err(|error| self.broken(&error))?;
        let (head, body) = answer.into_parts();
        let body = Body::new(body).into_data_stream();
        Ok(Answer { status: head.status, headers: head.headers, body, driving })
    }

    async fn connect(&self) -> Result<TcpStream, Trouble> {
        let Address { host, port } = &self.address;
        let connected = timeout(STEP_LIMIT, TcpStream::connect((host.as_str(), *port)));
        let connected = connected.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(|error| Trouble::Unreachable { address: self.address.clone(), error })
    }

    async fn whole(&self, body: &mut BodyDataStream) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.map_err(|error| self.broken(&error))?);
            if whole.len() > ANSWER_BYTES_MAX {
                return Err(self.not_tally("an answer that is too long"));
            }
        }
        Ok(whole)
    }

    /// Begins to listen to the figures.
    ///
    /// # Errors
    /// [`Trouble`], with what the consumer says where it refuses.
    pub async fn events(&self) -> Result<Events, Trouble> {
        let answer = self.ask("/api/v1/events", "text/event-stream").await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if answer.status == StatusCode::OK && content_type.starts_with("text/event-stream") {
            let Answer { body, driving, .. } = answer;
            return Ok(Events {
                api: self.clone(),
                body,
                parser: Parser::default(),
                come: VecDeque::new(),
                _driving: driving,
            });
        }
        let what = format!("{} of type {content_type:?} for /api/v1/events", answer.status);
        // A producer of Tally says 404.
        let is_refusal = content_type == "application/problem+json" && answer.status != StatusCode::NOT_FOUND;
        Err(if is_refusal { self.refused(answer).await } else { self.not_tally(&what) })
    }

    /// What the consumer says is wrong.
    async fn refused(&self, mut answer: Answer) -> Trouble {
        #[derive(Deserialize)]
        struct Problem {
            detail: Clean,
        }
        let whole = match timeout(EVENT_LIMIT, self.whole(&mut answer.body)).await {
            Ok(Ok(whole)) => whole,
            Ok(Err(trouble)) => return trouble,
            Err(_) => return self.silent(EVENT_LIMIT),
        };
        match serde_json::from_slice(&whole) {
            Ok(Problem { detail }) => Trouble::Refused { address: self.address.clone(), status: answer.status, detail },
            Err(error) => self.not_tally(&error.to_string()),
        }
    }

    fn silent(&self, limit: Duration) -> Trouble {
        Trouble::Silent { address: self.address.clone(), limit }
    }

    fn not_tally(&self, what: &str) -> Trouble {
        Trouble::NotTally { address: self.address.clone(), what: Clean::new(what) }
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let hyper =
            std::iter::successors(Some(error), |error| error.source()).find_map(|e| e.downcast_ref::<hyper::Error>());
        if hyper.is_some_and(hyper::Error::is_parse) {
            return self.not_tally("what it says is no HTTP");
        }
        Trouble::Closed { address: self.address.clone(), error: Some(Clean::new(&error.to_string())) }
    }
}

/// The figures as they come.
pub struct Events {
    api: Api,
    body: BodyDataStream,
    parser: Parser,
    come: VecDeque<ServerSent>,
    /// Ends with this.
    _driving: JoinSet<()>,
}

impl Events {
    /// Waits for the next.
    ///
    /// # Errors
    /// [`Trouble`]; there will be no more.
    pub async fn next(&mut self) -> Result<Event, Trouble> {
        match timeout(EVENT_LIMIT, self.wait()).await {
            Ok(event) => event,
            Err(_) => Err(self.api.silent(EVENT_LIMIT)),
        }
    }

    async fn wait(&mut self) -> Result<Event, Trouble> {
        loop {
            // Others than ours may be added some day.
            while let Some(event) = self.come.pop_front() {
                if event.name == b"figures" {
                    return Event::parse(&event.data).map_err(|error| self.api.not_tally(&error.to_string()));
                }
            }
            let Some(piece) = self.body.next().await else {
                return Err(Trouble::Closed { address: self.api.address.clone(), error: None });
            };
            let piece = piece.map_err(|error| self.api.broken(&error))?;
            let come = self.parser.take(&piece).map_err(|error: TooLong| self.api.not_tally(&error.to_string()))?;
            self.come.extend(come);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::service::{Readiness, Shutdown};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        fold::{FoldSettings, PartitionState},
        view::View,
    };

    fn api(listener: &TcpListener) -> Api {
        Api::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(), None)
    }

    /// Answers one question with these bytes, and then does not close for as long as the test runs.
    async fn answered_with(answer: impl Into<Vec<u8>>) -> (Api, JoinSet<()>) {
        let (listener, answer) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), answer.into());
        let api = api(&listener);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; 4_096];
            let length = stream.read(&mut question).await.unwrap();
            assert!(question[..length].starts_with(b"GET /api/v1/events HTTP/1.1\r\n"));
            // Who asked may have had enough before the end.
            drop(stream.write_all(&answer).await);
            std::future::pending::<()>().await;
        });
        (api, serving)
    }

    async fn trouble(answer: impl Into<Vec<u8>>) -> Trouble {
        let (api, _serving) = answered_with(answer).await;
        match api.events().await {
            Err(trouble) => trouble,
            Ok(mut events) => events.next().await.expect_err("there is no event"),
        }
    }

    #[tokio::test]
    async fn a_consumer_is_understood() {
        let view = Arc::new(View::default());
        view.set_partitions(1);
        let readiness = Readiness::new(&Shutdown::manual());
        let router =
            crate::http::router(Arc::clone(&view), crate::http::tests::letters(), readiness, CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = api(&listener);
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, router).await.unwrap() });
        let mut events = api.events().await.unwrap();
        assert!(matches!(events.next().await, Ok(Event::CatchingUp { .. })));
        let snapshot = PartitionState::new(1, 0, FoldSettings::default(), 7, 0).snapshot(None, 0);
        view.publish(Arc::new(snapshot), 0);
        view.set_caught_up(0);
        let Ok(Event::Figures(figures)) = events.next().await else { panic!("figures follow") };
        assert_eq!(figures.partitions[0].durable.as_ref().unwrap().next_offset, 7);
        assert!(figures.balance.adds_up());
        assert!(figures.producers.producers.is_empty());
    }

    #[tokio::test]
    async fn what_is_no_consumer_of_tally_is_told_apart() {
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello";
        let stream = |event: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{event}\n\n");
        for other in [
            page.to_owned(),
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            stream("event: figures\ndata: {\"stock\":\"MSFT\"}"),
            stream("event: figures\ndata: {\"caught_up\":true,\"time\":\"noon\"}"),
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX)),
        ] {
            let trouble = trouble(other.clone()).await;
            assert!(matches!(trouble, Trouble::NotTally { .. }), "{other:.60}: {trouble}");
        }
    }

    #[tokio::test]
    async fn an_event_without_an_end_is_given_up() {
        let mut endless = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ".to_vec();
        endless.resize(EVENT_BYTES_MAX + 1_000, b'x');
        assert!(trouble(endless).await.to_string().contains("longer than"));
    }

    #[tokio::test]
    async fn what_a_consumer_says_when_it_refuses_is_handed_on_without_what_steers_terminals() {
        let detail = r#"{"status":503,"detail":"64 connections are open;\u001b[2J ask later"}"#;
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json";
        let refused = trouble(format!("{head}\r\ncontent-length: {}\r\n\r\n{detail}", detail.len())).await.to_string();
        assert!(refused.ends_with("503 Service Unavailable: 64 connections are open;[2J ask later"), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_waited_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let trouble = api(&listener).events().await.err().expect("nobody answers");
        assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble}");
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_where() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = api(&listener);
        drop(listener);
        let trouble = api.events().await.err().expect("nobody listens").to_string();
        assert!(trouble.starts_with(&format!("{} does not answer", api.address())), "{trouble}");
    }
}
