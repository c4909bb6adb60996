//! The consumer's settings: declared once, and shown the same everywhere.

use common::service::{Problems, Settings};
use consumer::{
    command::PROGRAM,
    fold::FoldSettings,
    settings::{Configuration, ConsumerSettings},
};

fn validate(settings: &ConsumerSettings) -> Result<Configuration, String> {
    let mut problems = Problems::default();
    let configuration = settings.validate(&mut problems);
    problems.finish().map(|()| configuration).map_err(|error| error.to_string())
}

#[test]
fn every_setting_is_declared_with_its_default_and_range() {
    assert_eq!(PROGRAM.settings_faults::<ConsumerSettings>(), Vec::<String>::new());
}

#[test]
fn the_readme_shows_the_settings_as_they_are() {
    let readme = include_str!("../../README.md");
    let begin = "<!-- settings:consumer -->\n";
    let shown = readme.split_once(begin).and_then(|(_, rest)| rest.split_once("<!-- /settings -->"));
    let (shown, _) = shown.expect("README.md has the markers of the consumer's settings");
    let real = PROGRAM.settings_table::<ConsumerSettings>();
    assert_eq!(shown.trim(), real.trim(), "README.md is out of date; the table between the markers should be:\n{real}");
}

#[test]
fn without_any_setting_the_defaults_of_the_contract_apply() {
    let configuration = validate(&ConsumerSettings::default()).unwrap();
    assert_eq!(configuration.connection.bootstrap_servers, ["kafka:9092"]);
    assert_eq!((configuration.topic.as_str(), configuration.partitions), ("transactions", 6));
    assert_eq!(configuration.group, "tally");
    assert_eq!((configuration.snapshot_interval.as_millis(), configuration.snapshot_records), (1_000, 100_000));
    assert_eq!(configuration.fold, FoldSettings::default());
    assert!(!configuration.is_bounded());
}

#[test]
fn all_mistakes_are_reported_at_once_each_with_the_variable_the_value_and_what_is_valid() {
    let settings = ConsumerSettings {
        kafka_bootstrap_servers: Some("kafka".into()),
        kafka_topic: Some("no spaces".into()),
        window_ms: Some("1".into()),
        idle_timeout: Some("soon".into()),
        ..ConsumerSettings::default()
    };
    let message = validate(&settings).unwrap_err();
    for part in
        ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "\"no spaces\"", "WINDOW_MS", "1000 to", "IDLE_TIMEOUT", "soon"]
    {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}

#[test]
fn settings_that_would_keep_too_many_windows_open_are_refused_together() {
    let settings = ConsumerSettings { window_ms: Some("1000".into()), ..ConsumerSettings::default() };
    let message = validate(&settings).unwrap_err();
    assert!(message.contains("WINDOW_MS") && message.contains("LATENESS_MS"), "{message}");
}
