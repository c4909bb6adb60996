//! The consumer.
pub mod clock;
pub mod fold;
