//! One topic on disk and in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::TopicConfig;
use crate::data_dir::write_atomically;
use crate::log::{LogError, PartitionLog};

/// The file that makes a folder a topic.
pub(super) const TOPIC_FILE: &str = "topic";
/// Characters of the topic's name that go into the folder's.
const NAME_IN_FOLDER: usize = 120;

/// A topic: its name, its configuration, its partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(super) dir: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    config: TopicConfig,
    partitions: Vec<Arc<Partition>>,
}

/// A partition: its log, and who waits for it to grow.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: PartitionLog,
    waiting: Mutex<Vec<Weak<Notify>>>,
}

impl Partition {
    fn open(dir: PathBuf, config: &TopicConfig) -> Result<Arc<Self>, LogError> {
        Ok(Arc::new(Self { log: PartitionLog::open(dir, config.log_settings())?, waiting: Mutex::default() }))
    }

    /// Has `waiter` notified at the next [`Partition::wake`].
    pub(crate) fn wait(&self, waiter: &Arc<Notify>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), Arc::as_ptr(waiter)));
        waiting.push(Arc::downgrade(waiter));
    }

    /// Notifies everyone who waits: the log has grown, or will not grow any more.
    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.iter().filter_map(Weak::upgrade).for_each(|waiter| waiter.notify_one());
    }
}

impl Topic {
    /// Makes the folder of a new topic. The file that makes it a topic is written last.
    pub(super) fn create(
        topics_dir: &Path,
        name: &str,
        partitions: usize,
        config: TopicConfig,
    ) -> Result<Self, LogError> {
        let id = Uuid::new_v4();
        let shown: String = name.chars().take(NAME_IN_FOLDER).collect();
        let dir = topics_dir.join(format!("{shown}.{}", id.simple()));
        let topic = Self::with_partitions(dir, name.to_owned(), id, partitions, config)?;
        topic.store(&topic.config(), partitions)?;
        Ok(topic)
    }

    /// Opens the topic in `dir`; none if the folder is not (or no longer) a topic.
    pub(super) fn open(dir: PathBuf) -> Result<Option<Self>, LogError> {
        let path = dir.join(TOPIC_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LogError::Io { what: "read", path, source }),
        };
        let described = Described::parse(&text).ok_or(LogError::Damaged { path, at: 0 })?;
        Self::with_partitions(dir, described.name, described.id, described.partitions, described.config).map(Some)
    }

    fn with_partitions(
        dir: PathBuf,
        name: String,
        id: Uuid,
        partitions: usize,
        config: TopicConfig,
    ) -> Result<Self, LogError> {
        let opened: Result<Vec<_>, _> =
            (0..partitions).map(|index| Partition::open(dir.join(index.to_string()), &config)).collect();
        Ok(Self { name, id, dir, state: RwLock::new(State { config, partitions: opened? }) })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All partitions, in order.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.read().partitions.clone()
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.read().partitions.len()
    }

    /// The partition of this index.
    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        self.read().partitions.get(usize::try_from(index).ok()?).cloned()
    }

    /// What was set on this topic.
    pub(crate) fn config(&self) -> TopicConfig {
        self.read().config.clone()
    }

    /// Puts a new configuration in force, on disk first.
    pub(super) fn configure(&self, config: TopicConfig) -> Result<(), LogError> {
        self.store(&config, self.partition_count())?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let settings = config.log_settings();
        state.partitions.iter().for_each(|partition| partition.log.configure(Arc::clone(&settings)));
        state.config = config;
        Ok(())
    }

    /// Adds partitions until there are `count`.
    pub(super) fn grow(&self, count: usize) -> Result<(), LogError> {
        let config = self.config();
        let more: Result<Vec<_>, _> = (self.partition_count()..count)
            .map(|index| Partition::open(self.dir.join(index.to_string()), &config))
            .collect();
        let more = more?;
        self.store(&config, count)?;
        self.state.write().unwrap_or_else(PoisonError::into_inner).partitions.extend(more);
        Ok(())
    }

    /// Ends all use of the logs and wakes whoever waits for them.
    pub(crate) fn close(&self) {
        for partition in self.partitions() {
            partition.log.close();
            partition.wake();
        }
    }

    fn store(&self, config: &TopicConfig, partitions: usize) -> Result<(), LogError> {
        let path = self.dir.join(TOPIC_FILE);
        let mut text = format!("name={}\nid={}\npartitions={partitions}\n", self.name, self.id);
        for (name, value) in config.overrides() {
            text.push_str(&format!("config.{name}={value}\n"));
        }
        write_atomically(&path, text.as_bytes()).map_err(|source| LogError::Io { what: "write", path, source })
    }
}

/// What a topic's file says.
struct Described {
    name: String,
    id: Uuid,
    partitions: usize,
    config: TopicConfig,
}

impl Described {
    fn parse(text: &str) -> Option<Self> {
        let (mut name, mut id, mut partitions, mut config) = (None, None, None, TopicConfig::default());
        for line in text.lines() {
            match line.split_once('=')? {
                ("name", value) => name = Some(value.to_owned()),
                ("id", value) => id = value.parse().ok(),
                ("partitions", value) => partitions = value.parse().ok(),
                (key, value) => config.set(key.strip_prefix("config.")?, value).ok()?,
            }
        }
        Some(Self { name: name?, id: id?, partitions: partitions?, config })
    }
}
