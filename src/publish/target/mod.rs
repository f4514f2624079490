//! Where CRLs are brought: a folder or a store, and what each has in common.
//!
//! **Order.** CRLs first, within an issuer full ones and shards before deltas (no reader may see a delta
//! whose base is newer than the full CRL beside it), manifests last: what a manifest names is there.
//!
//! **Never back.** A CRL is not put over one with a higher number, nor a manifest over one of a higher
//! generation, whoever put those there: another installation, or this one before it went on from a backup.

#[cfg(feature = "stores")]
mod connector;
mod error;
mod folder;
#[cfg(feature = "stores")]
mod provider;
#[cfg(feature = "stores")]
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    ServedPath, TreeError,
    manifest::Manifest,
    purge,
    tree::{Placed, write_whole},
};
use crate::{
    asn1::UnixTime,
    catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf, SignedDocument},
    config::{self, PublishTarget},
};

pub use error::TargetError;

/// One place that CRLs are brought to.
pub struct Target {
    name: String,
    kind: &'static str,
    /// Empty: all.
    issuers: Vec<String>,
    purge: Vec<config::Purge>,
    carrier: Box<dyn Carrier>,
    memory: Memory,
    memory_path: PathBuf,
}

/// What brings files to one kind of place.
trait Carrier: Send {
    /// Gets ready for a delivery.
    fn begin(
        &mut self,
        memory: &mut Memory,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<(), TargetError>;

    /// Brings one CRL; `false` when it lies there.
    fn crl(
        &mut self,
        crl: &Consignment<'_>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError>;

    /// Brings one document; `false` when it lies there.
    fn document(
        &mut self,
        document: &SignedDocument,
        path: &ServedPath,
        cache_until: &Caching,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError>;

    /// Ends a delivery, whatever came of it.
    fn end(&mut self, memory: &mut Memory);

    /// What an operator should know of it.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// A CRL on its way.
struct Consignment<'a> {
    edition: &'a CrlEdition,
    path: ServedPath,
    file: PathBuf,
    #[cfg_attr(
        not(feature = "stores"),
        expect(dead_code, reason = "files in folders have no headers")
    )]
    caching: Caching,
}

/// Until when caches need not ask again.
#[cfg_attr(
    not(feature = "stores"),
    expect(dead_code, reason = "files in folders have no headers")
)]
struct Caching {
    now: UnixTime,
    until: UnixTime,
}

impl Caching {
    /// Cache-Control (RFC 9111 §5.2.2). An object is stored once and served until the next one comes, so
    /// that its age is not known to whoever serves it: caches may keep it until the next is due when it is
    /// stored, and are purged, or ask again, after that.
    #[cfg(feature = "stores")]
    fn header(&self) -> String {
        let left = self.until.since(self.now).as_secs();
        format!(
            "public, max-age={}",
            left.clamp(CACHE_LEAST_S, CACHE_MOST_S)
        )
    }
}

/// A CRL that is overdue comes any moment.
#[cfg(feature = "stores")]
const CACHE_LEAST_S: u64 = 10;
/// A revocation published at once should not wait for a day.
#[cfg(feature = "stores")]
const CACHE_MOST_S: u64 = 3_600;

/// What was delivered. Losing it costs a comparison with what lies there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Memory {
    /// Of the last listing that arrived whole.
    generation: u64,
    /// SHA-256 of what lies there, by path.
    delivered: BTreeMap<String, String>,
    /// URLs that caches may have old files of.
    to_purge: BTreeSet<String>,
    /// What a folder remembers of files.
    placed: Placed,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// The listing's generation.
    pub generation: u64,
    /// How many files were written.
    pub written: usize,
}

