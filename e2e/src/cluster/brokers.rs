//! Apache Kafka brokers that replicate for each other, each of them broker and controller, to be hurt one at a time.
//!
//! Of three, with replication factor 3 and `min.insync.replicas` 2: as long as no second broker is hurt before
//! [`Brokers::is_whole`], nothing that was acknowledged may be lost, and there is always a quorum of controllers. Leaders move
//! only by failure or by [`Brokers::move_leaders`]; Kafka's own rebalancing is off, so that every move has a cause that was
//! written down.

use std::path::{Path, PathBuf};

use super::apache::{self, CLUSTER_ID, Purpose};
use super::jars::{Jars, jars};
use super::{END_DEADLINE, READY_DEADLINE, down, tail};
use crate::kafka::Client;
use crate::process::{Process, Signal};
use crate::{Checked, Failure, ports, wait};

/// Most brokers in the cluster, numbered from 1; so many it takes for one to be hurt.
pub const BROKERS: u32 = 3;
/// After so long without a heartbeat a broker is fenced: it leads nothing any more and leaves the in-sync replicas.
pub const BROKER_SESSION_MS: u64 = 6_000;
/// 16 bytes of each broker's own in Kafka's spelling, by which controllers tell its folder from others'.
const DIRECTORY_IDS: [&str; BROKERS as usize] =
    ["dGhyZWUtYnJva2Vycy0tMQ", "dGhyZWUtYnJva2Vycy0tMg", "dGhyZWUtYnJva2Vycy0tMw"];

/// The brokers of a cluster.
#[derive(Debug)]
pub struct Brokers {
    jars: &'static Jars,
    brokers: Vec<Broker>,
    bootstrap: String,
    rotation: usize,
}

#[derive(Debug)]
struct Broker {
    number: u32,
    address: String,
    folder: PathBuf,
    configuration: PathBuf,
    process: Option<Process>,
    /// How often it has been started.
    lives: u32,
}

impl Brokers {
    /// Starts so many brokers, up to [`BROKERS`], with their data and logs below `folder`, and waits until they are a
    /// cluster.
    ///
    /// # Errors
    /// When there are no jars, or the brokers don't come up.
    pub fn start(folder: &Path, count: u32) -> Checked<Self> {
        let jars = jars().map_err(Failure::new)?;
        let template = apache::formatted(jars, folder)?;
        let ports: Vec<(u16, u16)> = (0..count).map(|_| (ports::free(), ports::free())).collect();
        let mut brokers = Vec::new();
        for (number, directory_id) in (1..=count).zip(DIRECTORY_IDS) {
            brokers.push(Broker::prepare(number, directory_id, &ports, template, folder)?);
        }
        let addresses: Vec<&str> = brokers.iter().map(|broker| broker.address.as_str()).collect();
        let bootstrap = addresses.join(",");
        let mut started = Self { jars, brokers, bootstrap, rotation: 0 };
        for number in 1..=count {
            started.start_broker(number)?;
        }
        wait::until("the brokers being a cluster", READY_DEADLINE, || match started.unexpected_end() {
            Some(ended) => Some(Err(ended)),
            None => started.is_whole().then_some(Ok(())),
        })??;
        Ok(started)
    }

