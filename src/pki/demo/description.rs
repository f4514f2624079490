//! `demo.json`: where a person or script finds everything in a demo, and what to expect of it.

use serde::{Deserialize, Serialize};

use crate::asn1::{CrlReason, UnixTime};

/// The whole file. Paths are relative to it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Description {
    /// Where OCSP requests are sent.
    pub ocsp_url: String,
    /// The root's certificate.
    pub root: String,
    /// Where the root's CRL is.
    pub root_crl: String,
    /// Every issuer; the one with a certificate of every kind first, the root last.
    pub issuers: Vec<IssuerDescription>,
}

/// One issuer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct IssuerDescription {
    /// Its name in the configuration: what `--issuer` takes.
    pub name: String,
    /// Its certificate.
    pub issuer: String,
    /// The kind of its key and its delegate's.
    pub key_type: String,
    /// The certificate of the delegate that signs its answers.
    pub responder: String,
    /// What becomes of a nonce: `ignore` or `echo`.
    pub nonce: String,
    /// What a serial number gets that was never issued: `unauthorized`, `unknown` or
    /// `extended_revoked`.
    pub not_issued: String,
    /// Where its CRLs are.
    pub crl: CrlDescription,
    /// The certificates that have a name.
    pub certs: Vec<CertificateDescription>,
    /// The list of all its certificates.
    pub inventory: String,
    /// Serial numbers that it did not issue, in hexadecimal.
    pub never_issued: Vec<String>,
}

/// The URLs of an issuer's CRLs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CrlDescription {
    /// The full one.
    pub full: String,
    /// What changed since the base.
    pub delta: String,
    /// The full one that the delta is based on.
    pub base: String,
    /// The same as the full one in parts: each certificate names its own.
    pub shards: Vec<String>,
}

/// One certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateDescription {
    /// What it is called.
    pub name: String,
    /// The certificate, PEM.
    pub cert: String,
    /// Its private key, PKCS#8 PEM.
    pub key: String,
    /// Its serial number in hexadecimal, as `openssl x509 -serial` shows it.
    pub serial: String,
    /// Its status.
    #[serde(flatten)]
    pub status: ExpectedStatus,
}

/// The status that an answer has to give.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "expected", rename_all = "lowercase")]
pub enum ExpectedStatus {
    /// Not revoked.
    Good,
    /// Revoked or on hold.
    Revoked {
        /// The reason's name; null where the answer gives none, which means unspecified.
        reason: Option<String>,
        /// RFC 3339.
        revocation_time: String,
    },
}

impl ExpectedStatus {
    /// That of a certificate that was revoked then, for this reason.
    #[must_use]
    pub fn revoked(reason: Option<CrlReason>, time: UnixTime) -> Self {
        Self::Revoked {
            reason: reason.map(|reason| reason.name().to_owned()),
            revocation_time: time.to_string(),
        }
    }

    /// The line of a certificate with this status in an inventory, with its line end.
    #[must_use]
    pub fn inventory_line(&self, serial: &impl std::fmt::Display) -> String {
        match self {
            Self::Good => format!("{serial},good,,\n"),
            Self::Revoked {
                reason,
                revocation_time,
            } => {
                let reason = reason.as_deref().unwrap_or_default();
                format!("{serial},revoked,{reason},{revocation_time}\n")
            }
        }
    }
}

/// The first line of an inventory.
pub(super) const INVENTORY_HEAD: &str = "serial,status,reason,revocation_time\n";

/// What a demo remembers of itself, in its `state` folder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this file.
    pub version: u32,
    /// End-entity certificates, delegates not counted.
    pub certs: u64,
    /// The kind of the keys of CAs and delegates.
    pub key_type: String,
    /// What `demo.json` says.
    pub description: Description,
}

impl Record {
    /// The version that is written.
    pub const VERSION: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_the_contract_says() {
        let time = UnixTime::from_rfc3339("2026-03-21T08:30:00Z").unwrap();
        let of = |status| {
            let certificate = CertificateDescription {
                name: "n".to_owned(),
                cert: "c".to_owned(),
                key: "k".to_owned(),
                serial: "0A".to_owned(),
                status,
            };
            let json = serde_json::to_string(&certificate).unwrap();
            assert_eq!(
                serde_json::from_str::<CertificateDescription>(&json).unwrap(),
                certificate
            );
            (json, certificate.status.inventory_line(&"0A"))
        };
        let head = r#"{"name":"n","cert":"c","key":"k","serial":"0A","expected":"#;
        for (status, json, line) in [
            (ExpectedStatus::Good, "\"good\"}", "0A,good,,\n"),
            (
                ExpectedStatus::revoked(Some(CrlReason::CertificateHold), time),
                r#""revoked","reason":"certificateHold","revocation_time":"2026-03-21T08:30:00Z"}"#,
                "0A,revoked,certificateHold,2026-03-21T08:30:00Z\n",
            ),
            (
                ExpectedStatus::revoked(None, time),
                r#""revoked","reason":null,"revocation_time":"2026-03-21T08:30:00Z"}"#,
                "0A,revoked,,2026-03-21T08:30:00Z\n",
            ),
        ] {
            assert_eq!(of(status), (format!("{head}{json}"), line.to_owned()));
        }
    }
}
