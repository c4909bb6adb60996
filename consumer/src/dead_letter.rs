//! What was rejected, as it goes out: the raw bytes, and headers that say where they came from and why.

use common::{
    kafka::{Record, RecordView},
    wire::{Origin, REDRIVEN_HEADER, Reason, SEQUENCE_HEADER},
};

/// Header with the reason code.
pub const REASON_HEADER: &str = "tally-reason";
/// Header with the state's generation: identity of a dead letter together with its key.
pub const GENERATION_HEADER: &str = "tally-generation";
/// Header with the rejected record's own key, if it had one.
pub const SOURCE_KEY_HEADER: &str = "tally-source-key";
/// Header with the rejected record's own timestamp, in milliseconds since the epoch.
pub const SOURCE_TIMESTAMP_HEADER: &str = "tally-source-timestamp-ms";

/// Header with the number of bytes that the value had, where it was too long to go out whole.
pub const TRUNCATED_HEADER: &str = "tally-truncated-from-bytes";

/// Most bytes of key and value together that go out as they came: what a broker takes from anybody by default. More can
/// only have come compressed, up to a thousand times as much, and nobody could be sure to get it into a topic again.
const RAW_BYTES_MAX: usize = 1_048_588;
/// Most bytes of the key, and of the sequence header, of a record that does not go out whole.
const PART_BYTES_MAX: usize = 16 << 10;
/// A part shorter than this is not cut any further.
const PART_BYTES_MIN: usize = 64;
/// What a waiting dead letter takes besides its bytes.
const LETTER_BYTES: usize = size_of::<DeadLetter>();

/// Where rejected records were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Their topic.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// Generation of the state that rejected them.
    pub generation: u64,
}

/// A rejected record that waits to go out: its bytes and little else, for there may be very many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    offset: i64,
    timestamp_ms: i64,
    reason: Reason,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    sequence: Option<Vec<u8>>,
    redriven_from: Option<Origin>,
    truncated_from: Option<usize>,
}

impl DeadLetter {
    /// Keeps what is needed of `record`: all of its bytes, but for one that no broker would take.
    #[must_use]
    pub fn new(record: &RecordView<'_>, reason: Reason) -> Self {
        let bytes = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let whole = bytes(record.key) + bytes(record.value) + bytes(record.sequence) <= RAW_BYTES_MAX;
        let keep = |part: Option<&[u8]>, bytes_max: usize| {
            part.map(|bytes| bytes[..bytes.len().min(if whole { usize::MAX } else { bytes_max })].to_vec())
        };
        Self {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            reason,
            key: keep(record.key, PART_BYTES_MAX),
            value: keep(record.value, RAW_BYTES_MAX - 2 * PART_BYTES_MAX),
            sequence: keep(record.sequence, PART_BYTES_MAX),
            redriven_from: record.redriven_from.and_then(Origin::parse),
            truncated_from: (!whole).then_some(bytes(record.value)),
        }
    }

    /// Where the record stands.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Why it was rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// About how much memory it takes while it waits, and how much of a request when it goes out.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let parts = [&self.key, &self.value, &self.sequence];
        LETTER_BYTES + parts.into_iter().flatten().map(Vec::len).sum::<usize>()
    }

    /// Keeps half of the longest part and says so. `false` when there is hardly anything left to leave out.
    pub fn halve(&mut self) -> bool {
        let whole = self.value.as_ref().map_or(0, Vec::len);
        let parts = [&mut self.value, &mut self.key, &mut self.sequence];
        let Some(longest) = parts.into_iter().flatten().max_by_key(|part| part.len()) else { return false };
        if longest.len() < PART_BYTES_MIN {
            return false;
        }
        longest.truncate(longest.len() / 2);
        self.truncated_from.get_or_insert(whole);
        true
    }

    /// The record that goes out. Its key is `<partition>/<offset>`; the headers that Kafka Streams would write have the
    /// names that KIP-1034 gives them. Stamped with `now_ms`: a rejected record's own time may be anything.
    #[must_use]
    pub fn to_record(&self, source: &Source, now_ms: i64) -> Record {
        let mut headers = Vec::new();
        let mut put = |name: &'static str, value: &[u8]| headers.push((name, value.to_owned()));
        put("__streams.errors.topic", source.topic.as_bytes());
        put("__streams.errors.partition", source.partition.to_string().as_bytes());
        put("__streams.errors.offset", self.offset.to_string().as_bytes());
        put("__streams.errors.exception", self.reason.code().as_bytes());
        put("__streams.errors.message", explain(self.reason).as_bytes());
        put(REASON_HEADER, self.reason.code().as_bytes());
        put(GENERATION_HEADER, source.generation.to_string().as_bytes());
        put(SOURCE_TIMESTAMP_HEADER, self.timestamp_ms.to_string().as_bytes());
        if let Some(key) = &self.key {
            put(SOURCE_KEY_HEADER, key);
        }
        if let Some(sequence) = &self.sequence {
            put(SEQUENCE_HEADER, sequence);
        }
        if let Some(origin) = self.redriven_from {
            put(REDRIVEN_HEADER, origin.to_string().as_bytes());
        }
        if let Some(bytes) = self.truncated_from {
            put(TRUNCATED_HEADER, bytes.to_string().as_bytes());
        }
        Record {
            key: Some(Origin { partition: source.partition, offset: self.offset }.to_string().into_bytes()),
            value: self.value.clone(),
            headers,
            timestamp_ms: now_ms,
        }
    }
}

