//! The table from path to file.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use super::load::{CrlFiles, LoadedCrl};
use super::{CaCertificate, Coding, FileKind};
use crate::asn1::UnixTime;
use crate::catalog::crls::{CrlEdition, SignedDocument};
use crate::segment::{MappedFile, names};

/// The longest that a cache may keep a CRL unasked: like that of OCSP answers by default. A revocation
/// may bring a new CRL long before the next one is due.
const CRL_MAX_AGE: Duration = Duration::from_secs(3_600);
/// The same for documents about CRLs. They are small, and who follows them wants to know soon.
const DOCUMENT_MAX_AGE: Duration = Duration::from_secs(60);
/// The same for CA certificates, which do not change.
const CERTIFICATE_MAX_AGE: Duration = Duration::from_secs(86_400);

/// RFC 2585 §4: one DER object under one URL (H-017).
const CRL_TYPE: &str = "application/pkix-crl";
const CERTIFICATE_TYPE: &str = "application/pkix-cert";
/// What web servers call PEM; RFC 7468 registers nothing for a CRL.
const PEM_TYPE: &str = "application/x-pem-file";
/// What a CRL's path is followed by where its PEM is served.
const PEM: &str = ".pem";

/// A file that is served.
#[derive(Clone, Debug)]
pub struct ServedFile {
    /// What it is counted as.
    pub kind: FileKind,
    /// Content-Type
    pub media_type: String,
    /// How long it holds.
    pub validity: Validity,
    /// Whether its form depends on what codings the client takes, now or later.
    pub negotiated: bool,
    /// The same content in one coding each, plain first; none of a CRL that is damaged.
    pub forms: Vec<Form>,
}

/// How long a file holds, and how long caches may keep it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// thisUpdate: when it was last modified, too.
    pub from: Option<UnixTime>,
    /// When the next one is due.
    pub next_due: Option<UnixTime>,
    /// nextUpdate
    pub until: Option<UnixTime>,
    /// The longest that a cache may keep it.
    pub max_age: Duration,
}

impl Validity {
    /// Whether it may be served: not before thisUpdate, nor at or past nextUpdate.
    #[must_use]
    pub fn holds(&self, now: UnixTime) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// How long a cache may keep it, in whole seconds: it ends before the next one is due and before
    /// nextUpdate. Zero where the next one is overdue.
    #[must_use]
    pub fn max_age(&self, now: UnixTime) -> Duration {
        let second = Duration::from_secs(1);
        [self.next_due, self.until]
            .into_iter()
            .flatten()
            .map(|end| end.since(now).saturating_sub(second))
            .fold(self.max_age, Duration::min)
    }
}

/// A file in one coding.
#[derive(Clone, Debug)]
pub struct Form {
    /// Which.
    pub coding: Coding,
    /// The opaque part of its entity tag, without quotes: other octets have another one.
    pub tag: String,
    /// The octets.
    pub content: Content,
}

/// Where the octets of a file are.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Memory(Arc<[u8]>),
    /// In a file, as they are.
    Mapped(Arc<MappedFile>),
    /// In a file, in DER; they are sent in PEM.
    Pem(Arc<MappedFile>),
}

impl Content {
    /// Whether nothing of it was found damaged since it was opened.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Mapped(file) | Self::Pem(file) => file.is_fit(),
        }
    }
}

/// All files, found by path.
#[derive(Clone, Debug, Default)]
pub struct FileTable {
    /// Sorted by path.
    files: Box<[(Box<str>, Arc<ServedFile>)]>,
    path_octets_max: usize,
    crls: Arc<CrlFiles>,
    certificates: Arc<[CaCertificate]>,
}

impl FileTable {
    /// The table of these. Where two have one path, the first stays: `check` refuses such a
    /// configuration.
    pub(in crate::catalog) fn new(crls: Arc<CrlFiles>, certificates: Arc<[CaCertificate]>) -> Self {
        let mut files: Vec<(Box<str>, Arc<ServedFile>)> = Vec::new();
        for (edition, loaded) in crls.served() {
            let [der, pem] = crl(edition, loaded);
            files.push((edition.path().into(), Arc::new(der)));
            let path = format!("{}{PEM}", edition.path());
            files.push((path.into(), Arc::new(pem)));
        }
        for edition in crls.missing() {
            files.push((edition.path().into(), Arc::new(missing(edition, CRL_TYPE))));
            let path = format!("{}{PEM}", edition.path());
            files.push((path.into(), Arc::new(missing(edition, PEM_TYPE))));
        }
        let listing = crls.listing();
        let next_due = listing
            .editions
            .iter()
            .map(|edition| edition.next_due)
            .min();
        for document in &listing.documents {
            let file = served_document(document, next_due);
            files.push((document.path.as_str().into(), Arc::new(file)));
        }
        for certificate in certificates.iter() {
            let file = served_certificate(certificate);
            files.push((certificate.path.as_str().into(), Arc::new(file)));
        }
        // Stable, so that the first of one path stays.
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        files.dedup_by(|(later, _), (first, _)| later == first);
        let path_octets_max = files.iter().map(|(path, _)| path.len()).max();
        Self {
            files: files.into(),
            path_octets_max: path_octets_max.unwrap_or(0),
            crls,
            certificates,
        }
    }

