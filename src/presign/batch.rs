//! Signs records in batches: one journey to the key for many, and the buffers are used again.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::shard::{PresignError, ShardJob, ShardRecord};
use crate::asn1::UnixTime;
use crate::ocsp::{CertStatus, Template, invalidity_date_extension};
use crate::signer::{LoadedSigner, Signer, SignerError};

/// Signs some records at a time. Of two threads that do so, one waits for a key that is far away while
/// the other verifies and encodes.
pub(super) struct BatchSigner<'a> {
    signer: Option<&'a LoadedSigner>,
    templates: &'a [Template],
    this_update: UnixTime,
    patience: &'a Patience<'a>,
    messages: Messages,
    signatures: Vec<u8>,
    /// What was signed of each record: its extensions, and where its signatures begin.
    records: Vec<(Option<Vec<u8>>, Range<usize>)>,
}

/// What came of a record.
pub(super) struct SignedRecord<'a> {
    pub(super) single_extensions: Option<&'a [u8]>,
    /// Of all columns, one after another; none without a signer, or where none may be.
    pub(super) signatures: &'a [u8],
}

impl<'a> BatchSigner<'a> {
    pub(super) fn new(
        job: &ShardJob<'a>,
        templates: &'a [Template],
        patience: &'a Patience<'a>,
    ) -> Self {
        Self {
            signer: job.signer,
            templates,
            this_update: job.window.this_update,
            patience,
            messages: Messages::default(),
            signatures: Vec::new(),
            records: Vec::new(),
        }
    }

    /// How many records make one batch.
    pub(super) fn records_at_once(&self) -> usize {
        SIGNATURES_AT_ONCE
            .checked_div(self.templates.len())
            .map_or(SIGNATURES_AT_ONCE, |records| records.max(1))
    }

    /// Signs these records; [`BatchSigner::signed`] has what came of them, in their order.
    pub(super) fn sign(&mut self, records: &[ShardRecord]) -> Result<(), PresignError> {
        self.messages.clear();
        self.records.clear();
        let length = self
            .signer
            .map_or(0, |loaded| loaded.signer.algorithm().stored_len());
        let of_a_record = length.saturating_mul(self.templates.len());
        let mut end = 0_usize;
        for record in records {
            let side = record.invalidity_date.map(invalidity_date_extension);
            let begin = end;
            if self.signer.is_some() && record.may_be_signed(self.this_update) {
                let status = CertStatus::from(record.status);
                for template in self.templates {
                    self.messages.push(|tbs| {
                        let serial = record.serial.as_bytes();
                        template.tbs_response_data(serial, &status, side.as_deref(), tbs)
                    })?;
                }
                end = end.saturating_add(of_a_record);
            }
            self.records.push((side, begin..end));
        }
        self.signatures.resize(end, 0);
        let Some(loaded) = self.signer.filter(|_| end > 0) else {
            return Ok(());
        };
        let messages = self.messages.all();
        let mut signatures: Vec<&mut [u8]> =
            self.signatures.chunks_exact_mut(length.max(1)).collect();
        self.patience
            .sign(&*loaded.signer, &messages, &mut signatures)
    }

    /// What came of the records of the last batch.
    pub(super) fn signed(&self) -> impl Iterator<Item = SignedRecord<'_>> {
        self.records.iter().map(|(side, place)| SignedRecord {
            single_extensions: side.as_deref(),
            signatures: self.signatures.get(place.clone()).unwrap_or_default(),
        })
    }
}

/// Messages to be signed, one behind another in one buffer.
#[derive(Default)]
pub(super) struct Messages {
    octets: Vec<u8>,
    ends: Vec<usize>,
    next: Vec<u8>,
}

impl Messages {
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// Adds what `write` leaves in the buffer that it is given.
    pub(super) fn push<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.next)?;
        self.octets.extend_from_slice(&self.next);
        self.ends.push(self.octets.len());
        Ok(())
    }

    pub(super) fn all(&self) -> Vec<&[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins
            .zip(&self.ends)
            .map(|(begin, end)| self.octets.get(*begin..*end).unwrap_or_default())
            .collect()
    }
}

