//! From octets to a CRL that was judged.

use std::io::BufRead;

use aws_lc_rs::digest;

use crate::{
    asn1::{CrlReason, TimeError, UnixTime},
    change::{Evidence, REVOCATION_AHEAD_MAX, RevocationClaim},
    crl::{
        CrlError, CrlExtensions, CrlReader, Entry, Head, IssuingDistributionPoint, Limits,
        RawEntry, Tap, Time,
    },
    feed::problems::{self, Problem, Problems, Unit},
    identity::{IssuerId, SerialNumber},
    signer::{Name, SignedOctets},
};

use super::{
    Authority, Crl, CrlCause, CrlRefusal, Digits, SerialFault,
    kept::{Full, Kept, KeptEntry},
    signature,
    table::{Place, Table},
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

    /// Reads the rest, and judges all of it at `now` as one of this issuer's.
    ///
    /// # Errors
    /// [`CrlRefusal`]. Entries that are bad for themselves are problems of the CRL instead.
    pub fn read(self, authority: &Authority<'_>, now: UnixTime) -> Result<Crl, CrlRefusal> {
        let Self {
            mut reader,
            mut digests,
        } = self;
        let head = reader.head().clone();
        if head.issuer_der != authority.certificate.subject_der() {
            return Err(CrlRefusal::WrongIssuer {
                found: Box::new(Name::new(&head.issuer_der)),
                expected: Box::new(Name::new(authority.certificate.subject_der())),
            });
        }
        let mut collected = Collected::new();
        while let Some(entry) = reader.next_entry(&mut digests)? {
            collected.add(&entry)?;
        }
        let tail = reader.finish(&mut digests)?;
        let extensions = tail.extensions()?;
        check_scope(&extensions)?;
        if let Some(refusal) = collected.refusal.take() {
            return Err(refusal);
        }
        signature::check(
            authority,
            extensions.authority_key_id.as_deref(),
            &digests.tbs.finish(),
            &tail.signature,
        )?;
        let next_update = check_times(&head, now)?;
        let evidence = Evidence {
            this_update: head.this_update,
            next_update,
            crl_number: extensions.crl_number,
            crl_sha256: sha256(digests.whole.finish()),
            entry_count: 0,
        };
        Ok(collected.settle(authority.id, tail.entry_count, evidence))
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

/// Whether the CRL speaks of all certificates of its issuer, and of no others.
fn check_scope(extensions: &CrlExtensions) -> Result<(), CrlRefusal> {
    if let Some(base) = extensions.base_crl_number {
        return Err(CrlRefusal::Delta { base });
    }
    if let Some(point) = &extensions.issuing_distribution_point {
        check_distribution_point(point)?;
    }
    match extensions.unknown_critical {
        Some(oid) => Err(CrlRefusal::CriticalExtension { oid }),
        None => Ok(()),
    }
}

/// An issuing distribution point that says no more than a full CRL without one is passed over.
fn check_distribution_point(point: &IssuingDistributionPoint) -> Result<(), CrlRefusal> {
    let partial = |part| Err(CrlRefusal::Partial { part });
    if point.indirect_crl {
        return Err(CrlRefusal::Indirect { entry: None });
    }
    if point.only_contains_user_certs {
        return partial("end-entity certificates");
    }
    if point.only_contains_ca_certs {
        return partial("CA certificates");
    }
    if point.only_contains_attribute_certs {
        return partial("attribute certificates");
    }
    if point.only_some_reasons.is_some() {
        return Err(CrlRefusal::SomeReasons);
    }
    match &point.distribution_point {
        Some(name) => Err(CrlRefusal::Partitioned {
            point: name.uri().map(str::to_owned),
        }),
        None => Ok(()),
    }
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
            problems: Problems::of(Unit::Entry),
            refusal: None,
            dates: Dates::default(),
        }
    }

    pub(super) fn add(&mut self, raw: &RawEntry<'_>) -> Result<(), CrlError> {
        let number = raw.number;
        let judged = raw.decode().map_err(CrlCause::from).and_then(|entry| {
            if self.refusal.is_none() {
                self.refusal = refusal(number, &entry);
            }
            judge(&entry, &mut self.dates)
        });
        let added = match judged {
            Ok(entry) => {
                self.good = self.good.saturating_add(1);
                self.kept.push(&entry)
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

    /// Leaves each serial number once, or not at all where its entries contradict each other.
    pub(super) fn settle(self, issuer: IssuerId, entry_count: u32, evidence: Evidence) -> Crl {
        let Self {
            kept,
            good,
            mut problems,
            ..
        } = self;
        let mut table = Table::new(&kept, good, issuer);
        let mut repeated: Vec<Place> = Vec::new();
        let mut contradictions: Vec<(Place, Place)> = Vec::new();
        table.each_repetition(&kept, |same| {
            let Some((first, rest)) = same.split_first() else {
                return;
            };
            let says = |place: &Place| kept.at(place.offset);
            match rest.iter().find(|place| says(place) != says(first)) {
                None => repeated.extend(rest),
                Some(different) => contradictions.extend(same.iter().map(|place| {
                    let agrees = says(place) == says(first);
                    (*place, *if agrees { different } else { first })
                })),
            }
        });
        for (place, other) in &contradictions {
            let Some(KeptEntry { serial, .. }) = kept.at(place.offset) else {
                continue;
            };
            problems.push_at(u64::from(place.offset), || {
                let other = kept.number(other.offset);
                let cause = CrlCause::Contradiction { serial, other };
                problem(kept.number(place.offset), cause)
            });
        }
        let settled = contradictions.iter().map(|(place, _)| place);
        for place in repeated.iter().chain(settled) {
            table.settle(*place);
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
            entry_count: u64::from(entry_count),
            settled: u64::try_from(repeated.len()).unwrap_or(u64::MAX),
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
    let extensions = entry.extensions;
    if extensions.certificate_issuer.is_some() {
        let entry = Some(number);
        return Some(CrlRefusal::Indirect { entry });
    }
    let oid = extensions.unknown_critical?;
    Some(CrlRefusal::CriticalEntryExtension { entry: number, oid })
}

/// An entry as a change, or why it is none.
fn judge(entry: &Entry<'_>, dates: &mut Dates) -> Result<KeptEntry, CrlCause> {
    let serial = serial_number(entry.serial_number)?;
    let revocation_time = dates
        .read(entry.revocation_date)
        .map_err(|source| CrlCause::RevocationDate { serial, source })?;
    let reason = match entry.extensions.reason_code {
        // unspecified should be said by leaving the extension out (RFC 5280 §5.3.1).
        None | Some(0) => None,
        Some(8) => return Err(CrlCause::RemoveFromCrl { serial }),
        Some(code) => Some(CrlReason::from_code(code).ok_or(CrlCause::Reason { serial, code })?),
    };
    Ok(KeptEntry {
        serial,
        claim: RevocationClaim {
            revocation_time,
            reason,
            invalidity_date: entry.extensions.invalidity_date,
        },
    })
}

fn serial_number(content: &[u8]) -> Result<SerialNumber, CrlCause> {
    let fault = match content {
        [0x80..=0xff, ..] => SerialFault::Negative,
        [0] => SerialFault::Zero,
        _ => match SerialNumber::from_content(content) {
            Ok(serial) => return Ok(serial),
            // The reader takes INTEGERs in minimal form alone.
            Err(_) => SerialFault::TooLong {
                octets: content.len(),
            },
        },
    };
    Err(CrlCause::Serial {
        serial: Digits::new(content),
        fault,
    })
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
