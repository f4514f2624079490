//! An authority that publishes CRLs: those that OpenSSL signed, on a shelf, listed by the library.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use estelam::asn1::UnixTime;
use estelam::audit::LedgerKey;
use estelam::catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf};
use estelam::config::{FolderTarget, PublishTarget, Purge};
use estelam::publish::{Target, deliver_once, manifest};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::common::crl::{CrlParts, extension};
use crate::common::der::tlv;
use crate::common::{OpensslCa, Plan};

pub struct Authority {
    pub ca: OpensslCa,
    pub key: LedgerKey,
    pub folder: TempDir,
    pub shelf: Shelf,
    /// What stands before the paths of CRLs in certificates.
    pub base: String,
    number: u8,
    full: u8,
    entries: Vec<(u32, u8)>,
}

impl Authority {
    pub fn new(base: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key =
            LedgerKey::open_or_create(&folder.path().join("ledger.key"), Some("va.example/log"));
        let shelf = Shelf::open(&folder.path().join("shelf")).expect("a shelf");
        fs::create_dir(folder.path().join("www")).expect("a folder");
        Self {
            ca: OpensslCa::new(Plan {
                every_form: false,
                bulk: 0,
            }),
            key: key.expect("a key"),
            folder,
            shelf,
            base: base.to_owned(),
            number: 0,
            full: 0,
            entries: Vec::new(),
        }
    }

    /// What a web server serves.
    pub fn www(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    pub fn vkey(&self) -> String {
        self.key.vkey()
    }

    fn next(&mut self) -> u8 {
        self.number += 1;
        self.number
    }

    /// Revokes one more, and makes a delta of it; every third time a new full CRL with it.
    pub fn publish(&mut self) -> Arc<CrlListing> {
        let number = self.next();
        self.entries.push((number.into(), 1));
        let is_full = self.full == 0 || number.is_multiple_of(3);
        let mut made = Vec::new();
        let base = if is_full { number } else { self.full };
        if is_full {
            made.push((CrlKind::Full, self.crl(number, None)));
            self.full = number;
        }
        made.push((CrlKind::Delta, self.crl(number, Some(base))));
        self.place(made)
    }

    /// A full CRL of so many entries.
    pub fn publish_large(&mut self, entries: u32) -> Arc<CrlListing> {
        let number = self.next();
        self.full = number;
        self.entries = (0..entries).map(|number| (number, 1)).collect();
        let crl = self.crl(number, None);
        self.place(vec![(CrlKind::Full, crl)])
    }

    /// A CRL as OpenSSL signs it.
    pub fn crl(&self, number: u8, base: Option<u8>) -> Vec<u8> {
        let mut parts = CrlParts::new(number).with(&self.entries);
        if let Some(base) = base {
            parts = parts.and(extension(27, true, &tlv(2, &[base])));
        }
        parts.sign(&self.ca, "ca.key")
    }

    pub fn place(&self, made: Vec<(CrlKind, Vec<u8>)>) -> Arc<CrlListing> {
        let finished = made.into_iter().map(|(kind, der)| {
            let file = self.shelf.unfinished();
            file.create()
                .and_then(|mut file| file.write_all(&der))
                .expect("a file");
            (
                Some(file),
                edition(kind, &format!("{}/{kind}.crl", self.base), &der),
            )
        });
        let placed = self.shelf.place(
            0,
            finished.collect(),
            |_| true,
            |listing| Ok(self.documents(listing)),
        );
        placed.expect("it is placed")
    }

    pub fn documents(&self, listing: &CrlListing) -> Vec<estelam::catalog::crls::SignedDocument> {
        manifest::documents(listing, "/crl/manifest.json", now(), &self.key)
    }

    /// Brings the listing to the folder that is served.
    pub fn deliver(&self, listing: &CrlListing, purge: Vec<Purge>) {
        self.deliver_to(&self.www(), listing, purge);
    }

    pub fn deliver_to(&self, folder: &Path, listing: &CrlListing, purge: Vec<Purge>) {
        let target = folder_target(folder, purge);
        let target = Target::open(&target, &self.folder.path().join("state")).expect("a target");
        for (_, result) in deliver_once(&mut [target], listing, self.shelf.folder(), now()) {
            result.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

pub fn folder_target(folder: &Path, purge: Vec<Purge>) -> PublishTarget {
    PublishTarget::Folder(FolderTarget {
        name: "web".to_owned(),
        path: folder.to_owned(),
        mode: 0o644,
        issuers: Vec::new(),
        purge,
    })
}

/// What is known of a CRL.
pub fn edition(kind: CrlKind, url: &str, der: &[u8]) -> CrlEdition {
    let mut reader = estelam::crl::CrlReader::open(der, estelam::crl::Limits::MOST).expect("a CRL");
    struct Deaf;
    impl estelam::crl::Tap for Deaf {
        fn whole(&mut self, _: &[u8]) {}
        fn tbs(&mut self, _: &[u8]) {}
    }
    while reader.next_entry(&mut Deaf).expect("an entry").is_some() {}
    let head = reader.head().clone();
    let tail = reader.finish(&mut Deaf).expect("a whole CRL");
    let extensions = tail.extensions().expect("extensions");
    // Numbers of one octet, as `CrlParts` writes them.
    let number = |number: estelam::asn1::CrlNumber| u64::from(number.as_bytes()[0]);
    let next_update = head.next_update.expect("nextUpdate");
    CrlEdition {
        issuer: "ca".to_owned(),
        kind,
        url: url.to_owned(),
        number: extensions.crl_number.map(number).expect("a number"),
        base: extensions.base_crl_number.map(number),
        base_as_of: None,
        scheduled: true,
        max_age: 3_600,
        this_update: head.this_update,
        next_update,
        next_due: next_update,
        entries: tail.entry_count.into(),
        octets: der.len() as u64,
        sha256: sha256(der),
        as_of: 1,
    }
}

pub fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

pub fn now() -> UnixTime {
    UnixTime::from_secs(crate::common::clock::now()).expect("a time")
}
