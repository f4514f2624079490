//! Five hundred issuers in one server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::common::ask::{get_paths, integer, request_of_cert_ids};
use crate::common::der::tlv;
use crate::common::judge::{Case, judge_all_with_python};
use crate::common::tools::{python, run_with_input, text};
use crate::common::{Answer, Certificate, Hash, OpensslCa, Plan, Server, Site, Status};

const ISSUERS: usize = 500;

#[test]
fn five_hundred_issuers_start_soon_and_each_answers_for_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = python();
    command.args(["-c", include_str!("many_issuers.py")]);
    let told = run_with_input(&mut command, &format!("{} {ISSUERS}", text(folder.path())));
    let starts: Vec<[String; 2]> = serde_json::from_str(&told.expect(0).stdout).unwrap();

    let file = |number: usize, end: &str| folder.path().join(format!("CA{number}{end}"));
    let site = site(&file, &folder.path().join("ocsp.key"));
    let server = site.serve();
    let took = server.cpu_time();
    // Alone on the machine it takes a quarter of a second.
    assert!(
        took < Duration::from_secs(1),
        "the start took {took:?} of CPU"
    );

    // Nothing is issued yet, which each says with its own delegate.
    let all: Vec<usize> = (0..ISSUERS).collect();
    let mut answers = ask(&server, &starts, &all, "0A", &|_| Status::Unknown);
    // The same serial in some of them, which the others do not see.
    let some: Vec<usize> = (0..ISSUERS).step_by(41).collect();
    let listed = |number: &usize| some.contains(number);
    for number in &some {
        let revoked = number.is_multiple_of(2);
        let line = if revoked {
            "R\t361119031722Z\t260105120000Z,superseded\t0A\tunknown\t/CN=x\n"
        } else {
            "V\t361119031722Z\t\t0A\tunknown\t/CN=x\n"
        };
        let given = site.path("given.txt");
        std::fs::write(&given, line).unwrap();
        let name = format!("CA {number}");
        site.run(&["import", "index", text(&given), "--issuer", &name])
            .expect(0);
    }
    site.settle();
    answers.extend(ask(&server, &starts, &all, "0A", &|number| match (
        listed(&number),
        number.is_multiple_of(2),
    ) {
        (false, _) => Status::Unknown,
        (true, false) => Status::Good,
        (true, true) => Status::Revoked {
            time: "20260105120000Z".to_owned(),
            reason: Some(4),
        },
    }));
    let judged: Vec<(PathBuf, PathBuf, &[Case])> = answers
        .iter()
        .map(|(number, cases)| {
            (
                file(*number, ".pem"),
                file(*number, ".ocsp.pem"),
                &cases[..],
            )
        })
        .collect();
    judge_all_with_python(&judged, 0);
    server.terminate().expect(0);
}

fn site(file: &dyn Fn(usize, &str) -> PathBuf, key: &Path) -> Site {
    let site = Site::new(&Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    })));
    let issuers = (0..ISSUERS).map(|number| {
        let (certificate, signer) = (file(number, ".pem"), file(number, ".ocsp.pem"));
        format!(
            "[[issuer]]\nname = \"CA {number}\"\nnot_issued = \"unknown\"\n\
             certificate = {certificate:?}\n[[issuer.signer]]\ncertificate = {signer:?}\n\
             key = {key:?}\n"
        )
    });
    let listen = "[[listen]]\naddress = \"127.0.0.1:0\"\n".to_owned();
    let config: String = std::iter::once(listen).chain(issuers).collect();
    std::fs::write(site.path("estelam.toml"), config).unwrap();
    site
}

/// Asks each issuer about its certificate with this serial, by POST and GET in turns.
fn ask(
    server: &Server,
    starts: &[[String; 2]],
    issuers: &[usize],
    serial: &str,
    due: &dyn Fn(usize) -> Status,
) -> Vec<(usize, Vec<Case>)> {
    let mut connection = server.connect();
    let mut ask_one = |number: usize| {
        let mut cases = Vec::new();
        for (hash, start) in Hash::BOTH.into_iter().zip(&starts[number]) {
            let cert_id = [octets(start), tlv(0x02, &integer(serial))].concat();
            let request = request_of_cert_ids(&[tlv(0x30, &cert_id)]);
            let reply = if number.is_multiple_of(2) {
                connection.post("/ocsp", &request)
            } else {
                connection.get(&get_paths("/ocsp", &request).swap_remove(1).1)
            };
            assert_eq!(reply.status, 200);
            let status = due(number);
            assert_eq!(
                Answer::of(&reply.body).single().status,
                status,
                "CA {number}"
            );
            let certificate = Certificate {
                serial: serial.to_owned(),
                status,
                invalidity_date: None,
                pem: None,
            };
            cases.push(Case {
                certificate,
                hash,
                request,
                response: reply.body,
            });
        }
        (number, cases)
    };
    issuers.iter().map(|number| ask_one(*number)).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}
