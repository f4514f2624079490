//! Makes an issuer's CRLs and puts them into their places.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::{
    PublishError,
    making::{Made, Making},
    selection,
};
use crate::{
    asn1::{Certificate, UnixTime},
    catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf, SignedDocument},
    config,
    identity::IssuerId,
    ledger::Ledger,
    signer::Signer,
};

/// An issuer whose CRLs are made here.
#[derive(Clone, Copy)]
pub struct CrlIssuer<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Its identity.
    pub id: &'a IssuerId,
    /// Its certificate.
    pub certificate: &'a Certificate,
    /// What is made for it.
    pub settings: &'a config::Crl,
    /// Its key.
    pub signer: &'a dyn Signer,
}

/// Which CRLs are to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// The full one, and with it a delta where deltas are made.
    Full,
    /// The delta alone.
    Delta,
    /// These shards.
    Shards(Vec<u32>),
    /// The last full one of the CA, valid for ever.
    Last,
}

/// Where the time comes from.
pub trait Time: Send + Sync {
    /// The time to sign with.
    ///
    /// # Errors
    /// Why there is none now.
    fn signing_time(&self) -> Result<UnixTime, String>;

    /// Milliseconds since 1970, for numbers.
    fn millis(&self) -> u64;
}

/// Tells about a new listing.
type Placed = dyn Fn(&Arc<CrlListing>) -> Result<(), String> + Send + Sync;
/// Makes the documents that go with a listing.
type Documents = dyn Fn(&CrlListing) -> Result<Vec<SignedDocument>, String> + Send + Sync;

/// The one who makes CRLs.
pub struct Publisher {
    ledger: Arc<Ledger>,
    shelf: Shelf,
    time: Box<dyn Time>,
    documents: Box<Documents>,
    /// In order.
    placed: Vec<Box<Placed>>,
    /// Whether somebody may not know of the current listing.
    is_untold: AtomicBool,
    /// Held while CRLs are made: a higher number must not be given to an older list.
    alone: Mutex<()>,
}

impl Publisher {
    /// One who puts CRLs on this shelf.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, shelf: Shelf, time: Box<dyn Time>) -> Self {
        Self {
            ledger,
            shelf,
            time,
            documents: Box::new(|_| Ok(Vec::new())),
            placed: Vec::new(),
            // Whoever was told before this process is not known.
            is_untold: AtomicBool::new(true),
            alone: Mutex::default(),
        }
    }

    /// The same, with documents for every listing.
    #[must_use]
    pub fn with_documents(
        mut self,
        documents: impl Fn(&CrlListing) -> Result<Vec<SignedDocument>, String> + Send + Sync + 'static,
    ) -> Self {
        self.documents = Box::new(documents);
        self
    }

    /// The same, which tells somebody else of every listing before it says that it is done.
    #[must_use]
    pub fn telling(
        mut self,
        placed: impl Fn(&Arc<CrlListing>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.placed.push(Box::new(placed));
        self
    }

    /// Where the CRLs lie.
    #[must_use]
    pub const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Milliseconds since 1970, for numbers.
    pub(super) fn millis(&self) -> u64 {
        self.time.millis()
    }

    /// The time to sign with.
    ///
    /// # Errors
    /// [`PublishError::ClockNotTrusted`].
    pub fn now(&self) -> Result<UnixTime, PublishError> {
        let time = self.time.signing_time();
        time.map_err(|why| PublishError::ClockNotTrusted { why })
    }

    /// Whether the ledger knows any certificate of an issuer.
    ///
    /// # Errors
    /// [`PublishError::Ledger`].
    pub fn knows_any(&self, issuer: &IssuerId) -> Result<bool, PublishError> {
        let snapshot = self.ledger.snapshot()?;
        Ok(snapshot.record_count(issuer)? > 0)
    }

    /// Whether a certificate of an issuer was revoked, corrected or released after an entry.
    ///
    /// # Errors
    /// [`PublishError::Ledger`].
    pub fn has_changed_since(&self, issuer: &IssuerId, as_of: u64) -> Result<bool, PublishError> {
        let snapshot = self.ledger.snapshot()?;
        let first = selection::delta(&snapshot, issuer, as_of)?.next();
        Ok(first.transpose()?.is_some())
    }

    /// Takes what no issuer has any more out of service: `keep` says what stays.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn retain(&self, keep: impl Fn(&CrlEdition) -> bool) -> Result<(), PublishError> {
        let _alone = self.alone();
        if self.shelf.listing().editions.iter().all(&keep) {
            return Ok(());
        }
        let floor = self.time.millis();
        let listing = self
            .shelf
            .place(floor, Vec::new(), keep, &*self.documents)?;
        self.tell(&listing)
    }

    fn tell(&self, listing: &Arc<CrlListing>) -> Result<(), PublishError> {
        self.is_untold.store(true, SeqCst);
        for told in &self.placed {
            told(listing).map_err(|why| PublishError::Service { why })?;
        }
        self.is_untold.store(false, SeqCst);
        Ok(())
    }

    /// Tells of the current listing once more, where telling failed the last time.
    ///
    /// # Errors
    /// [`PublishError::Service`].
    pub fn tell_again(&self) -> Result<(), PublishError> {
        let _alone = self.alone();
        match self.is_untold.load(SeqCst) {
            true => self.tell(&self.shelf.listing()),
            false => Ok(()),
        }
    }

    /// Makes CRLs from the ledger as it is now, and puts them into their places together. With
    /// `accept_losses` also those that lack what the ones before have.
    ///
    /// # Errors
    /// [`PublishError`]; what was there before is there still, but after
    /// [`PublishError::Service`].
    pub fn publish(
        &self,
        issuer: &CrlIssuer<'_>,
        wanted: &Wanted,
        accept_losses: bool,
    ) -> Result<Vec<CrlEdition>, PublishError> {
        let _alone = self.alone();
        let snapshot = self.ledger.snapshot()?;
        // After the snapshot: no revocation in it is later.
        let now = self.now()?;
        let mut making = Making::new(self, issuer, &snapshot, now, accept_losses);
        making.make(wanted)?;
        let Made { finished, notes } = making.made();
        let editions: Vec<CrlEdition> = finished
            .iter()
            .map(|(_, edition)| edition.clone())
            .collect();
        let is_last = *wanted == Wanted::Last;
        let made_shards = matches!(wanted, Wanted::Shards(_) | Wanted::Last);
        // With the last one there is nothing more to add to or to build on.
        let keep = |edition: &CrlEdition| {
            let goes = match edition.kind {
                CrlKind::Delta | CrlKind::Base => is_last && edition.issuer == issuer.name,
                CrlKind::Shard(_) => made_shards && is_beyond(edition, issuer),
                CrlKind::Full => false,
            };
            !goes
        };
        let floor = self.time.millis();
        let listing = self.shelf.place(floor, finished, keep, &*self.documents)?;
        // What is remembered of them comes after them: otherwise an entry could leave that was on none.
        let noted = notes
            .into_iter()
            .try_for_each(|(sequence, made)| self.ledger.note_crl(issuer.id, sequence, made));
        // They are current, whatever else fails.
        self.tell(&listing)?;
        noted?;
        Ok(editions)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is a shard that there is no more.
fn is_beyond(edition: &CrlEdition, issuer: &CrlIssuer<'_>) -> bool {
    let count = issuer.settings.shards.as_ref().map(|shards| shards.count);
    match edition.kind {
        CrlKind::Shard(shard) => {
            edition.issuer == issuer.name && count.is_some_and(|count| shard >= count)
        }
        _ => false,
    }
}
