//! A store that speaks the protocol of S3: SeaweedFS, read back by curl.

use std::fs;
use std::sync::Arc;

use estelam::catalog::crls::CrlKind;
use estelam::config::{PublishTarget, StoreTarget};
use estelam::publish::{Target, TargetError, deliver_once};

use crate::authority::{Authority, edition, now, sha256};
use crate::common::tools::{run, text, tool};
use crate::servers::{ACCESS_KEY, SECRET_KEY, Web, Weed};

fn settings(weed: &Weed, authority: &Authority) -> StoreTarget {
    let secret = authority.folder.path().join("secret");
    fs::write(&secret, format!("{SECRET_KEY}\n")).unwrap();
    StoreTarget {
        endpoint: Some(weed.base()),
        access_key_id: Some(ACCESS_KEY.to_owned()),
        secret_file: Some(secret),
        prefix: "pki/v1".to_owned(),
        ..StoreTarget::new("cdn", "crl")
    }
}

fn open(settings: StoreTarget, state: &std::path::Path) -> Target {
    Target::open(&PublishTarget::S3(settings), state).unwrap()
}

/// Head and body as anybody gets them.
fn get(weed: &Weed, key: &str) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (head, body) = (folder.path().join("head"), folder.path().join("body"));
    let mut curl = tool("curl");
    curl.args(["-sS", "--fail", "-D", text(&head), "-o", text(&body)]);
    run(curl.arg(format!("{}/crl/{key}", weed.base()))).expect(0);
    (
        fs::read_to_string(head).unwrap().to_lowercase(),
        fs::read(body).unwrap(),
    )
}

