//! `estelam import csv`: a line for each certificate, in the words of whoever exported it.

use serde_json::Value;

use crate::common::judge::ask_with_openssl;
use crate::common::tools::{Finished, text};
use crate::common::{Certificate, Hash, SHARED, Site, Status};

fn import(site: &Site, content: impl AsRef<[u8]>, options: &[&str]) -> Finished {
    let file = site.path("given.csv");
    std::fs::write(&file, content).unwrap();
    site.run(&[&["import", "csv", text(&file)][..], options].concat())
}

fn known(site: &Site, serial: &str) -> Value {
    site.run(&["status", serial, "--json"]).expect(0).json()
}

/// CRLReason by its number in RFC 5280 §5.3.1.
const REASONS: [&str; 11] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "",
    "removeFromCRL",
    "privilegeWithdrawn",
    "aACompromise",
];

/// A GeneralizedTime with these signs between its parts.
fn time(generalized: &str, between: &str, end: &str) -> String {
    let at = |from: usize| &generalized[from..from + 2];
    format!(
        "{}{}-{}-{}{between}{}:{}:{}{end}",
        at(0),
        at(2),
        at(4),
        at(6),
        at(8),
        at(10),
        at(12)
    )
}

/// The certificates of a CA as the demo writes them.
fn inventory(certificates: &[Certificate]) -> String {
    let mut csv = String::from("serial,status,reason,revocation_time\n");
    for Certificate { serial, status, .. } in certificates {
        match status {
            Status::Revoked { time: at, reason } => {
                let reason = reason.map_or("", |reason| REASONS[usize::from(reason)]);
                csv += &format!("{serial},revoked,{reason},{}\n", time(at, "T", "Z"));
            }
            _ => csv += &format!("{serial},good,,\n"),
        }
    }
    csv
}

#[test]
fn an_inventory_needs_no_options_and_is_answered_as_listed() {
    let ca = SHARED.get();
    let certificates = ca.certificates();
    let csv = inventory(&certificates);
    let sites = [Site::new(&ca), Site::new(&ca)];
    let server = sites[1].serve();
    let [mut direct, mut served] = [0, 1].map(|n: usize| {
        let report = import(&sites[n], &csv, &["--json"]).expect(0).json();
        assert_eq!(
            import(&sites[n], &csv, &["--json"]).expect(0).json()["applied"],
            0
        );
        report
    });
    assert_eq!(direct["applied"], certificates.len());
    for report in [&mut direct, &mut served] {
        report["source"] = Value::Null;
    }
    assert_eq!(direct, served);
    for certificate in certificates.iter().step_by(11) {
        let mut connection = server.connect();
        let request = crate::common::request_of(&ca, Hash::Sha256, &[&certificate.serial]);
        let body = connection.post("/ocsp", &request).body;
        assert_eq!(
            crate::common::Answer::of(&body).single().status,
            certificate.status
        );
    }
    for certificate in certificates.iter().filter(|it| it.pem.is_some()) {
        let told = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &certificate.serial);
        assert_eq!(told.as_ref(), Ok(&certificate.status), "{certificate:?}");
    }
}

#[test]
fn a_table_of_ejbca_is_mapped() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    let table = "fingerprint,serialNumber,status,revocationReason,revocationDate,expireDate\n\
                 aa,4097,20,-1,-1,1925294400000\n\
                 bb,4098,40,4,1767614400123,1925294400000\n\
                 cc,730750818665451459101842416358141509827966271487,40,6,1767614400000,1925294400000\n\
                 dd,4100,60,-1,-1,1325294400000\n";
    let options = [
        "--serials",
        "decimal",
        "--times",
        "unix-ms",
        "--column",
        "serial=serialNumber",
        "--column",
        "reason=revocationReason",
        "--column",
        "revocation_time=revocationDate",
        "--column",
        "not_after=expireDate",
        "--statuses",
        "20=good,21=good,40=revoked,60=by-time",
    ];
    import(&site, table, &options).expect(0).says(&[
        "4 lines, 4 applied",
        "columns that are not used: \"fingerprint\"",
    ]);
    let long = "7F".to_owned() + &"FF".repeat(19);
    for (serial, status, reason) in [
        ("1001", "good", Value::Null),
        ("1002", "revoked", "superseded".into()),
        (&long, "revoked", "certificateHold".into()),
        ("1004", "good", Value::Null),
    ] {
        let told = known(&site, serial);
        assert_eq!(
            (&told["status"], &told["reason"]),
            (&status.into(), &reason),
            "{told}"
        );
    }
    assert_eq!(
        known(&site, "1002")["revocation_time"],
        "2026-01-05T12:00:00Z"
    );
    assert_eq!(known(&site, "1001")["not_after"], "2031-01-04T12:00:00Z");

    let numbered = "2026-01-05 12:00:00;1005\n";
    let options = [
        "--column",
        "serial=2",
        "--column",
        "revocation_time=1",
        "--every-status",
        "revoked",
        "--times",
        "utc",
        "--delimiter",
        ";",
    ];
    import(&site, numbered, &options).expect(0);
    assert_eq!(
        known(&site, "1005")["revocation_time"],
        "2026-01-05T12:00:00Z"
    );
}

