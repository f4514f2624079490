//! NIST PKITS: CAs, certificates and CRLs that nobody here made, each CRL imported or refused as
//! [`table`] says, and every certificate answered accordingly by a server whose delegates were issued
//! under PKITS's own keys.
//!
//! Two verdicts are stricter than PKITS, which judges what a client accepts. Issuer names are compared
//! octet for octet, here as in a CertID, where a hash leaves no choice (RFC 6960 §4.1.1). A negative serial
//! number refuses the CRL that lists it (RFC 5280 §4.1.2.2 only hopes that clients cope); `--skip-bad`
//! takes the rest.

mod table;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use table::{CRL_ISSUERS, OTHERS, PLAIN, Revoked, Row, SCOPES, Verdict, WITHOUT_CRL};

use crate::common::ask::get_paths;
use crate::common::clock::{generalized_time, now};
use crate::common::judge::{Case, judge_all_with_python};
use crate::common::tools::{Finished, python, run, run_with_input, text, tool};
use crate::common::{Answer, Certificate, Hash, OpensslCa, Plan, Server, Site, Status};

/// What PKITS holds, as others read it.
#[derive(Deserialize)]
struct Pkits {
    certificates: Vec<PkitsCertificate>,
    crls: BTreeMap<String, PkitsCrl>,
    crl_folder: PathBuf,
}

#[derive(Deserialize)]
struct PkitsCertificate {
    name: String,
    /// The content octets of its serialNumber in hexadecimal.
    serial: String,
    /// The certificate with the key that signed it, going by authorityKeyIdentifier.
    issuer: String,
    /// Whether its issuer field is that one's subject, octet for octet.
    has_issuers_name: bool,
    /// DER OCSPRequests, for each of [`Hash::BOTH`].
    requests: [String; 2],
}

#[derive(Deserialize)]
struct PkitsCrl {
    this_update: String,
    next_update: String,
    /// The names of its distribution point, in DER.
    points: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    serial: String,
    time: String,
    reason: Option<u8>,
}

/// The folder with the delegates, and what PKITS holds.
static PKITS: LazyLock<(tempfile::TempDir, Pkits)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let issuers: BTreeSet<&str> = rows().map(|row| row.issuer).chain(others()).collect();
    let task = serde_json::json!({ "folder": folder.path(), "issuers": issuers });
    let mut command = python();
    command.args(["-c", include_str!("prepare.py")]);
    let told = run_with_input(&mut command, &task.to_string()).expect(0);
    let pkits = serde_json::from_str(&told.stdout).expect("what prepare.py writes");
    (folder, pkits)
});

/// The whole table.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let plain = PLAIN.iter().map(|name| Row {
        crl: format!("{name}CRL").leak(),
        issuer: format!("{name}Cert").leak(),
        crl_signers: &[],
        verdict: Verdict::Imported(&[]),
        clause: "RFC 5280 §6.3.3 (f), (g)",
    });
    plain.chain(OTHERS.iter().copied()).collect()
});

fn rows() -> impl Iterator<Item = Row> {
    ROWS.iter().copied()
}

/// Certificates that a configuration names besides those of the rows' issuers.
fn others() -> impl Iterator<Item = &'static str> {
    let crl_signers = OTHERS.iter().flat_map(|row| row.crl_signers);
    WITHOUT_CRL.iter().chain(crl_signers).copied()
}

#[test]
fn the_table_has_every_crl_and_lists_what_others_read_in_it() {
    let (_, pkits) = &*PKITS;
    let in_table: BTreeSet<&str> = rows().map(|row| row.crl).collect();
    let in_folder: BTreeSet<&str> = pkits.crls.keys().map(String::as_str).collect();
    assert_eq!(in_table, in_folder);
    for row in rows() {
        if let Verdict::Imported(revoked) = row.verdict {
            let entries = revoked.iter().map(|(serial, time, reason)| Entry {
                serial: (*serial).to_owned(),
                time: (*time).to_owned(),
                reason: Some(*reason),
            });
            let due: BTreeSet<Entry> = entries.collect();
            let found: BTreeSet<&Entry> = pkits.crls[row.crl].entries.iter().collect();
            assert_eq!(found, due.iter().collect(), "{}", row.crl);
        }
    }
}

