//! What to do when no connection can be made, told by what the attempt ended with.

use super::security::Security;

/// Signs in the cause, in lower case, and what to do about it; the first that fits. Causes are the clients' own words.
const BY_CAUSE: &[(&[&str], &str)] = &[
    (&["lookup", "resolve", "name or service", "dns"], "Check the host names in KAFKA_BOOTSTRAP_SERVERS"),
    (
        &["invalid peer certificate: expired", "certificate has expired", "certificate expired"],
        "The broker's certificate, or that of an authority above it, has expired: have it renewed on the broker's side",
    ),
    (
        &["unknownissuer", "badsignature", "invalid peer certificate: unknown"],
        "The broker's certificate is not signed by an authority that is trusted here: set KAFKA_SSL_CA_LOCATION to the PEM \
         file of the one that signed it",
    ),
    (
        &["not valid for name", "notvalidforname"],
        "The broker's certificate is for another name: name the broker in KAFKA_BOOTSTRAP_SERVERS as its certificate does",
    ),
    (
        &["received fatal alert", "certificaterequired", "certificate required"],
        "The broker does not accept this client's certificate, or wants one: check KAFKA_SSL_CERTIFICATE_LOCATION and \
         KAFKA_SSL_KEY_LOCATION against the authorities that the broker trusts",
    ),
    (
        &["illegalsaslstate"],
        "The port asks for no login: check KAFKA_SECURITY_PROTOCOL, and that KAFKA_BOOTSTRAP_SERVERS names a port for it",
    ),
    (
        &["sasl handshake failed", "unsupportedsaslmechanism"],
        "The broker does not offer this way to log in: set KAFKA_SASL_MECHANISM to one that it does",
    ),
    (
        &["sasl", "scram", "authentication failed"],
        "The broker does not know this user with this password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD (or \
         KAFKA_SASL_PASSWORD_FILE), and KAFKA_SASL_MECHANISM",
    ),
];

/// A connection that is cut off or answered with nonsense: the two ends speak different protocols.
const CROSSED: &[&str] = &[
    "eof",
    "reset by peer",
    "closed",
    "broken pipe",
    "invalidcontenttype",
    "corrupt message",
    "frame",
    "exceeds",
    "too large",
    "invalid message",
];

/// What to do about an attempt to reach `servers` that ended with `cause`.
pub(super) fn advice(servers: &str, cause: &str, security: &Security) -> &'static str {
    let cause = cause.to_ascii_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| cause.contains(sign));
    if servers.contains("kafka:9092") && says(BY_CAUSE[0].0) {
        return "The name `kafka` exists only inside Docker Compose or Kubernetes; from a shell use KAFKA_BOOTSTRAP_SERVERS=localhost:9092";
    }
    if let Some((_, advice)) = BY_CAUSE.iter().find(|(signs, _)| says(signs)) {
        return advice;
    }
    match (says(CROSSED), security.protocol()) {
        (false, _) => "Check that the broker runs and that KAFKA_BOOTSTRAP_SERVERS names its address",
        (true, "PLAINTEXT") => {
            "The port may expect TLS or a login: check KAFKA_SECURITY_PROTOCOL, and that KAFKA_BOOTSTRAP_SERVERS names a \
             port for it"
        }
        (true, "SASL_PLAINTEXT") => {
            "The port may expect TLS, or no login: check KAFKA_SECURITY_PROTOCOL, and that KAFKA_BOOTSTRAP_SERVERS names a \
             port for it"
        }
        (true, _) => {
            "The port may not speak TLS: check KAFKA_SECURITY_PROTOCOL, and that KAFKA_BOOTSTRAP_SERVERS names a port for it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compose_name_outside_compose_is_met_with_the_address_that_works() {
        let advice = |cause| advice("kafka:9092", cause, &Security::default());
        let text = advice("failed to lookup address information: Name or service not known");
        assert!(text.contains("KAFKA_BOOTSTRAP_SERVERS=localhost:9092"), "{text}");
        assert!(!advice("connection refused").contains("Compose"));
    }

    #[test]
    fn what_a_client_says_of_a_connection_that_fails_is_met_with_the_setting_to_look_at() {
        for (cause, part) in [
            ("invalid peer certificate: UnknownIssuer", "KAFKA_SSL_CA_LOCATION"),
            ("invalid peer certificate: Expired", "renewed"),
            ("received fatal alert: CertificateRequired", "KAFKA_SSL_CERTIFICATE_LOCATION"),
            (
                "SASL authentication failed: SaslAuthenticationFailed - Invalid username or password",
                "KAFKA_SASL_PASSWORD",
            ),
            ("SASL handshake failed: UnsupportedSaslMechanism", "KAFKA_SASL_MECHANISM to one"),
            ("SASL handshake failed: IllegalSaslState. Broker supports: []", "asks for no login"),
            ("protocol error (InvalidLength): message size 352518912 exceeds maximum 33554432", "may expect TLS"),
            ("connection closed", "may expect TLS"),
            ("Connection refused (os error 111)", "broker runs"),
        ] {
            let text = advice("broker:9093", cause, &Security::default());
            assert!(text.contains(part), "{cause}: {text}");
        }
    }
}
