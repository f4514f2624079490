//! From octets to a CRL that was judged.

use std::io::BufRead;

use aws_lc_rs::digest;

use crate::{
    asn1::{CrlNumber, CrlReason, TimeError, UnixTime},
    change::{Evidence, ExpectedScope, REVOCATION_AHEAD_MAX, RevocationClaim},
    crl::{CrlError, CrlReader, Entry, EntryError, Head, Limits, Tap, Time},
    feed::problems::{self, Problem, Problems, Unit},
    identity::{IssuerId, SerialNumber},
    signer::{Name, SignedOctets},
};

use super::{
    Authority, Crl, CrlCause, CrlRefusal, Digits, Removal, SerialFault,
    kept::{Full, Kept, KeptEntry},
    scope, signature,
    table::{Place, Table},
    verify::reading::CertificateIssuer,
};

/// What an import takes: entries are kept in memory before the signature is checked, some 30 octets each.
/// The largest CRLs that are known have a few million.
const LIMITS: Limits = Limits {
    octets_max: 1 << 30,
    entries_max: 20_000_000,
};

/// A CRL of which only the head was read.
pub struct UnjudgedCrl<R> {
    reader: CrlReader<R>,
    digests: Digests,
}

impl<R: BufRead> UnjudgedCrl<R> {
    /// Reads the head of the CRL in `input`, DER or PEM.
    ///
    /// # Errors
    /// [`CrlRefusal`] when it cannot be read, or its algorithm is of no use.
    pub fn open(input: R) -> Result<Self, CrlRefusal> {
        let reader = CrlReader::open(input, LIMITS)?;
        let digests = Digests {
            whole: digest::Context::new(&digest::SHA256),
            tbs: SignedOctets::new(&reader.head().signature_algorithm_der)?,
        };
        Ok(Self { reader, digests })
    }

    /// issuer, the whole Name as encoded.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.reader.head().issuer_der
    }

    /// Reads the rest, and judges all of it at `now` as one of this issuer's, of one of the scopes
    /// `expected`.
    ///
    /// # Errors
    /// [`CrlRefusal`]. Entries that are bad for themselves are problems of the CRL instead.
    pub fn read(
        self,
        authority: &Authority<'_>,
        expected: &[ExpectedScope],
        now: UnixTime,
    ) -> Result<Crl, CrlRefusal> {
        let Self {
            mut reader,
            mut digests,
        } = self;
        let head = reader.head().clone();
        if !authority.admits(&head.issuer_der) {
            return Err(CrlRefusal::WrongIssuer {
                found: Box::new(Name::new(&head.issuer_der)),
                expected: Box::new(Name::new(authority.certificate.subject_der())),
            });
        }
        let is_own = authority.is_own(&head.issuer_der);
        let mut collected = Collected::new();
        let mut sieve = Sieve::new(&head.issuer_der, authority.certificate.subject_der());
        while let Some(raw) = reader.next_entry(&mut digests)? {
            let (number, entry) = (raw.number, raw.decode());
            if sieve.is_ours(number, entry.as_ref()) {
                collected.take(number, entry)?;
            } else {
                collected.pass_over(number, entry)?;
            }
        }
        let tail = reader.finish(&mut digests)?;
        let extensions = tail.extensions()?;
        let scope = scope::of(&extensions, &head.issuer_der, is_own, expected)?;
        let point = extensions.issuing_distribution_point.as_ref();
        sieve.finish(point.is_some_and(|point| point.indirect_crl))?;
        if extensions.base_crl_number.is_some() && extensions.crl_number.is_none() {
            return Err(CrlRefusal::DeltaWithoutNumber);
        }
        if let Some(refusal) = collected.refusal.take() {
            return Err(refusal);
        }
        signature::check(
            authority,
            &head.issuer_der,
            extensions.authority_key_id.as_deref(),
            &digests.tbs.finish(),
            &tail.signature,
        )?;
        let next_update = check_times(&head, now)?;
        let evidence = Evidence {
            scope,
            this_update: head.this_update,
            next_update,
            crl_number: extensions.crl_number,
            crl_sha256: sha256(digests.whole.finish()),
            entry_count: 0,
            complete_sha256: None,
        };
        let base = extensions.base_crl_number;
        let ours = tail.entry_count.saturating_sub(sieve.others);
        Ok(collected.settle(authority.id, ours, evidence, base))
    }
}

