//! A failed `accept` is counted and tried again; it does not end the process (CVE-2026-49232 in
//! another server). Alone in its process, whose file descriptors it uses up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    os::fd::AsRawFd,
    sync::Arc,
    time::{Duration, Instant},
};

use estelam::{
    http::{Limits, Mounts, Server},
    observe::Counters,
    responder::{AnswerKind, Backend, Reply, Response},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::oneshot;

struct Stub;

impl Backend for Stub {
    fn respond(&self, request_der: &[u8]) -> Reply {
        Reply::Ready(Response {
            body: request_der.to_vec(),
            freshness: None,
            kind: AnswerKind::Unauthorized,
        })
    }
}

#[test]
fn without_file_descriptors_the_server_waits_for_some() {
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()], Limits::default()).unwrap();
    let address = server.addresses().next().unwrap();
    let counters = Arc::new(Counters::default());
    let their_counters = Arc::clone(&counters);
    let (stop, stopped) = oneshot::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stopped = async { stopped.await.unwrap() };
        let serve = server.serve(Arc::new(Stub), Mounts::default(), their_counters, stopped);
        runtime.block_on(serve).unwrap();
    });
    let until = |what: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !what() {
            assert!(Instant::now() < deadline, "{}", counters.snapshot());
            std::thread::yield_now();
        }
    };
    ask(&mut TcpStream::connect(address).unwrap(), "before");
    until(&|| counters.snapshot().connections.open == 0);

    // Leave one descriptor, and take it for the client's side of a connection.
    let before = getrlimit(Resource::Nofile);
    let lowest_free = File::open("/dev/null").unwrap().as_raw_fd();
    let almost_none = Rlimit {
        current: Some(u64::try_from(lowest_free).unwrap() + 1),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, almost_none).unwrap();
    let mut waiting = TcpStream::connect(address).unwrap();
    until(&|| counters.snapshot().connections.accept_failures >= 2);
    assert_eq!(counters.snapshot().connections.accepted, 1);

    setrlimit(Resource::Nofile, before).unwrap();
    ask(&mut waiting, "after");
    ask(&mut TcpStream::connect(address).unwrap(), "and others");

    drop(waiting);
    stop.send(()).unwrap();
    server.join().unwrap();
}

fn ask(stream: &mut TcpStream, question: &str) {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let length = question.len();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream
        .write_all(format!("{head}{question}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    while !answer.ends_with(&format!("\r\n\r\n{question}")) {
        let mut octet = [0];
        assert_ne!(stream.read(&mut octet).unwrap(), 0, "{answer}");
        answer.push(char::from(octet[0]));
    }
}
