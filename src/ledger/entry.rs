//! Entries: what was recorded, when, by whose word; one canonical byte string each.
//!
//! The entries are the truth of the ledger, and everything else in it follows from them. There is
//! exactly one way to write an entry, so that entries can be hashed, chained and proved, and read by
//! others without this program. Integers are big-endian; recorded times are milliseconds since 1970 in
//! 8 octets, all other times seconds since 1970 in 5; texts are UTF-8.
//!
//! ```text
//! every entry
//!      1  version = 1
//!      1  kind: 1 issuer defined, 2 issued, 3 revoked, 4 released, 5 clock accepted,
//!         6 evidence
//!         7 issuer revoked, 8 epoch opened, 9 corrected
//!      8  sequence, from 1, rising by 1 but for the first of an epoch
//!      8  recorded time
//!    1+n  source: length, then text
//!    2+n  cursor: length, then text
//!
//! issuer defined (1), then
//!      4  issuer number, from 1: what the entries below call this issuer
//!    1+n  label: length, then text
//!    4+n  subject: length, then the DER Name of the issuer's certificate
//!    4+n  key: length, then its DER SubjectPublicKeyInfo
//!
//! issued (2), revoked (3), released (4), corrected (9), then
//!      4  issuer number
//!      8  sequence of this certificate's entry before this one, 0 for none
//!    1+n  serialNumber: length 1 to 20, then content octets
//!      1  flags: 0x01 notBefore, 0x02 notAfter, 0x04 certificate SHA-256 (2 and 3);
//!         0x08 an inventory was given (3), 0x10 invalidityDate (3 and 9), 0x20 a CRL says so (3 and 4),
//!         0x40 distribution point (2 and 3)
//!      5  notBefore             if flagged
//!      5  notAfter              if flagged
//!     32  certificate SHA-256   if flagged
//!      8  distribution point's tag   if flagged
//!      5  revocationTime        (3 and 9), as claimed
//!      1  reasonCode            (3 and 9), 0 for none, in 9 never 6 (certificateHold)
//!      5  invalidityDate        if flagged
//!    1+n  the CRL's scope       if flagged: length 0 for a full CRL's, or 8, then its tag
//!
//! clock accepted (5), then
//!      5  the time that the operator confirmed
//!
//! evidence (6): the newest CRL taken for an issuer and a scope of its CRLs, then
//!      4  issuer number
//!      1  flags: 0x01 onlyContainsUserCerts, 0x02 onlyContainsCACerts, 0x04 a distribution point,
//!         0x08 a delta, 0x10 some reasons alone
//!    2+n  the distribution point's name: length, then text   if flagged
//!      2  onlySomeReasons: bits 1 to 8 from the left, neither none nor all   if flagged
//!      5  thisUpdate
//!      5  nextUpdate
//!    1+n  CRLNumber: length 0 for none, to 20, then content octets
//!     32  SHA-256 of the CRL's DER
//!     32  SHA-256 of the DER of the complete CRL that it adds to   if a delta
//!      4  how many certificates are listed, by all of them
//!
//! issuer revoked (7), then
//!      4  issuer number
//!      1  flags: 0x10 invalidityDate
//!      5  revocationTime, as claimed
//!      1  reasonCode, 0 for none, never 6 (certificateHold)
//!      5  invalidityDate        if flagged
//!
//! epoch opened (8): a backup was restored, and the numbers go on above all that may have been used
//!      4  epoch, from 2
//!      8  last sequence of the backup, which this continues
//!      8  leaves of the log then
//!     32  its root hash then
//!      8  floor: no number up to it is given again. This entry's own is floor + 1
//!      8  sequence of the entry that the catalog's answers spoke for (`ledger.lineage`), 0 for none
//!     32  SHA-256 of that entry's octets, zeros for none
//!    2+n  why the floor is what it is: length, then text
//! ```
//!
//! A reader refuses another version or kind (a newer program wrote it), a length that reaches past the
//! end, octets left over, unknown flags, an epoch before 2, a floor that is not one below the entry's own
//! number or lies below a number it names, a notBefore, notAfter or hash of a revocation without flag
//! 0x08, a sequence of 0, an issuer number of 0, a previous sequence that is not smaller than its own,
//! a serial number or CRLNumber that is not minimal, a negative CRLNumber, a delta without a CRLNumber,
//! both onlyContains flags, a reason that does not exist, a hold of a whole issuer, a scope's tag of
//! another length, a time past 9999, and text that is not UTF-8.

use crate::change::PointTag;
use crate::crl::ReasonFlags;
use crate::{
    asn1::{CrlNumber, CrlNumberError, CrlReason, UnixTime},
    change::{CertificateKind, CrlScope, Evidence, Inventory, RevocationClaim, ScopeTag, Source},
    identity::{IssuerId, SerialNumber, SerialNumberError},
    octets::Octets,
};

use super::epoch::EpochOpened;
use super::record::{MILLIS_MAX, put_time};

/// One entry of the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its number: the first is 1, and each is one more than that before it.
    pub sequence: u64,
    /// When it was recorded, in milliseconds since 1970 by this host's clock.
    pub recorded_ms: u64,
    /// Who said so.
    pub source: Source,
    /// What was said.
    pub kind: EntryKind,
}

/// What an entry says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// From now on, entries call this issuer by this number.
    IssuerDefined {
        /// The number, from 1.
        number: u32,
        /// Who it is.
        issuer: IssuerIdentity,
    },
    /// Something was said about a certificate, and it changed what is known of it.
    Certificate(CertificateEntry),
    /// The operator confirmed the clock after it had jumped; signing may go on from there.
    ClockAccepted {
        /// The confirmed time.
        time: UnixTime,
    },
    /// A newer CRL was taken for an issuer: what the ledger has of its scope is as fresh as that.
    Evidence {
        /// The issuer's number.
        issuer_number: u32,
        /// What the CRL says of its freshness.
        evidence: Evidence,
    },
    /// All certificates of an issuer are revoked for good, those that it issues later included
    /// (RFC 6960 §2.7): its key is in other hands, or it has ended.
    IssuerRevoked {
        /// The issuer's number.
        issuer_number: u32,
        /// When, why and since when. Never a hold.
        claim: RevocationClaim,
    },
    /// A backup was restored: its numbers end here, and go on above all that may have been used.
    EpochOpened(EpochOpened),
}

