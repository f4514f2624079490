//! Signs one shard of an issuer into a segment.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_lc_rs::digest;

use super::SigningWindow;
use super::batch::{BatchSigner, Patience};
use crate::asn1::{SignatureAlgorithm, UnixTime};
use crate::identity::{IssuerId, SerialNumber};
use crate::ocsp::{EncodeError, IssuerHashes, Template, TemplateParams};
use crate::segment::{
    RecordData, RecordStatus, SegmentError, SegmentFile, SegmentKind, SegmentSpec, SegmentWriter,
};
use crate::signer::{LoadedSigner, SignerError};

/// A certificate's status as it goes into a segment.
#[derive(Clone, Copy, Debug)]
pub struct ShardRecord {
    /// The certificate.
    pub serial: SerialNumber,
    /// Good, or revoked when and why.
    pub status: RecordStatus,
    /// When the key is known or suspected to have been compromised (RFC 5280 §5.3.2).
    pub invalidity_date: Option<UnixTime>,
    /// Not to be signed ahead of time: what the answers of its window rest on is older than what is
    /// known of it, or it expired so long ago that it is not answered any more.
    pub live_only: bool,
}

impl ShardRecord {
    /// Whether an answer with this thisUpdate may be signed for it: never one from before its
    /// revocation.
    #[must_use]
    pub fn may_be_signed(&self, this_update: UnixTime) -> bool {
        let revoked_by_then = match self.status {
            RecordStatus::Good => true,
            RecordStatus::Revoked {
                revocation_time, ..
            } => revocation_time <= this_update,
        };
        revoked_by_then && !self.live_only
    }
}

/// What every record of a segment shares.
#[derive(Clone, Copy)]
pub struct ShardJob<'a> {
    /// The catalog's folder.
    pub dir: &'a Path,
    /// Whose certificates these are.
    pub issuer: IssuerId,
    /// The issuer's name and key under each CertID hash that is signed.
    pub hashes: &'a [IssuerHashes],
    /// Who signs; without one every record stays unsigned.
    pub signer: Option<&'a LoadedSigner>,
    /// Base shard or sealed overlay.
    pub kind: SegmentKind,
    /// The shard: the `depth` highest bits of its serials' hashes are `shard`.
    pub depth: u8,
    /// See `depth`.
    pub shard: u32,
    /// The ledger sequence that the records speak for.
    pub as_of: u64,
    /// thisUpdate, producedAt, nextUpdate and the next signing.
    pub window: SigningWindow,
    /// Threads that sign; at least one.
    pub workers: usize,
    /// Set to give the work up.
    pub stop: &'a AtomicBool,
}

/// How many of a serial hash's high bits choose the shard, for that many certificates: about a
/// million a shard, one shard for a small issuer.
#[must_use]
pub fn shard_depth(certificates: u64) -> u8 {
    let mut depth = 0_u8;
    while certificates.checked_shr(u32::from(depth)).unwrap_or(0) > SHARD_RECORDS && depth < 32 {
        depth = depth.saturating_add(1);
    }
    depth
}

