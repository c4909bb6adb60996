//! How a connection is secured: TLS, SASL, both or neither, in the words of each client library.
//!
//! One [`Security`] serves all connections: those for records, for groups and for administration. It is checked before
//! anything is opened, and what it holds of secrets is in no message: neither in `Debug`, nor in an error.

use std::{fmt, sync::Arc};

use krafka::auth::{AuthConfig, TlsConfig};
use rskafka::client::{Credentials, SaslConfig};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::service::Secret;

/// How connections to a cluster are secured; by default not at all.
#[derive(Clone, Default)]
pub struct Security {
    pub(super) tls: Option<Tls>,
    pub(super) sasl: Option<Sasl>,
}

/// Encryption, and who is trusted.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    ca_pem: Option<Vec<u8>>,
    identity: Option<Identity>,
}

/// A client's certificate and the key to it, as PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate_pem: Vec<u8>,
    pub(super) key_pem: Vec<u8>,
}

/// A login.
#[derive(Clone)]
pub(super) struct Sasl {
    pub(super) mechanism: Mechanism,
    pub(super) username: String,
    pub(super) password: Secret,
}

/// How a password is shown to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl Mechanism {
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("PLAIN", Self::Plain), ("SCRAM-SHA-256", Self::ScramSha256), ("SCRAM-SHA-512", Self::ScramSha512)];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, mechanism)| *mechanism == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol())?;
        match &self.sasl {
            Some(sasl) => write!(f, " ({} as {})", sasl.mechanism.name(), sasl.username),
            None => Ok(()),
        }
    }
}

impl Security {
    /// The protocol, as Kafka's listeners name it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match (self.tls.is_some(), self.sasl.is_some()) {
            (false, false) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }

    pub(super) fn is_plaintext(&self) -> bool {
        self.tls.is_none() && self.sasl.is_none()
    }

    /// For connections of our own: the configuration of TLS.
    pub(super) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.config))
    }

    /// For rskafka: the login.
    pub(super) fn sasl(&self) -> Option<SaslConfig> {
        let Sasl { mechanism, username, password } = self.sasl.as_ref()?;
        let credentials = Credentials::new(username.clone(), password.reveal().to_owned());
        Some(match mechanism {
            Mechanism::Plain => SaslConfig::Plain(credentials),
            Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
            Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
        })
    }

    /// For krafka: all of it.
    pub(super) fn krafka(&self) -> AuthConfig {
        let login = match &self.sasl {
            None => AuthConfig::plaintext(),
            Some(Sasl { mechanism, username, password }) => match mechanism {
                Mechanism::Plain => AuthConfig::sasl_plain(username, password.reveal()),
                Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(username, password.reveal()),
                Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(username, password.reveal()),
            },
        };
        let Some(tls) = &self.tls else { return login };
        let mut config = TlsConfig::new();
        if let Some(pem) = &tls.ca_pem {
            config = config.with_ca_cert_pem(pem.clone());
        }
        if let Some(Identity { certificate_pem, key_pem }) = &tls.identity {
            config = config.with_client_cert_pem(certificate_pem.clone(), key_pem.clone());
        }
        login.with_tls(config)
    }
}

impl Tls {
    /// Puts together what was read; `Err` says what is wrong between certificate and key.
    pub(super) fn new(ca_pem: Option<Vec<u8>>, identity: Option<Identity>) -> Result<Self, String> {
        let roots = match &ca_pem {
            Some(pem) => authorities(pem)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match &identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate_pem, key_pem }) => builder
                .with_client_auth_cert(certificates(certificate_pem)?, key(key_pem)?)
                .map_err(|error| error.to_string())?,
        };
        Ok(Self { config: Arc::new(config), ca_pem, identity })
    }
}

/// The certificates in a PEM file, at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => Err("holds no certificate in PEM form".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("holds no readable certificate: {error}")),
    }
}

/// Those whose signature is trusted, by the certificates in a PEM file; at least one of them must be fit for that.
pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (_, unfit) = roots.add_parsable_certificates(certificates(pem)?);
    match roots.len() {
        0 => Err(format!(
            "holds {unfit} in the form of a certificate, none of which can be that of an authority; give that of whoever \
             signed the brokers' certificates"
        )),
        _ => Ok(roots),
    }
}

/// The private key in a PEM file. Says nothing of what the file holds instead.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let says = |words: &[u8]| pem.windows(words.len()).any(|part| part == words);
    if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err(
            "holds an encrypted key, which is not supported; decrypt it with `openssl pkey -in KEY -out PLAIN` and \
                    have only this user read it"
                .to_owned(),
        );
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| "holds no private key in PEM form".to_owned())
}
