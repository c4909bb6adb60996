//! What stands in the headers of a record, read a second time.

/// `<partition>/<offset>`, one spelling only.
pub(super) fn is_place(header: &[u8]) -> bool {
    let place = std::str::from_utf8(header).ok().and_then(|text| text.split_once('/'));
    let read =
        place.and_then(|(partition, offset)| Some((partition.parse::<u32>().ok()?, offset.parse::<u64>().ok()?)));
    read.is_some_and(|(partition, offset)| {
        format!("{partition}/{offset}").as_bytes() == header
            && i32::try_from(partition).is_ok()
            && i64::try_from(offset).is_ok()
    })
}

/// `<16 lower-case hexadecimal digits>:<decimal from 1>`, one spelling only.
pub(super) fn read_sequence(header: &[u8]) -> Option<(u64, u64)> {
    let (incarnation, sequence) = std::str::from_utf8(header).ok()?.split_once(':')?;
    let number = u64::from_str_radix(incarnation, 16).ok()?;
    let place: u64 = sequence.parse().ok()?;
    // What a number is printed as is its one spelling: no capitals, signs, blanks or leading zeros.
    (format!("{number:016x}:{place}").as_bytes() == header && place > 0).then_some((number, place))
}