impl Target {
    /// A target as the configuration has it. Nothing is asked yet; its secrets are read.
    ///
    /// # Errors
    /// [`TargetError::Settings`]
    pub fn open(settings: &PublishTarget, state_dir: &Path) -> Result<Self, TargetError> {
        let carrier: Box<dyn Carrier> = match settings {
            PublishTarget::Folder(folder) => Box::new(folder::Folder::new(folder)),
            #[cfg(feature = "stores")]
            other => {
                let spool = state_dir
                    .join(FOLDER)
                    .join(format!("{}.lies", other.name()));
                Box::new(store::Store::new(other, spool)?)
            }
            #[cfg(not(feature = "stores"))]
            _ => {
                return Err(TargetError::Settings(format!(
                    "the target {:?}: this program was built without stores (feature `stores`)",
                    settings.name()
                )));
            }
        };
        let memory_path = state_dir
            .join(FOLDER)
            .join(format!("{}.json", settings.name()));
        // One that cannot be read is none.
        let memory = std::fs::read(&memory_path).ok();
        let memory = memory.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(Self {
            name: settings.name().to_owned(),
            kind: settings.kind(),
            issuers: settings.issuers().to_vec(),
            purge: settings.purge().to_vec(),
            carrier,
            memory: memory.unwrap_or_default(),
            memory_path,
        })
    }

