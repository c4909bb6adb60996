//! Which partitions are meant: a list of numbers and ranges.

use super::Unchecked;

/// The partitions that `list` names, of `count`; all of them without a list.
///
/// # Errors
/// [`Unchecked::Flags`] for what is no list, or names what isn't there.
pub(super) fn choose(list: Option<&str>, count: i32) -> Result<Vec<i32>, Unchecked> {
    let Some(list) = list else { return Ok((0..count).collect()) };
    let mut chosen = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<i32>(), last.trim().parse::<i32>()) else {
            return Err(Unchecked::Flags(format!("--partitions {list}: {part:?} is no partition; such as 0,3-5")));
        };
        if first > last || last >= count {
            let there = format!("there are partitions 0 to {}", count - 1);
            return Err(Unchecked::Flags(format!("--partitions {list}: {part:?} is not among them; {there}")));
        }
        chosen.extend(first..=last);
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_single_partitions_and_ranges_each_once() {
        assert_eq!(choose(None, 3).unwrap(), [0, 1, 2]);
        assert_eq!(choose(Some("5, 0,2-3,3"), 6).unwrap(), [0, 2, 3, 5]);
    }

    #[test]
    fn what_is_no_list_or_names_a_partition_that_is_not_there_is_refused() {
        for list in ["", "a", "0,", "-1", "3-1", "6", "0-6", "1-2-3"] {
            assert!(matches!(choose(Some(list), 6), Err(Unchecked::Flags(_))), "{list:?}");
        }
    }
}
