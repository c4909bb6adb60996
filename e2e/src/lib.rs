//! End-to-end scenarios: the real binaries, against the embedded broker and against Apache Kafka.
pub mod kafka;
pub mod oracle;
