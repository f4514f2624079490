//! Against a server on loopback that says what each test wants, octet for octet.

use std::io::{Read as _, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::*;

/// Answers the requests of as many connections as there are scripts, in order; then it is gone.
struct Scripted {
    url: String,
    /// The heads of the requests that came.
    heard: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    fn new<const N: usize>(scripts: [Script; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&heard);
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                let head = read_head(&mut stream);
                told.lock().unwrap().push(head);
                let (octets, then) = match script {
                    Script::Say(octets) => (octets, false),
                    Script::SayAndWait(octets) => (octets, true),
                };
                // Who asked may have hung up: that is what some tests are about.
                let _result = stream.write_all(&octets);
                if then {
                    let _end = stream.read(&mut [0; 64]);
                }
            }
        });
        Self {
            url,
            heard,
            thread: Some(thread),
        }
    }

    fn fetch(&self, known: Option<&Validators>) -> (Result<Fetched, FetchError>, Vec<u8>) {
        fetch(&self.url, known, &settings(), &|| false)
    }

    fn refusal(&self) -> FetchError {
        self.fetch(None).0.unwrap_err()
    }

    fn heard(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap();
        self.heard.lock().unwrap().clone()
    }
}

enum Script {
    Say(Vec<u8>),
    /// And leaves the connection open until the other side ends it.
    SayAndWait(Vec<u8>),
}

fn say(text: &str) -> Script {
    Script::Say(text.as_bytes().to_vec())
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap() > 0 {
        head.push(octet[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

fn settings() -> FetchSettings {
    FetchSettings {
        allow_private: true,
        octets_max: 1_000,
        timeout: Duration::from_secs(60),
        tls_roots: PathBuf::from("/nonexistent.pem"),
        words: Words {
            allow_private: "allow_private = true in this feed's table",
            octets_max: "the max_octets of this feed",
            timeout: "the timeout of this feed",
        },
    }
}

fn fetch(
    url: &str,
    known: Option<&Validators>,
    settings: &FetchSettings,
    is_stopping: &dyn Fn() -> bool,
) -> (Result<Fetched, FetchError>, Vec<u8>) {
    let url = Target::parse(url).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"what lay there before").unwrap();
    let fetched = Fetcher::new(settings.clone()).fetch(&url, known, &mut file, is_stopping);
    let mut octets = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut octets).unwrap();
    (fetched, octets)
}

const FILE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"e\"\r\n\
                    Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nabc";

#[test]
fn a_file_comes_and_then_whether_it_changed() {
    let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n";
    let server = Scripted::new([say(FILE), say(not_modified), say(FILE), say(not_modified)]);
    let (fetched, octets) = server.fetch(None);
    let Fetched::Body { validators, sha256 } = fetched.unwrap() else {
        panic!("it was not asked for a change");
    };
    assert_eq!(octets, b"abc");
    // `printf abc | sha256sum`
    assert_eq!(sha256[..4], hex_literal::hex!("ba7816bf"));
    let (fetched, _) = server.fetch(Some(&validators));
    assert!(matches!(fetched.unwrap(), Fetched::NotModified));
    // Of another URL's file they say nothing.
    let other = Validators {
        url: "http://x.test/".to_owned(),
        ..validators
    };
    assert!(server.fetch(Some(&other)).0.is_ok());
    let error = server.fetch(Some(&other)).0.unwrap_err();
    assert!(error.message.contains("was not asked that"), "{error}");
    let heard = server.heard();
    let asked: Vec<bool> = heard
        .iter()
        .map(|head| {
            assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
            assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
            let both = head.contains("if-none-match: \"e\"\r\n")
                && head.contains("if-modified-since: sun, 06 nov 1994 08:49:37 gmt\r\n");
            assert!(both || !head.contains("\r\nif-"), "{head}");
            both
        })
        .collect();
    assert_eq!(asked, [false, true, false, false]);
}

#[test]
fn redirections_are_followed_where_they_lead_somewhere() {
    let to = |location: &str| {
        say(&format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n"
        ))
    };
    let server = Scripted::new([to("/a"), to("b?c"), say(FILE)]);
    let (fetched, octets) = server.fetch(None);
    let Fetched::Body { validators, .. } = fetched.unwrap() else {
        panic!("it was not asked for a change");
    };
    assert_eq!(validators.url, format!("{}/b?c", server.url));
    assert_eq!(octets, b"abc");
    let heard = server.heard();
    assert!(heard[1].starts_with("get /a ") && heard[2].starts_with("get /b?c "));

    let circle = Scripted::new([to("/a"), to("/")]).refusal();
    assert!(circle.message.contains("circle"), "{circle}");
    let many = ["/1", "/2", "/3", "/4", "/5", "/6"].map(to);
    let many = Scripted::new(many).refusal();
    assert!(many.message.contains("more than 5 times"), "{many}");
    let odd = Scripted::new([to("ftp://x.test/")]).refusal();
    assert!(odd.message.contains("neither with http://"), "{odd}");
    let nowhere = Scripted::new([say("HTTP/1.1 302 Found\r\n\r\n")]).refusal();
    assert!(nowhere.message.contains("without saying"), "{nowhere}");
    assert_eq!(nowhere.kind, FetchErrorKind::Malformed);
    // What is meant to be secret or sure does not become open on the way.
    let https = Target::parse("https://x.test/a").unwrap();
    let response = |location: &str| {
        let builder = Response::builder().status(301).header("Location", location);
        builder.body(()).unwrap()
    };
    let error = redirection(&https, &response("http://x.test/a")).unwrap_err();
    assert!(
        error.message.contains("from https to http://x.test/a"),
        "{error}"
    );
    assert!(redirection(&https, &response("/b")).unwrap().unwrap().https);
    let http = Target::parse("http://x.test/a").unwrap();
    let next = redirection(&http, &response("https://x.test/a"));
    assert!(next.unwrap().unwrap().https);
}

#[test]
fn what_is_too_long_or_too_short_is_told() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nabc";
    let error = Scripted::new([say(long)]).refusal();
    assert!(error.message.contains("longer than 1000 octets"), "{error}");
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1_000));
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}1\r\ny\r\n");
    let error = Scripted::new([say(&chunked)]).refusal();
    assert!(error.message.contains("longer than 1000 octets"), "{error}");
    let endless = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        "x".repeat(2_000)
    );
    let error = Scripted::new([say(&endless)]).refusal();
    assert!(error.message.contains("longer than 1000 octets"), "{error}");
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let error = Scripted::new([say(short)]).refusal();
    assert!(
        error.message.contains("cut short after 3 octets"),
        "{error}"
    );
    assert_eq!(error.kind, FetchErrorKind::Cut);
}

