//! Why a certificate and a key may not sign for an issuer, and what is odd about those that may.

use std::{fmt, path::PathBuf};

use const_oid::ObjectIdentifier;
use der::Decode as _;

use super::{PublicKeyError, SignerError};
use crate::asn1::UnixTime;

/// Why a certificate with its key may not sign for the issuer; each names what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// The issuer's certificate is no CA's.
    #[error(
        "the issuer's certificate is not that of a CA (basicConstraints): was another certificate \
         meant?"
    )]
    IssuerNotCa,
    /// A CA that could speak for its parent's other children (Mozilla Root Store Policy §5.2).
    #[error(
        "the issuer's CA certificate carries the extended key usage OCSPSigning, so it could answer \
         for certificates of the CA above it: no answers are signed for such a CA. It must be \
         replaced"
    )]
    IssuerHasOcspSigning,
    /// The issuer's key cannot verify anything here.
    #[error("the issuer's certificate cannot be used: {reason}")]
    IssuerKey {
        /// What is wrong with the key.
        reason: PublicKeyError,
    },
    /// The certificate's key is of no use here.
    #[error("the certificate cannot be used: {reason}")]
    CertificateKey {
        /// What is wrong with the key.
        reason: PublicKeyError,
    },
    /// Certificate and key are not of one pair.
    #[error(
        "the private key does not belong to this certificate: configure the key that the certificate \
         was issued for"
    )]
    KeyMismatch,
    /// The key signs, but its signatures do not verify.
    #[error("a test signature of the private key does not verify with this certificate's key")]
    SelfTest,
    /// The key cannot sign.
    #[error("a test signature failed: {0}")]
    Signing(#[from] SignerError),
    /// Before notBefore.
    #[error(
        "the certificate is not valid before {not_before}, and it is {now}: wait, or check the clock"
    )]
    NotYetValid {
        /// notBefore.
        not_before: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// At or after notAfter.
    #[error("the certificate expired at {not_after} (it is {now}): have the CA issue a new one")]
    Expired {
        /// notAfter.
        not_after: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// Issued by another CA.
    #[error(
        "the certificate was issued by {found}, not by {expected}: clients accept only one that the \
         CA itself issued (RFC 6960 §4.2.2.2)"
    )]
    WrongIssuer {
        /// The name in the certificate.
        found: Name,
        /// The configured issuer's name.
        expected: Name,
    },
    /// Issued under the CA's name, but not by its key.
    #[error(
        "the certificate carries the CA's name, but this CA's key did not sign it: after a change of \
         the CA's key each key needs a signer of its own (RFC 6960 §4.2.2.2)"
    )]
    NotSignedByIssuer,
    /// Signed with a broken hash.
    #[error(
        "the certificate is signed with {algorithm}, which is refused: have the CA issue a new one"
    )]
    WeakSignature {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// Signed with an algorithm that is not known, or not one of the issuer's key.
    #[error(
        "the certificate is signed with the algorithm {algorithm}, which is not supported with the \
         issuer's key"
    )]
    SignatureAlgorithm {
        /// The OID; 0.0 when it cannot be read.
        algorithm: ObjectIdentifier,
    },
    /// Not for OCSP.
    #[error(
        "the certificate lacks the extended key usage OCSPSigning ({}): no client would accept its \
         answers. Have the CA issue one with it",
        purposes(found)
    )]
    NoOcspSigning {
        /// What it is for.
        found: Vec<ObjectIdentifier>,
    },
    /// A CA may not be a delegate.
    #[error(
        "the certificate is a CA's: a certificate for OCSP signing must not be (Mozilla §5.2). Have \
         the CA issue another one"
    )]
    DelegateIsCa,
    /// keyUsage is there and forbids it.
    #[error(
        "the certificate's keyUsage lacks digitalSignature: no client need accept its answers. Have \
         the CA issue one with it"
    )]
    NoDigitalSignature,
    /// id-pkix-ocsp-nocheck with something else than NULL in it.
    #[error(
        "the certificate's id-pkix-ocsp-nocheck is not NULL (0500): clients may refuse it. Have the \
         CA issue one with `noCheck = ignored` (OpenSSL's way to write it)"
    )]
    NoCheckNotNull,
}

/// What is odd about a signer that may sign all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// No id-pkix-ocsp-nocheck, so clients look for the delegate's own status (BR
    /// §7.1.2.8 requires it).
    #[error(
        "the certificate lacks id-pkix-ocsp-nocheck: clients will ask for its own status, and some \
         will fail. Have the CA issue one with it"
    )]
    NoCheckMissing,
    /// Purposes besides OCSPSigning.
    #[error(
        "the certificate is good for more than OCSPSigning: {}",
        purposes(others)
    )]
    OtherPurposes {
        /// The others.
        others: Vec<ObjectIdentifier>,
    },
    /// No keyUsage at all.
    #[error("the certificate has no keyUsage: it should have one with digitalSignature alone")]
    NoKeyUsage,
    /// More than digitalSignature.
    #[error("the certificate's keyUsage has more than digitalSignature")]
    OtherKeyUsages,
    /// A CA that signs answers itself should say so.
    #[error(
        "the CA signs answers with its own key, but its keyUsage lacks digitalSignature: some clients \
         will refuse them"
    )]
    CaWithoutDigitalSignature,
    /// The issuer itself expired; its certificates' status can still be told.
    #[error("the issuer's certificate expired at {not_after}")]
    IssuerExpired {
        /// Its notAfter.
        not_after: UnixTime,
    },
    /// Two thirds of the certificate's life are over.
    #[error(
        "the certificate expires at {not_after}, and no answer may outlive it: have a new one issued"
    )]
    RenewalDue {
        /// notAfter.
        not_after: UnixTime,
    },
    /// Others than the owner may read the key or its passphrase.
    #[error(
        "{} may be read or written by others than its owner: chmod 600 {0}",
        path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase for a key that is not encrypted.
    #[error("a passphrase is configured, but the key in {} is not encrypted", path.display())]
    PassphraseNotNeeded {
        /// The key's file.
        path: PathBuf,
    },
}

/// A distinguished name, shown as RFC 4514 writes it.
#[derive(Clone, Eq, PartialEq)]
pub struct Name(Vec<u8>);

impl Name {
    /// The Name with these octets.
    #[must_use]
    pub fn new(der: &[u8]) -> Self {
        Self(der.to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match x509_cert::name::Name::from_der(&self.0) {
            Ok(name) => write!(f, "\"{name}\""),
            Err(_) => self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

fn purposes(oids: &[ObjectIdentifier]) -> String {
    if oids.is_empty() {
        return "it has none".to_owned();
    }
    let names = oids.iter().map(|oid| {
        let name = const_oid::db::DB.by_oid(oid);
        name.map_or_else(|| oid.to_string(), str::to_owned)
    });
    names.collect::<Vec<_>>().join(", ")
}
