//! Of which scope a CRL is, and whether that is a scope which may be taken (RFC 5280 §5.2.5, §6.3.3
//! (b)).

use crate::{
    change::{CertificateKind, CrlScope, ExpectedScope},
    crl::{CrlExtensions, IssuingDistributionPoint},
};

use super::CrlRefusal;

/// The scope of a CRL with these extensions, if it is one of those expected.
///
/// A distribution point may have several names: every one of them is compared with what is expected
/// (RUSTSEC-2026-0049 compared the first alone), octet for octet. An issuingDistributionPoint that says
/// no more than a full CRL without one is passed over.
pub(super) fn of(
    extensions: &CrlExtensions,
    expected: &[ExpectedScope],
) -> Result<CrlScope, CrlRefusal> {
    let whole = IssuingDistributionPoint::default();
    let point = extensions.issuing_distribution_point.as_ref();
    let scope = find(point.unwrap_or(&whole), expected)?;
    match extensions.unknown_critical {
        Some(oid) => Err(CrlRefusal::CriticalExtension { oid }),
        None => Ok(scope),
    }
}

fn find(
    point: &IssuingDistributionPoint,
    expected: &[ExpectedScope],
) -> Result<CrlScope, CrlRefusal> {
    if point.indirect_crl {
        return Err(CrlRefusal::Indirect { entry: None });
    }
    let certificates = match (
        point.only_contains_user_certs,
        point.only_contains_ca_certs,
        point.only_contains_attribute_certs,
    ) {
        (false, false, false) => CertificateKind::All,
        (true, false, false) => CertificateKind::User,
        (false, true, false) => CertificateKind::Ca,
        (false, false, true) => return Err(CrlRefusal::AttributeCertificates),
        _ => return Err(CrlRefusal::SeveralKinds),
    };
    if point.only_some_reasons.is_some() {
        return Err(CrlRefusal::SomeReasons);
    }
    let scope = |point: Option<&str>| CrlScope {
        point: point.map(str::to_owned),
        certificates,
    };
    let named: Vec<CrlScope> = match &point.distribution_point {
        None => vec![scope(None)],
        Some(name) => name.uris().map(|uri| scope(Some(uri))).collect(),
    };
    let is_expected = |scope: &&CrlScope| expected.iter().any(|one| one.includes(scope));
    let mut found = named.iter().filter(is_expected);
    match (
        found.next(),
        found.find(|other| Some(*other) != named.iter().find(is_expected)),
    ) {
        (Some(scope), None) => Ok(scope.clone()),
        (Some(_), Some(_)) => Err(CrlRefusal::SeveralScopes {
            named: named
                .into_iter()
                .filter(|scope| is_expected(&scope))
                .collect(),
        }),
        (None, _) => Err(CrlRefusal::OtherScope {
            certificates,
            points: point
                .distribution_point
                .is_some()
                .then(|| named.into_iter().filter_map(|scope| scope.point).collect()),
            expected: expected.to_vec(),
        }),
    }
}
