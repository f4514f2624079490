//! What is answered to a batch, and what of it OpenSSL then sees.

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::common::judge::ask_with_openssl;
use crate::common::push::{PushPki, Pusher, TOKEN, sha256_of};
use crate::common::tools::{python, run, run_with_input, text, tool};
use crate::common::{Answer, Hash, OpensslCa, Plan, Server, Settings, Site, Status};

pub fn small_ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    }))
}

fn serving() -> (Arc<OpensslCa>, Site, Server, Pusher) {
    let (ca, pki) = (small_ca(), PushPki::get());
    let site = pki.site(&ca);
    let server = site.serve();
    let pusher = Pusher::new(&pki, &server);
    (ca, site, server, pusher)
}

/// What became of each entry: the result, or the code of its refusal.
fn codes(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().expect("results");
    let code = |result: &Value| {
        let code = result.get("code").unwrap_or(&result["result"]);
        code.as_str().expect("a code").to_owned()
    };
    results.iter().map(code).collect()
}

#[test]
fn what_is_pushed_is_what_openssl_is_told() {
    let (ca, _site, server, pusher) = serving();
    let answer = pusher
        .push_lines(
            "first",
            "{\"serial\":\"0A\",\"status\":\"issued\",\"not_after\":\"2036-11-19T03:17:22Z\"}\n\
             {\"serial\":\"0B\",\"status\":\"issued\"}\n\
             {\"serial\":\"0C\",\"status\":\"issued\"}\n\
             {\"serial\":\"0B\",\"status\":\"revoked\",\"reason\":\"keyCompromise\",\
              \"revocation_time\":\"2026-03-21T08:30:00Z\"}\n\
             {\"serial\":\"0C\",\"status\":\"hold\",\"revocation_time\":\"2026-03-21T08:30:00Z\"}\n\
             {\"serial\":\"0D\",\"status\":\"revoked\",\"revocation_time\":\"2026-03-21T08:30:00Z\"}\n",
        )
        .expect(200);
    assert_eq!(codes(&answer), ["applied"; 6]);
    let sequences: Vec<_> = answer["results"].as_array().unwrap().iter().collect();
    for (number, result) in sequences.iter().enumerate() {
        assert_eq!(result["sequence"], 2 + number, "{answer}");
    }
    let revoked = |reason| Status::Revoked {
        time: "20260321083000Z".to_owned(),
        reason,
    };
    let told = |serial| ask_with_openssl(&ca, &server.url(), Hash::Sha256, serial).unwrap();
    assert_eq!(told("0A"), Status::Good);
    assert_eq!(told("0B"), revoked(Some(1)));
    assert_eq!(told("0C"), revoked(Some(6)));
    assert_eq!(told("0D"), revoked(None));

    // The hold ends; what is final stays, and a second revocation is another one.
    let answer = pusher
        .push(
            "second",
            "{\"entries\":[{\"serial\":\"0c\",\"status\":\"released\"},\
             {\"serial\":\"0B\",\"status\":\"released\"},\
             {\"serial\":\"0B\",\"status\":\"issued\"},\
             {\"serial\":\"0B\",\"status\":\"revoked\",\"reason\":\"superseded\"},\
             {\"serial\":\"0B\",\"status\":\"revoked\",\"reason\":\"keyCompromise\"},\
             {\"serial\":\"0A\",\"status\":\"released\"},\
             {\"serial\":\"FF\",\"status\":\"released\"},\
             {\"serial\":\"0A\",\"status\":\"issued\",\"not_after\":\"2036-11-20T03:17:22Z\"}]}",
        )
        .expect(200);
    assert_eq!(
        codes(&answer),
        [
            "applied",
            "already_revoked",
            "already_revoked",
            "revoked_otherwise",
            // Said again without a time, it keeps the one that it had.
            "unchanged",
            "not_on_hold",
            "not_known",
            "inventory_differs",
        ]
    );
    assert_eq!(told("0C"), Status::Good);
    assert_eq!(told("0B"), revoked(Some(1)));
    let status = pusher.get("/v1/status/ca/0b").expect(200);
    assert_eq!(
        (&status["status"], &status["reason"]),
        (&json!("revoked"), &json!("keyCompromise"))
    );
    assert_eq!(
        pusher.get("/v1/status/ca/77").expect(200)["status"],
        "not_issued"
    );
    pusher.get("/v1/status/ca/xyz").is_problem(400, "malformed");
    pusher
        .get("/v1/status/other/0B")
        .is_problem(403, "issuer_not_allowed");
    pusher.get("/v1/status/ca").is_problem(404, "not_found");
    pusher
        .send("/v1/entries", &["-X", "PUT"], "")
        .is_problem(405, "method_not_allowed");
}