#[test]
fn every_crl_is_taken_or_refused_as_its_clause_asks_and_every_certificate_answered() {
    let begun = generalized_time(now());
    let (_, pkits) = &*PKITS;
    let site = site(issuers_served(), true);
    let server = site.serve();
    for row in rows() {
        let said = || import(&site, row, &[]);
        match row.verdict {
            Verdict::Imported(_)
            | Verdict::Part(_)
            | Verdict::Added(_)
            | Verdict::ImportedAndUnserved => {
                drop(said().expect(0));
            }
            Verdict::Refused(words) => drop(said().expect(5).says(words)),
            Verdict::NoIssuer(_) => {}
        }
    }
    // Signed live, and then ahead of time.
    ask_about_all(&server);
    site.settle();
    let cases = ask_about_all(&server);

    let known: BTreeSet<&str> = cases.keys().copied().collect();
    let due = rows().filter(|row| matches!(row.verdict, Verdict::Imported(_) | Verdict::Part(_)));
    let due: BTreeSet<&str> = due.map(|row| row.issuer).collect();
    let due = due
        .into_iter()
        .filter(|issuer| certificates_of(issuer).next().is_some());
    assert_eq!(known, due.collect(), "the issuers that answered");

    let file = |name: String| PKITS.0.path().join(name);
    let files = |issuer: &&str| {
        (
            file(format!("{issuer}.pem")),
            file(format!("{issuer}.ocsp.pem")),
        )
    };
    let all: Vec<(PathBuf, PathBuf, &[Case])> = cases
        .iter()
        .map(|(issuer, cases)| {
            let (certificate, signer) = files(issuer);
            (certificate, signer, &cases[..])
        })
        .collect();
    judge_all_with_python(&all, 10);
    // A client does not accept the CA itself where it is not valid yet or may not issue certificates.
    let is_accepted = |all: &&(PathBuf, PathBuf, &[Case])| {
        let name = text(&all.0);
        // Nor a delegate whose name is outside what the CA may name.
        !["BadnotBefore", "keyCertSignFalse", "nameConstraintsDN"]
            .iter()
            .any(|odd| name.contains(odd))
    };
    for (certificate, _, cases) in all.iter().filter(is_accepted).step_by(9) {
        judge_with_openssl(certificate, &cases[0]);
    }
    for (issuer, cases) in &cases {
        let crl = &pkits.crls[crl_of(issuer)];
        for case in cases {
            its_times_are_the_crls(case, crl, &begun);
        }
    }
}

/// thisUpdate is the CRL's, not the server's; only a revocation that the CRL dates after itself moves it
/// (RFC 6960 §2.4; no revocationTime may be later).
fn its_times_are_the_crls(case: &Case, crl: &PkitsCrl, begun: &str) {
    let answer = Answer::of(&case.response);
    let single = answer.single();
    let this_update = match &single.status {
        Status::Revoked { time, .. } => time.max(&crl.this_update),
        _ => &crl.this_update,
    };
    let serial = &case.certificate.serial;
    assert_eq!(&single.this_update, this_update, "{serial}");
    let next_update = single.next_update.as_ref().expect("nextUpdate");
    assert!(next_update <= &crl.next_update, "{serial}: {next_update}");
    let Answer::Basic { produced_at, .. } = &answer else {
        panic!("{answer:?}")
    };
    assert!(produced_at.as_str() >= begun, "{serial}: {produced_at}");
}

