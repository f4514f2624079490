//! Questions that need a signature of their own: nonces, several certificates, fresh answers; and what is
//! said when there are more of them than can be signed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::ask::{
    cert_id, extension, get_paths, nonce, request_of_cert_ids, with_extensions, with_nonce,
};
use crate::common::der::tlv;
use crate::common::http::{Connection, Reply, post};
use crate::common::site::Settings;
use crate::common::tools::{python, read_text, run, run_with_input, text, tool};
use crate::common::{
    Answer, Certificate, Hash, KeyType, OpensslCa, Plan, SHARED, Server, Site, Status, request_of,
};

/// Until a condition that is near holds.
const PATIENCE: Duration = Duration::from_secs(60);
const NOTHING: Plan = Plan {
    every_form: false,
    bulk: 0,
};

/// An installation that knows what the CA's `index.txt` says, and echoes nonces.
fn echoing(ca: &Arc<OpensslCa>, limits: &str, issuer: &str) -> Site {
    let site = Site::with(
        ca,
        &Settings {
            limits: limits.to_owned(),
            issuer: format!("nonce = \"echo\"\n{issuer}"),
            ..Settings::default()
        },
    );
    site.import_index().expect(0);
    site
}

fn stats(site: &Site) -> Value {
    site.run(&["stats", "--json"]).expect(0).json()["authority"].clone()
}

fn some_good(ca: &OpensslCa, count: usize) -> Vec<Certificate> {
    let mut found = ca.certificates();
    found.retain(|certificate| certificate.status == Status::Good);
    found.truncate(count);
    assert_eq!(found.len(), count);
    found
}

fn echoed(answer: &Answer) -> Option<Vec<u8>> {
    match answer {
        Answer::Basic { extensions, .. } => extensions.clone(),
        Answer::Error(_) => None,
    }
}

#[test]
fn openssl_gnutls_and_python_get_their_nonce_back() {
    let ca = SHARED.get();
    let site = echoing(&ca, "", "");
    let server = site.serve_settled();
    let issued = ca.certificates();
    let mut issued = issued
        .iter()
        .filter(|certificate| certificate.pem.is_some());
    let (issuer, url) = (ca.path("ca.pem"), server.url());
    for certificate in issued.by_ref().take(5) {
        let mut command = tool("openssl");
        command.args(["ocsp", "-nonce", "-url", &url, "-issuer", text(&issuer)]);
        command.args(["-serial", &format!("0x{}", certificate.serial)]);
        command.args(["-CAfile", text(&issuer), "-no-CApath", "-no-CAstore"]);
        let said = run(&mut command).expect(0).says(&["Response verify OK"]);
        // "WARNING: no nonce in response", or "Nonce Verify error".
        assert!(!said.stderr.to_lowercase().contains("nonce"), "{said}");

        let pem = certificate.pem.as_ref().expect("it was issued");
        let mut command = tool("ocsptool");
        command.args([&format!("--ask={url}"), "--nonce", "--load-cert", text(pem)]);
        command.args(["--load-issuer", text(&issuer)]);
        let said = run(&mut command).expect(0);
        assert!(!said.stderr.to_lowercase().contains("nonce"), "{said}");
        said.says(&["Verifying OCSP Response: Success"]);
    }
    let serials: Vec<&str> = issued.take(4).map(|it| it.serial.as_str()).collect();
    let task = json!({ "url": url, "issuer": issuer, "serials": serials });
    let mut command = python();
    command.args(["-c", include_str!("live.py")]);
    let said = run_with_input(&mut command, &task.to_string()).expect(0);
    assert_eq!(said.json(), json!([]));
    let live = &stats(&site)["live"];
    assert_eq!(live["asked"]["nonce"], 5 + 5 + 4 * 7, "{live:#}");
    assert_eq!(live["shed"]["queue_full"], 0);
}

