//! Who may ask: anybody or, where a token is set, whoever shows it.
//!
//! Programs send it as `Authorization: Bearer <token>` (RFC 6750). A browser can't, least of all for a stream of events, but
//! it asks for a name and a password and sends those with everything (RFC 7617): the token is the password, the name is
//! anything. Health is open to all, as probes know no secrets.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;

use super::answer::{error_response, try_again_response};
use super::connection::Pass;
use crate::service::config::Secret;

/// The paths that need no token and no place.
pub(super) const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// The ways in which a token may be shown, the one for programs first.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"tally\"", "Basic realm=\"tally\", charset=\"UTF-8\""];

/// Who may ask. Everybody, by default.
#[derive(Clone, Debug, Default)]
pub struct Access {
    token: Option<Secret>,
}

impl Access {
    /// For whoever shows `token`, or for everybody where there is none.
    pub fn with_token(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// What whoever asks a process with the same settings has to send as `Authorization`; `None` where anybody may ask.
    ///
    /// # Panics
    /// Never: a token's characters may all stand in a header.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
            .expect("a token is checked to hold nothing that could not stand in a header");
        value.set_sensitive(true);
        Some(value)
    }

    fn allows(&self, path: &str, headers: &HeaderMap) -> bool {
        self.token.is_none() || HEALTH.contains(&path) || self.is_shown(headers)
    }

    /// Whether there is a token and a request shows it.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return false };
        shown(headers).is_some_and(|shown| shown.ct_eq(token.reveal().as_bytes()).into())
    }
}

/// The token that a request shows, of whatever length a head may have. Two are none: who put the second one there?
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return None };
    let (scheme, credentials) = given.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(credentials.as_bytes().to_vec())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let login = BASE64.decode(credentials).ok()?;
        let colon = login.iter().position(|&byte| byte == b':')?;
        Some(login[colon + 1..].to_vec())
    } else {
        None
    }
}

/// For whoever found all places taken: health, and whatever is asked by who shows the token, who is not pushed out while that is
/// answered.
pub(super) async fn urgent_only(State(access): State<Access>, request: Request, next: Next) -> Response {
    let is_known = access.is_shown(request.headers());
    if let Some(pass) = request.extensions().get::<Pass>().filter(|_| is_known) {
        pass.give();
    }
    if is_known || HEALTH.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let detail = "all places for connections are taken; only /livez, /readyz and whoever shows the token in HTTP_TOKEN, if there \
                  is one, are answered now";
    try_again_response("too_many_connections", detail, 1)
}

/// Lets through who may ask, and says to the others how to. Nothing of a body is read before that.
pub(super) async fn authorized(State(access): State<Access>, request: Request, next: Next) -> Response {
    if access.allows(request.uri().path(), request.headers()) {
        return next.run(request).await;
    }
    let detail = "this needs the token in HTTP_TOKEN: send `Authorization: Bearer <token>`, or log in with any name and the \
                  token as the password; /livez and /readyz need none";
    let mut response = error_response(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    for challenge in CHALLENGES {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}
