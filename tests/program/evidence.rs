//! A CA that CRLs alone feed: its answers say no more than the newest of them. OpenSSL makes the CRLs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::answer::Single;
use crate::common::clock::{generalized_time, now};
use crate::common::judge::ask_with_openssl;
use crate::common::tools::{Finished, text};
use crate::common::{Answer, Hash, OpensslCa, Plan, Server, Settings, Site, Status};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const PATIENCE: Duration = Duration::from_secs(60);

fn new_ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 50,
    }))
}

fn fed(ca: &Arc<OpensslCa>, lines: &str) -> Site {
    let settings = Settings {
        issuer: format!("evidence = \"feed\"\n{lines}"),
        ..Settings::default()
    };
    Site::with(ca, &settings)
}

/// Imports what `openssl ca -gencrl` makes of `index.txt` as it is now, with these dates.
#[track_caller]
fn import_crl(site: &Site, this_update: u64, next_update: u64) -> Finished {
    let ca = &site.ca;
    let config = include_str!("../common/openssl.cnf").replace(
        "[ca_default]\n",
        "[crl]\nauthorityKeyIdentifier = keyid\n[ca_default]\ncrlnumber = crlnumber\n",
    );
    std::fs::write(ca.path("crl.cnf"), config).unwrap();
    if !ca.path("crlnumber").exists() {
        std::fs::write(ca.path("crlnumber"), "1001\n").unwrap();
    }
    ca.openssl(&format!(
        "ca -config crl.cnf -gencrl -crlexts crl -crl_lastupdate {} -crl_nextupdate {} -out ca.crl",
        generalized_time(this_update),
        generalized_time(next_update),
    ));
    site.run(&["import", "crl", text(&ca.path("ca.crl"))])
}

/// Asks until the answer is as wanted.
#[track_caller]
fn wait(server: &Server, serial: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = Answer::of(&server.ask(Hash::Sha256, serial));
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{serial}: {answer:?}");
        std::thread::yield_now();
    }
}

fn single(answer: &Answer) -> Option<&Single> {
    match answer {
        Answer::Basic { singles, .. } => singles.first(),
        Answer::Error(_) => None,
    }
}

#[track_caller]
fn wait_for_this_update(server: &Server, serial: &str, this_update: u64) -> Single {
    let wanted = generalized_time(this_update);
    let is = |answer: &Answer| single(answer).is_some_and(|it| it.this_update == wanted);
    single(&wait(server, serial, is)).unwrap().clone()
}

#[test]
fn answers_are_dated_by_the_crl_and_a_newer_one_refreshes_all() {
    let ca = new_ca();
    let site = fed(&ca, "");
    site.import_index().expect(0);
    let server = site.serve();
    let certificates = ca.certificates();
    let serial = &certificates[0].serial;
    // The ledger alone says nothing of how fresh it is.
    assert_eq!(
        Answer::of(&server.ask(Hash::Sha1, serial)),
        Answer::TRY_LATER
    );
    server.wait_for("no CRL of this issuer was imported yet");

    let first = now() - 2 * HOUR;
    import_crl(&site, first, first + 20 * HOUR).expect(0);
    wait_for_this_update(&server, serial, first);
    site.settle();
    for certificate in &certificates {
        server.answers(certificate);
        for hash in Hash::BOTH {
            let answer = Answer::of(&server.ask(hash, &certificate.serial));
            let Answer::Basic { produced_at, .. } = &answer else {
                panic!("{answer:?}");
            };
            assert!(*produced_at > generalized_time(first + HOUR), "{answer:?}");
            let single = answer.single();
            assert_eq!(single.this_update, generalized_time(first));
            let next_update = generalized_time(first + 20 * HOUR);
            assert_eq!(single.next_update, Some(next_update));
        }
        let by_openssl = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &certificate.serial);
        assert!(by_openssl.is_ok(), "{by_openssl:?}");
    }

    let good = certificates
        .iter()
        .find(|it| it.status == Status::Good)
        .unwrap();
    let issued = ca.issue(2, "");
    ca.revoke(&issued[0], "-crl_reason superseded");
    // Not before the revocation, which would date its own answer otherwise.
    let second = now();
    // A month: the issuer's own validity ends the answers.
    import_crl(&site, second, second + 30 * DAY).expect(0);
    for certificate in &certificates {
        wait_for_this_update(&server, &certificate.serial, second);
    }
    let revoked = wait_for_this_update(&server, &issued[0], second);
    let Status::Revoked { reason, .. } = revoked.status else {
        panic!("{revoked:?}");
    };
    assert_eq!(reason, Some(4));
    let single = wait_for_this_update(&server, &good.serial, second);
    let next_update = single.next_update.unwrap();
    assert!(
        next_update > generalized_time(now() + 3 * DAY),
        "{next_update}"
    );
    assert!(
        next_update < generalized_time(now() + 4 * DAY),
        "{next_update}"
    );
    let stats = site.run(&["stats"]).expect(0);
    stats.says(&["newest CRL", "number 0x1002 (4098)"]);
}