/// Waits for a key that goes away in the middle of a shard: its process is started again within seconds.
/// One that was never there is not waited for, nor one that stays away.
pub(super) struct Patience<'a> {
    stop: &'a AtomicBool,
    has_signed: AtomicBool,
    at_most: Duration,
}

impl<'a> Patience<'a> {
    pub(super) const fn new(stop: &'a AtomicBool) -> Self {
        Self {
            stop,
            has_signed: AtomicBool::new(false),
            at_most: PATIENCE,
        }
    }

    fn sign(
        &self,
        signer: &dyn Signer,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), PresignError> {
        let mut away_since = None;
        loop {
            match signer.sign_batch(messages, signatures) {
                Ok(()) => {
                    self.has_signed.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error @ SignerError::Unavailable { .. }) => {
                    let since: Instant = *away_since.get_or_insert_with(Instant::now);
                    if !self.has_signed.load(Ordering::Relaxed) || since.elapsed() >= self.at_most {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(PresignError::Stopped);
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

/// Signatures that are asked for together: a hundred KiB, 5 ms of P-256.
const SIGNATURES_AT_ONCE: usize = 256;
/// How long a key is waited for: until a process that hangs was found out and started again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is tried meanwhile.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use aws_lc_rs::digest::Digest;

    use super::*;
    use crate::asn1::SignatureAlgorithm;

    /// A key that is there, and away, by turns.
    struct Turns {
        away: Vec<bool>,
        asked: AtomicUsize,
    }

    impl Signer for Turns {
        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::Ed25519
        }
        fn public_key_octets(&self) -> &[u8] {
            &[]
        }
        fn sign(&self, _: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
            let turn = self.asked.fetch_add(1, Ordering::Relaxed);
            if self.away.get(turn).copied().unwrap_or(false) {
                let why = "away".to_owned();
                return Err(SignerError::Unavailable { why });
            }
            signature.fill(1);
            Ok(())
        }
        fn sign_digest(&self, _: &Digest, _: &mut [u8]) -> Result<(), SignerError> {
            Err(SignerError::NeedsMessage)
        }
    }

    fn sign(patience: &Patience<'_>, key: &Turns) -> Result<(), PresignError> {
        patience.sign(key, &[b"m"], &mut [&mut [0; 64]])
    }

    #[test]
    fn a_key_that_goes_away_is_waited_for_and_one_that_was_never_there_is_not() {
        let stop = AtomicBool::new(false);
        let key = |away: &[bool]| Turns {
            away: away.to_vec(),
            asked: AtomicUsize::new(0),
        };
        let patience = Patience::new(&stop);
        let absent = key(&[true]);
        let refused = sign(&patience, &absent);
        assert!(
            matches!(
                refused,
                Err(PresignError::Signer(SignerError::Unavailable { .. }))
            ),
            "{refused:?}"
        );
        let back = key(&[false, true, true, false]);
        sign(&patience, &back).unwrap();
        sign(&patience, &back).unwrap();
        assert_eq!(back.asked.load(Ordering::Relaxed), 4);
        // Not for ever, and not when there is to be an end.
        let gone = key(&[true; 100]);
        let short = Patience {
            at_most: Duration::ZERO,
            has_signed: AtomicBool::new(true),
            stop: &stop,
        };
        assert!(sign(&short, &gone).is_err());
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(
            sign(&patience, &key(&[true; 100])),
            Err(PresignError::Stopped)
        ));
    }

    #[test]
    fn messages_lie_one_behind_another() {
        let mut messages = Messages::default();
        for text in ["one", "", "three"] {
            messages
                .push(|octets| {
                    octets.clear();
                    octets.extend_from_slice(text.as_bytes());
                    Ok::<_, SignerError>(())
                })
                .unwrap();
        }
        assert_eq!(messages.all(), [&b"one"[..], b"", b"three"]);
        messages.clear();
        assert!(messages.all().is_empty());
    }
}
