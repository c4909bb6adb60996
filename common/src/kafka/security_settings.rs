//! From the settings of a connection's security to [`Security`]: every contradiction and every unreadable file at once.

use std::path::Path;

use super::security::{Identity, Mechanism, Sasl, Security, Tls, authorities, certificates, key};
use crate::service::secret_file::{read_small_file, secret_or_file, shown};
use crate::service::{Problems, Secret};

/// Longest user name that is taken.
const USERNAME_BYTES_MAX: usize = 256;

/// The settings that every binary has for the security of its connections, as they were given.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is the setting of that name, after `kafka_`, and documented there")]
pub struct SecuritySettings<'a> {
    pub security_protocol: &'a Option<String>,
    pub sasl_mechanism: &'a Option<String>,
    pub sasl_username: &'a Option<String>,
    pub sasl_password: &'a Option<Secret>,
    pub sasl_password_file: &'a Option<String>,
    pub ssl_ca_location: &'a Option<String>,
    pub ssl_certificate_location: &'a Option<String>,
    pub ssl_key_location: &'a Option<String>,
}

const PROTOCOL: &str = "kafka_security_protocol";
const MECHANISM: &str = "kafka_sasl_mechanism";
const USERNAME: &str = "kafka_sasl_username";
const PASSWORD: &str = "kafka_sasl_password";
const PASSWORD_FILE: &str = "kafka_sasl_password_file";
const CA: &str = "kafka_ssl_ca_location";
const CERTIFICATE: &str = "kafka_ssl_certificate_location";
const KEY: &str = "kafka_ssl_key_location";

impl SecuritySettings<'_> {
    /// Checks all of them, and reads the files that they name.
    pub fn validate(&self, problems: &mut Problems) -> Security {
        let protocols = [
            ("PLAINTEXT", (false, false)),
            ("SSL", (true, false)),
            ("SASL_PLAINTEXT", (false, true)),
            ("SASL_SSL", (true, true)),
        ];
        let (tls, sasl) = problems.one_of(PROTOCOL, self.security_protocol, "PLAINTEXT", &protocols);
        Security { sasl: self.sasl(sasl, problems), tls: self.tls(tls, problems) }
    }

    fn sasl(&self, wanted: bool, problems: &mut Problems) -> Option<Sasl> {
        let mechanism = problems.optional_one_of(MECHANISM, self.sasl_mechanism, &Mechanism::ALL);
        let username = problems.optional_text(USERNAME, self.sasl_username, USERNAME_BYTES_MAX);
        let before = problems.found().len();
        let password = problems.optional_secret(PASSWORD, self.sasl_password);
        let file = problems.optional_path(PASSWORD_FILE, self.sasl_password_file);
        let unread_problems = problems.found().len() > before;
        let given = [
            (MECHANISM, self.sasl_mechanism.is_some()),
            (USERNAME, self.sasl_username.is_some()),
            (PASSWORD, self.sasl_password.is_some()),
            (PASSWORD_FILE, self.sasl_password_file.is_some()),
        ];
        if !wanted {
            refuse_unused(&given, "SASL_SSL or SASL_PLAINTEXT", problems);
            return None;
        }
        if self.sasl_mechanism.is_none() {
            problems.add(&[MECHANISM], "is missing; a SASL protocol needs PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
        }
        if self.sasl_username.is_none() {
            problems.add(&[USERNAME], "is missing; a SASL protocol needs a user name");
        }
        let is_given = self.sasl_password.is_some();
        if !is_given && file.is_none() && !unread_problems {
            problems.add(&[PASSWORD, PASSWORD_FILE], "are both missing; a SASL protocol needs one of them");
        }
        let password = secret_or_file([PASSWORD, PASSWORD_FILE], is_given, password, file, problems);
        Some(Sasl { mechanism: mechanism?, username: username?, password: password? })
    }

    fn tls(&self, wanted: bool, problems: &mut Problems) -> Option<Tls> {
        let ca = problems.optional_path(CA, self.ssl_ca_location);
        let certificate = problems.optional_path(CERTIFICATE, self.ssl_certificate_location);
        let key_file = problems.optional_path(KEY, self.ssl_key_location);
        let given = [(CA, ca.is_some()), (CERTIFICATE, certificate.is_some()), (KEY, key_file.is_some())];
        if !wanted {
            refuse_unused(&given, "SSL or SASL_SSL", problems);
            return None;
        }
        if certificate.is_some() != key_file.is_some() {
            problems.add(&[CERTIFICATE, KEY], "must be given together; a certificate is no use without its key");
        }
        let mut read = |setting: &'static str, file: &Path, check: fn(&[u8]) -> Result<(), String>| {
            let pem = read_small_file(file).and_then(|pem| check(&pem).map(|()| pem));
            pem.map_err(|wrong| problems.add(&[setting], format!("{} {wrong}", shown(file)))).ok()
        };
        let ca_pem = ca.as_ref().map(|file| read(CA, file, |pem| authorities(pem).map(drop)));
        let certificate_pem =
            certificate.as_ref().map(|file| read(CERTIFICATE, file, |pem| certificates(pem).map(drop)));
        let key_pem = key_file.as_ref().map(|file| read(KEY, file, |pem| key(pem).map(drop)));
        // A file that could not be read has been complained of: `Some(None)` here.
        let ca_pem = ca_pem.map_or(Some(None), |pem| pem.map(Some))?;
        let identity = match (certificate_pem, key_pem) {
            (Some(certificate_pem), Some(key_pem)) => {
                Some(Identity { certificate_pem: certificate_pem?, key_pem: key_pem? })
            }
            _ => None,
        };
        let tls = Tls::new(ca_pem, identity);
        tls.map_err(|wrong| problems.add(&[CERTIFICATE, KEY], format!("do not fit together: {wrong}"))).ok()
    }
}

/// What is given for a protocol that is not chosen is a mistake: somebody believes that it protects something.
fn refuse_unused(given: &[(&'static str, bool)], needs: &str, problems: &mut Problems) {
    for (setting, _) in given.iter().filter(|(_, given)| *given) {
        problems.add(&[setting, PROTOCOL], format!("contradict each other: the first needs {needs}"));
    }
}

#[cfg(test)]
mod tests;
