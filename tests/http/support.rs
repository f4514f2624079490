//! A server with a stub backend on a thread of its own, and a client that sees raw octets.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use estelam::{
    asn1::UnixTime,
    catalog::files::{Coding, Content, FileKind, Form, ServedFile, Validity},
    http::{Drained, Limits, Mounts, Server},
    observe::{Counters, HttpStats},
    responder::{AnswerKind, Backend, EntityTag, FileReply, Freshness, Reply, Response},
};
use tokio::sync::oneshot;

/// Longer than anything here takes; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers what it was asked, marked; some questions get special treatment.
pub(crate) struct Echo {
    /// Resolves the answers to `wait…` questions, in order.
    pub(crate) release: tokio::sync::Semaphore,
    pub(crate) asked: std::sync::Mutex<Vec<Vec<u8>>>,
}

pub(crate) const LAST_MODIFIED: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT
pub(crate) const ETAG: &str = "\"0123456789abcdef0123456789abcdef01234567\"";

pub(crate) fn fresh(question: &[u8]) -> Response {
    Response {
        body: [b"answer to ", question].concat(),
        freshness: Some(Freshness {
            last_modified: UnixTime::from_secs(LAST_MODIFIED).unwrap(),
            expires: UnixTime::from_secs(LAST_MODIFIED + 345_599).unwrap(),
            max_age: Duration::from_secs(3_600),
            etag: EntityTag(*b"0123456789abcdef0123456789abcdef01234567"),
        }),
        kind: AnswerKind::Presigned,
    }
}

/// Larger than any socket's buffers.
pub(crate) const LARGE: usize = 64 << 20;

pub(crate) struct Stub(pub Arc<Echo>);

/// What is served at the stub's paths: so many octets, each the last digit of its place.
pub(crate) const FILES: [(&str, usize); 2] = [("/small.crl", 1_000), ("/large.crl", 24 << 20)];

pub(crate) fn octets_of_file(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| b'0' + (at % 10) as u8).collect()
}

fn file(path: &str) -> Option<Arc<ServedFile>> {
    type Files = std::sync::OnceLock<Vec<(&'static str, Arc<ServedFile>)>>;
    static MADE: Files = Files::new();
    let made = MADE.get_or_init(|| {
        let made = FILES.map(|(path, octets)| {
            let form = Form {
                coding: Coding::Identity,
                tag: format!("tag of {path}"),
                content: Content::Memory(octets_of_file(octets).into()),
            };
            let file = ServedFile {
                kind: FileKind::Crl,
                media_type: "application/pkix-crl".to_owned(),
                validity: Validity {
                    from: Some(UnixTime::from_secs(LAST_MODIFIED).unwrap()),
                    next_due: None,
                    until: None,
                    max_age: Duration::from_secs(3_600),
                },
                negotiated: true,
                forms: vec![form],
            };
            (path, Arc::new(file))
        });
        made.into()
    });
    made.iter()
        .find_map(|(known, file)| (*known == path).then(|| Arc::clone(file)))
}

impl Backend for Stub {
    fn path_octets_max(&self) -> usize {
        FILES[0].0.len()
    }

    fn file(&self, path: &str) -> Option<FileReply> {
        let file = file(path)?;
        let now = UnixTime::from_secs(LAST_MODIFIED + 60).unwrap();
        Some(FileReply { file, now })
    }

    fn respond(&self, request_der: &[u8]) -> Reply {
        let mut response = fresh(request_der);
        if request_der.starts_with(b"unauthorized") {
            response.freshness = None;
            response.kind = AnswerKind::Unauthorized;
        } else if request_der.starts_with(b"try later") {
            response.freshness = None;
            response.kind = AnswerKind::TryLater;
        } else if request_der.starts_with(b"panic") {
            panic!("the backend was asked to");
        } else if request_der.starts_with(b"large") {
            response.body = vec![b'x'; LARGE];
        } else if request_der.starts_with(b"wait") {
            response.kind = AnswerKind::Live;
            self.0.asked.lock().unwrap().push(request_der.to_vec());
            let echo = Arc::clone(&self.0);
            return Reply::Pending(Box::pin(async move {
                echo.release.acquire().await.unwrap().forget();
                response
            }));
        }
        Reply::Ready(response)
    }
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) echo: Arc<Echo>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
}

impl TestServer {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_with(limits, &["127.0.0.1:0"], &["/", "/ocsp"])
    }

    pub(crate) fn start_with(limits: Limits, addresses: &[&str], mounts: &[&str]) -> Self {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let mounts = Mounts::new(mounts).unwrap();
        let server = Server::bind(&addresses, limits).unwrap();
        let addresses: Vec<_> = server.addresses().collect();
        let counters = Arc::new(Counters::default());
        let echo = Arc::new(Echo {
            release: tokio::sync::Semaphore::new(0),
            asked: std::sync::Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let backend = Arc::new(Stub(Arc::clone(&echo)));
        let their_counters = Arc::clone(&counters);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let drained = runtime.block_on(server.serve(backend, mounts, their_counters, async {
                stopped.await.ok();
            }));
            drained.unwrap()
        });
        Self {
            address: addresses[0],
            addresses,
            counters,
            echo,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn stats(&self) -> HttpStats {
        self.counters.snapshot()
    }

    /// Waits until the counters say so: they are written after the octets that they count.
    pub(crate) fn until(&self, what: impl Fn(&HttpStats) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !what(&self.stats()) {
            assert!(Instant::now() < deadline, "{:#?}", self.stats());
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) fn join(mut self) -> Drained {
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().unwrap().is_finished()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            let end = thread.join();
            assert!(end.is_ok() || std::thread::panicking());
        }
    }
}

/// One keep-alive connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        self.stream.get_mut().write_all(octets.as_ref()).unwrap();
        self
    }

    /// The head of the next message: status, fields.
    pub(crate) fn read_head(&mut self) -> io::Result<(u16, BTreeMap<String, String>)> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        assert!(
            line.starts_with("HTTP/1.") && line.ends_with("\r\n"),
            "{line:?}"
        );
        let status = line.split(' ').nth(1).unwrap().trim().parse().unwrap();
        let mut fields = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.strip_suffix("\r\n").unwrap();
            if line.is_empty() {
                return Ok((status, fields));
            }
            let (name, value) = line.split_once(": ").unwrap();
            let earlier = fields.insert(name.to_owned(), value.to_owned());
            assert_eq!(earlier, None, "{name} came twice");
        }
    }

    /// The next answer, to a request that was not HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        let (status, fields) = self.read_head().unwrap();
        let length = match fields.get("content-length") {
            Some(length) => length.parse().unwrap(),
            None => {
                assert!(matches!(status, 100 | 304), "{status} {fields:?}");
                0
            }
        };
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Answer {
            status,
            fields,
            body,
        }
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "", b"").answer()
    }

    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        self.request(
            "POST",
            target,
            "Content-Type: application/ocsp-request\r\n",
            body,
        )
        .answer()
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &str,
        body: &[u8],
    ) -> &mut Self {
        let length = match (method, body.len()) {
            ("GET" | "HEAD", 0) => String::new(),
            (_, length) => format!("Content-Length: {length}\r\n"),
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}\r\n");
        self.send([head.as_bytes(), body].concat())
    }

    /// Everything up to the close; a reset counts as one.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}"),
        }
        rest
    }

    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

/// The path of a GET for `question`, unescaped, under the mount `/`.
pub(crate) fn path_of(question: &[u8]) -> String {
    format!("/{}", STANDARD.encode(question))
}
