use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::asn1::CrlReason;
use crate::change::{Action, Inventory, RevocationClaim};
use crate::config::read_certificate;
use crate::identity::SerialNumber;

const NOW: u64 = 1_790_000_000; // 2026-09-21

/// Two CAs that OpenSSL made, and a leaf of the first.
struct World {
    cas: [Certificate; 2],
    leaf: Certificate,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' ')).current_dir(&folder);
            assert!(
                command.output().expect("openssl").status.success(),
                "{arguments}"
            );
        };
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for ca in ["ours", "others"] {
            openssl(&format!(
                "req -x509 {new_key} -keyout {ca}.key -out {ca}.pem -subj /CN={ca}"
            ));
        }
        openssl(&format!(
            "req {new_key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"
        ));
        openssl(
            "x509 -req -in leaf.csr -CA ours.pem -CAkey ours.key -set_serial 0x0F80 -out leaf.pem",
        );
        let read = |name: &str| read_certificate(&folder.path().join(name)).unwrap();
        Self {
            cas: ["ours.pem", "others.pem"].map(read),
            leaf: read("leaf.pem"),
        }
    }

    /// Reads for a client of the first `count` issuers.
    fn read(&self, count: usize, body: &[u8], form: Form) -> Result<Vec<Pushed>, BatchError> {
        let issuers: Vec<PushIssuer<'_>> = ["ours", "others"]
            .into_iter()
            .zip(&self.cas)
            .take(count)
            .map(|(name, certificate)| PushIssuer {
                name,
                id: certificate.issuer_id(),
                certificate,
            })
            .collect();
        let reading = Reading {
            issuers: &issuers,
            now: UnixTime::from_secs(NOW).unwrap(),
        };
        reading.read(body, form)
    }

    /// The one entry of a batch.
    fn one(&self, entry: &str) -> Pushed {
        let pushed = self.read(1, entry.as_bytes(), Form::Lines);
        let [one] = &pushed.unwrap_or_else(|error| panic!("{entry}: {error}"))[..] else {
            panic!("{entry} is one entry")
        };
        one.clone()
    }

    #[track_caller]
    fn refusal(&self, entry: &str) -> &'static str {
        match self.one(entry) {
            Pushed::Refused(refusal) => {
                assert!(!refusal.detail.contains('\n'), "{refusal:?}");
                refusal.code
            }
            Pushed::Change { change, .. } => panic!("{entry} says {change:?}"),
        }
    }

    #[track_caller]
    fn action(&self, entry: &str) -> Action {
        match self.one(entry) {
            Pushed::Change { change, .. } => change.action,
            Pushed::Refused(refusal) => panic!("{entry}: {refusal:?}"),
        }
    }
}

fn at(text: &str) -> Option<UnixTime> {
    Some(UnixTime::from_rfc3339(text).unwrap())
}

#[test]
fn an_entry_says_what_happened() {
    let world = World::new();
    let inventory = Inventory {
        not_before: at("2026-01-01T00:00:00Z"),
        not_after: at("2027-01-01T00:00:00Z"),
        certificate_sha256: Some([0xab; 32]),
        distribution_point: None,
    };
    let dates = format!(
        "\"not_before\":\"2026-01-01T00:00:00Z\",\"not_after\":\"2027-01-01T00:00:00Z\",\
         \"certificate_sha256\":\"{}\"",
        "aB".repeat(32)
    );
    assert_eq!(
        world.action(&format!(
            "{{\"serial\":\"01\",\"status\":\"issued\",{dates}}}"
        )),
        Action::Issue(inventory)
    );
    let claim = RevocationClaim {
        revocation_time: UnixTime::from_rfc3339("2026-03-21T08:30:00Z").unwrap(),
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: at("2026-03-01T00:00:00Z"),
    };
    let revoked = "\"serial\":\"01\",\"status\":\"revoked\",\"reason\":\"KEYcompromise\",\
                   \"revocation_time\":\"2026-03-21T12:00:00+03:30\",\
                   \"invalidity_date\":\"2026-03-01T00:00:00.5Z\"";
    assert_eq!(
        world.action(&format!("{{{revoked},{dates}}}")),
        Action::Revoke {
            claim,
            inventory: Some(inventory)
        }
    );
    assert_eq!(
        world.action(&format!("{{{revoked},\"not_after\":null}}")),
        Action::Revoke {
            claim,
            inventory: None
        }
    );
    assert_eq!(
        world.action("{\"serial\":\"01\",\"status\":\"released\"}"),
        Action::Release
    );
    for reason in ["", ",\"reason\":\"certificateHold\""] {
        let hold = format!("{{\"serial\":\"01\",\"status\":\"hold\"{reason}}}");
        let Pushed::Change {
            change,
            time_is_ours: true,
        } = world.one(&hold)
        else {
            panic!("{hold}")
        };
        let Action::Revoke { claim, .. } = change.action else {
            panic!("{hold}")
        };
        assert_eq!(claim.reason, Some(CrlReason::CertificateHold));
        assert_eq!(claim.revocation_time.as_secs(), NOW);
    }
}

