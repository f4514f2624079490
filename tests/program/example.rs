//! `docs/examples/feeds.toml` as it stands, with its addresses changed for ones that are there: an
//! `openssl ca` folder, a PostgreSQL with EJBCA's table, and CRLs by HTTP, all at once.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::crl_feed::Web;
use super::sql_feed::{ca_fingerprint, decimal};
use crate::common::clock::{generalized_time, now};
use crate::common::database::{Database, Make};
use crate::common::judge::ask_with_openssl;
use crate::common::tools::{python, run, text};
use crate::common::{Hash, KeyType, OpensslCa, Plan, Server, Site, Status};

const EXAMPLE: &str = include_str!("../../docs/examples/feeds.toml");
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn three_sources_of_the_example_are_followed_at_once_and_each_is_missed() {
    let (openssl, ejbca, partner) = (ca("OpenSSL_CA"), ca("EJBCA"), ca("Partner_CA"));
    let [o, e, p] = [&openssl, &ejbca, &partner].map(|ca| ca.issue(3, "-days 30"));
    let database = ejbca_database(&ejbca, &e);
    let web = Web::new();
    let publish = |path: &str, ca: &OpensslCa, number| web.publish(path, crl(ca, number));
    publish("/issuing-ca.crl", &ejbca, 1);
    publish("/ca.crl", &partner, 1);

    let site = Site::new(&openssl);
    lay_out(&site, &openssl, &ejbca, &partner);
    configure(&site, &database, &web);
    let check = site.run(&["check"]).expect(0);
    assert!(!check.stdout.contains("PROBLEM"), "{check}");
    assert!(!check.stdout.contains("warning: feed"), "{check}");

    let server = site.serve();
    let good = |status: &Status| *status == Status::Good;
    let is_revoked = |status: &Status| matches!(status, Status::Revoked { .. });
    for serial in o.iter() {
        wait(&openssl, &server, serial, good);
    }
    for serial in e.iter() {
        wait(&ejbca, &server, serial, good);
    }
    // Of this one only the CRL is known, and nobody listed is nobody known.
    wait_for_feeds(&site, |feeds| {
        feeds.iter().all(|feed| feed["state"] == "fine")
    });
    let unlisted = ask_with_openssl(&partner, &server.url(), Hash::Sha1, &p[0]).unwrap_err();
    assert!(unlisted.contains("unauthorized"), "{unlisted}");

    // A revocation in each of them shows within the delay that the example states for it: a second, five
    // seconds, and the interval of the CRL, which is one second here.
    openssl.revoke(&o[0], "-crl_reason keyCompromise");
    database.execute("ejbca", &revoke_row(&e[0]));
    partner.revoke(&p[0], "-crl_reason superseded");
    publish("/ca.crl", &partner, 2);
    for (ca, serial) in [(&openssl, &o[0]), (&ejbca, &e[0]), (&partner, &p[0])] {
        let took = wait(ca, &server, serial, is_revoked);
        assert!(took < STATED_DELAY, "{took:?}");
    }
    // The slow truth: the database missed one.
    ejbca.revoke(&e[0], "");
    ejbca.revoke(&e[1], "-crl_reason cessationOfOperation");
    publish("/issuing-ca.crl", &ejbca, 2);
    wait(&ejbca, &server, &e[1], is_revoked);

    // Each source is unplugged.
    std::fs::rename(site.path("demoCA/index.txt"), site.path("away")).unwrap();
    std::fs::rename(site.path("demoCA/newcerts"), site.path("away.certs")).unwrap();
    database.stop();
    drop(web);
    let feeds = wait_for_feeds(&site, |feeds| {
        feeds.iter().all(|feed| feed["state"] == "failing")
    });
    assert_eq!(feeds.len(), 5, "{feeds:#?}");
    for feed in &feeds {
        assert_eq!(feed["fault"]["kind"], "unreachable", "{feed:#}");
    }
    let stats = site.run(&["stats"]).expect(0);
    for name in ["index", "certificate_folder", "database", "crl", "crl_url"] {
        let problem = format!("feed {name:?} fails");
        assert!(stats.stdout.contains(&problem), "{problem}: {stats}");
    }
    // Nothing became more lenient by it.
    for (ca, serial) in [(&openssl, &o[0]), (&ejbca, &e[0]), (&partner, &p[0])] {
        let status = ask_with_openssl(ca, &server.url(), Hash::Sha256, serial);
        assert!(status.as_ref().is_ok_and(is_revoked), "{status:?}");
    }

    // What was recorded, for somebody who has nothing but the file and the key's public half.
    let key = site.run(&["audit", "key"]).expect(0);
    let file = site.path("ledger.log");
    site.run(&["audit", "export", text(&file)]).expect(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/verify_log.py");
    let mut others = python();
    others
        .arg(script)
        .args(["export", text(&file), key.stdout.trim()]);
    run(&mut others).expect(0).says(&["entries"]);
    site.run(&["audit", "verify"]).expect(0);
    server.terminate().expect(0);
}

/// The longest that the example states, and room for a busy machine.
const STATED_DELAY: Duration = Duration::from_secs(30);

fn ca(name: &str) -> Arc<OpensslCa> {
    let plan = Plan {
        every_form: false,
        bulk: 0,
    };
    let ca = OpensslCa::named(KeyType::EcP256, &format!("/C=IR/CN={name}"), plan);
    Arc::new(ca)
}

/// The files that the example names, where it names them.
fn lay_out(site: &Site, openssl: &OpensslCa, ejbca: &OpensslCa, partner: &OpensslCa) {
    for folder in ["demoCA/private", "ejbca", "partner"] {
        std::fs::create_dir_all(site.path(folder)).unwrap();
    }
    for (ca, file, place) in [
        (openssl, "ca.pem", "demoCA/cacert.pem"),
        (openssl, "ocsp.pem", "demoCA/ocsp.pem"),
        (openssl, "ocsp.key", "demoCA/private/ocsp.key"),
        (openssl, "index.txt", "demoCA/index.txt"),
        (openssl, "certs", "demoCA/newcerts"),
        (ejbca, "ca.pem", "ejbca/issuing-ca.pem"),
        (ejbca, "ocsp.pem", "ejbca/ocsp.pem"),
        (ejbca, "ocsp.key", "ejbca/ocsp.key"),
        (partner, "ca.pem", "partner/ca.pem"),
        (partner, "ocsp.pem", "partner/ocsp.pem"),
        (partner, "ocsp.key", "partner/ocsp.key"),
    ] {
        symlink(ca.path(file), site.path(place)).unwrap();
    }
    std::fs::write(site.path("ejbca/database.pass"), "pass word\n").unwrap();
}

/// The example with the addresses of this machine.
fn configure(site: &Site, database: &Database, web: &Web) {
    let mut config = EXAMPLE.to_owned();
    let mut change = |from: &str, to: &str| {
        assert_eq!(config.matches(from).count(), 1, "{from}");
        config = config.replace(from, to);
    };
    change("127.0.0.1:8080", "127.0.0.1:0");
    change(
        "postgresql://estelam@db.example.org/ejbca",
        &database.tcp("estelam", "ejbca"),
    );
    for (url, path) in [
        ("http://crl.example.org/issuing-ca.crl", "/issuing-ca.crl"),
        ("http://crl.partner.example/ca.crl", "/ca.crl"),
    ] {
        let urls = format!("[{url:?}]");
        let here = format!("[{:?}]\nallow_private = true", web.url(path));
        change(&urls, &here);
    }
    change("interval = \"5m\"", "interval = \"1s\"");
    change("name = \"crl\"\n", "name = \"crl\"\ninterval = \"1s\"\n");
    std::fs::write(site.path("estelam.toml"), config).unwrap();
}

/// A CRL of what `index.txt` says now, in DER.
fn crl(ca: &OpensslCa, number: u32) -> Vec<u8> {
    let config = include_str!("../common/openssl.cnf").replace(
        "[ca_default]\n",
        "[crl]\nauthorityKeyIdentifier = keyid\n[ca_default]\ncrlnumber = crlnumber\n",
    );
    std::fs::write(ca.path("crl.cnf"), config).unwrap();
    std::fs::write(ca.path("crlnumber"), format!("{number:02X}\n")).unwrap();
    let from = now() - 3_600 + u64::from(number) * 60;
    ca.openssl(&format!(
        "ca -config crl.cnf -gencrl -crlexts crl -crl_lastupdate {} -crl_nextupdate {} -out made.crl",
        generalized_time(from),
        generalized_time(from + 86_400),
    ));
    ca.openssl("crl -in made.crl -outform DER -out made.der");
    std::fs::read(ca.path("made.der")).unwrap()
}

/// EJBCA's table with these certificates, and a user who may read it.
fn ejbca_database(ca: &OpensslCa, serials: &[String]) -> Database {
    let database = Database::start(Make::PostgreSql, &[]);
    database.create("ejbca");
    database.execute_fixture("ejbca", "ejbca-postgresql.sql");
    let fingerprint = ca_fingerprint(ca);
    let mut sql = String::from(
        "create role estelam login password 'pass word'; grant select on CertificateData to estelam;\n",
    );
    for serial in serials {
        let number = decimal(serial);
        sql.push_str(&format!(
            "insert into CertificateData (fingerprint, serialNumber, issuerDN, cAFingerprint, subjectDN, \
             type, certificateProfileId, status, revocationDate, revocationReason, expireDate, \
             updateTime, rowVersion) values ('f{number}', '{number}', 'CN=EJBCA', '{fingerprint}', \
             'CN=a', 1, 1, 20, -1, -1, 2100000000000, 1767614400000, 0);\n"
        ));
    }
    database.execute("ejbca", &sql);
    database
}

/// What EJBCA does when somebody revokes.
fn revoke_row(serial: &str) -> String {
    let now = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";
    format!(
        "update CertificateData set status = 40, revocationReason = 1, revocationDate = {now}, \
         updateTime = {now} where serialNumber = '{}';",
        decimal(serial)
    )
}

/// OpenSSL asks until the status is as wanted; how long that took.
#[track_caller]
fn wait(
    ca: &OpensslCa,
    server: &Server,
    serial: &str,
    wanted: impl Fn(&Status) -> bool,
) -> Duration {
    let begun = Instant::now();
    loop {
        let told = ask_with_openssl(ca, &server.url(), Hash::Sha1, serial);
        if told.as_ref().is_ok_and(&wanted) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{serial} stays so: {told:?}");
    }
}

/// Looks until all feeds of all issuers are as wanted.
#[track_caller]
fn wait_for_feeds(site: &Site, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let feeds = site.run(&["feed", "list", "--json"]).expect(0).json();
        let feeds = feeds.as_array().unwrap();
        if wanted(feeds) {
            return feeds.clone();
        }
        assert!(Instant::now() < deadline, "{feeds:#?}");
    }
}
