//! Everything that follows from the entries, derived anew and compared.
//!
//! A certificate's status follows from all of its entries, which lie anywhere in the log. The
//! certificates are taken in parts, by the hash that `status` is ordered by; for each part the entries
//! are read in order, and the statuses of its certificates kept in memory, in the form that `status`
//! has: about 200 MB for [`CERTIFICATES_AT_ONCE`].

use std::collections::{BTreeMap, HashMap};

use super::{
    Progress, VerifyStep,
    finding::{Finding, Findings, RowFault},
};
use crate::{
    asn1::UnixTime,
    change::Action,
    identity::{SerialHash, SerialNumber},
    ledger::{
        engine::{Count, be_u64},
        entry::{CertificateEntry, Entry, EntryKind, Statement, certificate_named},
        error::LedgerError,
        issuer_wide::IssuerWide,
        keys,
        log::TreeHead,
        record::StatusRecord,
        snapshot::LedgerSnapshot,
        transition::{Standing, Transition, transition},
    },
};

/// How many certificates one part is meant to have.
const CERTIFICATES_AT_ONCE: u64 = if cfg!(test) { 200 } else { 1_500_000 };
/// More than this in one part, and all is begun again with more parts: the counts lied.
const CERTIFICATES_AT_ONCE_MAX: usize = if cfg!(test) { 300 } else { 2_000_000 };
/// The most parts: 2^16 of them hold any ledger.
const DEPTH_MAX: u8 = 16;

/// Compares all rows, or from a trusted head on those that later entries are about. Gives how many
/// certificates were derived.
pub(super) fn check(
    snapshot: &LedgerSnapshot,
    from: Option<&TreeHead>,
    findings: &mut Findings,
    progress: &mut Progress<'_>,
) -> Result<u64, LedgerError> {
    let begin = from.map_or(0, |head| head.size);
    let size = snapshot.frontier()?.size();
    let mut known = 0_u64;
    for issuer in snapshot.issuers() {
        known = known.saturating_add(snapshot.own_count(issuer.number)?.known);
    }
    // No more certificates than entries, whatever the counts say.
    let certificates = known.min(size.saturating_sub(begin));
    let parts = certificates.div_ceil(CERTIFICATES_AT_ONCE).max(1);
    let mut depth = u8::try_from(parts.next_power_of_two().trailing_zeros()).unwrap_or(DEPTH_MAX);
    loop {
        let mut found = Findings::default();
        let mut derived = Derived::new(snapshot, begin, &mut found);
        if derived.all_parts(depth.min(DEPTH_MAX), size, progress)? {
            derived.compare_others()?;
            let certificates = derived.certificates;
            for finding in found.told {
                findings.add(finding);
            }
            findings.more = findings.more.saturating_add(found.more);
            return Ok(certificates);
        }
        depth = depth.saturating_add(1);
    }
}

/// What follows from the entries.
struct Derived<'a> {
    snapshot: &'a LedgerSnapshot,
    findings: &'a mut Findings,
    /// The leaf that reading begins with; 0 for all of them.
    begin: u64,
    /// The canonical entries that defined issuers.
    issuers: BTreeMap<u32, Vec<u8>>,
    whole: BTreeMap<u32, IssuerWide>,
    /// The canonical entries of the newest evidence.
    evidence: BTreeMap<Vec<u8>, Vec<u8>>,
    counts: BTreeMap<u32, Count>,
    /// What the clock was accepted at last: nothing was signed before that time since.
    clock_accepted: UnixTime,
    /// Of the certificates of this part: the value that `status` should have.
    part: HashMap<(u32, SerialNumber), Box<[u8]>>,
    certificates: u64,
}

impl<'a> Derived<'a> {
    fn new(snapshot: &'a LedgerSnapshot, begin: u64, findings: &'a mut Findings) -> Self {
        let mut derived = Self {
            snapshot,
            findings,
            begin,
            issuers: BTreeMap::new(),
            whole: BTreeMap::new(),
            evidence: BTreeMap::new(),
            counts: BTreeMap::new(),
            clock_accepted: UnixTime::EPOCH,
            part: HashMap::new(),
            certificates: 0,
        };
        if begin > 0 {
            // What a trusted head covers is taken from the rows.
            let first = snapshot.epochs().sequence_of(begin).unwrap_or(u64::MAX);
            let earlier = |whole: &IssuerWide| whole.sequence < first;
            let rows = snapshot.whole.iter().filter(|(_, whole)| earlier(whole));
            derived.whole.extend(rows.copied());
        }
        derived
    }

