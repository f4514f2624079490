//! The odd CRLs and OCSP requests with which `cryptography` tests its readers, each with the verdict that
//! its clause asks for.
//!
//! Nobody has the keys of their issuers. So each CRL is offered twice to an issuer of the very same name:
//! as it is, when its signature is wrong at the latest, and signed anew with current dates, when only
//! what is odd is left. The requests are likewise sent as they are and with our issuer's hashes in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::common::ask::get_paths;
use crate::common::der::children;
use crate::common::tools::{Finished, python, run, run_with_input, text, tool};
use crate::common::{Answer, Hash, OpensslCa, Plan, Server, Site, Status};

/// What comes of a CRL that is signed anew.
enum Verdict {
    /// It is taken: how many entries it has, then serials that are revoked and ones that are not.
    Imported(usize, &'static [&'static str], &'static [&'static str]),
    /// It is refused with these words.
    Refused(&'static [&'static str]),
}

use Verdict::{Imported, Refused};

/// A CRL, what comes of it, and the clause that asks for it.
const CRLS: &[(&str, Verdict, &str)] = &[
    (
        "crl_all_reasons",
        Refused(&["indirect", "entry 2"]),
        "RFC 5280 §5.3.3: certificateIssuer has no place in a direct CRL",
    ),
    (
        "crl_almost_10k",
        Imported(9_999, &["01", "1388", "270F"], &["2710"]),
        "RFC 5280 §5.1.2.6",
    ),
    (
        "crl_bad_version",
        Refused(&["version"]),
        "RFC 5280 §5.1.2.1",
    ),
    (
        "crl_delta_crl_indicator",
        Refused(&["delta"]),
        "RFC 5280 §5.2.4",
    ),
    (
        "crl_dup_entry_ext",
        Refused(&["entry 1"]),
        "RFC 5280 §4.2, §5.3: an extension twice",
    ),
    ("crl_empty", Refused(&["sha1"]), "Mozilla §5.1.3: SHA-1"),
    (
        "crl_empty_no_sequence",
        Imported(0, &[], &["01"]),
        "RFC 5280 §5.1.2.6: no revokedCertificates where there are none; §5.2 is for CAs, not readers",
    ),
    (
        "crl_ian_aia_aki",
        Imported(0, &[], &["01"]),
        "RFC 5280 §5.2: not critical, so it may be ignored",
    ),
    (
        "crl_idp_fullname_indirect_crl",
        Refused(&["indirect"]),
        SCOPE,
    ),
    (
        "crl_idp_fullname_only",
        Refused(&["distribution point"]),
        SCOPE,
    ),
    (
        "crl_idp_fullname_only_aa",
        Refused(&["attribute certificates alone"]),
        SCOPE,
    ),
    (
        "crl_idp_fullname_only_user",
        Refused(&["partitioned", "the end-entity certificates of"]),
        SCOPE,
    ),
    (
        "crl_idp_only_ca",
        Refused(&["partitioned", "the CA certificates of"]),
        SCOPE,
    ),
    ("crl_idp_reasons_only", Refused(&["onlySomeReasons"]), SCOPE),
    (
        "crl_idp_relative_user_all_reasons",
        Refused(&["partitioned", "directoryName:"]),
        SCOPE,
    ),
    (
        "crl_idp_relativename_only",
        Refused(&["distribution point"]),
        SCOPE,
    ),
    (
        "crl_inner_outer_mismatch",
        Refused(&["sha1"]),
        "Mozilla §5.1.3: what is signed says SHA-1, whatever stands outside",
    ),
    (
        "crl_inval_cert_issuer_entry_ext",
        Refused(&["entry 1"]),
        "RFC 5280 §5.3.3; the serial number 0: §4.1.2.2",
    ),
    (
        "crl_inval_date_fractional_seconds",
        Refused(&[]),
        "RFC 5280 §5.1.2.1: extensions need v2; §5.1.2.3: an issuer without a name; §5.1.2.5; §5.3.2",
    ),
    (
        "crl_invalid_time",
        Refused(&["thisUpdate"]),
        "RFC 5280 §5.1.2.4",
    ),
    (
        "crl_issuer_invalid_printable_string",
        Imported(1, &["1C80022EF81F2405EE96A612DCB61FE0AC701E5E"], &["01"]),
        "BR §7.2: names are compared as octets, so what they hold is not ours to judge",
    ),
    (
        "crl_md2_unknown_crit_entry_ext",
        Refused(&["signed with"]),
        "RFC 5280 §5.1.1.2: an algorithm that is not supported",
    ),
    (
        "crl_no_next_update",
        Refused(&["sha1"]),
        "Mozilla §5.1.3: SHA-1",
    ),
    (
        "crl_unrecognized_extension",
        Imported(0, &[], &["01"]),
        "RFC 5280 §5.2: not critical, so it may be ignored",
    ),
    (
        "crl_unsupported_reason",
        Refused(&["entry 1"]),
        "RFC 5280 §5.3.1: no such reason; the serial number 0: §4.1.2.2",
    ),
];

