//! What is said over HTTP, held against what the program itself says of it.

use serde_json::{Value, json};

use super::counting::ALL_FAULTS;
use crate::process::Process;
use crate::stage::{READY_DEADLINE, RUN_DEADLINE, Stage, scaled};
use crate::{Checked, Failure, claim, claim_eq, schema, wait};

/// Good and bad questions to the paths that take any, and the code of the answer.
const QUESTIONS: [(&str, Option<&str>); 22] = [
    ("windows?grouping=type", None),
    ("windows?limit=1", None),
    ("windows?limit=1000&grouping=currency&from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00%2B01:00", None),
    ("producers?limit=1", None),
    ("producers?after=zz", None),
    ("dead-letters?limit=1&partition=0&reason=invalid_id,empty", None),
    ("dead-letters?after=0:3,1:0&from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00%2B01:00", None),
    ("dead-letters?after=the+last", Some("bad_query")),
    ("dead-letters?reason=ugly", Some("bad_query")),
    ("dead-letters?partition=-1", Some("bad_query")),
    ("dead-letters?partition=1000000", None),
    ("windows?grouping=account", Some("bad_query")),
    ("windows?limit=0", Some("bad_query")),
    ("windows?limit=1001", Some("bad_query")),
    ("windows?limit=-1", Some("bad_query")),
    ("windows?from=yesterday", Some("bad_query")),
    ("windows?to=2026-13-01T00:00:00Z&limit=many", Some("bad_query")),
    ("windows?until=2026-11-20T00:00:00Z", Some("bad_query")),
    ("windows?limit=1&limit=2", Some("bad_query")),
    ("producers?limit=%ff", Some("bad_query")),
    ("producers?grouping=type", Some("bad_query")),
    ("nothing", Some("not_found")),
];

/// More pages than there can be here.
const PAGES_MAX: usize = 5_000;

pub(super) fn every_answer_is_as_the_openapi_document_says_and_they_agree(stage: &mut Stage<'_>) -> Checked {
    stage.use_short_windows();
    let mut consumer = stage.consumer(&[])?;
    consumer.wait_ready(READY_DEADLINE)?;
    let count = scaled(20_000);
    let (records, rate) = (count.to_string(), (count / 5).to_string());
    let flags = ["--count", &records, "--rate", &rate, "--seed", "11"];
    stage.produce(&[flags.as_slice(), ALL_FAULTS.as_slice()].concat())?;
    stage.produce(&["--count", "500", "--rate", "0", "--seed", "12"])?;
    let count = count + 500;
    wait::until_true("everything being durable", RUN_DEADLINE, || {
        consumer.summary().is_some_and(|summary| summary["ledger"]["consumed"].as_u64() >= Some(count))
    })?;

    let document = json_of(&consumer, "/api/v1/openapi.json")?;
    let paths = document["paths"].as_object().ok_or_else(|| Failure::new("the document has no paths"))?;
    claim!(paths.len() >= 6, "few paths: {:?}", paths.keys());
    for path in paths.keys() {
        // What never ends is looked at by a browser, in .ci/check-page.py.
        if document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"].is_null() {
            hold(&consumer, &document, path, path, None)?;
        }
        let refused = consumer.ask("POST", path).ok_or_else(|| Failure::new("no answer"))?;
        claim_eq!(refused.status, 405, "POST {path}");
        claim!(is_problem(&document, &refused.body, Some("method_not_allowed")), "POST {path}: {}", refused.body);
    }
    for (question, code) in QUESTIONS {
        let path = format!("/api/v1/{}", question.split('?').next().unwrap_or_default());
        hold(&consumer, &document, &path, &format!("/api/v1/{question}"), code)?;
    }
    answers_agree(&consumer)?;
    consumer.signal(crate::process::Signal::Term)?;
    consumer.expect_exit(0, RUN_DEADLINE)
}

/// Asks, and holds the answer against what the document says of `path`.
fn hold(consumer: &Process, document: &Value, path: &str, question: &str, code: Option<&str>) -> Checked {
    let answer = consumer.get(question).ok_or_else(|| Failure::new(format!("no answer to {question}")))?;
    if let Some(code) = code {
        claim!(answer.status >= 400 && is_problem(document, &answer.body, Some(code)), "{question}: {}", answer.body);
        claim_eq!(answer.header("content-type"), Some("application/problem+json"), "{question}");
        return Ok(());
    }
    claim!(answer.status == 200, "{question} is answered with {}: {}", answer.status, answer.body);
    claim_eq!(answer.header("content-type"), Some("application/json"), "{question}");
    let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    claim!(schema.is_object(), "the document says nothing of {path}");
    let wrong = schema::violations_within(document, schema, &serde_json::from_str(&answer.body)?);
    claim!(wrong.is_empty(), "{question}: {}", wrong.join("; "));
    Ok(())
}

fn is_problem(document: &Value, body: &str, code: Option<&str>) -> bool {
    let Ok(problem) = serde_json::from_str::<Value>(body) else { return false };
    let schema = json!({"$ref": "#/components/schemas/problem"});
    schema::violations_within(document, &schema, &problem).is_empty() && problem["code"].as_str() == code
}

