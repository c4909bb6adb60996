//! Who is let in, and what the others are told.

use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::service::config::Secret;

const TOKEN: &str = "correct-horse-battery-staple";

async fn guarded() -> Served {
    let page = Router::new().route("/", get(|| async { "page" })).route("/api/v1/summary", get(|| async { "{}" }));
    serve_to(Access::with_token(Some(Secret::new(TOKEN))), page, Limits::default()).await
}

fn basic(login: &str) -> String {
    format!("Basic {}", BASE64.encode(login))
}

impl Served {
    /// Asks with these headers, each with its line break.
    async fn ask_with(&self, path: &str, headers: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        answer(self.connect_and_send(&request).await).await
    }

    async fn ask_showing(&self, path: &str, credentials: &str) -> Answer {
        self.ask_with(path, &format!("{AUTHORIZATION}: {credentials}\r\n")).await
    }
}

#[tokio::test]
async fn with_a_token_only_health_is_open_to_all() {
    let served = guarded().await;
    let kafka = served.ops.readiness.condition("kafka");
    kafka.ready();
    for path in ["/livez", "/readyz"] {
        assert_eq!(served.ask("GET", path).await.status, 200, "{path}");
        assert_eq!(served.ask_showing(path, "Bearer wrong").await.status, 200, "{path}");
    }
    let guarded =
        ["/", "/metrics", "/api/v1/summary", "/nothing", "/livez/", "//livez", "/livez%2f", "/./livez", "/livez/../"];
    for path in guarded {
        let refused = served.ask("GET", path).await;
        assert_eq!((refused.status, refused.problem()), (401, json!("unauthorized")), "{path}");
        let challenges: Vec<&str> =
            refused.head.lines().filter_map(|line| line.strip_prefix("www-authenticate: ")).collect();
        assert_eq!(challenges, ["Bearer realm=\"tally\"", "Basic realm=\"tally\", charset=\"UTF-8\""], "{path}");
        assert_eq!(refused.header("cache-control"), Some("no-store"), "{path}");
        assert!(refused.body.contains("HTTP_TOKEN") && !refused.body.contains(TOKEN), "{path}");
    }
    assert_eq!(served.ask("POST", "/metrics").await.status, 401, "a wrong method is no way to learn what there is");
}

#[tokio::test]
async fn the_token_opens_as_a_bearer_or_as_the_password_of_any_name() {
    let served = guarded().await;
    let shown = [
        format!("Bearer {TOKEN}"),
        format!("bearer   {TOKEN}  "),
        basic(&format!("anyone:{TOKEN}")),
        basic(&format!(":{TOKEN}")),
        basic(&format!("Zo\u{eb}:{TOKEN}")).replace("Basic", "BASIC"),
    ];
    for credentials in shown {
        for path in ["/", "/metrics", "/api/v1/summary"] {
            assert_eq!(served.ask_showing(path, &credentials).await.status, 200, "{path}: {credentials}");
        }
    }
}

#[tokio::test]
async fn whatever_else_is_shown_opens_nothing() {
    let served = guarded().await;
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        TOKEN.to_owned(),
        format!("Token {TOKEN}"),
        format!("Bearer {TOKEN}x"),
        format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]),
        format!("Bearer {}", TOKEN.to_uppercase()),
        format!("Bearer \"{TOKEN}\""),
        format!("Bearer {TOKEN}, Bearer {TOKEN}"),
        format!("Bearer\u{a0}{TOKEN}"),
        format!("Bearer {}", "x".repeat(12_000)),
        basic(TOKEN),
        basic(&format!("{TOKEN}:")),
        basic(&format!("anyone:{TOKEN}:")),
        basic(&format!("anyone:{}", "x".repeat(8_000))),
        format!("Basic anyone:{TOKEN}"),
        "Basic ====".to_owned(),
        "Basic \u{ff}\u{fe}".to_owned(),
    ];
    for credentials in wrong {
        let refused = served.ask_showing("/metrics", &credentials).await;
        assert_eq!((refused.status, refused.problem()), (401, json!("unauthorized")), "{credentials}");
    }
    let twice = format!("{AUTHORIZATION}: Bearer {TOKEN}\r\n").repeat(2);
    assert_eq!(served.ask_with("/metrics", &twice).await.status, 401);
    let elsewhere = format!("proxy-authorization: Bearer {TOKEN}\r\ncookie: token={TOKEN}\r\n");
    assert_eq!(served.ask_with(&format!("/metrics?token={TOKEN}"), &elsewhere).await.status, 401);
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_before_anything_of_a_body_is_read() {
    let served = guarded().await;
    let half_a_body = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf";
    let text = read_to_end(served.connect_and_send(half_a_body).await).await;
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
}