/// Signs `records` (all of one shard, each serial once) and writes the segment; it is durable when
/// this returns. A record that was revoked after the window's thisUpdate, or is to be signed live
/// only, is written unsigned. Memory beyond the records is a few chunks a worker, whatever their number.
/// A key that goes away in the middle is waited for a while, so that what was signed is not signed again.
///
/// # Errors
/// [`PresignError`]; no segment exists then.
pub fn sign_shard(
    job: &ShardJob<'_>,
    records: &[ShardRecord],
) -> Result<SegmentFile, PresignError> {
    let templates = templates(job);
    let width = records
        .iter()
        .map(|record| record.serial.as_bytes().len())
        .max()
        .unwrap_or(1);
    let spec = SegmentSpec {
        kind: job.kind,
        issuer: job.issuer,
        signer: job.signer.map_or([0; 32], signer_fingerprint),
        algorithm: job
            .signer
            .map_or(SignatureAlgorithm::EcdsaSha256P256, |loaded| {
                loaded.signer.algorithm()
            }),
        depth: job.depth,
        shard: job.shard,
        as_of: job.as_of,
        snapshot_time: job.window.produced_at,
        next_sign: job.window.next_sign,
        templates: templates.clone(),
    };
    let writer = SegmentWriter::create(job.dir, &spec, records.len(), width)?;
    let encoder = writer.encoder();
    let writer = Mutex::new(writer);
    let chunks: Vec<&[ShardRecord]> = records.chunks(CHUNK_RECORDS).collect();
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<PresignError>> = Mutex::new(None);
    let failed = AtomicBool::new(false);

    let patience = Patience::new(job.stop);
    let work = || -> Result<(), PresignError> {
        let mut signing = BatchSigner::new(job, &templates, &patience);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(number) else {
                return Ok(());
            };
            if failed.load(Ordering::Relaxed) || job.stop.load(Ordering::Relaxed) {
                return Err(PresignError::Stopped);
            }
            let first = u32::try_from(number.saturating_mul(CHUNK_RECORDS)).unwrap_or(u32::MAX);
            let mut encoded = encoder.batch(first, chunk.len());
            for batch in chunk.chunks(signing.records_at_once()) {
                signing.sign(batch)?;
                for (record, signed) in batch.iter().zip(signing.signed()) {
                    let data = RecordData {
                        serial: record.serial,
                        status: record.status,
                        single_extensions: signed.single_extensions,
                        signatures: signed.signatures,
                    };
                    encoder
                        .encode(&mut encoded, &data)
                        .map_err(SegmentError::from)?;
                }
            }
            writer
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push_encoded(encoded)?;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..job.workers.clamp(1, chunks.len().max(1)) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    failed.store(true, Ordering::Relaxed);
                    let mut first = failure
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    // The others then stop because of this one; the first cause is the one to tell.
                    if first
                        .as_ref()
                        .is_none_or(|known| matches!(known, PresignError::Stopped))
                    {
                        *first = Some(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failure
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        return Err(error);
    }
    let writer = writer
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(writer.finish()?)
}

/// One template a CertID hash; none without a signer, since nothing is signed.
fn templates(job: &ShardJob<'_>) -> Vec<Template> {
    let Some(signer) = job.signer else {
        return Vec::new();
    };
    job.hashes
        .iter()
        .map(|hashes| template(hashes, signer, &job.window))
        .collect()
}

/// The constant part of every answer that `signer` gives for one issuer in one window.
pub(super) fn template(
    hashes: &IssuerHashes,
    signer: &LoadedSigner,
    window: &SigningWindow,
) -> Template {
    let certificates: Vec<&[u8]> = signer
        .certificates_to_send
        .iter()
        .map(Vec::as_slice)
        .collect();
    Template::new(&TemplateParams {
        responder_id: &signer.responder_id,
        issuer_hashes: hashes,
        produced_at: window.produced_at,
        this_update: window.this_update,
        next_update: window.next_update,
        signature_algorithm: signer.signer.algorithm(),
        archive_cutoff: window.archive_cutoff,
        certificates: &certificates,
    })
}

/// SHA-256 of a signer's certificate: what a segment remembers of who signed it.
#[must_use]
pub fn signer_fingerprint(signer: &LoadedSigner) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, signer.certificate.der());
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest.as_ref());
    fingerprint
}

/// Why a shard was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresignError {
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// An answer could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The segment could not be written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Told to stop.
    #[error("signing was stopped")]
    Stopped,
}

/// Certificates in a shard, about.
const SHARD_RECORDS: u64 = 1_000_000;
/// Records signed and written together: some 100 KiB of segment, 20 ms of P-256.
const CHUNK_RECORDS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_holds_about_a_million() {
        for (certificates, depth) in [
            (0, 0),
            (1, 0),
            (1_000_000, 0),
            (1_000_002, 1),
            (10_000_000, 4),
            (100_000_000, 7),
        ] {
            assert_eq!(shard_depth(certificates), depth, "{certificates}");
        }
    }
}