#[test]
fn nonces_of_one_to_128_octets_are_echoed_and_no_others_taken() {
    let ca = SHARED.get();
    let site = echoing(&ca, "", "");
    let server = site.serve_settled();
    let certificate = some_good(&ca, 1).remove(0);
    let mut connection = server.connect();
    for hash in Hash::ALL {
        for len in [1, 15, 16, 31, 32, 33, 127, 128] {
            let request = with_nonce(&ca, hash, &certificate.serial, len);
            let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
            for reply in [connection.post("/ocsp", &request), connection.get(&path)] {
                assert_eq!(reply.status, 200);
                let answer = Answer::of(&reply.body);
                assert_eq!(answer.single().status, Status::Good);
                let expected = tlv(0x30, &nonce(&vec![0xa5; len]));
                assert_eq!(echoed(&answer), Some(expected), "{len} octets");
                is_for_one_client(&reply);
            }
        }
        for len in [0, 129, 500] {
            let request = with_nonce(&ca, hash, &certificate.serial, len);
            let reply = connection.post("/ocsp", &request);
            assert_eq!(Answer::of(&reply.body), Answer::MALFORMED_REQUEST, "{len}");
        }
    }
    // Bare octets, as old clients send them: answered as if there were none, and so presigned.
    let id = cert_id(&ca, Hash::Sha1, &certificate.serial);
    let bare = with_extensions(&[id], &[extension(2, &[0xa5; 20])]);
    let reply = connection.post("/ocsp", &bare);
    assert_eq!(echoed(&Answer::of(&reply.body)), None);
    assert!(reply.header("etag").is_some(), "{reply:?}");
    // A serial that was never issued costs no signature.
    let reply = connection.post("/ocsp", &with_nonce(&ca, Hash::Sha1, "0ABCDEF0", 32));
    assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);
    let live = &stats(&site)["live"];
    assert_eq!(live["asked"]["nonce"], 2 * 8 * 2, "{live:#}");
    assert_eq!(live["asked"]["hash"], 8 * 2, "{live:#}");
}

#[track_caller]
fn is_for_one_client(reply: &Reply) {
    let cache_control = reply.header("cache-control").expect("Cache-Control");
    assert!(cache_control.contains("private"), "{cache_control}");
    assert!(cache_control.contains("max-age=0"), "{cache_control}");
    // RFC 9919 §7.2 allows neither in an authoritative answer.
    for forbidden in ["no-store", "no-cache", "public"] {
        assert!(!cache_control.contains(forbidden), "{cache_control}");
    }
    for absent in ["etag", "expires", "last-modified"] {
        assert_eq!(reply.header(absent), None, "{reply:?}");
    }
}

#[test]
fn several_certificates_are_answered_together_up_to_the_limit() {
    let ca = SHARED.get();
    let site = echoing(&ca, "cert_ids = 3", "");
    let server = site.serve();
    let certificates = some_good(&ca, 4);
    let ids: Vec<Vec<u8>> = certificates
        .iter()
        .zip([Hash::Sha1, Hash::Sha384, Hash::Sha256, Hash::Sha1])
        .map(|(certificate, hash)| cert_id(&ca, hash, &certificate.serial))
        .collect();
    let mut connection = server.connect();
    let mut ask = |request: &[u8]| Answer::of(&connection.post("/ocsp", request).body);
    let answer = ask(&with_extensions(&ids[..3], &[nonce(b"a nonce of ours")]));
    assert_eq!(echoed(&answer), Some(tlv(0x30, &nonce(b"a nonce of ours"))));
    let Answer::Basic { singles, .. } = answer else {
        panic!("{answer:?}")
    };
    let told: Vec<Vec<u8>> = singles.into_iter().map(|single| single.cert_id).collect();
    assert_eq!(told, ids[..3]);
    assert_eq!(ask(&request_of_cert_ids(&ids)), Answer::MALFORMED_REQUEST);
    // One of them was never issued: nothing is said of the others either.
    let unknown = cert_id(&ca, Hash::Sha1, "0ABCDEF0");
    let some = [ids[0].clone(), unknown];
    assert_eq!(ask(&request_of_cert_ids(&some)), Answer::UNAUTHORIZED);
    server.terminate().expect(0);

    let site = echoing(&ca, "", "");
    let server = site.serve();
    let mut connection = server.connect();
    let mut ask = |request: &[u8]| Answer::of(&connection.post("/ocsp", request).body);
    let eight = [&ids[..], &ids].concat();
    assert!(matches!(
        ask(&request_of_cert_ids(&eight)),
        Answer::Basic { .. }
    ));
    let nine = [&eight[..], &ids[..1]].concat();
    assert_eq!(ask(&request_of_cert_ids(&nine)), Answer::MALFORMED_REQUEST);
}

