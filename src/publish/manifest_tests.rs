use proptest::prelude::*;

use super::*;

fn edition(issuer: &str, kind: CrlKind, url: &str, number: u64) -> CrlEdition {
    let at = UnixTime::from_secs(1_800_000_000).unwrap();
    CrlEdition {
        issuer: issuer.to_owned(),
        kind,
        url: url.to_owned(),
        number,
        base: (kind == CrlKind::Delta).then_some(number),
        base_as_of: None,
        scheduled: true,
        max_age: 3_600,
        this_update: at,
        next_update: at,
        next_due: at,
        entries: 3,
        octets: 500,
        sha256: "0a".repeat(32),
        as_of: 9,
    }
}

fn listing(editions: Vec<CrlEdition>) -> CrlListing {
    CrlListing {
        generation: 7,
        editions,
        documents: Vec::new(),
    }
}

fn key() -> LedgerKey {
    LedgerKey::for_tests("example.org/log")
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_800_000_100).unwrap()
}

fn two_issuers() -> CrlListing {
    listing(vec![
        edition("a", CrlKind::Full, "http://x.test/a.crl", 5),
        edition("a", CrlKind::Delta, "http://x.test/a-delta.crl", 5),
        edition("b/ç", CrlKind::Shard(3), "http://y.test/b/3.crl", 6),
    ])
}

#[test]
fn there_is_one_for_all_and_one_for_each_issuer() {
    let key = key();
    let listing = two_issuers();
    let documents = documents(&listing, "/crl/manifest.json", now(), &key);
    let paths: Vec<&str> = documents.iter().map(|it| &*it.path).collect();
    assert_eq!(
        paths,
        [
            "/crl/manifest.json",
            "/crl/a.json",
            "/crl/b%252F%C3%A7.json"
        ]
    );
    let read = |index: usize| {
        let text = documents[index].text.as_bytes();
        Manifest::verified(text, &key.verifier()).unwrap()
    };
    assert_eq!(read(0).crls, listing.editions);
    assert_eq!((read(0).generation, read(0).time), (7, now()));
    assert_eq!(read(0).next_due(), Some(listing.editions[0].next_due));
    assert_eq!(read(1).issuer.as_deref(), Some("a"));
    assert_eq!(read(1).crls, listing.editions[..2]);
    assert_eq!(read(2).crls, listing.editions[2..]);
    // An issuer's own text decides nothing about where documents lie.
    let odd = self::listing(vec![
        edition("manifest", CrlKind::Full, "http://x.test/crl/x.json", 5),
        edition("x", CrlKind::Full, "http://x.test/y.crl", 5),
    ]);
    let odd = super::documents(&odd, "/crl/manifest.json", now(), &key);
    let paths: Vec<&str> = odd.iter().map(|it| &*it.path).collect();
    assert_eq!(paths, ["/crl/manifest.json"]);
}

#[test]
fn another_key_and_another_name_are_refused() {
    let key = key();
    let text = &documents(&two_issuers(), "/m.json", now(), &key)[0].text;
    let other = LedgerKey::for_tests("example.org/log").verifier();
    assert!(matches!(
        Manifest::verified(text.as_bytes(), &other),
        Err(ManifestError::Signature { .. })
    ));
    let other = LedgerKey::for_tests("example.org/other").verifier();
    assert!(matches!(
        Manifest::verified(text.as_bytes(), &other),
        Err(ManifestError::AnotherKey { .. })
    ));
    assert!(Manifest::unverified(text.as_bytes()).is_ok());
}

/// A document of this header and payload, signed as it should be.
fn signed(key: &LedgerKey, header: &str, payload: &str) -> String {
    let protected = URL_SAFE_NO_PAD.encode(header);
    let signature = key.sign_line(&format!("{protected}.{payload}"));
    let signature = URL_SAFE_NO_PAD.encode(signature);
    serde_json::json!({ "payload": payload, "protected": protected, "signature": signature })
        .to_string()
}

const HEADER: &str = "{\"alg\":\"EdDSA\",\"b64\":false,\"crit\":[\"b64\"],\"kid\":\"example.org/log\",\
                      \"typ\":\"crl-manifest+json\"}";

