//! A demo, and what its `demo.json` promises.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::answer::Status;
use super::ask::{Hash, integer, request_of_cert_ids};
use super::ca::cert_id_start;
use super::der::tlv;
use super::site::Server;
use super::tools::{Finished, read_text, run, text};

/// A place for a demo: `demo` in a folder of its own.
#[derive(Debug)]
pub struct Demo {
    folder: TempDir,
    name: String,
}

impl Demo {
    /// A place where nothing is.
    pub fn place() -> Self {
        Self::place_called("demo")
    }

    /// The same with another name.
    pub fn place_called(name: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            name: name.to_owned(),
        }
    }

    /// A demo that was built and is not served.
    #[track_caller]
    pub fn built(options: &[&str]) -> Self {
        let demo = Self::place();
        run(demo.command(options).arg("--once")).expect(0);
        demo
    }

    /// The folder around it.
    pub fn around(&self) -> &Path {
        self.folder.path()
    }

    /// Its folder.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// A file of it, as `demo.json` names it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The same where the name is a JSON string.
    #[track_caller]
    pub fn file(&self, name: &Value) -> PathBuf {
        self.path(name.as_str().expect("a path"))
    }

    /// `estelam demo` for this place, on a free port unless told otherwise, run from the folder around.
    pub fn command(&self, options: &[&str]) -> Command {
        self.finish(Command::new(env!("CARGO_BIN_EXE_estelam")), options)
    }

    /// The same under `strace` with these options.
    pub fn command_under_strace(&self, strace: &[&str], options: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-qq", "-o", "/dev/null"])
            .args(strace)
            .arg(env!("CARGO_BIN_EXE_estelam"));
        self.finish(command, options)
    }

    fn finish(&self, mut command: Command, options: &[&str]) -> Command {
        command.arg("demo");
        if !options.contains(&"--dir") {
            command.args(["--dir", &self.name]);
        }
        if !options.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
            .args(options)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_remove("RUST_LOG");
        command
    }

    /// Runs another command of the program with the demo's configuration.
    #[track_caller]
    pub fn estelam(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("estelam.toml"))
            .current_dir(self.folder.path());
        run(&mut command)
    }

    /// Serves it and waits until everything is signed and `demo.json` is there.
    #[track_caller]
    pub fn serve(&self, options: &[&str]) -> Server {
        match Server::start(self.command(options), None, 1) {
            Ok(server) => {
                server.wait_for("# Ask again");
                server
            }
            Err(finished) => panic!("the demo did not start: {finished}"),
        }
    }

    /// `demo.json`.
    #[track_caller]
    pub fn description(&self) -> Value {
        serde_json::from_str(&read_text(&self.path("demo.json"))).expect("JSON")
    }

    /// Where it answers, as `demo.json` says.
    #[track_caller]
    pub fn address(&self) -> std::net::SocketAddr {
        let url = self.description()["ocsp_url"].clone();
        let url = url.as_str().expect("a URL");
        let address = url.strip_prefix("http://").expect("plain HTTP");
        address
            .strip_suffix("/ocsp")
            .expect("the usual path")
            .parse()
            .expect("an address")
    }

    /// Every issuer.
    #[track_caller]
    pub fn issuers(&self) -> Vec<DemoIssuer> {
        let description = self.description();
        let issuers = description["issuers"].as_array().expect("issuers");
        issuers
            .iter()
            .map(|issuer| DemoIssuer::new(self, issuer))
            .collect()
    }

    /// What the demo has left beside itself.
    pub fn beside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.around()).expect("the folder around");
        let names =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
        names.filter(|name| *name != self.name).collect()
    }
}

/// An issuer of a demo.
#[derive(Debug)]
pub struct DemoIssuer {
    /// Its part of `demo.json`.
    pub described: Value,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its delegate's.
    pub responder: PathBuf,
    /// The lines of its inventory.
    pub inventory: Vec<(String, Status)>,
    /// Everything before the serial in a CertID, for each of [`Hash::BOTH`].
    starts: [Vec<u8>; 2],
}

impl DemoIssuer {
    fn new(demo: &Demo, described: &Value) -> Self {
        let certificate = demo.file(&described["issuer"]);
        let inventory = read_text(&demo.file(&described["inventory"]));
        let mut lines = inventory.lines();
        assert_eq!(lines.next(), Some("serial,status,reason,revocation_time"));
        Self {
            starts: Hash::BOTH.map(|hash| cert_id_start(&certificate, hash)),
            certificate,
            responder: demo.file(&described["responder"]),
            inventory: lines.map(inventory_line).collect(),
            described: described.clone(),
        }
    }

    /// What `--issuer` takes.
    pub fn name(&self) -> &str {
        self.described["name"].as_str().expect("a name")
    }

    /// The certificates that have a name.
    pub fn certs(&self) -> &[Value] {
        self.described["certs"].as_array().expect("certificates")
    }

    /// A request for one serial.
    pub fn request(&self, hash: Hash, serial: &str) -> Vec<u8> {
        let start = match hash {
            Hash::Sha1 => &self.starts[0],
            _ => &self.starts[1],
        };
        let cert_id = [&start[..], &tlv(0x02, &integer(serial))].concat();
        request_of_cert_ids(&[tlv(0x30, &cert_id)])
    }
}

/// The status that `demo.json` or an inventory promises.
#[track_caller]
pub fn status(expected: &str, reason: Option<&str>, time: Option<&str>) -> Status {
    match expected {
        "good" => {
            assert_eq!((reason, time), (None, None));
            Status::Good
        }
        "revoked" => Status::Revoked {
            // RFC 3339 in UTC, without its punctuation.
            time: time.expect("a time").replace(['-', ':', 'T'], ""),
            reason: reason.map(|name| {
                let found = REASONS.iter().find(|(known, _)| *known == name);
                found.unwrap_or_else(|| panic!("{name}")).1
            }),
        },
        other => panic!("{other}"),
    }
}

/// That of a certificate in `demo.json`.
#[track_caller]
pub fn status_of(certificate: &Value) -> Status {
    status(
        certificate["expected"].as_str().expect("a status"),
        certificate["reason"].as_str(),
        certificate["revocation_time"].as_str(),
    )
}

#[track_caller]
fn inventory_line(line: &str) -> (String, Status) {
    let [serial, expected, reason, time] = line.split(',').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (reason, time) = (some(reason), some(time));
    (
        serial.to_owned(),
        status(expected, reason.as_deref(), time.as_deref()),
    )
}

/// RFC 5280 §5.3.1.
const REASONS: [(&str, u8); 8] = [
    ("keyCompromise", 1),
    ("cACompromise", 2),
    ("affiliationChanged", 3),
    ("superseded", 4),
    ("cessationOfOperation", 5),
    ("certificateHold", 6),
    ("privilegeWithdrawn", 9),
    ("aACompromise", 10),
];

/// What `openssl x509` says of a certificate.
#[track_caller]
pub fn x509(certificate: &Path, options: &[&str]) -> String {
    let mut command = super::tools::tool("openssl");
    command.args(["x509", "-noout", "-in", text(certificate)]);
    run(command.args(options)).expect(0).stdout
}
