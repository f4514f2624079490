//! `kind = "sql"`: CA databases on real servers, and what clients are answered while they change.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::clock::{generalized_time, now};
use crate::common::database::{Database, Make, fixture_text, sqlite};
use crate::common::judge::ask_with_openssl;
use crate::common::tools::{run, text, tool};
use crate::common::{Answer, Hash, OpensslCa, SHARED, Server, Settings, Site, Status};

/// An installation with one feed of these lines, that is asked five times a second.
fn site(ca: &Arc<OpensslCa>, feed: &str) -> Site {
    let table = format!("[[issuer.feed]]\nkind = \"sql\"\ninterval = \"200ms\"\n{feed}\n");
    let settings = Settings {
        signer_lines: table,
        ..Settings::default()
    };
    Site::with(ca, &settings)
}

/// The feed as `stats` shows it.
#[track_caller]
fn health(site: &Site) -> Value {
    let stats = site.run(&["stats", "--json"]).expect(0).json();
    stats["authority"]["issuers"][0]["feeds"][0].clone()
}

/// Waits until `stats` shows a feed that is as wanted.
#[track_caller]
fn wait_for_health(site: &Site, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = health(site);
        if wanted(&health) {
            return health;
        }
        assert!(Instant::now() < deadline, "the feed stays so: {health:#}");
    }
}

/// Waits until so many changes were taken.
#[track_caller]
fn wait_for_applied(site: &Site, applied: u64) -> Value {
    wait_for_health(site, |health| health["applied"].as_u64() >= Some(applied))
}

/// Waits until clients are answered so; gives how long that took.
#[track_caller]
fn wait_for_status(server: &Server, serial: &str, wanted: impl Fn(&Status) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let status = status(server, serial);
        if status.as_ref().is_some_and(&wanted) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{serial} stays so: {status:?}");
    }
}

/// The answer for one serial; `None` for an unsigned one (unauthorized, tryLater).
#[track_caller]
fn status(server: &Server, serial: &str) -> Option<Status> {
    let response = server.ask(Hash::Sha1, serial);
    // An OCSPResponse of nothing but its status has five octets.
    (response.len() > 5).then(|| Answer::of(&response).single().status.clone())
}

const fn is_good(status: &Status) -> bool {
    matches!(status, Status::Good)
}

const fn is_revoked(status: &Status) -> bool {
    matches!(status, Status::Revoked { .. })
}

fn is_hold(status: &Status) -> bool {
    matches!(
        status,
        Status::Revoked {
            reason: Some(6),
            ..
        }
    )
}

/// Serial numbers of ten octets, which no database has as a number of its own.
fn serial(number: u128) -> u128 {
    0x0123_4567_89AB_CDEF_0000 + number
}

fn hex(number: u128) -> String {
    format!("{:020X}", serial(number))
}

/// The SHA-1 of the CA's certificate, as EJBCA writes it.
pub fn ca_fingerprint(ca: &OpensslCa) -> String {
    let mut command = tool("openssl");
    command.args([
        "x509",
        "-in",
        text(&ca.path("ca.pem")),
        "-noout",
        "-fingerprint",
        "-sha1",
    ]);
    let said = run(&mut command).expect(0).stdout;
    let (_, digits) = said.trim().split_once('=').expect("a fingerprint");
    digits.replace(':', "").to_lowercase()
}

/// One row of `CertificateData`.
struct Row<'a> {
    fingerprint: &'a str,
    serial: &'a str,
    ca: &'a str,
    status: i32,
    reason: i32,
    revoked_ms: i64,
    updated_ms: i64,
}