#[test]
fn whatever_else_a_server_says_is_one_clear_line() {
    for (response, kind, words, retry_after) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            FetchErrorKind::Unreachable,
            "HTTP 404: there is nothing",
            None,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            FetchErrorKind::Refused,
            "HTTP 403: the server does not let us in",
            None,
        ),
        (
            "HTTP/1.1 500 Oops\r\n\r\n",
            FetchErrorKind::Unreachable,
            "HTTP 500: the server has a fault",
            None,
        ),
        (
            "HTTP/1.1 503 Later\r\nRetry-After: 120\r\n\r\n",
            FetchErrorKind::Unreachable,
            "HTTP 503",
            Some(120),
        ),
        (
            "HTTP/1.1 429 Slow\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n\r\n",
            FetchErrorKind::Unreachable,
            "less often",
            Some(60),
        ),
        (
            "HTTP/1.1 206 Partial Content\r\n\r\nabc",
            FetchErrorKind::Malformed,
            "HTTP 206",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
            FetchErrorKind::Malformed,
            "encoded (gzip)",
            None,
        ),
        (
            "SSH-2.0-OpenSSH_9\r\n",
            FetchErrorKind::Malformed,
            "does not speak HTTP",
            None,
        ),
        ("", FetchErrorKind::Malformed, "does not speak HTTP", None),
    ] {
        let error = Scripted::new([say(response)]).refusal();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(!error.message.contains('\n'), "{error}");
        assert_eq!(error.retry_after, retry_after.map(Duration::from_secs));
    }
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(400_000));
    let error = Scripted::new([say(&long)]).refusal();
    assert!(error.message.contains("HTTP rightly"), "{error}");
}

#[test]
fn nobody_is_waited_for_without_end() {
    let short = FetchSettings {
        timeout: Duration::from_millis(300),
        ..settings()
    };
    for begun in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let server = Scripted::new([Script::SayAndWait(begun.as_bytes().to_vec())]);
        let error = fetch(&server.url, None, &short, &|| false).0.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Unreachable);
        assert!(
            error.message.contains("the timeout of this feed"),
            "{error}"
        );
        assert_eq!(server.heard().len(), 1);
    }
    // A server that stops does not wait either.
    let server = Scripted::new([Script::SayAndWait(vec![])]);
    let looked = AtomicBool::new(false);
    let stopping = || looked.swap(true, Ordering::Relaxed);
    let error = fetch(&server.url, None, &settings(), &stopping)
        .0
        .unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Stopped);
}

