//! The topics of a pipeline: their names, how they must be laid out, and making them so.
//!
//! Whichever binary starts first creates what is missing, with its configs; the brokers' auto-creation is never relied
//! on. What is there already is checked and, but for a state topic that has to grow, left as it is.

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
/// What a dead letter needs beyond the record that it wraps.
const DEAD_LETTER_BYTES_EXTRA: i64 = 65_536;
/// Largest batch of the topics that hold snapshots. A snapshot is a few kilobytes; one that counts every currency in
/// every country and window, as an attacker may have it, is a few megabytes.
const SNAPSHOT_BYTES_MAX: i64 = 16 << 20;
/// Kafka's default for `max.message.bytes`.
const MESSAGE_BYTES_DEFAULT: i64 = 1_048_588;

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

/// Creates the topics that are missing and checks the others. A transactions topic that exists keeps its partition
/// count; a new one gets `partitions`.
///
/// # Errors
/// [`TopicsError`]: a fault that may pass, or a topic that has to be mended first.
pub async fn ensure(cluster: &Cluster, names: &TopicNames, partitions: i32) -> Result<Layout, TopicsError> {
    let admin = Admin::connect(cluster).await?;
    let found = admin.topic(&names.transactions).await?;
    let source = match found {
        Some(state) => state,
        None => create(&admin, transactions_request(names, partitions)).await?,
    };
    check_transactions(&names.transactions, &source)?;
    if source.partitions != partitions {
        info!(
            topic = %names.transactions, partitions = source.partitions, asked = partitions,
            "the topic exists already and keeps its partition count"
        );
    }
    let layout = Layout { partitions: source.partitions };
    match admin.topic(&names.state).await? {
        None => drop(create(&admin, state_request(names, layout)).await?),
        Some(state) => {
            check_state(&names.state, &state, layout)?;
            if state.partitions < layout.partitions {
                admin.grow_topic(&names.state, layout.partitions).await?;
            }
        }
    }
    for request in derived_requests(names, layout, &source) {
        match admin.topic(&request.name).await? {
            None => drop(create(&admin, request).await?),
            Some(state) if state.partitions < layout.partitions => {
                admin.grow_topic(&request.name, layout.partitions).await?;
            }
            Some(_) => {}
        }
    }
    Ok(layout)
}

async fn create(admin: &Admin, request: TopicRequest) -> Result<TopicState, Fault> {
    admin.create_topic(&request).await?;
    info!(topic = %request.name, partitions = request.partitions, "topic created");
    // Somebody else may have been first, with other settings: what counts is what is there.
    let found = admin.topic(&request.name).await?;
    Ok(found.unwrap_or(TopicState { partitions: request.partitions, configs: request.configs_as_map() }))
}

impl TopicRequest {
    fn configs_as_map(&self) -> std::collections::HashMap<String, String> {
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
        ("max.message.bytes", SNAPSHOT_BYTES_MAX.to_string()),
    ];
    TopicRequest::new(&names.state, layout.partitions, configs)
}

fn derived_requests(names: &TopicNames, layout: Layout, source: &TopicState) -> [TopicRequest; 3] {
    let source_bytes_max = number(source, "max.message.bytes").unwrap_or(MESSAGE_BYTES_DEFAULT);
    let kept = || ("retention.ms", DERIVED_RETENTION_MS.to_string());
    let bytes_max = ("max.message.bytes", (source_bytes_max + DEAD_LETTER_BYTES_EXTRA).to_string());
    [
        TopicRequest::new(&names.dead_letters, layout.partitions, vec![kept(), bytes_max]),
        TopicRequest::new(&names.windows, layout.partitions, vec![kept()]),
        TopicRequest::new(
            &names.anchors,
            layout.partitions,
            vec![kept(), ("max.message.bytes", SNAPSHOT_BYTES_MAX.to_string())],
        ),
    ]
}

fn number(state: &TopicState, config: &str) -> Option<i64> {
    state.configs.get(config)?.parse().ok()
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
    if number(state, "retention.ms").is_some_and(|kept_ms| (0..RETENTION_MS_MIN).contains(&kept_ms)) {
        warn!(%topic, "retention.ms is below 48 h: after a restart, repeats of records that are gone are not recognised");
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
                     use another KAFKA_TOPIC, or delete the state topic to start afresh"
                .to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(partitions: i32, configs: &[(&str, &str)]) -> TopicState {
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

    #[test]
    fn dead_letters_may_be_larger_than_what_they_wrap() {
        let names = TopicNames::new("t");
        let source = state(6, &[("max.message.bytes", "2000000")]);
        let [dead_letters, ..] = derived_requests(&names, Layout { partitions: 6 }, &source);
        assert!(dead_letters.configs.contains(&("max.message.bytes", "2065536".to_owned())));
    }
}
