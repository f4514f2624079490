//! What is known of one certificate now, and the values that the column families `status` and
//! `revoked` hold.
//!
//! Both are derived from the entries and never leave this host, so their form may change with the
//! ledger's format version. Big-endian; times are seconds in 5 octets, recorded times milliseconds in
//! 6. Checksums are RocksDB's, one a block.
//!
//! ```text
//! status    1  flags: 0x01 issued, 0x02 notBefore, 0x04 notAfter, 0x08 certificate SHA-256,
//!              0x10 revoked, 0x20 invalidityDate, 0x40 released, 0x80 more flags
//!           1  more flags: 0x01 by a CRL, 0x02 distribution point    if flagged
//!           8  sequence of the certificate's latest entry
//!           6  that entry's recorded time
//!           5  notBefore                   if flagged
//!           5  notAfter                    if flagged
//!          32  certificate SHA-256         if flagged
//!           8  distribution point's tag    if flagged
//!           5  revocation time as claimed  if revoked
//!           1  reason, 0 for none          if revoked
//!           6  recorded time               if revoked
//!           5  invalidityDate              if flagged
//!         1+n  the CRL's scope             if flagged: length 0 or 8, then its tag
//!
//! revoked   a status value whose flags lack 0x01, 0x02, 0x08 and have 0x10: what a CRL entry needs,
//!           so that a CRL is made from one sequential scan
//! ```
//!
//! A reader refuses more flags that are none or unknown, a CRL's scope where there is neither a revocation nor the end of a hold, a tag of
//! another length, a time past 9999, an unknown reason and octets left over.

use crate::{
    asn1::{CrlReason, UnixTime},
    change::{Inventory, PointTag, RevocationClaim, ScopeTag},
    identity::SerialNumber,
    octets::Octets,
};

/// What the ledger knows of one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusRecord {
    /// Number of the latest entry that the status follows from: the certificate's own, or that which
    /// revoked its issuer as a whole.
    pub sequence: u64,
    /// When that entry was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// What is known of the certificate; `None` while only its revocation is.
    pub issued: Option<Inventory>,
    /// Its revocation; `None` when it is good.
    pub revocation: Option<Revocation>,
    /// Whether the latest that happened to its revocation is the end of a hold.
    pub released: bool,
    /// Of which scope the CRL is that made its revocation, or ended it; `None` where no CRL did.
    pub crl_scope: Option<ScopeTag>,
}

/// A revocation as recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// What the source claimed.
    pub claim: RevocationClaim,
    /// When the ledger recorded it, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The number of the entry that revoked all certificates of the issuer, where it is that and not
    /// the certificate's own revocation. In no row: it follows from the issuer's.
    pub by_issuer: Option<u64>,
}

impl Revocation {
    /// The revocation time that answers and CRLs carry: as claimed, but never after the moment it
    /// was recorded, for a source whose clock is ahead of ours by less than what is refused.
    #[must_use]
    pub fn signing_time(&self) -> UnixTime {
        let recorded = UnixTime::from_secs(self.recorded_ms / 1_000).unwrap_or(UnixTime::MAX);
        self.claim.revocation_time.min(recorded)
    }

    /// Whether it is a hold, the one kind that can end.
    #[must_use]
    pub fn is_hold(&self) -> bool {
        self.claim.reason == Some(CrlReason::CertificateHold)
    }
}

/// A revoked certificate as a CRL sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevokedRecord {
    /// Which certificate.
    pub serial: SerialNumber,
    /// Number of the certificate's latest entry.
    pub sequence: u64,
    /// When that entry was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// Its revocation.
    pub revocation: Revocation,
    /// notAfter, if known: after it the certificate may leave the CRL.
    pub not_after: Option<UnixTime>,
    /// Of which scope the CRL is that made its revocation; `None` where no CRL did.
    pub crl_scope: Option<ScopeTag>,
    /// The distribution point that it names, if known.
    pub distribution_point: Option<PointTag>,
}

