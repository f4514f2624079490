//! What a source shows for the freshness of everything that it says.

use crate::asn1::{CrlNumber, UnixTime};

/// How fresh what is known of an issuer is: the newest full CRL taken for it.
///
/// An answer of an issuer that is fed by CRLs alone says no more than such a CRL did: it is never
/// newer than `this_update`, and ends at the latest with `next_update`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate
    pub next_update: UnixTime,
    /// CRLNumber (RFC 5280 §5.2.3), if it has one.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of the whole CRL's DER.
    pub crl_sha256: [u8; 32],
    /// How many certificates it lists: a successor that lists far fewer is not believed at once.
    pub entry_count: u32,
}
