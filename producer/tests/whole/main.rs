//! The producer as a whole: its library against a broker in the same process, and the real binary.

mod delivery;
mod process;
mod stage;
