//! What a live answer costs beside a signature and a bare hyper server, and whether a queue that is full
//! all the time delays presigned answers.
//!
//! `cargo bench --bench live`. The whole server is on one core (hyper on one thread, one live signer, a
//! ledger of 100,000 certificates), whoever asks on another.
//!
//! 1. 64 connections POST requests with a nonce of 32 octets, each about another certificate. The CPU time
//!    of the server is divided by the requests, and the sum of what an aws-lc-rs signature takes (P-256)
//!    and what a bare hyper server takes for the same POST (as many octets either way) is divided by
//!    that. The three take turns in rounds.
//! 2. One connection GETs presigned answers, one after another, while nothing else happens and while the
//!    live queue is kept full, in turns; the 99th percentiles of the rounds are compared.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use estelam::{
    asn1::put_tlv,
    authority::{Authority, Issuers},
    catalog::Catalog,
    change::{Action, Change, Inventory, Source},
    clock::{Clock, SystemClock},
    config::{self, Config},
    http::{Limits, Mounts, Server},
    identity::SerialNumber,
    ledger::{IssuerIdentity, Ledger},
    observe::Counters,
    ocsp::{HashAlgorithm, IssuerHashes, RequestLimits},
    responder::{Question, QuestionQueue, QueueSettings, Responder, Waiting, Why, question_queue},
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;