#[test]
fn a_crl_by_another_key_needs_crl_signers_and_a_bad_entry_skip_bad() {
    let by_another_key: Vec<Row> = rows()
        .filter(|row| !row.crl_signers.is_empty() && matches!(row.verdict, Verdict::Imported(_)))
        .collect();
    let negative = rows().find(|row| row.issuer == "NegativeSerialNumberCACert");
    let negative = negative.expect("it is in the table");
    let issuers = by_another_key.iter().chain([&negative]);
    let site = site(issuers.map(|row| row.issuer).collect(), false);
    let server = site.serve();
    for row in by_another_key {
        import(&site, row, &[]).expect(5).says(&["crl_signers"]);
        assert_eq!(
            answers_about(&server, row.issuer),
            [Answer::TRY_LATER],
            "{}",
            row.issuer
        );
    }

    // -1, the one that it cannot have, and 255, which has the same octet behind a sign octet.
    import(&site, negative, &["--skip-bad"])
        .expect(6)
        .says(&["negative"]);
    for certificate in certificates_of(negative.issuer) {
        for request in &certificate.requests {
            let answer = Answer::of(&post(&server, request));
            match &certificate.serial[..] {
                // A list that was not read whole dates no answer, and says of nobody that she is good.
                "00FF" => assert_eq!(answer, Answer::TRY_LATER),
                "FF" => assert_eq!(answer, Answer::UNAUTHORIZED, "not good: it is revoked"),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_certificate_that_is_no_usable_cas_is_no_issuer() {
    for row in rows() {
        if let Verdict::NoIssuer(words) = row.verdict {
            let site = site([row.issuer].into(), true);
            let said = site.run(&["check"]);
            assert!(matches!(said.code, 3 | 4), "{said}");
            said.says(words);
        }
    }
}

/// Those that can be served.
fn issuers_served() -> BTreeSet<&'static str> {
    let usable = rows().filter(|row| !matches!(row.verdict, Verdict::NoIssuer(_)));
    let with_crl = usable.map(|row| row.issuer);
    with_crl.chain(WITHOUT_CRL.iter().copied()).collect()
}

/// An installation that answers from CRLs alone.
fn site(issuers: BTreeSet<&str>, with_crl_signers: bool) -> Site {
    let (folder, _) = &*PKITS;
    let file = |name: &str, end: &str| format!("{:?}", folder.path().join(format!("{name}{end}")));
    let site = Site::new(&Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    })));
    let mut config = "[[listen]]\naddress = \"127.0.0.1:0\"\n".to_owned();
    for issuer in issuers {
        let signers: BTreeSet<&str> = rows()
            .filter(|row| row.issuer == issuer && with_crl_signers)
            .flat_map(|row| row.crl_signers)
            .copied()
            .collect();
        let signers: Vec<String> = signers.iter().map(|name| file(name, ".pem")).collect();
        let others = CRL_ISSUERS.iter();
        let others: Vec<String> = others
            .filter(|(of, _)| *of == issuer && with_crl_signers)
            .map(|(_, name)| file(name, ".pem"))
            .collect();
        let scopes = SCOPES.iter().filter(|(of, _)| *of == issuer);
        let scopes: Vec<String> = scopes
            .flat_map(|(_, all)| *all)
            .map(|one| scope(one))
            .collect();
        config.push_str(&format!(
            "[[issuer]]\nname = {issuer:?}\nevidence = \"feed\"\nnot_issued = \"good\"\n\
             certificate = {}\ncrl_signers = [{}]\ncrl_issuers = [{}]\ncrl_scopes = {scopes:?}\n\
             [[issuer.signer]]\ncertificate = {}\nkey = {}\n",
            file(issuer, ".pem"),
            signers.join(", "),
            others.join(", "),
            file(issuer, ".ocsp.pem"),
            file("ocsp", ".key"),
        ));
    }
    std::fs::write(site.path("estelam.toml"), config).unwrap();
    site
}

/// A scope of the table as the configuration has it.
fn scope(written: &str) -> String {
    let Some((crl, rest)) = written.split_once('/') else {
        return written.to_owned();
    };
    let (place, reasons) = rest.split_at(1);
    let point = &PKITS.1.crls[crl].points[place.parse::<usize>().expect("a number")];
    format!("directoryName:{point}{reasons}")
}

#[test]
fn nobody_speaks_for_another_issuer_unless_the_operator_says_so() {
    let speaks = |row: &Row| {
        CRL_ISSUERS.iter().any(|(of, _)| *of == row.issuer) && row.crl != "indirectCRLCA3CRL"
    };
    let rows: Vec<Row> = rows().filter(speaks).collect();
    assert_eq!(rows.len(), CRL_ISSUERS.len());
    let site = site(rows.iter().map(|row| row.issuer).collect(), false);
    let server = site.serve();
    for row in rows {
        import(&site, row, &[]).expect(5).says(&["crl_issuers"]);
        assert_eq!(
            answers_about(&server, row.issuer),
            [Answer::TRY_LATER],
            "{}",
            row.issuer
        );
    }
}

#[track_caller]
fn import(site: &Site, row: Row, options: &[&str]) -> Finished {
    let file = PKITS.1.crl_folder.join(format!("{}.crl", row.crl));
    let words = ["import", "crl", text(&file), "--issuer", row.issuer];
    let mut said = site.run(&[&words[..], options].concat());
    said.what = format!(
        "{} for {} ({}): {}",
        row.crl, row.issuer, row.clause, said.what
    );
    said
}