/// A CA that was renamed signs for both names; two delegates never speak for each other's CA, not even
/// with one key.
#[test]
fn certificates_of_several_issuers_need_one_signer_for_all() {
    let one = Arc::new(OpensslCa::named(
        KeyType::EcP256,
        "/C=IR/CN=Before",
        NOTHING,
    ));
    let renamed = OpensslCa::with_key_of(&one, "/C=IR/CN=After", NOTHING);
    let stranger = OpensslCa::named(KeyType::EcP256, "/C=IR/CN=Stranger", NOTHING);
    let cas = [&*one, &renamed, &stranger];
    let serials = cas.map(|ca| ca.issue(1, "-days 30").remove(0));

    let configure = |signer: &str, key: &str| {
        let site = Site::with(&one, &Settings::with_signer(signer, key));
        let path = site.path("estelam.toml");
        let mut config = read_text(&path);
        for (name, ca) in [("renamed", &renamed), ("stranger", &stranger)] {
            config.push_str(&format!(
                "[[issuer]]\nname = {name:?}\nnonce = \"echo\"\ncertificate = {:?}\n\
                 [[issuer.signer]]\ncertificate = {:?}\nkey = {:?}\n",
                ca.path("ca.pem"),
                ca.path(signer),
                ca.path(key)
            ));
        }
        std::fs::write(&path, config).unwrap();
        for (name, ca) in ["ca", "renamed", "stranger"].into_iter().zip(cas) {
            let index = ca.path("index.txt");
            site.run(&["import", "index", text(&index), "--issuer", name])
                .expect(0);
        }
        site
    };
    let id = |place: usize| cert_id(cas[place], Hash::Sha256, &serials[place]);

    let site = configure("ca.pem", "ca.key");
    let server = site.serve();
    let ask = |server: &Server, ids: &[Vec<u8>]| {
        let request = with_extensions(ids, &[nonce(&[9; 16])]);
        server.connect().post("/ocsp", &request).body
    };
    let body = ask(&server, &[id(0), id(1)]);
    let Answer::Basic {
        singles,
        certificates,
        ..
    } = Answer::of(&body)
    else {
        panic!("one key signs for both names")
    };
    assert_eq!(certificates, 0, "the CA signs itself");
    assert_eq!(singles[0].cert_id, id(0));
    assert_eq!(singles[1].cert_id, id(1));
    // Under either name the signature is the CA's own.
    for (ca, serial) in [(&*one, &serials[0]), (&renamed, &serials[1])] {
        openssl_takes(ca, &body, serial, site.path("response").as_path());
    }
    for others in [vec![id(0), id(2)], vec![id(1), id(0), id(2)]] {
        assert_eq!(Answer::of(&ask(&server, &others)), Answer::UNAUTHORIZED);
    }
    server.terminate().expect(0);

    let site = configure("ocsp.pem", "ocsp.key");
    let server = site.serve();
    for several in [vec![id(0), id(1)], vec![id(1), id(2)]] {
        assert_eq!(Answer::of(&ask(&server, &several)), Answer::UNAUTHORIZED);
    }
    let answer = Answer::of(&ask(&server, &[id(1), id(1)]));
    assert!(matches!(answer, Answer::Basic { .. }), "{answer:?}");
}

/// OpenSSL verifies the signature by this CA's certificate, which signed it itself.
fn openssl_takes(ca: &OpensslCa, response: &[u8], serial: &str, file: &Path) {
    std::fs::write(file, response).unwrap();
    let issuer = ca.path("ca.pem");
    let mut command = tool("openssl");
    command.args(["ocsp", "-respin", text(file), "-no_nonce"]);
    command.args(["-issuer", text(&issuer), "-sha256", "-serial"]);
    command.arg(format!("0x{serial}"));
    // -verify_other and -trust_other: the response names its signer by key, and carries no certificate.
    command.args(["-verify_other", text(&issuer), "-trust_other"]);
    command.args(["-CAfile", text(&issuer), "-no-CApath", "-no-CAstore"]);
    let said = run(&mut command).expect(0).says(&["Response verify OK"]);
    assert!(said.stdout.contains(": good"), "{said}");
}

