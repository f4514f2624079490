//! CRLs over HTTP: what `serve` finds listed at a start is what clients get.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::ask::get_paths;
use crate::common::clock::now;
use crate::common::http::Reply;
use crate::common::tools::{Finished, python, run, text, tool};
use crate::common::{
    Connection, Hash, OpensslCa, Plan, SHARED, Server, Settings, Site, request_of,
};

/// How long a server may take to compress a CRL, or to count.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server will find in its state folder.
struct Listing<'a> {
    site: &'a Site,
    editions: Vec<Value>,
    documents: Vec<Value>,
}

impl<'a> Listing<'a> {
    fn new(site: &'a Site) -> Self {
        fs::create_dir_all(site.path("state/catalog/crl")).unwrap();
        Self {
            site,
            editions: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// A CRL at a path; gives its file. Times are seconds from now.
    fn add(&mut self, path: &str, kind: &str, der: &[u8], times: [i64; 3]) -> PathBuf {
        let sha256 = hex(&Sha256::digest(der));
        let file = self.site.path(&format!("state/catalog/crl/{sha256}.crl"));
        fs::write(&file, der).unwrap();
        let now = i64::try_from(now()).unwrap();
        let [this_update, next_due, next_update] = times.map(|secs| {
            jiff::Timestamp::from_second(now + secs)
                .unwrap()
                .to_string()
        });
        self.editions.push(json!({
            "issuer": "ca", "kind": kind, "url": format!("http://crl.example{path}"), "number": 7,
            "base": null, "base_as_of": null, "scheduled": true, "max_age": 86_400, "this_update": this_update, "next_update": next_update,
            "next_due": next_due, "entries": 1, "octets": der.len(), "sha256": sha256, "as_of": 1,
        }));
        file
    }

    fn document(&mut self, path: &str, media_type: &str, text: &str) {
        let document = json!({"path": path, "media_type": media_type, "text": text});
        self.documents.push(document);
    }

    fn write(&self) {
        let listing = json!({
            "generation": 1, "editions": self.editions, "documents": self.documents,
        });
        let path = self.site.path("state/catalog/crl/listing.json");
        fs::write(path, listing.to_string()).unwrap();
    }

    /// Starts the server and waits until it has read the CRLs.
    fn serve(&self) -> Server {
        self.write();
        let server = self.site.serve();
        server.wait_for("CRLs are served");
        server
    }
}

/// Made an hour ago, the next due in two, in date for a day.
const USUAL: [i64; 3] = [-3_600, 7_200, 86_400];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What `openssl ca -gencrl` makes of `index.txt`, in DER.
fn crl(ca: &OpensslCa, name: &str) -> Vec<u8> {
    ca.openssl(&format!(
        "ca -config openssl.cnf -gencrl -crldays 7 -out {name}.pem"
    ));
    ca.openssl(&format!("crl -in {name}.pem -outform DER -out {name}.der"));
    fs::read(ca.path(&format!("{name}.der"))).unwrap()
}

fn curl(site: &Site, server: &Server, path: &str, options: &[&str]) -> Finished {
    let mut command = tool("curl");
    command.current_dir(site.path("."));
    command.args(["--silent", "--show-error", "--max-time", "60"]);
    command
        .args(options)
        .arg(format!("http://{}{path}", server.address()));
    run(&mut command)
}

/// Downloads into a file of the site and gives its octets.
fn fetched(site: &Site, server: &Server, path: &str, options: &[&str]) -> Vec<u8> {
    let into = ["--fail", "--output", "fetched"];
    curl(site, server, path, &[&into, options].concat()).expect(0);
    fs::read(site.path("fetched")).unwrap()
}

/// Waits until the CRL is there in a coding.
fn coded(connection: &mut Connection, path: &str, coding: &str) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = connection.get_with(path, &format!("Accept-Encoding: {coding}\r\n"));
        if reply.header("content-encoding") == Some(coding) {
            return reply;
        }
        assert!(Instant::now() < deadline, "never in {coding}");
        std::thread::yield_now();
    }
}

