//! Publications of CRLs, documents and certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;

use super::*;
use crate::asn1::UnixTime;
use crate::catalog::crls::{CrlEdition, CrlKind, CrlListing, Shelf, SignedDocument};
use crate::catalog::{Catalog, CatalogError, Publication};
use crate::segment::names;

struct Scene {
    _folder: tempfile::TempDir,
    crls: PathBuf,
    catalog: Catalog,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, _) = Catalog::open(folder.path(), 0).unwrap();
        let crls = catalog.crl_folder();
        fs::create_dir_all(&crls).unwrap();
        Self {
            crls,
            catalog,
            _folder: folder,
        }
    }

    fn publish(&self, listing: CrlListing) {
        let publication = Publication::Crls(Arc::new(listing));
        self.catalog.publish(&[publication]).unwrap();
    }

    /// What is served at a path: `None` for nothing, an empty text for what is missing.
    fn served(&self, path: &str) -> Option<String> {
        let snapshot = self.catalog.snapshot();
        let file = snapshot.files().get(path)?;
        Some(match file.forms.first().map(|form| &form.content) {
            None => String::new(),
            Some(Content::Memory(octets)) => String::from_utf8(octets.to_vec()).unwrap(),
            Some(Content::Mapped(file) | Content::Pem(file)) => {
                let octets = file.read(0..file.octets()).unwrap();
                String::from_utf8(octets.to_vec()).unwrap()
            }
        })
    }
}

/// An edition with its file in the folder.
fn edition(folder: &Path, name: &str, text: &str) -> CrlEdition {
    let at = UnixTime::from_secs(1_800_000_000).unwrap();
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let edition = CrlEdition {
        issuer: "ca".to_owned(),
        kind: CrlKind::Full,
        url: format!("http://crl.example/{name}"),
        number: 1,
        base: None,
        base_as_of: None,
        scheduled: true,
        max_age: 3_600,
        this_update: at,
        next_update: at,
        next_due: at,
        entries: 0,
        octets: u64::try_from(text.len()).unwrap(),
        sha256: names::hexadecimal(digest.as_ref()),
        as_of: 1,
    };
    let path = Shelf::file(folder, &edition);
    if !path.exists() {
        fs::write(path, text).unwrap();
    }
    edition
}

fn listing(generation: u64, editions: &[&CrlEdition]) -> CrlListing {
    CrlListing {
        generation,
        editions: editions.iter().map(|edition| (*edition).clone()).collect(),
        documents: Vec::new(),
    }
}

fn damage(folder: &Path, edition: &CrlEdition) {
    let path = Shelf::file(folder, edition);
    let mut octets = fs::read(&path).unwrap();
    octets[0] ^= 1;
    fs::write(path, octets).unwrap();
}

#[test]
fn a_listing_takes_the_place_of_the_one_before_as_a_whole() {
    let scene = Scene::new();
    assert_eq!(scene.catalog.path_octets_max(), 0);
    let (one, two) = (
        edition(&scene.crls, "one.crl", "first"),
        edition(&scene.crls, "second.crl", "second"),
    );
    scene.publish(listing(1, &[&one, &two]));
    assert_eq!(scene.served("/one.crl").unwrap(), "first");
    assert_eq!(scene.served("/one.crl.pem").unwrap(), "first");
    assert_eq!(scene.served("/second.crl").unwrap(), "second");
    for path in [
        "/",
        "/one",
        "/one.crl/",
        "/ONE.crl",
        "one.crl",
        "/one.crl.pem.pem",
    ] {
        assert_eq!(scene.served(path), None, "{path}");
    }
    assert_eq!(scene.catalog.path_octets_max(), "/second.crl.pem".len());

    let generation = scene.catalog.snapshot().generation();
    let newer = edition(&scene.crls, "one.crl", "newer");
    let mut next = listing(2, &[&newer]);
    next.documents.push(SignedDocument {
        path: "/m.json".to_owned(),
        media_type: "application/json".to_owned(),
        text: "{}".to_owned(),
    });
    scene.publish(next);
    assert!(scene.catalog.snapshot().generation() > generation);
    assert_eq!(scene.served("/one.crl").unwrap(), "newer");
    assert_eq!(scene.served("/second.crl"), None);
    assert_eq!(scene.served("/m.json").unwrap(), "{}");
    assert_eq!(scene.catalog.path_octets_max(), "/one.crl.pem".len());

    // Overtaken.
    scene.publish(listing(1, &[&one, &two]));
    assert_eq!(scene.served("/one.crl").unwrap(), "newer");
}

