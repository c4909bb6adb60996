//! The figures over HTTP: as JSON for programs, as a page for people.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use serde_json::json;

use crate::{clock::now_ms, view::View};

/// The page loads nothing from anywhere else, and runs nothing that did not come from here.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The consumer's own routes.
pub fn router(view: Arc<View>) -> Router {
    Router::new()
        .route("/", get(async || page("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/page.css", get(async || page("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/page.js", get(async || page("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/api/v1/summary", get(summary))
        .route("/api/v1/latency", get(async |State(view): State<Arc<View>>| Json(view.latencies().to_json())))
        .with_state(view)
}

/// A part of the page: the ledger and the totals, once a second, from nothing but this server.
fn page(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)];
    (headers, text)
}

/// The figures, as soon as they are those of all partitions: a part of them would look like a whole.
async fn summary(State(view): State<Arc<View>>) -> Response {
    if view.is_caught_up() {
        return Json(view.summary(now_ms())).into_response();
    }
    let problem = json!({ "title": "the state topic is still being read; ask again in a moment", "status": 503 });
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, problem.to_string()).into_response()
}