fn until(site: &Site, what: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = site.run(&["stats", "--json"]).expect(0).json();
        if what(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{stats:#}");
    }
}

#[test]
fn clients_of_every_kind_fetch_what_openssl_made() {
    // Ten thousand of these are revoked.
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 50_000,
    }));
    let der = crl(&ca, "large");
    assert!(der.len() > 300_000, "{}", der.len());
    let site = Site::new(&ca);
    let mut listing = Listing::new(&site);
    listing.add("/ca.crl", "full", &der, USUAL);
    let server = listing.serve();
    let url = format!("http://{}/ca.crl", server.address());

    assert!(fetched(&site, &server, "/ca.crl", &[]) == der);
    let pem = fs::read(ca.path("large.pem")).unwrap();
    assert!(fetched(&site, &server, "/ca.crl.pem", &[]) == pem);
    let ca_pem = ca.path("ca.pem");
    let openssl = |arguments: &[&str]| run(tool("openssl").args(arguments));
    let fetched_file = site.path("fetched");
    let verify = [
        "-in",
        text(&fetched_file),
        "-CAfile",
        text(&ca_pem),
        "-noout",
    ];
    openssl(&[&["crl"], &verify[..]].concat())
        .expect(0)
        .says(&["verify OK"]);
    // OpenSSL's own HTTP client.
    openssl(&["crl", "-inform", "DER", "-in", &url, "-noout", "-crlnumber"]).expect(0);

    let script = "import sys, urllib.request as r, hashlib\n\
                  a = r.urlopen(sys.argv[1])\n\
                  print(hashlib.sha256(a.read()).hexdigest(), a.headers['Content-Type'])\n\
                  q = r.Request(sys.argv[1], headers={'If-None-Match': a.headers['ETag']})\n\
                  try: r.urlopen(q)\n\
                  except r.HTTPError as e: print(e.code)\n";
    let script = script.replace(
        "except r.HTTPError",
        "except __import__('urllib.error').error.HTTPError",
    );
    let by_python = run(python().args(["-c", &script, &url])).expect(0);
    let expected = format!("{} application/pkix-crl\n304\n", hex(&Sha256::digest(&der)));
    assert_eq!(by_python.stdout, expected);

    // The same by one connection that stays open, and compressed as soon as it is ready.
    let mut connection = server.connect();
    for _ in 0..20 {
        assert!(connection.get("/ca.crl").body == der);
    }
    for coding in ["gzip", "zstd"] {
        let reply = coded(&mut connection, "/ca.crl", coding);
        assert!(reply.body.len() * 100 <= der.len() * 95, "{coding}");
        assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        let accept = format!("Accept-Encoding: {coding}");
        let plain = fetched(&site, &server, "/ca.crl", &["--compressed", "-H", &accept]);
        assert!(plain == der, "{coding}");
        let head = curl(&site, &server, "/ca.crl", &["-I", "-H", &accept]).expect(0);
        head.says(&[
            &format!("content-encoding: {coding}"),
            reply.header("etag").unwrap(),
        ]);
    }
    // Nobody who did not ask for it gets it.
    let plain = connection.get("/ca.crl");
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.body == der);

    // A start with the compressed forms there: they are checked and used again.
    drop(server.terminate());
    let zstd = site.path(&format!(
        "state/catalog/crl/{}.crl.zst",
        hex(&Sha256::digest(&der))
    ));
    let modified = || fs::metadata(&zstd).unwrap().modified().unwrap();
    let before = modified();
    let server = listing.serve();
    coded(&mut server.connect(), "/ca.crl", "zstd");
    assert_eq!(modified(), before);
    drop(server.terminate());
    // Damaged, they are made anew.
    damage(&zstd, 40);
    let server = listing.serve();
    coded(&mut server.connect(), "/ca.crl", "zstd");
    server.wait_for("a compressed CRL is made anew");
    assert!(fetched(&site, &server, "/ca.crl", &["--compressed"]) == der);
}

fn damage(path: &Path, at: usize) {
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let octet = fs::read(path).unwrap()[at];
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[octet ^ 0x10], u64::try_from(at).unwrap())
        .unwrap();
}

