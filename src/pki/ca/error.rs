//! Why there is no certificate.

use crate::signer::{PublicKeyError, SignerError};

use super::{ProfileError, RegisterError, SubjectKeyError, Validity, ValidityError};
use crate::asn1::UrlError;

/// Why a CA cannot be used, or a certificate was not issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// basicConstraints does not say cA.
    #[error("the certificate is not that of a CA (basicConstraints)")]
    NotCa,
    /// keyUsage without keyCertSign.
    #[error(
        "the CA's keyUsage lacks keyCertSign: it may not issue certificates (RFC 5280 §4.2.1.3)"
    )]
    MayNotSign,
    /// A CA that could answer for its siblings.
    #[error(
        "the CA's certificate has the extended key usage OCSPSigning, which a CA must not have \
         (Mozilla §5.2): nothing is issued with it"
    )]
    CaWithOcspSigning,
    /// Key and certificate are not of one pair.
    #[error("the private key does not belong to the CA's certificate")]
    KeyMismatch,
    /// The CA's own key is of no use.
    #[error("the CA's key cannot be used: {0}")]
    CaKey(#[source] SubjectKeyError),
    /// A key that certificates are not issued for.
    #[error("no certificate is issued for this key: {0}")]
    SubjectKey(#[from] SubjectKeyError),
    /// A URL that cannot stand in a certificate.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nowhere to ask for the status.
    #[error(
        "no OCSP URL is configured for this CA: nobody could ask for the certificate's status. Set \
         ocsp_urls in its [issuer.ca]"
    )]
    NoOcspUrl,
    /// Names that do not fit the profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Not within the CA's own.
    #[error(
        "the validity from {} to {} does not lie within the CA's own, from {} to {}: no certificate may \
         outlive its CA", asked.not_before, asked.not_after, ca.not_before, ca.not_after
    )]
    OutsideOfCa {
        /// What was asked for.
        asked: Validity,
        /// The CA's.
        ca: Validity,
    },
    /// notAfter before notBefore.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// pathLenConstraint leaves no room.
    #[error("{}", path_len(*ca, *asked))]
    PathLen {
        /// The CA's.
        ca: u8,
        /// What was asked for.
        asked: Option<u8>,
    },
    /// A root is not issued by another CA.
    #[error("a root signs itself: ask for an intermediate CA")]
    RootProfile,
    /// A subject with the CA's own name: the certificate would look self-signed.
    #[error("the subject has the same name as the CA: give it one of its own")]
    SameName,
    /// No serial number could be recorded.
    #[error("no serial number could be recorded, so nothing was signed: {0}")]
    Register(#[source] RegisterError),
    /// The certificates are signed, but their digests could not be recorded.
    #[error("the serial numbers are recorded, but not the digests of the certificates: {0}")]
    RegisterDigest(#[source] RegisterError),
    /// The key could not sign.
    #[error("signing failed: {0}")]
    Signing(#[from] SignerError),
    /// What was signed is not what should have been.
    #[error("the certificate that was just signed is not handed out: {0}")]
    Breach(#[from] Breach),
    /// No randomness for a serial number.
    #[error("the cryptographic library has no random numbers")]
    Random,
}

impl From<PublicKeyError> for CaError {
    fn from(error: PublicKeyError) -> Self {
        Self::SubjectKey(error.into())
    }
}

fn path_len(ca: u8, asked: Option<u8>) -> String {
    let Some(most) = ca.checked_sub(1) else {
        return "the CA's pathLenConstraint is 0: it issues to end entities alone, and no CA can stand \
                below it"
            .to_owned();
    };
    let asked = asked.map_or_else(|| "none".to_owned(), |asked| asked.to_string());
    format!(
        "the CA's pathLenConstraint is {ca}: that of a CA below it is {most} at most, and {asked} was asked for"
    )
}

/// What is wrong with a finished certificate. Damage, or a mistake of this program: never the fault of
/// who asked for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// It cannot be read again.
    #[error("it cannot be read")]
    Unreadable,
    /// Its signature does not verify.
    #[error("its signature does not verify with the CA's key")]
    Signature,
    /// A part of it is not what was planned.
    #[error("its {part} is not what was planned")]
    Differs {
        /// The part.
        part: &'static str,
    },
    /// A CA that could answer for its siblings (Mozilla §5.2).
    #[error("it is a CA's with the extended key usage OCSPSigning")]
    CaWithOcspSigning,
    /// noRevAvail beside a way to ask for the status (RFC 9608 §2).
    #[error("it has noRevAvail beside cA or a way to ask for its status")]
    NoRevAvail,
    /// An extension that has to be critical, or must not be.
    #[error("its {extension} has the wrong criticality")]
    Criticality {
        /// The extension.
        extension: &'static str,
    },
}
