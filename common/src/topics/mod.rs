//! The topics of a pipeline: their names, how they must be laid out, and making them so.
//!
//! The consumer creates what is missing, with its configs, and the producer the transactions topic; the brokers'
//! auto-creation is never relied on. What is there already is checked and left as it is, but for a derived topic with too few
//! partitions or too small a limit on batches: both are raised.

mod redrives;

pub use redrives::ensure_redrives;

use std::collections::HashMap;

use tracing::{info, warn};

use crate::kafka::{Admin, Cluster, Fault, TopicRequest, TopicState};

/// A transaction may be dated this far ahead of the broker's clock before the broker itself refuses it.
const TIMESTAMP_AFTER_MS_MAX: i64 = 300_000;
/// How long transactions are kept.
const TRANSACTIONS_RETENTION_MS: i64 = 7 * 24 * 3_600_000;
/// How long dead letters, closed windows and anchors are kept: longer than transactions.
const DERIVED_RETENTION_MS: i64 = 2 * TRANSACTIONS_RETENTION_MS;
/// De-duplication after a restart reads records of up to a day before the last one; twice that leaves room.
const RETENTION_MS_MIN: i64 = 48 * 3_600_000;
/// What a dead letter needs beyond the record that it wraps: its headers, and what their batch needs.
const DEAD_LETTER_BYTES_EXTRA: i64 = 65_536;
/// Largest batch of the topics that hold snapshots. A snapshot is a few kilobytes; one that counts every currency in
/// every country and window, as an attacker may have it, is a few megabytes.
const SNAPSHOT_BYTES_MAX: i64 = 16 << 20;
/// The config that limits a batch, in bytes.
const BYTES_MAX: &str = "max.message.bytes";
/// Kafka's default for it.
const BYTES_MAX_DEFAULT: i64 = 1_048_588;

/// The names of a pipeline's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Transactions, one JSON object a record.
    pub transactions: String,
    /// Snapshots, one key a partition of `transactions`, compacted.
    pub state: String,
    /// What was rejected, as it came.
    pub dead_letters: String,
    /// Closed windows and their revisions.
    pub windows: String,
    /// Copies of snapshots that outlive compaction.
    pub anchors: String,
    /// What was sent again for which dead letter; made by whoever does it first.
    pub redrives: String,
}

impl TopicNames {
    /// The names that follow from the name of the transactions topic.
    #[must_use]
    pub fn new(transactions: &str) -> Self {
        Self {
            transactions: transactions.to_owned(),
            state: format!("{transactions}.state"),
            dead_letters: format!("{transactions}.dlq"),
            windows: format!("{transactions}.windows"),
            anchors: format!("{transactions}.anchors"),
            redrives: format!("{transactions}.redrives"),
        }
    }
}

/// How a pipeline's topics are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Partitions of `transactions`, and so of every other topic.
    pub partitions: i32,
}

/// Why a pipeline can't run on the topics there are.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The cluster could not be asked, or refused.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A topic is there but not as it has to be. Says how to mend it.
    #[error("topic {topic} {problem}. {advice}")]
    Unsuitable {
        /// Its name.
        topic: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: String,
    },
}

impl TopicsError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.may_pass())
    }
}

/// Creates the transactions topic where it is missing, and checks it: all that a producer needs, or may need rights for.
/// A topic that exists keeps its partition count; a new one gets `partitions`.
///
/// # Errors
/// [`TopicsError`]: a fault that may pass, or a topic that has to be mended first.
pub async fn ensure_transactions(
    cluster: &Cluster,
    names: &TopicNames,
    partitions: i32,
) -> Result<Layout, TopicsError> {
    let admin = Admin::connect(cluster).await?;
    let (layout, _) = transactions(&admin, names, partitions).await?;
    Ok(layout)
}

/// Creates all topics that are missing and checks the others, the transactions topic as [`ensure_transactions`] does.
///
/// # Errors
/// [`TopicsError`]: a fault that may pass, or a topic that has to be mended first.
pub async fn ensure(cluster: &Cluster, names: &TopicNames, partitions: i32) -> Result<Layout, TopicsError> {
    let admin = Admin::connect(cluster).await?;
    let (layout, source) = transactions(&admin, names, partitions).await?;
    for request in derived_requests(names, layout, &source) {
        match admin.topic(&request.name).await? {
            None => drop(create(&admin, request).await?),
            Some(state) => {
                if request.name == names.state {
                    check_state(&names.state, &state, layout)?;
                }
                if state.partitions < layout.partitions {
                    admin.grow_topic(&request.name, layout.partitions).await?;
                }
                raise_bytes_max(&admin, names, &request, &state).await?;
            }
        }
    }
    Ok(layout)
}

async fn transactions(admin: &Admin, names: &TopicNames, partitions: i32) -> Result<(Layout, TopicState), TopicsError> {
    let source = match admin.topic(&names.transactions).await? {
        Some(state) => state,
        None => create(admin, transactions_request(names, partitions)).await?,
    };
    check_transactions(&names.transactions, &source)?;
    if source.partitions != partitions {
        info!(
            event = "topic_kept_as_it_is",
            topic = %names.transactions, partitions = source.partitions, asked = partitions,
            "the topic exists already and keeps its partition count"
        );
    }
    Ok((Layout { partitions: source.partitions }, source))
}