/// Asks about every certificate of PKITS, each of which has to get what the CRLs say; gives the signed
/// answers of each issuer.
fn ask_about_all(server: &Server) -> BTreeMap<&'static str, Vec<Case>> {
    let mut connection = server.connect();
    let mut cases: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for certificate in &PKITS.1.certificates {
        let due = due(certificate);
        for (hash, request) in Hash::BOTH.into_iter().zip(&certificate.requests) {
            let request = octets(request);
            let (_, path) = get_paths("/ocsp", &request).swap_remove(1);
            for reply in [connection.post("/ocsp", &request), connection.get(&path)] {
                assert_eq!(reply.status, 200, "{}", certificate.name);
                let answer = Answer::of(&reply.body);
                let Ok(status) = &due else {
                    assert_eq!(Err(answer), due, "{}", certificate.name);
                    continue;
                };
                assert_eq!(answer.single().status, *status, "{}", certificate.name);
                cases.entry(&certificate.issuer).or_default().push(Case {
                    certificate: Certificate {
                        serial: certificate.serial.clone(),
                        status: status.clone(),
                        invalidity_date: None,
                        pem: None,
                    },
                    hash,
                    request: request.clone(),
                    response: reply.body,
                });
            }
        }
    }
    cases
}

/// The status that a certificate has to get, or the answer without one.
fn due(certificate: &PkitsCertificate) -> Result<Status, Answer> {
    let issuer = &certificate.issuer[..];
    let is_negative = certificate.serial.as_str() >= "8";
    if !certificate.has_issuers_name || is_negative || !issuers_served().contains(issuer) {
        return Err(Answer::UNAUTHORIZED);
    }
    // What was added last counts.
    let imported = rows().filter(|row| row.issuer == issuer);
    let imported = imported.filter_map(|row| match row.verdict {
        Verdict::Imported(revoked) | Verdict::Added(revoked) => Some(revoked),
        _ => None,
    });
    let imported = imported.last();
    let parts = rows().filter(|row| row.issuer == issuer);
    let parts: Vec<&[Revoked]> = parts
        .filter_map(|row| match row.verdict {
            Verdict::Part(revoked) => Some(revoked),
            _ => None,
        })
        .collect();
    // Without evidence nothing is said of any certificate.
    let revoked = match (imported, &parts[..]) {
        (Some(revoked), []) => revoked.to_vec(),
        (None, [_, ..]) => parts.concat(),
        _ => return Err(Answer::TRY_LATER),
    };
    let listed = revoked.iter().find(|entry| entry.0 == certificate.serial);
    Ok(
        listed.map_or(Status::Good, |(_, time, reason)| Status::Revoked {
            time: (*time).to_owned(),
            reason: Some(*reason),
        }),
    )
}

/// The CRL that an issuer's answers stand on: of several that are parts, the oldest.
fn crl_of(issuer: &str) -> &'static str {
    let rows: Vec<Row> = rows().filter(|row| row.issuer == issuer).collect();
    let parts = rows.iter();
    let parts = parts.filter(|row| matches!(row.verdict, Verdict::Part(_)));
    if let Some(oldest) = parts.min_by_key(|row| &PKITS.1.crls[row.crl].this_update) {
        return oldest.crl;
    }
    let taken = |row: &&Row| matches!(row.verdict, Verdict::Imported(_) | Verdict::Added(_));
    rows.iter().rfind(taken).expect("it is in the table").crl
}

fn certificates_of(issuer: &str) -> impl Iterator<Item = &'static PkitsCertificate> {
    let all = PKITS.1.certificates.iter();
    all.filter(move |it| it.issuer == issuer && it.has_issuers_name)
}

/// The different answers to all questions about an issuer's certificates.
fn answers_about(server: &Server, issuer: &str) -> Vec<Answer> {
    let requests = certificates_of(issuer).flat_map(|certificate| &certificate.requests);
    let mut answers: Vec<Answer> = requests
        .map(|request| Answer::of(&post(server, request)))
        .collect();
    answers.dedup();
    answers
}

fn post(server: &Server, request: &str) -> Vec<u8> {
    let reply = server.connect().post("/ocsp", &octets(request));
    assert_eq!(reply.status, 200);
    reply.body
}

fn octets(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// OpenSSL verifies the response under the issuer's certificate alone.
#[track_caller]
fn judge_with_openssl(issuer: &Path, case: &Case) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::io::Write::write_all(&mut file, &case.response).expect("it can be written");
    let mut command = tool("openssl");
    command.args([
        "ocsp",
        "-respin",
        text(file.path()),
        "-issuer",
        text(issuer),
    ]);
    command.args([
        case.hash.option(),
        "-serial",
        &format!("0x{}", case.certificate.serial),
    ]);
    command.args(["-no_nonce", "-partial_chain", "-CAfile", text(issuer)]);
    command.args(["-no-CApath", "-no-CAstore"]);
    let status = match case.certificate.status {
        Status::Good => ": good",
        Status::Unknown => ": unknown",
        Status::Revoked { .. } => ": revoked",
    };
    run(&mut command)
        .expect(0)
        .says(&["Response verify OK", status]);
}
