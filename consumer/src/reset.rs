//! `consumer reset`: begins a new generation, which forgets all figures and counts the log anew.

use chrono::{DateTime, Utc};
use common::{
    kafka::{Admin, Cluster, Fault, PartitionReader, ReadOptions},
    service::{ExitCode, output},
    topics::{self, TopicNames, TopicsError},
};

use crate::{clock::now_ms, error::ConsumerError, fold::PartitionState, generation, settings::Configuration};

/// What can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where to count from: earliest, latest, or the first records of a time such as 2026-11-20T19:12:01Z
    #[arg(long, value_name = "PLACE", default_value = "earliest", value_parser = place)]
    to: Place,
    /// Confirm
    #[arg(long)]
    yes: bool,
}

/// Where a new generation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Earliest,
    Latest,
    Time(DateTime<Utc>),
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "earliest" => Ok(Place::Earliest),
        "latest" => Ok(Place::Latest),
        time => match DateTime::parse_from_rfc3339(time) {
            Ok(time) => Ok(Place::Time(time.to_utc())),
            Err(_) => Err("give earliest, latest, or a time such as 2026-11-20T19:12:01Z".to_owned()),
        },
    }
}

impl Place {
    async fn offset(self, log: &mut PartitionReader) -> Result<i64, Fault> {
        match self {
            Self::Earliest => Ok(log.bounds().await?.start),
            Self::Latest => Ok(log.bounds().await?.end),
            Self::Time(time) => log.offset_at(time.timestamp_millis()).await,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Earliest => "the start of the log".to_owned(),
            Self::Latest => "the end of the log".to_owned(),
            Self::Time(time) => format!("the first records of {}", time.to_rfc3339()),
        }
    }
}

/// Begins a new generation, if that is confirmed.
///
/// # Errors
/// [`ConsumerError`]; partitions before the one that failed have begun.
pub(crate) async fn run(configuration: &Configuration, arguments: &Arguments) -> Result<ExitCode, ConsumerError> {
    let names = TopicNames::new(&configuration.topic);
    let from = arguments.to.words();
    if !arguments.yes {
        return Err(ConsumerError::Unconfirmed(format!(
            "reset forgets every total and window of {} and counts from {from}. Consumers that run go over to the new \
             generation by themselves. To go on with other settings and keep the totals there is `consumer migrate`. Say it \
             again with --yes",
            names.transactions
        )));
    }
    let cluster = Cluster::new(configuration.connection.clone());
    let partitions = partitions(&cluster, &names).await?;
    let generation = generation::next(&cluster, &names, partitions).await?;
    for partition in 0..partitions {
        let mut log = PartitionReader::new(&cluster, &names.transactions, partition, ReadOptions::default());
        let start = arguments.to.offset(&mut log).await?;
        let state = PartitionState::new(generation, partition, configuration.fold.clone(), start, 0);
        generation::begin(&cluster, &names, &state.snapshot(None, now_ms())).await?;
    }
    let taken = output::result(&format!(
        "Generation {generation} of {} begins: {partitions} partitions, counted from {from}.",
        names.transactions
    ));
    Ok(if taken { ExitCode::Done } else { ExitCode::NotRight })
}

/// How many partitions there are to begin in. Makes the state topic where it was deleted, and checks it where it wasn't:
/// one of another topic would get half a generation.
async fn partitions(cluster: &Cluster, names: &TopicNames) -> Result<i32, ConsumerError> {
    match Admin::connect(cluster).await?.topic(&names.transactions).await? {
        Some(found) => Ok(topics::ensure(cluster, names, found.partitions).await?.partitions),
        None => Err(TopicsError::Unsuitable {
            topic: names.transactions.clone(),
            problem: "does not exist".to_owned(),
            advice: "Check KAFKA_TOPIC, or let a producer write to it first".to_owned(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_earliest_latest_or_a_time_and_anything_else_is_told_what_is_valid() {
        assert_eq!((place("earliest"), place("latest")), (Ok(Place::Earliest), Ok(Place::Latest)));
        let time = place("2026-11-20T20:12:01+01:00").expect("it is one");
        assert_eq!(time.words(), "the first records of 2026-11-20T19:12:01+00:00");
        assert!(place("1200").is_err_and(|told| told.contains("give earliest, latest, or a time")));
    }
}
