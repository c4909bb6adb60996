//! The topics there are: created, found, altered and deleted; each a folder, each partition a log.
//!
//! Promises: a topic is there after a restart if its creation was answered, and gone if its deletion was. A topic that is
//! created again under its old name is another one, with another id, and shares nothing with the first.

mod registry;
mod topic;

pub(crate) use registry::{NewTopic, TopicFault, Topics};
pub(crate) use topic::{Partition, Topic};