    /// False when a part had far more certificates than was to be expected.
    fn all_parts(
        &mut self,
        depth: u8,
        size: u64,
        progress: &mut Progress<'_>,
    ) -> Result<bool, LedgerError> {
        let parts = 1_u32 << depth;
        let entries = size.saturating_sub(self.begin);
        let of = entries.saturating_mul(u64::from(parts));
        for part in 0..parts {
            let before = entries.saturating_mul(u64::from(part));
            if !self.read_part(depth, part, before, of, progress)? {
                return Ok(false);
            }
            let read = u64::try_from(self.part.len()).unwrap_or(u64::MAX);
            self.certificates = self.certificates.saturating_add(read);
            match self.begin {
                0 => self.compare_part(depth, part)?,
                _ => self.compare_some()?,
            }
            self.part.clear();
        }
        Ok(true)
    }

    fn read_part(
        &mut self,
        depth: u8,
        part: u32,
        before: u64,
        of: u64,
        progress: &mut Progress<'_>,
    ) -> Result<bool, LedgerError> {
        let mut rows = self.snapshot.raw_rows(keys::ENTRIES)?;
        let first = self.snapshot.epochs().sequence_of(self.begin).unwrap_or(0);
        rows.seek(first.to_be_bytes());
        let mut read = 0_u64;
        while let Some((_, value)) = rows.item() {
            if read.is_multiple_of(PROGRESS_ENTRIES) {
                self.snapshot.engine().check_open()?;
                let done = before.saturating_add(read);
                progress.tell(VerifyStep::Rows { done, of })?;
            }
            read = read.saturating_add(1);
            if self.is_of(depth, part, value) {
                self.entry(value, part == 0)?;
                if self.part.len() > CERTIFICATES_AT_ONCE_MAX && depth < DEPTH_MAX {
                    return Ok(false);
                }
            }
            rows.next();
        }
        // What cannot be read was told when the log was.
        Ok(true)
    }

    /// Whether an entry is about this part: all but certificates' are about every one.
    fn is_of(&self, depth: u8, part: u32, octets: &[u8]) -> bool {
        let Some((number, serial)) = certificate_named(octets) else {
            return true;
        };
        let Some(issuer) = self.snapshot.issuers.by_number(number) else {
            // Told once.
            return part == 0;
        };
        let shard = SerialHash::new(&issuer.id, serial).shard(u32::from(depth));
        shard == u64::from(part)
    }

    fn entry(&mut self, octets: &[u8], is_first_part: bool) -> Result<(), LedgerError> {
        // What is none was told when the log was read.
        let Ok(entry) = Entry::decode(octets) else {
            return Ok(());
        };
        let sequence = entry.sequence;
        match &entry.kind {
            EntryKind::IssuerDefined { number, .. } if is_first_part => {
                let before = self.issuers.insert(*number, octets.to_vec());
                if before.is_some() {
                    self.findings.add(Finding::NotAllowed { sequence });
                }
            }
            EntryKind::Certificate(certificate) => self.certificate(&entry, certificate)?,
            EntryKind::Evidence {
                issuer_number,
                evidence,
            } => {
                self.is_defined(*issuer_number, sequence, is_first_part);
                let key = keys::evidence(*issuer_number, evidence.scope.tag());
                self.evidence.insert(key.as_ref().to_vec(), octets.to_vec());
                let found_by = keys::evidence_at(*issuer_number, entry.recorded_ms, sequence);
                self.evidence.insert(found_by.as_ref().to_vec(), Vec::new());
            }
            EntryKind::IssuerRevoked {
                issuer_number,
                claim,
            } => {
                self.is_defined(*issuer_number, sequence, is_first_part);
                let whole = IssuerWide::new(sequence, *claim, entry.recorded_ms);
                let before = self.whole.insert(*issuer_number, whole);
                if is_first_part && before.is_some() {
                    self.findings.add(Finding::NotAllowed { sequence });
                }
            }
            EntryKind::ClockAccepted { time } => self.clock_accepted = *time,
            // Nothing but the entry itself.
            _ => {}
        }
        Ok(())
    }

    fn is_defined(&mut self, number: u32, sequence: u64, tell: bool) -> bool {
        let defined = match self.begin {
            0 => self.issuers.contains_key(&number),
            _ => self.snapshot.issuers.by_number(number).is_some(),
        };
        if !defined && tell {
            let finding = Finding::UndefinedIssuer { sequence, number };
            self.findings.add(finding);
        }
        defined
    }

