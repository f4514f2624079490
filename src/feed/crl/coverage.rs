//! Whether a CRL speaks of a certificate, and for which reasons (RFC 5280 §6.3.3 (b), (d)).

use const_oid::db::rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS;

use crate::{
    asn1::{Certificate, DerError},
    crl::{DistributionPoint, IssuingDistributionPoint, ReasonFlags, directory_name},
};

/// Why a CRL does not speak of a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCovered {
    /// (b)(1): neither the certificate's issuer nor a cRLIssuer of it made the CRL.
    #[error(
        "the CRL's issuer is neither the certificate's nor a cRLIssuer that it names \
         (RFC 5280 §6.3.3 (b)(1))"
    )]
    Issuer,
    /// (b)(1): the certificate names the CRL's issuer as cRLIssuer, and the CRL is not indirect.
    #[error(
        "the certificate names the CRL's issuer as its cRLIssuer, and the CRL is not indirect \
         (RFC 5280 §6.3.3 (b)(1))"
    )]
    NotIndirect,
    /// (b)(2)(i)
    #[error(
        "none of the certificate's distribution points has a name of the CRL's \
         (RFC 5280 §6.3.3 (b)(2)(i))"
    )]
    Point,
    /// (b)(2)(ii)
    #[error("the CRL lists end-entity certificates alone (RFC 5280 §6.3.3 (b)(2)(ii))")]
    UserCertificates,
    /// (b)(2)(iii)
    #[error("the CRL lists CA certificates alone (RFC 5280 §6.3.3 (b)(2)(iii))")]
    CaCertificates,
    /// (b)(2)(iv)
    #[error("the CRL lists attribute certificates alone (RFC 5280 §6.3.3 (b)(2)(iv))")]
    AttributeCertificates,
    /// cRLDistributionPoints cannot be read.
    #[error("the certificate's cRLDistributionPoints: {0} (RFC 5280 §4.2.1.13)")]
    Malformed(#[from] DerError),
}

/// For which reasons a CRL of `crl_issuer` with this issuingDistributionPoint tells the status of
/// `certificate`.
///
/// All distribution points of the certificate are compared with all names of the CRL (RUSTSEC-2026-0048,
/// -0049). A certificate without any is one whose issuer makes a CRL of everything.
///
/// # Errors
/// [`NotCovered`] when it tells nothing of it.
pub fn reasons_covered(
    certificate: &Certificate,
    crl_issuer: &[u8],
    point: Option<&IssuingDistributionPoint>,
) -> Result<ReasonFlags, NotCovered> {
    let whole = IssuingDistributionPoint::default();
    let idp = point.unwrap_or(&whole);
    match (certificate.is_ca(), idp) {
        (_, idp) if idp.only_contains_attribute_certs => {
            return Err(NotCovered::AttributeCertificates);
        }
        (true, idp) if idp.only_contains_user_certs => return Err(NotCovered::UserCertificates),
        (false, idp) if idp.only_contains_ca_certs => return Err(NotCovered::CaCertificates),
        _ => {}
    }
    let value = certificate.extension(&ID_CE_CRL_DISTRIBUTION_POINTS);
    let mut points = value.map_or_else(
        || Ok(Vec::new()),
        |value| DistributionPoint::list(value.value),
    )?;
    let own = certificate.issuer_der() == crl_issuer;
    if own && points.iter().all(|point| point.crl_issuer.is_some()) {
        // What the issuer itself publishes counts besides (§6.3.3, after the loop): as if a point with its
        // name stood there.
        points.push(DistributionPoint::default());
    }
    let mut covered = ReasonFlags::NONE;
    let mut why = NotCovered::Issuer;
    for point in &points {
        match covers(point, certificate.issuer_der(), crl_issuer, idp) {
            Ok(()) => {
                let reasons = point.reasons.unwrap_or(ReasonFlags::ALL);
                let listed = idp.only_some_reasons.unwrap_or(ReasonFlags::ALL);
                covered = covered.or(reasons.and(listed).and(ReasonFlags::ALL));
            }
            Err(found) => {
                // The one that says more stands.
                if why == NotCovered::Issuer {
                    why = found;
                }
            }
        }
    }
    if covered == ReasonFlags::NONE {
        Err(why)
    } else {
        Ok(covered)
    }
}

/// Whether the CRL is one of this distribution point.
fn covers(
    point: &DistributionPoint,
    certificate_issuer: &[u8],
    crl_issuer: &[u8],
    idp: &IssuingDistributionPoint,
) -> Result<(), NotCovered> {
    let crl_issuer_name = directory_name(crl_issuer);
    match &point.crl_issuer {
        Some(issuers) if !issuers.contains(&crl_issuer_name) => return Err(NotCovered::Issuer),
        Some(_) if !idp.indirect_crl => return Err(NotCovered::NotIndirect),
        None if certificate_issuer != crl_issuer => return Err(NotCovered::Issuer),
        _ => {}
    }
    let Some(listed) = &idp.distribution_point else {
        return Ok(());
    };
    let listed = listed.general_names(crl_issuer);
    let named = match (&point.name, &point.crl_issuer) {
        // A relative name is relative to whoever makes the CRL (RFC 5280 §4.2.1.13).
        (Some(name), _) => name.general_names(crl_issuer),
        (None, Some(issuers)) => issuers.clone(),
        (None, None) => vec![directory_name(certificate_issuer)],
    };
    if named.iter().any(|name| listed.contains(name)) {
        Ok(())
    } else {
        Err(NotCovered::Point)
    }
}
