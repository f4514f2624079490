//! The column families and their keys. All integers are big-endian, so that keys sort as what they
//! mean.
//!
//! ```text
//! entries   sequence u64                                     → canonical entry (`entry`)
//! status    issuer number u32 ‖ serial hash, high u32 ‖ serial content octets
//!                                                            → status value (`record`)
//! revoked   the certificate's key in `status`                → revoked value (`record`)
//! issuers   issuer number u32                                → its canonical entry (`entry`)
//! tree      level of tiles u8 ‖ index u64                    → hash (`log`)
//! pushes    what was answered to a push                      → see `idempotency`
//! checkpoints   how many entries u64                       → recorded time u64, signed note (`checkpoints`)
//! meta      "format"                                         → u32, format version
//!           "last_sequence"                                  → u64, number of the last entry
//!           "writes"                                         → u64, number of the last batch
//!           "frontier"                                       → the log's edge (`log`)
//!           "epoch" ‖ number u32                             → where it begins (`log`)
//!           "signing_high_water"                             → u64, seconds since 1970
//!           "count" ‖ issuer number u32                      → u64 known, u64 revoked certificates
//!           "evidence" ‖ issuer number u32 ‖ scope's tag      → canonical entry of the newest evidence of
//!                                                              that scope; no tag for a full CRL's
//!           "crl at" ‖ issuer number u32 ‖ recorded ms u64 ‖ sequence u64
//!                                                            → nothing: that entry is evidence
//!           "crl made" ‖ issuer number u32 ‖ sequence        → what is remembered of our CRLs (`crl_state`)
//!           "issuer revoked" ‖ issuer number u32             → revoked value (`record`) of the entry
//!                                                              that revoked all its certificates
//! ```
//!
//! The format is 4. `status`, `revoked` and "count" hold what is true of certificates by themselves;
//! what was said of their issuer as a whole is applied to whatever is read.
//!
//! A shard of any depth up to 32 is one contiguous range of `status`, and spreads over the whole of it
//! evenly. `revoked` has the same order, though CRLs are often sorted by serial number: whatever is written
//! to both in that order is written in sequence, which costs a third, and a CRL may have any order.

use super::crl_state::CrlSequence;
use crate::change::ScopeTag;
use crate::identity::{IssuerId, SerialHash, SerialNumber};

pub(super) const ENTRIES: &str = "entries";
pub(super) const STATUS: &str = "status";
pub(super) const REVOKED: &str = "revoked";
pub(super) const ISSUERS: &str = "issuers";
pub(super) const TREE: &str = "tree";
pub(super) const PUSHES: &str = "pushes";
pub(super) const CHECKPOINTS: &str = "checkpoints";
pub(super) const META: &str = "meta";

pub(super) const FORMAT: &[u8] = b"format";
pub(super) const LAST_SEQUENCE: &[u8] = b"last_sequence";
pub(super) const WRITES: &[u8] = b"writes";
pub(super) const FRONTIER: &[u8] = b"frontier";
pub(super) const SIGNING_HIGH_WATER: &[u8] = b"signing_high_water";
pub(super) const COUNT: &[u8] = b"count";
pub(super) const EVIDENCE: &[u8] = b"evidence";
const CRL_MADE: &[u8] = b"crl made";
pub(super) const EVIDENCE_AT: &[u8] = b"crl at";
/// What the keys of epochs begin with.
pub(super) const EPOCH: &[u8] = b"epoch";
/// What the keys of issuers that were revoked as a whole begin with.
pub(super) const ISSUER_WIDE: &[u8] = b"issuer revoked";

/// The format that this program writes and reads: no older one.
pub(super) const FORMAT_VERSION: u32 = 4;

/// A key built on the stack: at most 28 octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    octets: [u8; Self::OCTETS_MAX],
    len: usize,
}

impl Key {
    const OCTETS_MAX: usize = 4 + 4 + SerialNumber::OCTETS_MAX;

    fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut key = Self {
            octets: [0; Self::OCTETS_MAX],
            len: 0,
        };
        for part in parts {
            let end = key.len.saturating_add(part.len());
            // Every caller's parts fit: 4 + 4 + 20 at most.
            if let Some(place) = key.octets.get_mut(key.len..end) {
                place.copy_from_slice(part);
                key.len = end;
            }
        }
        key
    }
}

