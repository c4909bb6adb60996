//! Holds what the consumer prints against the published JSON schemas in `docs/schema/`.
//!
//! A checker for the few keywords that our schema uses. General ones bring forty crates with them, and this one refuses a
//! keyword that it doesn't know, so that nothing in the schema goes unchecked.

use serde_json::Value;

const SUMMARY: &str = include_str!("../../docs/schema/summary.schema.json");
const VERIFICATION: &str = include_str!("../../docs/schema/verify.schema.json");
/// Keywords that say something to people only, and the two places where definitions are kept.
const WITHOUT_EFFECT: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];

/// Every place where a value is not a summary, one line each.
///
/// # Panics
/// When the schema in the repository is broken or uses a keyword that isn't known here.
#[must_use]
pub fn violations(summary: &Value) -> Vec<String> {
    violations_of(SUMMARY, summary)
}

/// Every place where a value is not what `consumer verify --json` prints, its summary included.
///
/// # Panics
/// When a schema in the repository is broken or uses a keyword that isn't known here.
#[must_use]
pub fn violations_of_verification(verification: &Value) -> Vec<String> {
    let mut found = violations_of(VERIFICATION, verification);
    if let Some(summary) = verification.get("summary").filter(|summary| !summary.is_null()) {
        found.extend(violations(summary));
    }
    found
}

/// Every place where a value is not what `schema` says, whose references lead into `root`: a document that describes
/// itself, such as an OpenAPI one.
///
/// # Panics
/// When the schema is broken or uses a keyword that isn't known here.
#[must_use]
pub fn violations_within(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(root, schema, "", value, &mut found);
    found
}

fn violations_of(schema: &str, value: &Value) -> Vec<String> {
    let root: Value = serde_json::from_str(schema).expect("the schema in the repository is JSON");
    violations_within(&root, &root, value)
}

fn check(root: &Value, schema: &Value, path: &str, value: &Value, found: &mut Vec<String>) {
    let rules = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$ref" => check(root, definition(root, rule), path, value, found),
            "type" if !has_type(rule, value) => found.push(format!("schema: {path} is not of type {rule}: {value}")),
            "minimum" if value.as_i64().is_some_and(|number| Some(number) < rule.as_i64()) => {
                found.push(format!("schema: {path} is below {rule}: {value}"));
            }
            "pattern" if value.as_str().is_some_and(|text| !matches(rule, text)) => {
                found.push(format!("schema: {path} doesn't look like {rule}: {value}"));
            }
            "enum" if !rule.as_array().is_some_and(|values| values.contains(value)) => {
                found.push(format!("schema: {path} is none of {rule}: {value}"));
            }
            "anyOf" => {
                let fits = |schema| {
                    let mut wrong = Vec::new();
                    check(root, schema, path, value, &mut wrong);
                    wrong.is_empty()
                };
                if !rule.as_array().expect("a list of schemas").iter().any(fits) {
                    found.push(format!("schema: {path} is like none of {rule}: {value}"));
                }
            }
            "required" if value.is_object() => {
                let missing = texts(rule).filter(|name| value.get(name).is_none());
                found.extend(missing.map(|name| format!("schema: {path}/{name} is missing")));
            }
            "properties" => {
                for (name, schema) in rule.as_object().expect("properties are an object") {
                    if let Some(member) = value.get(name) {
                        check(root, schema, &format!("{path}/{name}"), member, found);
                    }
                }
            }
            // Our schema has no object with both named and data-keyed members.
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    check(root, rule, &format!("{path}/{name}"), member, found);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, &format!("{path}/{index}"), item, found);
                }
            }
            "type" | "minimum" | "pattern" | "enum" | "required" => {}
            other => assert!(WITHOUT_EFFECT.contains(&other), "the checker doesn't know the keyword {other}"),
        }
    }
}

fn definition<'s>(root: &'s Value, reference: &Value) -> &'s Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference within the schema");
    root.pointer(pointer).unwrap_or_else(|| panic!("{reference} is not in the schema"))
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the checker doesn't know the type {other}"),
    };
    match rule {
        Value::String(name) => is(name),
        _ => texts(rule).any(is),
    }
}

fn texts(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_array().expect("a list").iter().map(|text| text.as_str().expect("a list of texts"))
}

