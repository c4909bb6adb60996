//! What a scraper would rather have, by its `Accept` header (RFC 9110, 12.5.1): Prometheus names each format that it takes with
//! a weight, protobuf first where it collects native histograms.

const PROTOBUF: &str = "application/vnd.google.protobuf";
/// The one message and framing that Prometheus knows; either may be left out.
const PROTO: &str = "io.prometheus.client.MetricFamily";
const ENCODING: &str = "delimited";

/// Whether protobuf is named, in the one form that there is, and no text is named with a weight as high.
pub(super) fn prefers_protobuf(accept: &str) -> bool {
    let (mut protobuf, mut text) = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let parameter = |name| {
            let mut pairs = parts.clone().filter_map(|part| part.split_once('='));
            pairs
                .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().trim_matches('"'))
        };
        let weight = parameter("q").map_or(WEIGHT_MAX, weight);
        if name.eq_ignore_ascii_case(PROTOBUF) {
            if parameter("proto").unwrap_or(PROTO) == PROTO && parameter("encoding").unwrap_or(ENCODING) == ENCODING {
                protobuf = protobuf.max(weight);
            }
        } else {
            text = text.max(weight);
        }
    }
    protobuf > text
}

/// A weight of 1, which is the one that is meant where none is given.
const WEIGHT_MAX: u32 = 1_000;

/// Thousandths; what is none counts as 0, so that what nobody understands is not sent.
fn weight(text: &str) -> u32 {
    let weight = text.parse::<f64>().unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let thousandths = (weight.clamp(0.0, 1.0) * f64::from(WEIGHT_MAX)) as u32;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_goes_to_whoever_names_it_above_all_text() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                      application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert!(prefers_protobuf(native));
        let classic = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                       text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in [
            classic,
            "",
            "*/*",
            "application/vnd.google.protobuf;q=0.4, text/plain;q=0.5",
            "application/vnd.google.protobuf;q=0.5, text/plain;q=0.5",
            "application/vnd.google.protobuf;q=0",
            "application/vnd.google.protobuf;q=high",
            "application/vnd.google.protobuf;q=NaN",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            "application/vnd.google.protobuf;proto=something.Else;encoding=delimited",
        ] {
            assert!(!prefers_protobuf(accept), "{accept}");
        }
        assert!(prefers_protobuf("Application/Vnd.Google.Protobuf; encoding=\"delimited\"; Q=0.6, text/plain; q=0.5"));
    }
}