const ROUNDS: usize = 9;
const REQUESTS: usize = 16_000;
const CONNECTIONS: usize = 64;
const CERTIFICATES: u32 = 100_000;
const PROBES: usize = 3_000;
const QUEUE: usize = 256;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    openssl(
        folder.path(),
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key",
    );
    openssl(
        folder.path(),
        "req -x509 -new -key ca.key -subj /CN=CA -days 90 -out ca.pem \
         -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
    );
    // Whatever is started from here on is the server's.
    pin_this_thread("1");
    let live = Live::start(folder.path());
    let bare = bare_hyper(live.answer_octets);
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let message = [0x5a; 256];
    pin_this_thread("0");

    live.wait_until_presigned();

    let mut to_bare = Client::new(bare);
    let mut to_live = Client::new(live.address);
    let mut costs: Vec<[f64; 3]> = Vec::new();
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let requests = live.nonce_requests(round);
        let signing = cpu(|| {
            for _ in 0..REQUESTS {
                std::hint::black_box(key.sign(&random, &message).unwrap());
            }
        });
        let bare = to_bare.round(&requests);
        let began = Instant::now();
        let live = to_live.round(&requests);
        rates.push(REQUESTS as f64 / began.elapsed().as_secs_f64());
        costs.push([signing, bare, live]);
    }
    let micros =
        |which: usize| 1e6 * median(costs.iter().map(|cost| cost[which])) / REQUESTS as f64;
    println!(
        "{:<34}{:>8.2} µs of CPU",
        "aws-lc-rs signature, P-256",
        micros(0)
    );
    println!("{:<34}{:>8.2} µs of CPU", "bare hyper, POST", micros(1));
    println!(
        "{:<34}{:>8.2} µs of CPU,{:>8.0} answers/s",
        "live answer with a nonce",
        micros(2),
        median(rates.into_iter())
    );
    let ratio = median(
        costs
            .iter()
            .map(|[signing, bare, live]| (signing + bare) / live),
    );
    println!("(signature + bare hyper) / live: {ratio:.3} (median of {ROUNDS} rounds)");

    let mut prober = Prober::new(live.address);
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        idle.push(prober.round(&live));
        let flood = Flood::start(&live);
        busy.push(prober.round(&live));
        let answered = flood.stop();
        assert!(answered > QUEUE, "the queue was full");
    }
    for (what, rounds) in [("nothing else", &idle), ("the live queue full", &busy)] {
        let of = |which: usize| 1e6 * median(rounds.iter().map(|round| round[which]));
        println!(
            "presigned GET, {what:<20} p50 {:>6.1} µs, p99 {:>6.1} µs, p99.9 {:>6.1} µs",
            of(0),
            of(1),
            of(2)
        );
    }
    for (which, name) in [(0, "p50"), (1, "p99"), (2, "p99.9")] {
        let ratio = median(
            idle.iter()
                .zip(&busy)
                .map(|(idle, busy)| busy[which] / idle[which]),
        );
        println!("{name}, full / nothing else: {ratio:.2} (median of {ROUNDS} pairs of rounds)");
    }
    live.authority.stop();
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn openssl(folder: &Path, arguments: &str) {
    let output = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// To a core of its own, with all threads that it starts afterwards.
fn pin_this_thread(core: &str) {
    let this = std::fs::read_link("/proc/thread-self").unwrap();
    let id = this.file_name().unwrap();
    let mut pin = std::process::Command::new("taskset");
    let pinned = pin.args(["-cp", core]).arg(id).output().unwrap();
    assert!(pinned.status.success(), "{pinned:?}");
}

/// Seconds of CPU that this thread takes for it.
fn cpu(work: impl FnOnce()) -> f64 {
    let began = time(rustix::time::ClockId::ThreadCPUTime);
    work();
    (time(rustix::time::ClockId::ThreadCPUTime) - began).as_secs_f64()
}

fn time(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

/// Seconds of CPU that all other threads have taken.
fn cpu_of_others() -> f64 {
    let all = time(rustix::time::ClockId::ProcessCPUTime);
    let this = time(rustix::time::ClockId::ThreadCPUTime);
    all.saturating_sub(this).as_secs_f64()
}

fn serial(number: u32) -> SerialNumber {
    let word = |salt: u32| {
        number
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(salt)
            .to_be_bytes()
    };
    let mut content = [word(0), word(0x1234_5678), word(77), word(0xdead_beef)].concat();
    content.insert(0, 0x4a);
    content.truncate(16);
    SerialNumber::from_content(&content).unwrap()
}

struct Live {
    address: SocketAddr,
    authority: Arc<Authority>,
    questions: QuestionQueue,
    hashes: IssuerHashes,
    answer_octets: usize,
}

impl Live {
    fn start(folder: &Path) -> Self {
        let certificate = folder.join("ca.pem");
        let mut issuer = config::Issuer::new("ca", &certificate);
        issuer.nonce = config::Nonce::Echo;
        issuer.signers = vec![config::Signer::new(&certificate, &folder.join("ca.key"))];
        let config = Config {
            issuers: vec![issuer],
            ..Config::default()
        };
        let issuers = Issuers::new(&config).unwrap();
        let ledger = Arc::new(Ledger::open(&folder.join("ledger")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let source = Source::new("bench", "").unwrap();
        let issuer = Arc::clone(issuers.by_name(None).unwrap());
        issuer.load_signer(clock.now()).unwrap();
        let identity = IssuerIdentity {
            subject_der: issuer.certificate.subject_der().to_vec(),
            spki_der: issuer.certificate.spki_der().to_vec(),
            label: issuer.name.clone(),
        };
        ledger.define_issuer(&identity, &source, 1).unwrap();
        let changes: Vec<Change> = (0..CERTIFICATES)
            .map(|number| Change {
                issuer: issuer.id,
                serial: serial(number),
                action: Action::Issue(Inventory::default()),
            })
            .collect();
        for some in changes.chunks(16_384) {
            ledger.commit(some, &source, clock.now_millis()).unwrap();
        }
        let (catalog, _) = Catalog::open(&folder.join("catalog"), clock.now_millis()).unwrap();
        let catalog = Arc::new(catalog);
        let (questions, asked) = question_queue(&QueueSettings {
            length: QUEUE,
            patience: Duration::from_secs(2),
            lanes: 1,
            threads: 1,
        });
        let limits = RequestLimits::default();
        let authority = Authority::start(
            issuers,
            ledger,
            Arc::clone(&catalog),
            Arc::clone(&clock),
            asked,
            limits,
        );
        let responder = Responder::new(catalog, clock, questions.clone(), limits);
        let listen = ["127.0.0.1:0".parse().unwrap()];
        let server = Server::bind(&listen, Limits::default()).unwrap();
        let address = server.addresses().next().unwrap();
        on_a_thread(async {
            let (mounts, counters) = (Mounts::new(["/ocsp"]).unwrap(), Counters::default());
            let (responder, counters) = (Arc::new(responder), Arc::new(counters));
            let served = server.serve(responder, mounts, counters, std::future::pending());
            served.await.unwrap();
        });
        let mut live = Self {
            address,
            authority: Arc::new(authority.unwrap()),
            questions,
            hashes: IssuerHashes::new(
                HashAlgorithm::Sha1,
                issuer.certificate.subject_der(),
                issuer.certificate.public_key_octets(),
            ),
            answer_octets: 0,
        };
        let mut client = Client::new(address);
        client.connections[0].write_all(&live.post(0, 0)).unwrap();
        live.answer_octets = read_answer(&mut client.connections[0]);
        live
    }

    fn wait_until_presigned(&self) {
        loop {
            let stats = self.authority.stats().unwrap();
            if stats.issuers[0].segments > 0 && !stats.issuers[0].catching_up {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn request(&self, number: u32, nonce: Option<u64>) -> Vec<u8> {
        let tlv = |tag, parts: &[&[u8]]| {
            let mut der = Vec::new();
            put_tlv(&mut der, tag, &parts.concat());
            der
        };
        let cert_id = tlv(
            0x30,
            &[
                HashAlgorithm::Sha1.algorithm_identifier_der(),
                &tlv(0x04, &[self.hashes.name_hash()]),
                &tlv(0x04, &[self.hashes.key_hash()]),
                &tlv(0x02, &[serial(number).as_bytes()]),
            ],
        );
        let list = tlv(0x30, &[&tlv(0x30, &[&cert_id])]);
        let extensions = nonce.map_or_else(Vec::new, |nonce| {
            let oid = [6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
            let octets = nonce.to_be_bytes().repeat(4);
            let value = tlv(0x04, &[&tlv(0x04, &[&octets])]);
            tlv(0xa2, &[&tlv(0x30, &[&tlv(0x30, &[&oid, &value])])])
        });
        tlv(0x30, &[&tlv(0x30, &[&list, &extensions])])
    }

    fn post(&self, number: u32, nonce: u64) -> Vec<u8> {
        let body = self.request(number, Some(nonce));
        let head = format!(
            "POST /ocsp HTTP/1.1\r\nHost: ocsp.example\r\nContent-Type: application/ocsp-request\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    /// A round's requests: each about another certificate, with a nonce of its own.
    fn nonce_requests(&self, round: usize) -> Vec<Vec<u8>> {
        (0..REQUESTS)
            .map(|number| {
                let number = u32::try_from(round * REQUESTS + number).unwrap();
                self.post(number.wrapping_mul(7_919) % CERTIFICATES, number.into())
            })
            .collect()
    }
}

fn on_a_thread(serve: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve);
    });
}

/// A server that reads a body and sends one of `octets`, with the headers of such an answer.
fn bare_hyper(octets: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    on_a_thread(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(move |request: Request<Incoming>| async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                std::hint::black_box(body);
                let response = hyper::Response::builder()
                    .header("content-type", "application/ocsp-response")
                    .header(
                        "cache-control",
                        "max-age=0, private, no-transform, must-revalidate",
                    )
                    .body(Full::new(Bytes::from(vec![b'x'; octets])));
                Ok::<_, Infallible>(response.unwrap())
            });
            let serve = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serve);
        }
    });
    address
}

struct Client {
    connections: Vec<TcpStream>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        Self {
            connections: (0..CONNECTIONS).map(connect).collect(),
        }
    }

    /// Seconds of CPU that the server took.
    fn round(&mut self, requests: &[Vec<u8>]) -> f64 {
        let before = cpu_of_others();
        // Each connection has one request under way at any time, so that the server is never idle.
        for (connection, request) in self.connections.iter_mut().zip(requests) {
            connection.write_all(request).unwrap();
        }
        let mut next = CONNECTIONS;
        let mut answered = 0;
        while answered < requests.len() {
            for connection in &mut self.connections {
                if answered == requests.len() {
                    break;
                }
                read_answer(connection);
                answered += 1;
                if let Some(request) = requests.get(next) {
                    connection.write_all(request).unwrap();
                    next += 1;
                }
            }
        }
        cpu_of_others() - before
    }
}

/// Reads a whole answer, which has to be more than a status; gives the octets of its body.
fn read_answer(connection: &mut TcpStream) -> usize {
    let mut buffer = [0; 4_096];
    let mut filled = 0;
    loop {
        let read = connection.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "hung up");
        filled += read;
        let answer = &buffer[..filled];
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        let text = std::str::from_utf8(&answer[..head]).unwrap().to_lowercase();
        let (_, rest) = text.split_once("content-length: ").unwrap();
        let length: usize = rest.lines().next().unwrap().parse().unwrap();
        assert!(length > 200, "not a status");
        if filled == head + 4 + length {
            return length;
        }
    }
}

/// Asks for presigned answers, one after another.
struct Prober {
    connection: TcpStream,
    next: u32,
}

impl Prober {
    fn new(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_nodelay(true).unwrap();
        Self {
            connection,
            next: 0,
        }
    }

    /// Half, 99 in a hundred and 999 in a thousand of the answers came within these seconds.
    fn round(&mut self, live: &Live) -> [f64; 3] {
        let mut took: Vec<f64> = (0..PROBES)
            .map(|_| {
                self.next = self.next.wrapping_add(7_919) % CERTIFICATES;
                let path = STANDARD.encode(live.request(self.next, None));
                let path = path
                    .replace('+', "%2B")
                    .replace('/', "%2F")
                    .replace('=', "%3D");
                let request = format!("GET /ocsp/{path} HTTP/1.1\r\nHost: ocsp.example\r\n\r\n");
                // Not as fast as it can: others have their turn in between, as they would in earnest.
                std::thread::park_timeout(Duration::from_micros(200));
                let began = Instant::now();
                self.connection.write_all(request.as_bytes()).unwrap();
                read_answer(&mut self.connection);
                began.elapsed().as_secs_f64()
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |per_mille: usize| took[PROBES * per_mille / 1_000];
        [at(500), at(990), at(999)]
    }
}

/// Keeps the live queue full, without the help of HTTP.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Flood {
    fn start(live: &Live) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let requests: Vec<Vec<u8>> = (0..1_000)
            .map(|number| live.request(number, Some(number.into())))
            .collect();
        let (queue, stopping) = (live.questions.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut waiting: VecDeque<Waiting> = VecDeque::new();
            let mut asked = 0;
            while !stopping.load(Ordering::Relaxed) {
                let question = Question {
                    request_der: Arc::from(requests[asked % requests.len()].as_slice()),
                    lane: 0,
                    why: Why::Nonce,
                    has_presigned: false,
                };
                match queue.ask(question) {
                    Ok(answer) => {
                        waiting.push_back(answer);
                        asked += 1;
                        // Those before it were answered: no more than that many can wait.
                        if waiting.len() > 2 * QUEUE {
                            waiting.pop_front();
                        }
                    }
                    // A quarter of the queue later.
                    Err(_) => std::thread::park_timeout(Duration::from_millis(1)),
                }
            }
            asked
        });
        Self { stop, thread }
    }

    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