/// An issuer as its certificate names it, and what the operator calls it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerIdentity {
    /// The DER Name of the subject of the issuer's certificate.
    pub subject_der: Vec<u8>,
    /// The DER SubjectPublicKeyInfo of the issuer's certificate.
    pub spki_der: Vec<u8>,
    /// The issuer's name in the configuration, at most 255 octets.
    pub label: String,
}

impl IssuerIdentity {
    /// The id that every other part of the program knows the issuer by.
    #[must_use]
    pub fn id(&self) -> IssuerId {
        IssuerId::new(&self.subject_der, &self.spki_der)
    }
}

/// What was said about a certificate, as it was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CertificateEntry {
    /// Its issuer's number.
    pub issuer_number: u32,
    /// Its serial number.
    pub serial: SerialNumber,
    /// The number of the certificate's entry before this one, 0 for none: its history is a list.
    pub previous: u64,
    /// What was said.
    pub statement: Statement,
}

/// The part of a certificate's entry that its source said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Statement {
    /// Issued, or more is known about it.
    Issued(Inventory),
    /// Revoked or put on hold.
    Revoked {
        /// When, why and since when.
        claim: RevocationClaim,
        /// What was said of the certificate beside its revocation.
        inventory: Option<Inventory>,
    },
    /// No longer on hold.
    Released,
    /// Revoked as before, but at another time, for another reason, or suspect since another time.
    Corrected(RevocationClaim),
}

const VERSION: u8 = 1;

const ISSUER_DEFINED: u8 = 1;
const ISSUED: u8 = 2;
const REVOKED: u8 = 3;
const RELEASED: u8 = 4;
const CLOCK_ACCEPTED: u8 = 5;
const EVIDENCE: u8 = 6;
const ISSUER_REVOKED: u8 = 7;
const EPOCH_OPENED: u8 = 8;
const CORRECTED: u8 = 9;

const NOT_BEFORE: u8 = 0x01;
const NOT_AFTER: u8 = 0x02;
const CERTIFICATE_SHA256: u8 = 0x04;
const INVENTORY: u8 = 0x08;
const INVALIDITY_DATE: u8 = 0x10;
const CRL: u8 = 0x20;
const DISTRIBUTION_POINT: u8 = 0x40;

// Of evidence.
const USER_CERTS: u8 = 0x01;
const CA_CERTS: u8 = 0x02;
const POINT: u8 = 0x04;
const DELTA: u8 = 0x08;
const REASONS: u8 = 0x10;

/// Appends the canonical form of a certificate's entry, without building an [`Entry`] first: an
/// import writes millions.
pub(super) fn encode_certificate(
    sequence: u64,
    recorded_ms: u64,
    source: &Source,
    entry: &CertificateEntry,
    out: &mut Vec<u8>,
) -> Result<(), EntryError> {
    let (kind, flags, inventory, claim) = match entry.statement {
        Statement::Issued(inventory) => (ISSUED, 0, inventory, None),
        Statement::Revoked { claim, inventory } => (
            REVOKED,
            flag(inventory.is_some(), INVENTORY)
                | flag(claim.invalidity_date.is_some(), INVALIDITY_DATE),
            inventory.unwrap_or_default(),
            Some(claim),
        ),
        Statement::Released => (RELEASED, 0, Inventory::default(), None),
        Statement::Corrected(claim) => {
            not_a_hold(&claim)?;
            let flags = flag(claim.invalidity_date.is_some(), INVALIDITY_DATE);
            (CORRECTED, flags, Inventory::default(), Some(claim))
        }
    };
    let by_crl = matches!(kind, REVOKED | RELEASED);
    let scope = source.crl_scope().filter(|_| by_crl);
    put_head(kind, sequence, recorded_ms, source, out)?;
    out.extend_from_slice(&entry.issuer_number.to_be_bytes());
    out.extend_from_slice(&entry.previous.to_be_bytes());
    put_counted_u8(out, entry.serial.as_bytes())?;
    out.push(
        flags
            | flag(scope.is_some(), CRL)
            | flag(inventory.not_before.is_some(), NOT_BEFORE)
            | flag(inventory.not_after.is_some(), NOT_AFTER)
            | flag(inventory.certificate_sha256.is_some(), CERTIFICATE_SHA256)
            | flag(inventory.distribution_point.is_some(), DISTRIBUTION_POINT),
    );
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
    if let Some(claim) = claim {
        put_claim(out, &claim);
    }
    if let Some(scope) = scope {
        put_counted_u8(out, scope.as_bytes())?;
    }
    Ok(())
}

/// The issuer's number and the serial's content octets in a certificate's entry, looked up without
/// reading all of it; `None` for an entry of another kind, or what is none.
pub(super) fn certificate_named(octets: &[u8]) -> Option<(u32, &[u8])> {
    let mut octets = Octets::new(octets);
    let (_, kind) = (octets.u8()?, octets.u8()?);
    if !matches!(kind, ISSUED | REVOKED | RELEASED | CORRECTED) {
        return None;
    }
    let (_, _) = (octets.u64()?, octets.u64()?);
    let (_, _) = (octets.counted_u8()?, octets.counted_u16()?);
    let (number, _) = (octets.u32()?, octets.u64()?);
    Some((number, octets.counted_u8()?))
}

