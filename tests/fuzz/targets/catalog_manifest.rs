//! The catalog's manifest: an altered one is noticed, and one that is forged throughout leads to no panic
//! and to a catalog that opens again.
#![no_main]

use std::fs;

use estelam::catalog::{Catalog, CatalogError, ManifestState};
use estelam_fuzz::{forge, specimen};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (manifest, is_forged) = match input.split_first() {
        Some((b'=', raw)) => (raw.to_vec(), false),
        _ => (forge::manifest(input), true),
    };
    let folder = estelam_fuzz::folder().join("catalog");
    fs::create_dir_all(&folder).expect("the folder is created");
    fs::write(folder.join(specimen::file_name()), specimen::OCTETS).expect("the file is written");
    fs::write(folder.join("catalog.manifest"), &manifest).expect("the file is written");

    match Catalog::open(&folder, 0) {
        Ok((catalog, report)) => {
            if report.manifest == ManifestState::Loaded {
                assert!(
                    is_forged || holds(&manifest),
                    "an altered manifest is believed"
                );
            }
            drop(catalog);
            let (_, again) = Catalog::open(&folder, 0).expect("it opened before");
            assert_eq!(again.manifest, ManifestState::Loaded);
            assert!(again.quarantined.is_empty(), "{:?}", again.quarantined);
            assert!(again.generation >= report.generation);
        }
        Err(CatalogError::NewerManifest { .. }) => assert!(!is_forged),
        Err(error) => panic!("{error}"),
    }
    fs::remove_dir_all(&folder).expect("the folder is removed");
});

/// Whether the first line is the one that belongs to the rest.
fn holds(manifest: &[u8]) -> bool {
    let body = manifest.splitn(2, |octet| *octet == b'\n').nth(1);
    body.is_some_and(|body| forge::manifest(body) == manifest)
}
