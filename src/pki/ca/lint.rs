//! The finished certificate, read again and judged: what a signer returned is believed by nobody.

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_CE_BASIC_CONSTRAINTS, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE,
        ID_CE_FRESHEST_CRL, ID_CE_KEY_USAGE, ID_KP_OCSP_SIGNING,
    },
};

use super::{Breach, CertificateRequest, Profile};
use crate::{asn1::Certificate, identity::SerialNumber, signer::is_signed_by};

/// Whether a certificate is what was asked for, signed by the key of `issuer`.
pub(super) fn lint(
    certificate: &Certificate,
    request: &CertificateRequest,
    serial: SerialNumber,
    issuer: &Certificate,
    issuer_key_id: &[u8],
) -> Result<(), Breach> {
    if !is_signed_by(certificate, issuer) {
        return Err(Breach::Signature);
    }
    let profile = &request.profile;
    let usage = certificate.key_usage();
    let has_usages = |usage: crate::asn1::KeyUsage| {
        profile
            .required_usages()
            .iter()
            .all(|required| usage.contains(*required))
    };
    let purposes: Vec<ObjectIdentifier> = profile.purpose().into_iter().collect();
    for (part, is_as_planned) in [
        (
            "serialNumber",
            certificate.serial_number() == serial.as_bytes(),
        ),
        ("issuer", certificate.issuer_der() == issuer.subject_der()),
        (
            "subject",
            certificate.subject_der() == request.subject.as_der(),
        ),
        (
            "subjectPublicKeyInfo",
            certificate.spki_der() == request.key.spki_der(),
        ),
        (
            "notBefore",
            certificate.not_before() == request.validity.not_before,
        ),
        (
            "notAfter",
            certificate.not_after() == request.validity.not_after,
        ),
        (
            "authorityKeyIdentifier",
            certificate.authority_key_id() == Some(issuer_key_id),
        ),
        (
            "subjectKeyIdentifier",
            certificate.subject_key_id() == Some(request.key.key_id().as_slice()),
        ),
        ("basicConstraints", certificate.is_ca() == profile.is_ca()),
        ("keyUsage", usage.is_some_and(has_usages)),
        (
            "extendedKeyUsage",
            certificate.extended_key_usage() == purposes,
        ),
        (
            "authorityInfoAccess",
            certificate.ocsp_urls().is_empty() != profile.names_status_urls(),
        ),
    ] {
        if !is_as_planned {
            return Err(Breach::Differs { part });
        }
    }
    judge_criticality(certificate, profile)?;
    judge_rules(certificate)
}

fn judge_criticality(certificate: &Certificate, profile: &Profile) -> Result<(), Breach> {
    let is_critical = |oid| {
        certificate
            .extension(&oid)
            .is_some_and(|found| found.critical)
    };
    for (extension, oid, expected) in [
        ("keyUsage", ID_CE_KEY_USAGE, true),
        ("basicConstraints", ID_CE_BASIC_CONSTRAINTS, profile.is_ca()),
        (
            "extendedKeyUsage",
            ID_CE_EXT_KEY_USAGE,
            *profile == Profile::Timestamping,
        ),
    ] {
        if is_critical(oid) != expected {
            return Err(Breach::Criticality { extension });
        }
    }
    Ok(())
}

/// What holds for every certificate, whatever was asked for.
fn judge_rules(certificate: &Certificate) -> Result<(), Breach> {
    if certificate.is_ca()
        && certificate
            .extended_key_usage()
            .contains(&ID_KP_OCSP_SIGNING)
    {
        return Err(Breach::CaWithOcspSigning);
    }
    let has = |oid| certificate.extension(&oid).is_some();
    let can_be_asked = certificate.is_ca()
        || has(ID_CE_CRL_DISTRIBUTION_POINTS)
        || has(ID_CE_FRESHEST_CRL)
        || !certificate.ocsp_urls().is_empty();
    if has(NO_REV_AVAIL) && can_be_asked {
        return Err(Breach::NoRevAvail);
    }
    Ok(())
}

/// id-ce-noRevAvail (RFC 9608 §2).
const NO_REV_AVAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