const SCOPE: &str = "RFC 5280 §5.2.5, §6.3.3 (b)(2)";

/// What comes of those with another algorithm when they have SHA-256 inside.
const WITH_SHA256: &[(&str, Verdict, &str)] = &[
    ("crl_empty", Imported(0, &[], &["01"]), "RFC 5280 §5.1.2.6"),
    (
        "crl_inner_outer_mismatch",
        Refused(&["signatureAlgorithm"]),
        "RFC 5280 §5.1.1.2",
    ),
    (
        "crl_md2_unknown_crit_entry_ext",
        Refused(&["entry 1"]),
        "RFC 5280 §5.3: critical and not understood",
    ),
    (
        "crl_no_next_update",
        Refused(&["nextUpdate"]),
        "RFC 5280 §5.1.2.5",
    ),
];

/// Of the one issuer whose certificate is there too.
const WITH_THEIR_ISSUER: &[(&str, &str, &str)] = &[
    (
        "valid_signature",
        "nextUpdate",
        "RFC 5280 §6.3.3 (a): past nextUpdate",
    ),
    ("invalid_signature", "signature", "RFC 5280 §6.3.3 (g)"),
];
const THEIR_ISSUER: &str = "valid_signature";

#[derive(Deserialize)]
struct Vectors {
    crls: BTreeSet<String>,
    requests: PathBuf,
}

fn prepare(folder: &tempfile::TempDir) -> Vectors {
    let mut command = python();
    command.args(["-c", include_str!("prepare.py")]);
    let told = run_with_input(&mut command, text(folder.path())).expect(0);
    serde_json::from_str(&told.stdout).expect("what prepare.py writes")
}

#[test]
fn every_odd_crl_gets_the_verdict_of_its_clause() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = prepare(&folder);
    let in_table: BTreeSet<String> = CRLS.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(in_table, vectors.crls);

    let file = |name: &str, end: &str| folder.path().join(format!("{name}{end}"));
    let site = site(|config| {
        for (name, ..) in CRLS {
            config.push_str(&issuer(
                name,
                &file(name, ".pem"),
                &file(name, ".ocsp.pem"),
                &file("ocsp", ".key"),
            ));
        }
        // Nobody has the key: it is looked for, and not missed before something is to be signed.
        let certificate = file(THEIR_ISSUER, ".pem");
        let key = file(THEIR_ISSUER, ".key");
        config.push_str(&issuer(THEIR_ISSUER, &certificate, &certificate, &key));
    });
    let server = site.serve();
    let import_for = |issuer: &str, name: &str, end: &str, clause: &str| {
        let file = file(name, end);
        let mut said = site.run(&["import", "crl", text(&file), "--issuer", issuer]);
        said.what = format!("{name}{end} ({clause}): {}", said.what);
        said
    };
    let import = |name: &str, end: &str, clause: &str| import_for(name, name, end, clause);
    for (name, words, clause) in WITH_THEIR_ISSUER {
        import_for(THEIR_ISSUER, name, ".crl", clause)
            .expect(5)
            .says(&[words]);
    }
    for (name, verdict, clause) in CRLS {
        let as_it_is = import(name, ".crl", clause).expect(5);
        let again = import(name, ".again.crl", clause);
        match verdict {
            Imported(..) => drop(as_it_is.says(&["signature"])),
            Refused(words) => drop(again.says(words).expect(5)),
        }
    }
    let all = CRLS.iter().map(|row| (row, ".again.crl"));
    for ((name, verdict, clause), end) in
        all.chain(WITH_SHA256.iter().map(|row| (row, ".sha256.crl")))
    {
        let said = import(name, end, clause);
        match verdict {
            Imported(entries, revoked, good) => {
                said.expect(0);
                let again = file(name, end);
                let words = ["import", "crl", text(&again), "--issuer", name, "--json"];
                let report = site.run(&words).expect(0).json();
                assert_eq!(report["unchanged"], *entries, "{report}");
                let statuses = revoked.iter().map(|serial| (serial, "revoked"));
                for (serial, status) in statuses.chain(good.iter().map(|serial| (serial, "good"))) {
                    let said = ask_openssl(&server, &file(name, ".pem"), serial);
                    let line = format!("0x{serial}: {status}");
                    said.says(&["Response verify OK", &line]);
                }
            }
            Refused(words) => drop(said.expect(5).says(words)),
        }
    }
}

