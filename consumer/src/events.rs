//! The figures as they change: once a second to whoever keeps a connection open for them, by server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! They are worked out once, however many look at them; a look costs the pipeline a few locks a second. Who takes
//! nothing for ten seconds loses the connection: nothing waits for a browser.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, Sse},
};
use common::service::{Readiness, try_again_response};
use futures_util::{Stream, stream};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        LedgerAnswer, PartitionsAnswer, ProducerAnswer, ProducersAnswer, ProducersQuery, WindowsAnswer, WindowsQuery,
    },
    clock::{format_time, now_ms},
    latency::Stage,
    summary::Summary,
    view::View,
};

/// Connections that are kept open for events at most; the others are for probes, scrapers and single questions.
pub const STREAMS_MAX: usize = 64;
/// Time between two events.
const INTERVAL: Duration = Duration::from_secs(1);
/// Figures this old are worked out again. Less than an interval, for no two connections have their seconds together.
const FRESH_FOR: Duration = Duration::from_millis(900);
/// A latency of the last second is one only if somebody looked a second before.
const LATENCY_SPAN_MAX: Duration = Duration::from_secs(5);
/// Windows of an event.
const WINDOWS: usize = 12;
/// Producers of an event.
const PRODUCERS: usize = 50;

/// What all connections share.
#[derive(Debug)]
pub struct Events {
    view: Arc<View>,
    readiness: Readiness,
    places: Arc<Semaphore>,
    latest: Arc<Mutex<Option<Latest>>>,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Latest {
    made_at: Instant,
    text: Arc<str>,
    folded: Histogram<u64>,
}

impl Events {
    /// Of what `view` shows and what `readiness` says, until `stopping`.
    #[must_use]
    pub fn new(view: Arc<View>, readiness: Readiness, stopping: CancellationToken) -> Self {
        Self { view, readiness, places: Arc::new(Semaphore::new(STREAMS_MAX)), latest: Arc::default(), stopping }
    }

    /// Events for one more connection, unless there are too many.
    pub fn answer(self: &Arc<Self>) -> Response {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Sse::new(Arc::clone(self).stream(place)).into_response(),
            Err(_) => {
                let detail = format!("{STREAMS_MAX} connections are open for events; ask /api/v1/summary instead");
                try_again_response("too_many_streams", &detail, 10)
            }
        }
    }

    fn stream(self: Arc<Self>, place: OwnedSemaphorePermit) -> impl Stream<Item = Result<Event, Infallible>> {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        stream::unfold((self, place, ticks), async |(events, place, mut ticks)| {
            tokio::select! {
                () = events.stopping.cancelled() => return None,
                _ = ticks.tick() => {}
            }
            let event = Event::default().event("figures").retry(INTERVAL).data(&*events.current().await);
            Some((Ok(event), (events, place, ticks)))
        })
    }

    /// The figures, worked out within the last second, and not on a thread that others wait for. Who goes away meanwhile neither
    /// ends that nor has it begun anew by the next.
    async fn current(&self) -> Arc<str> {
        let mut latest = Arc::clone(&self.latest).lock_owned().await;
        if let Some(known) = latest.as_ref().filter(|known| known.made_at.elapsed() < FRESH_FOR) {
            return Arc::clone(&known.text);
        }
        let (view, readiness) = (Arc::clone(&self.view), self.readiness.clone());
        let making = spawn_blocking(move || {
            let folded = view.latencies().with(Stage::Folded, Histogram::clone);
            let before = latest.take().filter(|known| known.made_at.elapsed() < LATENCY_SPAN_MAX);
            let latency = before.and_then(|known| between(&known.folded, &folded));
            let text: Arc<str> = figures(&view, &readiness, latency.as_ref()).to_string().into();
            *latest = Some(Latest { made_at: Instant::now(), text: Arc::clone(&text), folded });
            text
        });
        making.await.expect("a task that panics stops the process")
    }
}

/// All of one moment's snapshots, so that no two figures of an event disagree; and in each event what `/readyz` says: who looks
/// at the figures need ask for nothing else, least of all for what is answered with 503 while a process starts.
fn figures(view: &View, readiness: &Readiness, latency: Option<&Value>) -> Value {
    let (now_ms, unmet) = (now_ms(), readiness.unmet());
    if !view.is_caught_up() {
        return json!({"time": format_time(now_ms), "ready": unmet.is_empty(), "unmet": unmet, "caught_up": false});
    }
    let (snapshots, partitions) = (view.snapshots(), view.partitions());
    let windows = WindowsQuery { limit: WINDOWS, ..WindowsQuery::default() };
    let producers = ProducersQuery { after: String::new(), limit: PRODUCERS };
    json!({
        "time": format_time(now_ms),
        "ready": unmet.is_empty(),
        "unmet": unmet,
        "caught_up": true,
        "summary": Summary::of(snapshots.iter().map(AsRef::as_ref), partitions, now_ms),
        "balance": LedgerAnswer::of(&snapshots, partitions),
        "partitions": PartitionsAnswer::of(view, &snapshots, now_ms).partitions,
        "windows": WindowsAnswer::of(&snapshots, partitions, &windows).windows,
        "producers": in_short(&ProducersAnswer::of(&snapshots, partitions, &producers)),
        "latency": latency,
    })
}

