//! How answers look: JSON also where something is wrong, and the same protective headers on all of them.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

/// What every answer has, unless its route set the header itself: no guessing of types, no copies in caches, and no
/// page that could load anything, were one of our texts ever taken for a page.
const HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
];

/// `value` as a JSON answer.
pub fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(status, "application/json", Body::from(body)),
        Err(error) => {
            tracing::error!(event = "http_answer_not_json", %error, "an answer is no JSON");
            error_response(StatusCode::INTERNAL_SERVER_ERROR, "not_json", "the answer could not be written as JSON")
        }
    }
}

/// An error as a JSON answer, as RFC 9457 wants it:
/// `{"status":404,"title":"Not Found","code":"not_found","detail":"…"}`. `code` is for programs and never changes;
/// `detail` is for people and says what to do.
pub fn error_response(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"status": status.as_u16(), "title": title, "code": code, "detail": detail}).to_string();
    with_type(status, "application/problem+json", Body::from(body))
}

/// The same for what will pass by itself (503): when to ask again, in seconds.
pub fn try_again_response(code: &str, detail: &str, after_s: u32) -> Response {
    let mut response = error_response(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after_s));
    response
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
