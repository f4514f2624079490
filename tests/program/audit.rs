//! `estelam audit`: what was recorded is verified, signed, exported and proved; what was altered is
//! named. The second opinion is `docs/clients/verify_log.py`, which shares no code with the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::tools::{Finished, python, run, text};
use crate::common::{OpensslCa, Plan, Random, SHARED, Site, Status};

/// What an auditor runs who trusts nobody's program but his own.
#[track_caller]
fn by_others(what: &str, file: &Path, vkey: &str) -> Finished {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/verify_log.py");
    run(python().arg(script).args([what, text(file), vkey]))
}

fn key_of(site: &Site) -> String {
    let key = site.run(&["audit", "key"]).expect(0);
    key.stdout.trim().to_owned()
}

fn good_serial(ca: &OpensslCa) -> String {
    let certificates = ca.certificates();
    let good = certificates.iter().find(|it| it.status == Status::Good);
    good.expect("one is good").serial.clone()
}

fn write(site: &Site, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
    let path = site.path(name);
    std::fs::write(&path, octets).unwrap();
    path
}

#[test]
fn a_log_is_verified_signed_exported_and_proved_with_a_server_and_without() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let serial = good_serial(&ca);
    let vkey = key_of(&site);
    let before = site.run(&["audit", "checkpoint"]).expect(0);
    let before = write(&site, "before.checkpoint", before.stdout);

    for serves in [false, true] {
        let server = serves.then(|| site.serve());
        assert_eq!(key_of(&site), vkey, "it is made once");
        let reason = if serves {
            "keyCompromise"
        } else {
            "certificateHold"
        };
        let revoke = match serves {
            true => &["revoke", &serial, "--reason", reason][..],
            false => &["hold", &serial],
        };
        site.run(revoke).expect(0);

        let report = site.run(&["audit", "verify", "--json"]).expect(0).json();
        assert_eq!(report["sound"], true, "{report}");
        assert_eq!(report["entries"], report["read"], "{report}");
        assert!(report["certificates"].as_u64().unwrap() > 100, "{report}");
        site.run(&["audit", "verify", "--key", &vkey])
            .expect(0)
            .says(&["as they were recorded"]);
        let from = site
            .run(&["audit", "verify", "--json", "--from", text(&before)])
            .expect(0)
            .json();
        assert_eq!(from["sound"], true, "{from}");
        assert!(from["read"].as_u64() < report["read"].as_u64(), "{from}");

        let note = site.run(&["audit", "checkpoint"]).expect(0);
        let note = write(&site, "now.checkpoint", note.stdout);
        by_others("checkpoint", &note, &vkey)
            .expect(0)
            .says(&["signed for"]);

        let file = site.path("ledger.log");
        site.run(&["audit", "export", text(&file)]).expect(0);
        site.run(&["audit", "verify", "--export", text(&file), "--key", &vkey])
            .expect(0)
            .says(&["are what"]);
        by_others("export", &file, &vkey)
            .expect(0)
            .says(&[&format!("{} entries", report["entries"])]);
        let tail = site.path("tail.log");
        site.run(&["audit", "export", text(&tail), "--from", "300"])
            .expect(0);
        by_others("export", &tail, &vkey).expect(0).says(&[&format!(
            "{} entries",
            report["entries"].as_u64().unwrap() - 256
        )]);
        site.run(&["audit", "verify", "--export", text(&tail), "--key", &vkey])
            .expect(0);

        let proof = site.run(&["audit", "prove", &serial]).expect(0);
        let proof = write(&site, "certificate.proof", proof.stdout);
        site.run(&["audit", "verify", "--proof", text(&proof), "--key", &vkey])
            .expect(0)
            .says(&["issued", reason]);
        by_others("proof", &proof, &vkey)
            .expect(0)
            .says(&["issued", "revoked", &serial]);
        if let Some(server) = server {
            server.terminate().expect(0);
        }
    }
    // The server signed once more when it ended.
    let report = site.run(&["audit", "verify", "--json"]).expect(0).json();
    assert_eq!(report["covered"], report["entries"], "{report}");
    let beside: Vec<_> = std::fs::read_dir(site.path(""))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert_eq!(beside, [""; 0], "nothing is left beside");
}

