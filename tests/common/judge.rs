//! Other people's clients judge answers. Each knows the expected status and says what it found.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::answer::Status;
use super::ask::Hash;
use super::ca::{Certificate, OpensslCa};
use super::tools::{python, run, run_with_input, text, tool};

/// A question, the answer it got, and the one it should have got.
#[derive(Clone, Debug)]
pub struct Case {
    pub certificate: Certificate,
    pub hash: Hash,
    /// DER OCSPRequest.
    pub request: Vec<u8>,
    /// DER OCSPResponse.
    pub response: Vec<u8>,
}

impl Case {
    fn name(&self) -> String {
        format!("{} {:?}", self.certificate.serial, self.hash)
    }
}

/// OpenSSL verifies the response, finds the certificate in it and reads its status.
#[track_caller]
pub fn judge_with_openssl(ca: &OpensslCa, case: &Case) {
    let issuer = ca.path("ca.pem");
    judge_below_with_openssl(&issuer, &issuer, case);
}

/// The same for an issuer below a root.
#[track_caller]
pub fn judge_below_with_openssl(root: &Path, issuer: &Path, case: &Case) {
    let Case {
        certificate,
        hash,
        response,
        ..
    } = case;
    let file = file_of(response);
    let mut command = tool("openssl");
    command.args(["ocsp", "-respin", text(file.path())]);
    command.args(["-issuer", text(issuer)]);
    command.args([
        hash.option(),
        "-serial",
        &format!("0x{}", certificate.serial),
        "-no_nonce",
    ]);
    command.args(["-CAfile", text(root), "-no-CApath", "-no-CAstore"]);
    let said = run(&mut command).expect(0).says(&["Response verify OK"]);
    assert_eq!(
        status_by_openssl(&said.stdout),
        as_openssl_knows(&certificate.status),
        "{}: {said}",
        case.name()
    );
}

/// OpenSSL verifies a response that tells of several certificates, all with SHA-256, and reads each
/// status.
#[track_caller]
pub fn judge_several_with_openssl(ca: &OpensslCa, response: &[u8], certificates: &[Certificate]) {
    let file = file_of(response);
    let issuer = ca.path("ca.pem");
    let mut command = tool("openssl");
    command.args(["ocsp", "-respin", text(file.path()), "-no_nonce"]);
    command.args(["-CAfile", text(&issuer), "-no-CApath", "-no-CAstore"]);
    command.args(["-issuer", text(&issuer), Hash::Sha256.option()]);
    for certificate in certificates {
        command.args(["-serial", &format!("0x{}", certificate.serial)]);
    }
    let said = run(&mut command).expect(0).says(&["Response verify OK"]);
    for certificate in certificates {
        let line = format!("0x{}: ", certificate.serial);
        let (_, from_here) = said.stdout.split_once(&line).expect("it is told of");
        let status = status_by_openssl(&format!("{line}{from_here}"));
        assert_eq!(status, as_openssl_knows(&certificate.status), "{said}");
    }
}

/// OpenSSL asks the server itself; gives the certificate's status, or the words it gave up with.
pub fn ask_with_openssl(
    ca: &OpensslCa,
    url: &str,
    hash: Hash,
    serial: &str,
) -> Result<Status, String> {
    let mut command = tool("openssl");
    command.args([
        "ocsp",
        "-url",
        url,
        "-issuer",
        text(&ca.path("ca.pem")),
        hash.option(),
    ]);
    command.args(["-serial", &format!("0x{serial}"), "-no_nonce"]);
    command.args([
        "-CAfile",
        text(&ca.path("ca.pem")),
        "-no-CApath",
        "-no-CAstore",
    ]);
    let said = run(&mut command);
    if said.stderr.contains("Response verify OK") && said.code == 0 {
        Ok(status_by_openssl(&said.stdout))
    } else {
        Err(format!("{}{}", said.stdout, said.stderr))
    }
}

/// Reads what `openssl ocsp` prints of one certificate.
#[track_caller]
pub fn status_by_openssl(said: &str) -> Status {
    let block = || {
        said.lines().take(1).chain(
            said.lines()
                .skip(1)
                .take_while(|line| !line.starts_with("0x")),
        )
    };
    let value = |name: &str| block().find_map(|line| line.trim().strip_prefix(name));
    let status = said
        .lines()
        .next()
        .and_then(|line| line.split_once(": "))
        .map(|found| found.1);
    match status {
        Some("good") => Status::Good,
        Some("unknown") => Status::Unknown,
        Some("revoked") => Status::Revoked {
            time: generalized(value("Revocation Time: ").expect("a revocation time")),
            reason: value("Reason: ").map(|name| {
                let place = REASONS.iter().position(|known| *known == name);
                place.map_or(UNKNOWN_REASON, |place| place as u8)
            }),
        },
        _ => panic!("OpenSSL says no status: {said}"),
    }
}

/// `Nov 22 03:17:47 2026 GMT` as `20261122031747Z`.
fn generalized(time: &str) -> String {
    let [month, day, clock, year, "GMT"] = time.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{time}")
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months
        .iter()
        .position(|known| *known == month)
        .expect("a month")
        + 1;
    format!("{year}{month:02}{day:0>2}{}Z", clock.replace(':', ""))
}

/// A status as `openssl ocsp` can tell it: the last two reasons have no name in version 3.0.
fn as_openssl_knows(status: &Status) -> Status {
    match status {
        Status::Revoked {
            time,
            reason: Some(9 | 10),
        } => Status::Revoked {
            time: time.clone(),
            reason: Some(UNKNOWN_REASON),
        },
        other => other.clone(),
    }
}

