//! Every log line of ours has a name, and `docs/log-events.md` lists them all, and no others.

#![expect(clippy::unwrap_used, reason = "a test: what can't be read fails it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose lines are those of services.
const CRATES: [&str; 5] = ["common", "consumer", "producer", "broker", "demo"];
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
/// Fewer calls than that, and this test would have lost sight of them.
const CALLS_MIN: usize = 90;

/// A call of one of tracing's macros.
struct Call {
    place: String,
    level: &'static str,
    /// The name in `event = "…"`, where that comes first.
    event: Option<String>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The sources of a folder that are no tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap().to_str().unwrap() {
            "tests" | "tests.rs" => {}
            _ if path.is_dir() => sources(&path, found),
            name if name.ends_with(".rs") => found.push(path),
            _ => {}
        }
    }
}

/// A file without its tests, which stand at its end, and without comments.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn calls(place: &str, code: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for level in LEVELS {
        let name = format!("{level}!(");
        for (at, _) in code.match_indices(&name) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let inside = code[at + name.len()..].trim_start();
            let event = inside.strip_prefix("event = \"").and_then(|rest| rest.split_once('"'));
            calls.push(Call { place: place.to_owned(), level, event: event.map(|(event, _)| event.to_owned()) });
        }
    }
    calls
}

fn all_calls() -> Vec<Call> {
    let workspace = workspace();
    let mut files = Vec::new();
    CRATES.iter().for_each(|name| sources(&workspace.join(name).join("src"), &mut files));
    let read = |path: &PathBuf| {
        let code = without_tests(&fs::read_to_string(path).unwrap());
        assert!(
            !code.contains("event!(tracing") && !code.contains("tracing::event!("),
            "{}: use info!",
            path.display()
        );
        calls(&path.strip_prefix(&workspace).unwrap().display().to_string(), &code)
    };
    files.iter().flat_map(read).collect()
}

/// Events and their levels, as the page has them, in order.
fn documented() -> Vec<(String, String)> {
    let page = fs::read_to_string(workspace().join("docs/log-events.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (event, rest) = row.split_once("` | ").unwrap();
        (event.to_owned(), rest.split(" | ").next().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn every_log_line_has_a_name_of_its_own_in_snake_case() {
    let calls = all_calls();
    assert!(calls.len() >= CALLS_MIN, "only {} calls found", calls.len());
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for Call { place, level, event } in calls {
        let event = event.unwrap_or_else(|| panic!("{place}: a {level}! without event = \"…\" as its first field"));
        let is_snake_case = event.split('_').all(|word| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        });
        assert!(is_snake_case, "{place}: {event} is not in snake case");
        if let Some(other) = places.insert(event.clone(), place.clone()) {
            panic!("{event} is logged in {other} and in {place}: one name, one meaning");
        }
    }
}

#[test]
fn the_page_lists_every_event_with_its_level_and_no_other() {
    let documented = documented();
    let mut listed: BTreeMap<String, String> = BTreeMap::new();
    for (event, level) in documented {
        assert!(listed.insert(event.clone(), level).is_none(), "docs/log-events.md lists {event} twice");
    }
    let logged: BTreeMap<String, String> =
        all_calls().into_iter().filter_map(|call| Some((call.event?, call.level.to_owned()))).collect();
    let lacking: Vec<_> = logged.iter().filter(|(event, level)| listed.get(*event) != Some(*level)).collect();
    let unknown: Vec<_> = listed.keys().filter(|event| !logged.contains_key(*event)).collect();
    assert!(lacking.is_empty(), "docs/log-events.md lacks, or lists with another level: {lacking:?}");
    assert!(unknown.is_empty(), "docs/log-events.md lists what nobody logs: {unknown:?}");
}

#[test]
fn calls_are_found_wherever_they_stand_but_in_tests_and_comments() {
    let code = "fn f() {\n    // info!(\"no\")\n    info!(event = \"one\", \"a\");\n    tracing::warn!(\n        event = \"two\",\n \
                x, \"b\");\n    match x { _ => error!(\"c\"), }\n    my_info!(\"d\");\n}\n#[cfg(test)]\nmod tests {\n    info!(\"e\");\n}";
    let found: Vec<_> = calls("f.rs", &without_tests(code)).into_iter().map(|call| (call.level, call.event)).collect();
    let expected = [("info", Some("one".to_owned())), ("warn", Some("two".to_owned())), ("error", None)];
    assert_eq!(found, expected);
}
