//! Topic configuration: the keys Kafka knows, which of them this broker acts on, and what a topic ends up with.
//!
//! A key that Kafka doesn't have is refused, and so is a value this broker can't honour where silence would mislead
//! (`compression.type`, tiered storage). Keys marked *no effect* are accepted, kept and reported, because harmless tools
//! set them; they describe disks and replicas that don't exist here.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use thiserror::Error;

use crate::log::settings::LogSettings;

/// The kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A whole number from … to ….
    Int(i64, i64),
    Long(i64, i64),
    /// From 0 to 1.
    Ratio,
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Several of these words, separated by commas.
    Words(&'static [&'static str]),
}

impl Kind {
    /// Kafka's number for it in `DescribeConfigs`.
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Word(_) => 2,
            Self::Int(..) => 3,
            Self::Long(..) => 5,
            Self::Ratio => 6,
            Self::Words(_) => 7,
        }
    }
}

/// A key that may be set on a topic.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: Kind,
    /// What it does here.
    pub(crate) documentation: &'static str,
}

const NO_EFFECT: &str = "Accepted for compatibility; no effect on the development broker.";
const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;

const fn key(name: &'static str, default: &'static str, kind: Kind, documentation: &'static str) -> Key {
    Key { name, default, kind, documentation }
}

/// Every key, in alphabetical order, with the defaults of Apache Kafka 4.
pub(crate) const KEYS: &[Key] = &[
    key("cleanup.policy", "delete", Kind::Words(&["compact", "delete"]), "What happens to old segments."),
    key("compression.type", "producer", Kind::Word(&["producer"]), "Batches are kept as their producer made them."),
    key("delete.retention.ms", "86400000", Kind::Long(0, LONG_MAX), "How long compaction keeps tombstones."),
    key("file.delete.delay.ms", "60000", Kind::Long(0, LONG_MAX), NO_EFFECT),
    key("flush.messages", "9223372036854775807", Kind::Long(1, LONG_MAX), NO_EFFECT),
    key("flush.ms", "9223372036854775807", Kind::Long(0, LONG_MAX), NO_EFFECT),
    key("index.interval.bytes", "4096", Kind::Int(0, INT_MAX), NO_EFFECT),
    key(
        "max.compaction.lag.ms",
        "9223372036854775807",
        Kind::Long(1, LONG_MAX),
        "Compacted at the latest at this age.",
    ),
    key("max.message.bytes", "1048588", Kind::Int(0, INT_MAX), "Largest record batch."),
    key("message.timestamp.after.max.ms", "3600000", Kind::Long(0, LONG_MAX), "How far ahead of the clock."),
    key("message.timestamp.before.max.ms", "9223372036854775807", Kind::Long(0, LONG_MAX), "How far behind the clock."),
    key("message.timestamp.type", "CreateTime", Kind::Word(&["CreateTime", "LogAppendTime"]), "Whose clock counts."),
    key("min.cleanable.dirty.ratio", "0.5", Kind::Ratio, "Share of new bytes that makes compaction worth it."),
    key("min.compaction.lag.ms", "0", Kind::Long(0, LONG_MAX), "Not compacted before this age."),
    key("min.insync.replicas", "1", Kind::Int(1, INT_MAX), "More than 1 refuses acks=all: there is one node."),
    key("preallocate", "false", Kind::Bool, NO_EFFECT),
    key("retention.bytes", "-1", Kind::Long(-1, LONG_MAX), "Size of a partition beyond which old segments go."),
    key("retention.ms", "604800000", Kind::Long(-1, LONG_MAX), "Age beyond which segments go."),
    key("segment.bytes", "1073741824", Kind::Int(1 << 20, INT_MAX), "Size at which a segment is closed."),
    key("segment.index.bytes", "10485760", Kind::Int(4, INT_MAX), NO_EFFECT),
    key("segment.jitter.ms", "0", Kind::Long(0, LONG_MAX), NO_EFFECT),
    key("segment.ms", "604800000", Kind::Long(1, LONG_MAX), "Age at which a segment is closed, by record timestamps."),
    key("unclean.leader.election.enable", "false", Kind::Bool, NO_EFFECT),
];

/// A setting that is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ConfigFault {
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Value { name: &'static str, value: String, reason: String },
    #[error("{0} can't be null")]
    Null(String),
    #[error("{0} is not a list; only lists can be appended to or subtracted from")]
    NotAList(&'static str),
}

/// What was set on one topic; everything else has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    set: BTreeMap<&'static str, String>,
}