#[test]
fn a_mirror_asks_resumes_and_is_told_how_long_to_wait() {
    let ca = SHARED.get();
    let der = crl(&ca, "mirror");
    let site = Site::new(&ca);
    let mut listing = Listing::new(&site);
    listing.add("/ca.crl", "full", &der, USUAL);
    listing.add("/soon.crl", "delta", &der, [-60, 600, 86_400]);
    listing.document("/crl/manifest.json", "application/json", "{\"a\": 1}\n");
    let server = listing.serve();

    let head = curl(&site, &server, "/ca.crl", &["-I"]).expect(0);
    head.says(&[
        "200 OK",
        "content-type: application/pkix-crl",
        &format!("content-length: {}", der.len()),
        "accept-ranges: bytes",
        "cache-control: public, max-age=3600, no-transform",
    ]);
    let mut connection = server.connect();
    let soon = connection.get("/soon.crl");
    let age = soon.header("cache-control").unwrap();
    let age: u64 = age["public, max-age=".len()..]
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        (500..600).contains(&age),
        "it ends before the next one is due: {age}"
    );

    // curl keeps the tag, and asks with it.
    let tag = ["--etag-save", "tag", "--etag-compare", "tag"];
    let get = |more: &[&str]| {
        let status = [
            "--output",
            "mirrored",
            "--write-out",
            "%{http_code} %{size_download}",
        ];
        curl(&site, &server, "/ca.crl", &[&status, more].concat())
            .expect(0)
            .stdout
    };
    assert_eq!(get(&tag), format!("200 {}", der.len()));
    assert_eq!(get(&tag), "304 0");
    // A time condition by the file's date.
    assert_eq!(get(&["-R"]), format!("200 {}", der.len()));
    assert_eq!(get(&["-z", "mirrored"]), "304 0");

    // A download that broke off goes on.
    fs::write(site.path("mirrored"), &der[..10_000]).unwrap();
    assert_eq!(get(&["-C", "-"]), format!("206 {}", der.len() - 10_000));
    assert!(fs::read(site.path("mirrored")).unwrap() == der);
    let tag = connection.get("/ca.crl").header("etag").unwrap().to_owned();
    let tail = connection.get_with(
        "/ca.crl",
        &format!("Range: bytes=-10\r\nIf-Range: {tag}\r\n"),
    );
    assert_eq!((tail.status, &*tail.body), (206, &der[der.len() - 10..]));
    let changed = connection.get_with("/ca.crl", "Range: bytes=-10\r\nIf-Range: \"old\"\r\n");
    assert_eq!((changed.status, changed.body.len()), (200, der.len()));
    let two = curl(
        &site,
        &server,
        "/ca.crl",
        &["-r", "0-1,5-6", "-o", "two", "-w", "%{http_code}"],
    );
    assert_eq!(two.expect(0).stdout, "200");
    let none = curl(
        &site,
        &server,
        "/ca.crl",
        &["-r", "9999999-", "-o", "none", "-w", "%{http_code}"],
    );
    assert_eq!(none.expect(0).stdout, "416");
    // PEM is made while it is sent: any part of it fits.
    let pem = fs::read(ca.path("mirror.pem")).unwrap();
    for (first, last) in [
        (0, 30),
        (20, 40_000),
        (33_000, 34_000),
        (pem.len() - 30, pem.len() - 1),
    ] {
        let range = format!("Range: bytes={first}-{last}\r\n");
        let part = connection.get_with("/ca.crl.pem", &range);
        assert_eq!(part.status, 206);
        assert!(part.body == pem[first..=last], "{first}-{last}");
    }

    let document = connection.get("/crl/manifest.json");
    assert_eq!(
        (document.status, &*document.body),
        (200, &b"{\"a\": 1}\n"[..])
    );
    assert_eq!(document.header("content-type"), Some("application/json"));
    let tag = document.header("etag").unwrap();
    let again = connection.get_with("/crl/manifest.json", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(again.status, 304);

    let long = format!("/{}.crl", "a".repeat(2_000));
    for path in ["/other.crl", "/ca.crl.pem.pem", "/crl/other.json", &long] {
        assert_eq!(connection.get(path).status, 404, "{path}");
    }
    let stats = until(&site, |stats| {
        stats["http"]["files"]["answers"]["document"]["304_not_modified"] == 1
    });
    assert_eq!(
        stats["http"]["files"]["answers"]["crl"]["416_range_not_satisfiable"],
        1
    );
    site.run(&["stats"]).expect(0).says(&[
        "crl requests",
        "304 not modified",
        "octets of files sent",
    ]);
}

