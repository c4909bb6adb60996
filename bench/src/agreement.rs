//! Whether all consumers have done the same work: every number of a peer's ledger and totals is compared with Tally's.

use e2e::{Checked, Failure};
use serde_json::{Map, Value};

/// Differences shown.
const SHOWN_MAX: usize = 10;

/// Compares what a peer has counted with what Tally has. A peer has no column for offsets without a record.
///
/// # Errors
/// With the first differences.
pub fn check(peer: &str, counted: &Value, tally: &Value) -> Checked {
    let mut ours = tally["ledger"].clone();
    if let Value::Object(columns) = &mut ours {
        columns.remove("offsets_without_record");
    }
    let mut differences = Vec::new();
    compare("ledger", &counted["ledger"], &ours, &mut differences);
    compare("totals", &counted["totals"], &tally["totals"], &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(SHOWN_MAX);
    Err(Failure::new(format!("{peer} counted otherwise in {count} places:\n  {}", differences.join("\n  "))))
}

/// An absent member is a 0: nobody has to name a reason that never occurred.
fn compare(path: &str, theirs: &Value, ours: &Value, differences: &mut Vec<String>) {
    let empty = Map::new();
    let members = |value: &'_ Value| value.as_object().cloned();
    if theirs.is_object() || ours.is_object() {
        let (theirs, ours) =
            (members(theirs).unwrap_or_else(|| empty.clone()), members(ours).unwrap_or_else(|| empty.clone()));
        let mut names: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or(Value::Null);
            compare(&format!("{path}.{name}"), &of(&theirs), &of(&ours), differences);
        }
        return;
    }
    let is_nothing = |value: &Value| value.is_null() || *value == 0 || *value == "0";
    if theirs != ours && !(is_nothing(theirs) && is_nothing(ours)) {
        differences.push(format!("{path}: {theirs}, Tally {ours}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counted(accepted: u64, sum: &str, rejected: &Value) -> Value {
        json!({
            "ledger": {"consumed": 3, "accepted": accepted, "rejected": rejected},
            "totals": {"currency": {"EUR": {"count": 2, "sum_minor": sum}}},
        })
    }

    #[test]
    fn equal_figures_agree_and_a_reason_that_never_occurred_needs_no_name() {
        let mut tally = counted(2, "99", &json!({"empty": 1, "invalid_id": 0}));
        tally["ledger"]["offsets_without_record"] = json!(7);
        check("peer", &counted(2, "99", &json!({"empty": 1})), &tally).expect("they are equal");
    }

    #[test]
    fn every_different_number_is_named() {
        let tally = counted(2, "99", &json!({"empty": 1}));
        for (theirs, named) in [
            (counted(1, "99", &json!({"empty": 1})), "ledger.accepted: 1, Tally 2"),
            (counted(2, "98", &json!({"empty": 1})), "totals.currency.EUR.sum_minor: \"98\", Tally \"99\""),
            (counted(2, "99", &json!({})), "ledger.rejected.empty: null, Tally 1"),
            (json!({}), "ledger.consumed: null, Tally 3"),
        ] {
            let failure = check("peer", &theirs, &tally).expect_err("they differ").to_string();
            assert!(failure.contains(named), "{failure}");
        }
    }
}
