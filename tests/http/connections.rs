//! Deadlines, caps and the end: a client that is slow, or one too many, costs others nothing.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use estelam::http::{BindProblem, Limits, Server};

use super::support::{Client, PATIENCE, TestServer, path_of};

/// Short enough to wait for; long enough that no healthy step takes it.
const SHORT: Duration = Duration::from_millis(300);

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

#[track_caller]
fn assert_takes_about(short: Duration, began: Instant) {
    let taken = began.elapsed();
    assert!(taken >= short, "cut after {taken:?}");
    assert!(taken < short * 10, "cut after {taken:?}");
}

#[test]
fn a_client_that_says_nothing_is_cut() {
    let server = TestServer::start(Limits {
        head_timeout: SHORT,
        ..patient()
    });
    let began = Instant::now();
    server.connect().expect_closed();
    assert_takes_about(SHORT, began);
    server.until(|stats| stats.timeouts["head"] == 1 && stats.connections.open == 0);
}

#[test]
fn a_head_that_never_ends_is_cut_though_octets_keep_coming() {
    let server = TestServer::start(Limits {
        head_timeout: SHORT,
        ..patient()
    });
    for requests_before in [0, 1, 3] {
        let mut client = server.connect();
        for _ in 0..requests_before {
            assert_eq!(client.get(&path_of(b"question")).status, 200);
        }
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\n");
        trickle(&client);
        client.expect_closed();
        assert_takes_about(SHORT, began);
    }
    server.until(|stats| stats.timeouts["head"] == 3);
}

/// Writes an octet every few milliseconds, from a thread of its own, until the server hangs up.
fn trickle(client: &Client) {
    use std::io::Write;
    let mut stream = client.stream.get_ref().try_clone().unwrap();
    let (never, tick) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let _never = never;
        while stream.write_all(b"x").is_ok() {
            tick.recv_timeout(Duration::from_millis(5)).ok();
        }
    });
}

/// Connections that wait give up hyper's state, in the middle of a head as well.
#[test]
fn a_parked_connection_goes_on_where_it_was() {
    let mut server = TestServer::start(Limits {
        park_after: Duration::from_millis(1),
        ..patient()
    });
    let (_never, tick) = std::sync::mpsc::channel::<()>();
    let wait = || tick.recv_timeout(Duration::from_millis(4)).ok();
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for round in 0..3 {
        let question = format!("question {round}");
        let target = path_of(question.as_bytes());
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let length = question.len();
        let post =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{question}");
        for request in [&head, &post] {
            // The first request, whole, is followed by a piece of the second.
            let all = format!("{head}{request}");
            let (first, rest) = all.split_at(head.len() + 5);
            for client in &mut clients {
                client.send(first);
            }
            for piece in rest.as_bytes().chunks(1 + rest.len() / 4) {
                wait();
                for client in &mut clients {
                    client.send(piece);
                }
            }
            for client in &mut clients {
                for _ in 0..2 {
                    assert_eq!(
                        client.answer().body,
                        format!("answer to {question}").as_bytes()
                    );
                }
            }
            wait();
        }
    }
    server.signal_stop();
    for client in &mut clients {
        client.expect_closed();
    }
    assert_eq!(server.join().cut, 0);
}

#[test]
fn an_idle_connection_is_closed() {
    let server = TestServer::start(Limits {
        idle_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    assert_eq!(client.post("/", b"q").status, 200);
    let began = Instant::now();
    assert_eq!(client.get(&path_of(b"question")).status, 200);
    client.expect_closed();
    assert_takes_about(SHORT, began);
    server.until(|stats| stats.timeouts["idle"] == 1);
}

#[test]
fn a_body_that_never_ends_is_cut_though_octets_keep_coming() {
    let server = TestServer::start(Limits {
        body_timeout: SHORT,
        ..patient()
    });
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = server.connect();
        let began = Instant::now();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: 4000\r\n\r\n"
        ));
        trickle(&client);
        if !expect.is_empty() {
            assert_eq!(client.answer().status, 100);
        }
        client.expect_closed();
        assert_takes_about(SHORT, began);
    }
    server.until(|stats| stats.timeouts["body"] == 2);
}

