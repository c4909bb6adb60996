//! The development broker as clients see it: over sockets, by unmodified clients and by raw bytes, and through kills.

mod clients;
mod durability;
mod groups;
mod hostile;
mod raw;
mod stage;
mod topics;
