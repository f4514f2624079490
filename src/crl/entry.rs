//! One entry of revokedCertificates, and its extensions (RFC 5280 §5.1.2.6, §5.3).

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{ID_CE_CERTIFICATE_ISSUER, ID_CE_CRL_REASONS, ID_CE_INVALIDITY_DATE},
};

use super::{Time, Version};
use crate::asn1::{
    DerError, Elements, ExtensionError, TimeError, UnixTime, distinct_extensions, tag,
};

/// An entry as found: where its octets begin and end is known, what they hold is not yet judged.
#[derive(Clone, Copy, Debug)]
pub struct RawEntry<'a> {
    /// Its place in the list, counted from 1.
    pub number: u32,
    pub(super) version: Version,
    pub(super) content: &'a [u8],
}

/// An entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// The content octets of userCertificate: an INTEGER in minimal form, of any sign and length.
    pub serial_number: &'a [u8],
    /// revocationDate
    pub revocation_date: Time<'a>,
    /// crlEntryExtensions
    pub extensions: EntryExtensions<'a>,
}

/// What the extensions of an entry say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EntryExtensions<'a> {
    /// reasonCode: the ENUMERATED value, which may be one that does not exist.
    pub reason_code: Option<u8>,
    /// invalidityDate
    pub invalidity_date: Option<UnixTime>,
    /// certificateIssuer: the whole GeneralNames. From this entry on, certificates are those of
    /// another issuer.
    pub certificate_issuer: Option<&'a [u8]>,
    /// The first critical extension beside these: nothing of the CRL can be used by whoever does
    /// not know it (RFC 5280 §5.3).
    pub unknown_critical: Option<ObjectIdentifier>,
    /// What is wrong with how they are encoded, though their meaning is plain.
    pub oddity: Option<EntryOddity>,
}

/// What RFC 5280 §5.3 asks of issuers beyond what is needed to understand an entry.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum EntryOddity {
    /// crlEntryExtensions is there and empty (§5.1.2.6 and the ASN.1 of Extensions).
    #[error("its crlEntryExtensions are empty; the field should be absent")]
    Empty,
    /// §5.3.1
    #[error("its reasonCode is critical")]
    CriticalReasonCode,
    /// §5.3.2
    #[error("its invalidityDate is critical")]
    CriticalInvalidityDate,
    /// §5.3.3
    #[error("its certificateIssuer is not critical")]
    CertificateIssuerNotCritical,
}

impl<'a> RawEntry<'a> {
    /// The content octets of userCertificate alone.
    ///
    /// # Errors
    /// [`EntryError`] when it is malformed.
    pub fn serial_number(&self) -> Result<&'a [u8], EntryError> {
        Ok(Elements::new(self.content).integer()?)
    }

    /// Reads what the entry holds.
    ///
    /// # Errors
    /// [`EntryError`] when it is malformed. The entries after it can still be read.
    pub fn decode(&self) -> Result<Entry<'a>, EntryError> {
        let mut fields = Elements::new(self.content);
        let serial_number = fields.integer()?;
        let revocation_date = Time::decode(&mut fields)?;
        let extensions = match fields.optional(tag::SEQUENCE)? {
            None => EntryExtensions::default(),
            Some(_) if self.version == Version::V1 => return Err(EntryError::ExtensionsNeedV2),
            Some(list) => EntryExtensions::decode(list.content)?,
        };
        fields.finish()?;
        Ok(Entry {
            serial_number,
            revocation_date,
            extensions,
        })
    }
}

impl<'a> EntryExtensions<'a> {
    fn decode(list: &'a [u8]) -> Result<Self, EntryError> {
        let mut known = Self {
            oddity: list.is_empty().then_some(EntryOddity::Empty),
            ..Self::default()
        };
        distinct_extensions(list, |extension| {
            let is = |oid: &ObjectIdentifier| extension.oid == oid.as_bytes();
            let oddity = |is_odd: bool, oddity| is_odd.then_some(oddity);
            if is(&ID_CE_CRL_REASONS) {
                let odd = oddity(extension.critical, EntryOddity::CriticalReasonCode);
                known.oddity = known.oddity.or(odd);
                known.reason_code = Some(reason_code(extension.value)?);
            } else if is(&ID_CE_INVALIDITY_DATE) {
                let odd = oddity(extension.critical, EntryOddity::CriticalInvalidityDate);
                known.oddity = known.oddity.or(odd);
                known.invalidity_date = Some(invalidity_date(extension.value)?);
            } else if is(&ID_CE_CERTIFICATE_ISSUER) {
                let odd = oddity(
                    !extension.critical,
                    EntryOddity::CertificateIssuerNotCritical,
                );
                known.oddity = known.oddity.or(odd);
                let names = Elements::only(extension.value, tag::SEQUENCE)
                    .map_err(EntryError::CertificateIssuer)?;
                known.certificate_issuer = Some(names.der);
            } else if extension.critical && known.unknown_critical.is_none() {
                let oid = ObjectIdentifier::from_bytes(extension.oid)
                    .map_err(|_| ExtensionError::Der(DerError::ObjectIdentifier))?;
                known.unknown_critical = Some(oid);
            }
            Ok::<_, EntryError>(())
        })?;
        Ok(known)
    }
}

/// `CRLReason ::= ENUMERATED` (RFC 5280 §5.3.1): of one octet, as all that exist.
fn reason_code(value: &[u8]) -> Result<u8, EntryError> {
    let content = Elements::only(value, tag::ENUMERATED).map_err(EntryError::ReasonCode)?;
    match content.content {
        [code @ 0..=0x7f] => Ok(*code),
        _ => Err(EntryError::ReasonCode(DerError::Integer)),
    }
}

/// `InvalidityDate ::= GeneralizedTime` (RFC 5280 §5.3.2)
fn invalidity_date(value: &[u8]) -> Result<UnixTime, EntryError> {
    let time = Elements::only(value, tag::GENERALIZED_TIME).map_err(EntryError::InvalidityDate)?;
    UnixTime::from_generalized_time(time.content).map_err(EntryError::InvalidityTime)
}

/// Why one entry cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Its fields.
    #[error("malformed: {0}")]
    Der(#[from] DerError),
    /// Its list of extensions.
    #[error("crlEntryExtensions: {0}")]
    Extensions(#[from] ExtensionError),
    /// The value of reasonCode.
    #[error("reasonCode (RFC 5280 §5.3.1): {0}")]
    ReasonCode(DerError),
    /// The value of invalidityDate.
    #[error("invalidityDate (RFC 5280 §5.3.2): {0}")]
    InvalidityDate(DerError),
    /// The time in invalidityDate.
    #[error("invalidityDate (RFC 5280 §5.3.2): {0}")]
    InvalidityTime(TimeError),
    /// The value of certificateIssuer.
    #[error("certificateIssuer (RFC 5280 §5.3.3): {0}")]
    CertificateIssuer(DerError),
    /// Extensions in a v1 CRL.
    #[error("it has extensions, but the CRL is no v2 (RFC 5280 §5.1.2.1)")]
    ExtensionsNeedV2,
}
