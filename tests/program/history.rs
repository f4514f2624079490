//! `status --at` and `--history`, corrections, with a running server and without one; OpenSSL is asked what
//! clients see meanwhile.

use std::sync::Arc;

use serde_json::Value;

use crate::common::judge::ask_with_openssl;
use crate::common::tools::text;
use crate::common::{Certificate, Hash, OpensslCa, Plan, Server, Site, Status};

#[test]
fn the_past_is_told_with_and_without_a_server() {
    let site = Site::imported(&ca());
    let good = good(&site);
    let serial = &good[0].serial;
    let server = site.serve_settled();
    let ask = |words: &[&str]| {
        let words = [&["status", serial][..], words, &["--json"]].concat();
        site.run(&words).expect(0).json()
    };
    let before = ask(&[])["recorded"].as_str().unwrap().to_owned();
    // Recorded now, and claimed for long ago.
    let claimed = "2026-02-03T04:05:06Z";
    let words = [
        "revoke",
        serial,
        "--reason",
        "superseded",
        "--revocation-time",
        claimed,
    ];
    site.run(&words).expect(0);
    let told = |server: bool| {
        let past = ask(&["--at", "2026-03-01T00:00:00Z"]);
        assert_eq!(
            past["known_then"]["status"], "not_issued",
            "{server}: {past:#}"
        );
        assert_eq!(past["known_today"]["status"], "revoked");
        assert_eq!(past["known_today"]["revocation_time"], claimed);
        assert_eq!(past["known_today"]["entry"]["kind"], "revoked");
        assert_eq!(past["known_today"]["entry"]["source"], "cli");
        assert_eq!(past["agree"], false);
        let later = ask(&["--at", "2036-01-01T00:00:00Z"]);
        assert_eq!(
            (&later["agree"], &later["known_then"]["status"]),
            (&true.into(), &"revoked".into())
        );
        let only = ask(&["--at", "2026-03-01T00:00:00Z", "--by", "effective"]);
        assert_eq!(
            (only["known_then"].is_null(), only["known_today"].is_null()),
            (true, false)
        );

        let history = ask(&["--history"]);
        let entries = history["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (&entries[0]["kind"], &entries[1]["kind"]),
            (&"revoked".into(), &"issued".into())
        );
        assert_eq!(entries[0]["effective"], claimed);
        assert_ne!(entries[0]["recorded"], claimed);
        assert_eq!(entries[0]["previous"], entries[1]["sequence"]);
        assert_eq!(entries[1]["recorded"], before.as_str());
        let cursor = entries[1]["cursor"].as_str().unwrap();
        assert!(
            entries[1]["source"] == "index" && cursor.contains("index.txt"),
            "{history:#}"
        );
        // In pages.
        let first = ask(&["--history", "--limit", "1"]);
        assert_eq!(first["next"], entries[1]["sequence"]);
        let next = first["next"].to_string();
        let second = ask(&["--history", "--limit", "1", "--from", &next]);
        assert_eq!(second["entries"][0], entries[1]);
        assert!(second["next"].is_null());
        [past, later, only, history]
    };
    let by_server = told(true);
    let human = site
        .run(&["status", serial, "--at", "2026-03-01T00:00:00Z"])
        .expect(0);
    for words in [
        "known then",
        "nothing",
        "known today",
        "revoked since",
        "said by cli",
        "differs",
    ] {
        assert!(human.stdout.contains(words), "{words}: {human}");
    }
    server.terminate().expect(0);
    assert_eq!(told(false), by_server);
    for (words, code) in [
        (&["status", serial, "--at", "yesterday"][..], 2),
        (&["status", serial, "--by", "recorded"], 2),
        (
            &[
                "status",
                serial,
                "--at",
                "2026-03-01T00:00:00Z",
                "--history",
            ],
            2,
        ),
        (&["status", "0G", "--history"], 2),
    ] {
        site.run(words).expect(code);
    }
    let stranger = site
        .run(&["status", "7777", "--history", "--json"])
        .expect(0)
        .json();
    assert_eq!(stranger["entries"], Value::Array(Vec::new()));
}

