//! Web servers and a store, on ports of their own, gone when they are dropped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::tools::{line, missing, python, text, tool};

/// Python's file server (`web.py`).
pub struct Web {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Web {
    pub fn start(www: &Path, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = python();
        command.args(["-c", include_str!("web.py"), text(www)]);
        command.arg(folder.path().join("log")).args(options);
        let mut child = start(command.stdout(Stdio::piped()));
        let mut port = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut port).expect("a line");
        Self {
            port: port.trim().parse().expect("a port"),
            child,
            folder,
        }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests that came since this was asked last.
    pub fn heard(&self) -> Vec<Value> {
        let path = self.folder.path().join("log");
        let log = fs::read_to_string(&path).unwrap_or_default();
        drop(fs::remove_file(&path));
        log.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Debian's nginx with a configuration of our own.
pub struct Nginx {
    child: Child,
    pub port: u16,
    folder: TempDir,
}

impl Nginx {
    /// Serves a folder, each file with `max-age=3600`.
    pub fn origin(www: &Path) -> Self {
        Self::start(&format!(
            "root {:?}; location / {{ types {{ application/pkix-crl crl; }} expires 1h; }}
             location ~ /\\. {{ deny all; }}",
            text(www)
        ))
    }

    /// Keeps what the server at that port serves; asked with X-Refresh, it fetches it again.
    pub fn cache(origin: u16) -> Self {
        Self::start(&format!(
            "location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache crls;
             proxy_cache_bypass $http_x_refresh; add_header X-Cache $upstream_cache_status; }}"
        ))
    }

    fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let path = folder.path();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let path = text(path);
        let temporary = temporary.map(|of| format!("{of}_temp_path {path}/{of};"));
        let config = format!(
            "daemon off; master_process off; error_log stderr; pid {path}/pid; events {{}}
             http {{ access_log off; {} proxy_cache_path {path}/cache keys_zone=crls:1m;
             server {{ listen 127.0.0.1:{port}; {server} }} }}",
            temporary.concat()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("nginx.conf");
        let mut command = tool("nginx");
        command.args(["-e", "stderr", "-p", path, "-c", text(&file)]);
        let mut child = start(command.stderr(Stdio::null()));
        wait_for(&mut child, port, "nginx");
        Self {
            child,
            port,
            folder,
        }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// SeaweedFS, which speaks the protocol of S3.
pub struct Weed {
    child: Child,
    port: u16,
    folder: TempDir,
}

pub const ACCESS_KEY: &str = "estelam-test";
pub const SECRET_KEY: &str = "not-a-secret-of-anybody";

impl Weed {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let identities = serde_json::json!({ "identities": [
            { "name": "authority", "actions": ["Admin", "Read", "List", "Tagging", "Write"],
              "credentials": [{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }] },
            { "name": "anonymous", "actions": ["Read"] },
        ]});
        let config = folder.path().join("s3.json");
        fs::write(&config, identities.to_string()).expect("s3.json");
        let ports: Vec<u16> = (0..8).map(|_| free_port()).collect();
        let weed = Path::new(python().get_program()).with_file_name("weed");
        let mut command = tool(text(&weed));
        command.args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            "-filer",
        ]);
        command.arg(format!("-dir={}", text(folder.path())));
        command.arg(format!("-s3.config={}", text(&config)));
        command.args(["-master.volumeSizeLimitMB=64", "-volume.max=20"]);
        for (option, port) in [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ]
        .iter()
        .zip(&ports)
        {
            command.arg(format!("-{option}={port}"));
        }
        command.current_dir(folder.path());
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = start(command.stdout(Stdio::null()).stderr(log));
        wait_for(&mut child, ports[6], "weed");
        let weed = Self {
            child,
            port: ports[6],
            folder,
        };
        weed.make_bucket();
        weed
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// curl, signing as the authority does.
    pub fn curl(&self, options: &[&str], path: &str) -> crate::common::tools::Finished {
        let mut command = tool("curl");
        command.args([
            "-sS",
            "--fail-with-body",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
        ]);
        command.args(["--user", &format!("{ACCESS_KEY}:{SECRET_KEY}")]);
        // Without it, curl of Debian 12 signs a body as if there was none.
        command.args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        command.args(options).arg(format!("{}/{path}", self.base()));
        crate::common::tools::run(&mut command)
    }

    /// It answers before all of its parts do.
    fn make_bucket(&self) {
        let begun = Instant::now();
        let mut made = self.curl(&["-X", "PUT"], "crl");
        loop {
            if made.code != 0 {
                made = self.curl(&["-X", "PUT"], "crl");
            }
            let tried = self.curl(&["-X", "PUT", "--data-binary", "x"], "crl/ready");
            if made.code == 0 && tried.code == 0 {
                return;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "{made}\n{tried}\n{log}");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn start(command: &mut Command) -> Child {
    let what = line(command);
    let started = command.stdin(Stdio::null()).spawn();
    started.unwrap_or_else(|error| missing(&what, &error))
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

fn wait_for(child: &mut Child, port: u16, what: &str) {
    let begun = Instant::now();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    while TcpStream::connect(address).is_err() {
        let ended = child.try_wait().expect("it can be waited for");
        assert_eq!(ended, None, "{what} ended");
        assert!(begun.elapsed() < PATIENCE, "{what} does not listen");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// One that nobody listens at now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

const PATIENCE: Duration = Duration::from_secs(120);

/// All files below a folder, by path; those of our own left out.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if name.starts_with(".estelam") || name == ".rules.json" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = text(path.strip_prefix(folder).expect("below")).to_owned();
                found.push((below, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}
