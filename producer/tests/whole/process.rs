//! The real binary: what it says of wrong settings, what it prints, and how it ends.

use std::process::{Command, Output, Stdio};

use crate::stage::{any_port, broker};
use common::service::NoCommand;
use producer::ProducerSettings;
use producer::service::PROGRAM;

/// Runs the binary with nothing in its environment but `variables`.
async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_line_of_the_table() {
    assert_eq!(PROGRAM.settings_faults::<ProducerSettings>(), [""; 0]);
    let table = PROGRAM.settings_table::<ProducerSettings>();
    let help = PROGRAM.command::<ProducerSettings, NoCommand>().render_long_help().to_string();
    for field in ["rate", "malformed_ratio", "kafka_bootstrap_servers", "http_listen", "fail_after"] {
        assert!(table.contains(&field.to_uppercase()), "{field} is not in\n{table}");
        assert!(help.contains(&format!("--{}", field.replace('_', "-"))), "{field} is not in\n{help}");
    }
}

#[test]
fn the_readme_shows_the_settings_as_they_are() {
    let readme = include_str!("../../../README.md");
    let begin = "<!-- settings:producer -->\n";
    let shown = readme.split_once(begin).and_then(|(_, rest)| rest.split_once("<!-- /settings -->"));
    let (shown, _) = shown.expect("README.md has the markers of the producer's settings");
    let real = PROGRAM.settings_table::<ProducerSettings>();
    assert_eq!(shown.trim(), real.trim(), "README.md is out of date; the table between the markers should be:\n{real}");
}

#[tokio::test]
async fn every_wrong_setting_is_named_at_once_and_nothing_is_started() {
    let flags = ["--rate", "fast", "--start-time", "yesterday", "--compression=zstd", "--malformed-ratio", "0.7"];
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost"),
        ("KAFKA_TOPIC", "no spaces here"),
        ("REPEAT_RATIO", "0.7"),
        ("ACCOUNTS", "0"),
        ("HTTP_LISTEN", "nowhere"),
        ("RATE", "10"),
    ];
    let output = run(&flags, &variables).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    for name in
        ["RATE", "START_TIME", "COMPRESSION", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "ACCOUNTS", "HTTP_LISTEN"]
    {
        assert!(
            said.contains(&format!("{name} (--{}", name.to_lowercase().replace('_', "-"))),
            "{name} is not in\n{said}"
        );
    }
    assert!(said.contains("add up to 1.4"), "{said}");
    assert!(said.contains("\"fast\""), "a flag beats its variable: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_run_ends_well_and_its_last_line_is_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let address = broker.address().to_string();
    let flags = ["--count", "500", "--rate", "0", "--seed", "7", "--json", "--http-listen", "127.0.0.1:0"];
    let output = run(&flags, &[("KAFKA_BOOTSTRAP_SERVERS", &address), ("MALFORMED_RATIO", "1")]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let last = text(&output.stdout).lines().last().expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(last).expect("the summary is JSON");
    assert_eq!(summary["acknowledged"], 500);
    assert_eq!(summary["unacknowledged"], 0);
    assert_eq!(summary["seed"], 7);
    let rejected = summary["faults"]["rejected"].as_object().unwrap();
    assert_eq!(rejected.values().filter_map(serde_json::Value::as_u64).sum::<u64>(), 500);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_after_dies_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(any_port(), folder.path()).await;
    let address = broker.address().to_string();
    let flags = ["--count", "5000", "--rate", "0", "--fail-after", "1000", "--http-listen", "127.0.0.1:0"];
    let output = run(&flags, &[("KAFKA_BOOTSTRAP_SERVERS", &address)]).await;
    assert_eq!(output.status.code(), Some(42), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "it dies without a summary");
    broker.stop().await.unwrap();
}