#[test]
fn a_value_that_cannot_be_used_concerns_its_entry_alone() {
    let world = World::new();
    for (fields, code) in [
        ("\"status\":\"issued\"", "serial_missing"),
        ("\"serial\":\"\",\"status\":\"issued\"", "serial_malformed"),
        ("\"serial\":\"0\",\"status\":\"issued\"", "serial_malformed"),
        (
            "\"serial\":\"-01\",\"status\":\"issued\"",
            "serial_malformed",
        ),
        (
            "\"serial\":\"0x01\",\"status\":\"issued\"",
            "serial_malformed",
        ),
        (
            "\"serial\":\" 01\",\"status\":\"issued\"",
            "serial_malformed",
        ),
        // 2^159, which needs 21 octets.
        (
            "\"serial\":\"8000000000000000000000000000000000000000\",\"status\":\"issued\"",
            "serial_malformed",
        ),
        (
            "\"serial\":\"01\",\"status\":\"revoked\",\"reason\":\"keyComp\"",
            "reason_unknown",
        ),
        (
            "\"serial\":\"01\",\"status\":\"revoked\",\"reason\":\"1\"",
            "reason_unknown",
        ),
        (
            "\"serial\":\"01\",\"status\":\"revoked\",\"reason\":\"removeFromCRL\"",
            "reason_unknown",
        ),
        (
            "\"serial\":\"01\",\"status\":\"hold\",\"reason\":\"superseded\"",
            "fields_contradict",
        ),
        (
            "\"serial\":\"01\",\"status\":\"hold\",\"reason\":\"unspecified\"",
            "fields_contradict",
        ),
        (
            "\"serial\":\"01\",\"status\":\"issued\",\"reason\":\"superseded\"",
            "fields_contradict",
        ),
        (
            "\"serial\":\"01\",\"status\":\"released\",\"revocation_time\":\"2026-03-21T08:30:00Z\"",
            "fields_contradict",
        ),
        (
            "\"serial\":\"01\",\"status\":\"revoked\",\"revocation_time\":\"yesterday\\n\"",
            "time_malformed",
        ),
        (
            "\"serial\":\"01\",\"status\":\"issued\",\"not_after\":\"2026-02-30T00:00:00Z\"",
            "time_malformed",
        ),
        (
            "\"serial\":\"01\",\"status\":\"issued\",\"certificate_sha256\":\"ab\"",
            "hash_malformed",
        ),
        (
            "\"certificate\":\"\",\"status\":\"issued\"",
            "certificate_malformed",
        ),
        (
            "\"certificate\":\"AAAA\",\"status\":\"issued\"",
            "certificate_malformed",
        ),
        (
            "\"certificate\":\"é\",\"status\":\"issued\"",
            "certificate_malformed",
        ),
    ] {
        assert_eq!(world.refusal(&format!("{{{fields}}}")), code, "{fields}");
    }
    // The largest of 20 octets, and sign octets and leading zeros, are the numbers that they are.
    for (digits, shown) in [
        (
            "7fffffffffffffffffffffffffffffffffffffff",
            "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        ),
        ("80", "80"),
        ("0080", "80"),
        ("7f", "7F"),
        ("1", "01"),
        ("0000000000000000000000000000000000000000000000001", "01"),
    ] {
        let entry = format!("{{\"serial\":\"{digits}\",\"status\":\"issued\"}}");
        let Pushed::Change { change, .. } = world.one(&entry) else {
            panic!("{digits}")
        };
        assert_eq!(change.serial.to_string(), shown);
    }
}

#[test]
fn a_certificate_brings_its_facts_if_its_issuer_signed_it() {
    let world = World::new();
    let der = STANDARD.encode(world.leaf.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\\n{der}\\n-----END CERTIFICATE-----\\n");
    for certificate in [&der, &pem] {
        let issued = format!("{{\"certificate\":\"{certificate}\",\"status\":\"issued\"}}");
        let Pushed::Change { change, .. } = world.one(&issued) else {
            panic!("it is issued: {:?}", world.one(&issued))
        };
        assert_eq!(change.serial, SerialNumber::from_hex("0F80").unwrap());
        assert_eq!(change.issuer, world.cas[0].issuer_id());
        let Action::Issue(inventory) = change.action else {
            panic!("it is issued")
        };
        assert_eq!(inventory.not_after, Some(world.leaf.not_after()));
        assert!(inventory.certificate_sha256.is_some());
    }
    let with = |fields: &str| {
        world.refusal(&format!(
            "{{\"certificate\":\"{der}\",\"status\":\"issued\",{fields}}}"
        ))
    };
    assert_eq!(with("\"serial\":\"0F81\""), "certificate_differs");
    assert_eq!(
        with("\"not_after\":\"2020-01-01T00:00:00Z\""),
        "certificate_differs"
    );
    let hash = format!("\"certificate_sha256\":\"{}\"", "00".repeat(32));
    assert_eq!(with(&hash), "certificate_differs");

    // One octet of the signature.
    let mut forged = world.leaf.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = format!(
        "{{\"certificate\":\"{}\",\"status\":\"issued\"}}",
        STANDARD.encode(forged)
    );
    assert_eq!(world.refusal(&forged), "certificate_not_of_issuer");
    let other = format!(
        "{{\"certificate\":\"{}\",\"status\":\"issued\"}}",
        STANDARD.encode(world.cas[1].der())
    );
    assert_eq!(world.refusal(&other), "certificate_not_of_issuer");
    let both = format!("{{\"issuer\":\"others\",\"certificate\":\"{der}\",\"status\":\"issued\"}}");
    let pushed = world.read(2, both.as_bytes(), Form::Lines).unwrap();
    assert!(matches!(&pushed[0], Pushed::Refused(why) if why.code == "certificate_not_of_issuer"));
}

#[test]
fn an_issuer_is_named_where_there_are_several_and_never_one_that_is_not_covered() {
    let world = World::new();
    let named =
        |issuer: &str| format!("{{\"issuer\":{issuer:?},\"serial\":\"01\",\"status\":\"issued\"}}");
    for (count, issuer, expected) in [(1, "ours", 0), (2, "ours", 0), (2, "others", 1)] {
        let pushed = world
            .read(count, named(issuer).as_bytes(), Form::Lines)
            .unwrap();
        let Pushed::Change { change, .. } = &pushed[0] else {
            panic!("{pushed:?}")
        };
        assert_eq!(change.issuer, world.cas[expected].issuer_id());
    }
    let nameless = b"{\"serial\":\"01\",\"status\":\"issued\"}";
    let pushed = world.read(2, nameless, Form::Lines).unwrap();
    assert!(matches!(&pushed[0], Pushed::Refused(why) if why.code == "issuer_missing"));
    // What comes before it does not matter, what comes after it is not read.
    let body = format!("{}\n{}\nno json", named("ours"), named("others"));
    let error = world.read(1, body.as_bytes(), Form::Lines).unwrap_err();
    let (entry, issuer) = (2, "\"others\"".to_owned());
    assert_eq!(error, BatchError::NotAllowed { entry, issuer });
    let body = format!("[{},no json", named("others"));
    let error = world.read(1, body.as_bytes(), Form::Json).unwrap_err();
    assert!(matches!(error, BatchError::NotAllowed { entry: 1, .. }));
}

#[test]
fn what_has_not_the_form_is_no_batch() {
    let world = World::new();
    let entry = "{\"serial\":\"01\",\"status\":\"issued\"}";
    for (body, form, count) in [
        (String::new(), Form::Lines, 0),
        ("\r\n \n".to_owned(), Form::Lines, 0),
        (format!("{entry}\r\n\n{entry}"), Form::Lines, 2),
        ("[]".to_owned(), Form::Json, 0),
        (format!(" [{entry} , {entry}]\n"), Form::Json, 2),
        (format!("{{\"entries\":[{entry}]}}"), Form::Json, 1),
    ] {
        let read = world.read(1, body.as_bytes(), form);
        assert_eq!(read.map(|pushed| pushed.len()), Ok(count), "{body}");
    }
    let bomb = "[".repeat(100_000);
    let twice = "{\"serial\":\"01\",\"serial\":\"02\",\"status\":\"issued\"}";
    for (body, form, place) in [
        ("no json", Form::Lines, "line 1, column 2"),
        (&format!("{entry}\n{{"), Form::Lines, "line 2, column 1"),
        (&format!("{entry}{entry}"), Form::Lines, "line 1"),
        (&format!("[{entry}]"), Form::Lines, "line 1"),
        ("", Form::Json, "line 1"),
        (entry, Form::Json, "line 1"),
        ("{}", Form::Json, "missing field `entries`"),
        (
            "{\"entries\":[],\"entries\":[]}",
            Form::Json,
            "duplicate field `entries`",
        ),
        ("{\"entries\":null}", Form::Json, "an array of entries"),
        ("[]]", Form::Json, "line 1, column 3"),
        ("[null]", Form::Json, "line 1"),
        (
            "[[null,\"01\",\"issued\",null,null,null,null,null,null,null]]",
            Form::Json,
            "an entry, which is an object",
        ),
        (
            "[{\"serial\":1,\"status\":\"issued\"}]",
            Form::Json,
            "a string",
        ),
        (
            "[{\"serial\":\"01\",\"status\":\"good\"}]",
            Form::Json,
            "`good`",
        ),
        (
            "[{\"serial\":\"01\"}]",
            Form::Json,
            "missing field `status`",
        ),
        (
            "[{\"serial\":\"01\",\"status\":\"issued\",\"seriall\":\"\"}]",
            Form::Json,
            "unknown field `seriall`",
        ),
        (twice, Form::Lines, "duplicate field `serial`"),
        (&bomb, Form::Json, "line 1"),
        (&bomb, Form::Lines, "line 1"),
        (
            "{\"serial\":\"\\ud800\",\"status\":\"issued\"}",
            Form::Lines,
            "line 1",
        ),
    ] {
        let error = world
            .read(1, body.as_bytes(), form)
            .unwrap_err()
            .to_string();
        let start: String = body.chars().take(40).collect();
        assert!(error.contains(place), "{start}: {error}");
        assert!(error.len() < 600 && !error.contains('\n'), "{error}");
    }
    let error = world.read(1, b"{}\n\xff", Form::Lines).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 1: not UTF-8");
}

#[test]
fn a_batch_has_a_most_of_entries() {
    let world = World::new();
    let lines = "{\"serial\":\"01\",\"status\":\"issued\"}\n".repeat(ENTRIES_MAX);
    assert_eq!(
        world.read(1, lines.as_bytes(), Form::Lines).unwrap().len(),
        ENTRIES_MAX
    );
    let more = format!("{lines}{{\"serial\":\"02\",\"status\":\"issued\"}}");
    let error = world.read(1, more.as_bytes(), Form::Lines).unwrap_err();
    assert_eq!(error, BatchError::TooManyEntries);
}

#[test]
fn any_octets_are_read_or_refused_without_a_panic() {
    let world = World::new();
    let piece = prop_oneof![
        Just("{\"serial\":\"01\",\"status\":\"issued\"}".to_owned()),
        Just("{\"serial\":\"".to_owned()),
        Just("\",\"status\":\"revoked\",\"reason\":\"".to_owned()),
        Just("\"}".to_owned()),
        Just("\n".to_owned()),
        "[\\[\\]{}:,\"a-z0-9\\\\ \u{600}-\u{610}]{0,10}",
    ];
    proptest!(|(pieces in proptest::collection::vec(piece, 0..8))| {
        let body = pieces.concat();
        for form in [Form::Json, Form::Lines] {
            if let Err(error) = world.read(2, body.as_bytes(), form) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    });
}
