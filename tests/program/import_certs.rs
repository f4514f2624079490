//! `estelam import certs`: every certificate proves itself, and one that cannot stops them all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::common::judge::ask_with_openssl;
use crate::common::tools::{Finished, read_text, text};
use crate::common::{Hash, OpensslCa, Plan, Settings, Site, Status};

const BARE: Plan = Plan {
    every_form: false,
    bulk: 0,
};

fn import(site: &Site, paths: &[&Path], options: &[&str]) -> Finished {
    let paths: Vec<&str> = paths.iter().map(|path| text(path)).collect();
    site.run(&[&["import", "certs"][..], &paths, options].concat())
}

/// The status of a serial, and what it was told under.
fn known(site: &Site, serial: &str, issuer: &str) -> Value {
    site.run(&["status", serial, "--issuer", issuer, "--json"])
        .expect(0)
        .json()
}

fn status(site: &Site, serial: &str) -> String {
    let told = known(site, serial, "ca");
    told["status"].as_str().expect("a status").to_owned()
}

/// The whole report.
fn report(finished: Finished, code: i32) -> Value {
    finished.expect(code).json()
}

#[test]
fn a_folder_is_taken_whole_or_not_at_all() {
    let ca = Arc::new(OpensslCa::new(BARE));
    ca.issue(1_000, "-rand_serial");
    let folder = ca.path("certs");
    let issued = ca.certificates();
    let serials: Vec<&str> = issued.iter().map(|it| it.serial.as_str()).collect();
    assert_eq!(serials.len(), 1_001, "the delegate's is there too");
    // Somewhere in the middle.
    let bad = folder.join("7-bad.pem");
    std::fs::write(&bad, "subject=CN = a\n-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap();

    let sites = [Site::new(&ca), Site::new(&ca)];
    let server = sites[1].serve();
    for site in &sites {
        import(site, &[&folder], &[]).expect(5).says(&[
            "1002 certificates, 1 bad",
            "7-bad.pem: certificate 1: the PEM block that begins in line 2 has no matching end",
            "--skip-bad",
        ]);
        assert!(
            serials
                .iter()
                .step_by(100)
                .all(|it| status(site, it) == "not_issued")
        );
    }
    let [direct, served] = [&sites[0], &sites[1]]
        .map(|site| report(import(site, &[&folder], &["--skip-bad", "--json"]), 6));
    assert_eq!(direct, served);
    assert_eq!(
        (
            &direct["unit"],
            &direct["lines"],
            &direct["applied"],
            &direct["skipped"]
        ),
        (
            &"certificate".into(),
            &1_002.into(),
            &1_001.into(),
            &1.into()
        )
    );
    assert_eq!(direct["errors"][0]["file"], text(&bad));

    std::fs::remove_file(&bad).unwrap();
    for site in &sites {
        let again = report(import(site, &[&folder], &["--json"]), 0);
        assert_eq!(
            (&again["applied"], &again["unchanged"]),
            (&0.into(), &1_001.into())
        );
    }
    for certificate in issued.iter().step_by(97) {
        let told = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &certificate.serial);
        assert_eq!(told.as_ref(), Ok(&Status::Good));
        let told = known(&sites[0], &certificate.serial, "ca");
        let pem = certificate.pem.as_deref().expect("it was issued");
        let dates = ca.openssl(&format!(
            "x509 -in {} -noout -startdate -enddate -dateopt iso_8601",
            text(pem)
        ));
        let said = |at: &str| told[at].as_str().expect("a date").replace('T', " ");
        assert_eq!(
            dates.stdout,
            format!(
                "notBefore={}\nnotAfter={}\n",
                said("not_before"),
                said("not_after")
            )
        );
    }
}

#[test]
fn what_is_revoked_stays_revoked_and_gains_its_dates() {
    let ca = Arc::new(OpensslCa::new(BARE));
    let serials = ca.issue(4, "-rand_serial");
    ca.revoke(&serials[0], "-crl_reason superseded");
    ca.revoke(&serials[1], "-crl_reason certificateHold");
    for server_runs in [false, true] {
        let site = Site::imported(&ca);
        let server = server_runs.then(|| site.serve());
        let before = known(&site, &serials[0], "ca");
        for applied in [5, 0] {
            let report = report(import(&site, &[&ca.path("certs")], &["--json"]), 0);
            assert_eq!(report["applied"], applied, "{report}");
        }
        let after = known(&site, &serials[0], "ca");
        assert_eq!(
            (&before["not_before"], &before["status"]),
            (&Value::Null, &"revoked".into())
        );
        assert!(after["not_before"].is_string(), "{after}");
        for same in ["status", "reason", "revocation_time", "not_after"] {
            assert_eq!(before[same], after[same]);
        }
        assert_eq!(status(&site, &serials[1]), "revoked");
        assert_eq!(status(&site, &serials[2]), "good");
        if let Some(server) = server {
            let told = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &serials[0]);
            assert!(
                matches!(
                    told,
                    Ok(Status::Revoked {
                        reason: Some(4),
                        ..
                    })
                ),
                "{told:?}"
            );
        }
    }
}

