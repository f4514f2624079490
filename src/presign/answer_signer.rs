//! Signs the few answers that cannot wait for their shard.

use std::sync::Arc;

use super::batch::Messages;
use super::{PresignError, ShardRecord, SigningWindow};
use crate::catalog::{FreshAnswer, FreshColumn};
use crate::ocsp::{CertStatus, IssuerHashes, Template, invalidity_date_extension};
use crate::signer::LoadedSigner;

/// Signs overlay answers of one issuer in one window; answers made together share their templates.
pub struct AnswerSigner<'a> {
    signer: &'a LoadedSigner,
    window: SigningWindow,
    templates: Vec<Arc<Template>>,
    messages: Messages,
}

impl<'a> AnswerSigner<'a> {
    /// A signer of answers for the issuer with these hashes.
    #[must_use]
    pub fn new(hashes: &[IssuerHashes], signer: &'a LoadedSigner, window: SigningWindow) -> Self {
        let templates = hashes
            .iter()
            .map(|hashes| Arc::new(super::shard::template(hashes, signer, &window)))
            .collect();
        Self {
            signer,
            window,
            templates,
            messages: Messages::default(),
        }
    }

    /// The signed answers, one a CertID hash, for records as of their ledger entries' sequences, in their
    /// order.
    ///
    /// # Errors
    /// [`PresignError`]; what the signer says. None was signed then.
    pub fn sign(
        &mut self,
        records: &[(ShardRecord, u64)],
    ) -> Result<Vec<FreshAnswer>, PresignError> {
        let signer = &self.signer.signer;
        self.messages.clear();
        let mut extensions = Vec::with_capacity(records.len());
        for (record, _) in records {
            let side = record.invalidity_date.map(invalidity_date_extension);
            let status = CertStatus::from(record.status);
            for template in &self.templates {
                self.messages.push(|tbs| {
                    let serial = record.serial.as_bytes();
                    template.tbs_response_data(serial, &status, side.as_deref(), tbs)
                })?;
            }
            extensions.push(side);
        }
        let messages = self.messages.all();
        let length = signer.algorithm().stored_len();
        let mut signatures: Vec<Box<[u8]>> = (messages.iter())
            .map(|_| vec![0; length].into_boxed_slice())
            .collect();
        let mut buffers: Vec<&mut [u8]> = signatures.iter_mut().map(|one| &mut **one).collect();
        signer.sign_batch(&messages, &mut buffers)?;
        let mut signatures = signatures.into_iter();
        let answers = records.iter().zip(extensions);
        Ok(answers
            .map(|((record, sequence), side)| FreshAnswer {
                serial: record.serial,
                sequence: *sequence,
                status: record.status,
                single_extensions: side.map(Vec::into_boxed_slice),
                this_update: self.window.this_update,
                produced_at: self.window.produced_at,
                next_update: self.window.next_update,
                next_sign: self.window.next_sign,
                columns: (self.templates.iter())
                    .zip(signatures.by_ref())
                    .map(|(template, signature)| FreshColumn {
                        template: Arc::clone(template),
                        signature,
                    })
                    .collect(),
            })
            .collect())
    }
}
