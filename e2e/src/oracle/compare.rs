//! A summary held against a recount, number for number.

use serde_json::{Map, Value};

/// Every place where `summary` is not what was `counted`, one line each; empty when they agree.
///
/// Members that only the summary has are passed over, because members may be added to the contract: but not in maps whose
/// keys are data (currencies, reasons, …), where something that was not counted is a difference.
#[must_use]
pub fn differences(counted: &Value, summary: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", counted, summary, &mut found);
    found
}

/// Maps whose keys are data.
const DATA_KEYED: [&str; 6] =
    ["/ledger/rejected", "/totals/currency", "/totals/type", "/totals/category", "/totals/country", "/totals/channel"];

fn compare(path: &str, counted: &Value, summary: &Value, found: &mut Vec<String>) {
    match (counted, summary) {
        (Value::Object(counted), Value::Object(summary)) => compare_objects(path, counted, summary, found),
        (Value::Array(counted), Value::Array(summary)) => {
            if counted.len() != summary.len() {
                found.push(format!("{path}: counted {} entries, the summary has {}", counted.len(), summary.len()));
            }
            for (index, (counted, summary)) in counted.iter().zip(summary).enumerate() {
                compare(&format!("{path}/{index}"), counted, summary, found);
            }
        }
        _ if counted == summary => {}
        _ => found.push(format!("{path}: counted {counted}, the summary says {summary}")),
    }
}

fn compare_objects(path: &str, counted: &Map<String, Value>, summary: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in counted {
        match summary.get(key) {
            Some(other) => compare(&format!("{path}/{key}"), value, other, found),
            None => found.push(format!("{path}/{key}: counted {value}, the summary has nothing")),
        }
    }
    if !DATA_KEYED.iter().any(|known| path.starts_with(known)) {
        return;
    }
    for (key, value) in summary.iter().filter(|(key, value)| !counted.contains_key(*key) && !is_nothing(value)) {
        // Cells may gain members too, but a currency or a reason that was not counted must count nothing.
        if value.is_object() || path == DATA_KEYED[0] {
            found.push(format!("{path}/{key}: not counted, the summary says {value}"));
        }
    }
}

/// A reason listed with zero, or a group without a cell, says the same as one that isn't listed.
fn is_nothing(value: &Value) -> bool {
    value == 0 || value.as_object().is_some_and(|cells| cells.values().all(|cell| cell["count"] == 0))
}

/// The equations of the contract that a summary breaks, one line each.
#[must_use]
pub fn invariants_broken(summary: &Value) -> Vec<String> {
    let ledger = &summary["ledger"];
    let column = |name: &str| ledger[name].as_i64().unwrap_or(i64::MIN / 4);
    let rejected: i64 =
        ledger["rejected"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_i64()).sum();
    let mut broken = Vec::new();
    let mut must_equal = |what: &str, left: i64, right: i64| {
        if left != right {
            broken.push(format!("{what}: {left} is not {right}"));
        }
    };
    let parts = column("accepted") + column("redelivered") + column("repeated") + rejected;
    must_equal("consumed = accepted + redelivered + repeated + rejected", column("consumed"), parts);
    let timely = column("on_time") + column("revised") + column("too_late");
    must_equal("accepted = on_time + revised + too_late", column("accepted"), timely);
    let mut span = 0;
    let mut skipped = 0;
    for partition in summary["partitions"].as_array().into_iter().flatten() {
        let number = |name: &str| partition[name].as_i64().unwrap_or(i64::MIN / 4);
        span += number("next_offset") - number("first_offset");
        skipped += number("skipped");
    }
    let explained = column("consumed") + column("offsets_without_record") + skipped;
    must_equal("next_offset - first_offset = consumed + offsets_without_record + skipped", span, explained);
    for grouping in ["currency", "type", "category", "country", "channel"] {
        must_equal(
            &format!("accepted = all counts by {grouping}"),
            column("accepted"),
            counts(&summary["totals"][grouping]),
        );
    }
    broken
}

/// The sum of all members named `count` below a value.
fn counts(value: &Value) -> i64 {
    let Some(members) = value.as_object() else { return 0 };
    members.iter().map(|(key, value)| if key == "count" { value.as_i64().unwrap_or(0) } else { counts(value) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_that_differs_is_named_with_its_place() {
        let counted =
            json!({"ledger": {"consumed": 2}, "totals": {"currency": {"EUR": {"count": 2, "sum_minor": "5"}}}});
        let mut summary = counted.clone();
        summary["ledger"]["added_later"] = json!(1);
        assert!(differences(&counted, &summary).is_empty());
        summary["totals"]["currency"]["EUR"]["sum_minor"] = json!("6");
        summary["totals"]["currency"]["USD"] = json!({"count": 1, "sum_minor": "1"});
        let found = differences(&counted, &summary);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("/totals/currency/EUR/sum_minor: counted \"5\", the summary says \"6\""),
            "{found:?}"
        );
    }

    #[test]
    fn a_summary_that_does_not_add_up_is_found_out() {
        let cells = json!({"EUR": {"count": 3}});
        let grouped = json!({"x": {"EUR": {"count": 3}}});
        let mut summary = json!({
            "ledger": {"consumed": 5, "accepted": 3, "redelivered": 1, "repeated": 0, "rejected": {"empty": 1},
                "on_time": 3, "revised": 0, "too_late": 0, "offsets_without_record": 2},
            "totals": {"currency": cells, "type": grouped, "category": grouped, "country": grouped, "channel": grouped},
            "partitions": [{"next_offset": 12, "first_offset": 4, "skipped": 1}],
        });
        assert_eq!(invariants_broken(&summary), Vec::<String>::new());
        summary["ledger"]["repeated"] = json!(1);
        summary["totals"]["type"] = json!({});
        assert_eq!(invariants_broken(&summary).len(), 2);
    }
}
