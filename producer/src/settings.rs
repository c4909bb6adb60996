//! The producer's settings: one flat struct, each field a flag and an environment variable.

use std::time::Duration;

use clap::Args;
use common::kafka::{Compression, ConnectionSettings, Security, SecuritySettings};
use common::service::{Problems, Secret, Settings};
use serde::{Deserialize, Serialize};

use crate::inject::Ratios;
use crate::population::accounts::ACCOUNTS_MAX;

/// Most transactions a second that can be asked for.
const RATE_MAX: u32 = 10_000_000;

/// Most partitions that a topic can be created with: Kafka's own advice for one broker.
const PARTITIONS_MAX: i32 = 4_000;

/// What a producer can be told. All of it as text: [`Settings::validate`] checks it as a whole.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct ProducerSettings {
    /// Brokers to start from, separated by commas
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka_bootstrap_servers: Option<String>,
    /// How connections to Kafka are secured
    #[arg(long, value_name = "PROTOCOL")]
    pub kafka_security_protocol: Option<String>,
    /// How the user logs in, with a SASL protocol
    #[arg(long, value_name = "NAME")]
    pub kafka_sasl_mechanism: Option<String>,
    /// The user, with a SASL protocol; the password is in KAFKA_SASL_PASSWORD or in a file
    #[arg(long, value_name = "NAME")]
    pub kafka_sasl_username: Option<String>,
    /// The user's password; no argument, because others can see those
    #[arg(skip)]
    pub kafka_sasl_password: Option<Secret>,
    /// File that holds the user's password, such as a mounted secret, instead of KAFKA_SASL_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub kafka_sasl_password_file: Option<String>,
    /// PEM file of the authorities that brokers' certificates are checked with; without it, the public ones (Mozilla's list)
    #[arg(long, value_name = "FILE")]
    pub kafka_ssl_ca_location: Option<String>,
    /// PEM file of the certificate that this client shows, for mutual TLS
    #[arg(long, value_name = "FILE")]
    pub kafka_ssl_certificate_location: Option<String>,
    /// PEM file of the key to that certificate, not encrypted
    #[arg(long, value_name = "FILE")]
    pub kafka_ssl_key_location: Option<String>,
    /// Topic of the transactions; names of the other topics begin with it
    #[arg(long, value_name = "NAME")]
    pub kafka_topic: Option<String>,
    /// Partitions of the transactions topic if it has to be created
    #[arg(long, value_name = "N")]
    pub kafka_partitions: Option<String>,
    /// Transactions a second; 0 sends as fast as it can
    #[arg(long, value_name = "N")]
    pub rate: Option<String>,
    /// Stop after so many transactions
    #[arg(long, value_name = "N")]
    pub count: Option<String>,
    /// Stop after what is due in so long
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<String>,
    /// Fixes the population and the choices; with --start-time, every byte of the transactions
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Take times from a clock that starts here instead of the wall clock
    #[arg(long, value_name = "TIME")]
    pub start_time: Option<String>,
    /// Accounts that make transactions
    #[arg(long, value_name = "N")]
    pub accounts: Option<String>,
    /// Share of records that are malformed, of every kind in turn
    #[arg(long, value_name = "SHARE")]
    pub malformed_ratio: Option<String>,
    /// Share of records that repeat a recent transaction
    #[arg(long, value_name = "SHARE")]
    pub repeat_ratio: Option<String>,
    /// Share of transactions that occurred 90 s to 3 h before they are sent
    #[arg(long, value_name = "SHARE")]
    pub late_ratio: Option<String>,
    /// Share of transactions that are dated further ahead than is allowed
    #[arg(long, value_name = "SHARE")]
    pub future_ratio: Option<String>,
    /// Compression of what is sent
    #[arg(long, value_name = "NAME")]
    pub compression: Option<String>,
    /// How long an unacknowledged request is retried; past that the process ends with code 3
    #[arg(long, value_name = "DURATION")]
    pub delivery_timeout: Option<String>,
    /// How long a stopping process waits for acknowledgements
    #[arg(long, value_name = "DURATION")]
    pub flush_timeout: Option<String>,
    /// Bytes that may wait to be sent, for all partitions together
    #[arg(long, value_name = "BYTES")]
    pub queue_bytes: Option<String>,
    /// Share of records that begin a trace, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector
    #[arg(long, value_name = "SHARE")]
    pub otel_traces_sampler_arg: Option<String>,
    /// Die with code 42, nothing flushed, once so many records are acknowledged: to test supervision
    #[arg(long, value_name = "N")]
    pub fail_after: Option<String>,
    /// Print the summary as JSON, on one line
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub json: Option<String>,
}

