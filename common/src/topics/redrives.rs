//! The journal of redrives: which dead letters were sent again. It is made by whoever does that first, not by consumers, which
//! have no use for it.

use super::{
    BYTES_MAX, BYTES_MAX_DEFAULT, DEAD_LETTER_BYTES_EXTRA, DERIVED_RETENTION_MS, TopicNames, TopicsError, create,
    number,
};
use crate::kafka::{Admin, Cluster, TopicRequest, TopicState};

/// How long it is remembered which dead letters were sent again: longer than those are there.
const REDRIVES_RETENTION_MS: i64 = 2 * DERIVED_RETENTION_MS;

/// Creates the journal of redrives where it is missing, and checks it: one partition, whose order says who was first, and kept for
/// longer than dead letters are. `false` where it is missing and is not to be made.
///
/// # Errors
/// [`TopicsError`]: a fault that may pass, or a topic that has to be mended first.
pub async fn ensure_redrives(cluster: &Cluster, names: &TopicNames, make: bool) -> Result<bool, TopicsError> {
    let admin = Admin::connect(cluster).await?;
    let journal = match admin.topic(&names.redrives).await? {
        Some(journal) => journal,
        None if make => create(&admin, redrives_request(names)).await?,
        None => return Ok(false),
    };
    let letters = admin.topic(&names.dead_letters).await?;
    check_redrives(names, &journal, letters.as_ref())?;
    Ok(true)
}

fn redrives_request(names: &TopicNames) -> TopicRequest {
    let configs = vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", REDRIVES_RETENTION_MS.to_string()),
        (BYTES_MAX, (BYTES_MAX_DEFAULT + DEAD_LETTER_BYTES_EXTRA).to_string()),
    ];
    TopicRequest::new(&names.redrives, 1, configs)
}

fn check_redrives(names: &TopicNames, journal: &TopicState, letters: Option<&TopicState>) -> Result<(), TopicsError> {
    let topic = &names.redrives;
    let unsuitable = |problem, advice| Err(TopicsError::Unsuitable { topic: topic.clone(), problem, advice });
    if journal.partitions != 1 {
        let problem =
            format!("has {} partitions, and only the order within one says who was first", journal.partitions);
        let advice = "Somebody else made it: delete it if no dead letter was ever redriven, and it is made anew";
        return unsuitable(problem, advice.to_owned());
    }
    if journal.configs.get("cleanup.policy").is_some_and(|policy| policy != "delete") {
        let problem =
            format!("has cleanup.policy={}, which forgets what was sent again", journal.configs["cleanup.policy"]);
        let advice = format!("Set it: kafka-configs --alter --topic {topic} --add-config cleanup.policy=delete");
        return unsuitable(problem, advice);
    }
    // Below 0: for ever.
    let kept_ms =
        |state: &TopicState| number(&state.configs, "retention.ms").map(|ms| if ms < 0 { i64::MAX } else { ms });
    let (Some(kept), Some(needed)) = (kept_ms(journal), letters.and_then(kept_ms)) else { return Ok(()) };
    if kept < needed {
        let needed = if needed == i64::MAX { -1 } else { needed };
        let problem =
            format!("has retention.ms={kept}, less than {}: it would forget what was sent again", names.dead_letters);
        let advice = format!("Raise it: kafka-configs --alter --topic {topic} --add-config retention.ms={needed}");
        return unsuitable(problem, advice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(partitions: i32, configs: &[(&str, &str)]) -> TopicState {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicState { partitions, configs }
    }

    #[test]
    fn a_journal_that_would_forget_or_has_no_order_is_refused_with_what_mends_it() {
        let names = TopicNames::new("t");
        let letters = state(6, &[("retention.ms", "1000")]);
        let check = |journal: &TopicState, letters: &TopicState| check_redrives(&names, journal, Some(letters));
        assert!(check(&state(1, &[("retention.ms", "1000"), ("cleanup.policy", "delete")]), &letters).is_ok());
        assert!(check(&state(1, &[("retention.ms", "-1")]), &letters).is_ok());
        assert!(check(&state(1, &[]), &letters).is_ok(), "configs that may not be read");
        for (journal, told) in [
            (state(1, &[("retention.ms", "999")]), "retention.ms=1000"),
            (state(2, &[]), "delete it"),
            (state(1, &[("cleanup.policy", "compact")]), "cleanup.policy=delete"),
        ] {
            let refused = check(&journal, &letters).expect_err("it must be refused").to_string();
            assert!(refused.contains(told), "{refused}");
        }
        let for_ever = state(6, &[("retention.ms", "-1")]);
        let refused = check(&state(1, &[("retention.ms", "999")]), &for_ever).expect_err("it must be refused");
        assert!(refused.to_string().contains("retention.ms=-1"), "{refused}");
    }

    #[test]
    fn the_journal_that_is_made_outlives_dead_letters() {
        let names = TopicNames::new("t");
        let request = redrives_request(&names);
        let made = TopicState { partitions: request.partitions, configs: request.configs_as_map() };
        let letters = state(6, &[("retention.ms", &DERIVED_RETENTION_MS.to_string())]);
        assert!(check_redrives(&names, &made, Some(&letters)).is_ok());
    }
}
