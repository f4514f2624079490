//! Heads and bodies that no two servers may read differently (RFC 9112 §6).

use estelam::http::Limits;

use super::support::TestServer;

const HIDDEN: &str = "GET /aGlkZGVu HTTP/1.1\r\nHost: x\r\n\r\n";

/// Nothing of what follows an ambiguous message is taken for a request.
#[test]
fn after_an_ambiguous_message_the_connection_ends() {
    let server = TestServer::start(Limits::default());
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
        " X: folded\r\n",
        "X: a\r\n folded\r\n",
        "no colon\r\n",
        "X: \x7f\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\n{HIDDEN}"
        ));
        let rest = client.rest();
        let text = String::from_utf8_lossy(&rest);
        assert!(!text.contains("answer to hidden"), "{head:?}: {text}");
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{head:?}: {text}");
        let both = head.contains("Content-Length: 5\r\n") && head.contains("g: chunked\r\n");
        assert!(
            both || !text.starts_with("HTTP/1.1 200"),
            "{head:?}: {text}"
        );
    }
}

#[test]
fn what_is_not_http_1_is_refused() {
    let server = TestServer::start(Limits::default());
    for octets in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /\xc3 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\0",
    ] {
        let mut client = server.connect();
        client.send(octets);
        client
            .stream
            .get_ref()
            .shutdown(std::net::Shutdown::Write)
            .unwrap();
        let rest = client.rest();
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
            "{octets:?}: {rest:?}"
        );
    }
    server.until(|stats| stats.connections.open == 0);
}

#[test]
fn a_chunked_body_is_read_and_a_broken_one_refused() {
    let server = TestServer::start(Limits::default());
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = server.connect();
    for octet in format!("{head}3;x=y\r\nque\r\n5\r\nstion\r\n0\r\nTrailer: x\r\n\r\n").bytes() {
        client.send([octet]);
    }
    assert_eq!(client.answer().body, b"answer to question");

    for body in [
        "x\r\n",
        "3\r\nquest\r\n",
        "ffffffffffffffffff\r\n",
        "-1\r\n",
        "3\nque\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{head}{body}{HIDDEN}"));
        client
            .stream
            .get_ref()
            .shutdown(std::net::Shutdown::Write)
            .unwrap();
        let rest = client.rest();
        let text = String::from_utf8_lossy(&rest);
        assert!(
            text.starts_with("HTTP/1.1 400") || text.is_empty(),
            "{body:?}: {text}"
        );
        assert!(!text.contains("answer to"), "{body:?}: {text}");
    }
}

#[test]
fn a_head_may_come_octet_by_octet() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for _ in 0..2 {
        for octet in HIDDEN.bytes() {
            client.send([octet]);
        }
        assert_eq!(client.answer().body, b"answer to hidden");
    }
}