/// One sentence for whoever reads dead letters.
#[must_use]
pub fn explain(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidHeader => "the tally-seq header is not one, or jumps further than any producer could",
        Reason::Empty => "the record has no value",
        Reason::TooLarge => "the value is longer than the limit",
        Reason::MalformedJson => "the value is not one JSON object with every member once and of its type",
        Reason::UnsupportedSchemaVersion => "the schema_version is not one that this version knows",
        Reason::InvalidId => "id is not a UUID of 36 characters",
        Reason::InvalidAccount => "account is not 1 to 64 printable ASCII characters",
        Reason::UnknownType => "type is not purchase, refund, withdrawal, transfer or deposit",
        Reason::UnknownCurrency => "currency is not an ISO 4217 code with a minor unit",
        Reason::InvalidAmount => "amount_minor is not from 1 to 10^12",
        Reason::InvalidMerchant => "merchant_name is empty, too long or has control characters",
        Reason::InvalidCountry => "country is not an assigned ISO 3166-1 alpha-2 code in capital letters",
        Reason::InvalidChannel => "channel is not card_present, online, mobile or atm",
        Reason::InvalidTime => "occurred_at is not an RFC 3339 time of a date that exists",
        Reason::FutureDated => "occurred_at lies too far ahead of the record's Kafka timestamp",
        Reason::Undecodable => "the record's batch could not be decoded; its bytes were never seen",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { topic: "transactions".to_owned(), partition: 3, generation: 2 }
    }

    #[test]
    fn a_dead_letter_carries_the_raw_bytes_and_says_whence_and_why() {
        let record = RecordView {
            offset: 12,
            timestamp_ms: -1,
            key: Some(b"\xff"),
            value: Some(b"{\xfe"),
            sequence: Some(b"x"),
            redriven_from: Some(b"1/7"),
            ..RecordView::default()
        };
        let letter = DeadLetter::new(&record, Reason::InvalidHeader).to_record(&source(), 1_000);
        assert_eq!(letter.key.as_deref(), Some(b"3/12".as_slice()));
        assert_eq!(letter.value.as_deref(), Some(b"{\xfe".as_slice()));
        assert_eq!(letter.header(REASON_HEADER).unwrap(), b"invalid_header");
        assert_eq!(letter.header("__streams.errors.offset").unwrap(), b"12");
        assert_eq!(letter.header(SOURCE_KEY_HEADER).unwrap(), b"\xff");
        assert_eq!(letter.header(SEQUENCE_HEADER).unwrap(), b"x");
        assert_eq!(letter.header(SOURCE_TIMESTAMP_HEADER).unwrap(), b"-1");
        assert_eq!(letter.header(REDRIVEN_HEADER).unwrap(), b"1/7", "who sends it again must see that it came back");
        assert!(letter.header(TRUNCATED_HEADER).is_none());
        assert_eq!(letter.timestamp_ms, 1_000);
    }

    #[test]
    fn a_tombstone_stays_without_a_value() {
        let letter = DeadLetter::new(&RecordView::default(), Reason::Empty);
        assert_eq!(letter.to_record(&source(), 0).value, None);
    }

    #[test]
    fn what_a_broker_takes_goes_out_whole_and_what_came_compressed_beyond_that_is_cut_and_says_so() {
        let value = vec![b'v'; 40 << 20];
        let letter = |bytes: usize| {
            let record = RecordView { key: Some(&value[..100]), value: Some(&value[..bytes]), ..RecordView::default() };
            DeadLetter::new(&record, Reason::TooLarge).to_record(&source(), 0)
        };
        let whole = letter(RAW_BYTES_MAX - 100);
        assert_eq!(whole.value.as_ref().map(Vec::len), Some(RAW_BYTES_MAX - 100));
        assert!(whole.header(TRUNCATED_HEADER).is_none());
        let cut = letter(value.len());
        assert_eq!(cut.header(TRUNCATED_HEADER).unwrap(), value.len().to_string().as_bytes());
        // The dead letter topic takes 64 kB more than a broker's default.
        assert!(cut.approximate_size() < RAW_BYTES_MAX + 60_000);
    }
}
