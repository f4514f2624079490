//! Our own CRLs as evidence: what they list was shown to everybody.
//!
//! They lie in the catalog's folder, with a listing that says as of which entry each was made
//! (`catalog::crls`). The listing is ours and not signed: its numbers only raise what new ones begin above.
//! A CRL is believed when it is the file that the listing names, and the key of a configured issuer of its
//! name signed it. A million entries are read as a stream, twice: once for the signature, once for what
//! they say.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::asn1::{Certificate, CrlReason, UnixTime};
use crate::catalog::crls::{CrlEdition, Shelf};
use crate::change::RevocationClaim;
use crate::crl::{CrlReader, Entry, Limits, Tap};
use crate::identity::{IssuerId, SerialNumber};
use crate::segment::names;
use crate::signer::SignedOctets;

/// The CRLs that are believed, and what the listing says of all.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The oldest first.
    pub(super) crls: Vec<PublishedCrl>,
    /// The highest number that any of the listed speaks for.
    pub(super) highest: Option<u64>,
}

/// A CRL whose signature was checked.
#[derive(Debug)]
pub(super) struct PublishedCrl {
    path: PathBuf,
    /// What it is called: `full CRL 17 of "ca"`.
    pub(super) name: String,
    pub(super) issuer: IssuerId,
    /// The number of the ledger that it speaks for.
    pub(super) as_of: u64,
    /// thisUpdate
    pub(super) this_update: UnixTime,
}

impl Published {
    /// Reads the listing in a catalog's folder, and the CRLs that it names. `issuers` are the certificates
    /// whose keys are believed; what cannot be read or believed is told in `unread`.
    pub(super) fn read(
        catalog: &Path,
        issuers: &[Arc<Certificate>],
        unread: &mut Vec<String>,
    ) -> Self {
        let folder = catalog.join(FOLDER);
        let listing = match Shelf::read_listing(&folder) {
            Ok(listing) => listing,
            Err(error) => {
                unread.push(format!("our published CRLs: {error}"));
                return Self::default();
            }
        };
        let highest = listing.editions.iter().map(|edition| edition.as_of).max();
        let mut crls = Vec::new();
        for edition in &listing.editions {
            match PublishedCrl::verified(&folder, edition, issuers) {
                Ok(crl) => crls.push(crl),
                Err(why) => unread.push(format!("our {}: {why}", name(edition))),
            }
        }
        crls.sort_by_key(|crl| crl.as_of);
        Self { crls, highest }
    }

    /// The newest thisUpdate among them.
    pub(super) fn newest(&self) -> Option<UnixTime> {
        self.crls.iter().map(|crl| crl.this_update).max()
    }
}

fn name(edition: &CrlEdition) -> String {
    let CrlEdition {
        kind,
        number,
        issuer,
        ..
    } = edition;
    format!("{kind} CRL {number} of {issuer:?}")
}

/// What an entry of a CRL of ours says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Listed {
    pub(super) serial: SerialNumber,
    /// `None` where it removes the certificate from the list that it adds to (removeFromCRL).
    pub(super) claim: Option<RevocationClaim>,
}

impl PublishedCrl {
    fn verified(
        folder: &Path,
        edition: &CrlEdition,
        issuers: &[Arc<Certificate>],
    ) -> Result<Self, String> {
        let path = Shelf::file(folder, edition);
        let mut reader = open(&path)?;
        let head = reader.head().clone();
        let tbs = SignedOctets::new(&head.signature_algorithm_der);
        let mut heard = Heard {
            whole: digest::Context::new(&digest::SHA256),
            tbs: tbs.map_err(|error| error.to_string())?,
        };
        let failed = |error: crate::crl::CrlError| error.to_string();
        while reader.next_entry(&mut heard).map_err(failed)?.is_some() {}
        let tail = reader.finish(&mut heard).map_err(failed)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(heard.whole.finish().as_ref());
        if names::hexadecimal(&sha256) != edition.sha256 {
            return Err("it is not the file that was placed there".to_owned());
        }
        let message = heard.tbs.finish();
        let mut signers = issuers.iter();
        let signer = signers.find(|issuer| {
            issuer.subject_der() == head.issuer_der
                && message.verify(issuer, &tail.signature).is_ok()
        });
        let Some(signer) = signer else {
            return Err("no key of a configured issuer signed it".to_owned());
        };
        Ok(Self {
            path,
            name: name(edition),
            issuer: signer.issuer_id(),
            as_of: edition.as_of,
            this_update: head.this_update,
        })
    }

    /// Gives its entries to `each`, until that fails. What cannot be used of it comes back, with how much
    /// of it there is.
    pub(super) fn entries<E>(
        &self,
        each: &mut dyn FnMut(Listed) -> Result<(), E>,
    ) -> Result<Option<String>, E> {
        let mut bad = 0_u64;
        let mut reader = match open(&self.path) {
            Ok(reader) => reader,
            Err(why) => return Ok(Some(why)),
        };
        loop {
            match reader.next_entry(&mut Deaf) {
                Ok(Some(raw)) => match raw.decode().ok().as_ref().and_then(listed) {
                    Some(listed) => each(listed)?,
                    None => bad = bad.saturating_add(1),
                },
                Ok(None) => break,
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        Ok((bad > 0).then(|| format!("{bad} entries")))
    }
}

fn open(path: &Path) -> Result<CrlReader<BufReader<File>>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let file = BufReader::with_capacity(READ_OCTETS, file);
    CrlReader::open(file, Limits::MOST).map_err(|error| error.to_string())
}

fn listed(entry: &Entry<'_>) -> Option<Listed> {
    let serial = SerialNumber::from_content(entry.serial_number).ok()?;
    let reason = match entry.extensions.reason_code {
        None | Some(0) => None,
        Some(REMOVED) => {
            return Some(Listed {
                serial,
                claim: None,
            });
        }
        Some(code) => Some(CrlReason::from_code(code)?),
    };
    let claim = RevocationClaim {
        revocation_time: entry.revocation_date.to_unix().ok()?,
        reason,
        invalidity_date: entry.extensions.invalidity_date,
    };
    Some(Listed {
        serial,
        claim: Some(claim),
    })
}

/// What the signature and the file's name are over.
struct Heard {
    whole: digest::Context,
    tbs: SignedOctets,
}

impl Tap for Heard {
    fn whole(&mut self, octets: &[u8]) {
        self.whole.update(octets);
    }

    fn tbs(&mut self, octets: &[u8]) {
        self.tbs.update(octets);
    }
}

struct Deaf;

impl Tap for Deaf {
    fn whole(&mut self, _: &[u8]) {}
    fn tbs(&mut self, _: &[u8]) {}
}

/// The folder of CRLs within the catalog's.
const FOLDER: &str = "crl";
/// removeFromCRL (RFC 5280 §5.3.1)
const REMOVED: u8 = 8;
const READ_OCTETS: usize = 256 << 10;
