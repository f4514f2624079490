//! kill -9 while a certificate is issued: a serial number that reached a file has a status.

use super::*;
use crate::common::Random;

/// Where the command records, writes, syncs and names, and up to which call it is killed.
const ALONE: [(&str, usize); 12] = [
    ("fdatasync", 4),
    ("fdatasync", 8),
    ("fsync", 4),
    ("write", 20),
    ("write", 60),
    ("pwrite64", 4),
    ("rename", 2),
    ("renameat2", 1),
    ("openat", 80),
    ("close", 60),
    ("munmap", 20),
    ("exit_group", 1),
];

const THROUGH_THE_SERVER: [(&str, usize); 8] = [
    ("fdatasync", 2),
    ("fdatasync", 3),
    ("write", 6),
    ("pwrite64", 4),
    ("writev", 3),
    ("recvfrom", 6),
    ("futex", 12),
    ("accept4", 3),
];

#[test]
fn killed_between_system_calls_of_issuing_alone() {
    let office = Office::with_root();
    office.request("person", EC_P256, &[]);
    let mut random = Random(1);
    let mut killed = 0;
    for (number, (call, most)) in ALONE.into_iter().enumerate() {
        let when = 1 + random.below(most);
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let files = ["person.csr".to_owned(), format!("{number}.pem")];
        let words = Office::issue_words("root", &files, "person");
        let options = ["-e", &trace, "-e", &inject];
        let said = run(&mut office.site.command_under_strace(&options, &words));
        match said.code {
            0 => assert!(office.path(&files[1]).exists()),
            137 => killed += 1,
            _ => panic!("{call} {when}: {said}"),
        }
    }
    assert!(3 * killed >= ALONE.len(), "only {killed} were killed");
    let last = ALONE.len();
    let files = ["person.csr".to_owned(), format!("{last}.pem")];
    office
        .run(&Office::issue_words("root", &files, "person"))
        .expect(0);
    all_files_are_good(&office, last + 1);
}

#[test]
fn killed_between_system_calls_of_the_server_that_records() {
    let office = Office::with_root();
    office.request("person", EC_P256, &[]);
    let mut random = Random(2);
    for (number, (call, most)) in THROUGH_THE_SERVER.into_iter().enumerate() {
        let mut server = office.site.serve();
        let when = 1 + random.below(most);
        let tracer = server.inject(call, &format!("signal=KILL:when={when}"), None);
        let files = ["person.csr".to_owned(), format!("{number}.pem")];
        let said = office.run(&Office::issue_words("root", &files, "person"));
        assert_eq!(said.code == 0, office.path(&files[1]).exists(), "{said}");
        if server.has_ended() {
            server.wait();
        } else {
            server.kill();
        }
        drop(tracer);
    }
    // After all that, it issues as before.
    let last = THROUGH_THE_SERVER.len();
    let files = ["person.csr".to_owned(), format!("{last}.pem")];
    office
        .run(&Office::issue_words("root", &files, "person"))
        .expect(0);
    all_files_are_good(&office, last + 1);
}

/// Whatever was killed: each certificate in a file is whole, and good in OCSP.
fn all_files_are_good(office: &Office, most: usize) {
    let server = office.site.serve();
    let mut found = 0;
    for number in 0..most {
        let file = format!("{number}.pem");
        if office.path(&file).exists() {
            found += 1;
            office.good_by_openssl(&server, "root/ca.pem", &file);
        }
    }
    assert!(found > 0, "no certificate was finished");
    server.terminate().expect(0);
}
