//! From a transaction to the value of a record.
//!
//! The members stand in the contract's order and without white space, so that one transaction has one text. Nothing
//! is allocated beyond what the buffer has to grow.

use super::canonical::plain_length;
use super::headers::put_decimal;
use super::{id, timestamp};
use crate::transaction::Transaction;

/// Appends the JSON text of `transaction` to `out`.
///
/// What [`decode`](super::decode()) accepts is written so that `decode` gives it back unchanged. A category is written
/// by its code, so a text that counted as `other` becomes `other`.
pub fn encode(transaction: &Transaction<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    id::append(transaction.id, out);
    out.extend_from_slice(b"\",\"account\":\"");
    append_escaped(&transaction.account, out);
    out.extend_from_slice(b"\",\"type\":\"");
    out.extend_from_slice(transaction.kind.code().as_bytes());
    out.extend_from_slice(b"\",\"amount_minor\":");
    append_integer(transaction.amount_minor, out);
    out.extend_from_slice(b",\"currency\":\"");
    out.extend_from_slice(transaction.currency.code().as_bytes());
    out.extend_from_slice(b"\",\"merchant_name\":\"");
    append_escaped(&transaction.merchant_name, out);
    out.extend_from_slice(b"\",\"merchant_category\":\"");
    out.extend_from_slice(transaction.category.code().as_bytes());
    out.extend_from_slice(b"\",\"country\":\"");
    out.extend_from_slice(transaction.country.code().as_bytes());
    out.extend_from_slice(b"\",\"channel\":\"");
    out.extend_from_slice(transaction.channel.code().as_bytes());
    out.extend_from_slice(b"\",\"occurred_at\":\"");
    out.extend_from_slice(&timestamp::format_ms(transaction.occurred_at_ms));
    out.extend_from_slice(b"\",\"schema_version\":1}");
}

fn append_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    if number < 0 {
        out.push(b'-');
    }
    let count = put_decimal(number.unsigned_abs(), &mut digits);
    out.extend_from_slice(&digits[..count]);
}

/// Appends the inside of a JSON string.
fn append_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, from_mark) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((&mark, behind)) = from_mark.split_first() else { return };
        match mark {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0x0f)]);
            }
        }
        rest = behind;
    }
}
