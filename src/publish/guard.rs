//! A second reading of what was written, by other code: what does not pass gets no name.
//!
//! Entries are compared by what they come to, a sum that was made as they left the ledger: neither their
//! sorting nor their writing is gone through again to know that all of them arrived.

use std::{
    fs::File,
    io::{self, BufReader},
    ops::Range,
    path::Path,
};

use aws_lc_rs::digest;

use super::{
    PublishError,
    loss::Comparison,
    sorted::{EntryHasher, Sum},
    write::{CrlOrder, WrittenCrl},
};
use crate::{
    asn1::{CrlReason, KeyUsage},
    crl::{
        CrlError, CrlExtensions, CrlReader, Entry, IssuingDistributionPoint, Limits, Tap, Version,
        writer::{EntryReason, Listing, RevokedEntry, order as rising},
    },
    identity::SerialNumber,
    ledger::LedgerError,
    segment::whole_file,
    signer::{SignedOctets, message_digest},
};

/// What a CRL is to have.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub(super) listing: Listing,
    pub(super) sum: Sum,
    pub(super) hasher: &'a EntryHasher,
}

/// Reads the CRL from its file as any client would, and compares each of its fields with what it should
/// say, its entries with what they should come to, and those of the CRL before with them.
pub(super) fn check(
    order: &CrlOrder<'_>,
    due: Due<'_>,
    before: Comparison<'_>,
    path: &Path,
    tbs: Range<usize>,
) -> Result<WrittenCrl, PublishError> {
    let failed = |source| PublishError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let octets = file.metadata().map_err(failed)?.len();
    let whole = message_digest(order.signer.algorithm()).is_none();
    // What is signed is needed whole where it is not a digest that is.
    let whole = whole
        .then(|| whole_file(&file))
        .transpose()
        .map_err(failed)?;
    let message = whole
        .as_ref()
        .map(|file| file.as_ref().get(tbs).unwrap_or_default());
    let input = BufReader::with_capacity(READ_OCTETS, &file);
    match read(order, due, before, input, message) {
        Ok(sha256) => Ok(WrittenCrl {
            entry_count: due.listing.count(),
            octets,
            sha256,
        }),
        Err(Found::Io(source)) => Err(failed(source)),
        Err(Found::Fault(found)) => Err(PublishError::Guard { found }),
        Err(Found::Other(error)) => Err(error),
    }
}

/// Why it does not pass.
enum Found {
    Io(io::Error),
    Fault(String),
    Other(PublishError),
}

impl From<LedgerError> for Found {
    fn from(error: LedgerError) -> Self {
        Self::Other(error.into())
    }
}

impl From<CrlError> for Found {
    fn from(error: CrlError) -> Self {
        match error {
            CrlError::Read(error) => Self::Io(error),
            error => Self::Fault(error.to_string()),
        }
    }
}

fn demand(holds: bool, fault: &str) -> Result<(), Found> {
    if holds {
        Ok(())
    } else {
        Err(Found::Fault(fault.to_owned()))
    }
}