#[test]
fn what_is_damaged_is_told_and_not_served() {
    let ca = SHARED.get();
    let der = crl(&ca, "damaged");
    let site = Site::new(&ca);
    let mut listing = Listing::new(&site);
    let variant = |last: u8| [&der[..der.len() - 1], &[last]].concat();
    listing.add("/good.crl", "full", &variant(1), USUAL);
    let flipped = listing.add("/flipped.crl", "shard-0", &variant(2), USUAL);
    let cut = listing.add("/cut.crl", "shard-1", &variant(3), USUAL);
    let gone = listing.add("/gone.crl", "shard-2", &variant(4), USUAL);
    listing.add("/ended.crl", "shard-3", &variant(5), [-100, -50, -1]);
    listing.add("/early.crl", "shard-4", &variant(6), [3_600, 7_200, 86_400]);
    let later = listing.add("/later.crl", "shard-5", &variant(7), USUAL);
    damage(&flipped, 20_000);
    fs::write(&cut, &variant(3)[..der.len() - 1]).unwrap();
    fs::remove_file(gone).unwrap();
    let server = listing.serve();
    let mut connection = server.connect();
    assert!(connection.get("/good.crl").body == variant(1));
    for path in [
        "/flipped.crl",
        "/flipped.crl.pem",
        "/cut.crl",
        "/gone.crl",
        "/ended.crl",
        "/early.crl",
    ] {
        let reply = connection.get(path);
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(reply.header("retry-after"), Some("60"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    for name in ["/flipped.crl", "/cut.crl", "/gone.crl"] {
        let told = server.wait_for(&format!("http://crl.example{name}"));
        assert!(told.contains("not served"), "{told}");
    }
    let stats = site.run(&["stats"]).expect(0);
    stats.says(&[
        "PROBLEM",
        "http://crl.example/cut.crl is damaged",
        "clients get 503",
    ]);

    // A disk that loses a bit later: what is known without reading is still said, what is read is not
    // sent.
    coded(&mut connection, "/later.crl", "gzip");
    let tag = connection
        .get("/later.crl")
        .header("etag")
        .unwrap()
        .to_owned();
    damage(&later, 20_000);
    let same = connection.get_with("/later.crl", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(same.status, 304, "it takes no look at the file");
    let head = connection.get_with("/later.crl", "Range: bytes=40000-40009\r\n");
    assert_eq!(head.status, 206, "another block");
    let cut_off = curl(&site, &server, "/later.crl", &["--output", "cut_off"]);
    assert_ne!(cut_off.code, 0, "{cut_off}");
    server.wait_for("changed on the disk while it was served");
    assert_eq!(server.connect().get("/later.crl").status, 503);
    assert!(server.connect().get("/good.crl").body == variant(1));
}

/// Nobody does this to a published file. The page is gone, so there is nothing to answer with, and the
/// process cannot go on; it must not die of the same file again.
#[test]
fn a_file_cut_under_the_server_stops_it_once() {
    let ca = SHARED.get();
    let der = crl(&ca, "cut");
    let site = Site::new(&ca);
    let mut listing = Listing::new(&site);
    let cut = listing.add("/cut.crl", "full", &der, USUAL);
    listing.add("/good.crl", "delta", &der[1..], USUAL);
    let mut server = listing.serve();
    // Nothing reads it but clients any more.
    coded(&mut server.connect(), "/cut.crl", "gzip");
    coded(&mut server.connect(), "/good.crl", "gzip");
    fs::set_permissions(&cut, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&cut).unwrap();
    file.set_len(4_096).unwrap();
    let mut connection = server.connect();
    connection.send(&crate::common::http::get("/cut.crl", ""));
    assert_eq!(server.wait().code, 128 + 7, "SIGBUS");
    let marker = cut.with_extension("sigbus");
    assert!(marker.exists());

    let server = listing.serve();
    server.wait_for("a page of this CRL could not be read");
    assert!(!marker.exists());
    assert_eq!(server.connect().get("/cut.crl").status, 503);
    assert!(server.connect().get("/good.crl").body == der[1..]);
}

#[test]
fn ocsp_is_answered_beside_crls_as_without_them() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let mut listing = Listing::new(&site);
    listing.add("/ca.crl", "full", &crl(&ca, "beside"), USUAL);
    let server = listing.serve();
    site.settle();
    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    let mut connection = server.connect();
    for (name, path) in get_paths("/ocsp", &request) {
        let reply = connection.get(&path);
        assert_eq!(reply.status, 200, "{name}");
        assert_eq!(
            reply.header("content-type"),
            Some("application/ocsp-response")
        );
        assert_eq!(connection.get("/ca.crl").status, 200);
    }
    server.answers(&ca.certificates()[0]);
    // Not a request, and no file's name either.
    assert_eq!(
        connection.get("/AAAA").header("content-type"),
        Some("application/ocsp-response")
    );
}

#[test]
fn the_cas_certificate_is_served_where_certificates_say() {
    let ca = SHARED.get();
    let certificate = "certificate_url = \"http://pki.example/ca.cer\"";
    let settings = Settings {
        issuer: certificate.to_owned(),
        ..Settings::default()
    };
    let site = Site::with(&ca, &settings);
    let server = site.serve();
    ca.openssl("x509 -in ca.pem -outform DER -out served.der");
    let der = fs::read(ca.path("served.der")).unwrap();
    let mut connection = server.connect();
    let reply = connection.get("/ca.cer");
    assert!(reply.body == der);
    assert_eq!(reply.header("content-type"), Some("application/pkix-cert"));
    assert_eq!(
        reply.header("cache-control"),
        Some("public, max-age=86400, no-transform")
    );
    let tag = reply.header("etag").unwrap();
    let again = connection.get_with("/ca.cer", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(again.status, 304);
    let url = format!("http://{}/ca.cer", server.address());
    let by_openssl =
        run(tool("openssl").args(["x509", "-inform", "DER", "-in", &url, "-noout", "-subject"]));
    by_openssl.expect(0).says(&["Test_CA"]);

    let clash = Site::with(
        &ca,
        &Settings {
            issuer: certificate.replace("/ca.cer", "/ocsp"),
            ..Settings::default()
        },
    );
    let check = clash.run(&["check"]);
    check.says(&["\"/ocsp\" is where OCSP requests", "path of its own"]);
}

/// Four megabytes of the kernel's buffers lie between the server and its client: see the tests of HTTP
/// itself for readers that stall, or take their time.
#[test]
fn a_reader_that_stalls_is_cut_and_one_at_a_trickle_is_not() {
    let ca = SHARED.get();
    let settings = Settings {
        limits: "write_timeout = \"2s\"".to_owned(),
        ..Settings::default()
    };
    let site = Site::with(&ca, &settings);
    let mut octets = Vec::new();
    let mut block = Sha256::digest(b"seed");
    while octets.len() < 12 << 20 {
        octets.extend_from_slice(&block.repeat(64));
        block = Sha256::digest(block);
    }
    let mut listing = Listing::new(&site);
    listing.add("/ca.crl", "full", &octets, USUAL);
    let server = listing.serve();
    let slow = std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let options = ["--limit-rate", "1500k", "--output", "slow"];
            curl(&site, &server, "/ca.crl", &options)
        });
        let mut stalled = server.connect();
        stalled.send(&crate::common::http::get("/ca.crl", ""));
        until(&site, |stats| stats["http"]["timeouts"]["write"] == 1);
        slow.join().unwrap()
    });
    slow.expect(0);
    assert!(fs::read(site.path("slow")).unwrap() == octets);
    until(&site, |stats| stats["http"]["timeouts"]["write"] == 1);
}
