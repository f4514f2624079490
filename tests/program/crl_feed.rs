//! CRLs that are fetched from a real server on loopback, right and wrong ones.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::clock::now;
use crate::common::crl::{CrlParts, extension, serial};
use crate::common::der::tlv;
use crate::common::tools::{self, text};
use crate::common::{OpensslCa, Plan, Settings, Site};

const KEY: u8 = 1;
const HOLD: u8 = 6;
const REMOVED: u8 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// A web server for files, which can also say anything else.
pub struct Web {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shelf {
    replies: Mutex<BTreeMap<String, Reply>>,
    /// Questions that were answered "not modified".
    not_modified: AtomicUsize,
    ended: AtomicBool,
}

#[derive(Clone)]
enum Reply {
    File(Vec<u8>),
    Raw(Vec<u8>),
    /// The beginning, and then nothing until the other side is tired of it.
    Hang(Vec<u8>),
}

impl Web {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shelf = Arc::<Shelf>::default();
        let served = Arc::clone(&shelf);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A client that hangs up is what some tests are about.
                let _result = stream.and_then(|stream| served.answer(stream));
            }
        });
        Self {
            address,
            shelf,
            thread: Some(thread),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn put(&self, path: &str, reply: Reply) {
        let mut replies = self.shelf.replies.lock().unwrap();
        replies.insert(path.to_owned(), reply);
    }

    pub fn publish(&self, path: &str, crl: Vec<u8>) {
        self.put(path, Reply::File(crl));
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shelf.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()));
    }
}

impl Shelf {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = String::new();
        let mut reader = BufReader::new(stream.try_clone()?);
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
        let path = head.split(' ').nth(1).unwrap_or_default();
        let reply = self.replies.lock().unwrap().get(path).cloned();
        match reply {
            None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            Some(Reply::Raw(octets)) => stream.write_all(&octets),
            Some(Reply::Hang(octets)) => {
                stream.write_all(&octets)?;
                stream.read(&mut [0; 1]).map(drop)
            }
            Some(Reply::File(octets)) => {
                // Its last octets are those of its signature.
                let end = &octets[octets.len() - 8..];
                let etag: String = end.iter().map(|octet| format!("{octet:02x}")).collect();
                if head
                    .to_ascii_lowercase()
                    .contains(&format!("if-none-match: \"{etag}\""))
                {
                    self.not_modified.fetch_add(1, Ordering::SeqCst);
                    return stream.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n");
                }
                let len = octets.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nETag: \"{etag}\"\r\n\r\n");
                stream.write_all(head.as_bytes())?;
                stream.write_all(&octets)
            }
        }
    }
}

fn new_ca() -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    }))
}

/// An installation with one feed.
fn site(ca: &Arc<OpensslCa>, urls: &str, lines: &str) -> Site {
    Site::with(
        ca,
        &Settings {
            signer_lines: format!(
                "[[issuer.feed]]\nkind = \"crl_url\"\nurls = {urls}\ninterval = \"1s\"\n{lines}"
            ),
            ..Settings::default()
        },
    )
}

fn digits(number: u32) -> String {
    let octets = serial(number);
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn status(site: &Site, number: u32) -> String {
    let told = site.run(&["status", &digits(number), "--json"]).expect(0);
    told.json()["status"].as_str().unwrap().to_owned()
}

/// Waits until a certificate has this status.
#[track_caller]
fn wait_status(site: &Site, number: u32, due: &str) {
    let deadline = Instant::now() + PATIENCE;
    while status(site, number) != due {
        assert!(
            Instant::now() < deadline,
            "{number} is not {due}: {:#}",
            feed(site)
        );
    }
}

fn feed(site: &Site) -> serde_json::Value {
    let feeds = site.run(&["feed", "list", "--json"]).expect(0).json();
    feeds[0].clone()
}

/// Waits until the feed fails with these words; gives its whole line.
#[track_caller]
fn wait_fault(site: &Site, kind: &str, words: &[&str]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let feed = feed(site);
        let message = feed["fault"]["message"].as_str().unwrap_or_default();
        if feed["fault"]["kind"] == kind && words.iter().all(|word| message.contains(word)) {
            assert!(!message.contains('\n'), "{message}");
            return message.to_owned();
        }
        assert!(Instant::now() < deadline, "{kind} {words:?}: {feed:#}");
    }
}