#[test]
fn a_backend_that_hangs_does_not_hold_its_client() {
    let server = TestServer::start(Limits {
        answer_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    let began = Instant::now();
    client.request("GET", &path_of(b"wait for ever"), "", b"");
    client.expect_closed();
    assert_takes_about(SHORT, began);
    server.until(|stats| stats.timeouts["answer"] == 1);
}

#[test]
fn a_reader_that_takes_nothing_is_cut_and_reset() {
    let server = TestServer::start(Limits {
        write_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    client.request("GET", &path_of(b"large"), "", b"");
    server.until(|stats| stats.timeouts["write"] == 1 && stats.connections.open == 0);
    let mut taken = Vec::new();
    let end = std::io::Read::read_to_end(&mut client.stream, &mut taken);
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn pipelining_without_reading_is_cut() {
    use std::io::Write;
    let server = TestServer::start(Limits {
        write_timeout: SHORT,
        ..patient()
    });
    let client = server.connect();
    let mut stream = client.stream.get_ref();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path_of(&[b'q'; 900]));
    while stream.write_all(request.as_bytes()).is_ok() {}
    server.until(|stats| stats.timeouts["write"] == 1 && stats.connections.open == 0);
}

#[test]
fn a_slow_reader_that_gets_on_is_served_to_the_end() {
    use std::io::Read;
    let server = TestServer::start(Limits {
        write_timeout: SHORT,
        ..patient()
    });
    let mut client = server.connect();
    let began = Instant::now();
    client.request("GET", &path_of(b"large"), "", b"");
    let (_, fields) = client.read_head().unwrap();
    let length: usize = fields["content-length"].parse().unwrap();
    let (_never, tick) = std::sync::mpsc::channel::<()>();
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while taken < length {
        let read = client.stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0);
        taken += read;
        if taken % 8 == 0 || began.elapsed() < SHORT * 3 {
            tick.recv_timeout(Duration::from_millis(10)).ok();
        }
    }
    assert!(began.elapsed() > SHORT * 2, "too quick to show anything");
    assert_eq!(client.post("/", b"next").status, 200);
}

#[test]
fn above_the_cap_connections_are_closed_at_once_and_below_it_served_again() {
    let server = TestServer::start(Limits {
        connections_max: 3,
        ..patient()
    });
    let mut served: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut served {
        assert_eq!(client.post("/", b"q").status, 200);
    }
    for _ in 0..5 {
        server.connect().expect_closed();
    }
    server.until(|stats| stats.connections.refused == 5);
    served.pop();
    server.until(|stats| stats.connections.open == 2);
    assert_eq!(server.connect().post("/", b"q").status, 200);
    assert_eq!(served[0].post("/", b"q").status, 200);
}

#[test]
fn a_backend_that_panics_loses_one_connection() {
    let server = TestServer::start(Limits {
        connections_max: 1,
        ..patient()
    });
    for _ in 0..3 {
        let mut client = server.connect();
        client.request("POST", "/", "", b"panic");
        client.expect_closed();
        server.until(|stats| stats.connections.open == 0);
    }
    assert_eq!(server.connect().post("/", b"q").status, 200);
}

#[test]
fn a_burst_of_connections_leaves_none_behind() {
    let server = TestServer::start(Limits::default());
    for _ in 0..300 {
        let mut client = server.connect();
        client.request("GET", &path_of(b"question"), "Connection: close\r\n", b"");
        assert_eq!(client.answer().body, b"answer to question");
        client.expect_closed();
    }
    server.until(|stats| stats.connections.open == 0 && stats.connections.accepted == 300);
    assert_eq!(server.stats().connections.aborted, 0);
}

#[test]
fn draining_closes_idle_connections_and_finishes_busy_ones() {
    let mut server = TestServer::start(patient());
    let mut idle = server.connect();
    assert_eq!(idle.post("/", b"q").status, 200);
    let mut silent = server.connect();
    let mut busy = server.connect();
    busy.request("POST", "/", "", b"wait for it");
    let mut in_body = server.connect();
    // The interim answer tells that the server has read the head; nothing else would.
    in_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(in_body.answer().status, 100);
    in_body.send("ques");
    while server.echo.asked.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    server.until(|stats| stats.connections.accepted == 4);

    server.signal_stop();
    idle.expect_closed();
    silent.expect_closed();
    in_body.send("tion");
    assert_eq!(in_body.answer().body, b"answer to question");
    in_body.expect_closed();
    assert!(!server.has_ended());
    assert!(
        TcpStream::connect(server.address).is_err(),
        "no new connections"
    );

    server.echo.release.add_permits(1);
    let answer = busy.answer();
    assert_eq!(answer.body, b"answer to wait for it");
    assert_eq!(answer.field("connection"), "close");
    busy.expect_closed();
    assert_eq!(server.join().cut, 0);
}

#[test]
fn draining_has_an_end() {
    let mut server = TestServer::start(Limits {
        drain_timeout: SHORT,
        ..patient()
    });
    let mut busy = server.connect();
    busy.request("POST", "/", "", b"wait for ever");
    while server.echo.asked.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    let began = Instant::now();
    server.signal_stop();
    busy.expect_closed();
    assert_takes_about(SHORT, began);
    assert_eq!(server.join().cut, 1);
}

#[test]
fn a_port_in_use_is_an_error_before_anything_starts() {
    let server = TestServer::start(Limits::default());
    let error = Server::bind(
        &["127.0.0.1:0".parse().unwrap(), server.address],
        Limits::default(),
    )
    .unwrap_err();
    assert_eq!(error.address, server.address);
    assert_eq!(error.problem, BindProblem::InUse);
}

#[test]
fn a_restart_binds_while_old_connections_linger() {
    let mut server = TestServer::start(Limits::default());
    let address = server.address;
    let mut client = server.connect();
    assert_eq!(client.post("/", b"q").status, 200);
    server.signal_stop(); // The server closes first: its side goes to TIME-WAIT.
    client.expect_closed();
    server.join();
    drop(client);
    Server::bind(&[address], Limits::default()).unwrap();
}
