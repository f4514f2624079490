//! Files beside OCSP: what goes over the wire, and clients that are slow or cut it short.

use std::{io::Read as _, time::Duration};

use estelam::http::Limits;

use super::support::{Client, FILES, PATIENCE, TestServer, octets_of_file, path_of};

const SHORT: Duration = Duration::from_millis(300);
const SMALL: &str = FILES[0].0;
const SMALL_OCTETS: usize = FILES[0].1;
const LARGE: &str = FILES[1].0;
const LARGE_OCTETS: usize = FILES[1].1;

fn patient() -> Limits {
    Limits {
        head_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        body_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        write_timeout: PATIENCE,
        drain_timeout: PATIENCE,
        ..Limits::default()
    }
}

#[test]
fn a_file_is_served_at_its_path_and_nowhere_else() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for target in [
        SMALL,
        "/small.crl?x=y",
        "/small.crl?",
        "http://localhost/small.crl",
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.body, octets_of_file(SMALL_OCTETS), "{target}");
        for (name, value) in [
            ("content-type", "application/pkix-crl"),
            ("content-length", "1000"),
            ("accept-ranges", "bytes"),
            ("cache-control", "public, max-age=3600, no-transform"),
            ("etag", "\"tag of /small.crl\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("expires", "Sun, 06 Nov 1994 09:50:37 GMT"),
            ("vary", "Accept-Encoding"),
        ] {
            assert_eq!(answer.field(name), value, "{target}: {name}");
        }
        assert_eq!(answer.fields.len(), 9, "and Date: {:?}", answer.fields);
    }
    // Another file than the one that is there, and no OCSP request.
    for target in [
        "/other.crl",
        "/ocsp/small.crl",
        "//small.crl",
        "/small.cr%6c",
        "/x.json",
    ] {
        let status = client.get(target).status;
        assert!(
            status == 404 || target.contains("%6c"),
            "{target}: {status}"
        );
    }
    assert_eq!(client.post(SMALL, b"question").status, 404);
    assert_eq!(
        client.request("DELETE", SMALL, "", b"").answer().status,
        405
    );
    assert_eq!(
        client
            .request("GET", SMALL, "Expect: tea\r\n", b"")
            .answer()
            .status,
        417
    );
    server.until(|stats| stats.files.answers["crl"]["200_whole"] == 4);
    assert_eq!(stats_octets(&server), 4_000);
    assert_eq!(server.stats().answers["presigned"].all(), 0);
}

fn stats_octets(server: &TestServer) -> u64 {
    server.stats().files.octets
}

#[test]
fn head_is_get_without_the_body() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let mut get = client.get(SMALL);
    for (name, range) in [("small", ""), ("ranged", "Range: bytes=0-9\r\n")] {
        let (status, mut fields) = client
            .request("HEAD", SMALL, range, b"")
            .read_head()
            .unwrap();
        assert_eq!(status, 200, "{name}");
        fields.remove("date");
        get.fields.remove("date");
        assert_eq!(fields, get.fields, "{name}");
    }
    let conditional = "If-None-Match: \"tag of /small.crl\"\r\n";
    let (status, _) = client
        .request("HEAD", SMALL, conditional, b"")
        .read_head()
        .unwrap();
    assert_eq!(status, 304);
    assert_eq!(client.get(&path_of(b"next")).body, b"answer to next");
    server.until(|stats| stats.files.answers["crl"]["304_not_modified"] == 1);
    assert_eq!(stats_octets(&server), 1_000, "of the GET alone");
}

#[test]
fn parts_and_refusals_have_their_fields() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let mut with = |fields: &str| client.request("GET", SMALL, fields, b"").answer();
    let part = with("Range: bytes=5-14\r\n");
    assert_eq!((part.status, &*part.body), (206, &b"5678901234"[..]));
    assert_eq!(part.field("content-range"), "bytes 5-14/1000");
    assert_eq!(part.field("etag"), "\"tag of /small.crl\"");
    assert_eq!(part.field("content-type"), "application/pkix-crl");

    let two = with("Range: bytes=0-1,5-6\r\n");
    assert_eq!((two.status, two.body.len()), (200, 1_000));
    assert_eq!(two.field("content-range"), "");

    let nothing = with("Range: bytes=1000-\r\n");
    assert_eq!(nothing.status, 416);
    assert_eq!(nothing.field("content-range"), "bytes */1000");
    assert_eq!(nothing.field("cache-control"), "no-store");

    assert_eq!(with("If-Match: \"x\"\r\n").status, 412);
    let coded = with("Accept-Encoding: zstd, identity;q=0\r\n");
    assert_eq!(
        (coded.status, coded.field("vary")),
        (406, "Accept-Encoding")
    );

    let same = with("If-None-Match: W/\"tag of /small.crl\"\r\nRange: bytes=0-9\r\n");
    assert_eq!((same.status, same.body.len()), (304, 0));
    for name in [
        "etag",
        "cache-control",
        "expires",
        "vary",
        "date",
        "last-modified",
    ] {
        assert_ne!(same.field(name), "", "{name}");
    }
    assert_eq!(same.fields.len(), 6, "{:?}", same.fields);
    server.until(|stats| {
        let counts = &stats.files.answers["crl"];
        counts.values().sum::<u64>() == 6 && counts["406_not_acceptable"] == 1
    });
}

