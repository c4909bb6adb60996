//! The consumer's settings: one flat struct, each field a flag and an environment variable.

use std::time::Duration;

use clap::Args;
use common::{
    kafka::{ConnectionSettings, GroupProtocol, Security, SecuritySettings},
    service::{Problems, Secret, Settings},
};
use serde::{Deserialize, Serialize};

use crate::{fold::FoldSettings, pipeline::GROUP_PROTOCOLS, selection::Selection};

/// What a consumer can be told. All of it as text: [`Settings::validate`] checks it as a whole.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct ConsumerSettings {
    /// Brokers to start from, separated by commas
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub kafka_bootstrap_servers: Option<String>,
    /// How connections to Kafka are secured
    #[arg(long, value_name = "PROTOCOL", global = true)]
    pub kafka_security_protocol: Option<String>,
    /// How the user logs in, with a SASL protocol
    #[arg(long, value_name = "NAME", global = true)]
    pub kafka_sasl_mechanism: Option<String>,
    /// The user, with a SASL protocol; the password is in KAFKA_SASL_PASSWORD or in a file
    #[arg(long, value_name = "NAME", global = true)]
    pub kafka_sasl_username: Option<String>,
    /// The user's password; no argument, because others can see those
    #[arg(skip)]
    pub kafka_sasl_password: Option<Secret>,
    /// File that holds the user's password, such as a mounted secret, instead of KAFKA_SASL_PASSWORD
    #[arg(long, value_name = "FILE", global = true)]
    pub kafka_sasl_password_file: Option<String>,
    /// PEM file of the authorities that brokers' certificates are checked with; without it, the public ones (Mozilla's list)
    #[arg(long, value_name = "FILE", global = true)]
    pub kafka_ssl_ca_location: Option<String>,
    /// PEM file of the certificate that this client shows, for mutual TLS
    #[arg(long, value_name = "FILE", global = true)]
    pub kafka_ssl_certificate_location: Option<String>,
    /// PEM file of the key to that certificate, not encrypted
    #[arg(long, value_name = "FILE", global = true)]
    pub kafka_ssl_key_location: Option<String>,
    /// Topic of the transactions; names of the other topics begin with it
    #[arg(long, value_name = "NAME", global = true)]
    pub kafka_topic: Option<String>,
    /// Partitions of the transactions topic if it has to be created
    #[arg(long, value_name = "N")]
    pub kafka_partitions: Option<String>,
    /// Consumer group, which shares the partitions out among its members
    #[arg(long, value_name = "NAME", global = true)]
    pub consumer_group: Option<String>,
    /// How the group shares partitions out: classic (any broker) or consumer (KIP-848, Kafka 4.0 and later)
    #[arg(long, value_name = "NAME")]
    pub consumer_group_protocol: Option<String>,
    /// Work on these partitions instead of joining the group, for example 0,3-5; none only shows what others count
    #[arg(long, value_name = "LIST")]
    pub consumer_partitions: Option<String>,
    /// Time between two snapshots of a partition
    #[arg(long, value_name = "MS")]
    pub snapshot_interval_ms: Option<String>,
    /// Records after which a snapshot is made before its time
    #[arg(long, value_name = "N")]
    pub snapshot_records: Option<String>,
    /// Length of a window; fixed by the first snapshot of a generation
    #[arg(long, value_name = "MS")]
    pub window_ms: Option<String>,
    /// How far the watermark stays behind the newest transaction; fixed by the first snapshot
    #[arg(long, value_name = "MS")]
    pub out_of_order_ms: Option<String>,
    /// How long a closed window still takes late transactions; fixed by the first snapshot
    #[arg(long, value_name = "MS")]
    pub lateness_ms: Option<String>,
    /// How far ahead of its Kafka timestamp a transaction may be dated; fixed by the first snapshot
    #[arg(long, value_name = "MS")]
    pub future_skew_ms: Option<String>,
    /// Most bytes of one fetch from one partition
    #[arg(long, value_name = "BYTES")]
    pub fetch_bytes_max: Option<String>,
    /// Stop at the end offsets seen at the start, and print the ledger
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub until_end: Option<String>,
    /// Stop when nothing has arrived for so long
    #[arg(long, value_name = "DURATION")]
    pub idle_timeout: Option<String>,
    /// Print results as JSON, on one line
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", global = true)]
    pub json: Option<String>,
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The cluster.
    pub connection: ConnectionSettings,
    /// The transactions topic.
    pub topic: String,
    /// Partitions of a transactions topic that has to be created.
    pub partitions: i32,
    /// The consumer group.
    pub group: String,
    /// How the group shares partitions out.
    pub group_protocol: GroupProtocol,
    /// The partitions to work on without joining the group; `None` where the group decides.
    pub selection: Option<Selection>,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
    /// Records after which a snapshot is made before its time.
    pub snapshot_records: u64,
    /// How records are folded, where a generation begins.
    pub fold: FoldSettings,
    /// Most bytes of one fetch.
    pub fetch_bytes_max: i32,
    /// Stop at the end offsets seen at the start.
    pub until_end: bool,
    /// Stop when nothing has arrived for so long.
    pub idle_timeout: Option<Duration>,
    /// Print results as JSON.
    pub json: bool,
}

