//! Many statuses, one after another, with as few reads as they need.

use std::sync::Arc;

use super::engine::Engine;
use super::error::LedgerError;
use super::issuer_wide::IssuerWide;
use super::keys;
use super::record::StatusRecord;
use super::store::Ledger;
use crate::identity::{IssuerId, SerialNumber};

/// Reads statuses as [`Ledger::status`] does, each as it is at that moment; but whether an issuer was
/// revoked as a whole is read once for certificates of it that follow one another. So a lookup is begun
/// after the questions were asked that it answers, and dropped with them.
pub struct Lookup {
    engine: Arc<Engine>,
    issuer: Option<KnownIssuer>,
}

#[derive(Clone, Copy)]
struct KnownIssuer {
    id: IssuerId,
    number: u32,
    whole: Option<IssuerWide>,
}

impl Ledger {
    /// A lookup that knows nothing yet.
    ///
    /// # Errors
    /// [`LedgerError`] while the ledger is being reopened after a failure.
    pub fn lookup(&self) -> Result<Lookup, LedgerError> {
        Ok(Lookup {
            engine: self.engine()?,
            issuer: None,
        })
    }
}

impl Lookup {
    /// What is known of one certificate.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn status(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<StatusRecord>, LedgerError> {
        let Some(KnownIssuer { number, whole, .. }) = self.issuer(issuer)? else {
            return Ok(None);
        };
        let engine = &self.engine;
        let key = keys::status(number, keys::hash_prefix(issuer, serial), serial);
        let value = engine
            .db()
            .get_pinned_cf(engine.family(keys::STATUS)?, key)
            .map_err(|error| engine.error(error))?;
        let own = value
            .map(|value| engine.decode_status(number, serial, &value))
            .transpose()?;
        Ok(match whole {
            Some(whole) => own.map(|own| whole.applied_to(own)),
            None => own,
        })
    }

    /// Before the status: with it, no certificate's own revocation changes any more.
    fn issuer(&mut self, id: &IssuerId) -> Result<Option<KnownIssuer>, LedgerError> {
        if let Some(known) = self.issuer.filter(|known| known.id == *id) {
            return Ok(Some(known));
        }
        let Some(number) = self.engine.issuers().number(id) else {
            return Ok(None);
        };
        let known = KnownIssuer {
            id: *id,
            number,
            whole: self.engine.issuer_wide(number)?,
        };
        self.issuer = Some(known);
        Ok(Some(known))
    }
}
