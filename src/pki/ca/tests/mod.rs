//! What the CA makes, judged by OpenSSL and x509-cert.

mod bulk;
mod certificates;
mod keys;
mod names;
mod register;
mod requests;

use std::{fs, path::PathBuf, process::Command, sync::Arc, time::Duration};

use super::*;
use crate::{
    asn1::{Certificate, UnixTime},
    clock::{Clock as _, SystemClock},
};

/// A folder in which `openssl` works.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.path(name), octets).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// What `openssl` says, to stdout, and it has to succeed.
    #[track_caller]
    fn openssl(&self, arguments: &[&str]) -> String {
        let output = self.try_openssl(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn try_openssl(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("openssl")
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("the tests need the `openssl` command")
    }
}

fn pem(der: &[u8]) -> String {
    use der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE", LineEnding::LF, der).unwrap()
}

fn now() -> UnixTime {
    SystemClock.now()
}

fn ten_years() -> Validity {
    Validity::days(now().saturating_sub(Duration::from_secs(7200)), 3650)
}

/// Since an hour ago: `openssl` reads a clock that may lag by a tick, and looks at once.
fn a_year() -> Validity {
    Validity::days(now().saturating_sub(Duration::from_secs(3600)), 365)
}

/// Of [`KeyType::ALL`] those that the OpenSSL of Debian 12 can read.
const KNOWN_TO_OPENSSL_3_0: [KeyType; 6] = [
    KeyType::EcP256,
    KeyType::EcP384,
    KeyType::Ed25519,
    KeyType::Rsa2048,
    KeyType::Rsa3072,
    KeyType::Rsa4096,
];

fn signer(key_type: KeyType) -> Arc<dyn crate::signer::Signer> {
    Arc::new(key_type.generate().unwrap().signer().unwrap())
}

fn subject_key(key_type: KeyType) -> SubjectKey {
    SubjectKey::of_signer(&*signer(key_type)).unwrap()
}

fn named(common_name: &str) -> Name {
    NameBuilder::new()
        .country("IR")
        .organization("سازمان نمونه")
        .common_name(common_name)
        .build()
        .unwrap()
}

fn root_request(key_type: KeyType) -> RootRequest {
    RootRequest {
        subject: named("ریشهٔ آزمایشی"),
        key: signer(key_type),
        validity: ten_years(),
        path_len: None,
        urls: Urls::ocsp("http://127.0.0.1:8080/ocsp"),
    }
}

fn root(key_type: KeyType) -> CertificateAuthority {
    CertificateAuthority::self_signed(&root_request(key_type)).unwrap()
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}
