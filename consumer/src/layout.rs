//! How many partitions there are: the topics made ready before the first worker starts, and the ones that the
//! transactions topic gains while it runs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    kafka::{Admin, Fault},
    service::Condition,
    topics::{self, Layout, TopicsError},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{error::ConsumerError, pipeline::Context};

/// Pause between two tries to make the topics ready.
const START_PAUSE: Duration = Duration::from_secs(2);
/// How long a bounded run tries to reach Kafka before it gives up.
const BOUNDED_START_DEADLINE: Duration = Duration::from_secs(30);
/// Time between two looks at the partition count.
const LOOK_INTERVAL: Duration = Duration::from_secs(20);
/// Longest time for one look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes the topics ready, for as long as it takes; `None` when stopped meanwhile.
///
/// # Errors
/// [`ConsumerError::Topics`] that trying again can't mend or, in a bounded run, that did not pass in time.
pub(crate) async fn prepare(
    context: &Context,
    partitions: i32,
    condition: &Condition,
) -> Result<Option<Layout>, ConsumerError> {
    let deadline = Instant::now() + BOUNDED_START_DEADLINE;
    loop {
        let error = tokio::select! {
            () = context.stopping.cancelled() => return Ok(None),
            layout = ensure(context, partitions) => match layout {
                Ok(layout) => return Ok(Some(layout)),
                Err(error) => error,
            },
        };
        condition.not_ready(error.to_string());
        if !error.may_pass() || (context.is_bounded() && Instant::now() >= deadline) {
            return Err(error.into());
        }
        if let TopicsError::Fault(fault) = &error {
            context.cluster.remind(fault);
        }
        tokio::select! {
            () = context.stopping.cancelled() => return Ok(None),
            () = sleep(START_PAUSE) => {}
        }
    }
}

async fn ensure(context: &Context, partitions: i32) -> Result<Layout, TopicsError> {
    let topic = &context.names.transactions;
    if context.until_end && Admin::connect(&context.cluster).await?.topic(topic).await?.is_none() {
        // Making it and finding nothing in it would look like a result.
        return Err(TopicsError::Unsuitable {
            topic: topic.clone(),
            problem: "does not exist, so that it has no end to read to".to_owned(),
            advice: "Check KAFKA_TOPIC, or let a producer write to it first".to_owned(),
        });
    }
    topics::ensure(&context.cluster, &context.names, partitions).await
}

/// Looks for partitions that the topic has gained, makes the other topics follow, and then says so. Goes on for as long
/// as it is polled.
pub(crate) async fn follow_growth(context: Arc<Context>, growing: watch::Sender<i32>) {
    loop {
        sleep(LOOK_INTERVAL).await;
        let known = *growing.borrow();
        match timeout(LOOK_TIMEOUT, grown(&context, known)).await {
            Ok(Ok(Some(partitions))) => {
                info!(
                    event = "topic_gained_partitions",
                    from = known,
                    to = partitions,
                    "the transactions topic has gained partitions"
                );
                context.view.set_partitions(partitions);
                growing.send_replace(partitions);
            }
            Ok(Ok(None)) => {}
            // Partitions that are there and can't be taken up are not to be overlooked.
            Ok(Err(TopicsError::Fault(fault))) => context.cluster.complain(&fault),
            Ok(Err(error)) => warn!(event = "partition_count_unusable", "{error}"),
            Err(_) => warn!(
                event = "partition_count_unknown",
                "the partition count could not be looked at within {} s",
                LOOK_TIMEOUT.as_secs()
            ),
        }
    }
}

async fn grown(context: &Context, known: i32) -> Result<Option<i32>, TopicsError> {
    let topic = &context.names.transactions;
    let found = Admin::connect(&context.cluster).await?.topic(topic).await?;
    let partitions = found.ok_or_else(|| Fault::NoSuchTopic { topic: topic.clone() })?.partitions;
    if partitions < known {
        // A broker may know less than others for a while, but not for so long.
        sleep(LOOK_INTERVAL).await;
        let found = Admin::connect(&context.cluster).await?.topic(topic).await?;
        if found.is_none_or(|found| found.partitions != partitions) {
            return Ok(None);
        }
        return Err(TopicsError::Unsuitable {
            topic: topic.clone(),
            problem: format!("was made again with {partitions} partitions, and had {known}"),
            advice: "Stop all consumers, delete the state topic, and begin anew with `consumer reset`; or use another \
                     KAFKA_TOPIC"
                .to_owned(),
        });
    }
    if partitions == known {
        return Ok(None);
    }
    // Named as missing until they are counted.
    context.view.set_partitions(partitions);
    Ok(Some(topics::ensure(&context.cluster, &context.names, partitions).await?.partitions))
}