/// Zero, one, around a sign octet, the longest, one octet longer, negative, with zeros before them.
#[test]
fn serials_are_the_octets_that_they_are() {
    let (ca, _site, server, pusher) = serving();
    let (largest, too_long) = (
        format!("7F{}", "FF".repeat(19)),
        format!("80{}", "00".repeat(19)),
    );
    let body: String = [
        "0", "1", "7f", "80", "0080", "0081", &largest, &too_long, "-1", "0x2", "1 ",
    ]
    .iter()
    .map(|serial| {
        format!(
            "{{\"serial\":\"{serial}\",\"status\":\"revoked\",\"revocation_time\":\
                 \"2026-03-21T08:30:00Z\"}}\n"
        )
    })
    .collect();
    let answer = pusher.push_lines("serials", &body).expect(200);
    assert_eq!(
        codes(&answer),
        [
            "serial_malformed",
            "applied",
            "applied",
            "applied",
            "unchanged",
            "applied",
            "applied",
            "serial_malformed",
            "serial_malformed",
            "serial_malformed",
            "serial_malformed",
        ]
    );
    for serial in ["01", "7F", "80", "81", &largest] {
        let told = ask_with_openssl(&ca, &server.url(), Hash::Sha1, serial).unwrap();
        assert!(matches!(told, Status::Revoked { .. }), "{serial}: {told:?}");
    }
}

#[test]
fn reasons_have_the_names_of_the_rfc_and_times_are_not_ahead() {
    let (ca, _site, server, pusher) = serving();
    let names = [
        ("keyCompromise", Some(1)),
        ("cACompromise", Some(2)),
        ("affiliationChanged", Some(3)),
        ("superseded", Some(4)),
        ("cessationOfOperation", Some(5)),
        ("certificateHold", Some(6)),
        ("privilegeWithdrawn", Some(9)),
        ("aACompromise", Some(10)),
        ("unspecified", None),
    ];
    let entry = |number: usize, reason: &str, time: &str| {
        format!(
            "{{\"serial\":\"1{number:X}\",\"status\":\"revoked\",\"reason\":\"{reason}\",\
             \"revocation_time\":\"{time}\"}}\n"
        )
    };
    let past = "2026-03-21T08:30:00Z";
    let body: String = (names.iter().enumerate())
        .map(|(number, (name, _))| entry(number, name, past))
        .collect();
    let answer = pusher.push_lines("reasons", &body).expect(200);
    assert_eq!(codes(&answer), ["applied"; 9]);
    for (number, (name, reason)) in names.into_iter().enumerate() {
        let serial = format!("1{number:X}");
        let time = "20260321083000Z".to_owned();
        let answer = Answer::of(&server.ask(Hash::Sha256, &serial));
        assert_eq!(
            answer.single().status,
            Status::Revoked { time, reason },
            "{name}"
        );
        // OpenSSL has no words for the last two.
        let told = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &serial).unwrap();
        let Status::Revoked { reason: told, .. } = told else {
            panic!("{name}")
        };
        assert!(told == reason || reason > Some(8), "{name}: {told:?}");
    }
    // The numbers of RFC 5280 and other people's words are none of them.
    let other: String = [
        "removeFromCRL",
        "key_compromise",
        "0",
        "1",
        "4",
        "7",
        "compromised",
        "",
    ]
    .iter()
    .map(|name| entry(10, name, past))
    .collect();
    let answer = pusher.push_lines("other", &other).expect(200);
    assert_eq!(codes(&answer), ["reason_unknown"; 8]);

    // DESIGN's rule: up to five minutes ahead is recorded as claimed, further ahead refused.
    let ahead = |seconds: u64| {
        let time = crate::common::clock::generalized_time(crate::common::clock::now() + seconds);
        let [date, clock] = [&time[..8], &time[8..14]];
        format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..],
            &clock[..2],
            &clock[2..4],
            &clock[4..]
        )
    };
    let body = [
        entry(11, "superseded", &ahead(200)),
        entry(12, "superseded", &ahead(400)),
    ]
    .concat();
    let answer = pusher.push_lines("ahead", &body).expect(200);
    assert_eq!(codes(&answer), ["applied", "time_ahead"]);
    let Ok(Status::Revoked { time, .. }) = ask_with_openssl(&ca, &server.url(), Hash::Sha1, "1B")
    else {
        panic!("it is revoked")
    };
    let now = crate::common::clock::generalized_time(crate::common::clock::now());
    assert!(time <= now, "{time} is after {now}");
}

