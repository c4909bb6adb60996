//! A partition's state as one self-contained record: where it stands in the log and everything counted up to there,
//! so that no two writes can disagree.

use serde::{Deserialize, Serialize};

use super::{
    FoldSettings, Grid, IdWindow, Ledger, Migration, PartitionState, SequenceTable, Totals, Windows,
    calendar::{Calendar, Span},
    sequence::Incarnation,
    settings::FOLD_VERSION,
    totals::{GridForm, TotalsForm, kind_code, kind_index},
};
use common::transaction::Kind;

/// The newest version of the record's layout that is known here. A snapshot says the lowest that it can be read by, so that
/// older versions go on reading what they understand.
pub const SNAPSHOT_FORMAT: u32 = 2;
/// Without migrations. Who knows this layout only would pass over them and count wrongly.
const FORMAT_WITHOUT_MIGRATIONS: u32 = 1;

/// A snapshot, as it is written to the state topic in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// At most [`SNAPSHOT_FORMAT`].
    pub format: u32,
    /// Which generation of the state; a higher one replaces a lower one, whatever their offsets.
    pub generation: u64,
    /// How records are folded.
    pub settings: FoldSettings,
    /// How they were folded before, in order of offset; at most [`super::MIGRATIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
    /// The partition.
    pub partition: i32,
    /// The first offset counted.
    pub first_offset: i64,
    /// The offset after the last one counted.
    pub next_offset: i64,
    /// Offsets that were deleted before they were read.
    pub skipped: i64,
    /// What the record before looked like, to tell this log from another; `None` when none was read.
    pub last_record: Option<LastRecord>,
    /// Event time reached.
    pub watermark_ms: Option<i64>,
    /// Where every record ended.
    pub ledger: Ledger,
    /// What was counted.
    pub totals: TotalsForm,
    /// When it was written, in milliseconds since the epoch.
    pub written_at_ms: i64,
    /// Which consumer wrote it, for people; `None` where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_by: Option<String>,
    /// When a copy was last put where compaction doesn't reach it, in milliseconds since the epoch.
    #[serde(default)]
    pub anchored_at_ms: Option<i64>,
    pub(super) windows: Vec<WindowForm>,
    /// Producer, last sequence, last offset.
    sequences: Vec<(String, u64, i64)>,
    sequences_evicted: u64,
}

/// Enough of a record to recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub timestamp_ms: i64,
    /// SHA-256 over key and value, in hexadecimal.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WindowForm {
    pub(super) start_ms: i64,
    closed: bool,
    revision: u64,
    cells: GridForm,
}

/// A partition's share of a window that still takes transactions.
#[derive(Clone, Copy, Debug)]
pub struct WindowShare<'s> {
    /// Start, in milliseconds since the epoch; belongs to the window.
    pub start_ms: i64,
    /// End, in milliseconds since the epoch; does not belong to the window.
    pub end_ms: i64,
    /// The watermark at which it takes no more and is let go, in milliseconds since the epoch.
    pub final_ms: i64,
    /// Late transactions that it took since it closed.
    pub revision: u64,
    /// Counts and sums by kind and currency.
    pub cells: &'s GridForm,
}

/// Why a snapshot can't be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It isn't a snapshot at all.
    #[error("not a snapshot: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error("written by a newer version of the consumer ({0}): go on with that version, or a newer one")]
    TooNew(String),
    /// It says that it has a layout of this version, and has not.
    #[error(
        "damaged, or written by a newer version of the consumer: {0}. Go on with a newer version, or begin a new \
         generation behind it with `consumer reset`"
    )]
    Damaged(serde_json::Error),
}

/// No generation comes so far by honest means. Higher ones are not read: there would be none above them some day.
pub const GENERATION_MAX: u64 = u64::MAX / 2;

/// What tells which of several snapshots counts, read without the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct SnapshotHead {
    generation: u64,
    /// The partition.
    pub partition: i32,
    next_offset: i64,
}

impl SnapshotHead {
    /// Reads the head of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn parse(value: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(value)?;
        if format > SNAPSHOT_FORMAT {
            return Err(SnapshotError::TooNew(format!("snapshot format {format}")));
        }
        // It might have been the one that counts: nothing to pass over.
        let head: Self = serde_json::from_slice(value).map_err(SnapshotError::Damaged)?;
        if head.generation > GENERATION_MAX {
            let forged = format!("generation {} is beyond what any number of resets comes to", head.generation);
            return Err(SnapshotError::Damaged(serde::de::Error::custom(forged)));
        }
        Ok(head)
    }

    /// What orders snapshots of a partition: the highest is the one that counts.
    #[must_use]
    pub fn order(&self) -> (u64, i64) {
        (self.generation, self.next_offset)
    }
}

impl Snapshot {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn parse(value: &[u8]) -> Result<Self, SnapshotError> {
        SnapshotHead::parse(value)?;
        let snapshot: Self = serde_json::from_slice(value).map_err(SnapshotError::Damaged)?;
        for settings in snapshot.migrations.iter().map(|migration| &migration.from).chain([&snapshot.settings]) {
            if settings.fold_version > FOLD_VERSION {
                return Err(SnapshotError::TooNew(format!("fold version {}", settings.fold_version)));
            }
            if !settings.are_possible() {
                return Err(SnapshotError::TooNew(format!("fold settings {settings:?}")));
            }
        }
        Ok(snapshot)
    }

    /// The lowest format that can say all of it.
    pub(super) fn format_of(migrations: &[Migration]) -> u32 {
        if migrations.is_empty() { FORMAT_WITHOUT_MIGRATIONS } else { SNAPSHOT_FORMAT }
    }

