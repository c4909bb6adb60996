//! The figures over HTTP: as JSON for programs, as a page for people. What the JSON says is [`crate::api`]'s.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use common::service::{Readiness, Turns, error_response, json_response, try_again_response};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        DeadLettersAnswer, DeadLettersAsked, LedgerAnswer, OPENAPI, PartitionsAnswer, ProducersAnswer, ProducersAsked,
        ProducersQuery, WindowsAnswer, WindowsAsked, WindowsQuery,
    },
    clock::now_ms,
    dead_letters::served::Served,
    events::Events,
    fold::Snapshot,
    summary::Summary,
    view::View,
};

/// The page loads nothing from anywhere else, and runs nothing that did not come from here.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers that are worked out at a time.
const ANSWERS_MAX: usize = 2;

/// The parts of the page: where, what, and the text.
const PAGE: [(&str, &str, &str); 14] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page/chart.js", SCRIPT, include_str!("page/chart.js")),
    ("/page/dead-letters.js", SCRIPT, include_str!("page/dead-letters.js")),
    ("/page/figures.js", SCRIPT, include_str!("page/figures.js")),
    ("/page/format.js", SCRIPT, include_str!("page/format.js")),
    ("/page/keyed.js", SCRIPT, include_str!("page/keyed.js")),
    ("/page/ledger.js", SCRIPT, include_str!("page/ledger.js")),
    ("/page/stream.js", SCRIPT, include_str!("page/stream.js")),
    ("/page/table.js", SCRIPT, include_str!("page/table.js")),
    ("/page/tables.js", SCRIPT, include_str!("page/tables.js")),
    ("/page/totals.js", SCRIPT, include_str!("page/totals.js")),
];
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The consumer's own routes; `letters` reads dead letters. Connections that are kept open end with `stopping`.
pub fn router(view: Arc<View>, letters: Served, readiness: Readiness, stopping: CancellationToken) -> Router {
    let events = Arc::new(Events::new(Arc::clone(&view), readiness.clone(), stopping));
    let page = PAGE.into_iter().fold(Router::new(), |router, (path, content_type, text)| {
        router.route(path, get(async move || page(content_type, text)))
    });
    let figures = Figures { view, letters: Arc::new(letters), readiness, places: Turns::new(ANSWERS_MAX) };
    page.route("/api/v1/events", get(async move || events.answer()))
        .route("/api/v1/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
        .route("/api/v1/summary", get(summary))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/partitions", get(partitions))
        .route("/api/v1/windows", get(windows))
        .route("/api/v1/producers", get(producers))
        .route("/api/v1/latency", get(latency))
        .route("/api/v1/dead-letters", get(dead_letters))
        .with_state(figures)
}

/// A part of the page, which shows the figures as they change, from nothing but this server.
fn page(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, content_type), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)];
    (headers, text)
}

/// What works out answers: a few at a time, and never on a thread that counts.
#[derive(Clone)]
struct Figures {
    view: Arc<View>,
    letters: Arc<Served>,
    readiness: Readiness,
    places: Turns,
}

impl Figures {
    /// The figures, as soon as they are those of all partitions: a part of them would look like a whole.
    async fn whole<A, F>(self, answer: F) -> Response
    where
        A: Serialize,
        F: FnOnce(&View, &[Arc<Snapshot>]) -> A + Send + 'static,
    {
        if !self.view.is_caught_up() {
            return self.not_caught_up();
        }
        let Self { view, places, .. } = self;
        places.take(move || json_response(StatusCode::OK, &answer(&view, &view.snapshots()))).await
    }

    /// Why there are no figures yet: what has been counted so far is still being read, and what keeps that from going on.
    fn not_caught_up(&self) -> Response {
        let reasons: BTreeSet<String> = self.readiness.unmet().into_iter().map(|unmet| unmet.reason).collect();
        let mut detail = "the state topic is still being read; ask again in a moment".to_owned();
        reasons.iter().for_each(|reason| detail.extend(["; ", reason]));
        try_again_response("not_caught_up", &detail, 1)
    }
}

/// What was rejected, from Kafka.
async fn dead_letters(
    State(figures): State<Figures>,
    asked: Result<Query<DeadLettersAsked>, QueryRejection>,
) -> Result<Response, Response> {
    let partitions = figures.view.partitions();
    if partitions == 0 {
        return Ok(figures.not_caught_up());
    }
    let query = read(asked, |asked| asked.read(partitions))?;
    let page = figures.letters.page(partitions, query).await;
    let page = page.map_err(|fault| try_again_response("kafka_fault", &fault.to_string(), 5))?;
    Ok(json_response(StatusCode::OK, &DeadLettersAnswer::from(page)))
}

async fn windows(
    State(figures): State<Figures>,
    asked: Result<Query<WindowsAsked>, QueryRejection>,
) -> Result<Response, Response> {
    let query = read(asked, WindowsQuery::parse)?;
    Ok(figures.whole(move |view, snapshots| WindowsAnswer::of(snapshots, view.partitions(), &query)).await)
}

