//! How much of a list is answered at once.

/// Entries of a page, unless asked for otherwise.
pub const PAGE_USUAL: usize = 100;
/// Most entries of a page.
pub const PAGE_MAX: usize = 1_000;

/// Reads the number of entries that is asked for, and notes in `wrong` what is wrong with it.
pub(super) fn limit(asked: Option<&str>, wrong: &mut Vec<String>) -> usize {
    let Some(text) = asked else { return PAGE_USUAL };
    match text.parse() {
        Ok(limit) if (1..=PAGE_MAX).contains(&limit) => limit,
        _ => {
            wrong.push(format!("limit={text:?} is not a number from 1 to {PAGE_MAX}"));
            PAGE_USUAL
        }
    }
}