#[test]
fn a_file_that_was_altered_is_refused_by_us_and_by_others() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let vkey = key_of(&site);
    let serial = good_serial(&ca);
    let file = site.path("ledger.log");
    site.run(&["audit", "export", text(&file)]).expect(0);
    let octets = std::fs::read(&file).unwrap();

    let mut random = Random(7);
    let mut altered: Vec<Vec<u8>> = (0..40)
        .map(|_| {
            let mut octets = octets.clone();
            let place = random.below(octets.len());
            octets[place] ^= 1 << random.below(8);
            octets
        })
        .collect();
    altered.push(octets[..octets.len() - 1].to_vec());
    altered.push(octets[..octets.len() / 2].to_vec());
    altered.push([&octets[..], &[0]].concat());
    altered.push(Vec::new());
    for octets in altered {
        let file = write(&site, "altered.log", octets);
        let ours = site.run(&["audit", "verify", "--export", text(&file), "--key", &vkey]);
        assert!([5, 8, 11].contains(&ours.code), "{ours}");
        let others = by_others("export", &file, &vkey);
        assert_eq!(others.code, 1, "{others}");
        assert!(!others.stderr.contains("Traceback"), "{others}");
    }

    let proof = site.run(&["audit", "prove", &serial]).expect(0).stdout;
    let value: serde_json::Value = serde_json::from_str(&proof).unwrap();
    let edits: [fn(&mut serde_json::Value); 5] = [
        |proof| proof["serial"] = "7F".into(),
        |proof| {
            let entry = proof["entries"][1]["entry"]
                .as_str()
                .unwrap()
                .replacen('A', "B", 1);
            proof["entries"][1]["entry"] = entry.into();
        },
        |proof| {
            let text = proof["entries"][1]["proof"].as_str().unwrap();
            proof["entries"][1]["proof"] = text.replacen("index ", "index 1", 1).into();
        },
        |proof| {
            proof["entries"].as_array_mut().unwrap().remove(1);
        },
        |proof| {
            let note = proof["checkpoint"]
                .as_str()
                .unwrap()
                .replacen('\n', "\n1", 1);
            proof["checkpoint"] = note.into();
        },
    ];
    for edit in edits {
        let mut value = value.clone();
        edit(&mut value);
        let file = write(&site, "altered.proof", value.to_string());
        site.run(&["audit", "verify", "--proof", text(&file), "--key", &vkey])
            .expect(8);
        let others = by_others("proof", &file, &vkey);
        assert_eq!(others.code, 1, "{others}");
    }
    // Another log's key.
    let stranger = Site::imported(&ca);
    let other = key_of(&stranger);
    site.run(&["audit", "verify", "--export", text(&file), "--key", &other])
        .expect(8)
        .says(&["not signed by"]);
    assert_eq!(by_others("export", &file, &other).code, 1);
}

/// The families of a ledger that nobody has open.
fn raw(site: &Site) -> rocksdb::DB {
    let path = site.path("state/ledger");
    let options = rocksdb::Options::default();
    let families = rocksdb::DB::list_cf(&options, &path).unwrap();
    rocksdb::DB::open_cf(&options, &path, families).unwrap()
}

#[test]
fn what_was_altered_on_the_disk_is_named() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let checkpoint = site.run(&["audit", "checkpoint"]).expect(0);
    let checkpoint = write(&site, "a.checkpoint", checkpoint.stdout);
    let entry = |sequence: u64| {
        let db = raw(&site);
        let entries = db.cf_handle("entries").unwrap();
        db.get_cf(entries, sequence.to_be_bytes()).unwrap().unwrap()
    };
    let put = |sequence: u64, octets: &[u8]| {
        let db = raw(&site);
        let entries = db.cf_handle("entries").unwrap();
        db.put_cf(entries, sequence.to_be_bytes(), octets).unwrap();
    };

    // A revoked certificate is made good where answers are made from.
    let (key, value) = {
        let db = raw(&site);
        let list = db.cf_handle("revoked").unwrap();
        let status = db.cf_handle("status").unwrap();
        let (key, _) = db
            .iterator_cf(list, rocksdb::IteratorMode::Start)
            .next()
            .unwrap()
            .unwrap();
        let value = db.get_cf(status, &key).unwrap().unwrap();
        // Issued and not revoked, with the same numbers.
        let good = [&[1], &value[1..15]].concat();
        db.put_cf(status, &key, good).unwrap();
        (key, value)
    };
    let serial: String = key[8..]
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    let serial = serial.trim_start_matches("00").to_owned();
    let said = site.run(&["audit", "verify"]).expect(8);
    said.says(&[&format!(
        "the status of serial number {serial} of \"ca\" was altered"
    )]);
    {
        let db = raw(&site);
        db.put_cf(db.cf_handle("status").unwrap(), &key, value)
            .unwrap();
    }
    site.run(&["audit", "verify"]).expect(0);

    // An entry in the middle.
    let octets = entry(100);
    let mut altered = octets.clone();
    // The recorded time, a millisecond later.
    altered[17] ^= 1;
    put(100, &altered);
    site.run(&["audit", "verify"])
        .expect(8)
        .says(&["one or more of the entries 1 to 256 were altered"]);
    let report = site.run(&["audit", "verify", "--json"]);
    let problem = &report.json()["problems"][0];
    assert_eq!(problem["kind"], "altered", "{report}");
    assert_eq!(
        (&problem["first"], &problem["last"]),
        (&1.into(), &256.into())
    );
    put(100, &octets);

    let db = raw(&site);
    db.delete_cf(db.cf_handle("entries").unwrap(), 101_u64.to_be_bytes())
        .unwrap();
    drop(db);
    site.run(&["audit", "verify"])
        .expect(8)
        .says(&["entry 101 is missing"]);
    // A server does verify itself as well.
    let server = site.serve();
    site.run(&["audit", "verify"])
        .expect(8)
        .says(&["entry 101 is missing"]);
    // What a checkpoint covers is not read again.
    site.run(&["audit", "verify", "--from", text(&checkpoint)])
        .expect(0);
    server.terminate().expect(0);
}

