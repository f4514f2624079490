//! A folder with a configuration, and the program at work on it.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::answer::Answer;
use super::ask::{Hash, request_of};
use super::ca::{Certificate, OpensslCa};
use super::http::Connection;
use super::tools::{Finished, line, missing, run, text};

/// The folder of one installation: `estelam.toml` and `state`.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    /// Whose certificates it answers for.
    pub ca: Arc<OpensslCa>,
}

/// What a test sets in the configuration; the rest is left at its default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines before the first table.
    pub top: String,
    /// Addresses to listen at.
    pub listen: Vec<String>,
    /// Lines of `[limits]`.
    pub limits: String,
    /// Lines of `[[issuer]]`.
    pub issuer: String,
    /// The signer's certificate and key: files of the CA, or absolute paths.
    pub signer: Option<(String, String)>,
    /// Lines of `[[issuer.signer]]`.
    pub signer_lines: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top: String::new(),
            listen: vec!["127.0.0.1:0".to_owned()],
            limits: String::new(),
            issuer: String::new(),
            signer: Some(("ocsp.pem".to_owned(), "ocsp.key".to_owned())),
            signer_lines: String::new(),
        }
    }
}

impl Settings {
    /// Settings with this signer.
    pub fn with_signer(certificate: &str, key: &str) -> Self {
        let signer = Some((certificate.to_owned(), key.to_owned()));
        Self {
            signer,
            ..Self::default()
        }
    }
}

impl Site {
    /// An installation with the default settings and an empty ledger.
    pub fn new(ca: &Arc<OpensslCa>) -> Self {
        Self::with(ca, &Settings::default())
    }

    /// An installation with an empty ledger.
    pub fn with(ca: &Arc<OpensslCa>, settings: &Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = Self {
            folder,
            ca: Arc::clone(ca),
        };
        site.configure(settings);
        site
    }

    /// An installation that knows what `index.txt` says.
    #[track_caller]
    pub fn imported(ca: &Arc<OpensslCa>) -> Self {
        let site = Self::new(ca);
        site.import_index().expect(0);
        site
    }

    /// Writes the configuration.
    pub fn configure(&self, settings: &Settings) {
        let Settings {
            top,
            listen,
            limits,
            issuer,
            signer,
            signer_lines,
        } = settings;
        let mut config = format!("{top}\n");
        for address in listen {
            config.push_str(&format!("[[listen]]\naddress = \"{address}\"\n"));
        }
        config.push_str(&format!(
            "[limits]\n{limits}\n[[issuer]]\nname = \"ca\"\n{issuer}\n"
        ));
        config.push_str(&format!("certificate = {:?}\n", self.ca.path("ca.pem")));
        if let Some((certificate, key)) = signer {
            let (certificate, key) = (self.ca.path(certificate), self.ca.path(key));
            config.push_str(&format!(
                "[[issuer.signer]]\ncertificate = {certificate:?}\nkey = {key:?}\n{signer_lines}\n"
            ));
        }
        std::fs::write(self.path("estelam.toml"), config).expect("the configuration");
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these words and this installation's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        self.finish(&mut command, arguments);
        command
    }

    /// The same under `strace` with these options. The process that is spawned is the program itself,
    /// so it can be killed and waited for like any other.
    pub fn command_under_strace(&self, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-qq", "-o", "/dev/null"])
            .args(options);
        command.arg(env!("CARGO_BIN_EXE_estelam"));
        self.finish(&mut command, arguments);
        command
    }

    /// The same among the mounts of `mounts`, which nobody else sees.
    pub fn command_among(&self, mounts: &Mounts, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &mounts.holder.id().to_string()]);
        command.arg(env!("CARGO_BIN_EXE_estelam"));
        self.finish(&mut command, arguments);
        command
    }

    fn finish(&self, command: &mut Command, arguments: &[&str]) {
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("estelam.toml"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .env_remove("RUST_LOG")
            .env_remove("CREDENTIALS_DIRECTORY");
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments))
    }

    /// Imports the CA's `index.txt` as it is now.
    #[track_caller]
    pub fn import_index(&self) -> Finished {
        self.run(&["import", "index", text(&self.ca.path("index.txt"))])
    }

    /// Starts the server and waits until it answers.
    #[track_caller]
    pub fn serve(&self) -> Server {
        self.serve_by(self.command(&["serve"]))
    }

    /// The same, and waits until everything is signed ahead.
    #[track_caller]
    pub fn serve_settled(&self) -> Server {
        let server = self.serve();
        self.settle();
        server
    }

    /// Waits until nothing is left to be signed.
    #[track_caller]
    pub fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.run(&["stats", "--json"]).expect(0).json();
            if is_settled(&stats) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "signing does not come to an end: {stats:#}"
            );
        }
    }

    /// The same by another command line.
    #[track_caller]
    pub fn serve_by(&self, command: Command) -> Server {
        match self.try_serve(command) {
            Ok(server) => server,
            Err(finished) => panic!("the server did not start: {finished}"),
        }
    }

    /// Starts the server; says how it ended if it did before it could answer.
    pub fn try_serve(&self, command: Command) -> Result<Server, Finished> {
        let listeners = read_listeners(&self.path("estelam.toml"));
        Server::start(command, Some(Arc::clone(&self.ca)), listeners)
    }

    /// A start that has to fail: gives how it ended.
    #[track_caller]
    pub fn start_fails(&self, command: Command) -> Finished {
        match self.try_serve(command) {
            Ok(server) => panic!("the server started: {:?}", server.log()),
            Err(finished) => finished,
        }
    }
}

