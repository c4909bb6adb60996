//! The figures over HTTP: as JSON for programs, as a page for people. What the JSON says is [`crate::api`]'s.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use common::service::{error_response, json_response};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        LedgerAnswer, OPENAPI, PartitionsAnswer, ProducersAnswer, ProducersAsked, ProducersQuery, WindowsAnswer,
        WindowsAsked, WindowsQuery,
    },
    clock::now_ms,
    events::Events,
    view::View,
};

/// The page loads nothing from anywhere else, and runs nothing that did not come from here.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The parts of the page: where, what, and the text.
const PAGE: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("/page/chart.js", "text/javascript; charset=utf-8", include_str!("page/chart.js")),
    ("/page/format.js", "text/javascript; charset=utf-8", include_str!("page/format.js")),
    ("/page/ledger.js", "text/javascript; charset=utf-8", include_str!("page/ledger.js")),
    ("/page/table.js", "text/javascript; charset=utf-8", include_str!("page/table.js")),
];

/// The consumer's own routes. Connections that are kept open end with `stopping`.
pub fn router(view: Arc<View>, stopping: CancellationToken) -> Router {
    let events = Arc::new(Events::new(Arc::clone(&view), stopping));
    let page = PAGE.into_iter().fold(Router::new(), |router, (path, content_type, text)| {
        router.route(path, get(async move || page(content_type, text)))
    });
    page.route("/api/v1/events", get(async move || events.answer()))
        .route("/api/v1/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
        .route(
            "/api/v1/summary",
            get(async |State(view): State<Arc<View>>| whole(&view, |view| view.summary(now_ms()))),
        )
        .route("/api/v1/ledger", get(async |State(view): State<Arc<View>>| whole(&view, ledger)))
        .route(
            "/api/v1/partitions",
            get(async |State(view): State<Arc<View>>| whole(&view, |view| PartitionsAnswer::of(view, now_ms()))),
        )
        .route("/api/v1/windows", get(windows))
        .route("/api/v1/producers", get(producers))
        .route("/api/v1/latency", get(async |State(view): State<Arc<View>>| Json(view.latencies().to_json())))
        .with_state(view)
}

/// A part of the page, which shows the figures as they change, from nothing but this server.
fn page(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)];
    (headers, text)
}

/// The figures, as soon as they are those of all partitions: a part of them would look like a whole.
fn whole<A: Serialize>(view: &View, answer: impl FnOnce(&View) -> A) -> Response {
    if view.is_caught_up() {
        return json_response(StatusCode::OK, &answer(view));
    }
    let detail = "the state topic is still being read; ask again in a moment";
    let mut response = error_response(StatusCode::SERVICE_UNAVAILABLE, "not_caught_up", detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn ledger(view: &View) -> LedgerAnswer {
    LedgerAnswer::of(view.snapshots().iter().map(AsRef::as_ref))
}

async fn windows(State(view): State<Arc<View>>, asked: Result<Query<WindowsAsked>, QueryRejection>) -> Response {
    match read(asked, WindowsQuery::parse) {
        Ok(query) => whole(&view, |view| WindowsAnswer::of(&view.snapshots(), &query)),
        Err(refused) => refused,
    }
}

async fn producers(State(view): State<Arc<View>>, asked: Result<Query<ProducersAsked>, QueryRejection>) -> Response {
    match read(asked, ProducersQuery::parse) {
        Ok(query) => whole(&view, |view| ProducersAnswer::of(view.snapshots().iter().map(AsRef::as_ref), &query)),
        Err(refused) => refused,
    }
}

/// What is asked for, or the answer that says all that is wrong with it.
#[expect(clippy::result_large_err, reason = "an answer is what is wanted of it")]
fn read<A, Q>(
    asked: Result<Query<A>, QueryRejection>,
    parse: impl FnOnce(&A) -> Result<Q, Vec<String>>,
) -> Result<Q, Response> {
    let read = asked.map_err(|rejection| vec![rejection.body_text()]).and_then(|Query(asked)| parse(&asked));
    read.map_err(|wrong| error_response(StatusCode::BAD_REQUEST, "bad_query", &wrong.join("; ")))
}