/// Producers without where each has sent to, which would be most of an event. Sums are text, as all that may pass 2^53.
fn in_short(answer: &ProducersAnswer) -> Value {
    let one = |producer: &ProducerAnswer| {
        let records = producer.partitions.iter().map(|place| u128::from(place.last_sequence)).sum::<u128>();
        let (incarnation, partitions) = (&producer.incarnation, producer.partitions.len());
        json!({"incarnation": incarnation, "partitions": partitions, "records_numbered": records.to_string()})
    };
    json!({
        "missing_from_sequence": answer.missing_from_sequence,
        "evicted": answer.evicted,
        "producers": answer.producers.iter().map(one).collect::<Vec<_>>(),
        "more": answer.next_after.is_some(),
    })
}

/// Percentiles of what came between two looks; `None` where nothing did.
fn between(before: &Histogram<u64>, after: &Histogram<u64>) -> Option<Value> {
    let mut came = after.clone();
    came.subtract(before).ok()?;
    (!came.is_empty()).then(|| {
        let at = |quantile| came.value_at_quantile(quantile);
        json!({"records": came.len(), "p50_us": at(0.5), "p99_us": at(0.99), "max_us": came.max()})
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use common::service::Shutdown;
    use futures_util::StreamExt as _;

    use super::*;
    use crate::{api::ProducerPartition, latency::tests::folded_after};

    fn events() -> Arc<Events> {
        events_of(&Readiness::new(&Shutdown::manual()))
    }

    fn events_of(readiness: &Readiness) -> Arc<Events> {
        Arc::new(Events::new(Arc::default(), readiness.clone(), CancellationToken::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_connections_are_served_and_each_that_ends_makes_room_for_another() {
        let events = events();
        let mut open: Vec<Response> = (0..STREAMS_MAX).map(|_| events.answer()).collect();
        assert!(open.iter().all(|answer| answer.status() == StatusCode::OK));
        assert_eq!(events.answer().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(open.pop());
        assert_eq!(events.answer().status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_every_connection() {
        let events = events();
        let mut body = events.answer().into_body().into_data_stream();
        assert!(body.next().await.is_some(), "the first event comes at once");
        events.stopping.cancel();
        assert!(body.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn figures_are_worked_out_once_a_second_however_many_look() {
        let events = events();
        let first = events.current().await;
        assert!(Arc::ptr_eq(&first, &events.current().await));
        tokio::time::advance(INTERVAL).await;
        assert!(!Arc::ptr_eq(&first, &events.current().await));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_says_what_readiness_says_before_there_are_figures_too() {
        let readiness = Readiness::new(&Shutdown::manual());
        let (kafka, events) = (readiness.condition("kafka"), events_of(&readiness));
        kafka.pending("no broker answers");
        let said = async || serde_json::from_str::<Value>(&events.current().await).unwrap();
        let event = said().await;
        assert_eq!((&event["caught_up"], &event["ready"]), (&json!(false), &json!(false)));
        assert_eq!(event["unmet"], json!([{"condition": "kafka", "reason": "no broker answers"}]));
        kafka.ready();
        events.view.set_partitions(1);
        events.view.set_caught_up(0);
        tokio::time::advance(INTERVAL).await;
        let event = said().await;
        assert_eq!((&event["caught_up"], &event["ready"], &event["unmet"]), (&json!(true), &json!(true), &json!([])));
    }

    #[test]
    fn what_a_producer_has_numbered_is_exact_however_much_it_is() {
        let places =
            [u64::MAX, u64::MAX].map(|last_sequence| ProducerPartition { partition: 0, last_sequence, last_offset: 0 });
        let producers = vec![ProducerAnswer { incarnation: "aa".to_owned(), partitions: places.to_vec() }];
        let (next_after, partitions_missing) = (Some("aa".to_owned()), Vec::new());
        let answer =
            ProducersAnswer { missing_from_sequence: 3, evicted: 2, producers, next_after, partitions_missing };
        let expected = json!({"incarnation": "aa", "partitions": 2, "records_numbered": "36893488147419103230"});
        let short = in_short(&answer);
        assert_eq!((&short["producers"], &short["more"]), (&json!([expected]), &json!(true)));
        assert_eq!((&short["missing_from_sequence"], &short["evicted"]), (&json!(3), &json!(2)));
    }

    #[tokio::test]
    async fn who_comes_and_goes_does_not_have_them_worked_out_again_and_again() {
        let events = events();
        // Polled once, which begins the work, and given up.
        assert!(futures_util::FutureExt::now_or_never(events.current()).is_none());
        assert!(events.latest.lock().await.is_some(), "what was begun is ended and kept for the next");
    }

    #[tokio::test(start_paused = true)]
    async fn the_latency_is_that_of_the_last_second_and_none_where_nothing_came() {
        let events = events();
        folded_after(events.view.latencies(), &[1_000]);
        let mut before = events.view.latencies().with(Stage::Folded, Histogram::clone);
        folded_after(events.view.latencies(), &[8_000, 8_000]);
        let after = events.view.latencies().with(Stage::Folded, Histogram::clone);
        let latency = between(&before, &after).expect("two records came");
        assert_eq!((&latency["records"], &latency["p50_us"]), (&json!(2), &json!(8_003)));
        before = after.clone();
        assert_eq!(between(&before, &after), None);
    }
}
