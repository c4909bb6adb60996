//! The routes that every binary has, and what goes round all routes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;

use super::accept::Routes;
use super::access::{Access, authorized, urgent_only};
use super::answer::{error_response, json_response, protect, with_type};
use super::pace::Pace;
use super::{BODY_BYTES_MAX, Limits, REQUESTS_BURST};
use crate::service::liveness::Liveness;
use crate::service::metrics::Metrics;
use crate::service::readiness::Readiness;
use crate::service::traces::Traces;

/// What the operational routes show.
#[derive(Clone, Debug)]
pub struct Ops {
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// Behind `/livez`.
    pub liveness: Liveness,
    /// Behind `/metrics`.
    pub metrics: Metrics,
    /// Where spans go; `None` where nobody has asked for traces.
    pub traces: Option<Traces>,
    /// Who may ask for more than the first two.
    pub access: Access,
}

/// `router` with the operational routes, errors in JSON and the bounds on requests.
pub(super) fn complete(router: Router, ops: Ops, limits: &Limits) -> Routes {
    let access = ops.access.clone();
    let router = router
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(ops))
        .layer(from_fn_with_state(limits.request, bounded))
        .layer(from_fn_with_state(access.clone(), authorized));
    let pace = Arc::new(Pace::new(limits.requests_per_s_max, REQUESTS_BURST));
    let all = router.clone().layer(from_fn_with_state(pace, in_turn)).layer(from_fn(protected));
    let urgent = router.layer(from_fn_with_state(access, urgent_only)).layer(from_fn(protected));
    Routes { all, urgent }
}

async fn livez(Extension(ops): Extension<Ops>) -> Response {
    match ops.liveness.stalled(Instant::now()) {
        stalled if stalled.is_empty() => json_response(StatusCode::OK, &json!({"live": true})),
        stalled => json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"live": false, "stalled": stalled})),
    }
}

async fn readyz(Extension(ops): Extension<Ops>) -> Response {
    match ops.readiness.unmet() {
        unmet if unmet.is_empty() => json_response(StatusCode::OK, &json!({"ready": true})),
        unmet => json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"ready": false, "unmet": unmet})),
    }
}

async fn metrics(Extension(ops): Extension<Ops>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (content_type, body) = ops.metrics.answer_in_turn(accept).await;
    with_type(StatusCode::OK, content_type, Body::from(body))
}

async fn not_found() -> Response {
    error_response(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

async fn method_not_allowed() -> Response {
    error_response(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes the methods in `allow`")
}

/// Reads the body, bounded in size, and has the request answered, both within the time for a request.
async fn bounded(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let answered = async {
        let (head, body) = request.into_parts();
        // Where the length is announced, nothing needs to be read to refuse it.
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return body_refused(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let mut unread = Request::new(body);
        DefaultBodyLimit::max(BODY_BYTES_MAX).apply(&mut unread);
        match Bytes::from_request(unread, &()).await {
            Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
            Err(rejection) => body_refused(rejection.status()),
        }
    };
    tokio::time::timeout(limit, answered).await.unwrap_or_else(|_| {
        error_response(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took too long; try again")
    })
}

/// For whoever has a place.
async fn in_turn(State(pace): State<Arc<Pace>>, request: Request, next: Next) -> Response {
    pace.turn().await;
    next.run(request).await
}

async fn protected(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    protect(response.headers_mut());
    response
}

/// What is left of the body is not read, so the connection is no use for another request.
fn body_refused(status: StatusCode) -> Response {
    let mut response = if status == StatusCode::PAYLOAD_TOO_LARGE {
        error_response(status, "too_large", &format!("a body has at most {BODY_BYTES_MAX} bytes"))
    } else {
        error_response(StatusCode::BAD_REQUEST, "bad_body", "the body could not be read")
    };
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
