//! Signs the few answers that cannot wait for their shard.

use std::sync::Arc;

use super::{PresignError, ShardRecord, SigningWindow};
use crate::catalog::{FreshAnswer, FreshColumn};
use crate::ocsp::{CertStatus, IssuerHashes, Template, invalidity_date_extension};
use crate::signer::LoadedSigner;

/// Signs overlay answers of one issuer in one window; answers made together share their templates.
pub struct AnswerSigner<'a> {
    signer: &'a LoadedSigner,
    window: SigningWindow,
    templates: Vec<Arc<Template>>,
    tbs: Vec<u8>,
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
            tbs: Vec::new(),
        }
    }

    /// The signed answers, one a CertID hash, for a record as of ledger entry `sequence`.
    ///
    /// # Errors
    /// [`PresignError`]; what the signer says.
    pub fn sign(
        &mut self,
        record: &ShardRecord,
        sequence: u64,
    ) -> Result<FreshAnswer, PresignError> {
        let single_extensions = record.invalidity_date.map(invalidity_date_extension);
        let status = CertStatus::from(record.status);
        let signer = &self.signer.signer;
        let mut columns = Vec::with_capacity(self.templates.len());
        for template in &self.templates {
            template.tbs_response_data(
                record.serial.as_bytes(),
                &status,
                single_extensions.as_deref(),
                &mut self.tbs,
            )?;
            let mut signature = vec![0; signer.algorithm().stored_len()];
            signer.sign(&self.tbs, &mut signature)?;
            columns.push(FreshColumn {
                template: Arc::clone(template),
                signature: signature.into_boxed_slice(),
            });
        }
        Ok(FreshAnswer {
            serial: record.serial,
            sequence,
            status: record.status,
            single_extensions: single_extensions.map(Vec::into_boxed_slice),
            this_update: self.window.this_update,
            produced_at: self.window.produced_at,
            next_update: self.window.next_update,
            next_sign: self.window.next_sign,
            columns,
        })
    }
}
