//! A presigned answer through HTTP, beside a bare hyper server that sends as many octets.
//!
//! `cargo bench --bench http`. Each server runs on one thread; one more thread keeps 16 connections
//! busy with GET requests for certificates in an order that no cache foresees (100,000 in a segment).
//! The two take turns in rounds, the CPU time of the server's thread is divided by the requests, and the
//! median round is printed: what a request costs does not depend on neighbours, only the rate does.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

mod presigned;

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use estelam::{
    asn1::UnixTime,
    catalog::Catalog,
    clock::Clock,
    http::{Limits, Mounts, Server},
    observe::Counters,
    ocsp::RequestLimits,
    responder::{QueueSettings, Responder, question_queue},
};
use http_body_util::Full;
use hyper::{Request, body::Bytes, body::Incoming, header::ETAG, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};

const ROUNDS: usize = 9;
const REQUESTS: usize = 64_000;
const CONNECTIONS: usize = 16;
const RECORDS: u32 = 100_000;
const BODY_OCTETS: usize = 878;

fn main() {
    pin_this_thread("0");
    let folder = tempfile::tempdir().unwrap();
    let catalog = Arc::new(presigned::catalog(folder.path(), RECORDS));
    let mut bare = Served::start(bare_hyper);
    let mut ours = Served::start(move |address, asked| estelam(catalog, address, asked));
    let requests: Vec<Vec<u8>> = (0..RECORDS)
        .zip(presigned::HASHES.into_iter().cycle())
        .map(|(number, hash)| {
            let number = number.wrapping_mul(7_919) % RECORDS;
            let path = STANDARD.encode(presigned::request(hash, number));
            format!("GET /ocsp/{path} HTTP/1.1\r\nHost: ocsp.example\r\nAccept: */*\r\n\r\n").into()
        })
        .collect();

    let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(bare.round(&requests));
        of_ours.push(ours.round(&requests));
    }
    let ratio = median(of_bare.iter().zip(&of_ours), |(bare, ours)| {
        ours.cpu / bare.cpu
    });
    for (what, rounds) in [("bare hyper", &of_bare), ("estelam", &of_ours)] {
        println!(
            "{what:<12}{:>8.2} µs of CPU a request,{:>8.0} requests/s",
            median(rounds.iter(), |round| round.cpu * 1e6),
            median(rounds.iter(), |round| round.rate),
        );
    }
    println!("CPU, estelam / bare hyper: {ratio:.3} (median of {ROUNDS} pairs of rounds)");
}

fn median<T>(values: impl Iterator<Item = T>, of: impl Fn(T) -> f64) -> f64 {
    let mut values: Vec<f64> = values.map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// To a core of its own: else server and client take turns on one in some runs and not in others.
fn pin_this_thread(core: &str) {
    let this = std::fs::read_link("/proc/thread-self").unwrap();
    let id = this.file_name().unwrap();
    let mut pin = std::process::Command::new("taskset");
    let pinned = pin.args(["-cp", core]).arg(id).output().unwrap();
    assert!(pinned.status.success(), "{pinned:?}");
}

/// Seconds of CPU a request, and requests a second.
struct Round {
    cpu: f64,
    rate: f64,
}

/// Whoever asks gets the CPU time of the server's thread.
type Asked = mpsc::UnboundedReceiver<oneshot::Sender<Duration>>;

/// A server on a thread of its own, and connections to it.
struct Served {
    ask: mpsc::UnboundedSender<oneshot::Sender<Duration>>,
    connections: Vec<TcpStream>,
    next: usize,
}

impl Served {
    fn start(serve: impl FnOnce(oneshot::Sender<SocketAddr>, Asked) + Send + 'static) -> Self {
        let (address, addresses) = oneshot::channel();
        let (ask, asked) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            pin_this_thread("1");
            serve(address, asked);
        });
        let address = addresses.blocking_recv().unwrap();
        let connect = |_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        Self {
            ask,
            connections: (0..CONNECTIONS).map(connect).collect(),
            next: 0,
        }
    }

    fn cpu(&self) -> Duration {
        let (reply, cpu) = oneshot::channel();
        self.ask.send(reply).unwrap();
        cpu.blocking_recv().unwrap()
    }

    fn round(&mut self, requests: &[Vec<u8>]) -> Round {
        let (cpu, began) = (self.cpu(), Instant::now());
        for _ in 0..REQUESTS / CONNECTIONS {
            for connection in &mut self.connections {
                let request = &requests[self.next % requests.len()];
                connection.write_all(request).unwrap();
                self.next += 1;
            }
            self.connections.iter_mut().for_each(read_answer);
        }
        let count = f64::from(u32::try_from(REQUESTS).unwrap());
        Round {
            rate: count / began.elapsed().as_secs_f64(),
            cpu: (self.cpu() - cpu).as_secs_f64() / count,
        }
    }
}