    /// What orders snapshots of a partition: the highest is the one that counts.
    #[must_use]
    pub fn order(&self) -> (u64, i64) {
        (self.generation, self.next_offset)
    }

    /// The windows that still take transactions, in order of their start.
    pub fn windows(&self) -> impl Iterator<Item = WindowShare<'_>> {
        let calendar = Calendar::new(&self.settings, &self.migrations);
        self.windows.iter().map(move |form| {
            let Span { end_ms, final_ms, .. } = calendar.span(form.start_ms);
            let WindowForm { start_ms, revision, ref cells, .. } = *form;
            WindowShare { start_ms, end_ms, final_ms, revision, cells }
        })
    }

    /// The generation whose verdict on the record at an offset counts.
    #[must_use]
    pub fn generation_at(&self, offset: i64) -> u64 {
        let before = self.migrations.iter().find(|migration| offset < migration.offset);
        before.map_or(self.generation, |migration| migration.from_generation)
    }

    /// Producer processes that have numbered records: incarnation, last sequence, last offset.
    pub fn producers(&self) -> impl Iterator<Item = (&str, u64, i64)> {
        self.sequences.iter().map(|(incarnation, sequence, offset)| (incarnation.as_str(), *sequence, *offset))
    }

    /// How many producer processes were forgotten to make room.
    #[must_use]
    pub fn producers_evicted(&self) -> u64 {
        self.sequences_evicted
    }

    /// The snapshot as the value of a record.
    #[must_use]
    pub fn to_value(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers always have a JSON form")
    }
}

impl PartitionState {
    /// The state as a snapshot. `last_record` describes the record at [`Self::last_offset`].
    ///
    /// # Panics
    /// When closed windows have not been taken: nobody would give them out after a restart from here.
    #[must_use]
    pub fn snapshot(&self, last_record: Option<LastRecord>, written_at_ms: i64) -> Snapshot {
        assert_eq!(self.closed_windows_waiting(), 0, "closed windows go out before the snapshot that covers them");
        let windows = self.windows.held().map(|window| WindowForm {
            start_ms: window.span.start_ms,
            closed: window.closed,
            revision: window.revision,
            cells: window.grid.to_form(kind_code),
        });
        let sequences = self.sequences.incarnations().iter();
        Snapshot {
            format: Snapshot::format_of(&self.migrations),
            generation: self.generation,
            settings: self.settings.clone(),
            migrations: self.migrations.clone(),
            partition: self.partition,
            first_offset: self.first_offset,
            next_offset: self.next_offset,
            skipped: self.skipped,
            last_record,
            watermark_ms: self.windows.watermark_ms(),
            ledger: self.ledger,
            totals: self.totals.to_form(),
            written_at_ms,
            written_by: None,
            anchored_at_ms: None,
            windows: windows.collect(),
            sequences: sequences
                .map(|known| (format!("{:016x}", known.id), known.last_sequence, known.last_offset))
                .collect(),
            sequences_evicted: self.sequences.evicted(),
        }
    }

    /// Goes on from a snapshot. The id window is empty: give it the records from [`Self::id_window_start`] on by
    /// [`Self::remember`].
    ///
    /// At the very beginning of a generation that goes on from another, the windows that were closed there wait to be
    /// given out again: what the other one has given out of them since then counts no more.
    ///
    /// # Errors
    /// [`SnapshotError::TooNew`] when it names something that this version doesn't know.
    pub fn restore(snapshot: &Snapshot, hash_seed: u64) -> Result<Self, SnapshotError> {
        let too_new = |name: String| SnapshotError::TooNew(format!("it counts {name:?}"));
        let settings = snapshot.settings.clone();
        let held = snapshot.windows.iter().map(|form| {
            let grid = Grid::of_form(&form.cells, Kind::COUNT, kind_index).map_err(too_new)?;
            Ok((form.start_ms, form.closed, form.revision, grid))
        });
        let held = held.collect::<Result<Vec<_>, SnapshotError>>()?;
        let calendar = Calendar::new(&settings, &snapshot.migrations);
        let (allowance_ms, watermark_ms) = (settings.out_of_order_ms, snapshot.watermark_ms);
        let mut windows = Windows::restore(calendar, allowance_ms, watermark_ms, held.into_iter());
        if snapshot.migrations.last().is_some_and(|migration| migration.offset == snapshot.next_offset) {
            windows.give_out_again();
        }
        let sequences = snapshot.sequences.iter().map(|(id, last_sequence, last_offset)| {
            let id = u64::from_str_radix(id, 16).map_err(|_| too_new(id.clone()))?;
            Ok(Incarnation { id, last_sequence: *last_sequence, last_offset: *last_offset })
        });
        let sequences = sequences.collect::<Result<Vec<_>, SnapshotError>>()?;
        Ok(Self {
            generation: snapshot.generation,
            partition: snapshot.partition,
            rules: settings.rules(),
            first_offset: snapshot.first_offset,
            next_offset: snapshot.next_offset,
            skipped: snapshot.skipped,
            last_offset: snapshot.last_record.as_ref().map(|last| last.offset),
            ledger: snapshot.ledger,
            totals: Totals::of_form(&snapshot.totals).map_err(too_new)?,
            windows,
            sequences: SequenceTable::restore(sequences, snapshot.sequences_evicted),
            ids: IdWindow::new(settings.id_window_offsets, settings.id_window_age_ms, hash_seed),
            settings,
            migrations: snapshot.migrations.clone(),
        })
    }
}