const UNKNOWN_REASON: u8 = 255;

const REASONS: [&str; 7] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
];

/// GnuTLS verifies the response and reads its status.
#[track_caller]
pub fn judge_with_gnutls(ca: &OpensslCa, case: &Case) {
    judge_delegate_with_gnutls(&ca.path("ca.pem"), case);
}

/// The same for any issuer whose delegate signed.
#[track_caller]
pub fn judge_delegate_with_gnutls(issuer: &Path, case: &Case) {
    gnutls(issuer, case, "--load-trust");
}

/// The same for answers that the CA signs itself: among the trusted GnuTLS 3.7 finds a signer without
/// a certificate in the response by its name alone, so it has to be told.
#[track_caller]
pub fn judge_ca_signed_with_gnutls(ca: &OpensslCa, case: &Case) {
    gnutls(&ca.path("ca.pem"), case, "--load-signer");
}

#[track_caller]
fn gnutls(issuer: &Path, case: &Case, issuer_as: &str) {
    let file = file_of(&case.response);
    let mut command = tool("ocsptool");
    command.args(["--verify-response", "--load-response", text(file.path())]);
    command.args([issuer_as, text(issuer)]);
    let said = run(&mut command)
        .expect(0)
        .says(&["Verifying OCSP Response: Success"]);
    let status = match case.certificate.status {
        Status::Good => "good",
        Status::Unknown => "unknown",
        Status::Revoked { .. } => "revoked",
    };
    said.says(&[&format!("Certificate Status: {status}")]);
}

/// Python `cryptography` checks everything a strict client would, and pkilint lints every
/// `lint_every`th response (none for 0). `signer` is a file of the CA.
#[track_caller]
pub fn judge_with_python(ca: &OpensslCa, signer: &str, cases: &[Case], lint_every: usize) {
    judge_files_with_python(&ca.path("ca.pem"), &ca.path(signer), cases, lint_every);
}

/// The same for any issuer and signer.
#[track_caller]
pub fn judge_files_with_python(issuer: &Path, signer: &Path, cases: &[Case], lint_every: usize) {
    let one = (issuer.to_owned(), signer.to_owned(), cases);
    judge_all_with_python(&[one], lint_every);
}

/// The same for answers that name their signer by its name.
#[track_caller]
pub fn judge_by_name_with_python(ca: &OpensslCa, signer: &str, cases: &[Case], lint_every: usize) {
    let (issuer, signer) = (ca.path("ca.pem"), ca.path(signer));
    let mut task = task(&issuer, &signer, cases, lint_every);
    task["by_name"] = true.into();
    ask_python(&[task]);
}

/// The same for answers that a plain RSA key signs with RSASSA-PSS.
#[track_caller]
pub fn judge_pss_with_python(ca: &OpensslCa, signer: &str, cases: &[Case], lint_every: usize) {
    let (issuer, signer) = (ca.path("ca.pem"), ca.path(signer));
    let mut task = task(&issuer, &signer, cases, lint_every);
    task["pss"] = true.into();
    ask_python(&[task]);
}

/// The same for several issuers: each with its certificate, its signer's, and cases.
#[track_caller]
pub fn judge_all_with_python(all: &[(PathBuf, PathBuf, &[Case])], lint_every: usize) {
    let tasks: Vec<_> = all
        .iter()
        .map(|(issuer, signer, cases)| task(issuer, signer, cases, lint_every))
        .collect();
    ask_python(&tasks);
}

fn task(issuer: &Path, signer: &Path, cases: &[Case], lint_every: usize) -> serde_json::Value {
    let told: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            json!({
                "name": case.name(),
                "request": hex(&case.request),
                "response": hex(&case.response),
                "lint": lint_every > 0 && number.is_multiple_of(lint_every),
                "expected": expected(&case.certificate),
            })
        })
        .collect();
    json!({ "issuer": issuer, "signer": signer, "by_name": false, "cases": told })
}

/// The same about an answer that tells of several certificates.
#[track_caller]
pub fn judge_several_with_python(
    ca: &OpensslCa,
    signer: &str,
    response: &[u8],
    certificates: &[Certificate],
) {
    let several: Vec<_> = certificates.iter().map(expected).collect();
    let case = json!({
        "name": "several",
        "response": hex(response),
        "lint": true,
        "expected": { "several": several },
    });
    let (issuer, signer) = (ca.path("ca.pem"), ca.path(signer));
    let task = json!({ "issuer": issuer, "signer": signer, "by_name": false, "cases": [case] });
    ask_python(&[task]);
}

fn expected(certificate: &Certificate) -> serde_json::Value {
    let (status, time, reason) = match &certificate.status {
        Status::Good => ("good", None, None),
        Status::Unknown => ("unknown", None, None),
        Status::Revoked { time, reason } => ("revoked", Some(time), *reason),
    };
    json!({
        "serial": certificate.serial, "status": status, "time": time, "reason": reason,
        "invalidity_date": certificate.invalidity_date,
    })
}

#[track_caller]
fn ask_python(tasks: &[serde_json::Value]) {
    let mut command = python();
    command.args(["-c", include_str!("judge.py")]);
    let judged = run_with_input(&mut command, &json!(tasks).to_string());
    assert_eq!(judged.code, 0, "the judge itself failed: {}", judged.stderr);
    let problems: Vec<String> = serde_json::from_str(&judged.stdout).expect("a list");
    assert!(
        problems.is_empty(),
        "{} problems: {:#?}",
        problems.len(),
        &problems
    );
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn file_of(octets: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(octets)
        .expect("a temporary file can be written");
    file
}
