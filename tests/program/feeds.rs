//! Feeds that are watched while the server runs: `openssl ca` writes, OpenSSL asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::clock::{generalized_time, now};
use crate::common::judge::ask_with_openssl;
use crate::common::tools::{read_text, text};
use crate::common::{Answer, Hash, KeyType, OpensslCa, Plan, Server, Settings, Site, Status};

const HOUR: u64 = 3_600;
const PATIENCE: Duration = Duration::from_secs(60);
/// An index is looked at every second, a folder every five; the rest is for a busy machine.
const STATED_DELAY: Duration = Duration::from_secs(20);

fn new_ca(bulk: usize) -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk,
    }))
}

/// A CA with these feeds, after the lines `issuer` of its table.
fn fed(ca: &Arc<OpensslCa>, issuer: &str, feeds: &[String]) -> Site {
    let settings = Settings {
        issuer: issuer.to_owned(),
        signer_lines: feeds.concat(),
        ..Settings::default()
    };
    Site::with(ca, &settings)
}

fn feed(kind: &str, path: &PathBuf, lines: &str) -> String {
    format!("[[issuer.feed]]\nkind = \"{kind}\"\npath = {path:?}\n{lines}\n")
}

fn index(ca: &OpensslCa, lines: &str) -> String {
    feed("index", &ca.path("index.txt"), lines)
}

/// Makes a CRL of what `index.txt` says now, into the folder `crls`.
fn drop_crl(ca: &OpensslCa, name: &str, number: &str) {
    drop_crl_with(ca, name, number, "");
}

/// The same with these lines in the section of its extensions.
fn drop_crl_with(ca: &OpensslCa, name: &str, number: &str, extensions: &str) {
    let config = include_str!("../common/openssl.cnf").replace(
        "[ca_default]\n",
        &format!(
            "[crl]\nauthorityKeyIdentifier = keyid\n{extensions}\n[ca_default]\ncrlnumber = crlnumber\n"
        ),
    );
    std::fs::write(ca.path("crl.cnf"), config).unwrap();
    std::fs::write(ca.path("crlnumber"), format!("{number}\n")).unwrap();
    // However late it is made: of the hour of its number.
    let hours = u64::from_str_radix(number, 16).unwrap();
    let from = now() - 40 * HOUR + hours * HOUR;
    ca.openssl(&format!(
        "ca -config crl.cnf -gencrl -crlexts crl -crl_lastupdate {} -crl_nextupdate {} -out new.crl",
        generalized_time(from),
        generalized_time(from + 80 * HOUR),
    ));
    std::fs::create_dir_all(ca.path("crls")).unwrap();
    std::fs::rename(ca.path("new.crl"), ca.path("crls").join(name)).unwrap();
}

/// Replaces `index.txt` as `openssl ca` does.
fn rewrite_index(ca: &OpensslCa, edit: impl FnOnce(String) -> String) {
    let edited = edit(read_text(&ca.path("index.txt")));
    std::fs::write(ca.path("index.txt.new"), edited).unwrap();
    std::fs::rename(ca.path("index.txt.new"), ca.path("index.txt")).unwrap();
}

/// Asks until the answer is as wanted; how long that took.
#[track_caller]
fn wait(server: &Server, serial: &str, wanted: impl Fn(&Answer) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = Answer::of(&server.ask(Hash::Sha256, serial));
        if wanted(&answer) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{serial}: {answer:?}");
        std::thread::yield_now();
    }
}

fn status(answer: &Answer) -> Option<&Status> {
    match answer {
        Answer::Basic { singles, .. } => singles.first().map(|single| &single.status),
        Answer::Error(_) => None,
    }
}

fn is_revoked(answer: &Answer) -> bool {
    matches!(status(answer), Some(Status::Revoked { .. }))
}

fn is_good(answer: &Answer) -> bool {
    status(answer) == Some(&Status::Good)
}

fn is_try_later(answer: &Answer) -> bool {
    *answer == Answer::TRY_LATER
}

/// What `stats` says of a feed.
fn health(site: &Site, name: &str) -> Value {
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    let feeds = stats["authority"]["issuers"][0]["feeds"].clone();
    let mut feeds = feeds.as_array().unwrap().clone().into_iter();
    feeds.find(|feed| feed["name"] == name).unwrap()
}

/// Looks until a feed is as wanted.
#[track_caller]
fn wait_for(site: &Site, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = health(site, name);
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "{health:#}");
    }
}

fn is_fine(feed: &Value) -> bool {
    feed["state"] == "fine"
}

