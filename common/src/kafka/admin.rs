//! The control plane: topics with their configs, and a group's committed offsets. All of it through krafka, because
//! rskafka can create topics only without configs and knows no groups.

use std::{collections::HashMap, sync::Arc};

use krafka::{
    admin::{
        AdminClient, AlterConsumerGroupOffsetsOptions, ConfigOp, ConfigResource, CreatePartitionsOptions,
        CreateTopicsOptions, DescribeConfigsOptions, DescribeTopicsOptions, IncrementalAlterConfigsOptions,
        ListConsumerGroupOffsetsOptions, NewTopic, TopicPartition,
    },
    error::{ErrorCode, KrafkaError},
};
use tokio::time::timeout;

use super::{Boxed, Cluster, REQUEST_TIMEOUT, fault::Fault};

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRequest {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Copies of each partition; -1 leaves it to the brokers' default.
    pub replication_factor: i16,
    /// Configs that differ from the brokers' defaults.
    pub configs: Vec<(&'static str, String)>,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// How many partitions.
    pub partitions: i32,
    /// Its effective configs; empty where this client may not read them.
    pub configs: HashMap<String, String>,
}

/// Asks a cluster for what is not records.
pub struct Admin {
    cluster: Cluster,
    kafka: Arc<krafka::Kafka>,
    client: AdminClient,
}

impl Admin {
    /// Connects.
    ///
    /// # Errors
    /// [`Fault::Unreachable`], with advice.
    pub async fn connect(cluster: &Cluster) -> Result<Self, Fault> {
        let kafka = cluster.control().await?;
        let client = kafka.admin().default_api_timeout(REQUEST_TIMEOUT).metrics_push(false);
        Ok(Self { cluster: cluster.clone(), kafka, client })
    }

    /// Looks at a topic; `None` where it does not exist.
    ///
    /// # Errors
    /// [`Fault`] when the cluster could not say.
    pub async fn topic(&self, name: &str) -> Result<Option<TopicState>, Fault> {
        let doing = format!("looking at topic {name}");
        let described = self
            .within(&doing, Box::pin(self.client.describe_topics([name], DescribeTopicsOptions::default())))
            .await?;
        let partitions = match described.into_iter().next() {
            Some((_, Ok(topic))) => i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            Some((_, Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }))) | None => {
                return Ok(None);
            }
            Some((_, Err(error))) => return Err(self.fault(&doing, &error).await),
        };
        let resource = ConfigResource::topic(name);
        let asked = self.client.describe_configs([resource], DescribeConfigsOptions::default());
        let configs = match self.within(&doing, Box::pin(asked)).await?.into_iter().next() {
            Some((_, Ok(entries))) => {
                entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
            }
            // Reading configs needs an ACL of its own, which a least-privileged user lacks: do without.
            Some((_, Err(KrafkaError::Broker { code: ErrorCode::TopicAuthorizationFailed, .. }))) | None => {
                HashMap::new()
            }
            Some((_, Err(error))) => return Err(self.fault(&doing, &error).await),
        };
        Ok(Some(TopicState { partitions, configs }))
    }

    /// Creates a topic. One that somebody else created meanwhile is left as it is.
    ///
    /// # Errors
    /// [`Fault`] when the cluster refused or could not be asked.
    pub async fn create_topic(&self, request: &TopicRequest) -> Result<(), Fault> {
        let doing = format!("creating topic {}", request.name);
        let mut topic = match NewTopic::new(&request.name, request.partitions, request.replication_factor) {
            Ok(topic) => topic,
            Err(error) => return Err(self.fault(&doing, &error).await),
        };
        for (name, value) in &request.configs {
            topic = topic.with_config(*name, value);
        }
        let created =
            self.within(&doing, Box::pin(self.client.create_topics([topic], CreateTopicsOptions::default()))).await?;
        match created.into_iter().next() {
            Some((_, Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) | Ok(_))) => Ok(()),
            Some((_, Err(error))) => Err(self.fault(&doing, &error).await),
            None => Err(Fault::Passing { doing, cause: "the answer does not mention the topic".to_owned() }),
        }
    }

    /// Makes a topic have `partitions` partitions; they can only become more.
    ///
    /// # Errors
    /// [`Fault`] when the cluster refused or could not be asked.
    pub async fn grow_topic(&self, name: &str, partitions: i32) -> Result<(), Fault> {
        let doing = format!("giving topic {name} {partitions} partitions");
        let options = CreatePartitionsOptions::default();
        let grown = self.within(&doing, Box::pin(self.client.create_partitions([(name, partitions)], options))).await?;
        match grown.into_iter().next() {
            Some((_, Ok(()))) => Ok(()),
            Some((_, Err(error))) => Err(self.fault(&doing, &error).await),
            None => Err(Fault::Passing { doing, cause: "the answer does not mention the topic".to_owned() }),
        }
    }

    /// Sets one config of a topic and leaves the others.
    ///
    /// # Errors
    /// [`Fault`] when the cluster refused or could not be asked.
    pub async fn set_config(&self, topic: &str, config: &str, value: &str) -> Result<(), Fault> {
        let doing = format!("setting {config}={value} on topic {topic}");
        let changes = [(ConfigResource::topic(topic), vec![ConfigOp::set(config, value)])];
        let options = IncrementalAlterConfigsOptions::default();
        match self
            .within(&doing, Box::pin(self.client.incremental_alter_configs(changes, options)))
            .await?
            .into_iter()
            .next()
        {
            Some((_, Ok(()))) => Ok(()),
            Some((_, Err(error))) => Err(self.fault(&doing, &error).await),
            None => Err(Fault::Passing { doing, cause: "the answer does not mention the topic".to_owned() }),
        }
    }

    /// The offsets that a group has committed for a topic, by partition.
    ///
    /// # Errors
    /// [`Fault`] when the group's coordinator could not say.
    pub async fn committed(&self, group: &str, topic: &str, partitions: &[i32]) -> Result<HashMap<i32, i64>, Fault> {
        let doing = format!("asking what group {group} has committed");
        let wanted = partitions.iter().map(|&partition| TopicPartition::new(topic, partition)).collect();
        let options = ListConsumerGroupOffsetsOptions::default().partitions(wanted);
        let mut committed = HashMap::new();
        for (of, answer) in
            self.within(&doing, Box::pin(self.client.list_consumer_group_offsets(group, options))).await?
        {
            match answer {
                Ok(answer) => committed.extend(answer.offset.map(|offset| (of.partition, offset))),
                Err(error) => return Err(self.fault(&doing, &error).await),
            }
        }
        Ok(committed)
    }

    /// Commits offsets for a group that has no members. `false` where it has some: they commit for themselves.
    ///
    /// # Errors
    /// [`Fault`]; the first one where several partitions failed.
    pub async fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<bool, Fault> {
        let doing = format!("committing offsets of group {group}");
        let offsets = offsets.iter().map(|&(partition, offset)| (TopicPartition::new(topic, partition), offset));
        let options = AlterConsumerGroupOffsetsOptions::default();
        // The broker's refusal is an answer here, wherever it stands.
        let call: Boxed<'_, Result<_, KrafkaError>> = Box::pin(async {
            match self.client.alter_consumer_group_offsets(group, offsets, options).await {
                Err(KrafkaError::Broker { code: ErrorCode::UnknownMemberId, .. }) => Ok(None),
                answered => answered.map(Some),
            }
        });
        let Some(answers) = self.within(&doing, call).await? else { return Ok(false) };
        match answers.into_values().find_map(Result::err) {
            None => Ok(true),
            Some(KrafkaError::Broker { code: ErrorCode::UnknownMemberId, .. }) => Ok(false),
            Some(error) => Err(self.fault(&doing, &error).await),
        }
    }

    async fn within<T>(&self, doing: &str, call: Boxed<'_, Result<T, KrafkaError>>) -> Result<T, Fault> {
        // krafka keeps its own limit too; a little more time lets it say which step was slow.
        match timeout(REQUEST_TIMEOUT + REQUEST_TIMEOUT / 10, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.fault(doing, &error).await),
            Err(_) => {
                self.cluster.discard_control(&self.kafka);
                Err(Fault::silent(doing, REQUEST_TIMEOUT))
            }
        }
    }

    /// The fault, and what it means for the client: what a broker said leaves it as it is; anything else is one that
    /// lost its way, and whoever comes next connects anew.
    async fn fault(&self, doing: &str, error: &KrafkaError) -> Fault {
        if !matches!(error, KrafkaError::Broker { .. } | KrafkaError::Config { .. }) {
            self.cluster.discard_control(&self.kafka);
        }
        fault_of(&self.cluster, doing, error)
    }
}

/// Sorts an error of the control plane by what helps.
pub(super) fn fault_of(cluster: &Cluster, doing: &str, error: &KrafkaError) -> Fault {
    match error {
        KrafkaError::Network(cause) => cluster.unreachable(&cause.to_string()),
        KrafkaError::Auth { message, .. } => cluster.unreachable(message),
        KrafkaError::Broker {
            code:
                code @ (ErrorCode::TopicAuthorizationFailed
                | ErrorCode::GroupAuthorizationFailed
                | ErrorCode::ClusterAuthorizationFailed),
            ..
        } => Fault::Denied { doing: doing.to_owned(), cause: format!("{code:?}") },
        KrafkaError::Config { .. } => Fault::Refused { doing: doing.to_owned(), cause: error.to_string() },
        KrafkaError::Broker { code, message } if !code.is_retriable() => {
            Fault::Refused { doing: doing.to_owned(), cause: format!("{code:?} {message}") }
        }
        other => Fault::Passing { doing: doing.to_owned(), cause: other.to_string() },
    }
}