const ISSUED: u8 = 0x01;
const NOT_BEFORE: u8 = 0x02;
const NOT_AFTER: u8 = 0x04;
const CERTIFICATE_SHA256: u8 = 0x08;
const REVOKED: u8 = 0x10;
const INVALIDITY_DATE: u8 = 0x20;
const RELEASED: u8 = 0x40;
const MORE: u8 = 0x80;
const INVENTORY: u8 = NOT_BEFORE | NOT_AFTER | CERTIFICATE_SHA256;
// Of the second octet.
const CRL: u8 = 0x01;
const DISTRIBUTION_POINT: u8 = 0x02;
/// A certificate without either would have no reason to be in the ledger.
const STANDING: u8 = ISSUED | REVOKED;
/// What a value of `revoked` never has.
const REVOKED_UNUSED: u8 = ISSUED | NOT_BEFORE | CERTIFICATE_SHA256 | RELEASED;

impl StatusRecord {
    /// When the certificate ends, where that is known.
    #[must_use]
    pub fn not_after(&self) -> Option<UnixTime> {
        self.issued?.not_after
    }

    /// Appends the value of the column family `status`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let inventory = self.issued.unwrap_or_default();
        let issued = flag(self.issued.is_some(), ISSUED);
        let released = flag(self.released, RELEASED);
        self.put(issued | released, &inventory, out);
    }

    /// Appends the value of the column family `revoked`.
    pub(super) fn encode_revoked(&self, out: &mut Vec<u8>) {
        let issued = self.issued.unwrap_or_default();
        let inventory = Inventory {
            not_after: issued.not_after,
            distribution_point: issued.distribution_point,
            ..Inventory::default()
        };
        self.put(0, &inventory, out);
    }

    fn put(&self, more_flags: u8, inventory: &Inventory, out: &mut Vec<u8>) {
        let invalidity_date = self.revocation.and_then(|r| r.claim.invalidity_date);
        let more = flag(self.crl_scope.is_some(), CRL)
            | flag(inventory.distribution_point.is_some(), DISTRIBUTION_POINT);
        out.push(
            more_flags
                | flag(inventory.not_before.is_some(), NOT_BEFORE)
                | flag(inventory.not_after.is_some(), NOT_AFTER)
                | flag(inventory.certificate_sha256.is_some(), CERTIFICATE_SHA256)
                | flag(self.revocation.is_some(), REVOKED)
                | flag(invalidity_date.is_some(), INVALIDITY_DATE)
                | flag(more != 0, MORE),
        );
        if more != 0 {
            out.push(more);
        }
        out.extend_from_slice(&self.sequence.to_be_bytes());
        put_millis(out, self.recorded_ms);
        for time in [inventory.not_before, inventory.not_after]
            .into_iter()
            .flatten()
        {
            put_time(out, time);
        }
        out.extend_from_slice(inventory.certificate_sha256.as_ref().map_or(&[], |s| s));
        if let Some(point) = &inventory.distribution_point {
            out.extend_from_slice(point.as_bytes());
        }
        if let Some(revocation) = self.revocation {
            put_time(out, revocation.claim.revocation_time);
            out.push(revocation.claim.reason.map_or(0, CrlReason::code));
            put_millis(out, revocation.recorded_ms);
        }
        if let Some(time) = invalidity_date {
            put_time(out, time);
        }
        if let Some(scope) = self.crl_scope {
            let tag = scope.as_bytes();
            out.push(u8::try_from(tag.len()).unwrap_or_default());
            out.extend_from_slice(tag);
        }
    }

    /// Reads a value of the column family `status`.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let flags = value.first()?;
        if flags & STANDING == 0 {
            return None;
        }
        let is_issued = flags & ISSUED != 0;
        // What is known of a certificate is known from its issuance.
        Self::parse(value).filter(|record| record.issued.is_some() == is_issued)
    }

    /// Reads a value of the column family `revoked`.
    pub(super) fn decode_revoked(value: &[u8]) -> Option<Self> {
        match value.first()? & REVOKED_UNUSED {
            0 => Self::parse(value),
            _ => None,
        }
    }

    /// Reads a value of either column family; an inventory field alone implies an inventory.
    fn parse(value: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(value);
        let flags = octets.u8()?;
        let has = |flag| flags & flag != 0;
        let contradicts = if has(REVOKED) {
            has(RELEASED)
        } else {
            has(INVALIDITY_DATE)
        };
        let more = match has(MORE) {
            false => 0,
            true => octets.u8().filter(|more| *more != 0)?,
        };
        let has_more = |flag| more & flag != 0;
        let by_nothing = has_more(CRL) && !has(REVOKED | RELEASED);
        if by_nothing || contradicts || more & !(CRL | DISTRIBUTION_POINT) != 0 {
            return None;
        }
        let sequence = octets.u64()?;
        let recorded_ms = millis(&mut octets)?;
        let inventory = Inventory {
            not_before: optional(has(NOT_BEFORE), || time(&mut octets))?,
            not_after: optional(has(NOT_AFTER), || time(&mut octets))?,
            certificate_sha256: optional(has(CERTIFICATE_SHA256), || octets.array())?,
            distribution_point: optional(has_more(DISTRIBUTION_POINT), || {
                octets.array().map(PointTag::from_bytes)
            })?,
        };
        let revocation = optional(has(REVOKED), || {
            let revocation_time = time(&mut octets)?;
            let reason = match octets.u8()? {
                0 => None,
                code => Some(CrlReason::from_code(code)?),
            };
            let recorded_ms = millis(&mut octets)?;
            let invalidity_date = optional(has(INVALIDITY_DATE), || time(&mut octets))?;
            let claim = RevocationClaim {
                revocation_time,
                reason,
                invalidity_date,
            };
            Some(Revocation {
                claim,
                recorded_ms,
                by_issuer: None,
            })
        })?;
        let crl_scope = optional(has_more(CRL), || ScopeTag::from_bytes(octets.counted_u8()?))?;
        octets.is_empty().then_some(Self {
            sequence,
            recorded_ms,
            issued: (has(ISSUED | INVENTORY) || has_more(DISTRIBUTION_POINT)).then_some(inventory),
            revocation,
            released: has(RELEASED),
            crl_scope,
        })
    }
}