#[test]
fn a_store_receives_ten_publications_and_never_an_older_one() {
    let weed = Weed::start();
    let mut authority = Authority::new("http://cdn.example/crl");
    let shelf = authority.shelf.folder().to_owned();
    let state = authority.folder.path().join("state");
    let settings = settings(&weed, &authority);
    let mut target = [open(settings.clone(), &state)];
    let mut first = None;
    for publication in 1..=10 {
        let listing = authority.publish();
        first.get_or_insert_with(|| Arc::clone(&listing));
        for (name, result) in deliver_once(&mut target, &listing, &shelf, now()) {
            let delivery = result.unwrap_or_else(|error| panic!("{publication}: {error}"));
            assert_eq!((name.as_str(), delivery.generation), ("cdn", publication));
        }
        for crl in &listing.editions {
            let (head, body) = get(&weed, &format!("pki/v1{}", crl.path()));
            assert_eq!(sha256(&body), crl.sha256);
            assert!(
                head.contains("content-type: application/pkix-crl"),
                "{head}"
            );
            assert!(
                head.contains("cache-control: public, max-age=3600"),
                "{head}"
            );
        }
        let (head, body) = get(&weed, "pki/v1/crl/manifest.json");
        assert_eq!(body, listing.documents[0].text.as_bytes());
        assert!(
            head.contains("content-type: application/jose+json"),
            "{head}"
        );
    }
    assert_eq!(target[0].remark(), None, "it honours conditions");
    // The probe is gone.
    let listed = weed.curl(&[], "crl?list-type=2").expect(0).stdout;
    assert!(
        listed.contains("pki/v1/crl/full.crl") && !listed.contains("probe"),
        "{listed}"
    );

    // Another installation that is behind, with nothing remembered.
    let other = tempfile::tempdir().unwrap();
    let mut behind = open(settings.clone(), other.path());
    let first = first.unwrap();
    for document in &first.documents {
        assert!(document.text.contains("generation"));
    }
    // The shelf has the newest alone: the first ones lie beside it.
    let older = authority.crl(1, None);
    let mut older_listing = (*first).clone();
    older_listing.editions = vec![edition(CrlKind::Full, &first.editions[0].url, &older)];
    let beside = tempfile::tempdir().unwrap();
    fs::write(
        beside.path().join(format!("{}.crl", sha256(&older))),
        &older,
    )
    .unwrap();
    let error = behind
        .deliver(&older_listing, beside.path(), now(), &|| false)
        .unwrap_err();
    assert!(matches!(error, TargetError::GoesBack { .. }), "{error}");
    older_listing.editions.clear();
    let error = behind
        .deliver(&older_listing, beside.path(), now(), &|| false)
        .unwrap_err();
    assert!(matches!(error, TargetError::Generation { .. }), "{error}");

    // The same where somebody else put the CRL there, without our metadata: it is read.
    let newer = authority.crl(99, None);
    let file = authority.folder.path().join("newer.crl");
    fs::write(&file, &newer).unwrap();
    let data = format!("@{}", text(&file));
    weed.curl(
        &["-X", "PUT", "--data-binary", &data],
        "crl/pki/v1/crl/full.crl",
    )
    .expect(0);
    let listing = authority.publish_large(5);
    let mut fresh = open(settings.clone(), &other.path().join("fresh"));
    let error = fresh
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(error.to_string().contains("never go back"), "{error}");
    assert_eq!(get(&weed, "pki/v1/crl/full.crl").1, newer);
    weed.curl(&["-X", "DELETE"], "crl/pki/v1/crl/full.crl")
        .expect(0);
    let delivery = fresh.deliver(&listing, &shelf, now(), &|| false).unwrap();
    assert!(delivery.written >= 2);

    // A large one, and a wrong secret, which is not told.
    let listing = authority.publish_large(100_000);
    fresh.deliver(&listing, &shelf, now(), &|| false).unwrap();
    assert_eq!(
        sha256(&get(&weed, "pki/v1/crl/full.crl").1),
        listing.editions[0].sha256
    );
    fs::write(settings.secret_file.as_ref().unwrap(), "another-secret").unwrap();
    let listing = authority.publish();
    let error = fresh
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err()
        .to_string();
    assert!(
        !error.contains("another-secret") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn a_store_that_is_no_store_is_one_line() {
    let authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &[]);
    let settings = StoreTarget {
        endpoint: Some(web.base()),
        secret_file: Some(authority.folder.path().join("ledger.key")),
        access_key_id: Some("k".to_owned()),
        ..StoreTarget::new("cdn", "crl")
    };
    let mut target = open(settings.clone(), authority.folder.path());
    let listing = authority.shelf.listing();
    let error = target.deliver(&listing, authority.shelf.folder(), now(), &|| false);
    let error = error.unwrap_err().to_string();
    assert!(!error.contains('\n') && error.len() < 700, "{error}");
    let missing = StoreTarget {
        secret_file: Some(authority.folder.path().join("none")),
        ..settings
    };
    let refused = Target::open(&PublishTarget::S3(missing), authority.folder.path());
    assert!(matches!(refused, Err(TargetError::Settings(why)) if why.contains("does not exist")));
}

/// Where a condition is ignored, that is known, and a number still does not go back.
#[test]
fn a_store_that_ignores_conditions_is_told_and_looked_at_before_each_put() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &["store"]);
    let secret = authority.folder.path().join("secret");
    fs::write(&secret, "s").unwrap();
    let settings = StoreTarget {
        endpoint: Some(web.base()),
        secret_file: Some(secret),
        access_key_id: Some("k".to_owned()),
        ..StoreTarget::new("cdn", "crl")
    };
    let shelf = authority.shelf.folder().to_owned();
    let mut target = open(settings.clone(), &authority.folder.path().join("one"));
    let first = authority.publish();
    target.deliver(&first, &shelf, now(), &|| false).unwrap();
    let remark = target.remark().unwrap();
    assert!(remark.contains("ignores conditions"), "{remark}");
    let second = authority.publish();
    target.deliver(&second, &shelf, now(), &|| false).unwrap();
    let mut behind = open(settings, &authority.folder.path().join("other"));
    let error = behind.deliver(&first, &shelf, now(), &|| false);
    let error = error.unwrap_err();
    let is_back = matches!(
        error,
        TargetError::GoesBack { .. } | TargetError::Source { .. }
    );
    assert!(is_back, "{error}");
    let delta = fs::read(authority.www().join("crl/crl/delta.crl")).unwrap();
    assert_eq!(
        sha256(&delta),
        second.edition("ca", CrlKind::Delta).unwrap().sha256
    );
    // The probe is gone.
    let left = fs::read_dir(authority.www().join("crl")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["crl"]);
    assert!(
        web.heard()
            .iter()
            .all(|request| request["method"] != "PURGE")
    );
}
