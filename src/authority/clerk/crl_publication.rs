//! Making an issuer's CRL.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Clerk;
use crate::asn1::{CrlNumber, KeyUsage, UnixTime};
use crate::authority::{ErrorClass, OperationError, with_causes};
use crate::config;
use crate::crl::writer::RevokedEntry;
use crate::ledger::{LastCrl, LedgerError, RevokedRecord};
use crate::publish::{CrlOrder, PublishError, SortedEntries, publish};
use crate::signer::{LoadError, open_key};

/// Held while a CRL is made.
static PUBLISHING: Mutex<()> = Mutex::new(());

impl Clerk {
    /// Makes a full CRL of an issuer from the ledger as it is now, and puts it into its place.
    ///
    /// # Errors
    /// [`OperationError`]; the CRL before is in its place then.
    pub fn publish_crl(
        &self,
        request: &PublishCrlRequest,
    ) -> Result<PublishCrlReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        let refused = |class, why: String| {
            OperationError::new(class, format!("issuer {:?}: {why}", issuer.name))
        };
        let Some(settings) = &issuer.crl else {
            return Err(refused(
                ErrorClass::Config,
                "its CRL is not made here: add an [issuer.crl] table with file and key".to_owned(),
            ));
        };
        if issuer.evidence == config::Evidence::Feed {
            return Err(refused(
                ErrorClass::Config,
                "it is known from the CRLs of its CA alone, so that one made here would say less; set \
                 evidence = \"ledger\", or leave the CRL to its CA"
                    .to_owned(),
            ));
        }
        if issuer.is_held_back() {
            return Err(refused(
                ErrorClass::Refused,
                "one of its feeds has been silent for too long, so that nobody knows what a CRL would \
                 lack: see `estelam stats`"
                    .to_owned(),
            ));
        }
        let usage = issuer.certificate.key_usage();
        if !usage.is_some_and(|usage| usage.contains(KeyUsage::CRL_SIGN)) {
            return Err(refused(
                ErrorClass::Key,
                "its certificate may not sign CRLs: it has no keyUsage with cRLSign (RFC 10007 §4)"
                    .to_owned(),
            ));
        }
        let key = |error: LoadError| refused(ErrorClass::Key, with_causes(&error));
        let (signer, _) = open_key(&settings.key, settings.passphrase().as_ref()).map_err(key)?;
        if crate::signer::Signer::public_key_octets(&signer)
            != issuer.certificate.public_key_octets()
        {
            return Err(refused(
                ErrorClass::Key,
                format!(
                    "the key in {} is not that of its certificate",
                    settings.key.display()
                ),
            ));
        }
        let crl = self.make_crl(&issuer.id, issuer, settings, &signer);
        crl.map_err(|error| refused(class(&error), with_causes(&error)))
    }

    fn make_crl(
        &self,
        id: &crate::identity::IssuerId,
        issuer: &crate::authority::Issuer,
        settings: &config::Crl,
        signer: &dyn crate::signer::Signer,
    ) -> Result<PublishCrlReply, PublishError> {
        // One after another: a higher number must not be given to an older list.
        let _alone = PUBLISHING.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.ledger.last_crl(id)?;
        let snapshot = self.ledger.snapshot()?;
        let as_of = snapshot.last_sequence();
        // After the snapshot: no revocation in it is later.
        let now = match &self.signing_time {
            Some(time) => time().map_err(|why| PublishError::ClockNotTrusted { why })?,
            None => self.clock.now(),
        };
        if now < last.this_update {
            let last = last.this_update;
            return Err(PublishError::ClockBehind { now, last });
        }
        let records = snapshot.revoked(id)?.filter(|record| {
            let listed = |record: &RevokedRecord| is_listed(record, &last);
            record.as_ref().map_or(true, listed)
        });
        let entries = records.map(|record| Ok(entry(&record?)));
        let folder = match settings.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => std::path::Path::new("."),
        };
        let entries = SortedEntries::collect(folder, entries).map_err(|failure| match failure {
            Collecting::Ledger(error) => PublishError::Ledger(error),
            Collecting::Io(source) => PublishError::Sorting {
                path: settings.file.clone(),
                source,
            },
        })?;
        drop(snapshot);
        // Rising with time as well, so that a restored ledger does not fall behind what was published.
        let number = self
            .ledger
            .reserve_crl_number(id, self.clock.now_millis())?;
        let order = CrlOrder {
            issuer: &issuer.certificate,
            signer,
            number: CrlNumber::from(number),
            this_update: now,
            next_update: now.saturating_add(settings.validity),
            path: &settings.file,
        };
        let published = publish(&order, &entries)?;
        self.ledger.note_crl(id, now, as_of)?;
        Ok(PublishCrlReply {
            issuer: issuer.name.clone(),
            file: settings.file.display().to_string(),
            crl_number: order.number.to_string(),
            this_update: now.to_string(),
            next_update: order.next_update.to_string(),
            entries: published.entry_count,
            octets: published.octets,
            sha256: published
                .sha256
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect(),
            as_of,
        })
    }
}

/// Whether a revocation belongs on the next CRL. One of a certificate that has expired stays until it
/// was on a CRL made after its end (RFC 5280 §3.3).
fn is_listed(record: &RevokedRecord, last: &LastCrl) -> bool {
    let ended_before = |time: UnixTime| record.not_after.is_some_and(|end| end < time);
    !ended_before(last.this_update) || record.sequence > last.as_of
}

fn entry(record: &RevokedRecord) -> RevokedEntry {
    let claim = record.revocation.claim;
    RevokedEntry {
        serial: record.serial,
        revocation_date: record.revocation.signing_time(),
        reason: claim.reason.into(),
        invalidity_date: claim.invalidity_date,
    }
}

/// Why the entries could not be collected.
enum Collecting {
    Ledger(LedgerError),
    Io(std::io::Error),
}

impl From<LedgerError> for Collecting {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<std::io::Error> for Collecting {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn class(error: &PublishError) -> ErrorClass {
    match error {
        PublishError::Ledger(error) => error.into(),
        PublishError::Sorting { .. } | PublishError::Write { .. } | PublishError::Io { .. } => {
            ErrorClass::Storage
        }
        PublishError::Sign(_) | PublishError::TooLongToSign { .. } => ErrorClass::Key,
        PublishError::ClockBehind { .. } | PublishError::ClockNotTrusted { .. } => {
            ErrorClass::Refused
        }
        _ => ErrorClass::Internal,
    }
}

/// Which CRL to make.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishCrlRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
}

/// The CRL that was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishCrlReply {
    /// The issuer's name.
    pub issuer: String,
    /// Where it lies.
    pub file: String,
    /// Its number.
    pub crl_number: String,
    /// thisUpdate, RFC 3339.
    pub this_update: String,
    /// nextUpdate, RFC 3339.
    pub next_update: String,
    /// How many certificates it lists.
    pub entries: u64,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// The last ledger entry that it speaks for.
    pub as_of: u64,
}