impl RevokedRecord {
    /// Reads a value of the column family `revoked`.
    pub(super) fn decode(serial: SerialNumber, value: &[u8]) -> Option<Self> {
        let record = StatusRecord::decode_revoked(value)?;
        Some(Self {
            serial,
            sequence: record.sequence,
            recorded_ms: record.recorded_ms,
            revocation: record.revocation?,
            not_after: record.issued.and_then(|inventory| inventory.not_after),
            crl_scope: record.crl_scope,
            distribution_point: record
                .issued
                .and_then(|inventory| inventory.distribution_point),
        })
    }
}

const fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// The value if it is there to be read; outer `None` when it is and cannot be.
fn optional<T>(present: bool, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if present {
        read().map(Some)
    } else {
        Some(None)
    }
}

/// The five low octets of a time: 9999 needs 38 bits.
pub(super) fn put_time(out: &mut Vec<u8>, time: UnixTime) {
    let [_, _, _, octets @ ..] = time.as_secs().to_be_bytes();
    out.extend_from_slice(&octets);
}

fn time(octets: &mut Octets<'_>) -> Option<UnixTime> {
    octets.u40().and_then(UnixTime::from_secs)
}

/// Six octets, for a time that is at most [`MILLIS_MAX`].
fn put_millis(out: &mut Vec<u8>, millis: u64) {
    let [_, _, octets @ ..] = millis.to_be_bytes();
    out.extend_from_slice(&octets);
}

fn millis(octets: &mut Octets<'_>) -> Option<u64> {
    let [a, b, c, d, e, f] = octets.array()?;
    let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    (millis <= MILLIS_MAX).then_some(millis)
}

/// The largest recorded time: the last millisecond of [`UnixTime::MAX`], 48 bits.
pub(super) const MILLIS_MAX: u64 = UnixTime::MAX.as_secs() * 1_000 + 999;
