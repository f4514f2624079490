//! The admin socket and its client.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use estelam::http::{
    admin::{AdminBackend, AdminReply, AdminRequest, AdminServer, LineSender, Query},
    admin_client::{AdminClient, AdminClientError, Upload},
};
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::support::PATIENCE;

struct Routes {
    /// What uploads came to, for the tests to look at.
    uploads: Mutex<mpsc::Sender<Result<u64, io::ErrorKind>>>,
}

impl AdminBackend for Routes {
    fn handle(
        &self,
        request: AdminRequest,
    ) -> Pin<Box<dyn Future<Output = AdminReply> + Send + '_>> {
        Box::pin(async move {
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/whoami") => AdminReply::json(&json!({
                    "uid": request.peer.uid,
                    "pid": request.peer.pid,
                    "issuer": request.query.value("issuer"),
                })),
                ("POST", "/echo") => match request.body.json::<Value>(1_000).await {
                    Ok(value) => AdminReply::json(&value),
                    Err(error) => {
                        AdminReply::error(StatusCode::BAD_REQUEST, "bad_body", &error.to_string())
                    }
                },
                ("POST", "/count") => {
                    let uploads = self.uploads.lock().unwrap().clone();
                    let reader = request.body.into_reader();
                    let (reply, lines) = AdminReply::lines();
                    tokio::task::spawn_blocking(move || uploads.send(count(reader, lines)));
                    reply
                }
                ("POST", "/fail") => {
                    let (reply, lines) = AdminReply::lines();
                    lines.progress(&1).await.unwrap();
                    lines.fail("full_disk", "no space").await.unwrap();
                    reply
                }
                ("POST", "/die") => {
                    let (reply, lines) = AdminReply::lines();
                    lines.progress(&1).await.unwrap();
                    reply
                }
                _ => AdminReply::error(StatusCode::NOT_FOUND, "not_found", "no such thing"),
            }
        })
    }
}

fn count(mut reader: impl Read, lines: LineSender) -> Result<u64, io::ErrorKind> {
    let mut octets = 0_u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => octets += read as u64,
            Err(error) => return Err(error.kind()),
        }
        lines.blocking_progress(&json!({ "octets": octets })).ok();
    }
    lines.blocking_finish(&json!({ "octets": octets })).ok();
    Ok(octets)
}

struct Admin {
    client: AdminClient,
    socket: PathBuf,
    uploads: mpsc::Receiver<Result<u64, io::ErrorKind>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Admin {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let server = AdminServer::bind(&socket).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (sender, uploads) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let routes = Routes {
                uploads: Mutex::new(sender),
            };
            let stopped = async {
                stopped.await.ok();
            };
            runtime
                .block_on(server.serve(Arc::new(routes), stopped))
                .unwrap();
        });
        Self {
            client: AdminClient::new(&socket),
            socket,
            uploads,
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
        }
    }

    fn post(&self, path: &str, upload: Upload) -> (Result<Value, AdminClientError>, Vec<Value>) {
        let mut progress = Vec::new();
        let result = self
            .client
            .post(path, &Query::default(), upload, &mut |line| {
                progress.push(line.clone());
            });
        (result, progress)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.take().unwrap().send(()).ok();
        let end = self.thread.take().unwrap().join();
        assert!(end.is_ok() || std::thread::panicking());
        assert!(!self.socket.exists());
    }
}