    /// All addresses, `host:port,…`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn broker(&mut self, number: u32) -> &mut Broker {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.brokers.get_mut(index)).expect("brokers are numbered from 1")
    }

    /// Starts a broker that is down. It doesn't wait until it answers: see [`Brokers::is_whole`].
    ///
    /// # Errors
    /// When Java can't be started.
    pub fn start_broker(&mut self, number: u32) -> Checked {
        let jars = self.jars;
        let broker = self.broker(number);
        broker.lives += 1;
        let name = format!("broker-{number}-life-{}", broker.lives);
        broker.process = Some(jars.broker(&broker.configuration, Purpose::Scenarios.flags(), &broker.folder, &name)?);
        Ok(())
    }

    /// Ends a broker at once.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn kill9(&mut self, number: u32) -> Checked {
        self.broker(number).process.take().ok_or_else(down)?.kill9()
    }

    /// Asks a broker to hand its partitions over and end, and waits until it has.
    ///
    /// # Errors
    /// When it doesn't run or doesn't end.
    pub fn stop(&mut self, number: u32) -> Checked {
        self.broker(number).process.take().ok_or_else(down)?.terminate(END_DEADLINE).map(drop)
    }

    /// Freezes a broker, or lets it go on: its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn freeze(&mut self, number: u32, signal: Signal) -> Checked {
        self.broker(number).process.as_mut().ok_or_else(down)?.signal(signal)
    }

    /// A broker that has ended without having been asked to, in words.
    pub fn unexpected_end(&mut self) -> Option<Failure> {
        self.brokers.iter_mut().find_map(|broker| {
            let process = broker.process.as_mut()?;
            (!process.runs()).then(|| {
                Failure::new(format!("broker {} ended by itself:\n{}", broker.number, tail(&process.output())))
            })
        })
    }

    /// Whether every broker knows of all brokers, and of as many replicas in sync of every partition. Not to be asked
    /// while a broker is frozen, which would not answer.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut client = Client::new(&self.bootstrap);
        self.brokers.iter().all(|broker| {
            client.replicas(&broker.address).is_ok_and(|(brokers, replicas)| {
                brokers == self.brokers.len()
                    && replicas.iter().all(|found| found.leader > 0 && found.in_sync == self.brokers.len())
            })
        })
    }

    /// Gives every partition another leader, by another order of its replicas and an election of the first.
    ///
    /// # Errors
    /// When the cluster refuses or doesn't answer.
    pub fn move_leaders(&mut self) -> Checked<usize> {
        self.rotation += 1;
        let mut client = Client::new(&self.bootstrap);
        let (_, mut partitions) = client.replicas(&self.brokers[0].address)?;
        let before: Vec<i32> = partitions.iter().map(|found| found.leader).collect();
        for found in &mut partitions {
            // The leader goes to the end of the list; every second time the other two change places as well.
            found.replicas.sort_unstable();
            let leader_at = found.replicas.iter().position(|replica| *replica == found.leader).unwrap_or_default();
            found.replicas.rotate_left((leader_at + 1) % self.brokers.len());
            if self.rotation.is_multiple_of(2) {
                found.replicas.swap(0, 1);
            }
        }
        client.order_replicas(&partitions)?;
        client.elect_first_replicas(&partitions)?;
        // What a broker knows of leaders is a moment old.
        wait::until("the chosen leaders being in office", READY_DEADLINE, || {
            let (_, after) = client.replicas(&self.brokers[0].address).ok()?;
            let in_office = after.iter().zip(&partitions).all(|(now, chosen)| now.leader == chosen.replicas[0]);
            let moved = before.iter().zip(&after).filter(|(before, after)| **before != after.leader).count();
            in_office.then_some(moved)
        })
    }

    /// The most memory that each broker running now has had resident, KiB.
    pub fn resident_peaks_kib(&self) -> impl Iterator<Item = u64> {
        self.brokers.iter().filter_map(|broker| broker.process.as_ref()?.resident_peak_kib())
    }
}

impl Broker {
    fn prepare(number: u32, directory_id: &str, ports: &[(u16, u16)], template: &Path, folder: &Path) -> Checked<Self> {
        let folder = folder.join(format!("broker-{number}"));
        let data = folder.join("data");
        std::fs::create_dir_all(&data)?;
        std::fs::copy(template.join("bootstrap.checkpoint"), data.join("bootstrap.checkpoint"))?;
        let identity = format!("version=1\ncluster.id={CLUSTER_ID}\nnode.id={number}\ndirectory.id={directory_id}\n");
        std::fs::write(data.join("meta.properties"), identity)?;
        let configuration = folder.join("server.properties");
        std::fs::write(&configuration, settings(number, &data, ports))?;
        let (port, _) = ports[number as usize - 1];
        let address = format!("127.0.0.1:{port}");
        Ok(Self { number, address, folder, configuration, process: None, lives: 0 })
    }
}

fn settings(number: u32, data: &Path, ports: &[(u16, u16)]) -> String {
    let own = format!(
        "offsets.topic.num.partitions=3
transaction.state.log.num.partitions=3
auto.leader.rebalance.enable=false
broker.session.timeout.ms={BROKER_SESSION_MS}
broker.heartbeat.interval.ms=1000
# Several virtual machines on a busy computer: no new controller because one was slow for two seconds.
controller.quorum.fetch.timeout.ms=4000
controller.quorum.election.timeout.ms=2000
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"
    );
    apache::settings(number, data, ports) + &own
}
