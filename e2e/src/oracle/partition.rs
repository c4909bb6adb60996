//! One partition, counted record after record.

use std::collections::{BTreeMap, HashMap};

use super::{
    Change, Rejected, Settings, Totals, Valid, Window, digest,
    headers::{is_place, read_sequence},
    ids::Ids,
    value,
    window::Lengths,
};
use crate::kafka::Record;

/// Everything that is known of a partition after its records up to [`Partition::next_offset`].
#[derive(Debug, Clone)]
pub struct Partition {
    /// Those in force at `next_offset`.
    settings: Settings,
    last_settings: Settings,
    changes: Vec<Change>,
    /// The watermark at each change that has been passed.
    pub watermarks_at_changes: Vec<Option<i64>>,
    lengths: Lengths,
    /// Where the count began.
    pub first_offset: i64,
    /// The offset after the last one counted or passed over.
    pub next_offset: i64,
    /// Offsets that retention took away before they were read.
    pub skipped: u64,
    /// Records read.
    pub consumed: u64,
    /// Records in the totals.
    pub accepted: u64,
    /// Records that their own producer sent twice.
    pub redelivered: u64,
    /// Records whose id was there before.
    pub repeated: u64,
    /// Rejected records by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Rejected records in order: what the dead-letter topic must hold.
    pub rejected_records: Vec<Rejected>,
    /// Accepted before their window closed.
    pub on_time: u64,
    /// Accepted into a closed window.
    pub revised: u64,
    /// Accepted into the totals only.
    pub too_late: u64,
    /// Accepted records that say for which dead letter they were sent again.
    pub mended: u64,
    /// Sum of the gaps in the producers' sequences.
    pub missing_from_sequence: u64,
    /// Totals of the accepted records.
    pub totals: Totals,
    /// Windows by their start (milliseconds), with the records that were not too late.
    pub windows: BTreeMap<i64, Window>,
    /// The watermark, milliseconds; unset before the first accepted record.
    pub watermark_ms: Option<i64>,
    ids: Ids,
    /// How far back ids are kept: as far as any of the settings ask for them.
    kept_offsets: i64,
    sequences: HashMap<u64, (u64, i64)>,
    evicted: bool,
}

impl Partition {
    /// Nothing counted yet, beginning at `first_offset`.
    #[must_use]
    pub fn new(first_offset: i64, settings: Settings) -> Self {
        Self::through(first_offset, settings, Vec::new())
    }

    /// The same, where `settings` come only after these changes.
    #[must_use]
    pub fn through(first_offset: i64, settings: Settings, changes: Vec<Change>) -> Self {
        let first = changes.first().map_or(settings, |change| change.from);
        let all = changes.iter().map(|change| change.from).chain([settings]);
        let kept_offsets = all.map(|settings| settings.id_window_offsets).max().unwrap_or_default();
        Self {
            settings: first,
            last_settings: settings,
            changes,
            watermarks_at_changes: Vec::new(),
            lengths: Lengths::new(first),
            first_offset,
            next_offset: first_offset,
            skipped: 0,
            consumed: 0,
            accepted: 0,
            redelivered: 0,
            repeated: 0,
            rejected: BTreeMap::new(),
            rejected_records: Vec::new(),
            on_time: 0,
            revised: 0,
            too_late: 0,
            mended: 0,
            missing_from_sequence: 0,
            totals: Totals::default(),
            windows: BTreeMap::new(),
            watermark_ms: None,
            ids: Ids::default(),
            kept_offsets,
            sequences: HashMap::new(),
            evicted: false,
        }
    }

    /// Windows that the watermark has passed, by their start in milliseconds.
    pub fn closed_windows(&self) -> impl Iterator<Item = (i64, &Window)> {
        let passed = |end_ms| self.watermark_ms.is_some_and(|mark| end_ms <= mark);
        self.windows.iter().map(|(&start, window)| (start, window)).filter(move |(_, window)| passed(window.end_ms))
    }

    /// The generation that counted what stands at an offset, if the last one is `generation`.
    #[must_use]
    pub fn generation_at(&self, offset: i64, generation: u64) -> u64 {
        self.changes.iter().find(|change| offset < change.offset).map_or(generation, |change| change.from_generation)
    }

