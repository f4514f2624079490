//! On a presigned hit, HTTP allocates no more than a bare hyper server which makes a body and an
//! ETag per request. Every allocation of the serving thread is counted.
#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the numbers are worth reading")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use estelam::{
    asn1::UnixTime,
    http::{Limits, Mounts, Server},
    observe::Counters,
    responder::{AnswerKind, Backend, EntityTag, Freshness, Reply, Response},
};
use http_body_util::Full;
use hyper::{Request, body::Bytes, body::Incoming, header::ETAG, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_SERVER: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if IS_SERVER.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, SeqCst);
    }
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As large as a presigned answer with a delegate's certificate.
const BODY_OCTETS: usize = 900;
const HEX: [u8; 40] = *b"0123456789abcdef0123456789abcdef01234567";
const WARM_UP: u64 = 500;
const REQUESTS: u64 = 10_000;

struct Stub;

impl Backend for Stub {
    fn respond(&self, request_der: &[u8]) -> Reply {
        // Many shards: their times differ, and come again.
        let shard = request_der.get(1).map_or(0, |octet| u64::from(octet % 50));
        let secs = 1_900_000_000 + shard * 3_600;
        Reply::Ready(Response {
            body: vec![b'x'; BODY_OCTETS],
            freshness: Some(Freshness {
                last_modified: UnixTime::from_secs(secs).unwrap(),
                expires: UnixTime::from_secs(secs + 345_599).unwrap(),
                max_age: Duration::from_secs(3_600 - shard),
                etag: EntityTag(HEX),
            }),
            kind: AnswerKind::Presigned,
        })
    }
}

#[test]
fn a_hit_allocates_no_more_than_a_bare_hyper_server() {
    let bare = allocations_per_request(bare_hyper);
    let ours = allocations_per_request(estelam);
    println!("allocations per GET hit: {ours:.3}, of a bare hyper server: {bare:.3}");
    assert!(ours <= bare, "{ours} > {bare}");
    // The body and the ETag, and nothing that grows with time.
    assert!(ours < 2.01, "{ours}");
}

/// Serves in a runtime on this thread until asked to stop, and says where.
type Serve = fn(oneshot::Sender<SocketAddr>, oneshot::Receiver<()>);

fn allocations_per_request(serve: Serve) -> f64 {
    let (address, addresses) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let server = std::thread::spawn(move || serve(address, stopped));
    let stream = TcpStream::connect(addresses.blocking_recv().unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    for n in 0..WARM_UP {
        exchange(&mut stream, n);
    }
    let before = ALLOCATIONS.load(SeqCst);
    for n in 0..REQUESTS {
        exchange(&mut stream, n);
    }
    let counted = ALLOCATIONS.load(SeqCst) - before;
    stop.send(()).unwrap();
    drop(stream);
    server.join().unwrap();
    f64::from(u32::try_from(counted).unwrap()) / f64::from(u32::try_from(REQUESTS).unwrap())
}

fn exchange(stream: &mut BufReader<TcpStream>, n: u64) {
    let mut question = [0x30; 70];
    question[1] = u8::try_from(n % 256).unwrap();
    let path = STANDARD.encode(question);
    let head = format!("GET /ocsp/{path} HTTP/1.1\r\nHost: ocsp.example\r\nAccept: */*\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
    stream.read_exact(&mut [0; BODY_OCTETS]).unwrap();
}

fn on_this_thread(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    IS_SERVER.set(true);
    runtime.block_on(future);
    IS_SERVER.set(false);
}

fn estelam(address: oneshot::Sender<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let server = Server::bind(&listen, Limits::default()).unwrap();
    address.send(server.addresses().next().unwrap()).unwrap();
    on_this_thread(async {
        let mounts = Mounts::new(["/ocsp"]).unwrap();
        let counters = Arc::new(Counters::default());
        let stopped = async { stopped.await.unwrap() };
        let drained = server
            .serve(Arc::new(Stub), mounts, counters, stopped)
            .await;
        assert_eq!(drained.unwrap().cut, 0);
    });
}

fn bare_hyper(address: oneshot::Sender<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    address.send(listener.local_addr().unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    on_this_thread(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = service_fn(async |_: Request<Incoming>| {
            let tag = [&b"\""[..], &HEX, b"\""].concat(); // One allocation.
            Ok::<_, Infallible>(
                hyper::Response::builder()
                    .header(ETAG, tag)
                    .body(Full::new(Bytes::from(vec![b'x'; BODY_OCTETS])))
                    .unwrap(),
            )
        });
        let serve = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        serve.await.unwrap();
        stopped.await.unwrap();
    });
}