/// OpenSSL asks and verifies the answer itself.
fn ask_openssl(server: &Server, issuer: &Path, serial: &str) -> Finished {
    let mut command = tool("openssl");
    command.args([
        "ocsp",
        "-url",
        &server.url(),
        "-issuer",
        text(issuer),
        "-sha256",
    ]);
    command.args(["-serial", &format!("0x{serial}"), "-no_nonce"]);
    command.args(["-CAfile", text(issuer), "-no-CApath", "-no-CAstore"]);
    run(&mut command).expect(0)
}

/// A request, the answer to it as it is, the status with our issuer's hashes in it, and the clause.
const REQUESTS: &[(&str, Answer, Result<usize, Answer>, &str)] = &[
    (
        "ocsp-army.inapplicable-req.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        NOT_SERVED,
    ),
    (
        "ocsp-army.revoked-req.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        NOT_SERVED,
    ),
    (
        "ocsp-army.valid-req.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        NOT_SERVED,
    ),
    (
        "req-acceptable-responses.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        "RFC 6960 §4.4.3: basic is among them",
    ),
    (
        "req-duplicate-ext.der",
        Answer::MALFORMED_REQUEST,
        Err(Answer::MALFORMED_REQUEST),
        "RFC 5280 §4.2: an extension twice",
    ),
    (
        "req-ext-nonce.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        "RFC 9919 §3.2.1: answered without it",
    ),
    (
        "req-ext-unknown-oid.der",
        Answer::UNAUTHORIZED,
        Ok(1),
        "RFC 6960 §4.4: not critical, so it is ignored",
    ),
    (
        "req-invalid-hash-alg.der",
        Answer::UNAUTHORIZED,
        Err(Answer::UNAUTHORIZED),
        "RFC 9919 §3.2.3: no issuer can be found under a hash that is not known",
    ),
    (
        "req-invalid-version.der",
        Answer::MALFORMED_REQUEST,
        Err(Answer::MALFORMED_REQUEST),
        "RFC 6960 §4.1.1: there is v1",
    ),
    (
        "req-multi-sha1.der",
        Answer::UNAUTHORIZED,
        Err(Answer::UNAUTHORIZED),
        TOO_LONG,
    ),
    (
        "req-sha1.der",
        Answer::UNAUTHORIZED,
        Err(Answer::UNAUTHORIZED),
        TOO_LONG,
    ),
];

const TOO_LONG: &str = "RFC 9919 §3.2.3; with a serial number of 21 octets, which RFC 5280 §4.1.2.2 rules out, not issued";
const NOT_SERVED: &str = "RFC 9919 §3.2.3: another's issuer";

