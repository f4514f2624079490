//! Several issuers in one server that share a name or a key, with the same serials in all of them: a
//! status belongs to name, key and serial together (RFC 6960 §4.1.1).

use std::sync::Arc;

use crate::common::ask::{get_paths, integer, request_of_cert_ids};
use crate::common::der::{children, tlv};
use crate::common::judge::{Case, judge_with_openssl, judge_with_python};
use crate::common::tools::{read_text, text};
use crate::common::{
    Answer, Certificate, Hash, KeyType, OpensslCa, Plan, Server, Site, Status, request_of,
};

/// The serials that every issuer has.
const SERIALS: [&str; 5] = [
    "01",
    "7F",
    "0080",
    "5EAF00D5EAF00D5EAF00D5EAF00D5EAF",
    "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
];

/// What `index.txt` says of a revoked one, and the reason that clients are told.
const REVOKED: [(&str, Option<u8>); 4] = [
    ("260105120000Z", None),
    ("260106120000Z,keyCompromise", Some(1)),
    ("260107120000Z,certificateHold", Some(6)),
    ("260108120000Z,superseded", Some(4)),
];

struct Issuer {
    name: &'static str,
    ca: Arc<OpensslCa>,
    certificates: Vec<Certificate>,
}

#[test]
fn each_is_answered_by_its_own() {
    let mut issuers = issuers();
    let site = site(&issuers);
    for issuer in &issuers {
        import(&site, issuer);
    }
    let server = site.serve();
    // Before anything is signed ahead, and after.
    for settled in [false, true] {
        if settled {
            site.settle();
        }
        for issuer in &issuers {
            let cases = ask(&server, issuer);
            judge_with_python(&issuer.ca, "ocsp.pem", &cases, 0);
            for case in cases.iter().step_by(4) {
                judge_with_openssl(&issuer.ca, case);
            }
        }
    }
    nobody_answers_for_a_name_with_another_key(&server, &issuers);

    // What happens to a serial of one happens to no other.
    for place in 0..issuers.len() {
        let name = issuers[place].name;
        let good = issuers[place].certificates.iter_mut();
        let certificate = { good }.find(|it| it.status == Status::Good).expect("one");
        let serial = certificate.serial.clone();
        let words = ["revoke", &serial, "--issuer", name, "--revocation-time"];
        site.run(&[&words[..], &["2026-02-03T04:05:06Z"]].concat())
            .expect(0);
        certificate.status = revoked("20260203040506Z", None);
        for issuer in &issuers {
            ask(&server, issuer);
        }
        let held = issuers[place].certificates.iter_mut();
        let on_hold = |it: &&mut Certificate| it.status == revoked("20260107120000Z", Some(6));
        let certificate = { held }.find(on_hold).expect("one");
        let serial = certificate.serial.clone();
        site.run(&["release", &serial, "--issuer", name]).expect(0);
        certificate.status = Status::Good;
        for issuer in &issuers {
            ask(&server, issuer);
        }
    }
    server.terminate().expect(0);
    let server = site.serve_settled();
    for issuer in &issuers {
        judge_with_python(&issuer.ca, "ocsp.pem", &ask(&server, issuer), 0);
    }
}

/// Two keys under one name, one key under two names, and one that shares neither: the second name with
/// the second key is nobody's.
fn issuers() -> Vec<Issuer> {
    const NOTHING: Plan = Plan {
        every_form: false,
        bulk: 0,
    };
    let first = OpensslCa::named(KeyType::EcP256, "/C=IR/CN=One Name", NOTHING);
    let other_name = OpensslCa::with_key_of(&first, "/C=IR/CN=Another Name", NOTHING);
    let other_key = OpensslCa::named(KeyType::EcP256, "/C=IR/CN=One Name", NOTHING);
    let stranger = OpensslCa::named(KeyType::EcP384, "/C=IR/CN=A Third", NOTHING);
    let cas = [
        ("first", first),
        ("other name", other_name),
        ("other key", other_key),
        ("stranger", stranger),
    ];
    let all = cas.into_iter().enumerate();
    all.map(|(place, (name, ca))| Issuer {
        name,
        ca: Arc::new(ca),
        certificates: certificates(place),
    })
    .collect()
}

/// No serial has the same status with two issuers.
fn certificates(place: usize) -> Vec<Certificate> {
    let all = SERIALS.iter().enumerate();
    all.map(|(number, serial)| Certificate {
        serial: (*serial).to_owned(),
        status: match REVOKED.get((number + place) % SERIALS.len()) {
            None => Status::Good,
            Some((form, reason)) => revoked(&format!("20{}", &form[..13]), *reason),
        },
        invalidity_date: None,
        pem: None,
    })
    .collect()
}

