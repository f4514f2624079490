//! Running other programs. One that is missing fails the test and names what installs it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A command for a program that `./setup` installs.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// The Python with `cryptography` and pkilint: where `./setup` says it is, or puts it.
pub fn python() -> Command {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    let path = std::env::var_os("ESTELAM_TEST_PYTHON").map_or_else(usual, PathBuf::from);
    tool(text(&path))
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub what: String,
    /// The exit code; 128 + n for signal n, as shells have it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    fn new(what: String, output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        Self {
            what,
            code: status
                .code()
                .or_else(|| Some(128 + status.signal()?))
                .expect("it has ended"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Demands an exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Demands words in what was said, letter case aside.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr).to_lowercase();
        for word in words {
            assert!(
                said.contains(&word.to_lowercase()),
                "it does not say {word:?}: {self}"
            );
        }
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{what}` ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    let what = line(command);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Finished::new(what, output),
        Err(error) => missing(&what, &error),
    }
}

/// Runs a command that reads `input`.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &str) -> Finished {
    let what = line(command);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| missing(&what, &error));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A child that ends without reading all of it is judged by its exit code.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child
            .wait_with_output()
            .expect("the child can be waited for")
    });
    Finished::new(what, output)
}

/// The command line in one line.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[track_caller]
pub fn missing(what: &str, error: &std::io::Error) -> ! {
    let name = what.split(' ').next().unwrap_or_default();
    if error.kind() == ErrorKind::NotFound {
        panic!("`{name}` is not installed: run ./setup, which installs what the tests need");
    }
    panic!("`{what}` cannot be run: {error}")
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test folders have UTF-8 names")
}

/// A file's content as text.
#[track_caller]
pub fn read_text(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