/// The two patterns of our schema, so that no engine for regular expressions is needed for them.
fn matches(rule: &Value, text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match rule.as_str() {
        Some("^[0-9]+$") => digits(text),
        Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$") => {
            let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            form == "0000-00-00T00:00:00.000Z"
        }
        _ => panic!("the checker doesn't know the pattern {rule}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_openapi_document_has_the_summary_as_its_own_schema_has_it() {
        let openapi: Value = serde_json::from_str(include_str!("../../consumer/src/api/openapi.json")).unwrap();
        let known = &openapi["components"]["schemas"];
        let mut summary: Value = serde_json::from_str(&SUMMARY.replace("#/$defs/", "#/components/schemas/")).unwrap();
        for (name, definition) in summary["$defs"].as_object().unwrap() {
            assert_eq!(known[name], *definition, "{name}");
        }
        // It stands by itself there, as several answers have one.
        let reference = json!({"$ref": "#/components/schemas/ledger"});
        assert_eq!(known["ledger"], std::mem::replace(&mut summary["properties"]["ledger"], reference));
        let members = summary.as_object_mut().unwrap();
        members.retain(|name, _| !["$schema", "$id", "$defs"].contains(&name.as_str()));
        assert_eq!(known["summary"], summary);
    }

    fn good() -> Value {
        json!({
            "ledger": {"consumed": 1, "accepted": 1, "redelivered": 0, "repeated": 0, "rejected": {"empty": 0},
                "on_time": 1, "revised": 0, "too_late": 0, "offsets_without_record": 0,
                "missing_from_sequence": 0, "mended": 0},
            "totals": {"currency": {"EUR": {"count": 1, "sum_minor": "5", "min_minor": 5, "max_minor": 5}},
                "type": {"refund": {"EUR": {"count": 1, "sum_minor": "5"}}}, "category": {}, "country": {}, "channel": {}},
            "partitions": [{"partition": 0, "first_offset": 0, "next_offset": 1, "skipped": 0,
                "watermark": "2026-11-20T19:12:01.123Z", "age_ms": 3}],
            "partitions_missing": [],
        })
    }

    #[test]
    fn a_summary_as_the_contract_shows_it_has_no_violations() {
        assert_eq!(violations(&good()), Vec::<String>::new());
        let mut unset = good();
        unset["partitions"][0]["watermark"] = Value::Null;
        unset["added"] = json!("later");
        assert_eq!(violations(&unset), Vec::<String>::new());
    }

    #[test]
    fn a_verification_is_held_against_its_schema_and_its_summary_too() {
        let mut value = json!({
            "verdict": "equal", "reason": null, "records": 1, "elapsed_ms": 2, "records_per_second": 500,
            "partitions": [{"partition": 0, "verdict": "equal", "reason": null, "generation": 1, "next_offset": 1,
                "from_offset": 0, "from_anchor": false, "records": 1, "differences_in_all": 0, "differences": [],
                "dead_letters": {"expected": 0, "there": 0, "complete": true}, "closed_windows": null}],
            "summary": good(),
        });
        assert_eq!(violations_of_verification(&value), Vec::<String>::new());
        value["verdict"] = json!("fine");
        value["partitions"][0]["dead_letters"] = json!({"expected": 1});
        value["summary"]["ledger"]["consumed"] = json!("1");
        let found = violations_of_verification(&value).join("\n");
        for place in ["/verdict is none", "/dead_letters/there is missing", "/ledger/consumed is not of type"] {
            assert!(found.contains(place), "{place} is not in: {found}");
        }
    }

    #[test]
    fn cells_of_a_window_are_by_currency_or_by_type_and_nothing_else() {
        let openapi: Value = serde_json::from_str(include_str!("../../consumer/src/api/openapi.json")).unwrap();
        let cells = &openapi["components"]["schemas"]["window"]["properties"]["cells"];
        let wrong = |value: &Value| violations_within(&openapi, cells, value).len();
        let cell = json!({"count": 1, "sum_minor": "5"});
        for good in [json!({}), json!({"EUR": cell}), json!({"purchase": {"EUR": cell}, "refund": {}})] {
            assert_eq!(wrong(&good), 0, "{good}");
        }
        for bad in [json!({"EUR": {"count": 1}}), json!({"purchase": {"EUR": {"sum_minor": "5"}}}), json!([]), json!(1)]
        {
            assert_eq!(wrong(&bad), 1, "{bad}");
        }
    }

    #[test]
    fn each_departure_from_the_contract_is_found() {
        for (pointer, value) in [
            ("/ledger/consumed", json!(-1)),
            ("/ledger/rejected/empty", json!("1")),
            ("/totals/currency/EUR/sum_minor", json!(5)),
            ("/totals/currency/EUR/sum_minor", json!("5.0")),
            ("/totals/type/refund/EUR/count", json!(1.5)),
            ("/partitions/0/watermark", json!("2026-11-20 19:12:01Z")),
            ("/partitions/0", json!({})),
            ("/totals", json!([])),
        ] {
            let mut bad = good();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(!violations(&bad).is_empty(), "{pointer}");
        }
    }
}
