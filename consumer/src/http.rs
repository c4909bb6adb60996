//! The figures over HTTP.

use std::sync::Arc;

use axum::{Json, Router, extract::State, response::Html, routing::get};

use crate::{clock::now_ms, summary::Summary, view::View};

/// A page for people: the ledger and the totals, once a second, from nothing but this server.
const PAGE: &str = include_str!("page.html");

/// The consumer's own routes.
pub fn router(view: Arc<View>) -> Router {
    Router::new().route("/", get(page)).route("/api/v1/summary", get(summary)).with_state(view)
}

async fn page() -> Html<&'static str> {
    Html(PAGE)
}

async fn summary(State(view): State<Arc<View>>) -> Json<Summary> {
    Json(view.summary(now_ms()))
}
