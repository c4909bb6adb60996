//! Where spans are to go, by OpenTelemetry's own variables
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};
use percent_encoding::percent_decode_str;

use crate::service::{
    authority::host_and_port,
    config::{Problems, Secret},
};

/// What the path of a collector's traces is below its address.
const TRACES_PATH: &str = "/v1/traces";
/// What is valid as an endpoint.
const ENDPOINT_VALID: &str =
    "http://HOST:PORT or https://HOST:PORT of a collector that takes OTLP by HTTP (usually port 4318)";

/// A collector, and who speaks to it.
#[derive(Clone, Debug)]
pub(in crate::service) struct TraceConfiguration {
    pub(super) endpoint: Endpoint,
    pub(super) headers: HeaderMap,
    pub(super) service_name: String,
}

/// Where a collector takes traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As certificates name it, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypted: bool,
    /// Host and port, as the `host` header has them.
    pub(super) authority: String,
    pub(super) path: String,
}

/// The settings as they were given.
pub(in crate::service) struct TraceSettings<'s> {
    pub(in crate::service) endpoint: &'s Option<String>,
    pub(in crate::service) protocol: &'s Option<String>,
    pub(in crate::service) headers: &'s Option<Secret>,
    pub(in crate::service) service_name: &'s Option<String>,
}

impl TraceSettings<'_> {
    /// Checks them. `None`: no collector is named, so there are no traces.
    pub(in crate::service) fn validate(&self, program: &str, problems: &mut Problems) -> Option<TraceConfiguration> {
        let name = "otel_exporter_otlp_endpoint";
        // What may hold a secret is not repeated.
        let has = |sign| self.endpoint.as_ref().is_some_and(|text| text.contains(sign));
        let hidden = match (has('@'), has('?')) {
            (true, _) => {
                Some("(hidden) has a login in it, which others can see; give it in OTEL_EXPORTER_OTLP_HEADERS")
            }
            (_, true) => {
                Some("(hidden) has a query, which would not be sent; give a key in OTEL_EXPORTER_OTLP_HEADERS")
            }
            _ => None,
        };
        let given = if hidden.is_some() { &None } else { self.endpoint };
        let endpoint = problems.parsed(name, given, None, ENDPOINT_VALID, endpoint);
        if let Some(hidden) = hidden {
            problems.add(&[name], hidden);
        }
        problems.one_of("otel_exporter_otlp_protocol", self.protocol, "http/protobuf", &[("http/protobuf", ())]);
        let secret = problems.optional_secret("otel_exporter_otlp_headers", self.headers);
        let headers = secret.map_or(Ok(HeaderMap::new()), |secret| headers(secret.reveal()));
        let headers = headers.unwrap_or_else(|wrong| {
            problems.add(
                &["otel_exporter_otlp_headers"],
                format!("(hidden) {wrong}; give name=value, several separated by commas, values percent-encoded"),
            );
            HeaderMap::new()
        });
        let service_name = problems.text("otel_service_name", self.service_name, &format!("tally-{program}"), 255);
        Some(TraceConfiguration { endpoint: endpoint?, headers, service_name })
    }
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let uri: Uri = text.parse().map_err(|error| format!("is no URL ({error})"))?;
    let encrypted = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err("does not begin with http:// or https://".to_owned()),
    };
    let authority = uri.authority().ok_or_else(|| "names no host".to_owned())?;
    let (host, port) = host_and_port(authority, if encrypted { 443 } else { 80 })?;
    Ok(Endpoint {
        host,
        port,
        encrypted,
        authority: authority.to_string(),
        path: format!("{}{TRACES_PATH}", uri.path().trim_end_matches('/')),
    })
}

/// Says of what is wrong never more than where.
fn headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (number, pair) in (1..).zip(text.split(',')) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("has no = in its pair {number}"))?;
        let name =
            HeaderName::try_from(name.trim()).map_err(|_| format!("has no name of a header in its pair {number}"))?;
        let decoded: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value =
            HeaderValue::from_bytes(&decoded).map_err(|_| format!("has no value of a header in its pair {number}"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn settings<'s>(endpoint: &'s Option<String>, headers: &'s Option<Secret>) -> TraceSettings<'s> {
        TraceSettings { endpoint, protocol: &None, headers, service_name: &None }
    }

    #[test]
    fn traces_are_off_unless_a_collector_is_named() {
        let mut problems = Problems::default();
        assert!(settings(&None, &Some(Secret::new("a=b"))).validate("consumer", &mut problems).is_none());
        problems.finish().unwrap();
    }

    #[test]
    fn the_path_of_traces_is_added_to_the_endpoint() {
        for (text, host, port, path) in [
            ("http://collector:4318", "collector", 4318, "/v1/traces"),
            ("https://traces.example.com/otlp/", "traces.example.com", 443, "/otlp/v1/traces"),
            ("http://[::1]", "::1", 80, "/v1/traces"),
        ] {
            let found = endpoint(text).unwrap();
            assert_eq!((found.host.as_str(), found.port, found.path.as_str()), (host, port, path));
            assert_eq!(found.encrypted, text.starts_with("https"));
        }
    }

    #[test]
    fn a_port_that_is_none_is_no_port_that_was_left_out() {
        for text in ["http://collector:431800", "http://collector:", "http://collector:0", "http://[::1]:65536"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_wrong_setting_is_named_and_no_secret_is_told() {
        let mut problems = Problems::default();
        let (protocol, name) = (given("grpc"), given(""));
        let (endpoint, headers) = (given("collector:4318"), Some(Secret::new("hunter2")));
        let wrong = TraceSettings { endpoint: &endpoint, protocol: &protocol, headers: &headers, service_name: &name };
        wrong.validate("consumer", &mut problems);
        for secretive in ["http://me:hunter2@collector:4318", "http://collector:4318/?key=hunter2"] {
            settings(&given(secretive), &None).validate("consumer", &mut problems);
        }
        let told = problems.finish().unwrap_err();
        assert_eq!(told.problems.len(), 6, "{told}");
        assert!(!told.to_string().contains("hunter2"), "{told}");
        for part in [
            "give http://HOST:PORT",
            "has a query",
            "\"grpc\" is none of the choices; give http/protobuf",
            "no = in its pair 1",
        ] {
            assert!(told.to_string().contains(part), "{part} is not in {told}");
        }
    }

    #[test]
    fn headers_are_decoded_and_in_no_debug_output() {
        let headers = Some(Secret::new("authorization=Bearer%20hunter2, x-tenant=a"));
        let endpoint = given("http://collector:4318");
        let mut problems = Problems::default();
        let configuration = settings(&endpoint, &headers).validate("consumer", &mut problems).unwrap();
        assert_eq!(configuration.headers["authorization"], "Bearer hunter2");
        assert_eq!(configuration.headers["x-tenant"], "a");
        assert_eq!(configuration.service_name, "tally-consumer");
        assert!(!format!("{configuration:?}").contains("hunter2"));
    }
}