/// A sequence number, as `entries` is keyed.
impl From<u64> for Key {
    fn from(sequence: u64) -> Self {
        Self::new([&sequence.to_be_bytes()[..]])
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// The 32 bits of a serial's hash that order `status`.
pub(super) fn hash_prefix(issuer: &IssuerId, serial: &SerialNumber) -> u32 {
    SerialHash::new(issuer, serial.as_bytes()).order()
}

pub(super) fn status(issuer_number: u32, hash_prefix: u32, serial: &SerialNumber) -> Key {
    Key::new([
        &issuer_number.to_be_bytes()[..],
        &hash_prefix.to_be_bytes(),
        serial.as_bytes(),
    ])
}

/// The serial in a key of `status` or `revoked`.
pub(super) fn status_serial(key: &[u8]) -> Option<SerialNumber> {
    let (_, serial) = key.split_at_checked(8)?;
    SerialNumber::from_content(serial).ok()
}

pub(super) fn count(issuer_number: u32) -> Key {
    Key::new([COUNT, &issuer_number.to_be_bytes()])
}

pub(super) fn evidence(issuer_number: u32, scope: ScopeTag) -> Key {
    Key::new([EVIDENCE, &issuer_number.to_be_bytes(), scope.as_bytes()])
}

/// What the keys of all evidence of an issuer begin with.
pub(super) fn evidence_prefix(issuer_number: u32) -> Key {
    Key::new([EVIDENCE, &issuer_number.to_be_bytes()])
}

pub(super) fn crl(issuer_number: u32, sequence: CrlSequence) -> Key {
    Key::new([CRL_MADE, &issuer_number.to_be_bytes(), &sequence.key()])
}

/// The row that finds evidence by the time at which it was recorded.
pub(super) fn evidence_at(issuer_number: u32, recorded_ms: u64, sequence: u64) -> Key {
    Key::new([
        EVIDENCE_AT,
        &issuer_number.to_be_bytes(),
        &recorded_ms.to_be_bytes(),
        &sequence.to_be_bytes(),
    ])
}

/// The sequence in such a key of this issuer; `None` for another key.
pub(super) fn evidence_at_sequence(issuer_number: u32, key: &[u8]) -> Option<u64> {
    let rest = key.strip_prefix(EVIDENCE_AT)?;
    let rest = rest.strip_prefix(&issuer_number.to_be_bytes())?;
    let (_, sequence) = rest.split_first_chunk::<8>()?;
    sequence.try_into().ok().map(u64::from_be_bytes)
}

/// The row of an epoch.
pub(super) fn epoch(number: u32) -> Key {
    Key::new([EPOCH, &number.to_be_bytes()])
}

/// The epoch's number in such a key; `None` for another key.
pub(super) fn epoch_number(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(EPOCH)?;
    number.try_into().ok().map(u32::from_be_bytes)
}

/// The row of an issuer that was revoked as a whole.
pub(super) fn issuer_wide(issuer_number: u32) -> Key {
    Key::new([ISSUER_WIDE, &issuer_number.to_be_bytes()])
}

/// The issuer's number in such a key; `None` for another key.
pub(super) fn issuer_wide_number(key: &[u8]) -> Option<u32> {
    let number = key.strip_prefix(ISSUER_WIDE)?;
    number.try_into().ok().map(u32::from_be_bytes)
}

/// Where the keys of one issuer begin, and where those of the next do.
pub(super) fn issuer_range(issuer_number: u32) -> (Key, Option<Key>) {
    let next = issuer_number.checked_add(1);
    (prefix(issuer_number), next.map(prefix))
}

/// Where the keys of one shard of one issuer begin and end: the `shard`-th of 2^`depth`.
///
/// `None` when there is no such shard.
pub(super) fn shard_range(issuer_number: u32, depth: u8, shard: u32) -> Option<(Key, Option<Key>)> {
    let width = 32_u32.checked_sub(u32::from(depth))?;
    let first = u64::from(shard).checked_shl(width)?;
    let end = u64::from(shard).checked_add(1)?.checked_shl(width)?;
    let start = Key::new([
        &issuer_number.to_be_bytes()[..],
        &u32::try_from(first).ok()?.to_be_bytes(),
    ]);
    let end = match u32::try_from(end) {
        Ok(end) => Some(Key::new([
            &issuer_number.to_be_bytes()[..],
            &end.to_be_bytes(),
        ])),
        // One past the last shard is the next issuer.
        Err(_) if end == 1 << 32 => issuer_number.checked_add(1).map(prefix),
        Err(_) => return None,
    };
    Some((start, end))
}

fn prefix(issuer_number: u32) -> Key {
    Key::new([&issuer_number.to_be_bytes()[..]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_meet_without_gap_or_overlap() {
        for depth in [0, 1, 5] {
            let mut last = Some(prefix(7));
            for shard in 0..1 << depth {
                let (start, end) = shard_range(7, depth, shard).unwrap();
                let reached = last.unwrap();
                assert!(reached.as_ref() <= start.as_ref());
                // Equal, or the issuer's bare prefix, after which the all-zero hash comes first.
                assert!(reached == start || (shard == 0 && reached == prefix(7)));
                last = end;
            }
            assert_eq!(last, Some(prefix(8)));
            assert_eq!(shard_range(7, depth, 1 << depth), None);
        }
        assert!(shard_range(7, 32, u32::MAX).is_some());
        assert_eq!(shard_range(7, 33, 0), None);
        assert_eq!(shard_range(u32::MAX, 0, 0).unwrap().1, None);
    }
}