#[track_caller]
fn wait_fine(site: &Site) {
    let deadline = Instant::now() + PATIENCE;
    while feed(site)["state"] != "fine" {
        assert!(Instant::now() < deadline, "{:#}", feed(site));
    }
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn a_crl_is_followed_and_what_goes_wrong_is_told() {
    let ca = new_ca();
    let web = Web::new();
    let many: Vec<(u32, u8)> = (0..300).map(|number| (number, KEY)).collect();
    let crl = |number: u8, listed: &[(u32, u8)]| {
        CrlParts {
            this_update: now() - 600 + u64::from(number),
            ..CrlParts::new(number).with(listed)
        }
        .sign(&ca, "ca.key")
    };
    let first = crl(10, &many[..200]);
    web.publish("/ca.crl", first.clone());
    let urls = format!("[{:?}]", web.url("/ca.crl"));
    let site = site(
        &ca,
        &urls,
        "allow_private = true\nmax_octets = 100000\ntimeout = \"2s\"\n",
    );
    let server = site.serve();
    wait_status(&site, 7, "revoked");
    // A revocation shows, and what has not changed is only asked about.
    web.publish("/ca.crl", crl(11, &many[..201]));
    wait_status(&site, 200, "revoked");
    let asked = || web.shelf.not_modified.load(Ordering::SeqCst);
    // Once a poll found nothing new, the one before it is on the board.
    let asked_twice = || {
        let before = asked();
        let deadline = Instant::now() + PATIENCE;
        while asked() < before + 2 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    };
    asked_twice();
    let applied = feed(&site)["applied"].clone();
    asked_twice();
    assert_eq!(feed(&site)["applied"], applied);

    ca.new_key("other.key");
    let mut name = CrlParts::new(50).with(&many);
    name.issuer = Some(vec![
        0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 6, 3, 0x55, 4, 3, 0x0c, 1, b'x',
    ]);
    let ahead = CrlParts {
        this_update: now() + 1_000,
        ..CrlParts::new(51).with(&many)
    };
    let length = |octets: usize, said: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n");
        [head.as_bytes(), &vec![0x30; octets]].concat()
    };
    for (number, (reply, kind, words)) in (12..).zip([
        (
            Reply::Raw(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()),
            "unreachable",
            "HTTP 404",
        ),
        (
            Reply::Raw(b"HTTP/1.1 500 Oops\r\nRetry-After: 1\r\n\r\n".to_vec()),
            "unreachable",
            "HTTP 500",
        ),
        (
            Reply::Raw(redirect("/ca.crl").into_bytes()),
            "malformed",
            "circle",
        ),
        (
            Reply::Raw(length(10, 100_001)),
            "malformed",
            "longer than 100000 octets",
        ),
        (
            Reply::Raw(length(10, 100)),
            "malformed",
            "cut short after 10 octets",
        ),
        (
            Reply::Hang(length(10, 100)),
            "unreachable",
            "the timeout of this feed",
        ),
        (Reply::Raw(vec![]), "malformed", "does not speak HTTP"),
        (
            Reply::File(b"<!DOCTYPE html>".to_vec()),
            "rejected",
            "no CRL",
        ),
        (
            Reply::File(first[..first.len() / 2].to_vec()),
            "rejected",
            "cut short",
        ),
        (
            Reply::File(name.sign(&ca, "ca.key")),
            "rejected",
            "octet for octet",
        ),
        (
            Reply::File(CrlParts::new(52).sign(&ca, "other.key")),
            "rejected",
            "signature",
        ),
        (Reply::File(first.clone()), "older", "is lower than"),
        (Reply::File(ahead.sign(&ca, "ca.key")), "rejected", "clock"),
    ]) {
        web.put("/ca.crl", reply);
        let line = wait_fault(&site, kind, &[&web.url("/ca.crl"), words]);
        assert_eq!(status(&site, 7), "revoked", "{line}");
        web.publish("/ca.crl", crl(number, &many[..200]));
        wait_fine(&site);
    }
    site.run(&["stats"]).expect(0).says(&["crl_url"]);

    // Empty where there were hundreds: kept, until somebody says that it is right.
    let empty = crl(100, &[]);
    web.publish("/ca.crl", empty.clone());
    let line = wait_fault(
        &site,
        "quarantined",
        &["lacks 200 of the 200", "feed accept"],
    );
    let kept = line.split_once("It is kept as ").unwrap().1;
    let kept = kept.split_once(';').unwrap().0;
    assert_eq!(std::fs::read(kept).unwrap(), empty);
    assert_eq!(status(&site, 7), "revoked");
    site.run(&["feed", "accept", "ca", "crl_url"]).expect(0);
    wait_fine(&site);
    assert_eq!(status(&site, 7), "revoked");
    assert!(server.log().iter().all(|line| !line.contains("panic")));
    drop(server);

    // After a restart all that is asked is whether it changed.
    let before = asked();
    let server = site.serve();
    wait_fine(&site);
    assert!(asked() > before);
    let left = std::fs::read_dir(site.path("state/feeds")).unwrap();
    let left: Vec<String> = left
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".crl"))
        .collect();
    assert_eq!(left, [""; 0]);
    drop((web, server));
}