impl Row<'_> {
    fn insert(&self) -> String {
        let Self {
            fingerprint,
            serial,
            ca,
            status,
            reason,
            revoked_ms,
            updated_ms,
        } = self;
        format!(
            "insert into CertificateData (fingerprint, serialNumber, issuerDN, cAFingerprint, \
             subjectDN, type, certificateProfileId, status, revocationDate, revocationReason, \
             expireDate, updateTime, rowVersion) values ('{fingerprint}', '{serial}', 'CN=Test_CA', \
             '{ca}', 'CN=a', 1, 1, {status}, {revoked_ms}, {reason}, {EXPIRES_MS}, {updated_ms}, 0);\n"
        )
    }
}

const EXPIRES_MS: i64 = 2_100_000_000_000;
/// 2026-01-05T12:00:00Z
const THEN_MS: i64 = 1_767_614_400_000;
const THEN: &str = "20260105120000Z";

/// `count` certificates of the CA that are active: rows 1 to `count`.
fn bulk(make: Make, ca: &str, count: u32) -> String {
    let (row, from) = match make {
        Make::PostgreSql => ("g", format!("generate_series(1, {count}) as g")),
        Make::MariaDb => ("seq", format!("seq_1_to_{count}")),
    };
    let base = serial(0);
    format!(
        "insert into CertificateData (fingerprint, serialNumber, issuerDN, cAFingerprint, subjectDN, \
         type, certificateProfileId, status, revocationDate, revocationReason, expireDate, updateTime, \
         rowVersion) select concat(md5({row}), '00000000'), {base} + {row}, 'CN=Test_CA', '{ca}', \
         'CN=a', 1, 1, 20, -1, -1, {EXPIRES_MS}, {THEN_MS} + {row}, 0 from {from};\n"
    )
    .replace("md5(g)", "md5(g::text)")
}

/// Milliseconds since 1970 by the database's clock.
fn now_ms(make: Make) -> &'static str {
    match make {
        Make::PostgreSql => "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)",
        Make::MariaDb => "cast(unix_timestamp(now(3)) * 1000 as signed)",
    }
}

/// What EJBCA does to a row: `seconds_ago` it decided so.
fn change(make: Make, serial: u128, status: i32, reason: i32, seconds_ago: u32) -> String {
    let now = now_ms(make);
    format!(
        "update CertificateData set status = {status}, revocationReason = {reason}, revocationDate = \
         {now} - {seconds_ago}000, updateTime = {now} where serialNumber = '{serial}';"
    )
}

