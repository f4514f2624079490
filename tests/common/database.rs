//! Servers of databases on this machine, in folders of their own: PostgreSQL, MariaDB, and Python's SQLite.
//!
//! They refuse to run as root, so that tests that do give them to another user. Nothing that they write is
//! synced to disk: the folder is gone with them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use tempfile::TempDir;

use super::tools::{Finished, line, missing, python, read_text, run, run_with_input, text};

/// Which make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    PostgreSql,
    MariaDb,
}

/// A server with its data.
#[derive(Debug)]
pub struct Database {
    folder: TempDir,
    make: Make,
    port: u16,
    options: Vec<String>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    reader: std::thread::JoinHandle<()>,
}

/// The PostgreSQL and the MariaDB that tests share: each makes databases of its own in it. Gone with the
/// last user.
static SHARED: Mutex<[Weak<Database>; 2]> = Mutex::new([Weak::new(), Weak::new()]);

impl Database {
    /// The server that tests share.
    pub fn shared(make: Make) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &mut shared[usize::from(make == Make::MariaDb)];
        shared.upgrade().unwrap_or_else(|| {
            let database = Arc::new(Self::start(make, &[]));
            *shared = Arc::downgrade(&database);
            database
        })
    }

    /// A server of its own; `options` are more words of its command line.
    pub fn start(make: Make, options: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("db")
            .tempdir()
            .expect("a folder");
        let database = Self {
            folder,
            make,
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            running: Mutex::new(None),
        };
        database.own(database.folder.path());
        let data = text(&database.path("data")).to_owned();
        match make {
            Make::PostgreSql => {
                let mut initdb = database.as_user(text(&postgresql("initdb")));
                initdb.args(["-D", &data, "-U", "postgres", "-A", "trust", "--no-sync"]);
                run(initdb.args(["-E", "UTF8", "--locale=C.UTF-8"])).expect(0);
                let access = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
                std::fs::write(database.path("data/pg_hba.conf"), access).expect("pg_hba.conf");
            }
            Make::MariaDb => {
                let mut install = database.as_user("mariadb-install-db");
                install.args(["--no-defaults", "--skip-test-db"]);
                install.arg("--auth-root-authentication-method=normal");
                run(install.arg(format!("--datadir={data}"))).expect(0);
            }
        }
        database.run();
        database
    }

    /// Starts the server after it was stopped; waits until it takes connections.
    pub fn run(&self) {
        let data = text(&self.path("data")).to_owned();
        let (mut command, ready) = match self.make {
            Make::PostgreSql => {
                let mut command = self.as_user(text(&postgresql("postgres")));
                command.args(["-D", &data, "-k", text(self.folder.path())]);
                command.args(["-p", &self.port.to_string()]);
                for setting in [
                    "listen_addresses=127.0.0.1",
                    "fsync=off",
                    "synchronous_commit=off",
                    "full_page_writes=off",
                    "max_connections=40",
                ] {
                    command.args(["-c", setting]);
                }
                (command, "ready to accept connections")
            }
            Make::MariaDb => {
                let mut command = self.as_user("mariadbd");
                command.args(["--no-defaults", "--skip-log-bin", "--skip-name-resolve"]);
                command.args([
                    "--bind-address=127.0.0.1",
                    "--innodb-flush-log-at-trx-commit=0",
                ]);
                command.arg(format!("--datadir={data}"));
                command.arg(format!("--port={}", self.port));
                for (option, file) in [("socket", "socket"), ("pid-file", "pid")] {
                    command.arg(format!("--{option}={}", text(&self.path(file))));
                }
                (command, "ready for connections")
            }
        };
        command.args(&self.options);
        let what = line(&command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = child.spawn().unwrap_or_else(|error| missing(&what, &error));
        let said = child.stderr.take().expect("it is piped");
        let (tell, told) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                // Nobody listens once it is ready.
                let _unheard = tell.send(line);
            }
        });
        let mut lines = Vec::new();
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(ready) => break,
                Ok(line) => lines.push(line),
                Err(error) => panic!("`{what}` is not ready: {error}: {lines:#?}"),
            }
        }
        *self.running() = Some(Running { child, reader });
    }

    /// Stops the server as an operator does who does not wait for clients.
    pub fn stop(&self) {
        let Some(mut running) = self.running().take() else {
            return;
        };
        let signal = match self.make {
            Make::PostgreSql => rustix::process::Signal::INT,
            Make::MariaDb => rustix::process::Signal::TERM,
        };
        signal_child(&running.child, signal);
        running.child.wait().expect("the server can be waited for");
        running.reader.join().expect("a reader does not panic");
    }

    /// Lets the server hang, or go on.
    pub fn hang(&self, hangs: bool) {
        let signal = match hangs {
            true => rustix::process::Signal::STOP,
            false => rustix::process::Signal::CONT,
        };
        // Each connection of PostgreSQL is a process of its own.
        if let Some(running) = &*self.running() {
            let children = PathBuf::from(format!(
                "/proc/{id}/task/{id}/children",
                id = running.child.id()
            ));
            for child in read_text(&children).split_whitespace() {
                let id = rustix::process::Pid::from_raw(child.parse().expect("a process id"));
                let _gone = rustix::process::kill_process(id.expect("a process id"), signal);
            }
            signal_child(&running.child, signal);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file of the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a database and gives its address for the configuration: on the Unix socket, as the server's
    /// own superuser.
    pub fn create(&self, name: &str) -> String {
        let admin = match self.make {
            Make::PostgreSql => "postgres",
            Make::MariaDb => "mysql",
        };
        self.execute(admin, &format!("create database {name};"));
        let folder = text(self.folder.path());
        match self.make {
            Make::PostgreSql => {
                format!("postgresql://postgres@:{}/{name}?host={folder}", self.port)
            }
            Make::MariaDb => format!("mariadb://root@/{name}?socket={folder}/socket"),
        }
    }

    /// Its address over TCP as another user.
    pub fn tcp(&self, user: &str, name: &str) -> String {
        let scheme = match self.make {
            Make::PostgreSql => "postgresql",
            Make::MariaDb => "mariadb",
        };
        format!("{scheme}://{user}@127.0.0.1:{}/{name}", self.port)
    }

    /// Executes SQL by the server's own client; gives what it selects, tabs between the values.
    #[track_caller]
    pub fn execute(&self, name: &str, sql: &str) -> String {
        let mut client = match self.make {
            Make::PostgreSql => {
                let mut client = Command::new("psql");
                client.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]);
                client.args(["-h", text(self.folder.path()), "-p", &self.port.to_string()]);
                client.args(["-U", "postgres", "-d", name, "-f", "-"]);
                client
            }
            Make::MariaDb => {
                let mut client = Command::new("mariadb");
                client.args([
                    "--no-defaults",
                    "--batch",
                    "--skip-column-names",
                    "-u",
                    "root",
                ]);
                client.arg(format!("--socket={}", text(&self.path("socket"))));
                client.arg(name);
                client
            }
        };
        run_with_input(&mut client, sql).expect(0).stdout
    }

    /// Executes one of the files in `fixtures/sql`.
    #[track_caller]
    pub fn execute_fixture(&self, name: &str, fixture: &str) {
        self.execute(name, &fixture_text(fixture));
    }

    /// A program as the user that the server runs as.
    fn as_user(&self, program: &str) -> Command {
        let Some((user, group)) = self.user() else {
            return Command::new(program);
        };
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={group}"));
        command.args(["--clear-groups", program]);
        command.current_dir("/");
        command
    }

    /// Root gives the server to nobody.
    fn user(&self) -> Option<(u32, u32)> {
        rustix::process::geteuid()
            .is_root()
            .then_some((65_534, 65_534))
    }

    /// Gives a file to that user.
    pub fn own(&self, path: &Path) {
        if let Some((user, group)) = self.user() {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may do that");
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.hang(false);
        self.stop();
    }
}