    /// The file at a path, octet for octet. No allocation and no system call.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<ServedFile>> {
        let found = self
            .files
            .binary_search_by(|(known, _)| (**known).cmp(path));
        let (_, file) = self.files.get(found.ok()?)?;
        Some(file)
    }

    /// No path is longer.
    #[must_use]
    pub const fn path_octets_max(&self) -> usize {
        self.path_octets_max
    }

    /// What was left out of the listing since it does not fit it.
    #[must_use]
    pub fn left_out(&self) -> &[super::LeftOut] {
        self.crls.left_out()
    }

    /// The listing, and the generation that it has.
    #[must_use]
    pub fn listing(&self) -> &Arc<crate::catalog::crls::CrlListing> {
        self.crls.listing()
    }

    /// The CRLs that are served and the codings that each has.
    pub fn crls(&self) -> impl Iterator<Item = (&CrlEdition, &Arc<MappedFile>, Vec<Coding>)> {
        self.crls.served().map(|(edition, loaded)| {
            let codings = Coding::COMPRESSED.into_iter();
            let there = codings.filter(|coding| loaded.coded(*coding).is_some());
            (edition, &loaded.plain, there.collect())
        })
    }

    pub(in crate::catalog) const fn parts(&self) -> (&Arc<CrlFiles>, &Arc<[CaCertificate]>) {
        (&self.crls, &self.certificates)
    }
}

fn crl_validity(edition: &CrlEdition) -> Validity {
    Validity {
        from: Some(edition.this_update),
        next_due: Some(edition.next_due),
        until: Some(edition.next_update),
        max_age: CRL_MAX_AGE.min(Duration::from_secs(edition.max_age)),
    }
}

/// In DER and in PEM.
fn crl(edition: &CrlEdition, loaded: &LoadedCrl) -> [ServedFile; 2] {
    let plain = Form {
        coding: Coding::Identity,
        tag: edition.sha256.clone(),
        content: Content::Mapped(Arc::clone(&loaded.plain)),
    };
    let coded = Coding::COMPRESSED.into_iter().filter_map(|coding| {
        let file = loaded.coded(coding)?;
        // Another version of a compressor gives other octets, which must have another strong tag.
        let digits = file.digits();
        let own = digits.get(..16).unwrap_or_default();
        Some(Form {
            coding,
            tag: format!("{}-{}-{own}", edition.sha256, coding.name()),
            content: Content::Mapped(Arc::clone(file)),
        })
    });
    let pem = Form {
        coding: Coding::Identity,
        tag: format!("{}-pem", edition.sha256),
        content: Content::Pem(Arc::clone(&loaded.plain)),
    };
    let file = |media_type: &str, negotiated, forms| ServedFile {
        kind: FileKind::Crl,
        media_type: media_type.to_owned(),
        validity: crl_validity(edition),
        negotiated,
        forms,
    };
    let forms = std::iter::once(plain).chain(coded).collect();
    [
        file(CRL_TYPE, true, forms),
        file(PEM_TYPE, false, vec![pem]),
    ]
}

/// It is known that there should be one.
fn missing(edition: &CrlEdition, media_type: &str) -> ServedFile {
    ServedFile {
        kind: FileKind::Crl,
        media_type: media_type.to_owned(),
        validity: crl_validity(edition),
        negotiated: false,
        forms: Vec::new(),
    }
}

fn served_document(document: &SignedDocument, next_due: Option<UnixTime>) -> ServedFile {
    let validity = Validity {
        from: None,
        next_due,
        until: None,
        max_age: DOCUMENT_MAX_AGE,
    };
    in_memory(
        FileKind::Document,
        &document.media_type,
        validity,
        document.text.as_bytes(),
    )
}

fn served_certificate(certificate: &CaCertificate) -> ServedFile {
    let validity = Validity {
        from: None,
        next_due: None,
        until: None,
        max_age: CERTIFICATE_MAX_AGE,
    };
    in_memory(
        FileKind::Certificate,
        CERTIFICATE_TYPE,
        validity,
        &certificate.der,
    )
}

fn in_memory(kind: FileKind, media_type: &str, validity: Validity, octets: &[u8]) -> ServedFile {
    let digest = digest::digest(&digest::SHA256, octets);
    ServedFile {
        kind,
        media_type: media_type.to_owned(),
        validity,
        negotiated: false,
        forms: vec![Form {
            coding: Coding::Identity,
            tag: names::hexadecimal(digest.as_ref()),
            content: Content::Memory(octets.into()),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    #[test]
    fn a_crl_is_kept_until_before_the_next_one_and_never_past_its_end() {
        let validity = |next_due, until| Validity {
            from: Some(at(1_000)),
            next_due: Some(at(next_due)),
            until: Some(at(until)),
            max_age: CRL_MAX_AGE,
        };
        for (next_due, until, now, age) in [
            (90_000, 100_000, 1_000, 3_600),
            (2_000, 100_000, 1_000, 999),
            (90_000, 2_000, 1_500, 499),
            (2_000, 100_000, 1_999, 0),
            (2_000, 100_000, 2_500, 0),
        ] {
            let age = Duration::from_secs(age);
            assert_eq!(validity(next_due, until).max_age(at(now)), age);
        }
        let validity = validity(2_000, 3_000);
        for (now, holds) in [(999, false), (1_000, true), (2_999, true), (3_000, false)] {
            assert_eq!(validity.holds(at(now)), holds, "{now}");
        }
    }
}