    /// What operators call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The generation that arrived whole last; 0 before any.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.memory.generation
    }

    /// What an operator should know of it.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        self.carrier.remark()
    }

    /// Brings a listing there. `shelf` is the folder that its CRLs lie in.
    ///
    /// # Errors
    /// [`TargetError`]: the first of what failed; all that did not depend on it arrived.
    pub fn deliver(
        &mut self,
        listing: &CrlListing,
        shelf: &Path,
        now: UnixTime,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Delivery, TargetError> {
        let mut delivery = Delivery {
            generation: listing.generation,
            written: 0,
        };
        // It keeps things beside this.
        self.remember()?;
        if let Err(error) = self.carrier.begin(&mut self.memory, is_stopping) {
            self.carrier.end(&mut self.memory);
            return Err(error);
        }
        let brought = self.bring(listing, shelf, now, is_stopping, &mut delivery.written);
        self.carrier.end(&mut self.memory);
        if brought.is_ok() {
            self.memory.generation = listing.generation;
        }
        self.remember()?;
        // What did arrive is purged even where something else did not.
        let purged = self.purge(is_stopping);
        brought?;
        purged?;
        Ok(delivery)
    }

    fn bring(
        &mut self,
        listing: &CrlListing,
        shelf: &Path,
        now: UnixTime,
        is_stopping: &dyn Fn() -> bool,
        written: &mut usize,
    ) -> Result<(), TargetError> {
        let mut first = None;
        let mut editions: Vec<&CrlEdition> = listing.editions.iter().collect();
        editions.retain(|edition| self.takes(&edition.issuer));
        editions.sort_by_key(|edition| {
            (
                edition.kind == CrlKind::Delta,
                &edition.issuer,
                edition.kind,
            )
        });
        let mut without_full = BTreeSet::new();
        for edition in &editions {
            if is_stopping() {
                return Err(TargetError::Stopped);
            }
            let path = edition.path();
            let brought =
                match edition.kind == CrlKind::Delta && without_full.contains(&edition.issuer) {
                    true => Err(TargetError::DeltaWaits {
                        path: path.to_owned(),
                    }),
                    false => self.bring_crl(edition, shelf, now, is_stopping),
                };
            match brought {
                Ok(wrote) => *written = written.saturating_add(usize::from(wrote)),
                Err(TargetError::Stopped) => return Err(TargetError::Stopped),
                Err(error) => {
                    if edition.kind == CrlKind::Full {
                        without_full.insert(&edition.issuer);
                    }
                    first = first.or(Some(error));
                }
            }
        }
        // A manifest must not name what is not there.
        if let Some(error) = first {
            return Err(error);
        }
        let until = editions.iter().map(|edition| edition.next_due).min();
        for document in &listing.documents {
            if !self.takes_document(document) {
                continue;
            }
            if is_stopping() {
                return Err(TargetError::Stopped);
            }
            let path = served(&document.path)?;
            let sha256 = sha256_of(document.text.as_bytes());
            if self.memory.delivered.get(path.as_str()) == Some(&sha256) {
                continue;
            }
            let caching = Caching {
                now,
                until: until.unwrap_or(now),
            };
            let wrote = self
                .carrier
                .document(document, &path, &caching, is_stopping)?;
            self.memory
                .delivered
                .insert(path.as_str().to_owned(), sha256);
            *written = written.saturating_add(usize::from(wrote));
            // Without a host of its own, it is purged under the hosts of the CRLs beside it.
            let origins = editions.iter().map(|edition| origin(&edition.url));
            let urls = origins.collect::<BTreeSet<_>>().into_iter();
            let urls = urls.map(|origin| format!("{origin}{}", document.path));
            self.memory.to_purge.extend(urls);
        }
        Ok(())
    }

    fn bring_crl(
        &mut self,
        edition: &CrlEdition,
        shelf: &Path,
        now: UnixTime,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let path = served(edition.path())?;
        if self.memory.delivered.get(path.as_str()) == Some(&edition.sha256) {
            return Ok(false);
        }
        let key = path.as_str().to_owned();
        let consignment = Consignment {
            edition,
            path,
            file: Shelf::file(shelf, edition),
            caching: Caching {
                now,
                until: edition.next_due,
            },
        };
        let wrote = self.carrier.crl(&consignment, is_stopping)?;
        self.memory.delivered.insert(key, edition.sha256.clone());
        if wrote {
            self.memory.to_purge.insert(edition.url.clone());
        }
        Ok(wrote)
    }

    fn takes(&self, issuer: &str) -> bool {
        self.issuers.is_empty() || self.issuers.iter().any(|own| own == issuer)
    }

    /// The manifest of all issuers only where all are brought: it names them.
    fn takes_document(&self, document: &SignedDocument) -> bool {
        if self.issuers.is_empty() {
            return true;
        }
        let manifest = Manifest::unverified(document.text.as_bytes());
        let issuer = manifest.ok().and_then(|manifest| manifest.issuer);
        issuer.is_some_and(|issuer| self.takes(&issuer))
    }

    fn purge(&mut self, is_stopping: &dyn Fn() -> bool) -> Result<(), TargetError> {
        if self.memory.to_purge.is_empty() {
            return Ok(());
        }
        let urls: Vec<String> = self.memory.to_purge.iter().cloned().collect();
        for purge in &self.purge {
            purge::purge(purge, &urls, is_stopping).map_err(TargetError::Purge)?;
        }
        self.memory.to_purge.clear();
        self.remember()
    }

    fn remember(&self) -> Result<(), TargetError> {
        let path = &self.memory_path;
        let failed = |source| TreeError {
            path: path.clone(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = serde_json::to_vec(&self.memory).map_err(|error| failed(error.into()))?;
        Ok(write_whole(path, &text)?)
    }
}

/// The folder in the state directory.
const FOLDER: &str = "publish";

fn served(path: &str) -> Result<ServedPath, TargetError> {
    ServedPath::parse(path).map_err(|source| TargetError::Path {
        path: path.to_owned(),
        source,
    })
}

fn sha256_of(octets: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    crate::segment::names::hexadecimal(digest.as_ref())
}

/// Scheme and host of a URL.
fn origin(url: &str) -> &str {
    let path = crate::catalog::crls::url_path(url);
    let end = url.find("://").and_then(|at| {
        let begin = at.saturating_add(3);
        let slash = url.get(begin..)?.find('/')?;
        Some(begin.saturating_add(slash))
    });
    end.and_then(|end| url.get(..end))
        .unwrap_or_else(|| url.strip_suffix(path).unwrap_or(url))
}

/// A manifest may follow one that lies there; `false` when it is that one.
fn may_follow(lies: &[u8], document: &SignedDocument) -> Result<bool, TargetError> {
    if lies == document.text.as_bytes() {
        return Ok(false);
    }
    let generation = |octets: &[u8]| Manifest::unverified(octets).ok().map(|it| it.generation);
    // What is no manifest is nothing to go back from.
    match (generation(lies), generation(document.text.as_bytes())) {
        (Some(lies), Some(offered)) if lies > offered => Err(TargetError::Generation {
            path: document.path.clone(),
            lies,
            offered,
        }),
        _ => Ok(true),
    }
}