    fn certificate(
        &mut self,
        entry: &Entry,
        certificate: &CertificateEntry,
    ) -> Result<(), LedgerError> {
        let (number, sequence) = (certificate.issuer_number, entry.sequence);
        if !self.is_defined(number, sequence, true) {
            return Ok(());
        }
        let key = (number, certificate.serial);
        let known = match self.part.get(&key) {
            Some(value) => StatusRecord::decode(value),
            // Before a trusted head: what its earlier entries give.
            None if self.begin > 0 => self.before(certificate)?,
            None => None,
        };
        let expected = known.map_or(0, |known| known.sequence);
        if certificate.previous != expected {
            self.findings.add(Finding::Link {
                sequence,
                found: certificate.previous,
                expected,
            });
        }
        match self.after(known.as_ref(), entry, certificate) {
            Some(record) => {
                let mut value = Vec::new();
                record.encode(&mut value);
                self.part.insert(key, value.into());
            }
            None => self.findings.add(Finding::NotAllowed { sequence }),
        }
        Ok(())
    }

    /// What is known of a certificate by an entry, after what was known before; `None` for an entry
    /// that would not have been recorded.
    fn after(
        &self,
        known: Option<&StatusRecord>,
        entry: &Entry,
        certificate: &CertificateEntry,
    ) -> Option<StatusRecord> {
        let standing = known.map(Standing::from).unwrap_or_default();
        let action = action(&certificate.statement);
        let whole = self.whole.get(&certificate.issuer_number);
        let whole = whole.filter(|whole| whole.sequence < entry.sequence);
        let judge = |whole| transition(&standing, whole, &action, entry.recorded_ms);
        let judged = match judge(whole.map(|whole| &whole.revocation)) {
            Transition::Apply(next) => Transition::Apply(next),
            // What belongs to an order to revoke an issuer is judged with it, as if before it.
            _ if whole.is_some_and(|it| it.revocation.recorded_ms == entry.recorded_ms) => {
                judge(None)
            }
            other => other,
        };
        let Transition::Apply(next) = judged else {
            return None;
        };
        // What only adds to the inventory leaves the revocation as whoever made it did.
        let is_new = !matches!(action, Action::Issue(_))
            && (next.revocation, next.released) != (standing.revocation, standing.released);
        let crl_scope = if is_new {
            entry.source.crl_scope()
        } else {
            known.and_then(|known| known.crl_scope)
        };
        Some(StatusRecord {
            crl_scope,
            sequence: entry.sequence,
            recorded_ms: entry.recorded_ms,
            issued: next.issued,
            revocation: next.revocation,
            released: next.released,
        })
    }

    /// What the entries before the trusted head give of a certificate.
    fn before(&self, certificate: &CertificateEntry) -> Result<Option<StatusRecord>, LedgerError> {
        let mut entries = Vec::new();
        let mut sequence = certificate.previous;
        while sequence > 0 {
            let entry = self.snapshot.entry(sequence)?;
            let Some((entry, before)) = entry.and_then(|entry| match entry.kind {
                EntryKind::Certificate(before)
                    if (before.issuer_number, before.serial)
                        == (certificate.issuer_number, certificate.serial) =>
                {
                    Some((entry, before))
                }
                _ => None,
            }) else {
                return Ok(None);
            };
            // Decoding has made sure that each is earlier: this ends.
            sequence = before.previous;
            entries.push((entry, before));
        }
        let mut known = None;
        for (entry, before) in entries.iter().rev() {
            known = self.after(known.as_ref(), entry, before);
        }
        Ok(known)
    }

    /// Compares the rows of one part with what was derived.
    fn compare_part(&mut self, depth: u8, part: u32) -> Result<(), LedgerError> {
        let numbers: Vec<u32> = self.issuers.keys().copied().collect();
        for number in numbers {
            let Some((start, end)) = keys::shard_range(number, depth, part) else {
                continue;
            };
            let within = |key: &[u8]| end.is_none_or(|end| key < end.as_ref());
            let mut statuses = self.snapshot.raw_rows(keys::STATUS)?;
            let mut revoked = self.snapshot.raw_rows(keys::REVOKED)?;
            statuses.seek(start);
            revoked.seek(start);
            while let Some((key, value)) = statuses.item().filter(|(key, _)| within(key)) {
                while let Some((other, _)) = revoked.item().filter(|(other, _)| *other < key) {
                    self.revoked(number, other, RowFault::Extra);
                    revoked.next();
                }
                let is_revoked = revoked.key() == Some(key);
                let list = is_revoked.then(|| revoked.value()).flatten();
                self.compare_row(number, key, value, list);
                if is_revoked {
                    revoked.next();
                }
                statuses.next();
            }
            while let Some((other, _)) = revoked.item().filter(|(other, _)| within(other)) {
                self.revoked(number, other, RowFault::Extra);
                revoked.next();
            }
            for rows in [statuses, revoked] {
                let engine = self.snapshot.engine();
                rows.status().map_err(|error| engine.error(error))?;
            }
        }
        for ((number, serial), value) in std::mem::take(&mut self.part) {
            self.count(number, &value);
            self.status(number, serial, RowFault::Missing);
        }
        Ok(())
    }

