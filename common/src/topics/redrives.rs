//! The journal of redrives: which dead letters were sent again. It is made by whoever does that first, not by consumers, which
//! have no use for it.

use super::{
    BYTES_MAX, BYTES_MAX_DEFAULT, DEAD_LETTER_BYTES_EXTRA, DERIVED_RETENTION_MS, TIMESTAMP_AFTER_MS_MAX, TopicNames,
    TopicsError, create, number,
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
    let transactions = admin.topic(&names.transactions).await?;
    check_redrives(names, &journal, [letters.as_ref(), transactions.as_ref()])?;
    Ok(true)
}

fn redrives_request(names: &TopicNames) -> TopicRequest {
    let configs = vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", REDRIVES_RETENTION_MS.to_string()),
        // Brokers may have a limit for each partition, and this topic has one only.
        ("retention.bytes", "-1".to_owned()),
        // As the transactions topic has it: what that would refuse is not claimed.
        ("message.timestamp.after.max.ms", TIMESTAMP_AFTER_MS_MAX.to_string()),
        (BYTES_MAX, (BYTES_MAX_DEFAULT + DEAD_LETTER_BYTES_EXTRA).to_string()),
    ];
    TopicRequest::new(&names.redrives, 1, configs)
}

/// `others`: the dead letters and the transactions. A letter may be written anew, by a reset, as long as its record is there, and
/// is there for its own retention then.
fn check_redrives(
    names: &TopicNames,
    journal: &TopicState,
    others: [Option<&TopicState>; 2],
) -> Result<(), TopicsError> {
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
    if number(&journal.configs, "retention.bytes").is_some_and(|bytes| bytes >= 0) {
        let problem =
            format!("has retention.bytes={}, and would forget what was sent again", journal.configs["retention.bytes"]);
        let advice = format!("Lift it: kafka-configs --alter --topic {topic} --add-config retention.bytes=-1");
        return unsuitable(problem, advice);
    }
    // Below 0: for ever.
    let kept_ms =
        |state: &TopicState| number(&state.configs, "retention.ms").map(|ms| if ms < 0 { i64::MAX } else { ms });
    let needed = others.map(|other| other.and_then(kept_ms).unwrap_or(0)).into_iter().fold(0, i64::saturating_add);
    if kept_ms(journal).is_some_and(|kept| kept < needed) {
        let needed = if needed == i64::MAX { -1 } else { needed };
        let problem = format!(
            "has retention.ms={}, less than {} and {} together: it would forget what was sent again",
            journal.configs["retention.ms"], names.dead_letters, names.transactions
        );
        let advice = format!("Raise it: kafka-configs --alter --topic {topic} --add-config retention.ms={needed}");
        return unsuitable(problem, advice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::{TRANSACTIONS_RETENTION_MS, tests::state};

    #[test]
    fn a_journal_that_would_forget_or_has_no_order_is_refused_with_what_mends_it() {
        let names = TopicNames::new("t");
        let (letters, transactions) = (state(6, &[("retention.ms", "700")]), state(6, &[("retention.ms", "300")]));
        let check = |journal: &TopicState, letters: &TopicState| {
            check_redrives(&names, journal, [Some(letters), Some(&transactions)])
        };
        assert!(check(&state(1, &[("retention.ms", "1000"), ("cleanup.policy", "delete")]), &letters).is_ok());
        assert!(check(&state(1, &[("retention.ms", "-1"), ("retention.bytes", "-1")]), &letters).is_ok());
        assert!(check(&state(1, &[]), &letters).is_ok(), "configs that may not be read");
        for (journal, told) in [
            (state(1, &[("retention.ms", "999")]), "retention.ms=1000"),
            (state(1, &[("retention.bytes", "402653184")]), "retention.bytes=-1"),
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
    fn the_journal_that_is_made_outlives_dead_letters_and_whatever_makes_them_anew() {
        let names = TopicNames::new("t");
        let request = redrives_request(&names);
        let made = TopicState { partitions: request.partitions, configs: request.configs_as_map() };
        let kept = |ms: i64| state(6, &[("retention.ms", &ms.to_string())]);
        let (letters, transactions) = (kept(DERIVED_RETENTION_MS), kept(TRANSACTIONS_RETENTION_MS));
        assert!(check_redrives(&names, &made, [Some(&letters), Some(&transactions)]).is_ok());
    }
}
