//! One certificate: whose it is, and whether it is true.

use crate::change::PointTag;
use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::ObjectIdentifier;
use der::Decode as _;
use x509_cert::name::RdnSequence;

use super::CertificateCause;
use crate::{
    asn1::{Certificate, UnixTime},
    identity::{IssuerId, SerialNumber, SerialNumberError},
    signer::{Defect, check_certificate},
};

/// The issuers that certificates may be of.
#[derive(Clone, Debug)]
pub struct Issuers<'a> {
    /// Those in question.
    taken: Vec<(IssuerId, &'a Certificate)>,
    /// Their places, by the name that certificates carry.
    by_name: HashMap<&'a [u8], Vec<u16>>,
    /// The certificates of all that are configured.
    own: HashSet<&'a [u8]>,
    is_one_named: bool,
}

impl<'a> Issuers<'a> {
    /// Certificates of any of these issuers, of which the first 65,536 count.
    #[must_use]
    pub fn any_of(all: &[&'a Certificate]) -> Self {
        Self::new(all, all, false)
    }

    /// Certificates of `issuer` alone, one of `all`.
    #[must_use]
    pub fn one_of(all: &[&'a Certificate], issuer: &'a Certificate) -> Self {
        Self::new(&[issuer], all, true)
    }

    fn new(taken: &[&'a Certificate], all: &[&'a Certificate], is_one_named: bool) -> Self {
        let mut issuers = Self {
            taken: Vec::new(),
            by_name: HashMap::new(),
            own: all.iter().map(|issuer| issuer.der()).collect(),
            is_one_named,
        };
        for (place, issuer) in (0..=u16::MAX).zip(taken.iter().copied()) {
            issuers.taken.push((issuer.issuer_id(), issuer));
            let of_name = issuers.by_name.entry(issuer.subject_der());
            of_name.or_default().push(place);
        }
        issuers
    }

    pub(in crate::feed) fn ids(&self) -> impl Iterator<Item = IssuerId> {
        self.taken.iter().map(|(id, _)| *id)
    }

    /// Those that have this name, with their places.
    fn named(&self, name: &[u8]) -> impl Iterator<Item = (u16, &'a Certificate)> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|place| {
            let (_, issuer) = self.taken.get(usize::from(*place))?;
            Some((*place, *issuer))
        })
    }
}

/// What a certificate is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::feed) enum Verdict {
    /// Issued by one of the issuers in question.
    Issued(Issued),
    /// The certificate of a configured issuer, issued by none of those in question.
    OwnOfIssuer,
}

/// What is known of an issued certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::feed) struct Issued {
    pub(in crate::feed) serial: SerialNumber,
    pub(in crate::feed) is_precertificate: bool,
    pub(in crate::feed) issuer: u16,
    pub(in crate::feed) not_before: UnixTime,
    pub(in crate::feed) not_after: UnixTime,
    pub(in crate::feed) sha256: [u8; 32],
    pub(in crate::feed) distribution_point: Option<PointTag>,
}

impl Issued {
    /// The certificate's hash; a precertificate's is not its certificate's.
    pub(in crate::feed) fn certificate_sha256(&self) -> Option<[u8; 32]> {
        (!self.is_precertificate).then_some(self.sha256)
    }
}

/// Judges one certificate. Names are compared octet for octet, as CertIDs are hashed from them.
pub(in crate::feed) fn judge(
    der: &[u8],
    issuers: &Issuers<'_>,
) -> Result<Verdict, CertificateCause> {
    let certificate = Certificate::from_der(der).map_err(CertificateCause::Malformed)?;
    let serial = serial(certificate.serial_number());
    let mut defect = None;
    for (place, issuer) in issuers.named(certificate.issuer_der()) {
        match check_certificate(&certificate, issuer) {
            Ok(()) => {
                return Ok(Verdict::Issued(Issued {
                    serial: serial?,
                    is_precertificate: certificate.extension(&PRECERTIFICATE_POISON).is_some(),
                    issuer: place,
                    not_before: certificate.not_before(),
                    not_after: certificate.not_after(),
                    sha256: sha256(der),
                    distribution_point: PointTag::of_certificate(&certificate),
                }));
            }
            // Of several keys under one name, one that did not sign says less than one that cannot be
            // asked.
            Err(found) => match defect {
                None | Some(Defect::NotSignedByIssuer) => defect = Some(found),
                Some(_) => {}
            },
        }
    }
    if issuers.own.contains(der) {
        return Ok(Verdict::OwnOfIssuer);
    }
    let serial = serial?;
    let issuer = || name(certificate.issuer_der());
    Err(match defect {
        None => CertificateCause::OtherIssuer {
            serial,
            issuer: issuer(),
            is_one_named: issuers.is_one_named,
        },
        Some(Defect::NotSignedByIssuer) => CertificateCause::NotSigned {
            serial,
            issuer: issuer(),
        },
        Some(defect) => CertificateCause::Unverifiable { serial, defect },
    })
}

/// RFC 5280 §4.1.2.2: positive, at most 20 octets.
fn serial(content: &[u8]) -> Result<SerialNumber, CertificateCause> {
    match content {
        [0] => Err(CertificateCause::SerialZero),
        [0x80..=0xff, ..] => Err(CertificateCause::Serial(SerialNumberError::Negative)),
        content => SerialNumber::from_content(content).map_err(CertificateCause::Serial),
    }
}

fn sha256(der: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (place, octet) in hash.iter_mut().zip(digest(&SHA256, der).as_ref()) {
        *place = *octet;
    }
    hash
}

/// A name for people: RFC 4514, short, and safe on a terminal.
fn name(der: &[u8]) -> String {
    let Ok(name) = RdnSequence::from_der(der) else {
        return "a name that cannot be read".to_owned();
    };
    let text = name.to_string();
    let mut shown: String = text.chars().take(NAME_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    // Debug escapes control characters and leaves all scripts readable.
    format!("{shown:?}")
}

const NAME_CHARS_MAX: usize = 120;

/// RFC 6962 §3.1
const PRECERTIFICATE_POISON: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.3");