impl Entry {
    /// Appends the canonical form.
    ///
    /// # Errors
    /// [`EntryError::TooLong`] when a label, subject or key is longer than its length field can say;
    /// [`EntryError::Reason`] for a hold of a whole issuer.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EntryError> {
        let (sequence, recorded_ms, source) = (self.sequence, self.recorded_ms, &self.source);
        match &self.kind {
            EntryKind::Certificate(entry) => {
                encode_certificate(sequence, recorded_ms, source, entry, out)?;
            }
            EntryKind::IssuerDefined { number, issuer } => {
                put_head(ISSUER_DEFINED, sequence, recorded_ms, source, out)?;
                out.extend_from_slice(&number.to_be_bytes());
                put_counted_u8(out, issuer.label.as_bytes())?;
                put_counted_u32(out, &issuer.subject_der)?;
                put_counted_u32(out, &issuer.spki_der)?;
            }
            EntryKind::ClockAccepted { time } => {
                put_head(CLOCK_ACCEPTED, sequence, recorded_ms, source, out)?;
                put_time(out, *time);
            }
            EntryKind::Evidence {
                issuer_number,
                evidence,
            } => {
                put_head(EVIDENCE, sequence, recorded_ms, source, out)?;
                out.extend_from_slice(&issuer_number.to_be_bytes());
                put_evidence(out, evidence)?;
            }
            EntryKind::IssuerRevoked {
                issuer_number,
                claim,
            } => {
                not_a_hold(claim)?;
                put_head(ISSUER_REVOKED, sequence, recorded_ms, source, out)?;
                out.extend_from_slice(&issuer_number.to_be_bytes());
                out.push(flag(claim.invalidity_date.is_some(), INVALIDITY_DATE));
                put_claim(out, claim);
            }
            EntryKind::EpochOpened(opened) => {
                put_head(EPOCH_OPENED, sequence, recorded_ms, source, out)?;
                opened.encode(out)?;
            }
        }
        Ok(())
    }

    /// Reads an entry that fills `octets` exactly.
    ///
    /// # Errors
    /// [`EntryError`] for anything but the canonical form.
    pub fn decode(octets: &[u8]) -> Result<Self, EntryError> {
        let parsed = Self::parse(octets)?;
        let mut source =
            Source::new(parsed.source, parsed.cursor).map_err(|_| EntryError::TooLong)?;
        if let Some(scope) = parsed.scope {
            source = source.with_crl_scope(scope);
        }
        Ok(Self {
            sequence: parsed.sequence,
            recorded_ms: parsed.recorded_ms,
            source,
            kind: parsed.kind,
        })
    }

    /// Whether `octets` are an entry's, its number and what it says: as [`Entry::decode`], which
    /// allocates for the source.
    pub(super) fn check(octets: &[u8]) -> Result<(u64, EntryKind), EntryError> {
        Self::parse(octets).map(|parsed| (parsed.sequence, parsed.kind))
    }

    fn parse(octets: &[u8]) -> Result<Parsed<'_>, EntryError> {
        let mut octets = Octets::new(octets);
        match octets.u8().ok_or(EntryError::Truncated)? {
            VERSION => {}
            version => return Err(EntryError::Version(version)),
        }
        let kind = octets.u8().ok_or(EntryError::Truncated)?;
        let sequence = octets.u64().ok_or(EntryError::Truncated)?;
        let recorded_ms = octets.u64().ok_or(EntryError::Truncated)?;
        let name = text(octets.counted_u8())?;
        let cursor = text(octets.counted_u16())?;
        if cursor.len() > Source::CURSOR_OCTETS_MAX {
            return Err(EntryError::TooLong);
        }
        if sequence == 0 {
            return Err(EntryError::Sequence);
        }
        if recorded_ms > MILLIS_MAX {
            return Err(EntryError::Time);
        }
        let mut scope = None;
        let kind = match kind {
            ISSUER_DEFINED => {
                let number = issuer_number(&mut octets)?;
                let label = text(octets.counted_u8())?.to_owned();
                let subject_der = octets.counted_u32().ok_or(EntryError::Truncated)?.to_vec();
                let spki_der = octets.counted_u32().ok_or(EntryError::Truncated)?.to_vec();
                let issuer = IssuerIdentity {
                    subject_der,
                    spki_der,
                    label,
                };
                EntryKind::IssuerDefined { number, issuer }
            }
            ISSUED | REVOKED | RELEASED | CORRECTED => {
                let entry;
                (entry, scope) = certificate(kind, &mut octets)?;
                if entry.previous >= sequence {
                    return Err(EntryError::Sequence);
                }
                EntryKind::Certificate(entry)
            }
            CLOCK_ACCEPTED => EntryKind::ClockAccepted {
                time: time(&mut octets)?,
            },
            EVIDENCE => EntryKind::Evidence {
                issuer_number: issuer_number(&mut octets)?,
                evidence: evidence(&mut octets)?,
            },
            ISSUER_REVOKED => issuer_revoked(&mut octets)?,
            EPOCH_OPENED => EntryKind::EpochOpened(EpochOpened::decode(sequence, &mut octets)?),
            kind => return Err(EntryError::Kind(kind)),
        };
        if !octets.is_empty() {
            return Err(EntryError::Trailing(octets.rest().len()));
        }
        Ok(Parsed {
            sequence,
            recorded_ms,
            source: name,
            cursor,
            scope,
            kind,
        })
    }
}

/// An entry whose source still lies in its octets.
struct Parsed<'a> {
    sequence: u64,
    recorded_ms: u64,
    source: &'a str,
    cursor: &'a str,
    scope: Option<ScopeTag>,
    kind: EntryKind,
}