#[test]
fn what_openssl_ca_writes_is_answered_within_the_stated_delay() {
    let ca = new_ca(200);
    let issued = ca.issue(3, "-days 30");
    let site = fed(
        &ca,
        "",
        &[
            index(&ca, ""),
            feed("certificate_folder", &ca.path("certs"), ""),
        ],
    );
    site.run(&["check"])
        .expect(0)
        .says(&["feed: index (index)", "certificate_folder"]);
    let server = site.serve();
    // Without an import: the first look is at once.
    wait(&server, &issued[0], is_good);
    wait_for(&site, "index", is_fine);
    for certificate in ca.certificates() {
        server.answers(&certificate);
    }

    ca.revoke(&issued[0], "-crl_reason keyCompromise");
    let took = wait(&server, &issued[0], is_revoked);
    assert!(took < STATED_DELAY, "{took:?}");
    let told = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &issued[0]).unwrap();
    assert!(
        matches!(
            told,
            Status::Revoked {
                reason: Some(1),
                ..
            }
        ),
        "{told:?}"
    );

    // A certificate that was issued meanwhile.
    let newer = ca.issue(1, "-days 30").remove(0);
    let took = wait(&server, &newer, is_good);
    assert!(took < STATED_DELAY, "{took:?}");
    let index = wait_for(&site, "index", is_fine);
    assert_eq!(
        (&index["left_out"], &index["failures"]),
        (&0.into(), &0.into())
    );
    server.wait_for("taken from the feed");
}

#[test]
fn each_source_that_is_gone_shows_in_stats_and_comes_back() {
    let ca = new_ca(20);
    ca.issue(1, "-days 30");
    drop_crl(&ca, "1.crl", "01");
    let csv = ca.path("extra.csv");
    std::fs::write(&csv, "serial,status\n7F000001,good\n").unwrap();
    let faster = "interval = \"200ms\"";
    let site = fed(
        &ca,
        "",
        &[
            index(&ca, faster),
            feed("csv", &csv, faster),
            feed("crl_folder", &ca.path("crls"), faster),
            feed("certificate_folder", &ca.path("certs"), faster),
        ],
    );
    let server = site.serve();
    wait(&server, "7F000001", is_good);
    for (name, file) in [
        ("index", "index.txt"),
        ("csv", "extra.csv"),
        ("crl_folder", "crls"),
        ("certificate_folder", "certs"),
    ] {
        wait_for(&site, name, is_fine);
        std::fs::rename(ca.path(file), ca.path("away")).unwrap();
        let gone = wait_for(&site, name, |feed| feed["state"] == "failing");
        assert_eq!(gone["fault"]["kind"], "unreachable");
        site.run(&["stats"]).expect(0).says(&[
            "PROBLEM",
            &format!("feed {name:?} fails"),
            "does not exist",
        ]);
        site.run(&["feed", "list"])
            .expect(0)
            .says(&["FAILING", "does not exist"]);
        std::fs::rename(ca.path("away"), ca.path(file)).unwrap();
        site.run(&["feed", "poll", "ca", name])
            .expect(0)
            .says(&["fine"]);
        wait_for(&site, name, is_fine);
        server.wait_for("the feed works again");
    }
    let said = server.log();
    // A line for each change, not for each poll.
    for feed in ["index", "csv"] {
        let words = format!("feed=\"{feed}\"");
        let lines = said.iter().filter(|line| line.contains("the feed failed"));
        let lines = lines.filter(|line| line.contains(&words)).count();
        assert_eq!(lines, 1, "{said:#?}");
    }
    site.run(&["feed", "poll", "ca", "idnex"])
        .expect(2)
        .says(&["it has: index, csv"]);
}