#[test]
fn every_fault_is_named_and_nothing_is_applied() {
    let ca = SHARED.get();
    let site = Site::new(&ca);
    let header = "serial,status,reason,revocation_time\n";
    let rows: &[(&[u8], &[&str])] = &[
        (
            b"D2,good\n",
            &["line 3: 2 field(s) where there are 4 columns"],
        ),
        (b"-D2,good,,\n", &["line 3, column \"serial\"", "negative"]),
        (b"00,good,,\n", &["line 3, column \"serial\"", "zero"]),
        (
            b"7F0000000000000000000000000000000000000000,good,,\n",
            &["longer than 20 octets"],
        ),
        (b"D21,good,,\n", &["odd number of digits"]),
        (
            b"D2,gone,,\n",
            &["column \"status\"", "good, revoked, hold", "gone"],
        ),
        (
            b"D2,revoked,stolen,2026-01-05T12:00:00Z\n",
            &["column \"reason\"", "stolen"],
        ),
        (
            b"D2,revoked,7,2026-01-05T12:00:00Z\n",
            &["column \"reason\"", "\"7\""],
        ),
        (
            b"D2,revoked,,2026-13-05T12:00:00Z\n",
            &["column \"revocation_time\"", "2026-13-05"],
        ),
        (
            b"D2,revoked,,2049-01-05T12:00:00Z\n",
            &["line 3", "D2", "2049"],
        ),
        (b"D2,good,,\nD2,good,,\n0D1,good,,\n", &["line 5", "odd"]),
        (
            b"D1,revoked,,2026-01-05T12:00:00Z\n",
            &["line 2: ", "line 3: ", "given again"],
        ),
        (
            b"D2,\xff\xfe,,\n",
            &["line 3, column \"status\": not UTF-8", "\\xff\\xfe"],
        ),
        (
            b"D2,go\0od,,\n",
            &["line 3, column \"status\": a NUL octet"],
        ),
        (b"D2,good,,", &["line 3", "cut short"]),
        (
            b"D2,\"good,,\nD3,good,,\n",
            &["line 3, column 4", "never closed"],
        ),
        (
            b"D2,\"good,,\nD3,\"good\",,\n",
            &["line 3, column 4", "after the closing"],
        ),
    ];
    for server in [None, Some(site.serve())] {
        for (rows, words) in rows {
            let file = [header.as_bytes(), b"D1,good,,\n", rows].concat();
            import(&site, file, &[])
                .expect(5)
                .says(words)
                .says(&["nothing was applied"]);
        }
        for (file, options, code, words) in [
            ("", &[][..], 5, &["the file is empty"][..]),
            (header, &[], 5, &["there is no certificate in it"]),
            (
                "number,state\nD1,good\n",
                &[],
                2,
                &["serial", "\"number\", \"state\""],
            ),
            (
                "serial,state\nD1,good\n",
                &[],
                2,
                &["status", "\"state\"", "--column"],
            ),
            (
                "serial,state\nD1,good\n",
                &["--column", "status=State"],
                2,
                &["\"State\"", "\"serial\", \"state\""],
            ),
            (
                "D1,good\n",
                &["--column", "serial=3", "--column", "status=2"],
                2,
                &["column 3"],
            ),
            (
                header,
                &["--column", "colour=x"],
                2,
                &["colour", "revocation_time"],
            ),
            (
                header,
                &["--column", "reason=a", "--column", "reason=b"],
                2,
                &["twice"],
            ),
            (header, &["--statuses", "V=valid"], 2, &["valid", "by-time"]),
            (header, &["--times", "sundial"], 2, &["sundial", "unix-ms"]),
            (header, &["--delimiter", "ab"], 2, &["tab"]),
            (header, &["--issuer", "cb"], 2, &["cb"]),
        ] {
            import(&site, file, options).expect(code).says(words);
        }
        assert_eq!(known(&site, "D1")["status"], "not_issued");
        drop(server);
    }
    site.run(&["import", "csv", "/nonexistent.csv"])
        .expect(2)
        .says(&["/nonexistent.csv"]);
    site.run(&["import", "csv", text(&site.path("state"))])
        .expect(2)
        .says(&["is a folder"]);

    let mixed = format!("{header}E1,good,,\nE2,gone,,\nE3,revoked,1,2026-01-05T12:00:00Z\n");
    let report = import(&site, &mixed, &["--skip-bad", "--json"])
        .expect(6)
        .json();
    assert_eq!(
        (&report["applied"], &report["skipped"]),
        (&2.into(), &1.into())
    );
    assert_eq!(report["errors"][0]["field"], "status");
    assert_eq!(known(&site, "E3")["reason"], "keyCompromise");
    // An older list does not make it valid again.
    import(&site, format!("{header}E3,good,,\n"), &[])
        .expect(5)
        .says(&["line 2", "E3", "keyCompromise"]);
    // Not even what may be skipped lets a quotation mark swallow lines.
    let swallowed = format!("{header}E4,\"good,,\nE5,revoked,,2026-01-05T12:00:00Z\n");
    import(&site, swallowed, &["--skip-bad"])
        .expect(5)
        .says(&["never closed"]);
}