#[test]
fn all_or_nothing_is_all_or_nothing() {
    let (_ca, _site, _server, pusher) = serving();
    let post =
        |query: &str, key: &str, body: &str| pusher.post(query, key, "application/x-ndjson", body);
    let good =
        "{\"serial\":\"0A\",\"status\":\"issued\"}\n{\"serial\":\"0A\",\"status\":\"revoked\"}\n";
    // Refused by the ledger, and before it came there.
    for (key, bad, code) in [
        (
            "a",
            "{\"serial\":\"0E\",\"status\":\"released\"}",
            "not_known",
        ),
        (
            "b",
            "{\"serial\":\"xx\",\"status\":\"issued\"}",
            "serial_malformed",
        ),
    ] {
        let body = format!("{good}{bad}");
        let answer = post("?all_or_nothing=true", key, &body).expect(200);
        assert_eq!(codes(&answer), ["batch_refused", "batch_refused", code]);
        assert_eq!(
            pusher.get("/v1/status/ca/0A").expect(200)["status"],
            "not_issued"
        );
        // The same again, and the same body as another request.
        assert_eq!(post("?all_or_nothing=true", key, &body).expect(200), answer);
        post("", key, &body).is_problem(422, "key_reused");
    }
    let answer = post("?all_or_nothing=true", "c", good).expect(200);
    assert_eq!(codes(&answer), ["applied", "applied"]);
    assert_eq!(
        pusher.get("/v1/status/ca/0A").expect(200)["status"],
        "revoked"
    );
    for query in [
        "?all_or_nothing=1",
        "?all_or_nothing",
        "?all=true",
        "?all_or_nothing=true&all_or_nothing=true",
    ] {
        post(query, "d", good).is_problem(400, "query_malformed");
    }
}

#[test]
fn the_receipt_verifies_with_the_ledgers_public_key_and_says_what_was_done() {
    let (_ca, site, server, pusher) = serving();
    let body = "[{\"serial\":\"0A\",\"status\":\"issued\"},{\"serial\":\"0B\",\"status\":\"issued\"},\
                {\"serial\":\"0A\",\"status\":\"issued\"},{\"serial\":\"\",\"status\":\"issued\"}]";
    let first = pusher.push("the-key", body);
    let answer = first.expect(200);
    let public = site.path("ledger.pub.pem");
    let mut command = tool("openssl");
    command.args([
        "pkey",
        "-pubout",
        "-in",
        text(&site.path("state/keys/ledger.key")),
    ]);
    run(command.args(["-out", text(&public)])).expect(0);
    let verified = |receipt: &str| {
        let mut command = python();
        command.args(["-c", include_str!("receipt.py"), text(&public)]);
        run_with_input(&mut command, receipt)
    };
    let receipt = answer["receipt"].as_str().unwrap();
    let said = verified(receipt).expect(0).stdout;
    let lines: Vec<&str> = said.lines().collect();
    let checkpoint = pusher.get("/v1/checkpoint");
    assert_eq!(checkpoint.status, 200);
    let head: Vec<&str> = checkpoint.body.lines().take(3).collect();
    assert_eq!(lines[0], "estelam push receipt 1");
    assert_eq!(lines[1], format!("log {}", head[0]));
    assert_eq!(&lines[2..4], ["client ca-1", "key the-key"]);
    assert_eq!(lines[4], format!("body sha256 {}", sha256_of(body)));
    assert_eq!(
        lines[5],
        format!("recorded {}", answer["recorded"].as_str().unwrap())
    );
    assert_eq!(lines[6], format!("head {} {}", head[1], head[2]));
    assert_eq!(
        &lines[7..],
        [
            "entries 4",
            "1-2 applied 2-3",
            "3-3 unchanged",
            "4-4 refused serial_malformed"
        ]
    );
    assert!(!verified(&receipt.replace("2-3", "2-4")).stderr.is_empty());
    assert_ne!(verified(&receipt.replace("ca-1", "ca-2")).code, 0);

    // Again: the same octets, also over a restart and whatever was recorded since.
    pusher
        .push("another", "[{\"serial\":\"0C\",\"status\":\"issued\"}]")
        .expect(200);
    let again = pusher.push("the-key", body);
    assert_eq!(again.body, first.body);
    assert!(again.head.contains("idempotency-replayed: true") && !first.head.contains("replayed"));
    server.terminate().expect(0);
    let server = site.serve();
    let pusher = Pusher::new(&PushPki::get(), &server);
    assert_eq!(pusher.push("the-key", body).body, first.body);
    pusher.push("the-key", "[]").is_problem(422, "key_reused");
    // The same octets as lines are another request only in form: they are no batch.
    pusher
        .push_lines("new", body)
        .is_problem(400, "batch_malformed");
}