#[test]
fn several_urls_are_several_scopes_and_deltas_follow_their_full_crl() {
    let ca = new_ca();
    let web = Web::new();
    let point = |url: &str| {
        let name = tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())));
        extension(28, true, &tlv(0x30, &name))
    };
    let (a, b) = (web.url("/a.crl"), web.url("/b.crl"));
    let shard = |url: &str, number, listed: &[_]| {
        CrlParts::new(number)
            .with(listed)
            .and(point(url))
            .sign(&ca, "ca.key")
    };
    web.publish("/a.crl", shard(&a, 1, &[(1, HOLD)]));
    // Another's: whoever put it there made a mistake.
    web.publish("/b.crl", shard(&a, 2, &[]));
    let shards = site(&ca, &format!("[{a:?}, {b:?}]"), "allow_private = true\n");
    let server = shards.serve();
    wait_fault(&shards, "rejected", &["partitioned", &b, "octet for octet"]);
    wait_status(&shards, 1, "revoked");
    web.publish("/b.crl", shard(&b, 1, &[(2, KEY)]));
    wait_status(&shards, 2, "revoked");
    wait_fine(&shards);
    web.publish("/b.crl", shard(&b, 2, &[(2, KEY)]));
    web.publish("/a.crl", shard(&a, 2, &[]));
    wait_status(&shards, 1, "good");
    shards
        .run(&["stats"])
        .expect(0)
        .says(&["certificates of", &a, &b]);
    drop(server);

    let delta = |base: u8, number: u8, listed: &[_]| {
        CrlParts {
            this_update: now() - 50 + u64::from(number),
            ..CrlParts::new(number).with(listed)
        }
        .and(extension(27, true, &tlv(2, &[base])))
        .sign(&ca, "ca.key")
    };
    let (full, deltas) = (web.url("/full.crl"), web.url("/delta.crl"));
    let full_crl = CrlParts::new(5).with(&[(1, HOLD), (2, KEY)]);
    web.publish("/full.crl", full_crl.sign(&ca, "ca.key"));
    web.publish("/delta.crl", delta(6, 7, &[(3, KEY)]));
    let urls = format!("[{{ url = {full:?}, delta = {deltas:?} }}]");
    let site = site(&ca, &urls, "allow_private = true\n");
    let server = site.serve();
    wait_status(&site, 1, "revoked");
    wait_fault(&site, "rejected", &["delta", "import the full CRL first"]);
    assert_eq!(status(&site, 3), "not_issued");
    web.publish("/delta.crl", delta(5, 8, &[(1, REMOVED), (3, KEY)]));
    wait_status(&site, 3, "revoked");
    assert_eq!(status(&site, 1), "good");
    wait_fine(&site);
    drop((web, server));
}

#[test]
fn neighbours_are_not_asked_and_a_server_that_is_gone_is_told() {
    let ca = new_ca();
    let web = Web::new();
    let url = web.url("/ca.crl");
    let private = site(&ca, &format!("[{url:?}]"), "");
    let server = private.serve();
    wait_fault(&private, "refused", &["127.0.0.1", "allow_private = true"]);
    drop(server);
    drop(web);
    let gone = site(&ca, &format!("[{url:?}]"), "allow_private = true\n");
    let server = gone.serve();
    wait_fault(&gone, "unreachable", &[&url, "refused"]);
    drop(server);
    // What is no URL is told before anything starts.
    for (urls, words) in [
        ("[\"ftp://x.test/a\"]", "neither with http://"),
        ("[]", "empty"),
        ("[\"http://x.test/a\", \"http://x.test/a\"]", "twice"),
        ("[\"http://u:p@x.test/a\"]", "user name or password"),
        (
            "[{ url = \"http://x.test/a\", scope = \"all\" }]",
            "write full, user",
        ),
        ("[{ uri = \"http://x.test/a\" }]", "uri"),
    ] {
        site(&ca, urls, "").run(&["check"]).expect(3).says(&[words]);
    }
}

/// `python3 -m http.server` with TLS.
struct Secure {
    child: Child,
    port: u16,
}

impl Secure {
    fn new(ca: &OpensslCa) -> Self {
        let script = "import http.server, ssl\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain('web.pem', 'web.key')\n\
            server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
            server.socket = context.wrap_socket(server.socket, server_side=True)\n\
            print(server.server_address[1], flush=True)\n\
            server.serve_forever()\n";
        let mut command = tools::python();
        command.args(["-c", script]).current_dir(ca.path("."));
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("Python, which ./setup installs");
        let mut port = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn https_servers_are_trusted_by_the_configured_certificates() {
    let ca = new_ca();
    ca.new_key("web.key");
    ca.new_key("root.key");
    ca.openssl("req -x509 -new -key root.key -subj /CN=Web_CA -days 2 -out root.pem");
    ca.openssl(
        "req -x509 -new -key web.key -subj /CN=web -days 2 -CA root.pem -CAkey root.key -out web.pem \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    );
    let crl = CrlParts::new(1).with(&[(1, KEY)]).sign(&ca, "ca.key");
    std::fs::write(ca.path("web.crl"), crl).unwrap();
    let web = Secure::new(&ca);
    let with = |roots: &str| {
        let roots = ca.path(roots);
        let urls = format!("[\"https://localhost:{}/web.crl\"]", web.port);
        let lines = format!("allow_private = true\ntls_roots = {:?}\n", text(&roots));
        site(&ca, &urls, &lines)
    };
    let strange = with("ca.pem");
    let server = strange.serve();
    wait_fault(
        &strange,
        "unreachable",
        &["TLS with localhost failed", "ca.pem"],
    );
    drop(server);
    let trusted = with("root.pem");
    let server = trusted.serve();
    wait_status(&trusted, 1, "revoked");
    drop(server);
}
