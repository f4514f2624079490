//! What is kept of a certificate.

use super::{At, judge::Issued};
use crate::change::PointTag;
use crate::{
    asn1::UnixTime,
    change::Inventory,
    feed::repetition::Said,
    identity::{IssuerId, SerialNumber},
};

/// One certificate, packed: a million of them are judged before the first is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    serial: SerialNumber,
    /// A precertificate's hash is not its certificate's.
    is_precertificate: bool,
    /// The place of its issuer among those in question.
    issuer: u16,
    at: At,
    not_before: UnixTime,
    not_after: UnixTime,
    sha256: [u8; 32],
    distribution_point: Option<PointTag>,
}

/// A million entries take 96 MB.
const _: () = assert!(size_of::<Entry>() <= 96, "an entry has grown");

impl Entry {
    pub(super) const fn new(at: At, issued: &Issued) -> Self {
        Self {
            serial: issued.serial,
            is_precertificate: issued.is_precertificate,
            issuer: issued.issuer,
            at,
            not_before: issued.not_before,
            not_after: issued.not_after,
            sha256: issued.sha256,
            distribution_point: issued.distribution_point,
        }
    }

    pub(super) const fn at(&self) -> At {
        self.at
    }

    pub(super) fn issuer(&self, issuers: &[IssuerId]) -> IssuerId {
        // Its place was one of theirs when it was judged; no ledger knows the other.
        let known = issuers.get(usize::from(self.issuer));
        known.map_or(const { IssuerId::from_bytes([0; 32]) }, |id| *id)
    }

    pub(super) fn inventory(&self) -> Inventory {
        Inventory {
            not_before: Some(self.not_before),
            not_after: Some(self.not_after),
            certificate_sha256: (!self.is_precertificate).then_some(self.sha256),
            distribution_point: self.distribution_point,
        }
    }
}

impl Said for Entry {
    fn serial(&self) -> SerialNumber {
        self.serial
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
            || (self.is_precertificate != other.is_precertificate
                && self.inventory().merged(&other.inventory()).is_some())
    }

    /// Certificates before precertificates.
    fn rank(&self) -> u8 {
        u8::from(self.is_precertificate)
    }
}
