//! Command line and environment up to the checked configuration; what follows is tested with real processes.

use super::*;
use crate::service::Secret;

const PROGRAM: Program = Program {
    name: "example",
    version: "1.2.3",
    about: "Shows how",
    http_listen: "127.0.0.1:8080",
    log_filter: logging::DEFAULT_FILTER,
};

/// Not what `--help` begins with.
#[derive(Debug, clap::Args, serde::Serialize, serde::Deserialize)]
struct ExampleSettings {
    /// Records a second
    #[arg(long, value_name = "N")]
    rate: Option<String>,
    /// Print JSON
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    json: Option<String>,
    #[arg(skip)]
    sasl_password: Option<Secret>,
}

impl Settings for ExampleSettings {
    type Configuration = (u32, bool);

    fn validate(&self, problems: &mut Problems) -> (u32, bool) {
        let rate = problems.integer("rate", &self.rate, 1_000, 1..=9_000, "records/s");
        problems.optional_secret("sasl_password", &self.sasl_password);
        (rate, problems.flag("json", &self.json, false))
    }
}

/// Nor is this.
#[derive(Debug, PartialEq, clap::Subcommand)]
enum ExampleCommand {
    /// Print the summary
    Summary,
}

type Outcome = Result<Parsed<ExampleSettings, ExampleCommand>, NotStarted>;

fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let arguments = ["example"].iter().chain(arguments).copied();
    PROGRAM.parse(arguments, &Environment::from_pairs(environment.iter().copied()))
}

fn refused(outcome: Outcome) -> String {
    match outcome {
        Err(NotStarted::Configuration(error)) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

fn shown(outcome: Outcome) -> clap::Error {
    match outcome {
        Err(NotStarted::CommandLine(error)) => error,
        other => panic!("taken: {other:?}"),
    }
}

#[test]
fn nothing_given_is_all_defaults() {
    let parsed = parse(&[], &[]).unwrap();
    assert_eq!(*parsed.configuration(), (1_000, false));
    assert_eq!(parsed.command(), None);
    assert_eq!(parsed.http_listen(), Listen { address: "127.0.0.1:8080".parse().unwrap(), chosen: false });
}

#[test]
fn flags_beat_the_environment_also_for_switches_and_common_settings() {
    let environment = [("RATE", "50"), ("JSON", "true"), ("HTTP_LISTEN", "0.0.0.0:1")];
    let parsed = parse(&["--rate", "60", "--json=false", "--http-listen=127.0.0.1:0"], &environment).unwrap();
    assert_eq!(*parsed.configuration(), (60, false));
    assert_eq!(parsed.http_listen(), Listen { address: "127.0.0.1:0".parse().unwrap(), chosen: true });
    assert_eq!(*parse(&[], &environment).unwrap().configuration(), (50, true));
}

#[test]
fn a_switch_needs_no_value_and_never_takes_the_next_word_for_one() {
    let parsed = parse(&["--json", "summary"], &[]).unwrap();
    assert_eq!((parsed.configuration().1, parsed.command()), (true, Some(&ExampleCommand::Summary)));
}

#[test]
fn settings_may_stand_on_either_side_of_a_subcommand() {
    for arguments in [["--rate=7", "--json", "summary"], ["summary", "--rate=7", "--json"]] {
        let parsed = parse(&arguments, &[]).unwrap();
        assert_eq!(*parsed.configuration(), (7, true), "{arguments:?}");
        assert_eq!(parsed.command(), Some(&ExampleCommand::Summary));
    }
}

#[test]
fn all_problems_of_all_settings_come_at_once() {
    let told = refused(parse(
        &["--rate=fast", "--worker-threads=0"],
        &[("HTTP_LISTEN", "8080"), ("LOG_FORMAT", "xml"), ("RUST_LOG", "inof"), ("SASL_PASSWORD", "hunter2\n")],
    ));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "6 problems in the configuration:");
    for start in [
        "  RATE (--rate): \"fast\" is not an integer; give",
        "  HTTP_LISTEN (--http-listen): \"8080\" is not an address; give",
        "  WORKER_THREADS (--worker-threads): \"0\" is out of range; give",
        "  LOG_FORMAT (--log-format): \"xml\" is none of the choices; give",
        "  RUST_LOG (--rust-log): \"inof\" has \"inof\", which is no level; give",
        "  SASL_PASSWORD: (hidden) begins or ends with a line break",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start} is not in\n{told}");
    }
    assert!(!told.contains("hunter2"));
}