    /// Whether a generation that has ended could still have changed the window that begins there, and so may have given
    /// out what counts no more; `None` where that is no earlier generation.
    #[must_use]
    pub fn could_change(&self, generation: u64, start_ms: i64) -> Option<bool> {
        let place = self.changes.iter().position(|change| change.from_generation == generation)?;
        let (_, window) = self.lengths.window_of(start_ms);
        Some(self.watermarks_at_changes.get(place)?.is_none_or(|mark| window.final_ms > mark))
    }

    /// The generations before the last, and where each ended.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Goes over to the settings that hold at an offset.
    fn change_up_to(&mut self, offset: i64) {
        while let Some(change) = self.changes.get(self.watermarks_at_changes.len()).filter(|next| next.offset <= offset)
        {
            let mark = self.watermark_ms.unwrap_or(i64::MIN);
            for window in self.windows.values_mut().filter(|window| window.final_ms <= mark) {
                window.generation.get_or_insert(change.from_generation);
            }
            let windows_from_ms = change.windows_from_ms;
            self.watermarks_at_changes.push(self.watermark_ms);
            let next = self.changes.get(self.watermarks_at_changes.len());
            self.settings = next.map_or(self.last_settings, |next| next.from);
            self.lengths.change(windows_from_ms, self.settings);
        }
    }

    /// Offsets passed over that held no record of a producer.
    #[must_use]
    pub fn offsets_without_record(&self) -> i64 {
        let counted = i64::try_from(self.consumed + self.skipped).expect("fewer records than offsets");
        self.next_offset - self.first_offset - counted
    }

    /// The last sequence of each producer incarnation. Where nothing is missing, it is as many records as are there.
    pub fn last_sequences(&self) -> impl Iterator<Item = (u64, u64)> {
        self.sequences.iter().map(|(&incarnation, &(last, _))| (incarnation, last))
    }

    /// Forgets what only counting on and [`crate::evidence`] need: the ids of the last records, what was rejected, the
    /// windows. What is left is small however long the log is.
    pub fn close(&mut self) {
        self.ids = Ids::default();
        self.rejected_records = Vec::new();
        self.windows = BTreeMap::new();
    }

    /// Goes on at `offset` although records before it have not been read: retention took them.
    pub fn skip_to(&mut self, offset: i64) {
        self.skipped += u64::try_from(offset - self.next_offset).expect("skipping goes forward");
        self.next_offset = offset;
    }

    /// Goes on to `offset`: nothing but markers and holes lies between.
    pub fn pass_to(&mut self, offset: i64) {
        assert!(offset >= self.next_offset, "passing goes forward");
        self.change_up_to(offset);
        self.next_offset = offset;
    }

    /// Counts the next record.
    pub fn take(&mut self, record: &Record) {
        assert!(record.offset >= self.next_offset, "records come in the order of their offsets");
        self.change_up_to(record.offset);
        self.consumed += 1;
        self.next_offset = record.offset + 1;
        let Ok(sequence) =
            record.header("tally-seq").map(|header| header.and_then(read_sequence).ok_or(())).transpose()
        else {
            return self.reject(record, "invalid_header");
        };
        let read = value::read(record.value.as_deref(), record.timestamp_ms, &self.settings);
        // Whatever becomes of a valid record, its id has been seen.
        let (ids, kept) = (&mut self.ids, self.kept_offsets);
        let seen = read.as_ref().is_ok_and(|valid| ids.was_seen(valid.id, record, &self.settings, kept));
        if let Ok(valid) = &read {
            ids.remember(valid.id, record);
        }
        let Ok(redelivered) = sequence.map_or(Ok(false), |sequence| self.follow(sequence, record.offset)) else {
            return self.reject(record, "invalid_header");
        };
        match read {
            _ if redelivered => self.redelivered += 1,
            Err(reason) => self.reject(record, reason),
            Ok(_) if seen => self.repeated += 1,
            Ok(valid) => {
                self.accept(&valid, record.timestamp_ms);
                self.mended += u64::from(record.header("tally-redriven-from").flatten().is_some_and(is_place));
            }
        }
    }

    fn reject(&mut self, record: &Record, reason: &'static str) {
        *self.rejected.entry(reason).or_default() += 1;
        let digest = digest(record.value.as_deref());
        self.rejected_records.push(Rejected { offset: record.offset, reason, digest });
    }