/// Clients see a correction at once, and it is never milder.
#[test]
fn a_correction_is_seen_at_once_and_never_milder() {
    let site = Site::imported(&ca());
    let good = good(&site);
    let server = site.serve_settled();
    let serial = &good[0].serial;
    let revoke = |words: &[&str]| site.run(&[&["revoke", serial][..], words].concat());
    revoke(&["--correct", "--reason", "keyCompromise"])
        .expect(7)
        .says(&["no revocation to correct"]);
    site.run(&["hold", serial]).expect(0);
    revoke(&["--correct", "--reason", "keyCompromise"])
        .expect(7)
        .says(&["no revocation to correct"]);
    revoke(&[
        "--reason",
        "superseded",
        "--revocation-time",
        "2026-02-03T04:05:06Z",
    ])
    .expect(0);
    assert_eq!(
        shown(&site, &server, serial),
        revoked("20260203040506Z", Some(4))
    );
    revoke(&["--correct"]).expect(2);
    let corrected = revoke(&[
        "--correct",
        "--reason",
        "keyCompromise",
        "--revocation-time",
        "2026-01-02T03:04:05Z",
        "--invalidity-date",
        "2026-01-01T00:00:00Z",
        "--json",
    ]);
    let corrected = corrected.expect(0).json();
    assert_eq!(corrected["visible"], "now");
    let now = revoked("20260102030405Z", Some(1));
    assert_eq!(shown(&site, &server, serial), now);
    for (words, why) in [
        (&["--revocation-time", "2026-01-02T03:04:06Z"][..], "later"),
        (&["--invalidity-date", "2026-01-01T00:00:01Z"], "later"),
        (&["--reason", "superseded"], "take back"),
    ] {
        revoke(&[&["--correct"][..], words].concat())
            .expect(7)
            .says(&[why]);
    }
    revoke(&["--correct", "--reason", "certificateHold"]).expect(2);
    site.run(&["release", serial]).expect(7);
    let again = revoke(&["--correct", "--reason", "keyCompromise", "--json"])
        .expect(0)
        .json();
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(shown(&site, &server, serial), now);

    let history = site
        .run(&["status", serial, "--history", "--json"])
        .expect(0)
        .json();
    let kinds: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["corrected", "revoked", "on_hold", "issued"]);
    // The next signing of everything has it, and a restart.
    server.kill();
    let server = site.serve_settled();
    assert_eq!(shown(&site, &server, serial), now);
}

/// A certificate that is named by its file names its issuer, as it does elsewhere; a revoked issuer is part
/// of the story of its certificates.
#[test]
fn a_revoked_issuer_and_a_file_are_part_of_the_story() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: true,
        bulk: 0,
    }));
    let site = Site::imported(&ca);
    let certificates = ca.certificates();
    let good = certificates
        .iter()
        .find(|it| it.status == Status::Good && it.pem.is_some())
        .unwrap();
    let file = text(good.pem.as_deref().unwrap());
    site.run(&[
        "revoke",
        "--issuer",
        "ca",
        "--all",
        "--reason",
        "cACompromise",
        "--yes",
    ])
    .expect(0);
    let history = site
        .run(&["status", file, "--history", "--json"])
        .expect(0)
        .json();
    let kinds: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["issuer_revoked", "issued"], "{history:#}");
    let past = site
        .run(&["status", file, "--at", "2036-01-01T00:00:00Z", "--json"])
        .expect(0)
        .json();
    assert_eq!(past["known_today"]["entry"]["kind"], "issuer_revoked");
    assert_eq!(past["known_today"]["reason"], "cACompromise");
    site.run(&["status", file, "--issuer", "cb", "--history"])
        .expect(2);
}

#[test]
fn thousands_of_entries_are_told_in_pages() {
    let site = Site::imported(&ca());
    let serial = &good(&site)[0].serial;
    let server = site.serve_settled();
    for _ in 0..30 {
        site.run(&["hold", serial]).expect(0);
        site.run(&["release", serial]).expect(0);
    }
    let whole = site.run(&["status", serial, "--history"]).expect(0);
    assert_eq!(whole.stdout.matches("\n  entry ").count(), 61);
    let mut from = None;
    let mut sequences = Vec::new();
    loop {
        let mut words = vec!["status", serial, "--history", "--limit", "7", "--json"];
        words.extend(from.iter().flat_map(|from: &String| ["--from", from]));
        let page = site.run(&words).expect(0).json();
        for entry in page["entries"].as_array().unwrap() {
            sequences.push(entry["sequence"].as_u64().unwrap());
        }
        match page["next"].as_u64() {
            Some(next) => from = Some(next.to_string()),
            None => break,
        }
    }
    assert_eq!(sequences.len(), 61);
    assert!(sequences.windows(2).all(|pair| pair[0] > pair[1]));
    drop(server);
}

fn ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 30,
    }))
}

fn good(site: &Site) -> Vec<Certificate> {
    let mut good = site.ca.certificates();
    good.retain(|certificate| certificate.status == Status::Good);
    good
}

#[track_caller]
fn shown(site: &Site, server: &Server, serial: &str) -> Status {
    ask_with_openssl(&site.ca, &server.url(), Hash::Sha256, serial)
        .unwrap_or_else(|said| panic!("{serial}: {said}"))
}

fn revoked(time: &str, reason: Option<u8>) -> Status {
    Status::Revoked {
        time: time.to_owned(),
        reason,
    }
}
