//! The push listener from outside: TLS files that OpenSSL made, and curl as the client.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tempfile::TempDir;

use super::tools::{Finished, run, run_with_input, text, tool};
use super::{OpensslCa, Server, Settings, Site};

/// Certificates for TLS: the server's (`tls`), a CA of clients (`clients-ca`) with one of its clients
/// (`client`), one that has ended (`expired`), and a client of another CA (`stranger`).
#[derive(Debug)]
pub struct PushPki {
    folder: TempDir,
}

static SHARED: Mutex<Weak<PushPki>> = Mutex::new(Weak::new());

/// The token of the client `ca-1`.
pub const TOKEN: &str = "estelam_a-token-for-tests";

impl PushPki {
    /// Those that tests share.
    pub fn get() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Self::new());
            *shared = Arc::downgrade(&made);
            made
        })
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pki = Self { folder };
        pki.new_server("tls");
        for ca in ["clients-ca", "other-ca"] {
            pki.openssl(&format!(
                "req -x509 {NEW_KEY} -days 30 -keyout {ca}.key -out {ca}.pem -subj /CN={ca}"
            ));
        }
        std::fs::write(pki.path("ca.cnf"), CA_CONFIG).expect("ca.cnf");
        std::fs::write(pki.path("index.txt"), "").expect("index.txt");
        pki.new_client("client", "clients-ca", "-days 30");
        pki.new_client("stranger", "other-ca", "-days 30");
        pki.new_client(
            "expired",
            "clients-ca",
            "-startdate 20200101000000Z -enddate 20210101000000Z",
        );
        pki
    }

    /// A server certificate for 127.0.0.1, signed by itself.
    pub fn new_server(&self, name: &str) {
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        self.openssl(&format!(
            "req -x509 {NEW_KEY} -days 30 -keyout {name}.key -out {name}.pem -subj /CN={name} \
             -addext {extensions}"
        ));
    }

    fn new_client(&self, name: &str, ca: &str, dates: &str) {
        self.openssl(&format!(
            "req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -rand_serial -cert {ca}.pem -keyfile {ca}.key {dates} \
             -in {name}.csr -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = tool("openssl");
        command.args(arguments.split_whitespace());
        run(command.current_dir(self.folder.path())).expect(0);
    }

    /// One of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// SHA-256 of a certificate, as OpenSSL prints it.
    pub fn fingerprint(&self, name: &str) -> String {
        let mut command = tool("openssl");
        let path = self.path(name);
        command.args([
            "x509",
            "-noout",
            "-fingerprint",
            "-sha256",
            "-in",
            text(&path),
        ]);
        let said = run(&mut command).expect(0).stdout;
        let (_, digits) = said.trim().split_once('=').expect("a fingerprint");
        digits.to_owned()
    }

    /// `[push]` with more lines and the client `ca-1` with the token [`TOKEN`]; then other tables.
    pub fn settings(&self, lines: &str, tables: &str) -> Settings {
        let hash = sha256_of(TOKEN);
        let file = |name| text(&self.path(name)).to_owned();
        Settings {
            top: format!(
                "[push]\nlisten = \"127.0.0.1:0\"\ncertificate = {:?}\nkey = {:?}\n{lines}\n\
                 [[push.client]]\nname = \"ca-1\"\nissuers = [\"ca\"]\ntoken_sha256 = \"{hash}\"\n{tables}",
                file("tls.pem"),
                file("tls.key"),
            ),
            ..Settings::default()
        }
    }

    /// An installation with an empty ledger that takes pushes.
    pub fn site(&self, ca: &Arc<OpensslCa>) -> Site {
        Site::with(ca, &self.settings("", ""))
    }
}

/// For `openssl ca`, since `x509` has no dates.
const CA_CONFIG: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
                         default_md = sha256\npolicy = p\nx509_extensions = e\n[p]\n\
                         commonName = supplied\n[e]\nbasicConstraints = CA:FALSE\n";

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// By coreutils.
pub fn sha256_of(text: &str) -> String {
    let said = run_with_input(&mut Command::new("sha256sum"), text)
        .expect(0)
        .stdout;
    said.split(' ').next().expect("a digest").to_owned()
}

/// Where a server takes pushes.
#[track_caller]
pub fn push_url(server: &Server) -> String {
    let line = server.wait_for("taking pushes at https://");
    let (_, address) = line.split_once("https://").expect("it waited for it");
    format!("https://{}", address.trim())
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Pushed {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Demands a status and gives the JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Demands a problem with this code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
    }
}

/// A client at one server.
#[derive(Clone, Debug)]
pub struct Pusher {
    pki: Arc<PushPki>,
    url: String,
    /// What curl is told beside what a request needs.
    pub options: Vec<String>,
}

impl Pusher {
    /// With the token of `ca-1`.
    #[track_caller]
    pub fn new(pki: &Arc<PushPki>, server: &Server) -> Self {
        Self::with(
            pki,
            server,
            &["-H", &format!("Authorization: Bearer {TOKEN}")],
        )
    }

    /// With these options of curl.
    #[track_caller]
    pub fn with(pki: &Arc<PushPki>, server: &Server, options: &[&str]) -> Self {
        Self {
            pki: Arc::clone(pki),
            url: push_url(server),
            options: options.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// Where it sends to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// With the certificate of a client.
    #[track_caller]
    pub fn with_certificate(pki: &Arc<PushPki>, server: &Server, name: &str) -> Self {
        let file = |end| text(&pki.path(&format!("{name}.{end}"))).to_owned();
        Self::with(
            pki,
            server,
            &["--cert", &file("pem"), "--key", &file("key")],
        )
    }

    /// Pushes JSON under a key.
    #[track_caller]
    pub fn push(&self, key: &str, body: &str) -> Pushed {
        self.post("", key, "application/json", body)
    }

    /// Pushes lines under a key.
    #[track_caller]
    pub fn push_lines(&self, key: &str, body: &str) -> Pushed {
        self.post("", key, "application/x-ndjson", body)
    }

    #[track_caller]
    pub fn post(&self, query: &str, key: &str, content_type: &str, body: &str) -> Pushed {
        let options = [
            "-H",
            &format!("Idempotency-Key: {key}"),
            "-H",
            &format!("Content-Type: {content_type}"),
            "--data-binary",
            "@-",
        ];
        self.send(&format!("/v1/entries{query}"), &options, body)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Pushed {
        self.send(path, &[], "")
    }

    #[track_caller]
    pub fn send(&self, path: &str, options: &[&str], body: &str) -> Pushed {
        let said = self.try_send(path, options, body).expect(0).stdout;
        let (said, status) = said.rsplit_once('\n').expect("a status");
        // Interim answers have heads of their own.
        let mut rest = said;
        let mut head = "";
        while rest.starts_with("HTTP/") {
            (head, rest) = rest.split_once("\r\n\r\n").expect("a head");
        }
        Pushed {
            status: status.parse().expect("digits"),
            head: head.to_ascii_lowercase(),
            body: rest.to_owned(),
        }
    }

    /// Runs curl.
    pub fn try_send(&self, path: &str, options: &[&str], body: &str) -> Finished {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "60", "--cacert"]);
        command.arg(self.pki.path("tls.pem"));
        command
            .args(["-w", "\n%{http_code}"])
            .args(&self.options)
            .args(options);
        command.arg(format!("{}{path}", self.url));
        run_with_input(&mut command, body)
    }
}
