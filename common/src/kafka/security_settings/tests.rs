//! Every combination of the settings that is a mistake, and what is said of it.

use super::*;

const NONE: &Option<String> = &None;

fn given(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn unset() -> SecuritySettings<'static> {
    SecuritySettings {
        security_protocol: NONE,
        sasl_mechanism: NONE,
        sasl_username: NONE,
        sasl_password: &None,
        sasl_password_file: NONE,
        ssl_ca_location: NONE,
        ssl_certificate_location: NONE,
        ssl_key_location: NONE,
    }
}

fn told(settings: &SecuritySettings<'_>) -> String {
    let mut problems = Problems::default();
    let security = settings.validate(&mut problems);
    assert!(!format!("{security:?}").contains("hunter2"), "{security:?}");
    problems.finish().map_or_else(|error| error.to_string(), |()| format!("{security:?}"))
}

#[test]
fn nothing_set_is_plaintext_and_a_login_is_shown_without_its_password() {
    assert_eq!(told(&unset()), "PLAINTEXT");
    let login = SecuritySettings {
        security_protocol: &given("sasl_ssl"),
        sasl_mechanism: &given("SCRAM-SHA-512"),
        sasl_username: &given("app"),
        sasl_password: &Some(Secret::new("hunter2")),
        ..unset()
    };
    assert_eq!(told(&login), "SASL_SSL (SCRAM-SHA-512 as app)");
    assert_eq!(told(&SecuritySettings { security_protocol: &given("SSL"), ..unset() }), "SSL");
}

#[test]
fn everything_that_a_sasl_protocol_lacks_is_named_at_once() {
    let all = told(&SecuritySettings { security_protocol: &given("SASL_SSL"), ..unset() });
    for line in [
        "3 problems",
        "KAFKA_SASL_MECHANISM (--kafka-sasl-mechanism): is missing",
        "KAFKA_SASL_USERNAME (--kafka-sasl-username): is missing",
        "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE (--kafka-sasl-password-file): are both missing",
    ] {
        assert!(all.contains(line), "{line:?} is not in\n{all}");
    }
}

#[test]
fn a_mechanism_that_there_is_not_does_not_hide_that_the_password_is_missing() {
    let all = told(&SecuritySettings {
        security_protocol: &given("SASL_SSL"),
        sasl_mechanism: &given("SCRAM-SHA-1"),
        sasl_username: &given("app"),
        ..unset()
    });
    assert!(all.contains("2 problems") && all.contains("are both missing"), "{all}");
}

#[test]
fn a_login_or_a_certificate_that_the_protocol_does_not_use_is_refused() {
    let unused = SecuritySettings {
        sasl_password: &Some(Secret::new("hunter2")),
        ssl_ca_location: &given("/ca.pem"),
        ..unset()
    };
    let all = told(&unused);
    assert!(all.contains("KAFKA_SASL_PASSWORD and KAFKA_SECURITY_PROTOCOL (--kafka-security-protocol): contradict"));
    assert!(all.contains("KAFKA_SSL_CA_LOCATION (--kafka-ssl-ca-location) and KAFKA_SECURITY_PROTOCOL"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
    let half = SecuritySettings {
        security_protocol: &given("SSL"),
        ssl_certificate_location: &given("/nowhere/client.pem"),
        ..unset()
    };
    let all = told(&half);
    assert!(all.contains("must be given together") && all.contains("\"/nowhere/client.pem\" can't be read"), "{all}");
}

#[test]
fn files_without_what_is_looked_for_are_named_and_their_contents_are_not() {
    let folder = std::env::temp_dir().join(format!("tally-security-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path.display().to_string())
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let all = told(&SecuritySettings {
        security_protocol: &given("SASL_SSL"),
        sasl_mechanism: &given("PLAIN"),
        sasl_username: &given("app"),
        sasl_password_file: &file("two-lines", "hunter2\nhunter2\n"),
        ssl_ca_location: &file("ca.pem", "hunter2"),
        ssl_certificate_location: &given(&folder.display().to_string()),
        ssl_key_location: &file("key.pem", encrypted),
        ..unset()
    });
    let mounted = told(&SecuritySettings {
        security_protocol: &given("SASL_PLAINTEXT"),
        sasl_mechanism: &given("PLAIN"),
        sasl_username: &given("app"),
        sasl_password_file: &file("password", "hunter2\r\n"),
        ..unset()
    });
    std::fs::remove_dir_all(&folder).unwrap();
    for part in ["4 problems", "more than one line", "no certificate in PEM form", "is a folder", "openssl pkey"] {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
    assert!(!all.contains("hunter2"), "{all}");
    assert_eq!(mounted, "SASL_PLAINTEXT (PLAIN as app)");
}

#[test]
fn a_ca_file_whose_certificates_nobody_can_trust_is_refused() {
    let no_authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(certificates(no_authority.as_bytes()).is_ok(), "it has the form of one");
    let told = authorities(no_authority.as_bytes()).unwrap_err();
    assert!(told.contains("holds 1 in the form of a certificate, none of which can be"), "{told}");
}
