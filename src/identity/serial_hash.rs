//! Where a serial lives: its shard, and its place in a segment's index.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::IssuerId;

/// SipHash-1-3 of a serial's content octets, keyed by the first 16 octets of its issuer's id.
///
/// The high bits choose the shard and the low bits the index bucket, so the two are independent. It
/// spreads serials; it is no secret: only the CA chooses which serials exist, and a requester who
/// knows the hash can ask but not insert.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SerialHash(u64);

impl SerialHash {
    /// Hashes serialNumber content octets of any length, also those too long to be a serial.
    #[must_use]
    pub fn new(issuer: &IssuerId, serial_content: &[u8]) -> Self {
        let mut key = [0; 16];
        for (octet, source) in key.iter_mut().zip(issuer.as_bytes()) {
            *octet = *source;
        }
        let mut hasher = SipHasher13::new_with_key(&key);
        hasher.write(serial_content);
        Self(hasher.finish())
    }

    /// The 64 bits.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Where the ledger keeps the serial among those of its issuer: the 32 highest bits.
    #[must_use]
    pub const fn order(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Which of 2^`depth` shards the serial belongs to: the `depth` highest bits, 0 to 32 of them.
    #[must_use]
    pub const fn shard(self, depth: u32) -> u64 {
        match self.0.checked_shr(64_u32.saturating_sub(depth)) {
            Some(shard) => shard,
            None => 0,
        }
    }
}
