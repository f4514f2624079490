//! Each answer matches its question, whatever else happens on the connection (a CDN once gave out
//! other clients' answers after `Expect: 100-continue`).

use std::{net::Shutdown, thread};

use estelam::http::Limits;

use super::support::{TestServer, path_of};

/// What the server should say to the `n`th request of a connection, and that request.
fn exchange(connection: usize, n: usize) -> (Vec<u8>, Vec<u8>, u16) {
    let question = format!("question {connection}.{n} {}", "z".repeat(n * 37 % 1_500));
    let answer = format!("answer to {question}").into_bytes();
    let path = path_of(question.as_bytes());
    let length = question.len();
    let host = "Host: localhost\r\n";
    match n % 7 {
        0 | 1 => (
            format!("GET {path} HTTP/1.1\r\n{host}\r\n").into(),
            answer,
            200,
        ),
        2 | 3 => (
            format!("POST /ocsp HTTP/1.1\r\n{host}Content-Length: {length}\r\n\r\n{question}")
                .into(),
            answer,
            200,
        ),
        4 => (
            format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n\
                 {length:x}\r\n{question}\r\n0\r\n\r\n"
            )
            .into(),
            answer,
            200,
        ),
        5 => (
            format!(
                "POST / HTTP/1.1\r\n{host}Expect: 100-continue\r\n\
                 Content-Length: {length}\r\n\r\n{question}"
            )
            .into(),
            answer,
            200,
        ),
        _ => (
            format!(
                "POST / HTTP/1.1\r\n{host}Content-Type: text/html\r\nContent-Length: 2\r\n\r\nno"
            )
            .into(),
            Vec::new(),
            415,
        ),
    }
}

#[test]
fn thousands_of_pipelined_requests_get_their_own_answers_in_order() {
    const CONNECTIONS: usize = 8;
    const REQUESTS: usize = 3_000;
    let server = TestServer::start(Limits::default());
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let mut client = server.connect();
            let mut writer = client.stream.get_ref().try_clone().unwrap();
            scope.spawn(move || {
                use std::io::Write;
                // In pieces that follow no request's border.
                let all: Vec<u8> = (0..REQUESTS)
                    .flat_map(|n| exchange(connection, n).0)
                    .collect();
                for piece in all.chunks(1_021) {
                    writer.write_all(piece).unwrap();
                }
                writer.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || {
                for n in 0..REQUESTS {
                    let (_, expected, status) = exchange(connection, n);
                    let mut answer = client.answer();
                    if answer.status == 100 {
                        answer = client.answer();
                    }
                    assert_eq!(answer.status, status, "{connection}.{n}");
                    if status == 200 {
                        assert_eq!(answer.body, expected, "{connection}.{n}");
                    }
                }
                client.expect_closed();
            });
        }
    });
    let stats = server.stats();
    let refused = CONNECTIONS * (0..REQUESTS).filter(|n| n % 7 == 6).count();
    assert_eq!(
        stats.answer_count() as usize,
        CONNECTIONS * REQUESTS - refused
    );
    assert_eq!(stats.errors["415_unsupported_media_type"] as usize, refused);
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let server = TestServer::start(Limits::default());
    for (method, target, body) in [
        ("GET", path_of(b"question"), &b""[..]),
        ("POST", "/".to_owned(), b"question"),
    ] {
        let mut client = server.connect();
        client.request(method, &target, "", body);
        client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.answer().body, b"answer to question");
        client.expect_closed();
    }
}

#[test]
fn a_half_closed_client_gets_an_answer_that_is_still_being_signed() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    client.request("POST", "/", "", b"wait for it");
    client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    while server.echo.asked.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    server.echo.release.add_permits(1);
    assert_eq!(client.answer().body, b"answer to wait for it");
    client.expect_closed();
    assert_eq!(server.stats().answers["live"].post, 1);
    assert_eq!(server.stats().times.waited.count(), 1);
}

#[test]
fn answers_that_wait_keep_their_order_on_a_connection() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for n in 0..20 {
        let question = format!("wait {n}");
        client.request("GET", &path_of(question.as_bytes()), "", b"");
        client.request("POST", "/", "", format!("at once {n}").as_bytes());
    }
    server.echo.release.add_permits(20);
    for n in 0..20 {
        assert_eq!(
            client.answer().body,
            format!("answer to wait {n}").as_bytes()
        );
        assert_eq!(
            client.answer().body,
            format!("answer to at once {n}").as_bytes()
        );
    }
}

#[test]
fn an_aborted_body_is_answered_by_nobody() {
    let server = TestServer::start(Limits::default());
    for end in [Shutdown::Write, Shutdown::Both] {
        let mut client = server.connect();
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
        client.stream.get_ref().shutdown(end).unwrap();
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"));
    }
    server.until(|stats| stats.connections.open == 0);
    assert_eq!(server.stats().answer_count(), 0);
}
