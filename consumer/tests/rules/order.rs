//! In which order a record is asked, and that whatever it is, the partition goes on.

use common::wire::Reason;

use crate::{
    records::{BAD_SEQUENCES, FLAWS, Record, flawed},
    scene::{Fate, both_ways, numbered, paid, small},
};

fn spoilt(record: Record) -> Record {
    Record { value: Some(b"no transaction".to_vec()), ..record }
}

#[test]
fn every_flaw_has_its_own_reason_and_the_partition_goes_on() {
    both_ways(&small(), 0, |scene| {
        let mut id = 0;
        for &flaw in FLAWS {
            id += 1;
            let text = String::from_utf8(paid(id, 0).value.unwrap()).unwrap();
            let record = Record { value: Some(flawed(&text, flaw)), ..paid(id, 0) };
            assert_eq!(scene.fold(record), Fate::Rejected(flaw.2), "{flaw:?}");
            assert_eq!(scene.fold(paid(id, 0)), Fate::OnTime, "after {flaw:?}");
        }
        assert_eq!(scene.euros(), (FLAWS.len() as u64, 100 * FLAWS.len() as i128));
    });
}

#[test]
fn values_that_are_no_text_are_rejected_each_for_its_own_reason() {
    let padded = |bytes: usize| {
        let text = String::from_utf8(paid(1, 0).value.unwrap()).unwrap();
        text.replacen('{', &format!("{}{{", " ".repeat(bytes - text.len())), 1).into_bytes()
    };
    for (value, fate) in [
        (None, Fate::Rejected(Reason::Empty)),
        (Some(Vec::new()), Fate::Rejected(Reason::Empty)),
        (Some(vec![0xff, 0x00, 0x9f]), Fate::Rejected(Reason::MalformedJson)),
        (Some(padded(1_025)), Fate::Rejected(Reason::TooLarge)),
        (Some(padded(1_024)), Fate::OnTime),
    ] {
        both_ways(&small(), 0, |scene| {
            assert_eq!(scene.fold(Record { value: value.clone(), ..paid(1, 0) }), fate);
            assert_eq!(scene.fold(paid(2, 0)), Fate::OnTime);
        });
    }
}

#[test]
fn a_transaction_may_lie_ahead_of_its_record_by_the_skew_and_no_more() {
    both_ways(&small(), 0, |scene| {
        let ahead = |id, ms| Record { timestamp_ms: paid(id, 0).timestamp_ms, ..paid(id, ms) };
        assert_eq!(scene.fold(ahead(1, 500)), Fate::OnTime);
        assert_eq!(scene.fold(ahead(2, 501)), Fate::Rejected(Reason::FutureDated));
    });
}

#[test]
fn a_record_sent_again_for_a_dead_letter_counts_as_mended_where_it_is_accepted_and_only_there() {
    both_ways(&small(), 0, |scene| {
        let mut mended = 0;
        for (header, record, fate, more) in [
            (None, paid(1, 0), Fate::OnTime, 0),
            (Some("0/0"), paid(2, 0), Fate::OnTime, 1),
            (Some("0/0"), paid(2, 0), Fate::Repeated, 0),
            (Some("0/1"), spoilt(paid(3, 0)), Fate::Rejected(Reason::MalformedJson), 0),
            (Some("somewhere"), paid(4, 0), Fate::OnTime, 0),
            (Some("0/2"), numbered(paid(5, 0), 7, 1), Fate::OnTime, 1),
            (Some("0/2"), numbered(paid(5, 0), 7, 1), Fate::Redelivered, 0),
        ] {
            let redriven_from = header.map(|text: &str| text.as_bytes().to_vec());
            assert_eq!(scene.fold(Record { redriven_from, ..record }), fate, "{header:?}");
            mended += more;
            assert_eq!(scene.state.ledger().mended, mended, "{header:?}");
        }
    });
}

#[test]
fn a_bad_header_comes_before_everything_else() {
    for &header in BAD_SEQUENCES {
        both_ways(&small(), 0, |scene| {
            let bad = |record| Record { sequence: Some(header.as_bytes().to_vec()), ..record };
            assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime);
            assert_eq!(scene.fold(bad(paid(2, 0))), Fate::Rejected(Reason::InvalidHeader), "{header:?}");
            assert_eq!(scene.fold(bad(spoilt(paid(3, 0)))), Fate::Rejected(Reason::InvalidHeader), "{header:?}");
            assert_eq!(scene.fold(bad(paid(1, 0))), Fate::Rejected(Reason::InvalidHeader), "{header:?}");
        });
    }
}

#[test]
fn redelivered_comes_before_validation_and_before_repeated() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::OnTime);
        assert_eq!(scene.fold(numbered(paid(1, 0), 7, 1)), Fate::Redelivered, "the same record again");
        assert_eq!(scene.fold(numbered(spoilt(paid(1, 0)), 7, 1)), Fate::Redelivered);
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 1)), Fate::Redelivered, "whatever it holds");
    });
}

#[test]
fn validation_comes_before_repeated() {
    both_ways(&small(), 0, |scene| {
        assert_eq!(scene.fold(paid(1, 0)), Fate::OnTime);
        let text = String::from_utf8(paid(1, 0).value.unwrap()).unwrap();
        let free = text.replace("\"amount_minor\":100", "\"amount_minor\":0");
        let record = Record { value: Some(free.into_bytes()), ..paid(1, 0) };
        assert_eq!(scene.fold(record), Fate::Rejected(Reason::InvalidAmount));
        assert_eq!(scene.fold(paid(1, 0)), Fate::Repeated);
    });
}

#[test]
fn only_accepted_records_are_in_the_totals() {
    both_ways(&small(), 0, |scene| {
        scene.fold(numbered(paid(1, 0), 7, 1));
        scene.fold(numbered(paid(1, 0), 7, 1));
        scene.fold(paid(1, 0));
        scene.fold(spoilt(paid(2, 0)));
        scene.fold(Record { undecodable: true, ..Record::default() });
        assert_eq!(scene.euros(), (1, 100));
        assert_eq!(scene.state.ledger().consumed, 5);
    });
}

#[test]
fn an_undecodable_record_is_rejected_and_nothing_else_is_made_of_it() {
    both_ways(&small(), 0, |scene| {
        scene.fold(numbered(paid(1, 0), 7, 1));
        let record = Record { undecodable: true, ..Record::default() };
        assert_eq!(scene.fold(record), Fate::Rejected(Reason::Undecodable));
        assert_eq!(scene.fold(numbered(paid(2, 0), 7, 3)), Fate::OnTime);
        // What its header was can't be known, so its sequence counts as missing.
        assert_eq!(scene.state.ledger().missing_from_sequence, 1);
    });
}