#[test]
fn what_is_wrong_with_a_file_makes_nothing_more_lenient() {
    let ca = new_ca(300);
    let issued = ca.issue(2, "-days 30");
    ca.revoke(&issued[1], "-crl_reason superseded");
    let site = fed(&ca, "", &[index(&ca, "interval = \"200ms\"")]);
    let server = site.serve();
    wait(&server, &issued[1], is_revoked);
    let whole = read_text(&ca.path("index.txt"));

    // A malformed row, one ahead of the clock, and rows twice and in another order: what is right among
    // them is taken.
    let soon = &generalized_time(now() + HOUR)[2..];
    let ahead = format!("R\t301231235959Z\t{soon}\t7F000001\tunknown\t/CN=ahead\n");
    rewrite_index(&ca, |text| {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        lines.reverse();
        let first = lines[0];
        lines.push(first);
        lines.concat() + "X\tnonsense\n" + &ahead
    });
    let told = wait_for(&site, "index", |feed| feed["left_out"] == 2);
    assert!(
        told["first_left_out"].as_str().unwrap().contains("field"),
        "{told:#}"
    );
    site.run(&["stats"])
        .expect(0)
        .says(&["PROBLEM", "2 of feed \"index\" cannot be used"]);
    // `openssl ca` would not read it any more.
    rewrite_index(&ca, |text| {
        let line = |line: &str| match line.contains(&format!("\t{}\t", issued[0])) {
            true => line
                .replacen('V', "R", 1)
                .replacen("\t\t", "\t260105120000Z\t", 1),
            false => line.to_owned(),
        };
        text.split_inclusive('\n').map(line).collect()
    });
    wait(&server, &issued[0], is_revoked);

    // Cut, and then empty: refused whole.
    for (broken, kind) in [
        (&whole[..whole.len() - 3], "malformed"),
        ("", "quarantined"),
    ] {
        rewrite_index(&ca, |_| broken.to_owned());
        let failing = wait_for(&site, "index", |feed| feed["fault"]["kind"] == kind);
        assert_eq!(failing["state"], "failing");
        for serial in &issued {
            assert!(is_revoked(&Answer::of(&server.ask(Hash::Sha1, serial))));
        }
    }
    site.run(&["stats"])
        .expect(0)
        .says(&["estelam feed accept \"ca\" index"]);
    // Nothing that is revoked becomes good by what an operator accepts.
    site.run(&["feed", "accept", "ca", "index"])
        .expect(0)
        .says(&["fine"]);
    let good_again = whole.replace("R\t", "V\t");
    let good_again: String = good_again
        .lines()
        .map(|line| {
            let mut fields: Vec<&str> = line.split('\t').collect();
            fields[2] = "";
            fields.join("\t") + "\n"
        })
        .collect();
    rewrite_index(&ca, |_| good_again);
    wait_for(&site, "index", |feed| feed["left_out"].as_u64() > Some(0));
    for serial in &issued {
        assert!(is_revoked(&Answer::of(&server.ask(Hash::Sha1, serial))));
    }
}

#[test]
fn a_crl_is_the_slow_truth_beside_an_index() {
    let ca = new_ca(20);
    let plan = Plan {
        every_form: false,
        bulk: 3,
    };
    let other = OpensslCa::named(KeyType::EcP256, "/C=IR/CN=Another_CA", plan);
    let issued = ca.issue(3, "-days 30");
    // The fast source is a copy, which misses what happens from here on.
    let fast = ca.path("fast.txt");
    std::fs::copy(ca.path("index.txt"), &fast).unwrap();
    let faster = "interval = \"200ms\"";
    std::fs::create_dir(ca.path("crls")).unwrap();
    let site = fed(
        &ca,
        "",
        &[
            feed("index", &fast, faster),
            feed("crl_folder", &ca.path("crls"), faster),
        ],
    );
    let server = site.serve();
    wait(&server, &issued[0], is_good);
    let empty = wait_for(&site, "crl_folder", |feed| feed["state"] == "failing");
    let why = empty["fault"]["message"].as_str().unwrap();
    assert!(why.contains("no CRL of this issuer"), "{why}");

    // What the first one lists was nobody's to bring before.
    drop_crl(&ca, "1.crl", "01");
    wait_for(&site, "crl_folder", is_fine);
    ca.revoke(&issued[0], "-crl_reason keyCompromise");
    drop_crl(&ca, "2.crl", "02");
    wait(&server, &issued[0], is_revoked);
    let crl = wait_for(&site, "crl_folder", |feed| feed["reconciled"] == 1);
    assert!(crl["evidence_age_secs"].is_u64(), "{crl:#}");
    site.run(&["stats"])
        .expect(0)
        .says(&["PROBLEM", "while they were good here"]);
    // The fast source says valid, once more; revoked is revoked.
    let more = read_text(&fast) + "V\t301231235959Z\t\t7F000009\tunknown\t/CN=new\n";
    std::fs::write(ca.path("fast.new"), more).unwrap();
    std::fs::rename(ca.path("fast.new"), &fast).unwrap();
    wait(&server, "7F000009", is_good);
    assert!(is_revoked(&Answer::of(
        &server.ask(Hash::Sha256, &issued[0])
    )));

    // A CRL of another issuer, and one that is none: told once, and the feed is well.
    drop_crl(&other, "stranger.crl", "05");
    let folder = ca.path("crls");
    std::fs::copy(other.path("crls/stranger.crl"), folder.join(".new")).unwrap();
    std::fs::rename(folder.join(".new"), folder.join("stranger.crl")).unwrap();
    std::fs::write(ca.path("crls").join("readme.txt"), "no CRL").unwrap();
    server.wait_for("stranger.crl is not taken: it is a CRL of");
    server.wait_for("readme.txt is not taken: it is no CRL");
    assert!(is_fine(&health(&site, "crl_folder")));
    // An older one beside it changes nothing.
    drop_crl(&ca, "1.crl", "01");
    site.run(&["feed", "poll", "ca", "crl_folder"]).expect(0);
    assert!(is_revoked(&Answer::of(
        &server.ask(Hash::Sha256, &issued[0])
    )));
    let told = server.log();
    let told = told.iter().filter(|line| line.contains("stranger.crl"));
    assert_eq!(told.count(), 1);
}