#[test]
fn what_is_no_batch_is_refused_whole() {
    let (_ca, site, _server, pusher) = serving();
    let fine = "{\"serial\":\"0A\",\"status\":\"issued\"}";
    let bomb = "[".repeat(200_000);
    let deep = format!(
        "[{{\"serial\":{}1{},\"status\":\"issued\"}}]",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    let many = format!("{fine}\n").repeat(65_537);
    for (body, status, code) in [
        ("", 400, "batch_malformed"),
        ("no json", 400, "batch_malformed"),
        ("[", 400, "batch_malformed"),
        (&bomb, 400, "batch_malformed"),
        (&deep, 400, "batch_malformed"),
        (
            &format!("[{fine},{{\"serial\":\"0B\"}}]"),
            400,
            "batch_malformed",
        ),
        (
            "[{\"serial\":\"0B\",\"serial\":\"0C\",\"status\":\"issued\"}]",
            400,
            "batch_malformed",
        ),
        (
            "[{\"serial\":11,\"status\":\"issued\"}]",
            400,
            "batch_malformed",
        ),
        (
            "[{\"serial\":\"0B\",\"status\":\"valid\"}]",
            400,
            "batch_malformed",
        ),
        (
            "[{\"serial\":\"0B\",\"status\":\"issued\",\"extra\":1}]",
            400,
            "batch_malformed",
        ),
        (
            &format!("[{fine},{{\"issuer\":\"other\",\"serial\":\"0B\",\"status\":\"issued\"}}]"),
            403,
            "issuer_not_allowed",
        ),
    ] {
        let start: String = body.chars().take(60).collect();
        let problem = pusher.push("k", body);
        assert_eq!(problem.status, status, "{start}: {problem:?}");
        problem.is_problem(status, code);
    }
    pusher
        .push_lines("k", &many)
        .is_problem(413, "too_many_entries");
    pusher
        .push_lines("k", &format!("{fine}\n\u{0}"))
        .is_problem(400, "batch_malformed");
    pusher
        .post("", "k", "text/plain", fine)
        .is_problem(415, "unsupported_media_type");
    pusher
        .post("", "k", "", fine)
        .is_problem(415, "unsupported_media_type");
    for (key, code) in [
        (String::new(), "idempotency_key_missing"),
        ("x".repeat(256), "idempotency_key_malformed"),
        ("two words".to_owned(), "idempotency_key_malformed"),
        ("ä".to_owned(), "idempotency_key_malformed"),
    ] {
        pusher
            .push(&key, &format!("[{fine}]"))
            .is_problem(400, code);
    }
    let twice = [
        "-H",
        "Idempotency-Key: a",
        "-H",
        "Idempotency-Key: b",
        "-H",
        "Content-Type: application/json",
    ];
    let twice = [&twice[..], &["--data-binary", "@-"]].concat();
    pusher
        .send("/v1/entries", &twice, "[]")
        .is_problem(400, "idempotency_key_malformed");

    // Nothing of all that is in the ledger, and the key is free.
    assert_eq!(
        site.run(&["status", "0A", "--json"]).expect(0).json()["status"],
        "not_issued"
    );
    assert_eq!(
        pusher.push("k", &format!("[{fine}]")).expect(200)["applied"],
        1
    );
    let longest = "~".repeat(255);
    assert_eq!(
        pusher.push(&longest, "[]").expect(200)["results"],
        json!([])
    );
}

#[test]
fn a_certificate_is_its_own_evidence() {
    let ca = OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    });
    let serials = ca.issue(2, "-rand_serial");
    let (ca, other, pki) = (Arc::new(ca), small_ca(), PushPki::get());
    let site = pki.site(&ca);
    let server = site.serve();
    let pusher = Pusher::new(&pki, &server);
    let pem =
        |serial: &str| std::fs::read_to_string(ca.path(&format!("certs/{serial}.pem"))).unwrap();
    let entry =
        |certificate: &str, status: &str| json!({"certificate": certificate, "status": status});
    let stranger = std::fs::read_to_string(other.path("ocsp.pem")).unwrap();
    let body = json!([
        entry(&pem(&serials[0]), "issued"),
        entry(&pem(&serials[1]), "revoked"),
        entry(&stranger, "issued"),
    ]);
    let answer = pusher.push("certificates", &body.to_string()).expect(200);
    assert_eq!(
        codes(&answer),
        ["applied", "applied", "certificate_not_of_issuer"]
    );
    let status = pusher
        .get(&format!("/v1/status/ca/{}", serials[0]))
        .expect(200);
    assert!(status["not_after"].is_string(), "{status}");
    let told = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &serials[1]).unwrap();
    assert!(matches!(told, Status::Revoked { .. }), "{told:?}");
}