fn read_answer(connection: &mut TcpStream) {
    let mut buffer = [0; 4_096];
    let mut filled = 0;
    loop {
        filled += connection.read(&mut buffer[filled..]).unwrap();
        let answer = &buffer[..filled];
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        let text = std::str::from_utf8(&answer[..head]).unwrap().to_lowercase();
        let (_, rest) = text.split_once("content-length: ").unwrap();
        let length: usize = rest.lines().next().unwrap().parse().unwrap();
        assert!(length + 20 > BODY_OCTETS, "not a status");
        if filled == head + 4 + length {
            return;
        }
    }
}

fn on_this_thread(mut asked: Asked, serve: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = async move {
        while let Some(reply) = asked.recv().await {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            let secs = time.tv_sec.try_into().unwrap();
            let nanos = time.tv_nsec.try_into().unwrap();
            reply.send(Duration::new(secs, nanos)).unwrap();
        }
    };
    runtime.block_on(async {
        tokio::join!(serve, report);
    });
}

fn estelam(catalog: Arc<Catalog>, address: oneshot::Sender<SocketAddr>, asked: Asked) {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let server = Server::bind(&listen, Limits::default()).unwrap();
    address.send(server.addresses().next().unwrap()).unwrap();
    // Kept open; everything that is asked is presigned.
    let (questions, _asked) = question_queue(&QueueSettings {
        length: 1,
        patience: Duration::from_secs(1),
        lanes: 1,
        threads: 1,
    });
    let responder = Responder::new(
        catalog,
        Arc::new(Standing),
        questions,
        RequestLimits::default(),
    );
    let (mounts, counters) = (Mounts::new(["/ocsp"]).unwrap(), Counters::default());
    on_this_thread(asked, async {
        let (responder, counters) = (Arc::new(responder), Arc::new(counters));
        let served = server.serve(responder, mounts, counters, std::future::pending());
        served.await.unwrap();
    });
}

fn bare_hyper(address: oneshot::Sender<SocketAddr>, asked: Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    address.send(listener.local_addr().unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    on_this_thread(asked, async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(async |_: Request<Incoming>| {
                let body = Full::new(Bytes::from(vec![b'x'; BODY_OCTETS]));
                let mut response = hyper::Response::builder();
                // As many header octets as an answer's.
                for (name, value) in [
                    ("content-type", "application/ocsp-response"),
                    (
                        "cache-control",
                        "max-age=3600, public, no-transform, must-revalidate",
                    ),
                    ("expires", "Sun, 22 Nov 2026 04:04:16 GMT"),
                    ("last-modified", "Sun, 22 Nov 2026 04:04:16 GMT"),
                ] {
                    response = response.header(name, value);
                }
                let tag = "\"0123456789abcdef0123456789abcdef01234567\"";
                Ok::<_, Infallible>(response.header(ETAG, tag).body(body).unwrap())
            });
            let serve = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serve);
        }
    });
}

/// Always the moment at which the answers are fresh; reads the real clock as a server does.
struct Standing;

impl Clock for Standing {
    fn now_millis(&self) -> u64 {
        estelam::clock::SystemClock.now_millis().min(1) + presigned::now().as_secs() * 1_000
    }

    fn monotonic(&self) -> Duration {
        estelam::clock::SystemClock.monotonic()
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now_millis() / 1_000).unwrap()
    }
}
