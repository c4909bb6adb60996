//! Writing the compacted form of a group of segments to a new file.
//!
//! Records keep their raw bytes, offsets and timestamps; only the header round them changes (count, length, checksum).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::log::batch::{BatchFault, BatchHeader, Codec, HEADER_BYTES};
use crate::log::compaction::{Closed, Plan, for_each_batch};
use crate::log::compression::{compress, decompress};
use crate::log::records::Records;
use crate::log::{LogError, io_error};

/// How a file is called that is not complete yet; what is found under such a name on start is thrown away.
pub(super) const CLEANED_SUFFIX: &str = ".cleaned";

/// Writes what `plan` keeps of `group` to a new file and returns its path.
pub(super) fn rewrite(dir: &Path, group: &[Closed], plan: &Plan) -> Result<PathBuf, LogError> {
    let base_offset = group.first().map_or(0, |first| first.base_offset);
    let path = dir.join(format!("{base_offset:020}{CLEANED_SUFFIX}"));
    let written = write(&path, group, plan);
    if written.is_err() {
        // The error that is returned says more than one from tidying up would.
        let _ = fs::remove_file(&path);
    }
    written.map_err(io_error("write the compacted", &path))?;
    Ok(path)
}

fn write(path: &Path, group: &[Closed], plan: &Plan) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for segment in group {
        for_each_batch(&segment.span, |header, batch| {
            match filter(header, batch, plan).map_err(io::Error::other)? {
                Kept::Whole => out.write_all(batch)?,
                Kept::Nothing => {}
                Kept::Part { head, records } => {
                    out.write_all(&head)?;
                    out.write_all(&records)?;
                }
            }
            Ok(true)
        })?;
    }
    out.into_inner()?.sync_data()
}

/// What remains of a batch.
enum Kept {
    Whole,
    Nothing,
    Part { head: [u8; HEADER_BYTES], records: Vec<u8> },
}

fn filter(header: &BatchHeader, batch: &[u8], plan: &Plan) -> Result<Kept, BatchFault> {
    let codec = header.codec()?;
    // A batch that can't be looked into stays, and so does one whose records are not what they should be.
    let Ok(Some(plain)) = decompress(codec, &batch[HEADER_BYTES..]) else { return Ok(Kept::Whole) };
    let mut kept = Vec::new();
    let mut header = *header;
    let all = header.record_count;
    header.record_count = 0;
    for record in Records::new(BatchHeader { record_count: all, ..header }, &plain) {
        let Ok(record) = record else { return Ok(Kept::Whole) };
        if plan.keeps(&record) {
            kept.extend_from_slice(record.raw);
            header.record_count += 1;
        }
    }
    if header.record_count == all {
        return Ok(Kept::Whole);
    }
    if kept.is_empty() {
        return Ok(Kept::Nothing);
    }
    let records = match codec {
        Codec::None => kept,
        packed => compress(packed, &kept)?.ok_or(BatchFault::Codec(header.attributes))?,
    };
    Ok(Kept::Part { head: header.seal(&records)?, records })
}