/// A mount namespace: what is mounted in it nobody else sees, and it ends with this value, however the
/// test ends.
#[derive(Debug)]
pub struct Mounts {
    holder: Child,
}

impl Mounts {
    /// A namespace in which this shell script has run.
    #[track_caller]
    pub fn new(script: &str) -> Self {
        let mut command = Command::new("unshare");
        // `cat` ends when the pipe to it does.
        command.args([
            "--mount",
            "sh",
            "-c",
            &format!("{{ {script}; }} >&2 && echo done && exec cat"),
        ]);
        let what = line(&command);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = child.unwrap_or_else(|error| missing(&what, &error));
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut said)
            .expect("a pipe can be read");
        assert_eq!(said, "done\n", "`{script}` failed; mounting needs root");
        Self { holder }
    }

    /// Runs a shell script among these mounts.
    #[track_caller]
    pub fn run(&self, script: &str) -> Finished {
        let mut command = Command::new("nsenter");
        command.args([
            "--mount",
            "--target",
            &self.holder.id().to_string(),
            "sh",
            "-c",
            script,
        ]);
        run(&mut command)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

fn is_settled(stats: &serde_json::Value) -> bool {
    let issuers = &stats["authority"]["issuers"];
    issuers.as_array().expect("issuers").iter().all(|issuer| {
        issuer["catching_up"] == false
            && issuer["unsigned"] == 0
            && (issuer["certificates"] == 0 || issuer["segments"] != 0)
    })
}

fn read_listeners(config: &PathBuf) -> usize {
    super::tools::read_text(config)
        .matches("[[listen]]")
        .count()
}

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    what: String,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    said: Arc<Said>,
    /// Where it listens, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    /// Whose certificates [`Server::ask`] asks about.
    ca: Option<Arc<OpensslCa>>,
}

#[derive(Debug, Default)]
struct Said {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: usize,
}