#[test]
fn after_the_crls_end_there_is_no_answer_until_a_newer_one_comes() {
    let ca = new_ca();
    let site = fed(&ca, "");
    site.import_index().expect(0);
    let server = site.serve();
    let serial = ca.certificates()[0].serial.clone();
    let first = now() - HOUR;
    let end = now() + 8;
    import_crl(&site, first, end).expect(0);
    let answer = wait_for_this_update(&server, &serial, first);
    assert_eq!(answer.next_update, Some(generalized_time(end)));
    wait(&server, &serial, |answer| *answer == Answer::TRY_LATER);
    assert!(now() >= end);
    server.wait_for("the newest CRL of this issuer ended at");
    site.run(&["stats"]).expect(0).says(&[
        "PROBLEM",
        "its newest CRL ended at",
        "estelam import crl",
    ]);
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    let issuer = &stats["authority"]["issuers"][0];
    assert_eq!(issuer["evidence"]["stale"], true, "{stats:#}");
    assert_eq!(stats["authority"]["signing_failures"], 0, "{stats:#}");

    let second = now() - 1;
    import_crl(&site, second, second + DAY).expect(0);
    wait_for_this_update(&server, &serial, second);
    server.wait_for("there is a CRL in date again");
    let told = server
        .log()
        .iter()
        .filter(|line| line.contains("nothing is signed until"))
        .count();
    // Once before the first CRL, once at its end.
    assert_eq!(told, 2, "{:#?}", server.log());
}

#[test]
fn what_is_revoked_by_hand_is_dated_no_earlier_than_its_revocation() {
    let ca = new_ca();
    let site = fed(&ca, "");
    site.import_index().expect(0);
    let server = site.serve();
    let first = now() - HOUR;
    import_crl(&site, first, first + 10 * DAY).expect(0);
    let all = ca.certificates();
    let mut good = all.iter().filter(|it| it.status == Status::Good);
    let serial = &good.next().unwrap().serial;
    wait_for_this_update(&server, serial, first);
    site.run(&["revoke", serial, "--reason", "keyCompromise"])
        .expect(0);
    for _ in 0..2 {
        for hash in Hash::BOTH {
            let answer = Answer::of(&server.ask(hash, serial));
            let single = answer.single();
            let Status::Revoked { time, .. } = &single.status else {
                panic!("{single:?}");
            };
            assert!(*time <= single.this_update, "{single:?}");
            assert!(single.this_update > generalized_time(first), "{single:?}");
        }
    }
    // The others are as old as the CRL.
    let other = &good.next().unwrap().serial;
    let answer = Answer::of(&server.ask(Hash::Sha1, other));
    assert_eq!(answer.single().this_update, generalized_time(first));
}

#[test]
fn without_an_inventory_what_is_not_listed_is_good_if_the_operator_says_so() {
    let ca = new_ca();
    let lines = "not_issued = \"good\"";
    let site = fed(&ca, lines);
    site.run(&["check"])
        .expect(0)
        .says(&["warning", "EVERY serial that is not on the CRL"]);
    let server = site.serve();
    let certificates = ca.certificates();
    let never = "0123456789";
    assert_eq!(
        Answer::of(&server.ask(Hash::Sha1, never)),
        Answer::TRY_LATER
    );
    let first = now() - HOUR;
    import_crl(&site, first, first + DAY).expect(0);
    for certificate in &certificates {
        server.answers(certificate);
    }
    let answer = Answer::of(&server.ask(Hash::Sha1, never));
    assert_eq!(answer.single().status, Status::Good);
    assert_eq!(answer.single().this_update, generalized_time(first));
    let by_openssl = ask_with_openssl(&ca, &server.url(), Hash::Sha256, never);
    assert_eq!(by_openssl, Ok(Status::Good));
    // No CRL that is taken could list it.
    assert_eq!(
        Answer::of(&server.ask(Hash::Sha1, "00")),
        Answer::UNAUTHORIZED
    );
    server.terminate().expect(0);

    let settings = Settings {
        issuer: lines.to_owned(),
        ..Settings::default()
    };
    site.configure(&settings);
    site.run(&["check"])
        .expect(3)
        .says(&["issuer.not_issued", "evidence = \"feed\""]);
}

#[test]
fn a_signer_named_by_its_subject_is_accepted_by_openssl() {
    let ca = new_ca();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let of = |status: fn(&Status) -> bool| {
        let all = ca.certificates();
        let found = all.into_iter().find(|it| status(&it.status));
        found.unwrap()
    };
    let certificates = [
        of(|status| *status == Status::Good),
        of(|status| *status != Status::Good),
    ];
    server.terminate().expect(0);
    site.configure(&Settings {
        issuer: "responder_id = \"name\"".to_owned(),
        ..Settings::default()
    });
    let server = site.serve();
    let deadline = Instant::now() + PATIENCE;
    // What was signed by key is signed again.
    while !is_by_name(&server.ask(Hash::Sha1, &certificates[0].serial)) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    for certificate in &certificates {
        for hash in Hash::BOTH {
            let answer = server.ask(hash, &certificate.serial);
            assert!(is_by_name(&answer));
            let told = ask_with_openssl(&ca, &server.url(), hash, &certificate.serial);
            assert_eq!(told, Ok(certificate.status.clone()));
        }
    }
}

/// Whether the responderID is `[1]` byName.
fn is_by_name(response: &[u8]) -> bool {
    use crate::common::der::{children, only};
    let response = children(only(response, 0x30));
    let bytes = children(only(only(response[1].whole, 0xa0), 0x30));
    let basic = children(only(bytes[1].content, 0x30));
    let data = children(basic[0].content);
    data[0].tag == 0xa1
}