#[test]
fn a_signature_is_not_enough() {
    let key = key();
    let good = serde_json::to_string(&Manifest {
        version: 1,
        issuer: None,
        generation: 1,
        time: now(),
        crls: two_issuers().editions,
    })
    .unwrap();
    let refusal = |header: &str, payload: &str| {
        let text = signed(&key, header, payload);
        Manifest::verified(text.as_bytes(), &key.verifier())
            .unwrap_err()
            .to_string()
    };
    let text = signed(&key, HEADER, &good);
    assert!(Manifest::verified(text.as_bytes(), &key.verifier()).is_ok());
    for (from, to) in [
        ("EdDSA", "none"),
        ("EdDSA", "HS256"),
        ("\"b64\":false", "\"b64\":true"),
        ("[\"b64\"]", "[]"),
        ("[\"b64\"]", "[\"b64\",\"exp\"]"),
        ("crl-manifest+json", "JWT"),
        ("\"typ\"", "\"x5u\""),
        ("{\"alg\"", "{\"alg\":\"EdDSA\",\"alg\""),
    ] {
        refusal(&HEADER.replace(from, to), &good);
    }
    for (from, to, words) in [
        ("\"version\":1", "\"version\":2", "version 2"),
        ("\"version\":1", "\"version\":1,\"x\":1", "unknown field"),
        ("\"generation\":1", "\"generation\":-1", "integer"),
        (
            "\"generation\":1",
            "\"generation\":1,\"generation\":2",
            "duplicate",
        ),
        (
            "http://x.test/a.crl",
            "http://x.test/../a.crl",
            "out of its folder",
        ),
        (
            "http://x.test/a.crl",
            "http://x.test/%2e%2e/a",
            "out of its folder",
        ),
        (
            "http://x.test/a.crl",
            "http://x.test//etc/passwd",
            "no file",
        ),
        ("http://x.test/a.crl", "http://x.test/a%00.crl", "control"),
        (
            "http://x.test/a.crl",
            "http://x.test/.estelam-mirror/state.json",
            "own",
        ),
        ("http://x.test/a.crl", "file:///etc/passwd", "http"),
        (
            "http://x.test/a.crl",
            "http://x.test/a-delta.crl",
            "same path",
        ),
        ("http://x.test/a.crl", "http://z.test/b", "same path"),
        ("\"kind\":\"shard-3\"", "\"kind\":\"shard--3\"", "no kind"),
        ("0a0a", "0A0A", "sha256"),
        ("\"octets\":500", "\"octets\":0", "length"),
        ("\"octets\":500", "\"octets\":4294967297", "length"),
        ("\"base\":5", "\"base\":6", "newer"),
        ("\"base\":5", "\"base\":null", "a delta has a base"),
        ("\"issuer\":null", "\"issuer\":\"a\"", "another issuer"),
        (
            "\"kind\":\"shard-3\"",
            "\"kind\":\"delta\"",
            "a delta has a base",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let told = refusal(HEADER, &good.replace(from, to));
        assert!(told.contains(words), "{to}: {told}");
    }
    let long = format!("\"{}\"", "a".repeat(MANIFEST_OCTETS_MAX));
    assert!(matches!(
        Manifest::verified(long.as_bytes(), &key.verifier()),
        Err(ManifestError::TooLong)
    ));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        issuers in proptest::collection::btree_map("[^\\p{Cc}]{1,12}", 1_u64..1 << 53, 0..6),
        generation: u64,
    ) {
        let editions = issuers.iter().enumerate().map(|(place, (issuer, number))| {
            let kind = match place % 3 {
                0 => CrlKind::Full,
                1 => CrlKind::Delta,
                _ => CrlKind::Shard(u32::MAX),
            };
            edition(issuer, kind, &format!("http://x.test/crl/{place}.crl"), *number)
        });
        let mut listing = listing(editions.collect());
        listing.generation = generation;
        let key = key();
        let documents = documents(&listing, "/crl/manifest.json", now(), &key);
        prop_assert!(!documents.is_empty() && documents.len() <= issuers.len() + 1);
        for document in &documents {
            let read = Manifest::verified(document.text.as_bytes(), &key.verifier()).unwrap();
            prop_assert_eq!(read.generation, generation);
            prop_assert!(read.crls.iter().all(|crl| listing.editions.contains(crl)));
            prop_assert!(ServedPath::parse(&document.path).is_ok(), "{}", document.path);
        }
    }

    #[test]
    fn what_is_altered_is_refused(at: prop::sample::Index, bit in 0_u32..8) {
        let key = key();
        let mut octets = documents(&two_issuers(), "/m.json", now(), &key)[0].text.clone().into_bytes();
        let whole = Manifest::verified(&octets, &key.verifier()).unwrap();
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        // White space around the members is not signed, and says nothing.
        if let Ok(read) = Manifest::verified(&octets, &key.verifier()) {
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "[\\[\\]{}\",:a-z0-9\\\\]{0,60}") {
        let refused = Manifest::verified(text.as_bytes(), &key().verifier());
        prop_assert!(refused.is_err());
    }
}