#[test]
fn a_client_that_asks_for_it_gets_a_fresh_answer() {
    let ca = SHARED.get();
    let certificate = some_good(&ca, 1).remove(0);
    let request = request_of(&ca, Hash::Sha1, &[&certificate.serial]);
    let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
    for (issuer, fresh) in [("fresh = true", true), ("", false)] {
        let site = Site::with(
            &ca,
            &Settings {
                issuer: issuer.to_owned(),
                ..Settings::default()
            },
        );
        site.import_index().expect(0);
        let server = site.serve_settled();
        let mut connection = server.connect();
        let presigned = connection.get(&path);
        let before = Answer::of(&presigned.body);
        for wish in ["no-cache", "max-age=0, No-Cache"] {
            let wish = format!("Cache-Control: {wish}\r\n");
            connection.send(&post("/ocsp", &wish, &request));
            for reply in [connection.receive(), connection.get_with(&path, &wish)] {
                let answer = Answer::of(&reply.body);
                assert_eq!(answer.single().status, Status::Good);
                assert!(answer.single().this_update >= before.single().this_update);
                // What it gets is as good for others.
                let cache_control = reply.header("cache-control").expect("Cache-Control");
                assert!(cache_control.contains("public"), "{cache_control}");
                let is_presigned = reply.header("etag") == presigned.header("etag");
                assert_eq!(is_presigned, !fresh, "{reply:?}");
            }
        }
        for other in [
            "",
            "Cache-Control: max-age=0\r\n",
            "Cache-Control: no-cachet\r\n",
        ] {
            let reply = connection.get_with(&path, other);
            assert_eq!(reply.header("etag"), presigned.header("etag"));
        }
        let asked = &stats(&site)["live"]["asked"]["fresh"];
        assert_eq!(*asked, if fresh { 4 } else { 0 });
    }
}

#[test]
fn preferred_algorithms_are_read_and_what_is_not_offered_falls_back() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let certificate = some_good(&ca, 1).remove(0);
    let id = [cert_id(&ca, Hash::Sha256, &certificate.serial)];
    let mut connection = server.connect();
    let mut ask = |value: &[u8]| {
        let request = with_extensions(&id, &[extension(8, value)]);
        Answer::of(&connection.post("/ocsp", &request).body)
    };
    let rsa = [
        0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0,
    ];
    let list = tlv(0x30, &tlv(0x30, &rsa).repeat(40));
    for value in [&list[..], &[0x30, 0][..]] {
        assert_eq!(ask(value).single().status, Status::Good);
    }
    for value in [&[][..], &[5, 0], &list[..list.len() - 1], &[0x30, 2, 5, 0]] {
        assert_eq!(ask(value), Answer::MALFORMED_REQUEST, "{value:x?}");
    }
    assert_eq!(stats(&site)["live_answers"], 0);
}

/// Connections that ask all at once, again and again, until `enough` says so; every answer goes through
/// `judge`.
fn flood(
    server: &Server,
    requests: &[Vec<u8>],
    judge: &dyn Fn(&Answer),
    enough: &dyn Fn() -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    let mut connections: Vec<Connection> = requests.iter().map(|_| server.connect()).collect();
    loop {
        for (connection, request) in connections.iter_mut().zip(requests) {
            connection.send(&post("/ocsp", "", request));
        }
        for connection in &mut connections {
            let reply = connection.receive();
            assert_eq!(reply.status, 200);
            judge(&Answer::of(&reply.body));
        }
        if enough() {
            return;
        }
        assert!(Instant::now() < deadline, "it never comes to that");
    }
}

/// A CA whose delegate signs slowly, so that questions have to wait.
fn slow() -> Arc<OpensslCa> {
    let ca = OpensslCa::of(KeyType::Rsa3072, NOTHING);
    ca.issue(2, "-days 30");
    Arc::new(ca)
}

fn nonces(ca: &OpensslCa, serial: &str, count: u8) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| {
            let id = cert_id(ca, Hash::Sha1, serial);
            with_extensions(&[id], &[nonce(&[number; 32])])
        })
        .collect()
}

