//! What is wrong with the extensions of a CRL (RFC 5280 §5.2).

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR,
        ID_CE_FRESHEST_CRL, ID_CE_ISSUER_ALT_NAME, ID_CE_ISSUING_DISTRIBUTION_POINT,
        ID_PE_AUTHORITY_INFO_ACCESS,
    },
};

use super::finding::Findings;
use crate::{
    asn1::{ExtensionError, distinct_extensions},
    crl::{
        CrlExtensions, CrlExtensionsError, DistributionPoint, DistributionPointName,
        IssuingDistributionPoint, ReasonFlags,
    },
};

/// Judges the list as it is encoded, and what it says.
pub(super) fn judge(
    list: Option<&[u8]>,
    extensions: &Result<CrlExtensions, CrlExtensionsError>,
    findings: &mut Findings,
) {
    findings.demand(
        list != Some(&[]),
        "RFC 5280 §5.1.2.7",
        "its crlExtensions are empty; the field should be absent",
    );
    judge_list(list.unwrap_or_default(), findings);
    let known = match extensions {
        Ok(known) => known,
        Err(error) => {
            let clause = match error {
                CrlExtensionsError::AuthorityKeyIdentifier(_) => "RFC 5280 §5.2.1",
                CrlExtensionsError::CrlNumber(_) => "RFC 5280 §5.2.3",
                CrlExtensionsError::DeltaCrlIndicator(_) => "RFC 5280 §5.2.4",
                CrlExtensionsError::IssuingDistributionPoint(_) => "RFC 5280 §5.2.5",
                CrlExtensionsError::List(_) => "RFC 5280 §5.2",
            };
            findings.fault(clause, error.to_string());
            return;
        }
    };
    findings.demand(
        known.crl_number.is_some(),
        "RFC 5280 §5.2.3",
        "it has no CRLNumber",
    );
    findings.demand(
        known.authority_key_id.is_some(),
        "RFC 5280 §5.2.1",
        "its authorityKeyIdentifier, with the keyIdentifier of the key that signed it, is missing",
    );
    if let Some(oid) = known.unknown_critical {
        findings.fault(
            "RFC 5280 §5.2",
            format!(
                "it has the critical extension {oid}, which is not known here: nothing of it may be used"
            ),
        );
    }
    if let (Some(base), Some(number)) = (known.base_crl_number, known.crl_number)
        && base >= number
    {
        findings.fault(
            "RFC 5280 §5.2.4",
            format!("its BaseCRLNumber {base} is not lower than its CRLNumber {number}"),
        );
    }
    if let Some(point) = &known.issuing_distribution_point {
        judge_point(point, findings);
    }
}

/// Whether an extension has to be critical, and its clause.
const CRITICALITY: [(ObjectIdentifier, &str, bool, &str); 6] = [
    (
        ID_CE_AUTHORITY_KEY_IDENTIFIER,
        "authorityKeyIdentifier",
        false,
        "RFC 5280 §5.2.1",
    ),
    (
        ID_CE_ISSUER_ALT_NAME,
        "issuerAltName",
        false,
        "RFC 5280 §5.2.2",
    ),
    (ID_CE_CRL_NUMBER, "CRLNumber", false, "RFC 5280 §5.2.3"),
    (
        ID_CE_DELTA_CRL_INDICATOR,
        "deltaCRLIndicator",
        true,
        "RFC 5280 §5.2.4",
    ),
    (
        ID_CE_ISSUING_DISTRIBUTION_POINT,
        "issuingDistributionPoint",
        true,
        "RFC 5280 §5.2.5",
    ),
    (
        ID_PE_AUTHORITY_INFO_ACCESS,
        "authorityInfoAccess",
        false,
        "RFC 5280 §5.2.7",
    ),
];

fn judge_list(list: &[u8], findings: &mut Findings) {
    let mut is_delta = false;
    let mut freshest = None;
    // What is wrong with the list itself is told by whoever decodes it.
    let _told = distinct_extensions(list, |extension| {
        let is = |oid: &ObjectIdentifier| extension.oid == oid.as_bytes();
        for (oid, name, due, clause) in &CRITICALITY {
            if is(oid) && extension.critical != *due {
                let text = if *due {
                    "is not critical"
                } else {
                    "is critical"
                };
                findings.fault(clause, format!("its {name} {text}"));
            }
        }
        if is(&ID_CE_ISSUING_DISTRIBUTION_POINT) {
            findings.demand(
                extension.value != [0x30, 0x00],
                "RFC 5280 §5.2.5",
                "its issuingDistributionPoint is an empty SEQUENCE",
            );
        }
        is_delta |= is(&ID_CE_DELTA_CRL_INDICATOR);
        if is(&ID_CE_FRESHEST_CRL) {
            freshest = Some(extension.value);
        }
        Ok::<_, ExtensionError>(())
    });
    let Some(freshest) = freshest else { return };
    let clause = "RFC 5280 §5.2.6";
    findings.demand(
        !is_delta,
        clause,
        "it is a delta CRL and has a freshestCRL, which complete CRLs alone may have",
    );
    let plain = |point: &DistributionPoint| {
        point.name.is_some() && point.reasons.is_none() && point.crl_issuer.is_none()
    };
    findings.demand(
        DistributionPoint::list(freshest)
            .is_ok_and(|points| !points.is_empty() && points.iter().all(plain)),
        clause,
        "its freshestCRL has something else than the names of distribution points",
    );
}

fn judge_point(point: &IssuingDistributionPoint, findings: &mut Findings) {
    let clause = "RFC 5280 §5.2.5";
    let kinds = [
        point.only_contains_user_certs,
        point.only_contains_ca_certs,
        point.only_contains_attribute_certs,
    ];
    findings.demand(
        kinds.iter().filter(|is| **is).count() <= 1,
        clause,
        "its issuingDistributionPoint has more than one of onlyContainsUserCerts, \
         onlyContainsCACerts and onlyContainsAttributeCerts",
    );
    findings.demand(
        !point.only_contains_attribute_certs,
        clause,
        "its issuingDistributionPoint says onlyContainsAttributeCerts, which is never set",
    );
    if let Some(reasons) = point.only_some_reasons {
        findings.demand(
            reasons.and(ReasonFlags::ALL) != ReasonFlags::NONE,
            clause,
            "its onlySomeReasons names no reason",
        );
        if reasons.is_all() {
            findings.note(
                clause,
                "its onlySomeReasons names every reason, so that it says nothing",
            );
        }
    }
    match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => {
            findings.demand(
                !names.is_empty(),
                clause,
                "the distributionPoint of its issuingDistributionPoint has no name",
            );
            let name = DistributionPointName::FullName(names.clone());
            let all = name.general_names(&[]).len();
            if all > 0 && name.uris().count() != all {
                findings.note(
                    "BR §7.2.2.1",
                    "its distributionPoint has names that are no URIs, which TLS programmes do not allow",
                );
            }
        }
        Some(DistributionPointName::NameRelativeToCrlIssuer(_)) => findings.note(
            "RFC 5280 §4.2.1.13",
            "its distributionPoint is a name relative to the issuer, which few clients understand",
        ),
        None => {}
    }
    if point.indirect_crl {
        findings.note(
            "BR §7.2.2.1",
            "it is an indirect CRL, which TLS programmes do not allow",
        );
    }
}