#[test]
fn a_token_that_protects_nothing_is_refused_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = "0123456789abcdef-._~+/==";
    parse(&[], &[("HTTP_TOKEN", good)]).unwrap();
    parse(&["--http-token-file", &file("good", &format!("{good}\n"))], &[]).unwrap();
    let (empty, short) = (file("empty", "\n"), file("short", "hunter2hunter2"));
    let long = "hunter2".repeat(40);
    for (environment, start) in [
        (("HTTP_TOKEN", "hunter2"), "HTTP_TOKEN: (hidden) is shorter than 16 characters"),
        (("HTTP_TOKEN", long.as_str()), "HTTP_TOKEN: (hidden) is longer than 256 characters"),
        (("HTTP_TOKEN", "hunter2 hunter2 hunter2"), "HTTP_TOKEN: (hidden) has a character other than"),
        (("HTTP_TOKEN", "hunter2=hunter2hunter2"), "HTTP_TOKEN: (hidden) has a character other than"),
        (("HTTP_TOKEN", "hunter2hunter2hunter2\n"), "HTTP_TOKEN: (hidden) begins or ends with a line break"),
        (("HTTP_TOKEN_FILE", &empty), "HTTP_TOKEN_FILE (--http-token-file): "),
        (("HTTP_TOKEN_FILE", &short), "HTTP_TOKEN_FILE (--http-token-file): (hidden) is shorter"),
        (
            ("HTTP_TOKEN_FILE", "/nowhere/token"),
            "HTTP_TOKEN_FILE (--http-token-file): \"/nowhere/token\" can't be read",
        ),
    ] {
        let told = refused(parse(&[], &[environment]));
        assert!(told.contains(&format!("1 problem in the configuration:\n  {start}")), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let both = refused(parse(&[], &[("HTTP_TOKEN", good), ("HTTP_TOKEN_FILE", &short)]));
    assert!(both.contains("HTTP_TOKEN and HTTP_TOKEN_FILE (--http-token-file): are given both"), "{both}");
    let parsed = parse(&[], &[("HTTP_TOKEN", good)]).unwrap();
    assert!(!format!("{parsed:?}").contains(good), "{parsed:?}");
    let flag = shown(parse(&["--http-token", good], &[]));
    assert_eq!(flag.exit_code(), 2, "no argument: others can see those");
}

#[test]
fn unknown_flags_and_words_end_with_2_and_help_and_version_with_0() {
    for arguments in [["--speed=1"].as_slice(), &["verify"], &["--rate"], &["--rate=1", "--rate=2"]] {
        assert_eq!(shown(parse(arguments, &[])).exit_code(), 2, "{arguments:?}");
    }
    for (arguments, text) in [(["--version"], "example 1.2.3\n"), (["--help"], "Shows how\n")] {
        let shown = shown(parse(&arguments, &[("RATE", "wrong")]));
        assert_eq!(shown.exit_code(), 0);
        assert!(shown.to_string().starts_with(text), "{shown}");
    }
}

#[test]
fn help_lists_every_flag_with_its_variable_and_default() {
    let long = PROGRAM.command::<ExampleSettings, NoCommand>().render_long_help().to_string();
    assert!(
        long.starts_with("Shows how\n\nUsage: example [OPTIONS] [COMMAND]\n") && long.contains("Exit codes:"),
        "{long}"
    );
    let help = PROGRAM.command::<ExampleSettings, NoCommand>().render_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "--rate <N> Records a second [env: RATE] [default: 1000]",
        "--json[=<JSON>] Print JSON [env: JSON] [default: false]",
        "[env: HTTP_LISTEN] [default: 127.0.0.1:8080]",
        "[env: LOG_FORMAT] [default: auto]",
        "[env: RUST_LOG] [default: info,krafka=off,",
        "[env: WORKER_THREADS]",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
}

#[test]
fn the_declaration_is_sound_and_its_table_complete() {
    assert_eq!(PROGRAM.settings_faults::<ExampleSettings>(), Vec::<String>::new());
    let table = PROGRAM.settings_table::<ExampleSettings>();
    assert_eq!(table.lines().count(), 2 + 13, "{table}");
    assert!(table.contains(
        "| `RATE` `--rate` | `1000` | an integer from 1 to 9000 records/s | Records a second |\n| `SASL_PASSWORD` | – |"
    ));
}

#[test]
fn settings_of_several_parts_may_be_flattened_into_one() {
    #[derive(clap::Args, serde::Serialize, serde::Deserialize)]
    struct Whole {
        #[command(flatten)]
        #[serde(flatten)]
        part: ExampleSettings,
        /// How many
        #[arg(long)]
        count: Option<String>,
    }
    impl Settings for Whole {
        type Configuration = (u32, bool, u64);
        fn validate(&self, problems: &mut Problems) -> Self::Configuration {
            let (rate, json) = self.part.validate(problems);
            (rate, json, problems.integer("count", &self.count, 0, 0..=9, ""))
        }
    }
    let environment = Environment::from_pairs([("RATE", "7"), ("COUNT", "3"), ("JSON", "1")]);
    let parsed: Parsed<Whole, NoCommand> = PROGRAM.parse(["example", "--rate=8"], &environment).unwrap();
    assert_eq!(*parsed.configuration(), (8, true, 3));
    assert_eq!(PROGRAM.settings_faults::<Whole>(), Vec::<String>::new());
}

#[test]
fn a_secret_comes_from_the_environment_and_never_from_an_argument() {
    let error = shown(parse(&["--sasl-password=hunter2"], &[]));
    assert_eq!(error.kind(), clap::error::ErrorKind::UnknownArgument);
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let mut problems = Problems::default();
    let unset: ExampleSettings = config::unset();
    let environment = Environment::from_pairs([("SASL_PASSWORD", "hunter2")]);
    let settings = layered(unset, &environment, &mut problems);
    assert_eq!(settings.sasl_password.as_ref().map(Secret::reveal), Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
}

#[test]
fn healthcheck_is_known_to_every_binary_and_is_no_command_of_its_own() {
    let parsed = parse(&["healthcheck", "--alive"], &[("HTTP_LISTEN", "0.0.0.0:9")]).unwrap();
    assert_eq!((parsed.health_path, parsed.command()), (Some("/livez"), None));
    assert_eq!(parsed.http_listen().address.port(), 9);
    assert_eq!(parse(&["healthcheck"], &[]).unwrap().health_path, Some("/readyz"));
    let parsed = parse(&["summary"], &[]).unwrap();
    assert_eq!((parsed.health_path, parsed.command()), (None, Some(&ExampleCommand::Summary)));
}