/// Raises the limit on batches of a derived topic that somebody else made, where it is below what may be written there.
async fn raise_bytes_max(
    admin: &Admin,
    names: &TopicNames,
    request: &TopicRequest,
    state: &TopicState,
) -> Result<(), TopicsError> {
    let (topic, Some((has, needs))) = (&request.name, bytes_max_missing(request, state)) else { return Ok(()) };
    let fault = match admin.set_config(topic, BYTES_MAX, &needs.to_string()).await {
        Ok(()) => {
            info!(event = "topic_bytes_max_raised", %topic, from = has, to = needs, "max.message.bytes raised");
            return Ok(());
        }
        // Without the right to do it, somebody else has to: that is no reason to wait.
        Err(fault) if fault.may_pass() && !matches!(fault, Fault::Denied { .. }) => return Err(fault.into()),
        Err(fault) => fault,
    };
    let command = format!("kafka-configs --alter --topic {topic} --add-config {BYTES_MAX}={needs}");
    if *topic == names.dead_letters {
        // A record that is rejected but fits no dead letter would hold its partition up for ever.
        return Err(TopicsError::Unsuitable {
            topic: topic.clone(),
            problem: format!("has {BYTES_MAX}={has}, too little for the largest dead letter, and {fault}"),
            advice: format!("Raise it: {command}"),
        });
    }
    warn!(
        event = "topic_bytes_max_too_small",
        %topic, "{BYTES_MAX}={has} may be too little for a large snapshot, and {fault}. Raise it: {command}"
    );
    Ok(())
}

/// What limit a topic has and what it needs, where it has less.
fn bytes_max_missing(request: &TopicRequest, state: &TopicState) -> Option<(i64, i64)> {
    let needs = number(&request.configs_as_map(), BYTES_MAX)?;
    let has = number(&state.configs, BYTES_MAX)?;
    (has < needs).then_some((has, needs))
}

async fn create(admin: &Admin, request: TopicRequest) -> Result<TopicState, Fault> {
    admin.create_topic(&request).await?;
    info!(event = "topic_created", topic = %request.name, partitions = request.partitions, "topic created");
    // Somebody else may have been first, with other settings: what counts is what is there.
    let found = admin.topic(&request.name).await?;
    Ok(found.unwrap_or(TopicState { partitions: request.partitions, configs: request.configs_as_map() }))
}