#[test]
fn where_the_queue_is_full_clients_are_told_to_try_later_or_get_the_presigned_answer() {
    let ca = slow();
    let serial = some_good(&ca, 1).remove(0).serial;
    let requests = nonces(&ca, &serial, 48);
    for (when_busy, stands_in) in [("", false), ("when_busy = \"presigned\"", true)] {
        let site = echoing(&ca, "live_queue = 1\nlive_threads = 1", when_busy);
        let server = site.serve_settled();
        let (signed, shed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let judge = |answer: &Answer| match answer {
            &Answer::TRY_LATER => {
                assert!(!stands_in, "the presigned answer was to go out");
                shed.set(shed.get() + 1);
            }
            Answer::Basic {
                extensions: Some(_),
                ..
            } => signed.set(signed.get() + 1),
            Answer::Basic {
                extensions: None, ..
            } => {
                assert!(stands_in, "an answer without the nonce");
                assert_eq!(answer.single().status, Status::Good);
                shed.set(shed.get() + 1);
            }
            other => panic!("{other:?}"),
        };
        flood(&server, &requests, &judge, &|| {
            shed.get() > 0 && signed.get() > 0
        });
        let live = &stats(&site)["live"];
        let counted = live["shed"]["queue_full"].as_u64().unwrap();
        // Of what was turned away otherwise nothing is left to be the cause.
        let others: u64 = ["would_be_late", "deadline", "stopped", "issuer_quota"]
            .map(|why| live["shed"][why].as_u64().unwrap())
            .iter()
            .sum();
        assert_eq!(counted + others, shed.get(), "{live:#}");
        assert!(counted > 0, "{live:#}");
        assert_eq!(live["waiting"], 0);
        // Other questions are answered as ever: without a nonce, and with one that finds a place.
        let answer = Answer::of(&server.ask(Hash::Sha1, &serial));
        assert_eq!(answer.single().status, Status::Good);
        server.terminate().expect(0);
    }
}

#[test]
fn a_question_that_would_wait_too_long_is_not_kept_waiting() {
    let ca = slow();
    let serial = some_good(&ca, 1).remove(0).serial;
    let site = echoing(&ca, "live_deadline = \"10ms\"\nlive_threads = 1", "");
    let server = site.serve_settled();
    let requests = nonces(&ca, &serial, 64);
    let (signed, late) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let judge = |answer: &Answer| match answer {
        &Answer::TRY_LATER => late.set(late.get() + 1),
        answer => {
            assert!(echoed(answer).is_some(), "{answer:?}");
            signed.set(signed.get() + 1);
        }
    };
    flood(&server, &requests, &judge, &|| late.get() > 0);
    let live = &stats(&site)["live"];
    let of = |why: &str| live["shed"][why].as_u64().unwrap();
    assert_eq!(of("deadline") + of("would_be_late"), late.get(), "{live:#}");
}

#[test]
fn what_many_ask_at_once_is_signed_once() {
    let ca = slow();
    let certificates = some_good(&ca, 2);
    let site = echoing(&ca, "live_threads = 1", "");
    let server = site.serve_settled();
    // A hash that is not signed ahead, and the same question on every connection.
    let request = request_of(&ca, Hash::Sha384, &[&certificates[0].serial]);
    let requests = vec![request; 32];
    let asked = std::cell::Cell::new(0_u64);
    let judge = |answer: &Answer| {
        assert_eq!(answer.single().status, Status::Good);
        asked.set(asked.get() + 1);
    };
    let shared = || stats(&site)["live"]["joined"].as_u64().unwrap();
    flood(&server, &requests, &judge, &|| shared() > 0);
    let stats = stats(&site);
    let signed = stats["live_answers"].as_u64().unwrap();
    let joined = stats["live"]["joined"].as_u64().unwrap();
    assert_eq!(signed + joined, asked.get(), "{stats:#}");
    // A revocation in between is told to everybody who asks after it.
    site.run(&["revoke", &certificates[0].serial]).expect(0);
    let judge = |answer: &Answer| {
        let is_revoked = matches!(answer.single().status, Status::Revoked { .. });
        assert!(is_revoked, "{answer:?}");
    };
    flood(&server, &requests, &judge, &|| true);
    // A nonce is never shared.
    let before = stats["live"]["joined"].as_u64().unwrap();
    let judge = |answer: &Answer| assert!(echoed(answer).is_some());
    let all = nonces(&ca, &certificates[1].serial, 32);
    let after = shared();
    flood(&server, &all, &judge, &|| true);
    assert_eq!(shared(), after);
    assert!(after >= before);
}