#[test]
fn every_odd_request_gets_the_verdict_of_its_clause() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = prepare(&folder);
    let files = std::fs::read_dir(&vectors.requests).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let in_folder: BTreeSet<String> = names.filter(|name| name.contains("req")).collect();
    let in_table: BTreeSet<String> = REQUESTS.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(in_folder, in_table);

    let site = site(|_| {});
    let requests = || {
        REQUESTS.iter().map(|(name, as_it_is, ours, clause)| {
            let request = std::fs::read(vectors.requests.join(name)).unwrap();
            let readdressed = readdressed(&request, &site.ca);
            (
                format!("{name} ({clause})"),
                request,
                as_it_is,
                readdressed,
                ours,
            )
        })
    };
    let lines: BTreeSet<String> = requests()
        .flat_map(|(_, request, ..)| serials(&request))
        .filter(|serial| serial.len() < 40 || serial.as_str() < "8")
        .map(|serial| format!("V\t361119031722Z\t\t{serial}\tunknown\t/CN=x\n"))
        .collect();
    let index = site.path("given.txt");
    std::fs::write(&index, lines.into_iter().collect::<String>()).unwrap();
    site.run(&["import", "index", text(&index)]).expect(0);
    let server = site.serve();
    let mut connection = server.connect();
    let mut ask = |request: &[u8]| {
        let (_, path) = get_paths("/ocsp", request).swap_remove(1);
        let posted = connection.post("/ocsp", request);
        let got = connection.get(&path);
        assert_eq!((posted.status, got.status), (200, 200));
        assert_eq!(kind(&posted.body), kind(&got.body));
        Answer::of(&posted.body)
    };
    for (what, request, as_it_is, readdressed, ours) in requests() {
        assert_eq!(ask(&request), *as_it_is, "{what}");
        match (ask(&readdressed), ours) {
            (Answer::Basic { singles, .. }, Ok(count)) => {
                assert_eq!(singles.len(), *count, "{what}");
                assert!(
                    singles.iter().all(|single| single.status == Status::Good),
                    "{what}"
                );
                let told: Vec<String> = singles.iter().map(|single| single.serial()).collect();
                assert_eq!(told, serials(&request), "{what}");
            }
            (answer, Err(due)) => assert_eq!(answer, *due, "{what}"),
            (answer, due) => panic!("{what}: {answer:?}, not {due:?}"),
        }
    }
}

/// How many answers there are, or the error.
fn kind(response: &[u8]) -> Result<usize, Answer> {
    match Answer::of(response) {
        Answer::Basic { singles, .. } => Ok(singles.len()),
        error => Err(error),
    }
}

/// The same request with the hashes of our issuer wherever there are SHA-1 ones.
fn readdressed(request: &[u8], ca: &OpensslCa) -> Vec<u8> {
    let ours = children(ca.cert_id_start(Hash::Sha1));
    let ours = [ours[1].whole, ours[2].whole].concat();
    let mut request = request.to_vec();
    for cert_id in cert_ids(&request.clone()) {
        let parts = children(&cert_id);
        let theirs = [parts[1].whole, parts[2].whole].concat();
        let Some(at) = request.windows(theirs.len()).position(|it| it == theirs) else {
            panic!("they were read there")
        };
        if theirs.len() == ours.len() {
            request.splice(at..at + theirs.len(), ours.iter().copied());
        }
    }
    request
}

/// The serials asked about, as `index.txt` writes them.
fn serials(request: &[u8]) -> Vec<String> {
    let serial = |cert_id: &Vec<u8>| {
        let octets = children(cert_id)[3].content;
        let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    };
    cert_ids(request).iter().map(serial).collect()
}

/// The content of each CertID.
fn cert_ids(request: &[u8]) -> Vec<Vec<u8>> {
    let tbs = children(children(request)[0].content)[0].content;
    let list = children(tbs).into_iter().find(|field| field.tag == 0x30);
    let requests = children(list.expect("requestList").content);
    requests
        .iter()
        .map(|request| children(request.content)[0].content.to_vec())
        .collect()
}

/// An installation with an issuer of our own and those that `more` adds.
fn site(more: impl FnOnce(&mut String)) -> Site {
    let site = Site::new(&Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    })));
    let path = site.path("estelam.toml");
    let mut config = std::fs::read_to_string(&path).unwrap();
    more(&mut config);
    std::fs::write(path, config).unwrap();
    site
}

fn issuer(name: &str, certificate: &Path, signer: &Path, key: &Path) -> String {
    format!(
        "[[issuer]]\nname = {name:?}\nevidence = \"feed\"\nnot_issued = \"good\"\n\
         certificate = {certificate:?}\n[[issuer.signer]]\ncertificate = {signer:?}\nkey = {key:?}\n"
    )
}