impl Said {
    fn state(&self) -> MutexGuard<'_, Lines> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `found` finds something in the lines, or the process has closed both outputs.
    fn wait<T>(&self, found: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            if let Some(found) = found(&state.lines) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended == 2 || left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Server {
    /// Starts a program and waits until it says where it listens; says how it ended if it did before.
    #[track_caller]
    pub fn start(
        mut command: Command,
        ca: Option<Arc<OpensslCa>>,
        listeners: usize,
    ) -> Result<Self, Finished> {
        let what = line(&command);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| missing(&what, &error));
        let said = Arc::new(Said::default());
        let readers = vec![
            reader(child.stdout.take().expect("it is piped"), &said),
            reader(child.stderr.take().expect("it is piped"), &said),
        ];
        let mut server = Self {
            what,
            child,
            readers,
            said,
            addresses: Vec::new(),
            ca,
        };
        let ready = server.said.wait(|lines| {
            let addresses: Vec<_> = lines.iter().filter_map(|line| address(line)).collect();
            (addresses.len() >= listeners).then_some(addresses)
        });
        match ready {
            Some(addresses) => {
                server.addresses = addresses;
                Ok(server)
            }
            None => Err(server.end()),
        }
    }

    /// Waits for the process, which has ended or is killed, and for the rest of what it said.
    fn end(&mut self) -> Finished {
        use std::os::unix::process::ExitStatusExt as _;
        let hung = self.said.state().ended < 2;
        if hung {
            self.signal(rustix::process::Signal::KILL);
        }
        let status = self.child.wait().expect("the server can be waited for");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        Finished {
            what: format!(
                "{}{}",
                self.what,
                if hung { " (killed: it hung)" } else { "" }
            ),
            code: status
                .code()
                .or_else(|| Some(128 + status.signal()?))
                .expect("it has ended"),
            stdout: String::new(),
            stderr: self.log().join("\n"),
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        // The process may be gone already; it is our child, so the id cannot be another's.
        let _gone = rustix::process::kill_process(id, signal);
    }

    /// kill -9, as a power cut or an operator in a hurry would.
    pub fn kill(mut self) -> Finished {
        self.signal(rustix::process::Signal::KILL);
        self.wait()
    }

    /// From now on does this to one of its system calls: `error=EIO:when=2` lets the second call of
    /// each thread fail, `signal=KILL:when=2` kills the server before it. With `only` none but the
    /// calls on that file count.
    #[track_caller]
    pub fn inject(&self, call: &str, what: &str, only: Option<&Path>) -> Tracer {
        let mut command = Command::new("strace");
        command.args(only.iter().flat_map(|file| ["-P", text(file)]));
        command.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:{what}")]);
        command.args(["-p", &self.child.id().to_string()]);
        let what = line(&command);
        let strace = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut strace = strace.unwrap_or_else(|error| missing(&what, &error));
        let said = Arc::new(Said::default());
        let reader = reader(strace.stderr.take().expect("it is piped"), &said);
        said.state().ended += 1;
        let attached =
            said.wait(|lines| lines.iter().find(|line| line.contains("attached")).cloned());
        assert!(attached.is_some(), "`{what}`: {:?}", said.state().lines);
        Tracer {
            strace,
            reader: Some(reader),
        }
    }

    /// The CPU time that it has taken so far: what neighbours on the machine do not stretch.
    pub fn cpu_time(&self) -> Duration {
        let stat = PathBuf::from(format!("/proc/{}/stat", self.child.id()));
        let stat = super::tools::read_text(&stat);
        let (_, fields) = stat.rsplit_once(')').expect("the process's name");
        // utime and stime (proc(5)), in hundredths of a second.
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the server can be waited for")
            .is_some()
    }

    /// kill -9, without waiting.
    pub fn kill_now(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// SIGTERM; gives how it ended.
    pub fn terminate(mut self) -> Finished {
        self.begin_to_terminate();
        self.wait()
    }

    /// Ctrl-C; gives how it ended.
    pub fn interrupt(mut self) -> Finished {
        self.signal(rustix::process::Signal::INT);
        self.wait()
    }

    /// SIGTERM, without waiting.
    pub fn begin_to_terminate(&mut self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Waits until the server has ended by itself.
    pub fn wait(&mut self) -> Finished {
        self.said.wait(|_| None::<()>);
        self.end()
    }

    /// What it has said so far.
    pub fn log(&self) -> Vec<String> {
        self.said.state().lines.clone()
    }

    /// Waits until it says something with these words.
    #[track_caller]
    pub fn wait_for(&self, words: &str) -> String {
        let found = self
            .said
            .wait(|lines| lines.iter().find(|line| line.contains(words)).cloned());
        found.unwrap_or_else(|| panic!("it never says {words:?}: {:#?}", self.log()))
    }

    /// The first listener.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Whose certificates it is asked about.
    pub fn ca(&self) -> Option<&OpensslCa> {
        self.ca.as_deref()
    }

    /// The OCSP URL at the first listener.
    pub fn url(&self) -> String {
        format!("http://{}/ocsp", self.address())
    }

    /// A connection to the first listener.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Asks about one serial by POST; gives the response.
    #[track_caller]
    pub fn ask(&self, hash: Hash, serial: &str) -> Vec<u8> {
        let ca = self.ca.as_ref().expect("a CA to ask about");
        let request = request_of(ca, hash, &[serial]);
        let reply = self.connect().post("/ocsp", &request);
        assert_eq!(reply.status, 200, "{serial}: {reply:?}");
        reply.body
    }

    /// Demands that a certificate has the status it should have.
    #[track_caller]
    pub fn answers(&self, certificate: &Certificate) {
        for hash in Hash::BOTH {
            let answer = Answer::of(&self.ask(hash, &certificate.serial));
            assert_eq!(
                answer.single().status,
                certificate.status,
                "{}",
                certificate.serial
            );
        }
    }
}

/// An `strace` at a server; it ends with the server, or when dropped.
#[derive(Debug)]
pub struct Tracer {
    strace: Child,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It may be gone with what it traced.
        let _gone = self.strace.kill();
        drop(self.strace.wait());
        drop(self.reader.take().map(JoinHandle::join));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.readers.is_empty() {
            if std::thread::panicking() {
                eprintln!("--- the server had said\n{}", self.log().join("\n"));
            }
            self.signal(rustix::process::Signal::KILL);
            drop(self.child.wait());
            for reader in self.readers.drain(..) {
                drop(reader.join());
            }
        }
    }
}

fn reader(pipe: impl Read + Send + 'static, said: &Arc<Said>) -> JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            said.state().lines.push(line);
            said.changed.notify_all();
        }
        said.state().ended += 1;
        said.changed.notify_all();
    })
}

/// The address in a line that says where the server listens.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("http://")?;
    let end = after.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c)));
    after[..end.unwrap_or(after.len())].parse().ok()
}

/// How long a server may take to start or stop before a test calls it hung.
const PATIENCE: Duration = Duration::from_secs(60);
