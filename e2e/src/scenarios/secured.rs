//! Connections that are encrypted, logins that are refused, and rights that are missing.

use std::path::Path;
use std::time::Duration;

use crate::binaries::binaries;
use crate::process::Process;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage};
use crate::{Checked, claim, claim_eq};

/// What nothing may ever say.
const PASSWORD: &str = "correct-horse-battery";
/// How long the line that says what is wrong may take.
const WORDS_DEADLINE: Duration = Duration::from_secs(30);
/// Long enough for many tries, shorter than the time after which a fault is said again.
const TRIES: Duration = Duration::from_secs(8);
/// The commands that whoever runs it is told to give.
const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// The settings of a user that logs in over TLS.
fn login(stage: &Stage<'_>, user: &str, password: &str) -> Vec<(&'static str, String)> {
    let secured = stage.cluster().secured();
    vec![
        ("KAFKA_BOOTSTRAP_SERVERS", secured.sasl_ssl()),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL".to_owned()),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
        ("KAFKA_SASL_USERNAME", user.to_owned()),
        ("KAFKA_SASL_PASSWORD", password.to_owned()),
        ("KAFKA_SSL_CA_LOCATION", secured.authority().display().to_string()),
    ]
}

/// The settings of a client that shows a certificate.
fn mutual(stage: &Stage<'_>) -> Vec<(&'static str, String)> {
    let secured = stage.cluster().secured();
    vec![
        ("KAFKA_BOOTSTRAP_SERVERS", secured.ssl()),
        ("KAFKA_SECURITY_PROTOCOL", "SSL".to_owned()),
        ("KAFKA_SSL_CA_LOCATION", secured.authority().display().to_string()),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", secured.certificate().display().to_string()),
        ("KAFKA_SSL_KEY_LOCATION", secured.key().display().to_string()),
    ]
}

fn start(stage: &Stage<'_>, name: &str, flags: &[&str], settings: &[(&str, String)]) -> Checked<Process> {
    let path: &Path = if name == "producer" { &binaries()?.producer } else { &binaries()?.consumer };
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage.program(name, path, flags, &settings)
}

fn add_user(stage: &Stage<'_>, user: &str) -> Checked {
    stage.cluster().secured().set_password(stage.cluster().bootstrap(), user, PASSWORD)
}