fn ejbca(make: Make) {
    let ca = SHARED.get();
    let database = Database::shared(make);
    let name = "ejbca";
    let address = database.create(name);
    database.execute_fixture(
        name,
        match make {
            Make::PostgreSql => "ejbca-postgresql.sql",
            Make::MariaDb => "ejbca-mariadb.sql",
        },
    );
    let own = ca_fingerprint(&ca);
    let other = "00112233445566778899aabbccddeeff00112233";
    let row = |fingerprint: &str, serial: &str, ca: &str, status, reason, revoked_ms| {
        let updated_ms = THEN_MS;
        Row {
            fingerprint,
            serial,
            ca,
            status,
            reason,
            revoked_ms,
            updated_ms,
        }
        .insert()
    };
    let digits = |number: u128| serial(number).to_string();
    let mut sql = bulk(make, &own, 5_000);
    for (fingerprint, number, ca, status, reason, revoked_ms) in [
        ("r1", 6_001, own.as_str(), 40, 1, THEN_MS),
        ("r2", 6_002, &own, 40, 0, THEN_MS + 999),
        ("r3", 6_003, &own, 40, 6, THEN_MS),
        ("a1", 6_004, &own, 60, 4, THEN_MS),
        ("a2", 6_005, &own, 60, -1, -1),
        ("e1", 6_006, &own, 21, -1, -1),
        ("x1", 6_007, other, 40, 1, THEN_MS),
        // Bad: another status, a reason that does not exist, revoked without a time, in a year.
        ("b1", 6_008, &own, 10, -1, -1),
        ("b2", 6_009, &own, 40, 7, THEN_MS),
        ("b3", 6_010, &own, 40, 1, -1),
        ("b4", 6_011, &own, 40, 1, THEN_MS + 31_536_000_000_000),
    ] {
        let serial = digits(number);
        let inserted = row(fingerprint, &serial, ca, status, reason, revoked_ms);
        sql += &inserted;
    }
    let too_long = "730750818665451459101842416358141509827966271488";
    for (fingerprint, serial) in [("b5", "-5"), ("b6", "1A2B"), ("b7", ""), ("b8", too_long)] {
        sql += &row(fingerprint, serial, &own, 20, -1, -1);
    }
    database.execute(name, &sql);

    let site = site(
        &ca,
        &format!("database = \"{address}\"\npreset = \"ejbca\"\n"),
    );
    let server = site.serve();
    let health = wait_for_applied(&site, 5_006);
    assert_eq!(health["state"], "fine", "{health:#}");
    assert_eq!(health["applied"], 5_006, "{health:#}");
    assert_eq!(health["left_out"], 8, "{health:#}");
    let first = health["first_left_out"].as_str().unwrap();
    assert!(
        first.starts_with("row b1, column \"status\": the status is none of"),
        "{first}"
    );
    server.wait_for("some of the feed cannot be used");

    let revoked = |reason| Status::Revoked {
        time: THEN.to_owned(),
        reason,
    };
    for (number, expected) in [
        (1, Some(Status::Good)),
        (5_000, Some(Status::Good)),
        (6_001, Some(revoked(Some(1)))),
        (6_002, Some(revoked(None))),
        (6_003, Some(revoked(Some(6)))),
        (6_004, Some(revoked(Some(4)))),
        (6_005, Some(Status::Good)),
        (6_006, Some(Status::Good)),
        // Another CA's, and rows that were left out.
        (6_007, None),
        (6_008, None),
        (6_009, None),
        (6_010, None),
        (6_011, None),
    ] {
        assert_eq!(status(&server, &hex(number)), expected, "{number}");
    }

    // Revoked: clients hear of it within the interval, and a little for the test itself.
    let to = |number, status, reason, ago| {
        database.execute(name, &change(make, serial(number), status, reason, ago));
    };
    to(17, 40, 1, 0);
    let took = wait_for_status(&server, &hex(17), is_revoked);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let by_openssl = ask_with_openssl(&ca, &server.url(), Hash::Sha256, &hex(17));
    assert!(
        matches!(
            by_openssl,
            Ok(Status::Revoked {
                reason: Some(1),
                ..
            })
        ),
        "{by_openssl:?}"
    );

    // On hold and off again; then for good.
    to(18, 40, 6, 3);
    wait_for_status(&server, &hex(18), is_hold);
    to(18, 20, 8, 0);
    wait_for_status(&server, &hex(18), is_good);
    to(18, 40, 6, 1);
    wait_for_status(&server, &hex(18), is_hold);
    to(18, 40, 4, 1);
    wait_for_status(&server, &hex(18), |status| {
        matches!(
            status,
            Status::Revoked {
                reason: Some(4),
                ..
            }
        )
    });

    // A row that takes a revocation back is told, and changes nothing. So is one that is dated ahead.
    to(17, 20, -1, 0);
    let health = wait_for_health(&site, |health| health["left_out"] == 9);
    assert!(
        health["state"] == "fine" && status(&server, &hex(17)).as_ref().is_some_and(is_revoked)
    );
    // An operator's hold is not the feed's to end.
    site.run(&["hold", &hex(20)]).expect(0);
    wait_for_status(&server, &hex(20), is_hold);
    to(20, 20, 8, 0);
    wait_for_health(&site, |health| health["left_out"] == 10);
    assert!(status(&server, &hex(20)).as_ref().is_some_and(is_hold));
    // A bad row that is mended is no longer left out.
    database.execute(name, &format!("update CertificateData set revocationReason = 9, updateTime = {} where fingerprint = 'b2';", now_ms(make)));
    wait_for_status(&server, &hex(6_009), is_revoked);
    wait_for_health(&site, |health| health["left_out"] == 9);
    server.terminate().expect(0);

    // The next start goes on from where it was: nothing is read again but what is new.
    to(21, 40, 5, 0);
    let server = site.serve();
    wait_for_status(&server, &hex(21), is_revoked);
    wait_for_health(&site, |health| health["applied"] == 1);
    server.terminate().expect(0);
}