/// Tells which entries are of the issuer's certificates (RFC 5280 §5.3.3).
struct Sieve<'a> {
    crl_issuer: &'a [u8],
    subject: &'a [u8],
    issuer: CertificateIssuer,
    is_ours: bool,
    /// Entries of other issuers.
    others: u32,
    /// The first entry that names an issuer, and the first that cannot be read.
    first_named: Option<u32>,
    first_malformed: Option<u32>,
}

impl<'a> Sieve<'a> {
    fn new(crl_issuer: &'a [u8], subject: &'a [u8]) -> Self {
        Self {
            crl_issuer,
            subject,
            issuer: CertificateIssuer::default(),
            is_ours: crl_issuer == subject,
            others: 0,
            first_named: None,
            first_malformed: None,
        }
    }

    #[inline]
    fn is_ours(&mut self, number: u32, entry: Result<&Entry<'_>, &EntryError>) -> bool {
        match entry {
            Ok(entry) if entry.extensions.certificate_issuer.is_some() => {
                self.first_named.get_or_insert(number);
                self.issuer.follow(entry.extensions.certificate_issuer);
                self.is_ours = self.issuer.is(self.subject, self.crl_issuer);
            }
            Ok(_) => {}
            Err(_) => {
                self.first_malformed.get_or_insert(number);
            }
        }
        if !self.is_ours {
            self.others = self.others.saturating_add(1);
        }
        self.is_ours
    }

    /// Whether what was told can be relied on, now that it is known whether the CRL is indirect.
    fn finish(&self, is_indirect: bool) -> Result<(), CrlRefusal> {
        match (is_indirect, self.first_named, self.first_malformed) {
            (false, Some(entry), _) => Err(CrlRefusal::Indirect { entry }),
            (true, _, Some(entry)) => Err(CrlRefusal::IndirectAndMalformed { entry }),
            _ => Ok(()),
        }
    }
}

/// What is computed over the octets on their way.
struct Digests {
    whole: digest::Context,
    tbs: SignedOctets,
}

impl Tap for Digests {
    fn whole(&mut self, octets: &[u8]) {
        self.whole.update(octets);
    }

    fn tbs(&mut self, octets: &[u8]) {
        self.tbs.update(octets);
    }
}

fn sha256(digest: digest::Digest) -> [u8; 32] {
    let mut octets = [0; 32];
    for (octet, source) in octets.iter_mut().zip(digest.as_ref()) {
        *octet = *source;
    }
    octets
}

/// Whether the CRL holds now; gives nextUpdate.
fn check_times(head: &Head, now: UnixTime) -> Result<UnixTime, CrlRefusal> {
    let this_update = head.this_update;
    if this_update > now.saturating_add(REVOCATION_AHEAD_MAX) {
        return Err(CrlRefusal::NotYetValid { this_update, now });
    }
    let next_update = head.next_update.ok_or(CrlRefusal::NoNextUpdate)?;
    if next_update <= this_update {
        return Err(CrlRefusal::EndsBeforeItBegins {
            this_update,
            next_update,
        });
    }
    if next_update < now {
        return Err(CrlRefusal::Expired { next_update, now });
    }
    Ok(next_update)
}

/// The entries on their way into memory.
pub(super) struct Collected {
    kept: Kept,
    good: usize,
    /// Only of a delta they are good.
    removals: Vec<Removal>,
    problems: Problems<CrlCause>,
    /// What an entry says that forbids to use any.
    refusal: Option<CrlRefusal>,
    dates: Dates,
}