/// Gives rights by the documented commands, for these topics and this group instead of the defaults.
fn grant_documented_rights(stage: &Stage<'_>, user: &str) -> Checked {
    let (_, rest) = OPERATIONS.split_once("<!-- acls -->").unwrap_or_default();
    let (commands, _) = rest.split_once("<!-- /acls -->").unwrap_or_default();
    let mut given = 0;
    for command in commands.lines().filter(|line| line.contains(&format!("User:{user} "))) {
        let words: Vec<String> = command.split_whitespace().skip(1).map(|word| own_name(stage, word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        stage.cluster().secured().acls(stage.cluster().bootstrap(), &words)?;
        given += 1;
    }
    claim!(given > 0, "docs/operations.md has no command for {user}");
    Ok(())
}

fn own_name(stage: &Stage<'_>, word: &str) -> String {
    match word {
        "transactions" => stage.topic().to_owned(),
        "transactions." => format!("{}.", stage.topic()),
        "tally" => stage.group(),
        other => other.to_owned(),
    }
}

pub(super) fn totals_are_exact_over_sasl_ssl_and_over_mutual_tls(stage: &mut Stage<'_>) -> Checked {
    add_user(stage, "tally-producer")?;
    add_user(stage, "tally-consumer")?;
    grant_documented_rights(stage, "tally-producer")?;
    grant_documented_rights(stage, "tally-consumer")?;
    let flags = ["--count", "5000", "--rate", "0", "--repeat-ratio", "0.01", "--malformed-ratio", "0.01"];
    let mut producer = start(stage, "producer", &flags, &login(stage, "tally-producer", PASSWORD))?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    let mut producer = start(stage, "producer", &flags, &mutual(stage))?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    for settings in [login(stage, "tally-consumer", PASSWORD), mutual(stage)] {
        let mut consumer = start(stage, "consumer", &["--until-end", "--json"], &settings)?;
        consumer.expect_exit(0, RUN_DEADLINE)?;
        let recount = stage.claim_agreement(&consumer.last_json()?)?;
        claim!(recount.sum(|partition| partition.accepted) > 9_000, "both producers' records are there");
        claim!(!consumer.output().contains(PASSWORD), "the password is in the output");
    }
    Ok(())
}

pub(super) fn a_refused_login_or_certificate_is_named_and_mended_without_a_restart(stage: &mut Stage<'_>) -> Checked {
    stage.create_topic(2)?;
    let plaintext = stage.cluster().bootstrap().to_owned();
    let secured_port = stage.cluster().secured().ssl();
    // Nothing mends these on the broker's side: the port is another one.
    let crossed = vec![("KAFKA_BOOTSTRAP_SERVERS", secured_port)];
    claim_named(stage, &crossed, "may expect TLS")?;
    let mut crossed = mutual(stage);
    crossed[0].1 = plaintext.clone();
    claim_named(stage, &crossed, "may not speak TLS")?;
    let mut anonymous = mutual(stage);
    anonymous.truncate(3);
    claim_named(stage, &anonymous, "KAFKA_SSL_CERTIFICATE_LOCATION")?;

    // The mutual user may do everything; this one nothing, until somebody gives it a password and rights.
    let secured = stage.cluster().secured();
    secured.set_password(&plaintext, "tally-consumer", "another one")?;
    let mut consumer = claim_named(stage, &login(stage, "tally-consumer", PASSWORD), "KAFKA_SASL_PASSWORD")?;
    add_user(stage, "tally-consumer")?;
    consumer.wait_for_words("lacks an ACL", WORDS_DEADLINE)?;
    claim_eq!(consumer.get("/readyz").map(|answer| answer.status), Some(503), "/readyz without rights");
    grant_documented_rights(stage, "tally-consumer")?;
    consumer.wait_ready(READY_DEADLINE)?;
    claim!(!consumer.output().contains(PASSWORD), "the password is in the output");
    let metrics = consumer.get("/metrics").map(|answer| answer.body).unwrap_or_default();
    claim!(!metrics.is_empty() && !metrics.contains(PASSWORD), "the password is in /metrics");

    // A broker that comes back with a certificate of nobody's, then with an expired one, then with its own again.
    restart_showing(stage, "stranger")?;
    let mut producer = claim_named(stage, &mutual(stage), "KAFKA_SSL_CA_LOCATION")?;
    consumer.wait_for_words("KAFKA_SSL_CA_LOCATION", READY_DEADLINE)?;
    restart_showing(stage, "expired")?;
    producer.wait_for_words("has expired: have it renewed", READY_DEADLINE)?;
    restart_showing(stage, "trusted")?;
    producer.wait_ready(READY_DEADLINE)?;
    consumer.wait_ready(READY_DEADLINE)?;
    Ok(())
}

fn restart_showing(stage: &mut Stage<'_>, whose: &str) -> Checked {
    let cluster = stage.own_cluster();
    cluster.stop()?;
    cluster.secured().show(whose)?;
    cluster.start()
}

/// Claims that a consumer names what is wrong by these words, once, is not ready, and tries on.
fn claim_named(stage: &Stage<'_>, settings: &[(&str, String)], words: &str) -> Checked<Process> {
    let mut consumer = start(stage, "consumer", &[], settings)?;
    consumer.wait_for_words(words, WORDS_DEADLINE)?;
    claim_eq!(consumer.get("/readyz").map(|answer| answer.status), Some(503), "/readyz");
    claim_eq!(consumer.get("/livez").map(|answer| answer.status), Some(200), "/livez");
    crate::wait::let_pass(TRIES);
    claim!(consumer.runs(), "it gave up");
    let lines = consumer.stderr().lines().filter(|line| line.contains(words)).count();
    claim_eq!(lines, 1, "lines that say {words:?}");
    Ok(consumer)
}

pub(super) fn the_documented_rights_are_enough_and_no_more(stage: &mut Stage<'_>) -> Checked {
    add_user(stage, "tally-producer")?;
    add_user(stage, "tally-consumer")?;
    grant_documented_rights(stage, "tally-producer")?;
    grant_documented_rights(stage, "tally-consumer")?;
    let count = ["--count", "2000", "--rate", "0"];
    let mut producer = start(stage, "producer", &count, &login(stage, "tally-producer", PASSWORD))?;
    producer.expect_exit(0, RUN_DEADLINE)?;
    let bounded = ["--until-end", "--json"];
    let mut consumer = start(stage, "consumer", &bounded, &login(stage, "tally-consumer", PASSWORD))?;
    consumer.expect_exit(0, RUN_DEADLINE)?;
    stage.claim_agreement(&consumer.last_json()?)?;

    // The other way round neither gets far: the consumer's user can't write transactions, the producer's can't read.
    let flags = ["--count", "1", "--delivery-timeout", "5s"];
    let mut producer = start(stage, "producer", &flags, &login(stage, "tally-consumer", PASSWORD))?;
    producer.expect_exit(3, RUN_DEADLINE)?;
    claim!(producer.output().contains("lacks an ACL"), "the producer doesn't say why: {}", producer.output());
    let mut consumer = start(stage, "consumer", &bounded, &login(stage, "tally-producer", PASSWORD))?;
    consumer.expect_exit(3, RUN_DEADLINE)?;
    claim!(consumer.output().contains("lacks an ACL"), "the consumer doesn't say why: {}", consumer.output());
    claim_eq!(stage.recount()?.sum(|partition| partition.accepted), 2_000, "records that got in");
    Ok(())
}
