//! What a feed asks of the ledger, and what becomes of it.
//!
//! The words that both share. They stand apart from `ledger`, which is absent where RocksDB is.

mod evidence;
mod refusal;
mod scope;

use crate::{
    asn1::{CrlReason, UnixTime},
    identity::{IssuerId, SerialNumber},
};

pub use evidence::Evidence;
pub use refusal::{REVOCATION_AHEAD_MAX, Refusal};
pub use scope::{CertificateKind, CrlScope, ExpectedScope, ExpectedScopeError, PointTag, ScopeTag};

/// One thing that a source says about one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// Whose certificate.
    pub issuer: IssuerId,
    /// Which certificate.
    pub serial: SerialNumber,
    /// What happened to it.
    pub action: Action,
}

/// What happened to a certificate. `transition` says which status each allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It was issued and, as far as the source knows, is not revoked. Also adds what is still
    /// missing in the inventory of a certificate that is known.
    Issue(Inventory),
    /// It was revoked or put on hold.
    Revoke {
        /// When, why and since when.
        claim: RevocationClaim,
        /// What the source knows of the certificate beside its revocation. `None` from a source
        /// that knows the revocation alone (a CRL), and may know it before the issuance.
        inventory: Option<Inventory>,
    },
    /// Its hold ended.
    Release,
    /// What was said of its final revocation was not right: when, why, or since when its key is suspect.
    /// It stays revoked (BR §7.2.2).
    Correct(RevocationClaim),
}

/// What is known of an issued certificate. All of it may be absent: a serial that was once released
/// from a hold is known to exist, and that is all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Inventory {
    /// notBefore
    pub not_before: Option<UnixTime>,
    /// notAfter. Expiry is no entry of its own; it follows from this.
    pub not_after: Option<UnixTime>,
    /// SHA-256 of the whole certificate's DER.
    pub certificate_sha256: Option<[u8; 32]>,
    /// The first CRL distribution point that it names by a URL.
    pub distribution_point: Option<PointTag>,
}

impl Inventory {
    /// This with what `other` adds; `None` where the two say different things.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Option<Self> {
        Some(Self {
            not_before: merged_field(self.not_before, other.not_before)?,
            not_after: merged_field(self.not_after, other.not_after)?,
            certificate_sha256: merged_field(self.certificate_sha256, other.certificate_sha256)?,
            distribution_point: merged_field(self.distribution_point, other.distribution_point)?,
        })
    }
}

/// The one value that is present, or both when equal; outer `None` when they differ.
fn merged_field<T: Eq>(known: Option<T>, given: Option<T>) -> Option<Option<T>> {
    match (known, given) {
        (Some(known), Some(given)) if known != given => None,
        (known, given) => Some(known.or(given)),
    }
}

/// A revocation as a source claims it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevocationClaim {
    /// revocationTime (OCSP), revocationDate (CRL entry).
    pub revocation_time: UnixTime,
    /// reasonCode; `None` for unspecified.
    pub reason: Option<CrlReason>,
    /// invalidityDate (RFC 5280 §5.3.2): since when the key is suspect.
    pub invalidity_date: Option<UnixTime>,
}

/// Who says it: kept with every entry, for history and audit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    name: String,
    cursor: String,
    crl_scope: Option<ScopeTag>,
}

impl Source {
    /// The longest name, in octets of UTF-8.
    pub const NAME_OCTETS_MAX: usize = 255;
    /// The longest cursor, in octets of UTF-8. It is stored with every entry.
    pub const CURSOR_OCTETS_MAX: usize = 1024;

    /// A source `name` (a feed's name, `cli`) and the place in it that was read (`cursor`: a file's
    /// path, a row's key, a CRL's number; may be empty).
    ///
    /// # Errors
    /// [`SourceTooLong`]; nothing is cut, because evidence that was cut proves little.
    pub fn new(name: impl Into<String>, cursor: impl Into<String>) -> Result<Self, SourceTooLong> {
        let (name, cursor) = (name.into(), cursor.into());
        for (octets, octets_max) in [
            (name.len(), Self::NAME_OCTETS_MAX),
            (cursor.len(), Self::CURSOR_OCTETS_MAX),
        ] {
            if octets > octets_max {
                return Err(SourceTooLong { octets, octets_max });
            }
        }
        Ok(Self {
            name,
            cursor,
            crl_scope: None,
        })
    }

    /// The same as a CRL of this scope. It is kept with every revocation and release that it makes:
    /// only a CRL of the same scope can end what one began by not listing it any more.
    #[must_use]
    pub const fn with_crl_scope(mut self, scope: ScopeTag) -> Self {
        self.crl_scope = Some(scope);
        self
    }

    /// The same without a scope, for entries that speak of no certificate.
    #[must_use]
    pub fn without_crl_scope(self) -> Self {
        Self {
            crl_scope: None,
            ..self
        }
    }

    /// The scope, where the source is a CRL.
    #[must_use]
    pub const fn crl_scope(&self) -> Option<ScopeTag> {
        self.crl_scope
    }

    /// The feed or tool that spoke.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place in it.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// A source's name or cursor does not fit an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a source's name or cursor of {octets} octets; at most {octets_max} fit an entry")]
pub struct SourceTooLong {
    /// Its length.
    pub octets: usize,
    /// The limit.
    pub octets_max: usize,
}

/// What would become of a change if it were committed now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It would be recorded.
    Applies,
    /// The ledger says so already.
    Unchanged,
    /// It contradicts what is known.
    Refused(Refusal),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Recorded as the entry with this sequence number.
    Applied {
        /// The entry's number.
        sequence: u64,
    },
    /// The ledger said so already; no entry was made.
    Unchanged,
    /// It contradicts what is known; no entry was made.
    Refused(Refusal),
}