fn revoked(time: &str, reason: Option<u8>) -> Status {
    Status::Revoked {
        time: time.to_owned(),
        reason,
    }
}

fn site(issuers: &[Issuer]) -> Site {
    let site = Site::new(&issuers[0].ca);
    let path = site.path("estelam.toml");
    let mut config = read_text(&path).replace("name = \"ca\"", "name = \"first\"");
    for issuer in &issuers[1..] {
        let file = |name| issuer.ca.path(name);
        config.push_str(&format!(
            "[[issuer]]\nname = {:?}\ncertificate = {:?}\n[[issuer.signer]]\ncertificate = {:?}\n\
             key = {:?}\n",
            issuer.name,
            file("ca.pem"),
            file("ocsp.pem"),
            file("ocsp.key"),
        ));
    }
    std::fs::write(path, config).unwrap();
    site
}

fn import(site: &Site, issuer: &Issuer) {
    let lines = issuer.certificates.iter().map(|certificate| {
        let reason = match &certificate.status {
            Status::Revoked { time, .. } => REVOKED
                .iter()
                .find(|(form, _)| time[2..] == form[..13])
                .expect("it was made from one"),
            _ => {
                return format!(
                    "V\t361119031722Z\t\t{}\tunknown\t/CN=x\n",
                    certificate.serial
                );
            }
        };
        let (form, serial) = (reason.0, &certificate.serial);
        format!("R\t361119031722Z\t{form}\t{serial}\tunknown\t/CN=x\n")
    });
    let file = site.path("given.txt");
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    site.run(&["import", "index", text(&file), "--issuer", issuer.name])
        .expect(0);
}

/// Asks with every hash by GET and POST and demands the issuer's own status; gives the answers to the
/// hashes that are signed ahead.
fn ask(server: &Server, issuer: &Issuer) -> Vec<Case> {
    let mut connection = server.connect();
    let mut cases = Vec::new();
    for certificate in &issuer.certificates {
        for hash in Hash::ALL {
            let request = request_of(&issuer.ca, hash, &[&certificate.serial]);
            let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
            for reply in [connection.post("/ocsp", &request), connection.get(&path)] {
                let answer = Answer::of(&reply.body);
                let single = answer.single();
                let asked = (issuer.name, hash, &certificate.serial);
                assert_eq!(single.status, certificate.status, "{asked:?}");
                let start = issuer.ca.cert_id_start(hash);
                let cert_id = children(&single.cert_id)[0].content;
                assert!(cert_id.starts_with(start), "{asked:?}: another's CertID");
                cases.push(Case {
                    certificate: certificate.clone(),
                    hash,
                    request: request.clone(),
                    response: reply.body,
                });
            }
        }
    }
    cases
}

/// A CertID with the name's hash of one and the key's hash of another belongs to the issuer that has
/// both, or to nobody.
fn nobody_answers_for_a_name_with_another_key(server: &Server, issuers: &[Issuer]) {
    let mut connection = server.connect();
    let mut refused = 0;
    for hash in Hash::ALL {
        let hashes = |issuer: &Issuer| {
            let [algorithm, name, key] = children(issuer.ca.cert_id_start(hash))[..] else {
                panic!("three parts")
            };
            [algorithm, name, key].map(|part| part.whole.to_vec())
        };
        let all: Vec<[Vec<u8>; 3]> = issuers.iter().map(hashes).collect();
        for [algorithm, name, _] in &all {
            for [_, _, key] in &all {
                if all
                    .iter()
                    .any(|known| known[1] == *name && known[2] == *key)
                {
                    continue;
                }
                for serial in SERIALS {
                    let serial = tlv(0x02, &integer(serial));
                    let cert_id = [&algorithm[..], name, key, &serial].concat();
                    let request = request_of_cert_ids(&[tlv(0x30, &cert_id)]);
                    let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
                    for reply in [connection.post("/ocsp", &request), connection.get(&path)] {
                        assert_eq!(reply.status, 200);
                        assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);
                        refused += 1;
                    }
                }
                // Swapped, the two hashes name nobody either.
                let cert_id = [&algorithm[..], key, name, &tlv(0x02, &[1])].concat();
                let reply = connection.post("/ocsp", &request_of_cert_ids(&[tlv(0x30, &cert_id)]));
                assert_eq!(Answer::of(&reply.body), Answer::UNAUTHORIZED);
            }
        }
    }
    // The two of one name with the stranger's key; the other name with two keys; the stranger's with
    // the other three.
    assert_eq!(refused, (2 + 2 + 3) * SERIALS.len() * 2 * Hash::ALL.len());
}
