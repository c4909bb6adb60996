//! Bytes on a connection: frames, request headers, and the check that a request is what it claims to be.
//!
//! Nothing here knows what a request means. Everything that comes from the network passes [`shape::check`] before the
//! generated decoder sees it.

pub(crate) mod frame;
pub(crate) mod shape;
pub(crate) mod shapes;
