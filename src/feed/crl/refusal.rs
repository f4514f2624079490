//! Why a CRL as a whole is refused.

use std::fmt;

use const_oid::ObjectIdentifier;

use crate::{
    asn1::{CrlNumber, UnixTime},
    crl::{CrlError, CrlExtensionsError},
    signer::{Name, SignatureAlgorithmError, SignatureFault},
};

/// Why nothing of a CRL is used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlRefusal {
    /// It cannot be read to its end.
    #[error(transparent)]
    Unreadable(#[from] CrlError),
    /// One of its extensions cannot be read.
    #[error("{0}")]
    Extensions(#[from] CrlExtensionsError),
    /// Signed with an algorithm that is weak or not known.
    #[error("it is signed with {0}: have the CA sign it with another one")]
    Algorithm(#[from] SignatureAlgorithmError),
    /// Of another CA.
    #[error(
        "it was issued by {found}, not by {expected}: names must be the same octet for octet \
         (RFC 5280 §6.3.3 (b)(1); CRLs of other names are indirect, which is not supported)"
    )]
    WrongIssuer {
        /// issuer of the CRL.
        found: Box<Name>,
        /// subject of the issuer's certificate.
        expected: Box<Name>,
    },
    /// A delta.
    #[error(
        "it is a delta CRL, which lists only what changed since the CRL with the number {base} \
         (RFC 5280 §5.2.4): import the full CRL"
    )]
    Delta {
        /// BaseCRLNumber
        base: CrlNumber,
    },
    /// Indirect by its IDP or by an entry.
    #[error(
        "it is an indirect CRL{} (RFC 5280 §5.2.5, §5.3.3), which is not supported: import the CRL \
         of the issuer itself",
        ByEntry(*entry)
    )]
    Indirect {
        /// The entry that names another issuer; `None` where the IDP says so.
        entry: Option<u32>,
    },
    /// Only part of the certificates.
    #[error(
        "it lists {part} alone (issuingDistributionPoint, RFC 5280 §5.2.5): import the full CRL of \
         the issuer"
    )]
    Partial {
        /// Which part.
        part: &'static str,
    },
    /// Of one distribution point among several.
    #[error(
        "it is partitioned: it lists the certificates of the distribution point {} alone \
         (RFC 5280 §5.2.5): import the full CRL of the issuer",
        point.as_deref().unwrap_or("that it names")
    )]
    Partitioned {
        /// The first URI of the distribution point.
        point: Option<String>,
    },
    /// Only some reasons.
    #[error(
        "it lists revocations for some reasons alone (onlySomeReasons, RFC 5280 §5.2.5): import the \
         full CRL of the issuer"
    )]
    SomeReasons,
    /// A critical extension that is not understood.
    #[error(
        "it has the critical extension {oid}, which is not understood: nothing of it may be used \
         (RFC 5280 §5.2)"
    )]
    CriticalExtension {
        /// extnID
        oid: ObjectIdentifier,
    },
    /// The same in an entry.
    #[error(
        "entry {entry} has the critical extension {oid}, which is not understood: nothing of the CRL \
         may be used (RFC 5280 §5.3)"
    )]
    CriticalEntryExtension {
        /// The number of the entry.
        entry: u32,
        /// extnID
        oid: ObjectIdentifier,
    },
    /// Signed by a key that is not configured.
    #[error(
        "its authorityKeyIdentifier names the key {}, which is neither the issuer's nor that of one \
         of its crl_signers (RFC 5280 §5.2.1): if the CA signs its CRLs with a second key of the \
         same name, configure that key's certificate under crl_signers",
        Hex(key_id)
    )]
    UnknownKey {
        /// keyIdentifier
        key_id: Vec<u8>,
    },
    /// Not signed by the key that it should be signed by.
    #[error(
        "{fault}: it was altered, or made by another key (RFC 5280 §6.3.3 (g)). Fetch it again; if \
         the CA signs its CRLs with a second key of the same name, configure that key's certificate \
         under crl_signers"
    )]
    Signature {
        /// What failed for the first key that was tried.
        fault: SignatureFault,
    },
    /// Signed with Ed25519, and too long for it.
    #[error("{fault}")]
    NotVerified {
        /// Why.
        fault: SignatureFault,
    },
    /// The key's certificate does not allow it.
    #[error(
        "the certificate of the key that signed it {}: it may not sign CRLs (RFC 5280 §6.3.3 (f) as \
         changed by RFC 10007 §4). Have the CA issue one with cRLSign",
        if *has_key_usage { "has a keyUsage without cRLSign" } else { "has no keyUsage" }
    )]
    SignerWithoutCrlSign {
        /// Whether it has a keyUsage at all.
        has_key_usage: bool,
    },
    /// From the future.
    #[error(
        "its thisUpdate is {this_update}, and it is {now}: it is not valid yet. Check this host's \
         clock"
    )]
    NotYetValid {
        /// thisUpdate
        this_update: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// It does not say how long it holds.
    #[error(
        "it has no nextUpdate (RFC 5280 §5.1.2.5): nothing tells how long what it says may be \
         answered"
    )]
    NoNextUpdate,
    /// It holds no longer.
    #[error("it expired: its nextUpdate was {next_update}, and it is {now}. Fetch the newest one")]
    Expired {
        /// nextUpdate
        next_update: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// It never held.
    #[error("its nextUpdate {next_update} is not after its thisUpdate {this_update}")]
    EndsBeforeItBegins {
        /// thisUpdate
        this_update: UnixTime,
        /// nextUpdate
        next_update: UnixTime,
    },
    /// A newer one was taken before.
    #[error(
        "it is older than the CRL that was taken before: thisUpdate {this_update} against {known}. \
         Fetch the newest one"
    )]
    OlderThisUpdate {
        /// thisUpdate
        this_update: UnixTime,
        /// That of the CRL before.
        known: UnixTime,
    },
    /// A CRL with a higher number was taken before.
    #[error(
        "its CRLNumber {crl_number} is lower than {known}, that of the CRL that was taken before \
         (RFC 5280 §5.2.3). Fetch the newest one"
    )]
    LowerCrlNumber {
        /// cRLNumber
        crl_number: CrlNumber,
        /// That of the CRL before.
        known: CrlNumber,
    },
    /// Much of the CRL before is gone.
    #[error(
        "it lacks {lost} of the {listed} certificates that the CRL before it listed. If the CA means \
         that, import it with --accept-shrink; what is revoked stays revoked either way"
    )]
    Shrunk {
        /// How many are gone.
        lost: u64,
        /// How many there were.
        listed: u64,
    },
}

/// ` (entry 3)`, or nothing.
struct ByEntry(Option<u32>);

impl fmt::Display for ByEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(entry) => write!(f, " (entry {entry} names the certificate's issuer)"),
            None => Ok(()),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = match self.0.get(..64) {
            Some(shown) => (shown, "…"),
            None => (self.0, ""),
        };
        shown
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02X}"))?;
        f.write_str(more)
    }
}