fn read(
    order: &CrlOrder<'_>,
    due: Due<'_>,
    mut before: Comparison<'_>,
    input: impl io::BufRead,
    message: Option<&[u8]>,
) -> Result<[u8; 32], Found> {
    let mut reader = CrlReader::open(input, Limits::MOST)?;
    let head = reader.head();
    let algorithm = order.signer.algorithm().algorithm_identifier_der();
    demand(head.version == Version::V2, "it is not of version 2")?;
    demand(
        head.signature_algorithm_der == algorithm,
        "it names another signature algorithm",
    )?;
    demand(
        head.issuer_der == order.issuer.subject_der(),
        "its issuer is not the CA's name octet for octet",
    )?;
    demand(
        head.this_update == order.this_update && head.next_update == Some(order.next_update),
        "its times are others",
    )?;
    let mut digests = Digests {
        whole: digest::Context::new(&digest::SHA256),
        tbs: match message {
            Some(_) => None,
            None => Some(
                SignedOctets::new(algorithm).map_err(|error| Found::Fault(error.to_string()))?,
            ),
        },
    };
    let (mut sum, mut count, mut last) = (Sum::default(), 0_u64, None);
    while let Some(raw) = reader.next_entry(&mut digests)? {
        let number = raw.number;
        let entry = raw
            .decode()
            .map_err(|error| Found::Fault(format!("entry {number}: {error}")))
            .and_then(|entry| said(&entry, order.base.is_some()))?;
        if last.is_some_and(|last| rising(&last) >= rising(&entry.serial)) {
            return Err(Found::Fault(format!("entry {number} is not in order")));
        }
        last = Some(entry.serial);
        sum.add(due.hasher, &entry);
        count = count.saturating_add(1);
        before.has(&entry.serial)?;
    }
    demand(
        count == due.listing.count() && sum == due.sum,
        "its entries are not those that the ledger has",
    )?;
    before.finish().map_err(Found::Other)?;
    let tail = reader.finish(&mut digests)?;
    let extensions = tail
        .extensions()
        .map_err(|error| Found::Fault(error.to_string()))?;
    let point = extensions.issuing_distribution_point.as_ref();
    demand(
        point.is_some() == order.point.is_some()
            && point.is_none_or(|point| is_of(point, order.point)),
        "its issuingDistributionPoint does not name the URL that certificates name",
    )?;
    let due = CrlExtensions {
        authority_key_id: order.issuer.subject_key_id().map(<[u8]>::to_vec),
        crl_number: Some(order.number),
        base_crl_number: order.base,
        issuing_distribution_point: point.cloned(),
        freshest_crl_urls: order.freshest.into_iter().map(str::to_owned).collect(),
        expired_certs_on_crl: order.expired_since,
        unknown_critical: None,
    };
    demand(extensions == due, "its extensions are others")?;
    let verified = match (digests.tbs, message) {
        (Some(digest), _) => digest.finish().verify(order.issuer, &tail.signature),
        (None, message) => {
            let message = message.unwrap_or_default();
            SignedOctets::verify_whole(algorithm, message, order.issuer, &tail.signature)
        }
    };
    verified.map_err(|fault| Found::Fault(fault.to_string()))?;
    let usage = order.issuer.key_usage();
    demand(
        usage.is_some_and(|usage| usage.contains(KeyUsage::CRL_SIGN)),
        "the CA's certificate has no keyUsage with cRLSign (RFC 10007 §4)",
    )?;
    Ok(sha256(digests.whole.finish()))
}

/// Whether it is a CRL of this distribution point, all reasons and kinds of certificates.
fn is_of(point: &IssuingDistributionPoint, url: Option<&str>) -> bool {
    let name = point.distribution_point.as_ref();
    let plain = IssuingDistributionPoint {
        distribution_point: name.cloned(),
        ..IssuingDistributionPoint::default()
    };
    *point == plain && name.is_some_and(|name| name.uris().eq(url))
}

/// What an entry says, where that is something that one of ours can say.
fn said(entry: &Entry<'_>, is_delta: bool) -> Result<RevokedEntry, Found> {
    let fault = |what: &str| Found::Fault(format!("an entry {what}"));
    let extensions = entry.extensions;
    if extensions.certificate_issuer.is_some() || extensions.unknown_critical.is_some() {
        return Err(fault("has an extension that none has"));
    }
    let reason = match extensions.reason_code {
        None => EntryReason::Unspecified,
        Some(8) if is_delta => EntryReason::RemoveFromCrl,
        Some(code) => CrlReason::from_code(code)
            .map(EntryReason::Reason)
            .ok_or_else(|| fault("has a reason that none has"))?,
    };
    Ok(RevokedEntry {
        serial: SerialNumber::from_content(entry.serial_number)
            .map_err(|_| fault("has a serial number that none has"))?,
        revocation_date: (entry.revocation_date.to_unix())
            .map_err(|_| fault("has a date that none has"))?,
        reason,
        invalidity_date: extensions.invalidity_date,
    })
}

/// What is computed over the octets on their way.
struct Digests {
    whole: digest::Context,
    tbs: Option<SignedOctets>,
}

impl Tap for Digests {
    fn whole(&mut self, octets: &[u8]) {
        self.whole.update(octets);
    }

    fn tbs(&mut self, octets: &[u8]) {
        if let Some(tbs) = &mut self.tbs {
            tbs.update(octets);
        }
    }
}

fn sha256(digest: digest::Digest) -> [u8; 32] {
    let mut octets = [0; 32];
    for (octet, source) in octets.iter_mut().zip(digest.as_ref()) {
        *octet = *source;
    }
    octets
}

const READ_OCTETS: usize = 128 << 10;
