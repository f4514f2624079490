//! What the extensions of a CRL say (RFC 5280 §5.2).

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR,
        ID_CE_FRESHEST_CRL, ID_CE_ISSUING_DISTRIBUTION_POINT,
    },
};

use super::IssuingDistributionPoint;
use crate::asn1::{
    CrlNumber, CrlNumberError, DerError, Elements, ExtensionError, UnixTime, authority_key_id,
    distinct_extensions, distribution_point_urls, tag,
};

/// The extensions that are understood here, decoded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CrlExtensions {
    /// keyIdentifier of authorityKeyIdentifier (§5.2.1).
    pub authority_key_id: Option<Vec<u8>>,
    /// cRLNumber (§5.2.3).
    pub crl_number: Option<CrlNumber>,
    /// deltaCRLIndicator (§5.2.4): the number of the CRL that this one adds to.
    pub base_crl_number: Option<CrlNumber>,
    /// issuingDistributionPoint (§5.2.5).
    pub issuing_distribution_point: Option<IssuingDistributionPoint>,
    /// The URIs of freshestCRL (§5.2.6): where deltas are. None where it cannot be read, as it is never
    /// critical.
    pub freshest_crl_urls: Vec<String>,
    /// expiredCertsOnCRL (X.509 §9.5.2.8): entries stay of certificates that expired since then.
    pub expired_certs_on_crl: Option<UnixTime>,
    /// The first critical extension beside these: the CRL cannot be used by whoever does not know it
    /// (§5.2).
    pub unknown_critical: Option<ObjectIdentifier>,
}

impl CrlExtensions {
    /// Reads the content of an `Extensions` SEQUENCE.
    pub(super) fn decode(list: &[u8]) -> Result<Self, CrlExtensionsError> {
        let mut known = Self::default();
        distinct_extensions(list, |extension| {
            let value = extension.value;
            let is = |oid: &ObjectIdentifier| extension.oid == oid.as_bytes();
            if is(&ID_CE_AUTHORITY_KEY_IDENTIFIER) {
                known.authority_key_id = authority_key_id(value)
                    .map_err(CrlExtensionsError::AuthorityKeyIdentifier)?
                    .map(<[u8]>::to_vec);
            } else if is(&ID_CE_CRL_NUMBER) {
                let number = crl_number(value).map_err(CrlExtensionsError::CrlNumber)?;
                known.crl_number = Some(number);
            } else if is(&ID_CE_DELTA_CRL_INDICATOR) {
                let base = crl_number(value).map_err(CrlExtensionsError::DeltaCrlIndicator)?;
                known.base_crl_number = Some(base);
            } else if is(&ID_CE_ISSUING_DISTRIBUTION_POINT) {
                let point = IssuingDistributionPoint::decode(value)
                    .map_err(CrlExtensionsError::IssuingDistributionPoint)?;
                known.issuing_distribution_point = Some(point);
            } else if is(&ID_CE_FRESHEST_CRL) && !extension.critical {
                let urls = distribution_point_urls(value).unwrap_or_default();
                known.freshest_crl_urls = urls.into_iter().map(str::to_owned).collect();
            } else if is(&ID_CE_EXPIRED_CERTS_ON_CRL) && !extension.critical {
                known.expired_certs_on_crl = generalized_time(value);
            } else if extension.critical && known.unknown_critical.is_none() {
                let oid = ObjectIdentifier::from_bytes(extension.oid)
                    .map_err(|_| ExtensionError::Der(DerError::ObjectIdentifier))?;
                known.unknown_critical = Some(oid);
            }
            Ok::<_, CrlExtensionsError>(())
        })?;
        Ok(known)
    }
}

/// `ExpiredCertsOnCRL ::= GeneralizedTime`
fn generalized_time(value: &[u8]) -> Option<UnixTime> {
    let time = Elements::only(value, tag::GENERALIZED_TIME).ok()?;
    UnixTime::from_generalized_time(time.content).ok()
}

/// expiredCertsOnCRL (X.509 §9.5.2.8)
pub(super) const ID_CE_EXPIRED_CERTS_ON_CRL: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.5.29.60");

/// `CRLNumber ::= INTEGER (0..MAX)`
fn crl_number(value: &[u8]) -> Result<CrlNumber, NumberError> {
    let mut inside = Elements::new(value);
    let content = inside.integer()?;
    inside.finish()?;
    Ok(CrlNumber::from_content(content)?)
}

/// Why the extensions of a CRL cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlExtensionsError {
    /// Their list.
    #[error("crlExtensions: {0}")]
    List(#[from] ExtensionError),
    /// The value of authorityKeyIdentifier.
    #[error("authorityKeyIdentifier (RFC 5280 §5.2.1): {0}")]
    AuthorityKeyIdentifier(DerError),
    /// The value of cRLNumber.
    #[error("cRLNumber (RFC 5280 §5.2.3): {0}")]
    CrlNumber(NumberError),
    /// The value of deltaCRLIndicator.
    #[error("deltaCRLIndicator (RFC 5280 §5.2.4): {0}")]
    DeltaCrlIndicator(NumberError),
    /// The value of issuingDistributionPoint.
    #[error("issuingDistributionPoint (RFC 5280 §5.2.5): {0}")]
    IssuingDistributionPoint(DerError),
}

/// Why the number of a CRL cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// It is no INTEGER.
    #[error(transparent)]
    Der(#[from] DerError),
    /// It is negative or longer than 20 octets.
    #[error(transparent)]
    Number(#[from] CrlNumberError),
}
