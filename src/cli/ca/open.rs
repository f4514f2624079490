//! A configured issuer that can issue: its certificate, its key, its URLs.

use std::sync::Arc;

use super::{Exit, Failure, ca_failure};
use crate::asn1::{Certificate, SignatureAlgorithm, UnixTime};
use crate::authority::{Issuers, with_causes};
use crate::cli::{Common, connection, output};
use crate::config::{self, Config};
use crate::pki::ca::{CertificateAuthority, KeyType, Urls, Validity};
use crate::signer::{Keys, Signer};

/// Opens the CA of the issuer called `name`, whose certificate has to be valid now.
pub(in crate::cli) fn open(
    common: &Common,
    name: &str,
    now: UnixTime,
) -> Result<CertificateAuthority, Failure> {
    let config = connection::load_config(common)?;
    let certificate = {
        let issuers = Issuers::new(&config)?;
        Arc::clone(&issuers.by_name(Some(name))?.certificate)
    };
    let issuer = issuer_of(config, name)?;
    let settings = issuer.ca.as_ref().ok_or_else(|| {
        Failure::new(
            Exit::Config,
            format!(
                "issuer {name:?} has no CA key in {}: add an [issuer.ca] table with key and ocsp_urls",
                common.config.display()
            ),
        )
    })?;
    judge_validity(&certificate, name, now)?;
    let (signer, warnings) = Keys::here()
        .open(&settings.configured_key())
        .map_err(|error| Failure::new(Exit::Key, with_causes(&error)))?;
    for warning in warnings {
        output::warning(&warning.to_string());
    }
    let mut urls = Urls {
        ocsp: settings.ocsp_urls.clone(),
        ca_issuers: settings.ca_issuers_urls.clone(),
        crl: settings.crl_urls.clone(),
        ..Urls::default()
    };
    if let (Some(url), true) = (&issuer.certificate_url, urls.ca_issuers.is_empty()) {
        urls.ca_issuers.push(url.clone());
    }
    // What is made here is where [issuer.crl] says, unless the operator says something else.
    if let (Some(crl), true) = (&issuer.crl, urls.crl.is_empty()) {
        urls.crl.push(crl.url.clone());
        urls.crl_shards
            .extend(crl.shards.iter().flat_map(config::CrlShards::urls));
        let delta = crl.delta.as_ref();
        urls.freshest_crl
            .extend(delta.map(|delta| delta.url.clone()));
    }
    CertificateAuthority::new(certificate, signer, urls).map_err(|error| {
        let failure = ca_failure(&error);
        Failure::new(
            failure.exit,
            format!("issuer {name:?}: {}", failure.message),
        )
    })
}

fn issuer_of(config: Config, name: &str) -> Result<config::Issuer, Failure> {
    let mut issuers = config.issuers.into_iter();
    issuers
        .find(|issuer| issuer.name == name)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("no issuer is called {name:?}")))
}

fn judge_validity(certificate: &Certificate, name: &str, now: UnixTime) -> Result<(), Failure> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    let why = if now > not_after {
        format!("expired at {not_after}: nothing is issued with it any more")
    } else if now < not_before {
        format!("is not valid before {not_before}, and it is {now}: wait, or check the clock")
    } else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::Key,
        format!("the certificate of issuer {name:?} {why}"),
    ))
}

/// The validity of something that this CA issues now. A number of days that was asked for is kept or
/// refused; the usual one is cut at the CA's own end.
pub(super) fn validity(
    ca: &CertificateAuthority,
    now: UnixTime,
    asked: Option<u32>,
    usual: u32,
) -> Result<Validity, Failure> {
    // Clocks of clients lag; the CA itself may be younger than that.
    let not_before = now.saturating_sub(BACKDATED).max(ca.validity().not_before);
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string());
    match asked {
        Some(days) => Ok(Validity::days(not_before, days)),
        None => Validity::days(not_before, usual)
            .clamped_to(&ca.validity())
            .map_err(|error| failed(&error)),
    }
}

/// The kind of key that a CA has, for the delegate that is made beside it.
pub(super) fn key_type_of(signer: &dyn Signer) -> KeyType {
    match signer.algorithm() {
        SignatureAlgorithm::EcdsaSha256P256 => KeyType::EcP256,
        SignatureAlgorithm::EcdsaSha384P384 => KeyType::EcP384,
        SignatureAlgorithm::Ed25519 => KeyType::Ed25519,
        SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets }
        | SignatureAlgorithm::RsaPssSha256 { modulus_octets }
        | SignatureAlgorithm::RsaPssSha384 { modulus_octets } => match modulus_octets {
            0..=256 => KeyType::Rsa2048,
            257..=384 => KeyType::Rsa3072,
            _ => KeyType::Rsa4096,
        },
        SignatureAlgorithm::MlDsa44 => KeyType::MlDsa44,
        SignatureAlgorithm::MlDsa65 => KeyType::MlDsa65,
    }
}

const BACKDATED: std::time::Duration = std::time::Duration::from_secs(300);
