//! Methods, paths and what is refused (RFC 6960 A.1, RFC 9919 §6, RFC 9110 §10.1.1).

use estelam::http::Limits;

use super::support::{TestServer, path_of};

#[test]
fn post_and_get_get_the_same_answer() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let posted = client.post("/ocsp", b"question");
    assert_eq!(posted.status, 200);
    assert_eq!(posted.body, b"answer to question");
    assert_eq!(posted.field("content-type"), "application/ocsp-response");
    assert_eq!(posted.field("content-length"), "18");

    for prefix in ["", "/ocsp"] {
        let got = client.get(&format!("{prefix}{}", path_of(b"question")));
        assert_eq!(got.body, posted.body);
        assert_eq!(
            got.fields.keys().collect::<Vec<_>>(),
            posted.fields.keys().collect::<Vec<_>>()
        );
    }
    let stats = server.stats();
    assert_eq!(stats.answers["presigned"].get, 2);
    assert_eq!(stats.answers["presigned"].post, 1);
}

#[test]
fn post_is_taken_at_the_mount_with_and_without_a_final_slash() {
    let server = TestServer::start_with(Limits::default(), &["127.0.0.1:0"], &["/ca/ocsp"]);
    let mut client = server.connect();
    for (target, status) in [
        ("/ca/ocsp", 200),
        ("/ca/ocsp/", 200),
        ("/ca/ocsp?x=1", 200),
        ("http://ocsp.example/ca/ocsp", 200),
        ("/ca/ocsp/x", 404),
        ("/ca/ocspx", 404),
        ("/ca", 404),
        ("/", 404),
    ] {
        assert_eq!(client.post(target, b"q").status, status, "{target}");
    }
}

#[test]
fn a_get_without_a_request_says_what_this_is() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for target in ["/", "/ocsp", "/ocsp/", "//", "/?x"] {
        let answer = client.get(target);
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.body.starts_with(b"This is an OCSP responder"));
        assert!(answer.field("content-type").starts_with("text/plain"));
        assert_eq!(answer.field("cache-control"), "no-store");
    }
    assert_eq!(server.stats().errors["404_not_found"], 5);
}

#[test]
fn a_path_that_is_no_base64_is_malformed_with_status_200() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for target in [
        "/favicon.ico",
        "/ocsp/robots.txt",
        "/MEow%",
        "/cXVlc3Rpb24=?x=1",
        "/%00",
        "/é",
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.body, [0x30, 0x03, 0x0a, 0x01, 0x01], "{target}");
        assert_eq!(answer.field("content-type"), "application/ocsp-response");
    }
    assert_eq!(server.stats().answers["malformed_request"].get, 6);
}

/// Every way of writing a path asks the same question as the POST: servers that merged slashes failed
/// clients for hours.
#[test]
fn every_way_of_writing_a_path_gets_the_answer_to_its_question() {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
    };
    let server = TestServer::start_with(Limits::default(), &["127.0.0.1:0"], &["/", "/ca/ocsp"]);
    let mut client = server.connect();
    let mut noise = 88_172_645_463_325_252_u64; // xorshift64
    for n in 0..2_000_usize {
        let mut question = vec![0x30];
        question.extend((0..60 + n % 5).map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            // Plenty of `/` and `+`.
            if noise & 0x700 == 0 {
                0xff
            } else {
                noise as u8
            }
        }));
        let plain = STANDARD.encode(&question);
        let escaped = plain
            .replace('/', "%2F")
            .replace('+', "%2B")
            .replace('=', "%3D");
        let paths = [
            STANDARD_NO_PAD.encode(&question),
            escaped.to_lowercase_escapes(),
            plain.replace('+', "%2B"),
            plain.bytes().map(|octet| format!("%{octet:02x}")).collect(),
            URL_SAFE.encode(&question),
            URL_SAFE_NO_PAD.encode(&question),
            format!("/{plain}"),
            format!("%2F{escaped}"),
            escaped,
            plain,
        ];
        for path in &paths {
            for mount in ["", "/ca/ocsp"] {
                client.request("GET", &format!("{mount}/{path}"), "", b"");
            }
        }
        for path in paths.iter().flat_map(|path| [path; 2]) {
            let answer = client.answer();
            assert_eq!(
                answer.body,
                [b"answer to ", &question[..]].concat(),
                "{path}"
            );
        }
    }
}

trait LowercaseEscapes {
    fn to_lowercase_escapes(&self) -> String;
}

impl LowercaseEscapes for String {
    fn to_lowercase_escapes(&self) -> String {
        self.replace("%2F", "%2f")
            .replace("%2B", "%2b")
            .replace("%3D", "%3d")
    }
}

#[test]
fn an_empty_body_reaches_the_backend() {
    let server = TestServer::start(Limits::default());
    assert_eq!(server.connect().post("/", b"").body, b"answer to ");
}

#[test]
fn other_methods_are_refused_with_those_allowed() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let answer = client.request(method, "/ocsp", "", b"").answer();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.field("allow"), "GET, HEAD, POST");
    }
    assert_eq!(server.stats().errors["405_method_not_allowed"], 6);
    assert_eq!(client.post("/", b"q").status, 200, "the connection goes on");
}