async fn producers(
    State(figures): State<Figures>,
    asked: Result<Query<ProducersAsked>, QueryRejection>,
) -> Result<Response, Response> {
    let query = read(asked, ProducersQuery::parse)?;
    Ok(figures.whole(move |view, snapshots| ProducersAnswer::of(snapshots, view.partitions(), &query)).await)
}

async fn summary(State(figures): State<Figures>) -> Response {
    figures.whole(|view, snapshots| Summary::of(snapshots.iter().map(AsRef::as_ref), view.partitions(), now_ms())).await
}

async fn ledger(State(figures): State<Figures>) -> Response {
    figures.whole(|view, snapshots| LedgerAnswer::of(snapshots, view.partitions())).await
}

async fn partitions(State(figures): State<Figures>) -> Response {
    figures.whole(|view, snapshots| PartitionsAnswer::of(view, snapshots, now_ms())).await
}

async fn latency(State(figures): State<Figures>) -> Response {
    let Figures { view, places, .. } = figures;
    places.take(move || json_response(StatusCode::OK, &view.latencies().to_json())).await
}

/// What is asked for, or the answer that says all that is wrong with it.
#[expect(clippy::result_large_err, reason = "an answer is what is wanted of it")]
fn read<A, Q>(
    asked: Result<Query<A>, QueryRejection>,
    parse: impl FnOnce(&A) -> Result<Q, Vec<String>>,
) -> Result<Q, Response> {
    let read = asked.map_err(|rejection| vec![rejection.body_text()]).and_then(|Query(asked)| parse(&asked));
    read.map_err(|wrong| error_response(StatusCode::BAD_REQUEST, "bad_query", &wrong.join("; ")))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::Path,
        sync::mpsc,
        time::{Duration, Instant},
    };

    use common::{
        kafka::{Cluster, ConnectionSettings, Security},
        money::Currency,
        service::{Shutdown, http::REST},
        topics::TopicNames,
    };
    use futures_util::FutureExt as _;
    use tokio::{task::spawn_blocking, time::sleep};

    use super::*;

    fn figures() -> Figures {
        let view = Arc::new(View::default());
        view.set_partitions(1);
        view.set_caught_up(0);
        let readiness = Readiness::new(&Shutdown::manual());
        Figures { view, letters: Arc::new(letters()), readiness, places: Turns::new(ANSWERS_MAX) }
    }

    /// Nobody asks for them here.
    pub(crate) fn letters() -> Served {
        let nowhere = ConnectionSettings {
            bootstrap_servers: vec!["127.0.0.1:1".to_owned()],
            client_id: "test".to_owned(),
            security: Security::default(),
        };
        Served::new(&Cluster::new(nowhere), &TopicNames::new("t"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_place_of_an_answer_stays_empty_for_a_while_so_that_counting_goes_on() {
        let figures = figures();
        let hard_work = |_: &View, _: &[Arc<Snapshot>]| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(5) {}
        };
        assert_eq!(figures.clone().whole(hard_work).await.status(), StatusCode::OK);
        assert_eq!(figures.places.places().available_permits(), ANSWERS_MAX - 1);
        sleep(Duration::from_millis(5) * REST - Duration::from_millis(1)).await;
        assert_eq!(figures.places.places().available_permits(), ANSWERS_MAX - 1);
        sleep(Duration::from_secs(3_600)).await;
        assert_eq!(figures.places.places().available_permits(), ANSWERS_MAX);
    }

    #[tokio::test]
    async fn who_asks_and_goes_does_not_make_room_for_more_work_at_a_time() {
        let figures = figures();
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let work = move |_: &View, _: &[Arc<Snapshot>]| {
            begin.send(()).unwrap();
            ended.recv().unwrap();
        };
        let asked = figures.clone().whole(work);
        assert!(asked.now_or_never().is_none(), "it takes as long as it is made to");
        spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        assert_eq!(figures.places.places().available_permits(), ANSWERS_MAX - 1);
        end.send(()).unwrap();
        let all = figures.places.places().acquire_many(u32::try_from(ANSWERS_MAX).unwrap()).await;
        assert_eq!(all.unwrap().num_permits(), ANSWERS_MAX);
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap().replace("index.html", "");
        let files: BTreeSet<String> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
        let served = PAGE.map(|(path, ..)| path.strip_prefix("/page/").unwrap_or_default().to_owned());
        assert_eq!(BTreeSet::from(served), files);
    }

    /// What the page has instead of browsers' own list, which differs from ISO 4217's.
    #[test]
    fn the_page_knows_as_many_digits_of_each_currency_as_the_count_does() {
        let text = include_str!("page/format.js");
        let listed = |currency: Currency| {
            let lines = text.lines().filter(|line| {
                line.contains(&format!("{} ", currency.code())) || line.contains(&format!("{}\"", currency.code()))
            });
            lines.filter_map(|line| line.trim().strip_prefix('[')?.split(',').next()?.parse().ok()).next().unwrap_or(2)
        };
        for currency in Currency::all() {
            assert_eq!(listed(currency), currency.exponent(), "{}", currency.code());
        }
    }
}