#[test]
fn an_ejbca_on_postgresql_is_followed() {
    ejbca(Make::PostgreSql);
}

#[test]
fn an_ejbca_on_mariadb_is_followed() {
    ejbca(Make::MariaDb);
}

/// A server that is stopped, hangs and comes back.
fn unplugged(make: Make) {
    let ca = SHARED.get();
    let database = Database::start(make, &[]);
    let address = database.create("ca");
    let table = "create table certs (serial varchar(40) primary key, status varchar(10), revoked timestamp null, \
                 changed timestamp not null default current_timestamp);";
    database.execute("ca", table);
    let one =
        |serial: &str| format!("insert into certs (serial, status) values ('{serial}', 'good');");
    let revoke = |serial: &str| {
        format!(
            "update certs set status = 'revoked', revoked = current_timestamp, changed = \
             current_timestamp where serial = '{serial}';"
        )
    };
    database.execute("ca", &(one("0A01") + &one("0A02") + &one("0A03")));
    let site = site(
        &ca,
        &format!(
            "database = \"{address}\"\ntable = \"certs\"\nstatement_timeout = \"1s\"\n\
             connect_timeout = \"1s\"\ncolumns = {{ serial = \"serial\", status = \"status\", \
             revocation_time = \"revoked\", updated = \"changed\" }}\n"
        ),
    );
    let server = site.serve();
    wait_for_applied(&site, 3);

    database.stop();
    let health = wait_for_health(&site, |health| health["state"] == "failing");
    assert_eq!(health["fault"]["kind"], "unreachable", "{health:#}");
    assert!(status(&server, "0A01").as_ref().is_some_and(is_good));
    database.run();
    database.execute("ca", &revoke("0A01"));
    wait_for_status(&server, "0A01", is_revoked);
    wait_for_health(&site, |health| health["state"] == "fine");

    // It hangs: the same, and a stop of ours does not wait for it.
    database.hang(true);
    wait_for_health(&site, |health| health["state"] == "failing");
    assert!(status(&server, "0A02").as_ref().is_some_and(is_good));
    database.hang(false);
    database.execute("ca", &revoke("0A02"));
    wait_for_status(&server, "0A02", is_revoked);

    // The table goes, and comes back without the column.
    database.execute("ca", "alter table certs rename to elsewhere;");
    let health = wait_for_health(&site, |health| health["state"] == "failing");
    assert_eq!(health["fault"]["kind"], "malformed", "{health:#}");
    let message = health["fault"]["message"].as_str().unwrap();
    assert!(
        message.contains("certs") && message.contains("name of the table"),
        "{message}"
    );
    database.execute(
        "ca",
        "alter table elsewhere rename to certs; alter table certs rename column changed to altered;",
    );
    let health = wait_for_health(&site, |health| {
        let message = health["fault"]["message"].as_str();
        message.is_some_and(|message| message.contains("no column \"changed\""))
    });
    assert!(
        health["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("there are: serial, status")
    );
    database.execute("ca", "alter table certs rename column altered to changed;");
    database.execute("ca", &revoke("0A03"));
    wait_for_status(&server, "0A03", is_revoked);
    database.hang(true);
    let begun = Instant::now();
    server.terminate().expect(0);
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_postgresql_that_is_unplugged_shows_and_comes_back() {
    unplugged(Make::PostgreSql);
}

#[test]
fn a_mariadb_that_is_unplugged_shows_and_comes_back() {
    unplugged(Make::MariaDb);
}

/// The certificates that `openssl ca` issued, with PEM and serial in decimal digits.
fn issued(ca: &OpensslCa, count: usize) -> Vec<(String, String, String)> {
    let certificates = ca.certificates();
    let with_pem = certificates.iter().filter_map(|certificate| {
        let pem = certificate.pem.as_ref()?;
        let serial = certificate.serial.clone();
        let number = decimal(&serial);
        Some((serial, number, std::fs::read_to_string(pem).unwrap()))
    });
    with_pem.take(count).collect()
}

/// The decimal digits of a number of any length.
pub fn decimal(hex: &str) -> String {
    // Lowest digit first.
    let mut digits = vec![0];
    for digit in hex.chars() {
        let mut carry = digit.to_digit(16).expect("a hexadecimal digit");
        for place in &mut digits {
            let value = *place * 16 + carry;
            (*place, carry) = (value % 10, value / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    let digits = digits.into_iter().rev();
    digits
        .map(|digit| char::from_digit(digit, 10).expect("a digit"))
        .collect()
}

#[test]
fn decimal_digits_are_those_of_bc() {
    assert_eq!(decimal("00FF"), "255");
    // By bc(1).
    let most = "730750818665451459101842416358141509827966271487";
    assert_eq!(decimal(&format!("7F{}", "FF".repeat(19))), most);
}

/// The octets of a PEM block in hexadecimal.
fn der_hex(pem: &str) -> String {
    use base64::Engine as _;
    let base64: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap();
    der.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn step_ca(make: Make) {
    let ca = SHARED.get();
    let database = Database::shared(make);
    let address = database.create("step");
    let (fixture, octets) = match make {
        Make::PostgreSql => ("step-ca-postgresql.sql", ["'\\x", "'"]),
        Make::MariaDb => ("step-ca-mariadb.sql", ["x'", "'"]),
    };
    database.execute_fixture("step", fixture);
    let value = |hex: &str| format!("{}{hex}{}", octets[0], octets[1]);
    let bytes = |text: &str| {
        let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
        value(&hex)
    };
    let certificates = issued(&ca, 20);
    assert_eq!(certificates.len(), 20);
    let add = |(_, number, pem): &(String, String, String)| {
        let certificate = value(&der_hex(pem));
        format!(
            "insert into x509_certs values ({}, {certificate});\n",
            bytes(number)
        )
    };
    // What Go's json.Marshal makes of RevokedCertificateInfo.
    let revoke = |number: &str, reason: u8, at: &str| {
        let document = format!(
            "{{\"Serial\":\"{number}\",\"ProvisionerID\":\"p\",\"ReasonCode\":{reason},\"Reason\":\"\",\
             \"RevokedAt\":\"{at}\",\"ExpiresAt\":\"2027-01-01T00:00:00Z\",\"TokenID\":\"\",\"MTLS\":\
             true,\"ACME\":false}}"
        );
        format!(
            "insert into revoked_x509_certs values ({}, {});\n",
            bytes(number),
            bytes(&document)
        )
    };
    let then = "2026-01-05T12:00:00.123456789Z";
    let mut sql: String = certificates[..18].iter().map(add).collect();
    sql += &revoke(&certificates[0].1, 1, then);
    // A row that is no certificate, one under another's number, and a revocation that is none.
    sql += &format!(
        "insert into x509_certs values ({}, {});\n",
        bytes("77"),
        bytes("hello")
    );
    sql += &add(&(String::new(), "78".to_owned(), certificates[18].2.clone()));
    sql += &format!(
        "insert into revoked_x509_certs values ({}, {});\n",
        bytes("79"),
        bytes("{}")
    );
    database.execute("step", &sql);

    let site = site(
        &ca,
        &format!("database = \"{address}\"\npreset = \"step-ca\"\n"),
    );
    let server = site.serve();
    let health = wait_for_health(&site, |health| health["left_out"] == 3);
    assert_eq!(health["state"], "fine", "{health:#}");
    let revoked = Some(Status::Revoked {
        time: THEN.to_owned(),
        reason: Some(1),
    });
    assert_eq!(status(&server, &certificates[0].0), revoked);
    assert_eq!(status(&server, &certificates[1].0), Some(Status::Good));
    assert_eq!(status(&server, &certificates[18].0), None);

    // A new certificate, and a revocation.
    database.execute("step", &add(&certificates[19]));
    wait_for_status(&server, &certificates[19].0, is_good);
    database.execute("step", &revoke(&certificates[2].1, 0, then));
    wait_for_status(&server, &certificates[2].0, is_revoked);
    // What is known of the certificate is from the certificate itself.
    let known = site
        .run(&["status", &certificates[1].0, "--json"])
        .expect(0)
        .json();
    assert!(known["not_after"].is_string(), "{known:#}");
    server.terminate().expect(0);
}

#[test]
fn a_step_ca_on_postgresql_is_followed() {
    step_ca(Make::PostgreSql);
}

#[test]
fn a_step_ca_on_mariadb_is_followed() {
    step_ca(Make::MariaDb);
}

/// The SHA-1 of the CA's key, as CFSSL writes it.
fn key_identifier(ca: &OpensslCa) -> String {
    let mut command = tool("openssl");
    command.args(["x509", "-in", text(&ca.path("ca.pem")), "-noout", "-ext"]);
    let said = run(command.arg("subjectKeyIdentifier")).expect(0).stdout;
    let digits = said.lines().nth(1).expect("a key identifier").trim();
    digits.replace(':', "").to_lowercase()
}

/// Rows of CFSSL; `execute` is how its database takes SQL.
fn cfssl(address: &str, execute: &dyn Fn(&str), has_issued_at: bool, now: &str, octets: [&str; 2]) {
    let ca = SHARED.get();
    let key = key_identifier(&ca);
    let certificates = issued(&ca, 12);
    let bytes = |text: &str| {
        let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
        format!("{}{hex}{}", octets[0], octets[1])
    };
    let add = |(_, number, pem): &(String, String, String), key: &str, status: &str| {
        let (column, value) = match has_issued_at {
            true => (", issued_at", format!(", {now}")),
            false => ("", String::new()),
        };
        format!(
            "insert into certificates (serial_number, authority_key_identifier, status, reason, expiry, \
             revoked_at, pem{column}) values ({}, {}, {}, 0, '2036-01-01 00:00:00', '2026-01-05 \
             12:00:00', {}{value});\n",
            bytes(number),
            bytes(key),
            bytes(status),
            bytes(pem),
        )
    };
    let mut sql: String = certificates[..9]
        .iter()
        .map(|it| add(it, &key, "good"))
        .collect();
    sql += &add(&certificates[9], &key, "revoked");
    sql += &add(&certificates[10], "00", "revoked");
    execute(&sql);
    let site = site(
        &ca,
        &format!("database = \"{address}\"\npreset = \"cfssl\"\n"),
    );
    let server = site.serve();
    let health = wait_for_applied(&site, 10);
    assert_eq!(
        (&health["state"], &health["applied"]),
        (&"fine".into(), &10.into()),
        "{health:#}"
    );
    assert_eq!(status(&server, &certificates[0].0), Some(Status::Good));
    let revoked = Some(Status::Revoked {
        time: THEN.to_owned(),
        reason: None,
    });
    assert_eq!(status(&server, &certificates[9].0), revoked);
    assert_eq!(status(&server, &certificates[10].0), None);
    // As CFSSL revokes.
    execute(&format!(
        "update certificates set status = 'revoked', revoked_at = current_timestamp, reason = 1 where \
         serial_number = {};",
        bytes(&certificates[3].1)
    ));
    wait_for_status(&server, &certificates[3].0, is_revoked);
    execute(&add(&certificates[11], &key, "good"));
    wait_for_status(&server, &certificates[11].0, is_good);
    server.terminate().expect(0);
}

#[test]
fn a_cfssl_on_postgresql_is_followed() {
    let database = Database::shared(Make::PostgreSql);
    let address = database.create("cfssl");
    database.execute_fixture("cfssl", "cfssl-postgresql.sql");
    let execute = |sql: &str| drop(database.execute("cfssl", sql));
    cfssl(&address, &execute, true, "current_timestamp", ["'\\x", "'"]);
}

#[test]
fn a_cfssl_on_mariadb_is_followed() {
    let database = Database::shared(Make::MariaDb);
    let address = database.create("cfssl");
    database.execute_fixture("cfssl", "cfssl-mariadb.sql");
    let execute = |sql: &str| drop(database.execute("cfssl", sql));
    cfssl(&address, &execute, true, "utc_timestamp()", ["x'", "'"]);
}

#[test]
fn a_cfssl_on_sqlite_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certs.db");
    sqlite(&file, &fixture_text("cfssl-sqlite.sql"));
    let execute = |sql: &str| drop(sqlite(&file, sql));
    // Go's driver puts text into columns of octets.
    let address = format!("sqlite:{}", text(&file));
    cfssl(&address, &execute, false, "", ["cast(x'", "' as text)"]);
}

/// Credentials, permissions and the way to the server.
#[test]
fn a_server_lets_in_whom_it_should() {
    let ca = SHARED.get();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let openssl = |arguments: &str| {
        let mut command = tool("openssl");
        command
            .args(arguments.split_whitespace())
            .current_dir(folder.path());
        run(&mut command).expect(0);
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    openssl(&format!(
        "req -x509 {key} -keyout root.key -out root.pem -subj /CN=root"
    ));
    openssl(&format!(
        "req {key} -keyout server.key -out server.csr -subj /CN=db"
    ));
    std::fs::write(at("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA root.pem -CAkey root.key -days 30 -extfile names -out server.pem",
    );
    let database = Database::start(Make::PostgreSql, &[]);
    for name in ["server.key", "server.pem"] {
        let target = database.path(name);
        std::fs::copy(at(name), &target).unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        database.own(&target);
    }
    let setting = |name: &str, value: &str| format!("alter system set {name} = '{value}';\n");
    database.execute(
        "postgres",
        &setting("ssl_cert_file", text(&database.path("server.pem"))),
    );
    database.execute(
        "postgres",
        &setting("ssl_key_file", text(&database.path("server.key"))),
    );
    database.execute("postgres", &setting("ssl", "on"));
    database.stop();
    database.run();
    database.create("ca");
    database.execute(
        "ca",
        "create role ocsp login password 'pass word'; create table certs (serial text primary key, \
         status text, revoked timestamptz); insert into certs values ('0B01', 'good', null);",
    );
    std::fs::write(at("password"), "wrong\n").unwrap();
    let address = database.tcp("ocsp", "ca");
    let lines = |tls: &str| {
        format!(
            "database = \"{address}\"\npassword_file = \"{}\"\n{tls}\ntable = \"certs\"\ncolumns = {{ \
             serial = \"serial\", status = \"status\", revocation_time = \"revoked\" }}\n",
            text(&at("password"))
        )
    };
    let roots = format!(
        "tls = \"verify_full\"\ntls_roots = \"{}\"",
        text(&at("root.pem"))
    );
    let site_of = |lines: &str| site(&ca, lines);
    let fault = |site: &Site, kind: &str, words: &str| {
        let health = wait_for_health(site, |health| {
            let message = health["fault"]["message"].as_str();
            message.is_some_and(|message| message.contains(words))
        });
        assert_eq!(health["fault"]["kind"], kind, "{health:#}");
        assert!(!health.to_string().contains("pass word"), "{health:#}");
    };

    // Each is mended in turn, without a restart of ours.
    let site = site_of(&lines(&roots));
    let server = site.serve();
    fault(&site, "refused", "password authentication failed");
    std::fs::write(at("password"), "pass word\n").unwrap();
    fault(&site, "refused", "permission denied");
    database.execute("ca", "grant select on certs to ocsp;");
    wait_for_status(&server, "0B01", is_good);
    // It reads, and nothing else.
    let settings = database.execute(
        "ca",
        "select ssl, version from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'ocsp';",
    );
    assert!(settings.starts_with("t\tTLSv1."), "{settings}");
    server.terminate().expect(0);

    // A server that nobody vouches for, one under another name, and one that speaks no TLS.
    let site = site_of(&lines("tls = \"verify_full\""));
    let server = site.serve();
    fault(&site, "refused", "TLS: invalid peer certificate");
    server.terminate().expect(0);
    let other_name = lines(&roots).replace("@127.0.0.1:", "@localhost:");
    let site = site_of(&other_name);
    let server = site.serve();
    fault(&site, "refused", "TLS: invalid peer certificate");
    server.terminate().expect(0);
    database.execute("postgres", &setting("ssl", "off"));
    database.stop();
    database.run();
    let site = site_of(&lines(&roots));
    let server = site.serve();
    fault(&site, "refused", "does not support TLS");
    server.terminate().expect(0);
}

/// The time of a revocation in a form of its own, and a query in place of a table.
#[test]
fn a_query_of_ones_own_is_followed() {
    let ca = SHARED.get();
    let database = Database::shared(Make::PostgreSql);
    let address = database.create("own");
    let revoked_at = now() - 3_600;
    database.execute(
        "own",
        &format!(
            "create schema pki; create table pki.\"Certs\" (id bigserial primary key, \"Serial\" bytea, \
             state int, why text, at bigint, tenant int, changed timestamptz default now()); insert into \
             pki.\"Certs\" (\"Serial\", state, why, at, tenant) values ('\\x00ff01', 1, null, null, 7), \
             ('\\xff02', 2, 'keyCompromise', {revoked_at}, 7), ('\\xff03', 3, null, {revoked_at}, 7), \
             ('\\xff04', 2, null, {revoked_at}, 8), ('\\xff05', 9, null, null, 7), (null, 1, null, null, 7);"
        ),
    );
    let site = site(
        &ca,
        &format!(
            "database = \"{address}\"\nquery = \"\"\"\nWITH mine AS (SELECT * FROM pki.\"Certs\")\nSELECT \
             * FROM mine -- all of it\n;\"\"\"\nwhere = \"tenant = 7\"\nserials = \"octets\"\ntimes = \
             \"unix\"\nstatuses = {{ 1 = \"good\", 2 = \"revoked\", 3 = \"hold\" }}\ncolumns = {{ serial = \
             \"Serial\", status = \"state\", reason = \"why\", revocation_time = \"at\", updated = \
             \"changed\", key = \"id\" }}\n"
        ),
    );
    let server = site.serve();
    let health = wait_for_health(&site, |health| health["left_out"] == 2);
    assert_eq!(health["applied"], 3, "{health:#}");
    let first = health["first_left_out"].as_str().unwrap();
    assert!(
        first.contains("row 5, column \"state\": the status is none of: 1, 2, 3: \"9\""),
        "{first}"
    );
    let revoked = |reason| {
        Some(Status::Revoked {
            time: generalized_time(revoked_at),
            reason,
        })
    };
    for (serial, expected) in [
        ("FF01", Some(Status::Good)),
        ("FF02", revoked(Some(1))),
        ("FF03", revoked(Some(6))),
        ("FF04", None),
        ("FF05", None),
    ] {
        assert_eq!(status(&server, serial), expected, "{serial}");
    }
    server.terminate().expect(0);
}

/// How long something may take before a test calls it hung.
const PATIENCE: Duration = Duration::from_secs(60);
