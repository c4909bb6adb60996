//! What secures a broker: certificates made on the spot, users, rights, and a port for each way in.
//!
//! The plaintext port stays open to everything, for tools and for the oracle; what is under test uses the others.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::cluster::jars;
use crate::{Checked, Failure, ports};

/// Whose certificate opens the port for mutual TLS.
const MUTUAL_NAME: &str = "tally-mutual";

/// The secured ports of a broker.
#[derive(Debug)]
pub struct Secured {
    folder: PathBuf,
    sasl_ssl_port: u16,
    ssl_port: u16,
}

impl Secured {
    /// Chooses ports and makes certificates.
    pub(super) fn prepare(home: &Path) -> Checked<Self> {
        let secured = Self { folder: home.to_owned(), sasl_ssl_port: ports::free(), ssl_port: ports::free() };
        let authority = Authority::new("the one that is trusted")?;
        std::fs::write(secured.authority(), authority.pem())?;
        let (certificate, key) = authority.sign(MUTUAL_NAME)?;
        std::fs::write(secured.certificate(), certificate)?;
        std::fs::write(secured.key(), key)?;
        let (certificate, key) = authority.sign("localhost")?;
        std::fs::write(secured.keystore("trusted"), format!("{key}{certificate}{}", authority.pem()))?;
        let (certificate, key) = authority.sign_until("localhost", (2020, 1, 1))?;
        std::fs::write(secured.keystore("expired"), format!("{key}{certificate}{}", authority.pem()))?;
        let stranger = Authority::new("nobody knows me")?;
        let (certificate, key) = stranger.sign("localhost")?;
        std::fs::write(secured.keystore("stranger"), format!("{key}{certificate}{}", stranger.pem()))?;
        secured.show("trusted")?;
        Ok(secured)
    }

    /// `host:port` that asks for a login over TLS.
    #[must_use]
    pub fn sasl_ssl(&self) -> String {
        format!("localhost:{}", self.sasl_ssl_port)
    }

    /// `host:port` that asks for a certificate.
    #[must_use]
    pub fn ssl(&self) -> String {
        format!("localhost:{}", self.ssl_port)
    }

    /// The authority that signed everything, as a PEM file.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A client's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    /// The key to it.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("client-key.pem")
    }

    fn keystore(&self, whose: &str) -> PathBuf {
        self.folder.join(format!("server-{whose}.pem"))
    }

    /// Has the broker show the certificate of a `trusted` authority, an `expired` one, or that of a `stranger` from its
    /// next start on.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn show(&self, whose: &str) -> Checked {
        std::fs::copy(self.keystore(whose), self.folder.join("server.pem"))?;
        Ok(())
    }

    /// Gives a user a password, a new one if it has one already.
    ///
    /// # Errors
    /// When Kafka's tool says so.
    pub fn set_password(&self, bootstrap: &str, user: &str, password: &str) -> Checked {
        let config = format!("SCRAM-SHA-512=[iterations=4096,password={password}]");
        let arguments = ["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &config];
        jars::run_tool("kafka.admin.ConfigCommand", bootstrap, &arguments)
    }

    /// Runs `kafka-acls` with these words.
    ///
    /// # Errors
    /// When it says so.
    pub fn acls(&self, bootstrap: &str, words: &[&str]) -> Checked {
        jars::run_tool("org.apache.kafka.tools.AclCommand", bootstrap, words)
    }
}

/// The settings of a plain broker with the secured ports added.
pub(super) fn settings(plain: &str, secured: &Secured) -> String {
    let listeners = format!(",SASL_SSL://localhost:{},SSL://localhost:{}", secured.sasl_ssl_port, secured.ssl_port);
    let plain: String = plain
        .lines()
        .map(|line| match line.split_once('=') {
            Some(("listeners" | "advertised.listeners", _)) => format!("{line}{listeners}\n"),
            Some(("listener.security.protocol.map", _)) => format!("{line},SASL_SSL:SASL_SSL,SSL:SSL\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    format!(
        "{plain}
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN={MUTUAL_NAME}
",
        folder = secured.folder.display()
    )
}

/// Signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Checked<Self> {
        let mut params = named(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(broken)?;
        let pem = params.self_signed(&key).map_err(broken)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate in that name and its key, both PEM.
    fn sign(&self, name: &str) -> Checked<(String, String)> {
        self.sign_until(name, (4096, 1, 1))
    }

    fn sign_until(&self, name: &str, expires: (i32, u8, u8)) -> Checked<(String, String)> {
        let key = KeyPair::generate().map_err(broken)?;
        let mut params = named(name, &[name, "127.0.0.1"])?;
        params.not_after = rcgen::date_time_ymd(expires.0, expires.1, expires.2);
        let certificate = params.signed_by(&key, &self.issuer).map_err(broken)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn named(name: &str, addresses: &[&str]) -> Checked<CertificateParams> {
    let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
    let mut params = CertificateParams::new(addresses).map_err(broken)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn broken(error: rcgen::Error) -> Failure {
    Failure::new(format!("making a certificate: {error}"))
}