/// Two CAs with one name and different keys, and a third that is not configured.
#[test]
fn a_bundle_is_sorted_by_who_signed() {
    let (ca, twin) = (Arc::new(OpensslCa::new(BARE)), OpensslCa::new(BARE));
    let [ours, theirs] = [&*ca, &twin].map(|ca| ca.issue(1, "-rand_serial").remove(0));
    let site = Site::with(
        &ca,
        &Settings {
            signer_lines: format!(
                "[[issuer]]\nname = \"twin\"\ncertificate = {:?}\n\
                 [[issuer.signer]]\ncertificate = {:?}\nkey = {:?}\n",
                twin.path("ca.pem"),
                twin.path("ocsp.pem"),
                twin.path("ocsp.key")
            ),
            ..Settings::default()
        },
    );
    let pem = |ca: &OpensslCa, name: &str| read_text(&ca.path(name));
    let bundle = ca.path("bundle.txt");
    let all = [
        "Issued on Monday:\n",
        &pem(&ca, &format!("certs/{ours}.pem")),
        &pem(&ca, "ca.pem"),
        &pem(&ca, "leaf.key"),
        "-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n",
        &pem(&twin, &format!("certs/{theirs}.pem")),
        &pem(&twin, "ca.pem"),
        &pem(&ca, &format!("certs/{ours}.pem")),
    ]
    .concat();
    std::fs::write(&bundle, all).unwrap();

    import(&site, &[&bundle], &["--issuer", "ca"])
        .expect(5)
        .says(&[
            "4 certificates",
            "bundle.txt: certificate 3",
            "whose key did not sign it",
            "1 certificate of a configured issuer was passed over",
        ]);
    assert_eq!(status(&site, &ours), "not_issued");
    let taken = report(import(&site, &[&bundle], &["--json"]), 0);
    assert_eq!(
        (&taken["lines"], &taken["applied"], &taken["unchanged"]),
        (&5.into(), &4.into(), &1.into())
    );
    let own = ca.openssl("x509 -in ca.pem -noout -serial").stdout;
    let own = own.trim().strip_prefix("serial=").unwrap();
    for (serial, issuer, other) in [
        (&*ours, "ca", "twin"),
        (&*theirs, "twin", "ca"),
        (own, "ca", "twin"),
    ] {
        assert_eq!(known(&site, serial, issuer)["status"], "good");
        assert_eq!(known(&site, serial, other)["status"], "not_issued");
    }

    ca.openssl_with(&[
        "req",
        "-config",
        "openssl.cnf",
        "-x509",
        "-new",
        "-key",
        "leaf.key",
        "-subj",
        "/CN=Nobody",
        "-out",
        "nobody.pem",
    ]);
    import(&site, &[&ca.path("nobody.pem")], &[])
        .expect(5)
        .says(&[
            "nobody.pem: certificate 1",
            "CN=Nobody",
            "which is not configured",
        ]);
}