impl Collected {
    pub(super) fn new() -> Self {
        Self {
            kept: Kept::default(),
            good: 0,
            removals: Vec::new(),
            problems: Problems::of(Unit::Entry),
            refusal: None,
            dates: Dates::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn add(&mut self, raw: &crate::crl::RawEntry<'_>) -> Result<(), CrlError> {
        self.take(raw.number, raw.decode())
    }

    /// An entry of one of the issuer's certificates.
    fn take(&mut self, number: u32, entry: Result<Entry<'_>, EntryError>) -> Result<(), CrlError> {
        let judged = entry.map_err(CrlCause::from).and_then(|entry| {
            if self.refusal.is_none() {
                self.refusal = refusal(number, &entry);
            }
            judge(&entry, &mut self.dates)
        });
        let added = match judged {
            Ok(Judged::Revoked(entry)) => {
                self.good = self.good.saturating_add(1);
                self.kept.push(&entry)
            }
            Ok(Judged::Removed(serial)) => {
                let offset = u32::try_from(self.kept.end()).unwrap_or(u32::MAX);
                self.removals.push(Removal { serial, offset });
                // Holds its place.
                self.kept.push_bad()
            }
            Err(cause) => {
                self.problems
                    .push_at(self.kept.end(), || problem(u64::from(number), cause));
                self.kept.push_bad()
            }
        };
        added.map_err(|Full| CrlError::TooManyEntries {
            entries_max: number,
        })
    }

    /// An entry of another issuer: it holds its place, and what it says of the whole CRL counts.
    fn pass_over(
        &mut self,
        number: u32,
        entry: Result<Entry<'_>, EntryError>,
    ) -> Result<(), CrlError> {
        if let (None, Ok(entry)) = (&self.refusal, entry) {
            self.refusal = refusal(number, &entry);
        }
        let entries_max = number;
        (self.kept.push_bad()).map_err(|Full| CrlError::TooManyEntries { entries_max })
    }

    /// Leaves each serial number once, or not at all where its entries contradict each other. `base` is
    /// the BaseCRLNumber of a delta.
    pub(super) fn settle(
        self,
        issuer: IssuerId,
        entry_count: u32,
        evidence: Evidence,
        base: Option<CrlNumber>,
    ) -> Crl {
        let Self {
            kept,
            good,
            mut removals,
            mut problems,
            ..
        } = self;
        let mut table = Table::new(&kept, good, issuer);
        let mut repeated: Vec<Place> = Vec::new();
        // With the offset of one that says something else.
        let mut contradictions: Vec<(Place, u32)> = Vec::new();
        table.each_repetition(&kept, |same| {
            let Some((first, rest)) = same.split_first() else {
                return;
            };
            let says = |place: &Place| kept.at(place.offset);
            match rest.iter().find(|place| says(place) != says(first)) {
                None => repeated.extend(rest),
                Some(different) => contradictions.extend(same.iter().map(|place| {
                    let agrees = says(place) == says(first);
                    (*place, if agrees { different } else { first }.offset)
                })),
            }
        });
        let settled = contradictions.iter().map(|(place, _)| place);
        for place in repeated.iter().chain(settled) {
            table.settle(*place);
        }
        let mut removal_count = removals.len();
        removals.sort_unstable_by(|a, b| {
            let key = |removal: &Removal| (removal.serial, removal.offset);
            let ((a, a_offset), (b, b_offset)) = (key(a), key(b));
            (a.as_bytes(), a_offset).cmp(&(b.as_bytes(), b_offset))
        });
        if base.is_some() {
            removals.dedup_by_key(|removal| removal.serial);
        }
        removals.retain(|removal| {
            let Removal { serial, offset } = *removal;
            let listed = base.and_then(|_| table.find(&kept, &serial));
            let cause = match (base, listed) {
                (Some(_), None) => return true,
                (None, _) => CrlCause::RemoveFromCrl { serial },
                (Some(_), Some(place)) => {
                    if !table.is_settled(place) {
                        contradictions.push((place, offset));
                        table.settle(place);
                    }
                    let other = kept.number(place.offset);
                    CrlCause::Contradiction { serial, other }
                }
            };
            problems.push_at(u64::from(offset), || problem(kept.number(offset), cause));
            removal_count = removal_count.saturating_sub(1);
            false
        });
        for (place, other) in &contradictions {
            let Some(KeptEntry { serial, .. }) = kept.at(place.offset) else {
                continue;
            };
            problems.push_at(u64::from(place.offset), || {
                let other = kept.number(*other);
                let cause = CrlCause::Contradiction { serial, other };
                problem(kept.number(place.offset), cause)
            });
        }
        let listed = good
            .saturating_sub(repeated.len())
            .saturating_sub(contradictions.len());
        Crl {
            issuer,
            evidence: Evidence {
                entry_count: u32::try_from(listed).unwrap_or(u32::MAX),
                ..evidence
            },
            kept,
            table: Some(table),
            left: Vec::new(),
            base,
            removals,
            entry_count: u64::from(entry_count),
            settled: u64::try_from(repeated.len().saturating_add(removal_count))
                .unwrap_or(u64::MAX),
            differing: 0,
            problems,
        }
    }
}

fn problem(number: u64, cause: CrlCause) -> Problem<CrlCause> {
    Problem {
        place: problems::Place::new(Unit::Entry, number),
        part: None,
        cause,
    }
}

/// What an entry says that forbids to use any of the CRL.
fn refusal(number: u32, entry: &Entry<'_>) -> Option<CrlRefusal> {
    let oid = entry.extensions.unknown_critical?;
    Some(CrlRefusal::CriticalEntryExtension { entry: number, oid })
}

/// An entry as a change, or why it is none.
fn judge(entry: &Entry<'_>, dates: &mut Dates) -> Result<Judged, CrlCause> {
    let serial = serial_number(entry.serial_number)?;
    let revocation_time = dates
        .read(entry.revocation_date)
        .map_err(|source| CrlCause::RevocationDate { serial, source })?;
    let reason = match entry.extensions.reason_code {
        // unspecified should be said by leaving the extension out (RFC 5280 §5.3.1).
        None | Some(0) => None,
        Some(8) => return Ok(Judged::Removed(serial)),
        Some(code) => Some(CrlReason::from_code(code).ok_or(CrlCause::Reason { serial, code })?),
    };
    Ok(Judged::Revoked(KeptEntry {
        serial,
        claim: RevocationClaim {
            revocation_time,
            reason,
            invalidity_date: entry.extensions.invalidity_date,
        },
    }))
}

/// What an entry says of its certificate.
enum Judged {
    /// It is revoked.
    Revoked(KeptEntry),
    /// It is not listed any more (removeFromCRL, RFC 5280 §5.3.1).
    Removed(SerialNumber),
}

fn serial_number(content: &[u8]) -> Result<SerialNumber, CrlCause> {
    checked_serial(content).map_err(|fault| CrlCause::Serial {
        serial: Digits::new(content),
        fault,
    })
}

fn checked_serial(content: &[u8]) -> Result<SerialNumber, SerialFault> {
    match content {
        [0x80..=0xff, ..] => Err(SerialFault::Negative),
        [0] => Err(SerialFault::Zero),
        // The reader takes INTEGERs in minimal form alone.
        _ => SerialNumber::from_content(content).map_err(|_| SerialFault::TooLong {
            octets: content.len(),
        }),
    }
}

/// What is wrong with a serial number, by its content octets.
pub(super) fn serial_fault(content: &[u8]) -> Option<SerialFault> {
    checked_serial(content).err()
}

/// Reads revocation dates; many entries in a row have the same.
#[derive(Default)]
struct Dates {
    last: Option<(bool, Vec<u8>, UnixTime)>,
}

impl Dates {
    #[inline]
    fn read(&mut self, time: Time<'_>) -> Result<UnixTime, TimeError> {
        let (is_utc, content) = match time {
            Time::Utc(content) => (true, content),
            Time::Generalized(content) => (false, content),
        };
        if let Some((last_is_utc, last, unix)) = &self.last
            && *last_is_utc == is_utc
            && last == content
        {
            return Ok(*unix);
        }
        let unix = time.to_unix()?;
        self.last = Some((is_utc, content.to_vec(), unix));
        Ok(unix)
    }
}