/// Also gives the scope of the CRL that says so.
fn certificate(
    kind: u8,
    octets: &mut Octets<'_>,
) -> Result<(CertificateEntry, Option<ScopeTag>), EntryError> {
    let issuer_number = issuer_number(octets)?;
    let previous = octets.u64().ok_or(EntryError::Truncated)?;
    let serial = octets.counted_u8().ok_or(EntryError::Truncated)?;
    let serial = SerialNumber::from_content(serial)?;
    let flags = octets.u8().ok_or(EntryError::Truncated)?;
    let inventory_flags = NOT_BEFORE | NOT_AFTER | CERTIFICATE_SHA256 | DISTRIBUTION_POINT;
    let known = match kind {
        ISSUED => inventory_flags,
        REVOKED if flags & INVENTORY != 0 => inventory_flags | INVENTORY | INVALIDITY_DATE | CRL,
        REVOKED => INVALIDITY_DATE | CRL,
        CORRECTED => INVALIDITY_DATE,
        _ => CRL,
    };
    if flags & !known != 0 {
        return Err(EntryError::Flags(flags));
    }
    let mut optional_time = |flag| match flags & flag {
        0 => Ok(None),
        _ => time(octets).map(Some),
    };
    let not_before = optional_time(NOT_BEFORE)?;
    let not_after = optional_time(NOT_AFTER)?;
    let certificate_sha256 = match flags & CERTIFICATE_SHA256 {
        0 => None,
        _ => Some(octets.array().ok_or(EntryError::Truncated)?),
    };
    let distribution_point = match flags & DISTRIBUTION_POINT {
        0 => None,
        _ => Some(octets.array().ok_or(EntryError::Truncated)?),
    };
    let inventory = Inventory {
        not_before,
        not_after,
        certificate_sha256,
        distribution_point: distribution_point.map(PointTag::from_bytes),
    };
    let statement = match kind {
        ISSUED => Statement::Issued(inventory),
        REVOKED => {
            let claim = claim(flags, octets)?;
            let inventory = (flags & INVENTORY != 0).then_some(inventory);
            Statement::Revoked { claim, inventory }
        }
        CORRECTED => {
            let claim = claim(flags, octets)?;
            not_a_hold(&claim)?;
            Statement::Corrected(claim)
        }
        _ => Statement::Released,
    };
    let scope = match flags & CRL {
        0 => None,
        _ => Some(scope_tag(octets)?),
    };
    let entry = CertificateEntry {
        issuer_number,
        serial,
        previous,
        statement,
    };
    Ok((entry, scope))
}

fn scope_tag(octets: &mut Octets<'_>) -> Result<ScopeTag, EntryError> {
    let tag = octets.counted_u8().ok_or(EntryError::Truncated)?;
    ScopeTag::from_bytes(tag).ok_or(EntryError::ScopeTag)
}

fn put_evidence(out: &mut Vec<u8>, evidence: &Evidence) -> Result<(), EntryError> {
    let Evidence {
        scope,
        crl_number,
        complete_sha256,
        ..
    } = evidence;
    if complete_sha256.is_some() && crl_number.is_none() {
        return Err(EntryError::Delta);
    }
    let kind = match scope.certificates {
        CertificateKind::All => 0,
        CertificateKind::User => USER_CERTS,
        CertificateKind::Ca => CA_CERTS,
    };
    out.push(
        kind | flag(scope.point.is_some(), POINT)
            | flag(complete_sha256.is_some(), DELTA)
            | flag(scope.reasons.is_some(), REASONS),
    );
    if let Some(point) = &scope.point {
        let len = u16::try_from(point.len()).map_err(|_| EntryError::TooLong)?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(point.as_bytes());
    }
    if let Some(reasons) = scope.reasons {
        out.extend_from_slice(&reasons.bits().to_be_bytes());
    }
    put_time(out, evidence.this_update);
    put_time(out, evidence.next_update);
    let number = crl_number.as_ref();
    put_counted_u8(out, number.map_or(&[], CrlNumber::as_bytes))?;
    out.extend_from_slice(&evidence.crl_sha256);
    out.extend_from_slice(complete_sha256.as_ref().map_or(&[], |digest| digest));
    out.extend_from_slice(&evidence.entry_count.to_be_bytes());
    Ok(())
}

fn evidence(octets: &mut Octets<'_>) -> Result<Evidence, EntryError> {
    let flags = octets.u8().ok_or(EntryError::Truncated)?;
    let certificates = match flags & (USER_CERTS | CA_CERTS) {
        0 => CertificateKind::All,
        USER_CERTS => CertificateKind::User,
        CA_CERTS => CertificateKind::Ca,
        _ => return Err(EntryError::Flags(flags)),
    };
    if flags & !(USER_CERTS | CA_CERTS | POINT | DELTA | REASONS) != 0 {
        return Err(EntryError::Flags(flags));
    }
    let point = match flags & POINT {
        0 => None,
        _ => Some(text(octets.counted_u16())?.to_owned()),
    };
    let reasons = match flags & REASONS {
        0 => None,
        _ => Some(reasons(octets)?),
    };
    let scope = CrlScope {
        point,
        certificates,
        reasons,
    };
    let this_update = time(octets)?;
    let next_update = time(octets)?;
    let crl_number = match octets.counted_u8().ok_or(EntryError::Truncated)? {
        [] => None,
        content => Some(CrlNumber::from_content(content)?),
    };
    let crl_sha256 = octets.array().ok_or(EntryError::Truncated)?;
    let complete_sha256 = match flags & DELTA {
        0 => None,
        _ if crl_number.is_none() => return Err(EntryError::Delta),
        _ => Some(octets.array().ok_or(EntryError::Truncated)?),
    };
    Ok(Evidence {
        scope,
        this_update,
        next_update,
        crl_number,
        crl_sha256,
        entry_count: octets.u32().ok_or(EntryError::Truncated)?,
        complete_sha256,
    })
}

fn reasons(octets: &mut Octets<'_>) -> Result<ReasonFlags, EntryError> {
    let bits = u16::from_be_bytes(octets.array().ok_or(EntryError::Truncated)?);
    ReasonFlags::from_bits(bits)
        .filter(|reasons| *reasons != ReasonFlags::NONE && !reasons.is_all())
        .ok_or(EntryError::Reasons(bits))
}

