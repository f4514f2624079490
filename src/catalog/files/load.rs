//! The CRLs of a listing, opened and checked.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CaCertificate, Coding};
use crate::catalog::CatalogError;
use crate::catalog::crls::{CrlEdition, CrlListing, Shelf};
use crate::segment::{MappedFile, SegmentError, names};

/// The CRLs that may be served of one listing.
#[derive(Debug, Default)]
pub(in crate::catalog) struct CrlFiles {
    listing: Arc<CrlListing>,
    served: Vec<(CrlEdition, LoadedCrl)>,
    missing: Vec<CrlEdition>,
    left_out: Vec<LeftOut>,
}

/// A CRL's files.
#[derive(Clone, Debug)]
pub(super) struct LoadedCrl {
    pub(super) plain: Arc<MappedFile>,
    coded: Vec<(Coding, Arc<MappedFile>)>,
}

impl LoadedCrl {
    pub(super) fn coded(&self, coding: Coding) -> Option<&Arc<MappedFile>> {
        let mut coded = self.coded.iter();
        coded.find_map(|(other, file)| (*other == coding).then_some(file))
    }
}

/// A CRL that is listed and not served, since it is not what its listing says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeftOut {
    /// The issuer's configured name.
    pub issuer: String,
    /// Where it should be served.
    pub url: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether the one before it is served instead.
    pub previous_served: bool,
}

/// What a publication brings from the disk.
#[derive(Debug)]
pub(in crate::catalog) enum Opened {
    Crls(CrlFiles),
    Coding {
        sha256: [u8; 32],
        coding: Coding,
        file: Arc<MappedFile>,
    },
    Certificates(Arc<[CaCertificate]>),
}

impl CrlFiles {
    /// Opens what a listing has and `current` has not. Reads every new file whole, so this takes its time
    /// and belongs on no thread that anybody waits for. What does not fit its entry is left out; where
    /// `current` has one of the same URL that is still in service, it stays.
    pub(in crate::catalog) fn load(
        folder: &Path,
        listing: &Arc<CrlListing>,
        current: &Self,
    ) -> Self {
        let mut files = Self {
            listing: Arc::clone(listing),
            ..Self::default()
        };
        for edition in &listing.editions {
            let known = current.find(&edition.sha256, edition.octets);
            let loaded = known.map_or_else(|| open(folder, edition), |known| Ok(known.clone()));
            match loaded {
                Ok(loaded) => files.served.push((edition.clone(), loaded)),
                Err(why) => files.leave_out(edition, &why, current),
            }
        }
        files
    }

    fn leave_out(&mut self, edition: &CrlEdition, why: &SegmentError, current: &Self) {
        let mut served = current.served.iter();
        let previous =
            served.find(|(other, loaded)| other.url == edition.url && loaded.plain.is_fit());
        tracing::error!(
            issuer = edition.issuer, url = edition.url, number = edition.number, error = %why,
            previous_served = previous.is_some(),
            "a CRL is not what its listing says and is not served; check the disk, and publish it again \
             (`estelam crl publish`)"
        );
        self.left_out.push(LeftOut {
            issuer: edition.issuer.clone(),
            url: edition.url.clone(),
            why: why.to_string(),
            previous_served: previous.is_some(),
        });
        match previous {
            Some(previous) => self.served.push(previous.clone()),
            None => self.missing.push(edition.clone()),
        }
    }

    /// Takes over what `current` got since `self` was loaded.
    pub(in crate::catalog) fn take_codings_of(&mut self, current: &Self) {
        for (edition, loaded) in &mut self.served {
            if let Some(other) = current.find(&edition.sha256, edition.octets)
                && Arc::ptr_eq(&other.plain, &loaded.plain)
            {
                loaded.coded.clone_from(&other.coded);
            }
        }
    }

    /// The same with one more coding of a CRL; `None` where it is served no more.
    pub(in crate::catalog) fn with_coding(
        &self,
        sha256: &[u8; 32],
        coding: Coding,
        file: &Arc<MappedFile>,
    ) -> Option<Self> {
        let mut served = self.served.clone();
        let of_it = |(_, loaded): &&mut (_, LoadedCrl)| loaded.plain.sha256() == sha256;
        let mut found = false;
        for (_, loaded) in served.iter_mut().filter(of_it) {
            loaded.coded.retain(|(other, _)| *other != coding);
            loaded.coded.push((coding, Arc::clone(file)));
            found = true;
        }
        found.then(|| Self {
            listing: Arc::clone(&self.listing),
            served,
            missing: self.missing.clone(),
            left_out: self.left_out.clone(),
        })
    }

    fn find(&self, sha256: &str, octets: u64) -> Option<&LoadedCrl> {
        let mut served = self.served.iter();
        served.find_map(|(edition, loaded)| {
            let same = edition.sha256 == sha256 && edition.octets == octets;
            (same && loaded.plain.is_fit()).then_some(loaded)
        })
    }

    pub(in crate::catalog) const fn listing(&self) -> &Arc<CrlListing> {
        &self.listing
    }

    pub(super) fn served(&self) -> impl Iterator<Item = (&CrlEdition, &LoadedCrl)> {
        self.served
            .iter()
            .map(|(edition, loaded)| (edition, loaded))
    }

    pub(super) fn missing(&self) -> &[CrlEdition] {
        &self.missing
    }

    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The files, each as often as it is served.
    pub(in crate::catalog) fn files(&self) -> impl Iterator<Item = &Arc<MappedFile>> {
        self.served.iter().flat_map(|(_, loaded)| {
            let coded = loaded.coded.iter().map(|(_, file)| file);
            std::iter::once(&loaded.plain).chain(coded)
        })
    }
}

fn open(folder: &Path, edition: &CrlEdition) -> Result<LoadedCrl, SegmentError> {
    let path = Shelf::file(folder, edition);
    let Some(sha256) = names::octets(&edition.sha256) else {
        return Err(SegmentError::Digest { path });
    };
    let plain = MappedFile::open(&path, edition.octets, sha256)?;
    Ok(LoadedCrl {
        plain,
        coded: Vec::new(),
    })
}

impl Opened {
    /// A coding of a CRL that `current` serves, checked against it; `None` where it serves it no more.
    pub(in crate::catalog) fn coding(
        folder: &Path,
        sha256: &[u8; 32],
        coding: Coding,
        current: &CrlFiles,
    ) -> Result<Option<Self>, CatalogError> {
        let mut served = current.served.iter();
        let Some((_, of)) = served.find(|(_, loaded)| loaded.plain.sha256() == sha256) else {
            return Ok(None);
        };
        let file = super::coding::open(folder, &of.plain, coding)?;
        Ok(Some(Self::Coding {
            sha256: *sha256,
            coding,
            file,
        }))
    }
}