#[test]
fn head_is_get_without_the_body() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let got = client.get(&path_of(b"question"));
    let (status, fields) = client
        .request("HEAD", &path_of(b"question"), "", b"")
        .read_head()
        .unwrap();
    assert_eq!(status, 200);
    let without_date = |mut fields: std::collections::BTreeMap<String, String>| {
        fields.remove("date");
        fields
    };
    assert_eq!(without_date(fields), without_date(got.fields));
    // No body: the next octets are the next answer.
    assert_eq!(client.post("/", b"next").body, b"answer to next");
    assert_eq!(server.stats().answers["presigned"].head, 1);
}

#[test]
fn content_type_is_judged_where_it_is_given() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for (fields, status) in [
        ("", 200),
        ("Content-Type: application/ocsp-request\r\n", 200),
        ("Content-Type: Application/OCSP-Request ; x=y\r\n", 200),
        ("Content-Encoding: identity\r\n", 200),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/ocsp-response\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Encoding: gzip\r\n", 415),
    ] {
        let answer = client.request("POST", "/", fields, b"question").answer();
        assert_eq!(answer.status, status, "{fields}");
    }
}

#[test]
fn a_body_above_the_limit_is_refused_and_the_connection_goes_on() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    assert_eq!(client.post("/", &[b'x'; 4_096]).status, 200);
    for length in [4_097, 60_000] {
        assert_eq!(
            client.post("/", &vec![b'x'; length]).status,
            413,
            "{length}"
        );
    }
    assert_eq!(client.post("/", b"q").status, 200);

    let chunk = format!("1000\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "y".repeat(4_096));
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .send(chunk);
    assert_eq!(client.answer().status, 413);
    assert_eq!(client.post("/", b"q").status, 200);
    assert_eq!(server.stats().errors["413_content_too_large"], 3);
}

#[test]
fn a_body_far_above_the_limit_is_not_read() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n");
    assert_eq!(client.answer().status, 413);
    client.expect_closed();

    // The same without an announcement: cut as soon as enough was wasted.
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("1000\r\n{}\r\n", "y".repeat(4_096));
    client.send(chunk.repeat(17));
    assert_eq!(client.answer().status, 413);
}

#[test]
fn a_path_or_head_above_the_limit_is_refused() {
    let server = TestServer::start(Limits {
        path_octets_max: 1_000,
        head_octets_max: 4_000,
        ..Limits::default()
    });
    let mut client = server.connect();
    let longest = format!("/{}", "A".repeat(999));
    assert_eq!(client.get(&longest).status, 200);
    assert_eq!(client.get(&format!("{longest}A")).status, 414);

    let answer = client.get(&format!("/{}", "A".repeat(5_000)));
    assert_eq!(answer.status, 431);
    client.expect_closed();

    let mut client = server.connect();
    let field = format!("X: {}\r\n", "y".repeat(5_000));
    assert_eq!(client.request("GET", "/", &field, b"").answer().status, 431);
    let mut client = server.connect();
    let many: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(client.request("GET", "/", &many, b"").answer().status, 431);
    server.until(|stats| stats.errors["431_head_too_large"] == 3);
    server.until(|stats| stats.errors["414_uri_too_long"] == 1);
}

#[test]
fn a_request_of_any_size_within_the_limit_fits_a_path() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for length in [1, 2, 3, 383, 384, 385, 511, 512, 513, 4_095, 4_096] {
        let question: Vec<u8> = (0..length).map(|n: u32| (n * 7 % 251) as u8).collect();
        let answer = client.get(&path_of(&question));
        assert_eq!(
            answer.body,
            [b"answer to ", &question[..]].concat(),
            "{length}"
        );
    }
    let above = client.get(&path_of(&[0; 4_097]));
    assert_eq!((above.status, above.body.len()), (200, 5));
}

#[test]
fn expect_100_continue_is_answered_before_the_body_comes() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(
            "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 8\r\n\r\n",
        );
        assert_eq!(client.answer().status, 100);
        client.send("question");
        assert_eq!(client.answer().body, b"answer to question");
    }
    // A client that does not wait.
    client.request("POST", "/", "Expect: 100-continue\r\n", b"at once");
    let mut answer = client.answer();
    if answer.status == 100 {
        answer = client.answer();
    }
    assert_eq!(answer.body, b"answer to at once");
}

#[test]
fn a_refused_expectation_gets_no_100() {
    let server = TestServer::start(Limits::default());
    for (fields, status) in [
        ("Expect: 200-ok\r\nContent-Length: 8\r\n", 417),
        ("Expect: 100-continue\r\nContent-Length: 5000\r\n", 413),
        (
            "Expect: 100-continue\r\nContent-Type: text/html\r\nContent-Length: 8\r\n",
            415,
        ),
    ] {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
        assert_eq!(client.answer().status, status, "{fields}");
        client.expect_closed();
    }
}

#[test]
fn http_1_0_is_answered_and_closed_unless_kept_alive() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    client.send("POST /ocsp HTTP/1.0\r\nContent-Length: 8\r\n\r\nquestion");
    assert_eq!(client.answer().body, b"answer to question");
    client.expect_closed();

    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET /cXVlc3Rpb24= HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.answer().body, b"answer to question");
    }
}

#[test]
fn every_listener_serves() {
    let server = TestServer::start_with(
        Limits::default(),
        &["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"],
        &["/"],
    );
    for address in &server.addresses {
        let mut client = super::support::Client::connect(*address);
        assert_eq!(client.post("/", b"q").status, 200, "{address}");
    }
}