/// What a producer runs with.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where Kafka is.
    pub kafka: ConnectionSettings,
    /// The transactions topic.
    pub topic: String,
    /// Its partitions, if it has to be created.
    pub partitions: i32,
    /// Transactions a second; `None`: as fast as they can be sent.
    pub rate: Option<u32>,
    /// Stop after so many.
    pub count: Option<u64>,
    /// Stop after so long.
    pub duration: Option<Duration>,
    /// The seed; `None`: one is drawn.
    pub seed: Option<u64>,
    /// Where transactions take their time from instead of the wall clock, in milliseconds since 1970.
    pub start_time_ms: Option<i64>,
    /// How many accounts there are.
    pub accounts: u32,
    /// Faults on purpose.
    pub ratios: Ratios,
    /// Compression of requests.
    pub compression: Compression,
    /// How long a request is retried.
    pub delivery_timeout: Duration,
    /// How long stopping waits for acknowledgements.
    pub flush_timeout: Duration,
    /// Bytes that may wait to be sent.
    pub queue_bytes: usize,
    /// Share of records that begin a trace.
    pub trace_ratio: f64,
    /// Die after so many acknowledged records.
    pub fail_after: Option<u64>,
    /// Print the summary as JSON.
    pub json: bool,
}

impl Configuration {
    /// Whether the run ends by itself.
    pub fn is_bounded(&self) -> bool {
        self.count.is_some() || self.duration.is_some()
    }
}

impl Settings for ProducerSettings {
    type Configuration = Configuration;

    fn validate(&self, problems: &mut Problems) -> Configuration {
        let seconds = Duration::from_secs;
        let compressions = [("none", Compression::None), ("snappy", Compression::Snappy)];
        let servers = &self.kafka_bootstrap_servers;
        Configuration {
            kafka: ConnectionSettings {
                bootstrap_servers: problems.bootstrap_servers("kafka_bootstrap_servers", servers, "kafka:9092"),
                client_id: "tally-producer".to_owned(),
                security: self.validated_security(problems),
            },
            topic: problems.topic_name("kafka_topic", &self.kafka_topic, "transactions"),
            partitions: problems.integer("kafka_partitions", &self.kafka_partitions, 6, 1..=PARTITIONS_MAX, ""),
            rate: Some(problems.integer("rate", &self.rate, 1_000, 0..=RATE_MAX, "transactions/s")).filter(|&n| n > 0),
            count: problems.optional_integer("count", &self.count, 1..=u64::MAX, "transactions"),
            duration: problems.optional_duration("duration", &self.duration, seconds(1)..=seconds(366 * 86_400)),
            seed: problems.optional_integer("seed", &self.seed, 0..=u64::MAX, ""),
            start_time_ms: self.validated_start_time_ms(problems),
            accounts: problems.integer("accounts", &self.accounts, 100_000, 1..=ACCOUNTS_MAX, "accounts"),
            ratios: self.validated_ratios(problems),
            compression: problems.one_of("compression", &self.compression, "none", &compressions),
            delivery_timeout: problems.duration(
                "delivery_timeout",
                &self.delivery_timeout,
                seconds(120),
                seconds(1)..=seconds(86_400),
            ),
            flush_timeout: problems.duration(
                "flush_timeout",
                &self.flush_timeout,
                seconds(3),
                seconds(0)..=seconds(3_600),
            ),
            queue_bytes: problems.integer("queue_bytes", &self.queue_bytes, 16 << 20, 65_536..=1 << 30, "bytes"),
            trace_ratio: problems.ratio("otel_traces_sampler_arg", &self.otel_traces_sampler_arg, 0.001),
            fail_after: problems.optional_integer("fail_after", &self.fail_after, 1..=u64::MAX, "records"),
            json: problems.flag("json", &self.json, false),
        }
    }
}

impl ProducerSettings {
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

    fn validated_ratios(&self, problems: &mut Problems) -> Ratios {
        let ratios = Ratios {
            malformed: problems.ratio("malformed_ratio", &self.malformed_ratio, 0.0),
            repeat: problems.ratio("repeat_ratio", &self.repeat_ratio, 0.0),
            late: problems.ratio("late_ratio", &self.late_ratio, 0.0),
            future: problems.ratio("future_ratio", &self.future_ratio, 0.0),
        };
        let sum = ratios.malformed + ratios.repeat + ratios.late + ratios.future;
        // Decimal fractions that add up to 1 may come out a little above it.
        if sum > 1.0 + 1e-9 {
            let settings = ["malformed_ratio", "repeat_ratio", "late_ratio", "future_ratio"];
            problems
                .add(&settings, format!("add up to {sum}; a record has one fault at most, give 1 or less together"));
        }
        ratios
    }

    fn validated_start_time_ms(&self, problems: &mut Problems) -> Option<i64> {
        let start_ms = problems.optional_time("start_time", &self.start_time)?.timestamp_millis();
        if start_ms < 0 {
            problems.add(&["start_time"], "is before 1970, where Kafka's timestamps begin; give a later time");
        }
        Some(start_ms)
    }
}