#[test]
fn a_forged_checkpoint_is_not_believed_and_nothing_is_signed_beside_it() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let note = site.run(&["audit", "checkpoint"]).expect(0).stdout;
    let forged = note.replacen('\n', "\n1", 1);
    let file = write(&site, "forged.checkpoint", &forged);
    site.run(&["audit", "verify", "--from", text(&file)])
        .expect(5)
        .says(&["is refused"]);
    assert_eq!(by_others("checkpoint", &file, &key_of(&site)).code, 1);

    {
        let db = raw(&site);
        let family = db.cf_handle("checkpoints").unwrap();
        let kept: Vec<_> = db
            .iterator_cf(family, rocksdb::IteratorMode::Start)
            .map(Result::unwrap)
            .collect();
        let [(key, value)] = &kept[..] else {
            panic!("{kept:?}");
        };
        db.put_cf(family, key, [&value[..8], forged.as_bytes()].concat())
            .unwrap();
    }
    site.run(&["audit", "verify"])
        .expect(8)
        .says(&["the kept checkpoint", "is refused"]);
    site.run(&["audit", "checkpoint"])
        .expect(8)
        .says(&["nothing is signed any more"]);
}

#[test]
fn what_cannot_be_audited_is_told() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    for arguments in [
        &["audit", "verify"][..],
        &["audit", "checkpoint"],
        &["audit", "prove", "01"],
        &["audit", "export", "x.log"],
    ] {
        site.run(arguments).expect(3).says(&["there is no ledger"]);
    }
    assert!(!site.path("x.log").exists());
    site.import_index().expect(0);
    site.run(&["audit", "prove", "FFFFFF"])
        .expect(2)
        .says(&["no entry about serial number"]);
    site.run(&["audit", "prove", "01", "--issuer", "other"])
        .expect(2)
        .says(&["knows no issuer \"other\": ca"]);
    site.run(&["audit", "export", "x.log", "--from", "99999999"])
        .expect(2)
        .says(&["there is no entry 99999999"]);
    site.run(&["audit", "verify", "--export", "x.log"])
        .expect(2);
    site.run(&["audit", "verify", "--key", "nonsense"])
        .expect(2)
        .says(&["not a verifier key"]);
    site.run(&["audit", "export", "no/such/folder/x.log"])
        .expect(11);
}

/// A ledger that is large enough for a commit to be killed in the middle of.
#[test]
fn a_ledger_whose_server_was_killed_is_sound() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 3_000,
    }));
    let mut random = Random(11);
    let mut killed = 0;
    for call in [
        "fdatasync",
        "write",
        "pwrite64",
        "rename",
        "futex",
        "writev",
    ] {
        let site = Site::new(&ca);
        let mut server = site.serve();
        let when = 1 + random.below(3);
        let tracer = server.inject(call, &format!("signal=KILL:when={when}"), None);
        drop(site.run(&["import", "index", text(&ca.path("index.txt"))]));
        killed += usize::from(server.has_ended());
        server.kill_now();
        server.wait().expect(137);
        drop(tracer);
        site.run(&["audit", "verify"]).expect(0);
        let note = site.run(&["audit", "checkpoint"]).expect(0).stdout;
        let note = write(&site, "a.checkpoint", note);
        site.import_index().expect(0);
        let report = site.run(&["audit", "verify", "--json", "--from", text(&note)]);
        assert_eq!(report.expect(0).json()["sound"], true);
        site.run(&["audit", "verify"]).expect(0);
    }
    assert!(killed >= 2, "{killed}");
}