/// The key of this name.
pub(crate) fn find(name: &str) -> Result<&'static Key, ConfigFault> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| ConfigFault::Unknown(name.to_owned()))
}

impl TopicConfig {
    /// Sets one key.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigFault> {
        let key = find(name)?;
        let value = value.trim();
        check(key, value)?;
        self.set.insert(key.name, value.to_owned());
        Ok(())
    }

    /// Takes one key back to its default.
    pub(crate) fn unset(&mut self, name: &str) -> Result<(), ConfigFault> {
        self.set.remove(find(name)?.name);
        Ok(())
    }

    /// Adds words to a list, or takes them out.
    pub(crate) fn change_list(&mut self, name: &str, words: &str, add: bool) -> Result<(), ConfigFault> {
        let key = find(name)?;
        if !matches!(key.kind, Kind::Words(_)) {
            return Err(ConfigFault::NotAList(key.name));
        }
        let mut list: Vec<&str> = split(self.get(key)).collect();
        for word in split(words) {
            list.retain(|present| *present != word);
            if add {
                list.push(word);
            }
        }
        let list = list.join(",");
        self.set(name, &list)
    }

    /// The value in force.
    pub(crate) fn get(&self, key: &'static Key) -> &str {
        self.set.get(key.name).map_or(key.default, String::as_str)
    }

    /// Whether the topic itself sets this key.
    pub(crate) fn is_set(&self, key: &Key) -> bool {
        self.set.contains_key(key.name)
    }

    /// What was set, by name.
    pub(crate) fn overrides(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.set.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn number(&self, name: &str) -> i64 {
        let key = find(name).expect("asked for by name in this file only");
        self.get(key).parse().expect("checked when it was set")
    }

    fn has_word(&self, name: &str, word: &str) -> bool {
        split(self.get(find(name).expect("asked for by name in this file only"))).any(|present| present == word)
    }

    /// What the logs need to know.
    pub(crate) fn log_settings(&self) -> Arc<LogSettings> {
        let size = |name| u64::try_from(self.number(name)).ok();
        let ratio = find("min.cleanable.dirty.ratio").expect("a key of the table");
        Arc::new(LogSettings {
            segment_bytes: size("segment.bytes").expect("at least 1 MiB"),
            segment_ms: self.number("segment.ms"),
            delete: self.has_word("cleanup.policy", "delete"),
            compact: self.has_word("cleanup.policy", "compact"),
            retention_ms: Some(self.number("retention.ms")).filter(|ms| *ms >= 0),
            retention_bytes: size("retention.bytes"),
            batch_bytes_max: usize::try_from(self.number("max.message.bytes")).expect("not negative"),
            log_append_time: self.has_word("message.timestamp.type", "LogAppendTime"),
            timestamp_before_max_ms: self.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: self.number("message.timestamp.after.max.ms"),
            delete_retention_ms: self.number("delete.retention.ms"),
            min_compaction_lag_ms: self.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: self.number("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: self.get(ratio).parse().expect("checked when it was set"),
            min_insync_replicas: self.number("min.insync.replicas"),
        })
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn check(key: &'static Key, value: &str) -> Result<(), ConfigFault> {
    let refuse = |reason: String| ConfigFault::Value { name: key.name, value: value.to_owned(), reason };
    let not_a = |what: &str| refuse(format!("Not a {what}"));
    match key.kind {
        Kind::Int(from, to) | Kind::Long(from, to) => match value.parse::<i64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(()),
            Ok(_) => Err(refuse(format!("Value must be between {from} and {to}"))),
            Err(_) => Err(not_a("number")),
        },
        Kind::Ratio => match value.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
            _ => Err(not_a("number from 0 to 1")),
        },
        Kind::Bool if value == "true" || value == "false" => Ok(()),
        Kind::Bool => Err(not_a("boolean (true or false)")),
        Kind::Word(words) if words.contains(&value) => Ok(()),
        Kind::Word(words) => Err(refuse(one_of(words))),
        Kind::Words(words) => match split(value).find(|word| !words.contains(word)) {
            None if split(value).next().is_some() => Ok(()),
            _ => Err(refuse(one_of(words))),
        },
    }
}

fn one_of(words: &[impl Display]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    format!("String must be one of: {}", words.join(", "))
}
