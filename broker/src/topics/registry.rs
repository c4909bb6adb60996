//! All topics of the broker, by name and by id.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use thiserror::Error;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::{ConfigFault, TopicConfig};
use crate::limits::Limits;
use crate::log::LogError;
use crate::topics::Topic;

/// Longest topic name, as in Kafka.
const NAME_BYTES_MAX: usize = 249;

/// A change to the topics that is refused.
#[derive(Debug, Error)]
pub(crate) enum TopicFault {
    #[error(
        "Topic name is invalid: {0:?} (1 to {NAME_BYTES_MAX} ASCII letters, digits, '.', '_' and '-', and neither \".\" nor \"..\")"
    )]
    Name(String),
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("Topic '{topic}' collides with existing topic: {other} ('.' and '_' count as the same)")]
    Collides { topic: String, other: String },
    #[error("This server does not host this topic-partition.")]
    Unknown,
    #[error("Number of partitions must be larger than 0.")]
    Partitions,
    #[error("Topic currently has {now} partitions, which is higher than the requested {wanted}.")]
    FewerPartitions { now: usize, wanted: i32 },
    #[error("Topic already has {0} partitions.")]
    SamePartitions(usize),
    #[error("{what}: this broker allows {max}")]
    TooMany { what: &'static str, max: usize },
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A topic to be created.
#[derive(Debug)]
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) config: TopicConfig,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    dir: PathBuf,
    topics_max: usize,
    partitions_max: usize,
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Held by whoever changes anything, over the work on disk; readers never wait for it.
    changing: Mutex<()>,
}

impl Topics {
    /// Opens all topics under `dir`.
    pub(crate) fn open(dir: PathBuf, limits: &Limits) -> Result<Self, LogError> {
        let mut by_name = BTreeMap::new();
        let failed = |source| LogError::Io { what: "list", path: dir.clone(), source };
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match Topic::open(path.clone())? {
                Some(topic) => drop(by_name.insert(topic.name.clone(), Arc::new(topic))),
                None if is_topic_folder(&path) => remove_leftover(&path),
                None => warn!(event = "foreign_folder_left_alone", path = %path.display(), "not a topic; left alone"),
            }
        }
        Ok(Self {
            dir,
            topics_max: limits.topics_max,
            partitions_max: limits.partitions_max,
            by_name: RwLock::new(by_name),
            changing: Mutex::default(),
        })
    }

    /// The topic of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The topic of this id.
    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().find(|topic| topic.id == id).cloned()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a topic; none when it was only to be tried (`validate_only`).
    pub(crate) fn create(&self, new: NewTopic<'_>, validate_only: bool) -> Result<Option<Arc<Topic>>, TopicFault> {
        let _alone = self.change();
        self.check_name(new.name)?;
        let count = usize::try_from(new.partitions).ok().filter(|count| *count > 0).ok_or(TopicFault::Partitions)?;
        self.check_room(1, count)?;
        if validate_only {
            return Ok(None);
        }
        let topic = Arc::new(Topic::create(&self.dir, new.name, count, new.config)?);
        self.insert(Arc::clone(&topic));
        info!(event = "broker_topic_created", topic = new.name, partitions = count, "topic created");
        Ok(Some(topic))
    }

    fn insert(&self, topic: Arc<Topic>) {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(topic.name.clone(), topic);
    }

    /// Deletes a topic with all its records. The folder stops being a topic first, so a kill can't bring it back.
    pub(crate) fn delete(&self, name: &str) -> Result<(), TopicFault> {
        let _alone = self.change();
        let topic = self.get(name).ok_or(TopicFault::Unknown)?;
        let file = topic.dir.join(super::topic::TOPIC_FILE);
        fs::remove_file(&file).map_err(|source| LogError::Io { what: "remove", path: file, source })?;
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        topic.close();
        remove_leftover(&topic.dir);
        info!(event = "topic_deleted", topic = name, "topic deleted");
        Ok(())
    }

    /// Gives a topic more partitions.
    pub(crate) fn grow(&self, name: &str, wanted: i32, validate_only: bool) -> Result<(), TopicFault> {
        let _alone = self.change();
        let topic = self.get(name).ok_or(TopicFault::Unknown)?;
        let now = topic.partition_count();
        let count = usize::try_from(wanted).ok().filter(|count| *count > 0).ok_or(TopicFault::Partitions)?;
        if count < now {
            return Err(TopicFault::FewerPartitions { now, wanted });
        }
        if count == now {
            return Err(TopicFault::SamePartitions(now));
        }
        self.check_room(0, count - now)?;
        if !validate_only {
            topic.grow(count)?;
            info!(event = "partitions_added", topic = name, partitions = count, "partitions added");
        }
        Ok(())
    }

    /// Changes a topic's configuration by `change`.
    pub(crate) fn alter(
        &self,
        name: &str,
        validate_only: bool,
        change: impl FnOnce(&mut TopicConfig) -> Result<(), ConfigFault>,
    ) -> Result<(), TopicFault> {
        let _alone = self.change();
        let topic = self.get(name).ok_or(TopicFault::Unknown)?;
        let mut config = topic.config();
        change(&mut config)?;
        if !validate_only {
            topic.configure(config)?;
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), TopicFault> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name == "." || name == ".." || !name.bytes().all(legal) {
            return Err(TopicFault::Name(name.to_owned()));
        }
        if self.get(name).is_some() {
            return Err(TopicFault::Exists(name.to_owned()));
        }
        // Kafka's metrics can't tell the two apart, so it refuses them; a setup that works here must work there.
        let folded = name.replace('.', "_");
        match self.all().iter().find(|topic| topic.name.replace('.', "_") == folded) {
            Some(other) => Err(TopicFault::Collides { topic: name.to_owned(), other: other.name.clone() }),
            None => Ok(()),
        }
    }

    fn check_room(&self, topics: usize, partitions: usize) -> Result<(), TopicFault> {
        let all = self.all();
        if all.len() + topics > self.topics_max {
            return Err(TopicFault::TooMany { what: "too many topics", max: self.topics_max });
        }
        let there: usize = all.iter().map(|topic| topic.partition_count()).sum();
        if there.saturating_add(partitions) > self.partitions_max {
            return Err(TopicFault::TooMany { what: "too many partitions in all", max: self.partitions_max });
        }
        Ok(())
    }
}

/// Whether the name is one that [`Topic::create`] gives: a topic whose creation or deletion was interrupted.
fn is_topic_folder(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.is_dir() && name.rsplit_once('.').is_some_and(|(_, id)| id.len() == 32 && Uuid::try_parse(id).is_ok())
}

fn remove_leftover(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        warn!(
            event = "topic_remains_not_removed",
            dir = %dir.display(), %error, "can't remove what is left of a topic"
        );
    }
}