impl TopicRequest {
    fn configs_as_map(&self) -> HashMap<String, String> {
        self.configs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn new(name: &str, partitions: i32, configs: Vec<(&'static str, String)>) -> Self {
        Self { name: name.to_owned(), partitions, replication_factor: -1, configs }
    }
}

fn transactions_request(names: &TopicNames, partitions: i32) -> TopicRequest {
    let configs = vec![
        ("cleanup.policy", "delete".to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
        ("message.timestamp.after.max.ms", TIMESTAMP_AFTER_MS_MAX.to_string()),
        ("retention.ms", TRANSACTIONS_RETENTION_MS.to_string()),
    ];
    TopicRequest::new(&names.transactions, partitions, configs)
}

fn state_request(names: &TopicNames, layout: Layout) -> TopicRequest {
    let configs = vec![
        ("cleanup.policy", "compact".to_owned()),
        // One snapshot a second makes garbage fast: roll and clean often, so that a restart reads little.
        ("segment.ms", "600000".to_owned()),
        ("segment.bytes", (2 * SNAPSHOT_BYTES_MAX).to_string()),
        ("min.cleanable.dirty.ratio", "0.1".to_owned()),
        (BYTES_MAX, SNAPSHOT_BYTES_MAX.to_string()),
    ];
    TopicRequest::new(&names.state, layout.partitions, configs)
}

/// The topics besides the transactions topic; the state topic first, so that no other grows before it.
fn derived_requests(names: &TopicNames, layout: Layout, source: &TopicState) -> [TopicRequest; 4] {
    // Several dead letters go out as one batch of up to what brokers take by default, whatever the source's limit is.
    let source_bytes_max = number(&source.configs, BYTES_MAX).unwrap_or(BYTES_MAX_DEFAULT).max(BYTES_MAX_DEFAULT);
    let kept = || ("retention.ms", DERIVED_RETENTION_MS.to_string());
    let derived = |name: &str, configs| TopicRequest::new(name, layout.partitions, configs);
    let dead_letter_bytes_max = (BYTES_MAX, (source_bytes_max + DEAD_LETTER_BYTES_EXTRA).to_string());
    [
        state_request(names, layout),
        derived(&names.dead_letters, vec![kept(), dead_letter_bytes_max]),
        derived(&names.windows, vec![kept()]),
        derived(&names.anchors, vec![kept(), (BYTES_MAX, SNAPSHOT_BYTES_MAX.to_string())]),
    ]
}

fn number(configs: &HashMap<String, String>, config: &str) -> Option<i64> {
    configs.get(config)?.parse().ok()
}

fn check_transactions(topic: &str, state: &TopicState) -> Result<(), TopicsError> {
    let config = |name: &str| state.configs.get(name).map(String::as_str);
    if config("message.timestamp.type") == Some("LogAppendTime") {
        // rskafka would show the sender's timestamps all the same, other clients the broker's.
        return Err(TopicsError::Unsuitable {
            topic: topic.to_owned(),
            problem: "has message.timestamp.type=LogAppendTime".to_owned(),
            advice: format!(
                "Set it to CreateTime: kafka-configs --alter --topic {topic} --add-config message.timestamp.type=CreateTime"
            ),
        });
    }
    if config("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        return Err(TopicsError::Unsuitable {
            topic: topic.to_owned(),
            problem: "is compacted, which deletes transactions".to_owned(),
            advice: format!(
                "Set cleanup.policy=delete: kafka-configs --alter --topic {topic} --add-config cleanup.policy=delete"
            ),
        });
    }
    if number(&state.configs, "retention.ms").is_some_and(|kept_ms| (0..RETENTION_MS_MIN).contains(&kept_ms)) {
        warn!(
            event = "topic_retention_short",
            %topic, "retention.ms is below 48 h: after a restart, repeats of records that are gone are not recognised"
        );
    }
    Ok(())
}

fn check_state(topic: &str, state: &TopicState, layout: Layout) -> Result<(), TopicsError> {
    if state.configs.get("cleanup.policy").is_some_and(|policy| policy != "compact") {
        return Err(TopicsError::Unsuitable {
            topic: topic.to_owned(),
            problem: format!(
                "has cleanup.policy={}, so snapshots would be deleted by age",
                state.configs["cleanup.policy"]
            ),
            advice: format!(
                "Set it to compact: kafka-configs --alter --topic {topic} --add-config cleanup.policy=compact"
            ),
        });
    }
    if state.partitions > layout.partitions {
        return Err(TopicsError::Unsuitable {
            topic: topic.to_owned(),
            problem: format!("has {} partitions, the transactions topic has {}", state.partitions, layout.partitions),
            advice: "It belongs to another topic, or the transactions topic was made again with fewer partitions: \
                     use another KAFKA_TOPIC; or stop all consumers, delete the state topic, and begin anew with \
                     `consumer reset`"
                .to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn state(partitions: i32, configs: &[(&str, &str)]) -> TopicState {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicState { partitions, configs }
    }

    #[test]
    fn a_topic_with_broker_timestamps_is_refused_with_the_command_that_mends_it() {
        let refused = check_transactions("t", &state(6, &[("message.timestamp.type", "LogAppendTime")]));
        let message = refused.expect_err("must be refused").to_string();
        assert!(message.contains("--add-config message.timestamp.type=CreateTime"), "{message}");
        assert!(check_transactions("t", &state(6, &[("message.timestamp.type", "CreateTime")])).is_ok());
    }

    #[test]
    fn a_compacted_transactions_topic_and_a_state_topic_that_is_not_are_refused() {
        assert!(check_transactions("t", &state(6, &[("cleanup.policy", "compact,delete")])).is_err());
        let layout = Layout { partitions: 6 };
        assert!(check_state("t.state", &state(6, &[("cleanup.policy", "delete")]), layout).is_err());
        assert!(check_state("t.state", &state(6, &[("cleanup.policy", "compact")]), layout).is_ok());
    }

    #[test]
    fn a_state_topic_may_have_fewer_partitions_to_grow_but_not_more() {
        let layout = Layout { partitions: 6 };
        assert!(check_state("t.state", &state(3, &[]), layout).is_ok());
        assert!(check_state("t.state", &state(7, &[]), layout).is_err());
    }

    fn derived(source: &[(&str, &str)]) -> [TopicRequest; 4] {
        derived_requests(&TopicNames::new("t"), Layout { partitions: 6 }, &state(6, source))
    }

    #[test]
    fn dead_letters_may_be_larger_than_what_they_wrap_and_never_smaller_than_a_batch_of_ours() {
        for (source, needs) in [("2000000", "2065536"), ("1000", "1114124"), ("1048588", "1114124")] {
            let [_, dead_letters, ..] = derived(&[(BYTES_MAX, source)]);
            assert!(dead_letters.configs.contains(&(BYTES_MAX, needs.to_owned())), "{dead_letters:?}");
        }
    }

    #[test]
    fn a_derived_topic_that_takes_too_little_is_seen() {
        let [snapshots, dead_letters, windows, _] = derived(&[]);
        let missing = |request, has| bytes_max_missing(request, &state(6, &[(BYTES_MAX, has)]));
        assert_eq!(missing(&dead_letters, "1000000"), Some((1_000_000, 1_114_124)));
        assert_eq!(missing(&dead_letters, "1114124"), None);
        assert_eq!(missing(&snapshots, "1048588"), Some((1_048_588, SNAPSHOT_BYTES_MAX)));
        assert_eq!(missing(&windows, "1000"), None, "has no limit of ours");
        assert_eq!(bytes_max_missing(&dead_letters, &state(6, &[])), None, "configs that may not be read");
    }
}