#[test]
fn each_scope_in_a_crl_folder_is_judged_by_itself() {
    let ca = new_ca(5);
    let issued = ca.issue(2, "-days 30");
    let point = |shard: u32| format!("http://crl.test/{shard}.crl");
    let drop = |shard: u32, number: &str| {
        let point = point(shard);
        let extension =
            format!("issuingDistributionPoint = critical,@idp\n[idp]\nfullname = URI:{point}");
        drop_crl_with(&ca, &format!("{shard}.crl"), number, &extension);
        // DER, whose last octet is the signature's.
        let path = ca.path("crls").join(format!("{shard}.crl"));
        ca.openssl(&format!(
            "crl -in {0} -outform DER -out new.crl",
            text(&path)
        ));
        std::fs::rename(ca.path("new.crl"), &path).unwrap();
    };
    let scopes = format!("crl_scopes = [{:?}, {:?}]", point(1), point(2));
    drop(1, "01");
    drop(2, "02");
    let site = fed(
        &ca,
        &scopes,
        &[
            index(&ca, ""),
            feed("crl_folder", &ca.path("crls"), "interval = \"200ms\""),
        ],
    );
    let server = site.serve();
    wait(&server, &issued[0], is_good);
    let first = wait_for(&site, "crl_folder", is_fine);

    // One shard is damaged on its way, and what the other brings after it does not hide that.
    let path = ca.path("crls").join("1.crl");
    let mut octets = std::fs::read(&path).unwrap();
    // The last octet of its signature.
    *octets.last_mut().unwrap() ^= 1;
    drop(2, "04");
    ca.revoke(&issued[0], "-crl_reason keyCompromise");
    std::fs::write(ca.path("new.crl"), octets).unwrap();
    std::fs::rename(ca.path("new.crl"), &path).unwrap();
    let failing = wait_for(&site, "crl_folder", |feed| feed["state"] == "failing");
    let why = failing["fault"]["message"].as_str().unwrap();
    assert!(why.contains("1.crl"), "{why}");
    wait(&server, &issued[0], is_revoked);
    drop(1, "03");
    let last = wait_for(&site, "crl_folder", is_fine);
    // As old as the older of the two.
    assert!(last["evidence"].as_str() > first["evidence"].as_str());
}