fn issuer_revoked(octets: &mut Octets<'_>) -> Result<EntryKind, EntryError> {
    let issuer_number = issuer_number(octets)?;
    let flags = octets.u8().ok_or(EntryError::Truncated)?;
    if flags & !INVALIDITY_DATE != 0 {
        return Err(EntryError::Flags(flags));
    }
    let claim = claim(flags, octets)?;
    not_a_hold(&claim)?;
    Ok(EntryKind::IssuerRevoked {
        issuer_number,
        claim,
    })
}

fn not_a_hold(claim: &RevocationClaim) -> Result<(), EntryError> {
    match claim.reason {
        Some(reason @ CrlReason::CertificateHold) => Err(EntryError::Reason(reason.code())),
        _ => Ok(()),
    }
}

fn put_claim(out: &mut Vec<u8>, claim: &RevocationClaim) {
    put_time(out, claim.revocation_time);
    out.push(claim.reason.map_or(0, CrlReason::code));
    if let Some(time) = claim.invalidity_date {
        put_time(out, time);
    }
}

fn claim(flags: u8, octets: &mut Octets<'_>) -> Result<RevocationClaim, EntryError> {
    let revocation_time = time(octets)?;
    let reason = match octets.u8().ok_or(EntryError::Truncated)? {
        0 => None,
        code => Some(CrlReason::from_code(code).ok_or(EntryError::Reason(code))?),
    };
    let invalidity_date = match flags & INVALIDITY_DATE {
        0 => None,
        _ => Some(time(octets)?),
    };
    Ok(RevocationClaim {
        revocation_time,
        reason,
        invalidity_date,
    })
}

fn put_head(
    kind: u8,
    sequence: u64,
    recorded_ms: u64,
    source: &Source,
    out: &mut Vec<u8>,
) -> Result<(), EntryError> {
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&recorded_ms.to_be_bytes());
    put_counted_u8(out, source.name().as_bytes())?;
    let len = u16::try_from(source.cursor().len()).map_err(|_| EntryError::TooLong)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(source.cursor().as_bytes());
    Ok(())
}

fn put_counted_u8(out: &mut Vec<u8>, octets: &[u8]) -> Result<(), EntryError> {
    out.push(u8::try_from(octets.len()).map_err(|_| EntryError::TooLong)?);
    out.extend_from_slice(octets);
    Ok(())
}

fn put_counted_u32(out: &mut Vec<u8>, octets: &[u8]) -> Result<(), EntryError> {
    let len = u32::try_from(octets.len()).map_err(|_| EntryError::TooLong)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(octets);
    Ok(())
}

pub(super) fn text(octets: Option<&[u8]>) -> Result<&str, EntryError> {
    str::from_utf8(octets.ok_or(EntryError::Truncated)?).map_err(|_| EntryError::Text)
}

fn time(octets: &mut Octets<'_>) -> Result<UnixTime, EntryError> {
    let secs = octets.u40().ok_or(EntryError::Truncated)?;
    UnixTime::from_secs(secs).ok_or(EntryError::Time)
}

fn issuer_number(octets: &mut Octets<'_>) -> Result<u32, EntryError> {
    match octets.u32() {
        None => Err(EntryError::Truncated),
        Some(0) => Err(EntryError::IssuerNumber),
        Some(number) => Ok(number),
    }
}

const fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// Why some octets are no entry, or a value fits none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A field reaches past the end.
    #[error("the entry ends within a field")]
    Truncated,
    /// Octets after the last field.
    #[error("{0} octets follow the entry's last field")]
    Trailing(usize),
    /// A version that this program does not know.
    #[error("entry version {0} is not known to this program")]
    Version(u8),
    /// A kind that this program does not know.
    #[error("entry kind {0} is not known to this program")]
    Kind(u8),
    /// Flags that this kind does not have.
    #[error("entry flags {0:#04x} do not fit its kind")]
    Flags(u8),
    /// A sequence of 0, or a previous entry that is not earlier.
    #[error("the entry's sequence numbers do not rise")]
    Sequence,
    /// An issuer number of 0.
    #[error("issuer number 0 in an entry")]
    IssuerNumber,
    /// A time after 9999.
    #[error("a time after the year 9999 in an entry")]
    Time,
    /// A reasonCode that does not exist, or the hold of a whole issuer.
    #[error("reasonCode {0} in an entry")]
    Reason(u8),
    /// Not a serial number.
    #[error("in an entry: {0}")]
    Serial(#[from] SerialNumberError),
    /// Not a CRLNumber.
    #[error("in an entry: {0}")]
    CrlNumber(#[from] CrlNumberError),
    /// Reasons of a CRL's scope that are none, or all.
    #[error("in an entry: {0:#06x} are no reasons that a CRL is limited to")]
    Reasons(u16),
    /// The tag of a CRL's scope has a length that none has.
    #[error("in an entry: no tag of a CRL's scope")]
    ScopeTag,
    /// Evidence of a delta CRL without a number: nothing would say what it follows.
    #[error("in an entry: a delta CRL without a CRLNumber")]
    Delta,
    /// An epoch that does not continue what it says it continues.
    #[error("an epoch's numbers do not rise")]
    Epoch,
    /// Source, cursor or label is not UTF-8.
    #[error("a text in an entry is not UTF-8")]
    Text,
    /// A text or DER value is longer than an entry can hold.
    #[error("a text or DER value is longer than an entry can hold")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn entry(sequence: u64, kind: EntryKind) -> Entry {
        Entry {
            sequence,
            recorded_ms: 0x0123_4567_89ab,
            source: Source::new("index", "é").unwrap(),
            kind,
        }
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut octets = Vec::new();
        entry.encode(&mut octets).unwrap();
        octets
    }

    fn evidence(crl_number: Option<&[u8]>) -> EntryKind {
        EntryKind::Evidence {
            issuer_number: 2,
            evidence: Evidence {
                scope: CrlScope::FULL,
                complete_sha256: None,
                this_update: at(0x0e),
                next_update: at(0x0f),
                crl_number: crl_number.map(|content| CrlNumber::from_content(content).unwrap()),
                crl_sha256: [0xbb; 32],
                entry_count: 0x10,
            },
        }
    }

    fn delta_of_a_shard() -> EntryKind {
        let EntryKind::Evidence {
            issuer_number,
            evidence,
        } = evidence(Some(&[0x07]))
        else {
            panic!("it is evidence");
        };
        EntryKind::Evidence {
            issuer_number,
            evidence: Evidence {
                scope: CrlScope {
                    point: Some("http:x".to_owned()),
                    certificates: CertificateKind::User,
                    reasons: None,
                },
                complete_sha256: Some([0xcc; 32]),
                ..evidence
            },
        }
    }

    /// The same by a CRL of the scope with this tag.
    fn by_crl(entry: Entry, tag: &str) -> Entry {
        let tag = ScopeTag::from_bytes(tag.as_bytes()).unwrap();
        Entry {
            source: entry.source.with_crl_scope(tag),
            ..entry
        }
    }

    /// Written by hand from the drawing above.
    #[test]
    fn golden_octets() {
        let serial = SerialNumber::from_content(&[0x00, 0x80]).unwrap();
        let certificate = |previous, statement| {
            EntryKind::Certificate(CertificateEntry {
                issuer_number: 2,
                serial,
                previous,
                statement,
            })
        };
        let table = [
            (
                entry(
                    1,
                    EntryKind::IssuerDefined {
                        number: 2,
                        issuer: IssuerIdentity {
                            subject_der: vec![0x30, 0x00],
                            spki_der: vec![0x30, 0x01, 0x05],
                            label: "ca".to_owned(),
                        },
                    },
                ),
                hex!(
                    "01 01 0000000000000001 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 02 6361 00000002 3000 00000003 300105"
                )
                .to_vec(),
            ),
            (
                entry(
                    0x0102,
                    certificate(
                        0,
                        Statement::Issued(Inventory {
                            not_before: Some(at(1)),
                            not_after: Some(UnixTime::MAX),
                            certificate_sha256: Some([0xaa; 32]),
                            distribution_point: Some(PointTag::from_bytes([0xbb; 8])),
                        }),
                    ),
                ),
                hex!(
                    "01 02 0000000000000102 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000000 02 0080 47 0000000001 3afff4417f"
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    "bbbbbbbbbbbbbbbb"
                )
                .to_vec(),
            ),
            (
                entry(
                    0x0103,
                    certificate(
                        0x0102,
                        Statement::Revoked {
                            claim: RevocationClaim {
                                revocation_time: at(0x0a),
                                reason: Some(CrlReason::AaCompromise),
                                invalidity_date: Some(at(0x0b)),
                            },
                            inventory: Some(Inventory {
                                not_after: Some(at(0x0c)),
                                ..Inventory::default()
                            }),
                        },
                    ),
                ),
                hex!(
                    "01 03 0000000000000103 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000102 02 0080 1a 000000000c"
                    "000000000a 0a 000000000b"
                )
                .to_vec(),
            ),
            (
                entry(0x0104, certificate(0x0103, Statement::Released)),
                hex!(
                    "01 04 0000000000000104 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000103 02 0080 00"
                )
                .to_vec(),
            ),
            (
                entry(
                    0x0105,
                    certificate(
                        0x0103,
                        Statement::Corrected(RevocationClaim {
                            revocation_time: at(0x09),
                            reason: Some(CrlReason::KeyCompromise),
                            invalidity_date: Some(at(0x08)),
                        }),
                    ),
                ),
                hex!(
                    "01 09 0000000000000105 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000103 02 0080 10 0000000009 01 0000000008"
                )
                .to_vec(),
            ),
            (
                entry(
                    0x0200,
                    EntryKind::EpochOpened(EpochOpened {
                        epoch: 2,
                        last_sequence: 0x0102,
                        leaves: 0x0101,
                        root: [0xcc; 32],
                        floor: 0x01ff,
                        answers: Some((0x0180, [0xdd; 32])),
                        why: "é".to_owned(),
                    }),
                ),
                hex!(
                    "01 08 0000000000000200 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000102 0000000000000101"
                    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                    "00000000000001ff 0000000000000180"
                    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
                    "0002 c3a9"
                )
                .to_vec(),
            ),
            (
                entry(0x0105, EntryKind::ClockAccepted { time: at(0x0d) }),
                hex!(
                    "01 05 0000000000000105 00000123456789ab 05 696e646578 0002 c3a9"
                    "000000000d"
                )
                .to_vec(),
            ),
            (
                entry(0x0106, evidence(Some(&[0x00, 0x80]))),
                hex!(
                    "01 06 0000000000000106 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 00 000000000e 000000000f 02 0080"
                    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                    "00000010"
                )
                .to_vec(),
            ),
            (
                entry(0x0107, evidence(None)),
                hex!(
                    "01 06 0000000000000107 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 00 000000000e 000000000f 00"
                    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                    "00000010"
                )
                .to_vec(),
            ),
            (
                entry(0x0107, delta_of_a_shard()),
                hex!(
                    "01 06 0000000000000107 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0d 0006 687474703a78 000000000e 000000000f 01 07"
                    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                    "00000010"
                )
                .to_vec(),
            ),
            (
                by_crl(entry(0x0104, certificate(0x0103, Statement::Released)), ""),
                hex!(
                    "01 04 0000000000000104 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000103 02 0080 20 00"
                )
                .to_vec(),
            ),
            (
                by_crl(
                    entry(
                        0x0103,
                        certificate(
                            0x0102,
                            Statement::Revoked {
                                claim: RevocationClaim {
                                    revocation_time: at(0x0a),
                                    reason: None,
                                    invalidity_date: Some(at(0x0b)),
                                },
                                inventory: None,
                            },
                        ),
                    ),
                    "12345678",
                ),
                hex!(
                    "01 03 0000000000000103 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000002 0000000000000102 02 0080 30"
                    "000000000a 00 000000000b 08 3132333435363738"
                )
                .to_vec(),
            ),
            (
                entry(
                    0x0106,
                    EntryKind::IssuerRevoked {
                        issuer_number: 3,
                        claim: RevocationClaim {
                            revocation_time: at(0x0e),
                            reason: Some(CrlReason::CaCompromise),
                            invalidity_date: Some(at(0x0f)),
                        },
                    },
                ),
                hex!(
                    "01 07 0000000000000106 00000123456789ab 05 696e646578 0002 c3a9"
                    "00000003 10 000000000e 02 000000000f"
                )
                .to_vec(),
            ),
        ];
        for (entry, octets) in table {
            assert_eq!(encoded(&entry), octets);
            assert_eq!(Entry::decode(&octets), Ok(entry));
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let released = hex!(
            "01 04 0000000000000104 00000123456789ab 00 0000"
            "00000002 0000000000000103 02 0080 00"
        );
        assert!(Entry::decode(&released).is_ok());
        for (at, octet, error) in [
            (0, 2, EntryError::Version(2)),
            (1, 10, EntryError::Kind(10)),
            (8, 0, EntryError::Sequence), // 0x0004, which is before 0x0103
            (10, 0xff, EntryError::Time),
            (24, 0, EntryError::IssuerNumber),
            (35, 0x7f, SerialNumberError::NotMinimal.into()), // 0x007f
            (36, 0x40, EntryError::Flags(0x40)),
            (36, 0x20, EntryError::Truncated),
        ] {
            let mut octets = released.to_vec();
            octets[at] = octet;
            assert_eq!(Entry::decode(&octets), Err(error), "octet {at}");
        }
        assert_eq!(
            Entry::decode(&[&released[..], &[0]].concat()),
            Err(EntryError::Trailing(1))
        );
        let without_inventory = hex!(
            "01 03 0000000000000103 00000123456789ab 00 0000"
            "00000002 0000000000000102 02 0080 02 000000000c 000000000a 0a"
        );
        assert_eq!(
            Entry::decode(&without_inventory),
            Err(EntryError::Flags(0x02))
        );
        let issuer_revoked =
            hex!("01 07 0000000000000104 00000123456789ab 00 0000 00000002 00 000000000a 01");
        assert!(Entry::decode(&issuer_revoked).is_ok());
        for (at, octet, error) in [
            (24, 0, EntryError::IssuerNumber),
            (25, 0x01, EntryError::Flags(0x01)),
            (25, 0x10, EntryError::Truncated),
            (26, 0xff, EntryError::Time),
            (31, 6, EntryError::Reason(6)),
            (31, 8, EntryError::Reason(8)),
        ] {
            let mut octets = issuer_revoked.to_vec();
            octets[at] = octet;
            assert_eq!(Entry::decode(&octets), Err(error), "octet {at}");
        }
        let hold = entry(
            1,
            EntryKind::IssuerRevoked {
                issuer_number: 2,
                claim: RevocationClaim {
                    revocation_time: at(1),
                    reason: Some(CrlReason::CertificateHold),
                    invalidity_date: None,
                },
            },
        );
        assert_eq!(hold.encode(&mut Vec::new()), Err(EntryError::Reason(6)));
    }

    #[test]
    fn evidence_that_is_not_canonical_is_refused() {
        let octets = encoded(&entry(0x0106, evidence(Some(&[0x00, 0x80]))));
        let head = octets.len() - (4 + 1 + 5 + 5 + 1 + 2 + 32 + 4);
        for (at, octet, error) in [
            (head + 3, 0, EntryError::IssuerNumber),
            (head + 4, 0x20, EntryError::Flags(0x20)),
            // Octets of thisUpdate in the place of reasons.
            (head + 4, 0x10, EntryError::Reasons(0)),
            (head + 4, 0x03, EntryError::Flags(0x03)),
            // A URI is missing.
            (head + 4, 0x04, EntryError::Truncated),
            (head + 5, 0xff, EntryError::Time),
            (head + 10, 0xff, EntryError::Time),
            (head + 16, 0x80, CrlNumberError::Negative.into()),
            (head + 17, 0x7f, CrlNumberError::NotMinimal.into()), // 0x007f
            (head + 15, 0xff, EntryError::Truncated),
        ] {
            let mut octets = octets.clone();
            octets[at] = octet;
            assert_eq!(Entry::decode(&octets), Err(error), "octet {at}");
        }
        let trailing = [&octets[..], &[0]].concat();
        assert_eq!(Entry::decode(&trailing), Err(EntryError::Trailing(1)));

        let without_number = encoded(&entry(0x0106, evidence(None)));
        let mut delta = without_number.clone();
        delta[without_number.len() - (1 + 5 + 5 + 1 + 32 + 4)] = 0x08;
        assert_eq!(Entry::decode(&delta), Err(EntryError::Delta));
        let EntryKind::Evidence {
            issuer_number,
            evidence,
        } = delta_of_a_shard()
        else {
            panic!("it is evidence");
        };
        let evidence = Evidence {
            crl_number: None,
            ..evidence
        };
        let kind = EntryKind::Evidence {
            issuer_number,
            evidence,
        };
        let encoded = entry(1, kind).encode(&mut Vec::new());
        assert_eq!(encoded, Err(EntryError::Delta));
    }

    fn times() -> impl Strategy<Value = UnixTime> {
        (0..=UnixTime::MAX.as_secs()).prop_map(at)
    }

    fn inventories() -> impl Strategy<Value = Inventory> {
        (
            prop::option::of(times()),
            prop::option::of(times()),
            prop::option::of(any::<[u8; 32]>()),
            prop::option::of(any::<[u8; 8]>().prop_map(PointTag::from_bytes)),
        )
            .prop_map(
                |(not_before, not_after, certificate_sha256, distribution_point)| Inventory {
                    not_before,
                    not_after,
                    certificate_sha256,
                    distribution_point,
                },
            )
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let reason = prop::option::of(prop::sample::select(&CrlReason::ALL[..]));
        let claim = (times(), reason, prop::option::of(times()))
            .prop_map(
                |(revocation_time, reason, invalidity_date)| RevocationClaim {
                    revocation_time,
                    reason,
                    invalidity_date,
                },
            )
            .boxed();
        let statement = prop_oneof![
            inventories().prop_map(Statement::Issued),
            (claim.clone(), prop::option::of(inventories()))
                .prop_map(|(claim, inventory)| Statement::Revoked { claim, inventory }),
            Just(Statement::Released),
            claim
                .clone()
                .prop_filter("no hold", |claim| {
                    claim.reason != Some(CrlReason::CertificateHold)
                })
                .prop_map(Statement::Corrected),
        ];
        let serial = prop::collection::vec(any::<u8>(), 1..=20)
            .prop_filter_map("minimal", |octets| SerialNumber::from_content(&octets).ok());
        let certificate = (1_u32.., serial, 0..1_000_u64, statement).prop_map(
            |(issuer_number, serial, previous, statement)| {
                EntryKind::Certificate(CertificateEntry {
                    issuer_number,
                    serial,
                    previous,
                    statement,
                })
            },
        );
        let der = || prop::collection::vec(any::<u8>(), 0..300);
        let issuer = (1_u32.., "\\PC{0,60}", der(), der()).prop_map(
            |(number, label, subject_der, spki_der)| EntryKind::IssuerDefined {
                number,
                issuer: IssuerIdentity {
                    subject_der,
                    spki_der,
                    label,
                },
            },
        );
        let clock = times().prop_map(|time| EntryKind::ClockAccepted { time });
        let crl_number = prop::collection::vec(any::<u8>(), 1..=20)
            .prop_filter_map("a number", |octets| CrlNumber::from_content(&octets).ok());
        let evidence = (
            1_u32..,
            (times(), times()),
            prop::option::of(crl_number),
            any::<([u8; 32], u32, Option<[u8; 32]>)>(),
            (prop::option::of("\\PC{0,60}"), 0..5),
        )
            .prop_map(
                |(
                    issuer_number,
                    (this_update, next_update),
                    crl_number,
                    (crl_sha256, entry_count, complete_sha256),
                    (point, kind),
                )| {
                    let certificates = match kind {
                        0 => CertificateKind::All,
                        1 => CertificateKind::User,
                        _ => CertificateKind::Ca,
                    };
                    let evidence = Evidence {
                        scope: CrlScope {
                            point,
                            certificates,
                            reasons: (kind > 2).then_some(ReasonFlags::of(CrlReason::Superseded)),
                        },
                        this_update,
                        next_update,
                        crl_number,
                        crl_sha256,
                        entry_count,
                        complete_sha256: complete_sha256.filter(|_| crl_number.is_some()),
                    };
                    EntryKind::Evidence {
                        issuer_number,
                        evidence,
                    }
                },
            );
        let epoch = (
            (2_u32.., 1..400_u64, any::<u64>(), any::<[u8; 32]>()),
            prop::option::of((1..400_u64, any::<[u8; 32]>())),
            "\\PC{0,60}",
        )
            .prop_map(
                |((epoch, last_sequence, leaves, root), answers, why)| EpochOpened {
                    epoch,
                    last_sequence,
                    leaves,
                    root,
                    floor: 0,
                    answers,
                    why,
                },
            )
            .prop_map(EntryKind::EpochOpened);
        let whole = (1_u32.., claim)
            .prop_filter("no hold", |(_, claim)| {
                claim.reason != Some(CrlReason::CertificateHold)
            })
            .prop_map(|(issuer_number, claim)| EntryKind::IssuerRevoked {
                issuer_number,
                claim,
            });
        (
            1_000..=u64::MAX,
            0..=MILLIS_MAX,
            ("\\PC{0,40}", "\\PC{0,90}"),
            prop_oneof![
                4 => certificate, 1 => issuer, 1 => clock, 1 => evidence, 1 => whole, 1 => epoch
            ],
            prop::option::of(prop::sample::select(vec![&b""[..], b"a scope!"])),
        )
            .prop_map(|(sequence, recorded_ms, (name, cursor), mut kind, scope)| {
                if let EntryKind::EpochOpened(opened) = &mut kind {
                    opened.floor = sequence - 1;
                }
                let mut source = Source::new(name, cursor).unwrap();
                if let EntryKind::Certificate(entry) = &kind
                    && matches!(
                        entry.statement,
                        Statement::Revoked { .. } | Statement::Released
                    )
                    && let Some(scope) = scope.and_then(ScopeTag::from_bytes)
                {
                    source = source.with_crl_scope(scope);
                }
                Entry {
                    sequence,
                    recorded_ms,
                    source,
                    kind,
                }
            })
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(entry in entries()) {
            prop_assert_eq!(Entry::decode(&encoded(&entry)), Ok(entry));
        }

        #[test]
        fn no_part_of_an_entry_is_an_entry(entry in entries()) {
            let octets = encoded(&entry);
            for len in 0..octets.len() {
                prop_assert!(Entry::decode(&octets[..len]).is_err());
            }
        }

        /// Canonical: octets that are read at all are the only ones that say what they say.
        #[test]
        fn what_is_read_is_written_the_same(
            entry in entries(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        ) {
            let mut octets = encoded(&entry);
            for (place, octet) in changes {
                let len = octets.len();
                octets[place.index(len)] = octet;
            }
            if let Ok(entry) = Entry::decode(&octets) {
                prop_assert_eq!(encoded(&entry), octets);
            }
        }
    }
}
