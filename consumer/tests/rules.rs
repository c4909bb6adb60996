//! The rules of exactly-once counting, one by one: what becomes of a record, in which order it is asked, and what a
//! state that goes on from a snapshot must still know.
//!
//! Every scene is played twice: straight on, and by a consumer that is restarted before each record. Both must say
//! the same, so each rule is also a claim about snapshots and about the id window that is read again.

#[path = "rules/anchors.rs"]
mod anchors;
#[path = "rules/heeding.rs"]
mod heeding;
#[path = "rules/migrations.rs"]
mod migrations;
#[path = "rules/offsets.rs"]
mod offsets;
#[path = "rules/order.rs"]
mod order;
#[path = "records/mod.rs"]
mod records;
#[path = "rules/repeats.rs"]
mod repeats;
#[path = "rules/scene.rs"]
mod scene;
#[path = "rules/sequences.rs"]
mod sequences;
#[path = "rules/snapshots.rs"]
mod snapshots;
#[path = "rules/windows.rs"]
mod windows;
