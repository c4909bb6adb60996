//! Which brokers can be had here, and the ones that scenarios share.

use std::path::Path;
use std::sync::OnceLock;

use super::apache::Purpose;
use super::{Cluster, apache, docker, embedded, jars};
use crate::{Checked, Failure, guardian};

/// Names a cluster that is there already: `host:port[,host:port…]`.
const GIVEN_VARIABLE: &str = "TEST_KAFKA_BOOTSTRAP_SERVERS";

/// The two kinds of broker that every scenario runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The development broker of this workspace.
    Embedded,
    /// Apache Kafka.
    Apache,
}

/// Where Apache Kafka comes from.
#[derive(Debug)]
enum Source {
    Given(String),
    Jars,
    Docker,
}

/// Why a scenario can't run here.
#[derive(Debug, Clone)]
pub struct Unavailable(pub String);

/// All the brokers of one test run. Dropping it ends them.
#[derive(Debug)]
pub struct Lab {
    embedded: OnceLock<Result<Cluster, String>>,
    apache: OnceLock<Result<Cluster, String>>,
    source: OnceLock<Result<Source, Unavailable>>,
    // Last, so that the brokers have ended before their folders go.
    folder: tempfile::TempDir,
}

impl Lab {
    /// A lab in which nothing has been started yet.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn new() -> Checked<Self> {
        let folder = tempfile::Builder::new().prefix("tally-e2e-").tempdir()?;
        guardian::folder(folder.path());
        Ok(Self { embedded: OnceLock::new(), apache: OnceLock::new(), source: OnceLock::new(), folder })
    }

    /// A folder for temporary files, removed at the end.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether brokers of that kind can be had, and for `own` use where they can be killed.
    ///
    /// # Errors
    /// The reason why not.
    pub fn offers(&self, kind: Kind, own: bool) -> Result<(), Unavailable> {
        if kind == Kind::Embedded {
            return Ok(());
        }
        match self.source()? {
            Source::Given(_) if own => {
                Err(Unavailable(format!("it kills its broker, and that of {GIVEN_VARIABLE} isn't ours")))
            }
            _ => Ok(()),
        }
    }

    fn source(&self) -> Result<&Source, Unavailable> {
        let found = self.source.get_or_init(|| {
            if let Ok(bootstrap) = std::env::var(GIVEN_VARIABLE) {
                return Ok(Source::Given(bootstrap));
            }
            let Err(no_jars) = jars() else { return Ok(Source::Jars) };
            if docker::answers() {
                return Ok(Source::Docker);
            }
            Err(Unavailable(format!("no Apache Kafka: {GIVEN_VARIABLE} is not set; {no_jars}; no Docker answers")))
        });
        found.as_ref().map_err(Clone::clone)
    }

    /// The broker that scenarios of this kind share, started at the first call.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn shared(&self, kind: Kind) -> Checked<&Cluster> {
        let place = match kind {
            Kind::Embedded => &self.embedded,
            Kind::Apache => &self.apache,
        };
        place.get_or_init(|| self.own(kind).map_err(|failure| failure.to_string())).as_ref().map_err(Failure::new)
    }

    /// A broker of one's own.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn own(&self, kind: Kind) -> Checked<Cluster> {
        if kind == Kind::Embedded {
            return embedded::start(self.folder());
        }
        match self.source().map_err(|Unavailable(reason)| Failure::new(reason))? {
            Source::Given(bootstrap) => Ok(Cluster::given(bootstrap)),
            Source::Jars => apache::start(self.folder(), Purpose::Scenarios),
            Source::Docker => docker::start(),
        }
    }

    /// A broker of one's own with secured ports.
    ///
    /// # Errors
    /// When there are no jars, or it can't be started.
    pub fn secured(&self) -> Checked<Cluster> {
        apache::start_secured(self.folder())
    }

    /// A broker to measure with.
    ///
    /// # Errors
    /// When there are no jars, or it can't be started.
    pub fn for_speed(&self) -> Checked<Cluster> {
        apache::start(self.folder(), Purpose::Speed)
    }
}
