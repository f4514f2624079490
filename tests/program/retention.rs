//! `keep_expired`: OpenSSL asks about certificates that expired before and after it, and about one whose
//! moment comes while it asks.

use std::sync::Arc;

use crate::common::answer::Answer;
use crate::common::ask::request_of;
use crate::common::clock::{generalized_time, now};
use crate::common::judge::ask_with_openssl;
use crate::common::{Hash, OpensslCa, Plan, Server, Settings, Site, Status};

const DAY: u64 = 86_400;

/// Serials of certificates of each sort.
const LONG_EXPIRED: &str = "A1";
const LONG_EXPIRED_AND_REVOKED: &str = "A2";
const EXPIRED: &str = "B1";
const EXPIRED_AND_REVOKED: &str = "B2";
const VALID: &str = "C1";
const COMING: &str = "D1";
const NEVER_ISSUED: &str = "EE";

#[test]
fn what_expired_long_ago_is_answered_by_nobody_and_forgotten_by_none() {
    let begun = now();
    // Its last second is a little ahead.
    let coming = begun - DAY + 15;
    let ca = ca(&[
        ('V', begun - 2 * DAY, LONG_EXPIRED),
        ('R', begun - 2 * DAY, LONG_EXPIRED_AND_REVOKED),
        ('V', begun - 3_600, EXPIRED),
        ('R', begun - 3_600, EXPIRED_AND_REVOKED),
        ('V', begun + 30 * DAY, VALID),
        ('V', coming, COMING),
    ]);
    let settings = |keep: &str| Settings {
        // What nobody answers must not look as if it had never been.
        issuer: format!("not_issued = \"extended_revoked\"\nkeep_expired = \"{keep}\""),
        ..Settings::default()
    };
    let site = Site::with(&ca, &settings("1d"));
    site.import_index().expect(0);
    let server = site.serve_settled();

    for hash in Hash::ALL {
        for serial in [LONG_EXPIRED, LONG_EXPIRED_AND_REVOKED] {
            assert_unauthorized(&site, &server, hash, serial);
        }
        for serial in [EXPIRED, VALID] {
            assert_eq!(ask(&site, &server, hash, serial), Status::Good, "{serial}");
        }
        let revoked = ask(&site, &server, hash, EXPIRED_AND_REVOKED);
        assert!(matches!(revoked, Status::Revoked { .. }), "{revoked:?}");
        let Status::Revoked { time, .. } = ask(&site, &server, hash, NEVER_ISSUED) else {
            panic!("extended revoked");
        };
        assert_eq!(time, "19700101000000Z");
    }
    // One of several makes all of them so.
    let several = request_of(&site.ca, Hash::Sha256, &[VALID, LONG_EXPIRED]);
    let reply = server.connect().post("/ocsp", &several);
    assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);

    // The moment passes by time alone, though nothing is signed for it. Under this hash nothing is
    // signed ahead either, so it shows at once.
    loop {
        let answer = ask_with_openssl(&site.ca, &server.url(), Hash::Sha384, COMING);
        let asked_until = now();
        match answer {
            Ok(status) => {
                assert_eq!(status, Status::Good);
                assert!(asked_until < coming + DAY + 60, "it is answered on");
            }
            Err(said) => {
                assert!(said.contains("unauthorized"), "{said}");
                assert!(asked_until > coming + DAY, "it came too early");
                break;
            }
        }
    }

    // The log forgets nothing, and takes more.
    site.run(&["revoke", LONG_EXPIRED, "--reason", "superseded"])
        .expect(0);
    assert_unauthorized(&site, &server, Hash::Sha256, LONG_EXPIRED);
    let told = |serial: &str| site.run(&["status", serial, "--json"]).expect(0).json();
    assert_eq!(told(LONG_EXPIRED)["status"], "revoked");
    let until = told(LONG_EXPIRED)["answered_until"].to_string();
    assert_eq!(digits(&until), digits(&generalized_time(begun - DAY)));
    for serial in [EXPIRED, VALID, NEVER_ISSUED] {
        assert!(told(serial)["answered_until"].is_null(), "{serial}");
    }
    site.run(&["status", LONG_EXPIRED])
        .expect(0)
        .says(&["answered until"]);
    let history = site.run(&["status", LONG_EXPIRED, "--history", "--json"]);
    let history = history.expect(0).json();
    assert_eq!(
        history["entries"].as_array().unwrap().len(),
        2,
        "{history:#}"
    );
    let at = [
        "status",
        LONG_EXPIRED_AND_REVOKED,
        "--at",
        "2036-01-01T00:00:00Z",
        "--json",
    ];
    let past = site.run(&at).expect(0).json();
    assert_eq!(past["known_then"]["status"], "revoked");
    site.run(&["audit", "verify"]).expect(0);

    // No key is needed to say nothing.
    server.terminate().expect(0);
    let key = ca.path("ocsp.key");
    std::fs::rename(&key, ca.path("away.key")).unwrap();
    let server = site.serve();
    for hash in Hash::ALL {
        assert_unauthorized(&site, &server, hash, LONG_EXPIRED_AND_REVOKED);
    }
    server.terminate().expect(0);
    std::fs::rename(ca.path("away.key"), &key).unwrap();

    // Somebody thinks better of it.
    site.configure(&settings("forever"));
    let server = site.serve_settled();
    for serial in [LONG_EXPIRED, LONG_EXPIRED_AND_REVOKED] {
        for hash in Hash::ALL {
            let status = ask(&site, &server, hash, serial);
            assert!(
                matches!(status, Status::Revoked { .. }),
                "{serial}: {status:?}"
            );
        }
    }
    assert_eq!(ask(&site, &server, Hash::Sha1, COMING), Status::Good);
    assert!(told(LONG_EXPIRED)["answered_until"].is_null());
}

/// A CA whose `index.txt` has these lines: state, notAfter, serial.
fn ca(lines: &[(char, u64, &str)]) -> Arc<OpensslCa> {
    let ca = OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    });
    let mut index = String::new();
    for (state, not_after, serial) in lines {
        let not_after = generalized_time(*not_after);
        let revoked = if *state == 'R' { "260102030405Z" } else { "" };
        index.push_str(&format!(
            "{state}\t{not_after}\t{revoked}\t{serial}\tunknown\t/CN={serial}\n"
        ));
    }
    std::fs::write(ca.path("index.txt"), index).unwrap();
    Arc::new(ca)
}

#[track_caller]
fn ask(site: &Site, server: &Server, hash: Hash, serial: &str) -> Status {
    ask_with_openssl(&site.ca, &server.url(), hash, serial)
        .unwrap_or_else(|said| panic!("{serial}: {said}"))
}

#[track_caller]
fn assert_unauthorized(site: &Site, server: &Server, hash: Hash, serial: &str) {
    let said = ask_with_openssl(&site.ca, &server.url(), hash, serial).unwrap_err();
    assert!(said.contains("unauthorized"), "{serial}: {said}");
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
