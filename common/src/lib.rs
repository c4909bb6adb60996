//! (being built)

pub mod kafka;
pub mod money;
pub mod partitioner;
pub mod service;
pub mod topics;
pub mod transaction;
pub mod wire;
