//! The log against a list of batches in memory, through appends, reads, restarts, torn tails and deletions.

use proptest::prelude::*;

use super::{Seen, files, folder, open, read_all};
use crate::log::PartitionLog;
use crate::log::settings::LogSettings;
use crate::log::testing::{batch, settings};

#[derive(Debug, Clone)]
enum Step {
    /// So many records in one batch, with values of so many bytes.
    Append(usize, usize),
    /// One fetch, from this share of the offsets on.
    Read(f64, usize),
    Reopen,
    /// So many bytes are missing at the end of the last file.
    Tear(u64),
    /// These bytes follow the last batch.
    Garbage(Vec<u8>),
    /// Records are deleted up to this share of the offsets.
    Delete(f64),
    Maintain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_usize..6, 0_usize..80).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        3 => (0.0..=1.0, 0_usize..500).prop_map(|(at, bytes_max)| Step::Read(at, bytes_max)),
        1 => Just(Step::Reopen),
        1 => (1_u64..300).prop_map(Step::Tear),
        1 => proptest::collection::vec(any::<u8>(), 1..120).prop_map(Step::Garbage),
        1 => (0.0..=1.0).prop_map(Step::Delete),
        1 => Just(Step::Maintain),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the log should hold: for each batch the offset of its first record, their number, and its bytes.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<(i64, usize, usize)>,
    start: i64,
    end: i64,
}

impl Model {
    fn expected(&self) -> Vec<Seen> {
        let offsets = self.batches.iter().flat_map(|(base, count, _)| (*base..).take(*count));
        let visible = offsets.filter(|offset| *offset >= self.start);
        visible.map(|offset| Seen { offset, key: Some(format!("k{offset}")), is_tombstone: false }).collect()
    }

    /// Takes off the batches that lose any of the last `torn` bytes.
    fn tear(&mut self, mut torn: usize) {
        while torn > 0 {
            let Some((base, _, bytes)) = self.batches.pop() else { return };
            self.end = base;
            torn = torn.saturating_sub(bytes);
        }
    }
}

fn share(of: &Model, at: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    let offset = of.start + ((of.end - of.start) as f64 * at) as i64;
    offset
}

fn append(log: &PartitionLog, model: &mut Model, count: usize, bytes: usize) {
    let keys: Vec<String> = (model.end..).take(count).map(|offset| format!("k{offset}")).collect();
    let value = "v".repeat(bytes);
    let contents: Vec<_> = keys.iter().map(|key| (Some(key.as_str()), Some(value.as_str()), 7)).collect();
    let batch = batch(&contents);
    assert_eq!(log.append(&batch, 7).unwrap().base_offset, model.end);
    model.batches.push((model.end, count, batch.len()));
    model.end += i64::try_from(count).unwrap();
}

fn check_read(log: &PartitionLog, model: &Model, offset: i64, bytes_max: usize) {
    let (got, bounds) = log.read(offset, bytes_max, true).unwrap();
    assert_eq!((bounds.start, bounds.end), (model.start, model.end));
    let holding = model.batches.iter().find(|(base, count, _)| base + i64::try_from(*count).unwrap() > offset);
    match holding {
        None => assert!(got.is_empty()),
        Some((base, _, bytes)) => {
            assert_eq!(i64::from_be_bytes(*got.first_chunk().unwrap()), *base, "starts with the batch of the offset");
            assert!(got.len() <= bytes_max.max(*bytes), "{} bytes for at most {bytes_max}", got.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_log_does_what_a_list_of_batches_does(steps in steps()) {
        let dir = folder();
        let small = LogSettings { segment_bytes: 600, batch_bytes_max: 600, ..settings() };
        let mut log = open(dir.path(), small.clone());
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append(count, bytes) => append(&log, &mut model, count, bytes),
                Step::Read(at, bytes_max) => check_read(&log, &model, share(&model, at), bytes_max),
                Step::Reopen => {}
                Step::Tear(bytes) => {
                    let path = files(dir.path()).pop().unwrap();
                    let file = std::fs::File::options().write(true).open(path).unwrap();
                    let length = file.metadata().unwrap().len();
                    let torn = bytes.min(length);
                    file.set_len(length - torn).unwrap();
                    model.tear(usize::try_from(torn).unwrap());
                    // A start offset behind the end means that all there was had been deleted.
                    model.end = model.end.max(model.start);
                }
                Step::Garbage(ref bytes) => {
                    let path = files(dir.path()).pop().unwrap();
                    let mut contents = std::fs::read(&path).unwrap();
                    contents.extend_from_slice(bytes);
                    std::fs::write(&path, contents).unwrap();
                }
                Step::Delete(at) => {
                    model.start = log.delete_records(share(&model, at)).unwrap();
                    continue;
                }
                Step::Maintain => {
                    log.maintain(7).unwrap();
                    continue;
                }
            }
            if !matches!(step, Step::Append(..) | Step::Read(..)) {
                drop(log);
                log = open(dir.path(), small.clone());
            }
            prop_assert_eq!((log.bounds().start, log.bounds().end), (model.start, model.end));
            prop_assert_eq!(read_all(&log), model.expected());
        }
    }
}