    fn compare_row(&mut self, number: u32, key: &[u8], value: &[u8], list: Option<&[u8]>) {
        let Some(serial) = keys::status_serial(key) else {
            let what = "a row of the column family status".to_owned();
            self.findings.add(Finding::Row {
                what,
                fault: RowFault::Extra,
            });
            return;
        };
        let issuer = self.snapshot.issuers.by_number(number);
        let in_place = issuer.is_some_and(|issuer| {
            let hash = keys::hash_prefix(&issuer.id, &serial);
            keys::status(number, hash, &serial).as_ref() == key
        });
        let expected = match in_place {
            true => self.part.remove(&(number, serial)),
            false => None,
        };
        let Some(expected) = expected else {
            self.status(number, serial, RowFault::Extra);
            return;
        };
        self.count(number, &expected);
        if *expected != *value {
            self.status(number, serial, RowFault::Differs);
        }
        let record = StatusRecord::decode(&expected);
        let on_list = record.filter(|record| record.revocation.is_some());
        let on_list = on_list.map(|record| {
            let mut octets = Vec::new();
            record.encode_revoked(&mut octets);
            octets
        });
        match (on_list.as_deref(), list) {
            (Some(expected), Some(found)) if expected != found => {
                self.revoked(number, key, RowFault::Differs);
            }
            (Some(_), None) => self.revoked(number, key, RowFault::Missing),
            (None, Some(_)) => self.revoked(number, key, RowFault::Extra),
            _ => {}
        }
    }

