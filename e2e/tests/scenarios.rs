//! The scenarios as tests: `embedded::…` and `kafka::…`, run by `cargo test -p e2e` and `cargo test --workspace`.
//!
//! Where no Apache Kafka can be had, its scenarios are shown as ignored with the reason; with `REQUIRE_KAFKA=1` they fail.
//! Nothing is started before the first scenario that needs it, so `--list` and filters cost nothing.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use e2e::cluster::{Kind, Lab, Unavailable, jars};
use e2e::scenarios::{ALL, Needs, On, Scenario};
use e2e::stage::Stage;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Scenarios wait more than they work, so more of them run at a time than there are processors.
const THREADS: usize = 4;
/// Demands Apache Kafka.
const REQUIRE_VARIABLE: &str = "REQUIRE_KAFKA";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let lab = match Lab::new() {
        Ok(lab) => Arc::new(lab),
        Err(failure) => {
            eprintln!("no scenario can be run: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let trials = ALL.iter().flat_map(|scenario| trials(scenario, &lab)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Ends the brokers; leaving the process without this would leave that to the guardian.
    drop(lab);
    conclusion.exit_code()
}

fn trials(scenario: &'static Scenario, lab: &Arc<Lab>) -> Vec<Trial> {
    let kinds: &[Option<Kind>] = match scenario.on {
        On::EveryBroker => &[Some(Kind::Embedded), Some(Kind::Apache)],
        On::ApacheOnly => &[Some(Kind::Apache)],
        On::NoBroker => &[None],
    };
    let trial = |&kind: &Option<Kind>| {
        let lab = Arc::clone(lab);
        let group = match kind {
            Some(Kind::Embedded) => "embedded",
            Some(Kind::Apache) => "kafka",
            None => "local",
        };
        let name = format!("{group}::{}", scenario.name);
        Trial::ignorable_test(name, move || play(scenario, kind, &lab))
    };
    kinds.iter().map(trial).collect()
}

fn play(scenario: &Scenario, kind: Option<Kind>, lab: &Lab) -> Result<Completion, Failed> {
    if let Err(Unavailable(reason)) = available(scenario, kind, lab) {
        let demanded = std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1");
        if demanded && scenario.needs != Needs::Kcat {
            return Err(format!("{REQUIRE_VARIABLE}=1, but {reason}").into());
        }
        return Ok(Completion::ignored_with(reason));
    }
    let mut stage = match kind {
        Some(_) if scenario.needs == Needs::SecuredBroker => Stage::with_cluster(lab.secured()?, lab, scenario.name)?,
        Some(kind) => Stage::new(lab, kind, scenario.name, scenario.needs == Needs::OwnBroker)?,
        None => Stage::without_broker(lab, scenario.name)?,
    };
    (scenario.play)(&mut stage).map_err(|failure| format!("{failure}\n{}", stage.logs()))?;
    Ok(Completion::Completed)
}

fn available(scenario: &Scenario, kind: Option<Kind>, lab: &Lab) -> Result<(), Unavailable> {
    if let Some(kind) = kind {
        lab.offers(kind, scenario.needs == Needs::OwnBroker)?;
    }
    match scenario.needs {
        Needs::Jars | Needs::SecuredBroker => {
            jars().map(drop).map_err(|reason| Unavailable(format!("Kafka's tools are needed: {reason}")))
        }
        Needs::Kcat if Command::new("kcat").arg("-V").output().is_err() => {
            Err(Unavailable("kcat is not installed".to_owned()))
        }
        _ => Ok(()),
    }
}
