//! What a source shows for the freshness of everything that it says.

use crate::asn1::{CrlNumber, UnixTime};

use super::CrlScope;

/// How fresh what is known of an issuer is, as far as one scope of its CRLs goes: the newest CRL taken
/// for it.
///
/// An answer of an issuer that is fed by CRLs alone says no more than such CRLs did: it is never
/// newer than `this_update`, and ends at the latest with `next_update`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// What it lists.
    pub scope: CrlScope,
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate
    pub next_update: UnixTime,
    /// CRLNumber (RFC 5280 §5.2.3), if it has one.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of the whole CRL's DER.
    pub crl_sha256: [u8; 32],
    /// How many certificates are listed, by the CRL or by it and those that it adds to: a successor
    /// that lists far fewer is not believed at once.
    pub entry_count: u32,
    /// Of a delta (RFC 5280 §5.2.4): SHA-256 of the complete CRL's DER that it and the deltas before it
    /// were added to. `None` for a complete CRL.
    pub complete_sha256: Option<[u8; 32]>,
}

impl Evidence {
    /// Whether it would lead backwards to take this after `known`: a lower number or an earlier time,
    /// or no number where there was one, which would leave nothing to compare the next one's with. Of
    /// the same number and time, whichever comes last is taken, for a CA that signs one CRL a second
    /// time.
    #[must_use]
    pub fn is_older_than(&self, known: &Self) -> bool {
        let lower = match (&self.crl_number, &known.crl_number) {
            (Some(given), Some(known)) => given < known,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        lower || self.this_update < known.this_update
    }
}