#[test]
fn an_issuer_goes_stale_with_its_feed_and_openssl_sees_it_and_the_way_back() {
    let ca = new_ca(20);
    let issued = ca.issue(3, "-days 30");
    ca.revoke(&issued[1], "-crl_reason superseded");
    let feeds = [index(&ca, "interval = \"200ms\"\nstale_after = \"3s\"")];
    let site = fed(&ca, "", &feeds);
    let server = site.serve();
    wait(&server, &issued[0], is_good);
    wait(&server, &issued[1], is_revoked);

    std::fs::rename(ca.path("index.txt"), ca.path("away")).unwrap();
    wait(&server, &issued[0], is_try_later);
    server.wait_for("without success for its stale_after");
    let refused = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &issued[0]).unwrap_err();
    assert!(refused.to_lowercase().contains("trylater"), "{refused}");
    // What was never issued, as far as is known, might be.
    assert_eq!(
        Answer::of(&server.ask(Hash::Sha1, "7F000001")),
        Answer::TRY_LATER
    );
    // Revoked is revoked, known before and learned of meanwhile; a hold may have ended.
    let told = ask_with_openssl(&ca, &server.url(), Hash::Sha1, &issued[1]).unwrap();
    assert!(matches!(told, Status::Revoked { .. }), "{told:?}");
    site.run(&["revoke", &issued[2], "--reason", "keyCompromise"])
        .expect(0);
    wait(&server, &issued[2], is_revoked);
    let problem = site.run(&["stats"]).expect(0);
    problem.says(&[
        "PROBLEM",
        "longer than its stale_after",
        "tryLater",
        "STALE",
    ]);
    assert_eq!(health(&site, "index")["state"], "stale");

    // A restart makes nothing fresh: from the first answer on.
    server.terminate().expect(0);
    let server = site.serve();
    for hash in Hash::BOTH {
        let answer = Answer::of(&server.ask(hash, &issued[0]));
        assert_eq!(answer, Answer::TRY_LATER);
        assert!(is_revoked(&Answer::of(&server.ask(hash, &issued[1]))));
    }
    server.kill();
    let server = site.serve();
    assert!(is_try_later(&Answer::of(
        &server.ask(Hash::Sha1, &issued[0])
    )));

    std::fs::rename(ca.path("away"), ca.path("index.txt")).unwrap();
    wait(&server, &issued[0], is_good);
    let told = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &issued[0]);
    assert_eq!(told, Ok(Status::Good));
    server.wait_for("all its feeds are fresh again");
    site.run(&["stats"]).expect(0);
    assert!(is_fine(&health(&site, "index")));
}

#[test]
fn where_it_is_configured_a_stale_issuer_is_served_on() {
    let ca = new_ca(5);
    let issued = ca.issue(1, "-days 30");
    let feeds = [index(&ca, "interval = \"200ms\"\nstale_after = \"2s\"")];
    let site = fed(&ca, "when_stale = \"serve\"", &feeds);
    let server = site.serve();
    wait(&server, &issued[0], is_good);
    std::fs::remove_file(ca.path("index.txt")).unwrap();
    server.wait_for("what was known last is served on");
    assert!(is_good(&Answer::of(&server.ask(Hash::Sha1, &issued[0]))));
    site.run(&["stats"])
        .expect(0)
        .says(&["PROBLEM", "is served on"]);
}

#[test]
fn killed_amid_a_poll_it_goes_on_at_the_next_start() {
    let ca = new_ca(20_000);
    let site = fed(&ca, "", &[index(&ca, "")]);
    for _ in 0..3 {
        // As soon as something of it is durable, or before.
        let server = site.serve();
        server.kill();
    }
    let server = site.serve();
    let certificates = ca.certificates();
    let count = certificates.len() as u64;
    wait_for(&site, "index", is_fine);
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    assert_eq!(stats["authority"]["issuers"][0]["certificates"], count);
    for certificate in certificates.iter().step_by(97) {
        server.answers(certificate);
    }
    // Nothing twice: each has one entry.
    let sequence = stats["authority"]["sequence"].as_u64().unwrap();
    let revoked = certificates.iter();
    let revoked = revoked.filter(|it| matches!(it.status, Status::Revoked { .. }));
    assert!(
        sequence <= count + revoked.count() as u64 + 10,
        "{sequence}"
    );
}

#[test]
fn thousands_of_certificates_are_taken_and_a_bad_file_among_them_is_told() {
    let ca = new_ca(0);
    let issued = ca.issue(20, "-days 30");
    let folder = ca.path("certs");
    let one = std::fs::read(folder.join(format!("{}.pem", issued[0]))).unwrap();
    for number in 0..3_000 {
        std::fs::create_dir_all(folder.join(format!("sub{}", number % 7))).unwrap();
        std::fs::write(folder.join(format!("sub{}/{number}.pem", number % 7)), &one).unwrap();
    }
    std::fs::write(folder.join("bad.pem"), "no certificate").unwrap();
    let site = fed(
        &ca,
        "",
        &[feed("certificate_folder", &folder, "interval = \"200ms\"")],
    );
    let server = site.serve();
    for serial in &issued {
        wait(&server, serial, is_good);
    }
    let told = wait_for(&site, "certificate_folder", |feed| feed["left_out"] == 1);
    assert!(
        told["first_left_out"].as_str().unwrap().contains("bad.pem"),
        "{told:#}"
    );
    // The delegate's is among them.
    assert_eq!(told["applied"], 21);
    std::fs::remove_file(folder.join("bad.pem")).unwrap();
    wait_for(&site, "certificate_folder", |feed| feed["left_out"] == 0);
    let newer = ca.issue(1, "-days 30").remove(0);
    wait(&server, &newer, is_good);
}