/// Each figure is the same wherever it is asked for, and pages leave nothing out.
fn answers_agree(consumer: &Process) -> Checked {
    let summary = json_of(consumer, "/api/v1/summary")?;
    let balance = json_of(consumer, "/api/v1/ledger")?;
    claim_eq!(balance["ledger"], summary["ledger"], "the ledger, asked for by itself");
    claim_eq!(balance["balanced"], true, "the ledger balances");
    let partitions = json_of(consumer, "/api/v1/partitions")?["partitions"].clone();
    let sum = |pointer: &str| {
        let all = partitions.as_array().into_iter().flatten();
        all.filter_map(|partition| partition.pointer(pointer)?.as_u64()).sum::<u64>()
    };
    claim_eq!(summary["ledger"]["consumed"], sum("/durable/ledger/consumed"), "consumed, by partition");
    claim_eq!(balance["offsets"], sum("/live/next_offset"), "offsets, live, when all has been read");
    claim_eq!(sum("/live/lag_records"), 0, "nothing is left to read");
    claim_eq!(sum("/live/lag_ms"), 0, "what has been read to its end does not lag in time either");

    let all = json_of(consumer, "/api/v1/windows?limit=1000")?;
    let by_type = json_of(consumer, "/api/v1/windows?limit=1000&grouping=type")?;
    let windows = all["windows"].as_array().ok_or_else(|| Failure::new("no windows"))?;
    claim!(windows.len() > 2, "few windows: {all}");
    claim!(windows.iter().any(|window| window["closed"] == true), "no window has closed: {all}");
    let same = by_type["windows"].as_array().ok_or_else(|| Failure::new("no windows by type"))?;
    claim_eq!(windows.len(), same.len(), "as many windows by type");
    for (window, same) in windows.iter().zip(same) {
        claim_eq!(window["window_start"], same["window_start"], "the same windows by type");
        let of_currencies = |cells: &Value| {
            let cells = cells.as_object().into_iter().flatten();
            cells.filter_map(|(_, cell)| cell["count"].as_u64()).sum::<u64>()
        };
        let of_types = same["cells"].as_object().into_iter().flatten().map(|(_, cells)| of_currencies(cells));
        claim_eq!(window["count"], of_currencies(&window["cells"]), "a window by currency");
        claim_eq!(window["count"], of_types.sum::<u64>(), "a window by type");
    }
    let paged = pages(consumer, "windows?limit=1", "windows", "next_to", "to")?;
    claim_eq!(Value::Array(paged), all["windows"], "the windows, page by page");
    let all = json_of(consumer, "/api/v1/producers")?;
    let paged = pages(consumer, "producers?limit=1", "producers", "next_after", "after")?;
    claim_eq!(Value::Array(paged), all["producers"], "the producers, page by page");
    claim!(all["producers"].as_array().is_some_and(|producers| producers.len() == 2), "two producers: {all}");
    let nobody = json_of(consumer, "/api/v1/producers?after=zz")?;
    claim_eq!(nobody["producers"], json!([]), "producers after the last");
    letters_agree(consumer, &summary)?;
    let second = windows[1]["window_start"].as_str().unwrap_or_default();
    let newest = json_of(consumer, &format!("/api/v1/windows?limit=1000&from={second}"))?;
    claim_eq!(newest["windows"].as_array().map(Vec::len), Some(2), "windows from the second newest on");
    Ok(())
}

/// There is a dead letter for each rejected record, whether they come one at a time or all at once, and the newest come first.
fn letters_agree(consumer: &Process, summary: &Value) -> Checked {
    let all = json_of(consumer, "/api/v1/dead-letters?limit=1000")?;
    let letters = all["dead_letters"].as_array().ok_or_else(|| Failure::new("no dead letters"))?;
    claim_eq!(all["next_after"], Value::Null, "all of them come at once");
    let rejected = summary["ledger"]["rejected"].as_object().into_iter().flatten();
    for (reason, count) in rejected {
        let found = letters.iter().filter(|letter| letter["reason"] == *reason).count();
        claim_eq!(*count, found, "dead letters for {reason}");
        let only = json_of(consumer, &format!("/api/v1/dead-letters?limit=1000&reason={reason}"))?;
        claim_eq!(only["dead_letters"].as_array().map(Vec::len), Some(found), "asked for by {reason}");
    }
    claim!(letters.len() > 20, "few dead letters: {}", letters.len());
    let time = |letter: &Value| letter["rejected_at"].as_str().map(str::to_owned);
    claim!(letters.is_sorted_by(|one, next| time(one) >= time(next)), "the newest come first: {all}");
    let paged = pages(consumer, "dead-letters?limit=7", "dead_letters", "next_after", "after")?;
    let places = |letters: &[Value]| -> std::collections::BTreeSet<String> {
        letters.iter().map(|letter| format!("{}/{}", letter["partition"], letter["offset"])).collect()
    };
    claim_eq!(places(&paged), places(letters), "the dead letters, page by page");
    claim_eq!(paged.len(), letters.len(), "each of them once");
    Ok(())
}

/// Everything, page by page.
fn pages(consumer: &Process, path: &str, member: &str, next: &str, parameter: &str) -> Checked<Vec<Value>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = json_of(consumer, &format!("/api/v1/{path}{cursor}"))?;
        found.extend(page[member].as_array().cloned().unwrap_or_default());
        let Some(place) = page[next].as_str() else { return Ok(found) };
        claim!(found.len() <= PAGES_MAX, "{path} has no last page");
        cursor = format!("&{parameter}={place}");
    }
}

fn json_of(consumer: &Process, path: &str) -> Checked<Value> {
    let answer = consumer.get(path).ok_or_else(|| Failure::new(format!("no answer to {path}")))?;
    claim!(answer.status == 200, "{path} is answered with {}: {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}