#[test]
fn a_file_that_proves_nothing_is_named() {
    let ca = Arc::new(OpensslCa::new(BARE));
    let site = Site::new(&ca);
    let serial = ca.issue(1, "").remove(0);
    let leaf = format!("certs/{serial}.pem");
    let made = |name: &str, arguments: &str| {
        ca.openssl(&format!("{arguments} -out {name}"));
        ca.path(name)
    };
    let signed = |name: &str, serial: &str, more: &str| {
        let options = "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 30";
        made(name, &format!("{options} -set_serial {serial} {more}"))
    };
    let written = |name: &str, octets: &[u8]| {
        std::fs::write(ca.path(name), octets).unwrap();
        ca.path(name)
    };
    let der = made("leaf.der", &format!("x509 -in {leaf} -outform DER"));
    let der_octets = std::fs::read(&der).unwrap();
    let mut other_signature = der_octets.clone();
    *other_signature.last_mut().unwrap() ^= 1;
    let mut other_name = der_octets.clone();
    let at = other_name
        .windows(7)
        .position(|it| it == b"Test_CA")
        .unwrap();
    other_name[at] = b'B';
    let pem = read_text(&ca.path(&leaf));
    ca.openssl_with(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "rsa.key",
    ]);
    let faults: Vec<(PathBuf, &[&str])> = vec![
        (written("empty", b""), &["empty: holds no certificate"]),
        (
            written("binary", b"\x7fELF\0\0\xff"),
            &["holds no certificate"],
        ),
        (
            ca.path("ca.key"),
            &["holds no certificate: its PEM blocks are PRIVATE KEY"],
        ),
        (
            written("cut.der", &der_octets[..300]),
            &["cut.der: certificate 1: cannot be read"],
        ),
        (
            written("more.der", &[&der_octets[..], b"\n"].concat()),
            &["certificate 1: cannot be read"],
        ),
        (
            written("cut.pem", &pem.as_bytes()[..400]),
            &["certificate 1", "no matching end"],
        ),
        (
            written(
                "second.pem",
                (pem.clone() + &pem.replace("MII", "M?I")).as_bytes(),
            ),
            &["certificate 2", "not base64"],
        ),
        (
            written("signature.der", &other_signature),
            &["certificate 1", "whose key did not sign"],
        ),
        (
            written("name.der", &other_name),
            &["certificate 1", "CN=Best_CA", "not configured"],
        ),
        (
            signed("zero.pem", "0", ""),
            &["certificate 1: the serial number is zero"],
        ),
        (
            signed("negative.pem", "-5", ""),
            &["certificate 1: the serial number is negative"],
        ),
        (
            signed("long.pem", &format!("0x7F{}", "00".repeat(20)), ""),
            &["certificate 1: the serial number is longer than 20 octets"],
        ),
        (signed("sha1.pem", "7", "-sha1"), &["ecdsa-with-SHA1"]),
    ];
    let folder = ca.path("mixed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&der, folder.join("good.der")).unwrap();
    for server in [None, Some(site.serve())] {
        for (path, words) in &faults {
            import(&site, &[path], &[]).expect(5).says(words);
            let at = folder.join("bad");
            std::fs::copy(path, &at).unwrap();
            import(&site, &[&folder], &[])
                .expect(5)
                .says(&["mixed/bad: "]);
            std::fs::remove_file(&at).unwrap();
        }
        // What is no file, among files and named.
        let socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join("broken")).unwrap();
        std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
        import(&site, &[&folder], &[]).expect(5).says(&[
            "mixed/broken: cannot be read: No such file",
            "mixed/socket: cannot be read: it is neither a file nor a folder",
            "mixed/up: cannot be read: it is a link to a folder",
        ]);
        import(&site, &[&folder.join("socket")], &[])
            .expect(2)
            .says(&["neither a file nor a folder"]);
        import(&site, &[&folder.join("broken")], &[])
            .expect(2)
            .says(&["broken"]);
        for name in ["socket", "broken", "up"] {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        drop(socket);
        assert_eq!(
            status(&site, &serial),
            "not_issued",
            "nothing of all this was applied"
        );
        drop(server);
    }
    let nothing = ca.path("nothing");
    std::fs::create_dir(&nothing).unwrap();
    import(&site, &[&nothing], &[])
        .expect(5)
        .says(&["there is no certificate in it"]);
    import(&site, &[&folder], &["--issuer", "cb"])
        .expect(2)
        .says(&["cb"]);
    import(&site, &[&folder], &[])
        .expect(0)
        .says(&["1 certificate, 1 applied"]);
    assert_eq!(status(&site, &serial), "good");
}

#[test]
fn one_serial_number_is_one_certificate() {
    let ca = Arc::new(OpensslCa::new(BARE));
    let site = Site::new(&ca);
    ca.issue(1, "");
    let poison = ca.path("poison.cnf");
    std::fs::write(&poison, "1.3.6.1.4.1.11129.2.4.3 = critical,ASN1:NULL\n").unwrap();
    let made = |name: &str, serial: &str, end: &str, more: &str| {
        // `openssl ca` remembers what it issued, and here it is to forget.
        std::fs::write(ca.path("index.txt"), "").unwrap();
        std::fs::write(ca.path("serial"), format!("{serial}\n")).unwrap();
        ca.openssl(&format!(
            "ca -config openssl.cnf -batch -notext -in leaf.csr -out {name} \
             -startdate 20260101000000Z -enddate {end} {more}"
        ));
        ca.path(name)
    };
    let one = made("one.pem", "51", "20360101000000Z", "");
    let other = made("other.pem", "51", "20370101000000Z", "");
    import(&site, &[&one, &other], &[]).expect(5).says(&[
        "one.pem: certificate 1: another certificate has the same serial number 51",
        "other.pem: certificate 1: another certificate has the same serial number 51",
    ]);
    assert_eq!(status(&site, "51"), "not_issued");
    let twice = report(import(&site, &[&one, &one], &["--json"]), 0);
    assert_eq!(
        (&twice["applied"], &twice["unchanged"]),
        (&1.into(), &1.into())
    );
    // Known to the ledger, it is refused as well.
    import(&site, &[&other], &[]).expect(5).says(&[
        "other.pem: certificate 1",
        "serial number 51",
        "differ",
    ]);

    // A precertificate announces the certificate with its serial number, whichever comes first.
    let precertificate = made("pre.pem", "52", "20360101000000Z", "-extfile poison.cnf");
    let final_one = made("final.pem", "52", "20360101000000Z", "");
    import(&site, &[&precertificate], &[]).expect(0);
    let both = report(
        import(&site, &[&precertificate, &final_one], &["--json"]),
        0,
    );
    assert_eq!(
        (&both["lines"], &both["applied"], &both["unchanged"]),
        (&2.into(), &1.into(), &1.into())
    );
    import(&site, &[&precertificate], &[]).expect(0);
    let later = made("later.pem", "52", "20370101000000Z", "");
    import(&site, &[&precertificate, &later], &[])
        .expect(5)
        .says(&["pre.pem", "later.pem"]);
}