#[test]
fn neighbours_are_asked_only_with_leave() {
    let private = FetchSettings {
        allow_private: false,
        ..settings()
    };
    // Nobody listens: it would be another error if it were tried. All are loopback in other words.
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ] {
        let error = fetch(&format!("http://{host}:1/"), None, &private, &|| false)
            .0
            .unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Private, "{error}");
        assert!(error.message.contains("allow_private"), "{error}");
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = fetch(&format!("http://{gone}/"), None, &settings(), &|| false)
        .0
        .unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Unreachable);
    assert!(error.message.contains("refused"), "{error}");
    let error = fetch("http://nowhere.invalid/", None, &settings(), &|| false)
        .0
        .unwrap_err();
    assert!(error.message.contains("has no address"), "{error}");
}

#[test]
fn without_certificates_to_trust_there_is_no_https() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", server.local_addr().unwrap());
    let error = fetch(&url, None, &settings(), &|| false).0.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Refused);
    assert!(error.message.contains("/nonexistent.pem"), "{error}");
}

/// Fetches the rest of `abcdef`, of which the octets in `there` have come.
fn resume(
    server: &Scripted,
    there: &[u8],
    validators: Option<Validators>,
) -> (Result<[u8; 32], FetchError>, Vec<u8>, Vec<Validators>) {
    let url = Target::parse(&server.url).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(there).unwrap();
    let mut begun = Vec::new();
    let mut begins = |validators: &Validators| {
        begun.push(validators.clone());
        Ok(())
    };
    let mut part = Part {
        octets: u64::try_from(there.len()).unwrap(),
        validators,
        octets_expected: 6,
        past_caches: false,
        begins: &mut begins,
    };
    let resumed = Fetcher::new(settings()).resume(&url, &mut part, &mut file, &|| false);
    let mut octets = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut octets).unwrap();
    (resumed, octets, begun)
}

/// `printf abcdef | sha256sum`
const ABCDEF: [u8; 4] = hex_literal::hex!("bef57ec7");

#[test]
fn what_a_broken_connection_left_is_gone_on_from() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nETag: \"e\"\r\n\r\nabc";
    let rest = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nETag: \"e\"\r\n\
                Content-Range: bytes 3-5/6\r\n\r\ndef";
    let server = Scripted::new([say(cut), say(rest)]);
    let (cut, there, begun) = resume(&server, b"", None);
    assert_eq!(cut.unwrap_err().kind, FetchErrorKind::Cut);
    assert_eq!((there.as_slice(), begun.len()), (&b"abc"[..], 1));
    let (resumed, whole, again) = resume(&server, &there, begun.first().cloned());
    assert_eq!(resumed.unwrap()[..4], ABCDEF);
    assert_eq!((whole.as_slice(), again.len()), (&b"abcdef"[..], 0));
    let heard = server.heard();
    assert!(!heard[0].contains("range"), "{}", heard[0]);
    assert!(heard[1].contains("range: bytes=3-\r\n"), "{}", heard[1]);
    assert!(heard[1].contains("if-range: \"e\"\r\n"), "{}", heard[1]);
}

#[test]
fn another_file_and_a_server_without_ranges_begin_anew() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef";
    let none = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
    let server = Scripted::new([say(whole), say(none), say(whole), say(whole)]);
    let known = |etag: &str| {
        Some(Validators {
            url: format!("{}/", server.url),
            etag: Some(etag.to_owned()),
            last_modified: None,
        })
    };
    for etag in ["\"e\"", "\"e\"", "W/\"e\""] {
        let (resumed, octets, begun) = resume(&server, b"xyz", known(etag));
        assert_eq!(resumed.unwrap()[..4], ABCDEF);
        assert_eq!((octets.as_slice(), begun.len()), (&b"abcdef"[..], 1));
    }
    // A weak one is of no use for a part.
    assert!(!server.heard()[3].contains("range"));
}

#[test]
fn a_part_that_was_not_asked_for_and_another_length_are_refused() {
    let other =
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 2-5/6\r\n\r\n";
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdefg";
    let endless = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdefg";
    let short = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc";
    let server = Scripted::new([say(other), say(long), say(endless), say(short)]);
    let known = Validators {
        url: format!("{}/", server.url),
        etag: Some("\"e\"".to_owned()),
        last_modified: None,
    };
    let (refused, _, _) = resume(&server, b"abc", Some(known));
    assert_eq!(refused.unwrap_err().kind, FetchErrorKind::Malformed);
    for _ in 0..3 {
        let (refused, octets, _) = resume(&server, b"", None);
        assert_eq!(refused.unwrap_err().kind, FetchErrorKind::Different);
        assert!(octets.len() <= 6);
    }
}