    /// Whether the record's producer has sent it before; `Err` where it jumps further than is believed.
    fn follow(&mut self, (incarnation, sequence): (u64, u64), offset: i64) -> Result<bool, ()> {
        if let Some((last, last_offset)) = self.sequences.get_mut(&incarnation) {
            if sequence <= *last {
                *last_offset = offset;
                return Ok(true);
            }
            let jump = sequence - *last - 1;
            if jump > self.settings.jump_max {
                return Err(());
            }
            (*last, *last_offset) = (sequence, offset);
            self.missing_from_sequence += jump;
            return Ok(false);
        }
        let jump = if self.first_offset == 0 && !self.evicted { sequence - 1 } else { 0 };
        if jump > self.settings.jump_max {
            return Err(());
        }
        self.missing_from_sequence += jump;
        if self.sequences.len() == self.settings.incarnations_max {
            let oldest =
                self.sequences.iter().min_by_key(|(_, (_, offset))| *offset).map(|(&incarnation, _)| incarnation);
            self.sequences.remove(&oldest.expect("the table is full"));
            self.evicted = true;
        }
        self.sequences.insert(incarnation, (sequence, offset));
        Ok(false)
    }

    fn accept(&mut self, valid: &Valid, timestamp_ms: i64) {
        self.accepted += 1;
        self.totals.add(valid);
        let (start, window) = self.lengths.window_of(valid.occurred_at_ms);
        let passed = |at_ms| self.watermark_ms.is_some_and(|mark| at_ms <= mark);
        match (passed(window.end_ms), passed(window.final_ms)) {
            (_, true) => self.too_late += 1,
            (true, false) => self.revised += 1,
            (false, false) => self.on_time += 1,
        }
        if !passed(window.final_ms) {
            self.windows.entry(start).or_insert(window).totals.add_to_window(valid);
        }
        let candidate = valid.occurred_at_ms.min(timestamp_ms).saturating_sub(self.settings.out_of_order_ms);
        self.watermark_ms = Some(self.watermark_ms.map_or(candidate, |watermark| watermark.max(candidate)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_201_921_000;

    fn transaction(id: u8, amount: i64, ago_ms: i64) -> String {
        let occurred = chrono::DateTime::from_timestamp_millis(NOW_MS - ago_ms).unwrap();
        format!(
            r#"{{"id":"00000000-0000-0000-0000-0000000000{id:02x}","account":"A","type":"refund","amount_minor":{amount},
            "currency":"JPY","merchant_name":"M","merchant_category":"fuel","country":"JP","channel":"atm",
            "occurred_at":"{}","schema_version":1}}"#,
            occurred.to_rfc3339()
        )
    }

    fn record(offset: i64, value: &str, sequence: Option<&str>) -> Record {
        let record = Record { offset, ..Record::new(NOW_MS, Some(value.as_bytes())) };
        sequence.map_or(record.clone(), |sequence| record.with_header(b"tally-seq", Some(sequence.as_bytes())))
    }

    fn counted(records: &[Record]) -> Partition {
        let mut partition = Partition::new(0, Settings::default());
        records.iter().for_each(|record| partition.take(record));
        partition
    }

    #[test]
    fn of_several_sequence_headers_the_last_counts() {
        let twice = |offset, first: Option<&str>, last: Option<&str>| {
            let record = record(offset, &transaction(u8::try_from(offset).unwrap(), 100, 0), None);
            record
                .with_header(b"tally-seq", first.map(str::as_bytes))
                .with_header(b"tally-seq", last.map(str::as_bytes))
        };
        let partition = counted(&[
            twice(0, Some("00000000000000aa:9"), Some("00000000000000aa:1")),
            twice(1, Some("junk"), Some("00000000000000aa:1")),
            twice(2, Some("00000000000000aa:2"), None),
        ]);
        assert_eq!((partition.missing_from_sequence, partition.redelivered), (0, 1));
        assert_eq!(partition.rejected["invalid_header"], 1);
    }

    #[test]
    fn a_resend_is_redelivered_a_second_id_is_repeated_and_both_keep_the_first_amount() {
        let partition = counted(&[
            record(0, &transaction(1, 100, 0), Some("00000000000000aa:1")),
            record(1, &transaction(1, 100, 0), Some("00000000000000aa:1")),
            record(2, &transaction(1, 100, 0), None),
            record(3, "{}", Some("00000000000000aa:2")),
        ]);
        assert_eq!((partition.accepted, partition.redelivered, partition.repeated), (1, 1, 1));
        let rejected = Rejected { offset: 3, reason: "malformed_json", digest: digest(Some(b"{}")) };
        assert_eq!(partition.rejected_records, [rejected]);
        assert_eq!(partition.totals.to_json()["currency"]["JPY"]["sum_minor"], "100");
    }

    #[test]
    fn jumps_are_summed_and_one_beyond_belief_rejects_the_record_without_moving_on() {
        let partition = counted(&[
            record(0, &transaction(1, 1, 0), Some("00000000000000aa:3")),
            record(1, &transaction(2, 1, 0), Some("00000000000000aa:20000004")),
            record(2, &transaction(3, 1, 0), Some("00000000000000aa:5")),
            record(3, &transaction(4, 1, 0), Some("00000000000000AA:6")),
        ]);
        assert_eq!(partition.missing_from_sequence, 2 + 1);
        assert_eq!(partition.rejected["invalid_header"], 2);
        assert_eq!(partition.accepted, 2);
    }

    #[test]
    fn a_first_sequence_opens_no_gap_where_the_log_does_not_begin_at_zero() {
        let mut partition = Partition::new(5, Settings::default());
        partition.take(&record(7, &transaction(1, 1, 0), Some("00000000000000aa:3")));
        assert_eq!((partition.missing_from_sequence, partition.offsets_without_record()), (0, 2));
    }

    #[test]
    fn an_id_is_forgotten_after_its_offsets_or_its_day() {
        let settings = Settings { id_window_offsets: 2, ..Settings::default() };
        let mut partition = Partition::new(0, settings);
        for (offset, id) in [(0, 1), (1, 2), (2, 1), (5, 1)] {
            partition.take(&record(offset, &transaction(id, 1, 0), None));
        }
        assert_eq!((partition.accepted, partition.repeated), (3, 1));

        let mut later = record(6, &transaction(1, 1, 0), None);
        later.timestamp_ms += settings.id_window_ms + 1;
        partition.take(&later);
        assert_eq!(partition.accepted, 4);
    }

    #[test]
    fn other_settings_hold_from_their_offset_on_and_other_windows_from_their_time_on() {
        let minute = 60_000;
        let change = |offset, windows_from_ms, from| Change { offset, windows_from_ms, from_generation: 1, from };
        let wider = Settings { window_ms: 5 * minute, id_window_offsets: 9, ..Settings::default() };
        let narrow = Settings { id_window_offsets: 1, ..Settings::default() };
        let start_ms = NOW_MS - NOW_MS.rem_euclid(5 * minute);
        let changes = vec![change(2, Some(start_ms), narrow)];
        let mut partition = Partition::through(0, wider, changes);
        for (offset, id, ago_ms) in
            [(0, 1, 20 * minute), (1, 2, 15 * minute), (2, 1, 0), (3, 3, 0), (4, 4, 14 * minute)]
        {
            partition.take(&record(offset, &transaction(id, 1, ago_ms), None));
        }
        assert_eq!((partition.repeated, partition.accepted), (1, 4), "two offsets back is not too far any more");
        let lengths: Vec<i64> = partition.windows.iter().map(|(start, window)| window.end_ms - start).collect();
        assert_eq!(lengths, [minute, minute, minute, 5 * minute]);
        assert_eq!((partition.generation_at(1, 2), partition.generation_at(2, 2)), (1, 2));
    }

    #[test]
    fn windows_close_by_the_watermark_of_the_records_before() {
        let minute = 60_000;
        let partition = counted(&[
            record(0, &transaction(1, 1, 0), None),
            record(1, &transaction(2, 1, 2 * minute), None),
            record(2, &transaction(3, 1, 60 * minute), None),
        ]);
        assert_eq!((partition.on_time, partition.revised, partition.too_late), (1, 1, 1));
        assert_eq!(partition.windows.len(), 2);
        assert_eq!(partition.watermark_ms, Some(NOW_MS - 5_000));
    }
}