#[test]
fn files_and_ocsp_take_turns_on_one_connection() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let small = octets_of_file(SMALL_OCTETS);
    for round in 0..50 {
        let question = format!("question {round}");
        let heads = [
            format!("GET {SMALL} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!(
                "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
                path_of(question.as_bytes())
            ),
            format!("GET {SMALL} HTTP/1.1\r\nHost: x\r\nRange: bytes={round}-\r\n\r\n"),
        ];
        client.send(heads.concat());
        assert_eq!(client.answer().body, small);
        assert_eq!(
            client.answer().body,
            format!("answer to {question}").as_bytes()
        );
        assert_eq!(client.answer().body, &small[round..]);
    }
}

/// Neither the timer that parks an idle connection nor any other cuts an answer that is on its way.
#[test]
fn a_large_file_arrives_whole() {
    let server = TestServer::start(Limits {
        park_after: Duration::from_millis(1),
        write_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    for _ in 0..3 {
        let answer = client.get(LARGE);
        assert_eq!(answer.body.len(), LARGE_OCTETS);
        assert!(answer.body == octets_of_file(LARGE_OCTETS));
        assert_eq!(client.get(&path_of(b"next")).status, 200);
    }
}

#[test]
fn a_reader_that_takes_nothing_is_cut() {
    let server = TestServer::start(Limits {
        write_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    client.request("GET", LARGE, "", b"");
    let (status, _) = client.read_head().unwrap();
    assert_eq!(status, 200);
    server.until(|stats| stats.timeouts["write"] == 1 && stats.connections.open == 0);
    let sent = stats_octets(&server);
    assert!(
        sent < LARGE_OCTETS as u64,
        "frames are made as they are taken: {sent}"
    );
    assert_eq!(
        rest(&mut client).unwrap_err(),
        std::io::ErrorKind::ConnectionReset
    );
}

fn rest(client: &mut Client) -> Result<usize, std::io::ErrorKind> {
    let mut taken = Vec::new();
    let end = client.stream.read_to_end(&mut taken);
    end.map_err(|error| error.kind())
}

/// The kernel tells the server that there is room only when a third of megabytes is free: this reader
/// takes less than that in the write timeout, and is not cut as long as it takes something.
#[test]
fn a_slow_reader_that_gets_on_is_not_cut() {
    let write_timeout = Duration::from_secs(1);
    let server = TestServer::start(Limits {
        write_timeout,
        ..patient()
    });
    let mut client = server.connect();
    client.request("GET", LARGE, "", b"");
    let (_, fields) = client.read_head().unwrap();
    let length: usize = fields["content-length"].parse().unwrap();
    assert_eq!(length, LARGE_OCTETS);
    let (_never, tick) = std::sync::mpsc::channel::<()>();
    let mut body = Vec::with_capacity(length);
    let mut buffer = vec![0; 64 << 10];
    // 320 KiB a second, three times as long as the timeout.
    for _ in 0..15 {
        client.stream.read_exact(&mut buffer).unwrap();
        body.extend_from_slice(&buffer);
        tick.recv_timeout(write_timeout / 5).ok();
    }
    body.resize(length, 0);
    client
        .stream
        .read_exact(&mut body[15 * buffer.len()..])
        .unwrap();
    assert!(body == octets_of_file(length));
    assert_eq!(client.get(&path_of(b"next")).status, 200);
    assert_eq!(server.stats().timeouts["write"], 0);
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_nothing() {
    let server = TestServer::start(patient());
    for _ in 0..20 {
        let mut client = server.connect();
        client.request("GET", LARGE, "", b"");
        client.read_head().unwrap();
    }
    server.until(|stats| stats.connections.open == 0);
    assert_eq!(server.connect().get(SMALL).status, 200);
}