#[test]
fn a_command_gets_its_answer_and_the_server_knows_who_asks() {
    let admin = Admin::start();
    let answer = admin
        .client
        .get("/whoami", &Query::of(&[("issuer", "صدور یک & دو")]))
        .unwrap();
    assert_eq!(answer["issuer"], "صدور یک & دو");
    assert_eq!(answer["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(answer["pid"], std::process::id());
}

#[test]
fn values_go_both_ways_and_errors_come_back() {
    let admin = Admin::start();
    let value = json!({ "a": [1, "ب"] });
    assert_eq!(
        admin.post("/echo", Upload::Json(value.clone())).0.unwrap(),
        value
    );

    let refused = |result: Result<Value, AdminClientError>| match result.unwrap_err() {
        AdminClientError::Refused { code, message } => (code, message),
        other => panic!("{other}"),
    };
    let (code, message) = refused(
        admin
            .post("/echo", Upload::Json(json!("x".repeat(1_000))))
            .0,
    );
    assert_eq!(
        (&*code, &*message),
        ("bad_body", "the request's body is larger than 1000 octets")
    );
    assert_eq!(
        refused(admin.post("/echo", Upload::Nothing).0).0,
        "bad_body"
    );
    assert_eq!(
        refused(admin.post("/none", Upload::Nothing).0).0,
        "not_found"
    );
}

#[test]
fn an_import_is_streamed_with_progress() {
    let admin = Admin::start();
    const OCTETS: u64 = 100 << 20;
    let source = Box::new(io::repeat(b'x').take(OCTETS));
    let (result, progress) = admin.post("/count", Upload::Stream(source));
    assert_eq!(result.unwrap(), json!({ "octets": OCTETS }));
    assert_eq!(progress.last(), Some(&json!({ "octets": OCTETS })));
    assert!(progress.len() > 100);
    assert_eq!(admin.uploads.recv_timeout(PATIENCE).unwrap(), Ok(OCTETS));
}

#[test]
fn a_source_that_fails_is_no_end_of_the_stream() {
    struct Failing(u32);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 10 {
                return Err(io::Error::other("bad sector"));
            }
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let admin = Admin::start();
    let (result, _) = admin.post("/count", Upload::Stream(Box::new(Failing(0))));
    let error = result.unwrap_err();
    assert!(matches!(error, AdminClientError::Upload(_)), "{error}");
    assert!(error.to_string().contains("bad sector"));
    let seen = admin.uploads.recv_timeout(PATIENCE).unwrap();
    assert_eq!(seen, Err(io::ErrorKind::UnexpectedEof));
}

#[test]
fn lines_end_with_a_verdict_or_the_client_says_so() {
    let admin = Admin::start();
    let (result, progress) = admin.post("/fail", Upload::Nothing);
    let error = result.unwrap_err();
    assert!(matches!(&error, AdminClientError::Refused { code, .. } if code == "full_disk"));
    assert_eq!(progress, [json!(1)]);

    let (result, progress) = admin.post("/die", Upload::Nothing);
    assert!(matches!(result, Err(AdminClientError::Interrupted)));
    assert_eq!(progress, [json!(1)]);
}

#[test]
fn no_server_is_told_from_a_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let ask = || {
        AdminClient::new(&socket)
            .get("/x", &Query::default())
            .unwrap_err()
    };
    assert!(matches!(ask(), AdminClientError::NotRunning { .. }));

    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        drop(listener);
    });
    assert!(matches!(ask(), AdminClientError::Broken(_)));
    server.join().unwrap();
    assert!(socket.exists());
    assert!(matches!(ask(), AdminClientError::NotRunning { .. }));
}

#[test]
fn another_version_is_named_on_both_sides() {
    let admin = Admin::start();
    let mut stream = UnixStream::connect(&admin.socket).unwrap();
    stream
        .write_all(b"GET /v2/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
    assert!(reply.contains("server: estelam/"), "{reply}");

    // A server of the future, which answers what ours answered.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert_ne!(stream.read(&mut [0; 4_096]).unwrap(), 0);
        stream.write_all(reply.as_bytes()).unwrap();
    });
    let error = AdminClient::new(&socket)
        .get("/stats", &Query::default())
        .unwrap_err();
    assert!(matches!(error, AdminClientError::Version { .. }), "{error}");
    assert!(error.to_string().contains("restart the server"), "{error}");
    server.join().unwrap();
}

#[test]
fn at_the_end_commands_in_progress_are_finished() {
    let mut admin = Admin::start();
    let (line, lines) = mpsc::channel::<Vec<u8>>();
    struct Lines(mpsc::Receiver<Vec<u8>>);
    impl Read for Lines {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = self.0.recv().unwrap_or_default();
            buffer[..line.len()].copy_from_slice(&line);
            Ok(line.len())
        }
    }
    let client = admin.client.clone();
    let (seen, progress) = mpsc::channel();
    let command = std::thread::spawn(move || {
        let upload = Upload::Stream(Box::new(Lines(lines)));
        client.post("/count", &Query::default(), upload, &mut |line| {
            seen.send(line.clone()).unwrap();
        })
    });
    line.send(b"12345".to_vec()).unwrap();
    progress.recv_timeout(PATIENCE).unwrap();
    let (stop, _) = oneshot::channel();
    admin.stop.replace(stop).unwrap().send(()).unwrap();
    while UnixStream::connect(&admin.socket).is_ok() {
        std::thread::yield_now();
    }
    line.send(b"678".to_vec()).unwrap();
    drop(line);
    assert_eq!(command.join().unwrap().unwrap(), json!({ "octets": 8 }));
}
