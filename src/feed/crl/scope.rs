//! Of which scope a CRL is, and whether that is a scope which may be taken (RFC 5280 §5.2.5, §6.3.3
//! (b)).

use crate::{
    asn1::{Elements, tag},
    change::{CertificateKind, CrlScope, ExpectedScope},
    crl::{CrlExtensions, IssuingDistributionPoint, ReasonFlags, directory_name},
};

use super::CrlRefusal;

/// The scope of a CRL with these extensions, if it is one of those expected. `crl_issuer` is the Name of
/// who made it, and `is_own` whether that is the issuer of the certificates.
///
/// A distribution point may have several names: every one of them is compared with what is expected
/// (RUSTSEC-2026-0049 compared the first alone), octet for octet. An issuingDistributionPoint that says
/// no more than a full CRL without one is passed over.
pub(super) fn of(
    extensions: &CrlExtensions,
    crl_issuer: &[u8],
    is_own: bool,
    expected: &[ExpectedScope],
) -> Result<CrlScope, CrlRefusal> {
    let whole = IssuingDistributionPoint::default();
    let point = extensions.issuing_distribution_point.as_ref();
    let scope = find(point.unwrap_or(&whole), crl_issuer, is_own, expected)?;
    match extensions.unknown_critical {
        Some(oid) => Err(CrlRefusal::CriticalExtension { oid }),
        None => Ok(scope),
    }
}

fn find(
    point: &IssuingDistributionPoint,
    crl_issuer: &[u8],
    is_own: bool,
    expected: &[ExpectedScope],
) -> Result<CrlScope, CrlRefusal> {
    if !is_own && !point.indirect_crl {
        return Err(CrlRefusal::NotIndirect);
    }
    let named = scopes(point, crl_issuer, is_own)?;
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
        (None, _) => {
            let first = named.first();
            Err(CrlRefusal::OtherScope {
                certificates: first.map_or(CertificateKind::All, |scope| scope.certificates),
                reasons: point.only_some_reasons.filter(|reasons| !reasons.is_all()),
                points: (point.distribution_point.is_some() || !is_own)
                    .then(|| named.into_iter().filter_map(|scope| scope.point).collect()),
                expected: expected.to_vec(),
            })
        }
    }
}

/// The scopes that a CRL is of: one for each name of its distribution point.
///
/// The CRL of another issuer is never a full one: without a distribution point it is that of its own
/// issuer's name, as a certificate means whose distribution point is a cRLIssuer alone
/// (RFC 5280 §6.3.3 (b)(2)(i)). So its numbers and what it does not list have nothing to do with the
/// issuer's own CRLs.
pub(in crate::feed) fn scopes(
    point: &IssuingDistributionPoint,
    crl_issuer: &[u8],
    is_own: bool,
) -> Result<Vec<CrlScope>, CrlRefusal> {
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
    let reasons = point
        .only_some_reasons
        .map(|reasons| reasons.and(ReasonFlags::ALL))
        .filter(|reasons| !reasons.is_all());
    if reasons == Some(ReasonFlags::NONE) {
        return Err(CrlRefusal::NoReasons);
    }
    let scope = |point: Option<String>| CrlScope {
        point,
        certificates,
        reasons,
    };
    let names = match &point.distribution_point {
        None if is_own => return Ok(vec![scope(None)]),
        None => vec![directory_name(crl_issuer)],
        Some(name) => name.general_names(crl_issuer),
    };
    let points = names.iter().filter_map(|name| point_text(name));
    Ok(points.map(|point| scope(Some(point))).collect())
}

/// A GeneralName as [`CrlScope::point`] has it; `None` for one that is neither a URI in ASCII nor a
/// directoryName, and for one that is longer than any that is taken.
fn point_text(general_name: &[u8]) -> Option<String> {
    let name = Elements::new(general_name).any().ok()?;
    let text = if name.tag == tag::primitive(6) {
        let uri = std::str::from_utf8(name.content).ok()?;
        uri.is_ascii().then(|| uri.to_owned())?
    } else if name.tag == tag::constructed(4) {
        let digits = name.content.iter().map(|octet| format!("{octet:02x}"));
        std::iter::once(CrlScope::DIRECTORY_NAME.to_owned())
            .chain(digits)
            .collect()
    } else {
        return None;
    };
    (text.len() <= CrlScope::POINT_OCTETS_MAX).then_some(text)
}