impl Configuration {
    /// Whether the run ends by itself.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.until_end || self.idle_timeout.is_some()
    }
}

/// Most windows that may take transactions at the same time: bounds memory and the size of a snapshot.
pub(crate) const WINDOWS_MAX: i64 = 200;
const HOUR_MS: i64 = 3_600_000;

impl Settings for ConsumerSettings {
    type Configuration = Configuration;

    fn validate(&self, problems: &mut Problems) -> Configuration {
        let defaults = FoldSettings::default();
        let bootstrap_servers =
            problems.bootstrap_servers("kafka_bootstrap_servers", &self.kafka_bootstrap_servers, "kafka:9092");
        let security = self.validated_security(problems);
        let fold = FoldSettings {
            window_ms: problems.integer("window_ms", &self.window_ms, defaults.window_ms, 1_000..=24 * HOUR_MS, "ms"),
            out_of_order_ms: problems.integer(
                "out_of_order_ms",
                &self.out_of_order_ms,
                defaults.out_of_order_ms,
                0..=HOUR_MS,
                "ms",
            ),
            lateness_ms: problems.integer(
                "lateness_ms",
                &self.lateness_ms,
                defaults.lateness_ms,
                0..=24 * HOUR_MS,
                "ms",
            ),
            future_skew_ms: problems.integer(
                "future_skew_ms",
                &self.future_skew_ms,
                defaults.future_skew_ms,
                0..=24 * HOUR_MS,
                "ms",
            ),
            ..defaults
        };
        if fold.windows_max() > WINDOWS_MAX {
            problems.add(
                &["window_ms", "lateness_ms", "out_of_order_ms", "future_skew_ms"],
                format!(
                    "would keep up to {} windows open at the same time, at most {WINDOWS_MAX} are possible; make the \
                     window longer or the others shorter",
                    fold.windows_max()
                ),
            );
        }
        let until_end = problems.flag("until_end", &self.until_end, false);
        let selection = problems.parsed(
            "consumer_partitions",
            &self.consumer_partitions,
            None,
            "partition numbers and ranges, for example 0,3-5, or none",
            |text| match text {
                "none" => Ok(Selection::none()),
                list => list.parse::<Selection>().map_err(|error| error.to_string()),
            },
        );
        if until_end && selection.as_ref().is_some_and(Selection::is_none) {
            problems.add(&["until_end", "consumer_partitions"], "contradict each other: none has no end to come to");
        }
        Configuration {
            connection: ConnectionSettings { bootstrap_servers, client_id: "tally-consumer".to_owned(), security },
            topic: problems.topic_name("kafka_topic", &self.kafka_topic, "transactions"),
            partitions: problems.integer("kafka_partitions", &self.kafka_partitions, 6, 1..=4_000, "partitions"),
            group: problems.text("consumer_group", &self.consumer_group, "tally", 249),
            group_protocol: problems.one_of(
                "consumer_group_protocol",
                &self.consumer_group_protocol,
                "classic",
                &GROUP_PROTOCOLS,
            ),
            selection,
            snapshot_interval: problems.duration_ms(
                "snapshot_interval_ms",
                &self.snapshot_interval_ms,
                1_000,
                50..=60_000,
            ),
            snapshot_records: problems.integer(
                "snapshot_records",
                &self.snapshot_records,
                100_000,
                1_000..=10_000_000,
                "records",
            ),
            fold,
            fetch_bytes_max: problems.integer(
                "fetch_bytes_max",
                &self.fetch_bytes_max,
                512 << 10,
                1_024..=16 << 20,
                "bytes",
            ),
            until_end,
            idle_timeout: problems.optional_duration(
                "idle_timeout",
                &self.idle_timeout,
                Duration::from_millis(100)..=Duration::from_secs(7 * 24 * 3_600),
            ),
            json: problems.flag("json", &self.json, false),
        }
    }
}

impl ConsumerSettings {
    fn validated_security(&self, problems: &mut Problems) -> Security {
        let settings = SecuritySettings {
            security_protocol: &self.kafka_security_protocol,
            sasl_mechanism: &self.kafka_sasl_mechanism,
            sasl_username: &self.kafka_sasl_username,
            sasl_password: &self.kafka_sasl_password,
            sasl_password_file: &self.kafka_sasl_password_file,
            ssl_ca_location: &self.kafka_ssl_ca_location,
            ssl_certificate_location: &self.kafka_ssl_certificate_location,
            ssl_key_location: &self.kafka_ssl_key_location,
        };
        settings.validate(problems)
    }
}