    /// Compares only the rows that were derived: those of certificates with later entries.
    fn compare_some(&mut self) -> Result<(), LedgerError> {
        for ((number, serial), expected) in std::mem::take(&mut self.part) {
            let Some(issuer) = self.snapshot.issuers.by_number(number) else {
                continue;
            };
            let key = keys::status(number, keys::hash_prefix(&issuer.id, &serial), &serial);
            let value = self.snapshot.get(keys::STATUS, key.as_ref())?;
            let list = self.snapshot.get(keys::REVOKED, key.as_ref())?;
            match value {
                None => self.status(number, serial, RowFault::Missing),
                Some(value) => {
                    self.part.insert((number, serial), expected);
                    self.compare_row(number, key.as_ref(), &value, list.as_deref());
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, number: u32, value: &[u8]) {
        let count = self.counts.entry(number).or_default();
        count.known = count.known.saturating_add(1);
        if StatusRecord::decode(value).is_some_and(|record| record.revocation.is_some()) {
            count.revoked = count.revoked.saturating_add(1);
        }
    }

    /// Compares what is not about one certificate.
    fn compare_others(&mut self) -> Result<(), LedgerError> {
        let mut derived = BTreeMap::new();
        for (number, whole) in &self.whole {
            let mut value = Vec::new();
            whole.encode(&mut value);
            let key = keys::issuer_wide(*number).as_ref().to_vec();
            derived.insert(
                key,
                (format!("the row of the revoked issuer {number}"), value),
            );
        }
        for (key, value) in &self.evidence {
            let what = "the row of an issuer's newest evidence".to_owned();
            derived.insert(key.clone(), (what, value.clone()));
        }
        let mut prefixes = vec![keys::EVIDENCE, keys::EVIDENCE_AT, keys::ISSUER_WIDE];
        if self.begin == 0 {
            for (number, count) in &self.counts {
                let key = keys::count(*number).as_ref().to_vec();
                let issuer = self.label(*number);
                let what = format!("the number of certificates of {issuer:?}");
                derived.insert(key, (what, count.encode().to_vec()));
            }
            prefixes.push(keys::COUNT);
        }
        let mut rows = self.snapshot.raw_rows(keys::META)?;
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            if prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                match derived.remove(key) {
                    Some((_, expected)) if expected == value => {}
                    Some((what, _)) => self.row(what, RowFault::Differs),
                    // From a trusted head on, only what later entries say is known.
                    None if self.begin > 0 => {}
                    None => {
                        let what = format!("the row {:?}", String::from_utf8_lossy(key));
                        self.row(what, RowFault::Extra);
                    }
                }
            }
            rows.next();
        }
        let engine = self.snapshot.engine();
        rows.status().map_err(|error| engine.error(error))?;
        for (what, _) in derived.into_values() {
            self.row(what, RowFault::Missing);
        }
        self.compare_high_water()?;
        self.compare_issuers()?;
        if self.begin == 0 {
            self.strangers(keys::STATUS)?;
            self.strangers(keys::REVOKED)?;
        }
        Ok(())
    }

    /// The newest time that was signed with: `clock accept` sets it, and from then on it only rises. How
    /// far, no entry says.
    fn compare_high_water(&mut self) -> Result<(), LedgerError> {
        let value = self.snapshot.get(keys::META, keys::SIGNING_HIGH_WATER)?;
        let time = match value.as_deref() {
            None => Some(UnixTime::EPOCH),
            Some(octets) => be_u64(octets).and_then(UnixTime::from_secs),
        };
        if time.is_none_or(|time| time < self.clock_accepted) {
            let fault = match value {
                None => RowFault::Missing,
                Some(_) => RowFault::Differs,
            };
            self.row("the newest time that was signed with".to_owned(), fault);
        }
        Ok(())
    }

    fn compare_issuers(&mut self) -> Result<(), LedgerError> {
        let mut expected = std::mem::take(&mut self.issuers);
        let mut rows = self.snapshot.raw_rows(keys::ISSUERS)?;
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let number = key.try_into().map(u32::from_be_bytes).unwrap_or(0);
            let what = || format!("the row of issuer number {number}");
            match expected.remove(&number) {
                Some(entry) if entry == value => {}
                Some(_) => self.row(what(), RowFault::Differs),
                None if self.begin > 0 => {}
                None => self.row(what(), RowFault::Extra),
            }
            rows.next();
        }
        let engine = self.snapshot.engine();
        rows.status().map_err(|error| engine.error(error))?;
        for number in expected.into_keys() {
            let what = format!("the row of issuer number {number}");
            self.row(what, RowFault::Missing);
        }
        Ok(())
    }

    /// Rows of issuers that the ledger does not know.
    fn strangers(&mut self, family: &'static str) -> Result<(), LedgerError> {
        let mut rows = self.snapshot.raw_rows(family)?;
        rows.seek_to_first();
        while let Some(key) = rows.key() {
            let number = key.first_chunk().map(|number| u32::from_be_bytes(*number));
            if let Some(number) = number
                && self.snapshot.issuers.by_number(number).is_some()
            {
                let (_, Some(next)) = keys::issuer_range(number) else {
                    break;
                };
                rows.seek(next);
                continue;
            }
            let what = format!("a row of an unknown issuer in the column family {family}");
            self.row(what, RowFault::Extra);
            rows.next();
        }
        let engine = self.snapshot.engine();
        rows.status().map_err(|error| engine.error(error))
    }

    fn status(&mut self, number: u32, serial: SerialNumber, fault: RowFault) {
        let issuer = self.label(number);
        self.findings.add(Finding::Status {
            issuer,
            serial,
            fault,
        });
    }

    fn revoked(&mut self, number: u32, key: &[u8], fault: RowFault) {
        match keys::status_serial(key) {
            Some(serial) => {
                let issuer = self.label(number);
                self.findings.add(Finding::Revoked {
                    issuer,
                    serial,
                    fault,
                });
            }
            None => self.row("a row of the column family revoked".to_owned(), fault),
        }
    }

    fn row(&mut self, what: String, fault: RowFault) {
        self.findings.add(Finding::Row { what, fault });
    }

    fn label(&self, number: u32) -> String {
        self.snapshot.issuers.by_number(number).map_or_else(
            || format!("issuer {number}"),
            |issuer| issuer.identity.label.clone(),
        )
    }
}

/// What a statement did.
const fn action(statement: &Statement) -> Action {
    match *statement {
        Statement::Issued(inventory) => Action::Issue(inventory),
        Statement::Revoked { claim, inventory } => Action::Revoke { claim, inventory },
        Statement::Released => Action::Release,
        Statement::Corrected(claim) => Action::Correct(claim),
    }
}

/// How often progress is told.
const PROGRESS_ENTRIES: u64 = 8_192;