#[test]
fn what_does_not_fit_its_entry_is_left_out_and_the_one_before_stays() {
    let scene = Scene::new();
    let good = edition(&scene.crls, "good.crl", "a good one");
    let bad = edition(&scene.crls, "bad.crl", "a bad one");
    damage(&scene.crls, &bad);
    scene.publish(listing(1, &[&good, &bad]));
    assert_eq!(scene.served("/good.crl").unwrap(), "a good one");
    assert_eq!(scene.served("/bad.crl").unwrap(), "", "503, not 404");
    let left_out = scene.catalog.snapshot().files().left_out().to_vec();
    assert_eq!(left_out.len(), 1);
    assert!(!left_out[0].previous_served && left_out[0].url.ends_with("/bad.crl"));

    let next = edition(&scene.crls, "good.crl", "the next one");
    damage(&scene.crls, &next);
    scene.publish(listing(2, &[&next]));
    assert_eq!(scene.served("/good.crl").unwrap(), "a good one");
    assert!(scene.catalog.snapshot().files().left_out()[0].previous_served);

    // Mended, the same listing heals it.
    damage(&scene.crls, &next);
    scene.publish(listing(2, &[&next]));
    assert_eq!(scene.served("/good.crl").unwrap(), "the next one");
    assert!(scene.catalog.snapshot().files().left_out().is_empty());

    for spoil in [
        |edition: &mut CrlEdition| edition.octets += 1,
        |edition: &mut CrlEdition| edition.sha256 = "a".repeat(64),
        |edition: &mut CrlEdition| edition.sha256 = "../../listing.json".to_owned(),
    ] {
        let mut spoilt = edition(&scene.crls, "spoilt.crl", "spoilt");
        spoil(&mut spoilt);
        scene.publish(listing(3, &[&spoilt]));
        assert_eq!(scene.served("/spoilt.crl").unwrap(), "");
    }
}

#[test]
fn what_was_checked_already_is_not_read_again() {
    let scene = Scene::new();
    let one = edition(&scene.crls, "one.crl", "first");
    scene.publish(listing(1, &[&one]));
    fs::remove_file(Shelf::file(&scene.crls, &one)).unwrap();
    let two = edition(&scene.crls, "two.crl", "second");
    scene.publish(listing(2, &[&one, &two]));
    assert_eq!(scene.served("/one.crl").unwrap(), "first");
    assert!(scene.catalog.snapshot().files().left_out().is_empty());
}

#[test]
fn a_compressed_form_is_one_of_the_crl_or_refused() {
    let scene = Scene::new();
    let text = "an entry of a list\n".repeat(1_000);
    let crl = edition(&scene.crls, "one.crl", &text);
    scene.publish(listing(1, &[&crl]));
    let plain = {
        let snapshot = scene.catalog.snapshot();
        let (_, plain, _) = snapshot.files().crls().next().unwrap();
        Arc::clone(plain)
    };
    let sha256 = *plain.sha256();
    let codings = || {
        let snapshot = scene.catalog.snapshot();
        let (_, _, codings) = snapshot.files().crls().next().unwrap();
        codings
    };
    let publish = |coding| {
        let publication = Publication::CrlCoding { sha256, coding };
        scene.catalog.publish(&[publication])
    };
    assert!(matches!(
        publish(Coding::Gzip),
        Err(CatalogError::Coding(_))
    ));
    for coding in Coding::COMPRESSED {
        assert!(compress(&scene.crls, &plain, coding, || true).unwrap());
        publish(coding).unwrap();
    }
    assert_eq!(codings(), Coding::COMPRESSED);
    // They stay with the CRL, and come with it into the next listing.
    let other = edition(&scene.crls, "two.crl", "second");
    scene.publish(listing(2, &[&crl, &other]));
    assert_eq!(codings(), Coding::COMPRESSED);

    let path = compressed_path(&scene.crls, &sha256, Coding::Gzip);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(compressed_path(&scene.crls, &sha256, Coding::Zstd), &path).unwrap();
    assert!(matches!(
        publish(Coding::Gzip),
        Err(CatalogError::Coding(_))
    ));

    // One of a CRL that is gone changes nothing.
    scene.publish(listing(3, &[&other]));
    publish(Coding::Zstd).unwrap();
    assert_eq!(codings(), []);
}

#[test]
fn readers_of_what_was_replaced_long_ago_have_to_end() {
    let scene = Scene::new();
    let mut held = Vec::new();
    for number in 0..40 {
        let crl = edition(&scene.crls, "one.crl", &format!("number {number}"));
        scene.publish(listing(number + 1, &[&crl]));
        let snapshot = scene.catalog.snapshot();
        let (_, file, _) = snapshot.files().crls().next().unwrap();
        held.push(Arc::clone(file));
    }
    let fit: Vec<usize> = (0..40).filter(|number| held[*number].is_fit()).collect();
    assert_eq!(fit, (23..40).collect::<Vec<_>>());
}

#[test]
fn certificates_are_served_beside_crls() {
    let scene = Scene::new();
    let certificate = |path: &str, der: &str| CaCertificate {
        path: path.to_owned(),
        der: der.as_bytes().to_vec(),
    };
    let certificates = vec![certificate("/ca.cer", "DER"), certificate("/one.crl", "no")];
    let publication = Publication::Certificates(certificates);
    scene.catalog.publish(&[publication]).unwrap();
    assert_eq!(scene.served("/ca.cer").unwrap(), "DER");
    let crl = edition(&scene.crls, "one.crl", "a CRL");
    scene.publish(listing(1, &[&crl]));
    assert_eq!(scene.served("/ca.cer").unwrap(), "DER");
    assert_eq!(scene.served("/one.crl").unwrap(), "a CRL");
}