#[test]
fn a_clients_credential_covers_its_issuers_alone() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let other = small_ca();
    // A second issuer, and a client for it and one for both.
    let [b, both] = ["token-of-b", "token-of-both"];
    let tables = format!(
        "[[push.client]]\nname = \"b\"\nissuers = [\"second\"]\ntoken_sha256 = [\"{}\", \"{}\"]\n\
         [[push.client]]\nname = \"both\"\nissuers = [\"ca\", \"second\"]\ntoken_sha256 = \"{}\"\n",
        "00".repeat(32),
        sha256_of(b),
        sha256_of(both)
    );
    let second = format!(
        "[[issuer]]\nname = \"second\"\ncertificate = {:?}\n[[issuer.signer]]\ncertificate = {:?}\n\
         key = {:?}\n",
        other.path("ca.pem"),
        other.path("ca.pem"),
        other.path("ca.key")
    );
    let settings = pki.settings("", &tables);
    let site = Site::with(
        &ca,
        &Settings {
            signer_lines: second,
            ..settings
        },
    );
    let server = site.serve();
    let with = |token: &str| {
        Pusher::with(
            &pki,
            &server,
            &["-H", &format!("Authorization: Bearer {token}")],
        )
    };
    let (first, b, both) = (with(TOKEN), with(b), with(both));
    let of = |issuer: &str| {
        format!("{{\"issuer\":\"{issuer}\",\"serial\":\"0A\",\"status\":\"issued\"}}")
    };
    // Each to its own; nothing of a batch that also speaks for another.
    first
        .push_lines("k", &format!("{}\n{}", of("ca"), of("second")))
        .is_problem(403, "issuer_not_allowed");
    b.push_lines("k", &of("ca"))
        .is_problem(403, "issuer_not_allowed");
    b.push_lines("k", &of("no such"))
        .is_problem(403, "issuer_not_allowed");
    assert_eq!(
        both.get("/v1/status/ca/0A").expect(200)["status"],
        "not_issued"
    );
    b.get("/v1/status/ca/0A")
        .is_problem(403, "issuer_not_allowed");
    let nameless = "{\"serial\":\"0A\",\"status\":\"issued\"}";
    let answer = both.push_lines("k", nameless).expect(200);
    assert_eq!(answer["results"][0]["code"], "issuer_missing");
    // One key is each client's own.
    assert_eq!(first.push_lines("k", nameless).expect(200)["applied"], 1);
    assert_eq!(b.push_lines("k", nameless).expect(200)["applied"], 1);
    assert_eq!(
        both.push_lines("2", &format!("{}\n{}", of("ca"), of("second")))
            .expect(200)["unchanged"],
        2
    );
    server.wait_for("issuer_not_allowed");
}

/// Every documented path, with all of schemathesis' checks.
#[test]
fn the_server_is_as_its_openapi_document_says() {
    let (_ca, site, _server, pusher) = serving();
    let tool = python();
    let tool = std::path::Path::new(tool.get_program()).with_file_name("schemathesis");
    let folder = site.path("schemathesis");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("hooks.py"), include_str!("hooks.py")).unwrap();
    let mut command = Command::new(&tool);
    command
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &folder)
        .env("REQUESTS_CA_BUNDLE", PushPki::get().path("tls.pem"))
        .args(["run", &format!("{}/v1/openapi.json", pusher.url())])
        .args(["--tls-verify", text(&PushPki::get().path("tls.pem"))])
        .args(["-H", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "30", "--seed", "1", "--no-color"]);
    run(&mut command)
        .expect(0)
        .says(&["No issues found", "Tested: 4"]);
}