fn signal_child(child: &Child, signal: rustix::process::Signal) {
    let id = i32::try_from(child.id()).expect("a process id");
    let id = rustix::process::Pid::from_raw(id).expect("a process id");
    // It may be gone already; it is our child, so the id cannot be another's.
    let _gone = rustix::process::kill_process(id, signal);
}

/// What lies in `fixtures/sql`.
pub fn fixture_text(fixture: &str) -> String {
    read_text(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/sql")
            .join(fixture),
    )
}

/// Executes SQL in a file of SQLite, by Python's module; gives what it selects, tabs between the values.
#[track_caller]
pub fn sqlite(file: &Path, sql: &str) -> String {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1])\n\
                  sql = sys.stdin.read()\n\
                  if sql.startswith('select'):\n\
                  \x20   for row in db.execute(sql):\n\
                  \x20       print(*row, sep='\\t')\n\
                  else:\n\
                  \x20   db.executescript(sql)\n\
                  db.close()\n";
    let mut command = python();
    command.args(["-c", script, text(file)]);
    let finished: Finished = run_with_input(&mut command, sql);
    finished.expect(0).stdout
}

/// A program of the newest PostgreSQL here; Debian has them on no path.
fn postgresql(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    let folders = versions.map_while(Result::ok).map(|entry| entry.path());
    let with_program = folders.filter(|folder| folder.join("bin").join(program).exists());
    let newest = with_program.max_by_key(number);
    newest.map_or_else(
        || PathBuf::from(program),
        |folder| folder.join("bin").join(program),
    )
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// How long a server may take to start before a test calls it hung.
const PATIENCE: Duration = Duration::from_secs(60);
