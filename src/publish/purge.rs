//! Emptying caches of what changed: HTTP PURGE to hosts that the configuration names, or a command.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::config::{Purge, PurgeCommand, feed::Target};

/// Has what changed forgotten; `urls` are those that certificates and CRLs name.
///
/// # Errors
/// One line that says who refused what.
pub(super) fn purge(
    purge: &Purge,
    urls: &[String],
    is_stopping: &dyn Fn() -> bool,
) -> Result<(), String> {
    match purge {
        Purge::Http(http) => {
            for host in &http.hosts {
                for url in urls {
                    if is_stopping() {
                        return Err("it is stopping".to_owned());
                    }
                    ask(host, url).map_err(|why| format!("PURGE {url} at {host}: {why}"))?;
                }
            }
            Ok(())
        }
        Purge::Command(command) => {
            let words: Vec<&str> = command.command.iter().map(String::as_str).collect();
            let mut first = Ok(());
            // A command line has its limits; 1,000 URLs of 200 octets are far from them.
            for some in urls.chunks(URLS_MAX) {
                let ran = run(command, &words, some, is_stopping);
                first = first.and(ran);
            }
            first
        }
    }
}

/// One PURGE; a cache that has no such file is as good as one that had it.
fn ask(host: &str, url: &str) -> Result<(), String> {
    let target = Target::parse(url).map_err(|error| error.to_string())?;
    let words = |error: io::Error| error.to_string();
    let addresses = host.to_socket_addrs().map_err(words)?;
    let mut failure = "it has no address".to_owned();
    for address in addresses.take(ADDRESSES_MAX) {
        let stream = match TcpStream::connect_timeout(&address, WAIT) {
            Ok(stream) => stream,
            Err(error) => {
                failure = error.to_string();
                continue;
            }
        };
        stream.set_read_timeout(Some(WAIT)).map_err(words)?;
        stream.set_write_timeout(Some(WAIT)).map_err(words)?;
        // The host is the one that clients ask for: what caches know the file by.
        let request = format!(
            "PURGE {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            target.path,
            target.origin()
        );
        (&stream).write_all(request.as_bytes()).map_err(words)?;
        let mut line = String::new();
        let mut answer = BufReader::new((&stream).take(ANSWER_OCTETS_MAX));
        answer.read_line(&mut line).map_err(words)?;
        let status = line.strip_prefix("HTTP/1.").and_then(|line| line.get(2..5));
        let status: Option<u16> = status.and_then(|status| status.parse().ok());
        return match status {
            Some(200..=299 | 404) => Ok(()),
            Some(status) => Err(format!("HTTP {status}")),
            None => Err("it does not speak HTTP".to_owned()),
        };
    }
    Err(failure)
}

/// Runs a command, with nothing to read and a group of its own, and ends that when its time is over.
fn run(
    settings: &PurgeCommand,
    words: &[&str],
    urls: &[String],
    is_stopping: &dyn Fn() -> bool,
) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("no command is set".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).args(urls);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let (said, hears) = channel();
    for output in outputs(&mut child) {
        listen(output, said.clone()).map_err(|error| format!("{program}: {error}"))?;
    }
    let begun = Instant::now();
    let mut last = String::new();
    let ended = loop {
        // Who no longer writes may still run.
        if let Ok(text) = hears.recv_timeout(LOOK) {
            last = text;
        }
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if begun.elapsed() >= settings.timeout => {
                break Err(format!(
                    "it took longer than {} s",
                    settings.timeout.as_secs()
                ));
            }
            Ok(None) if is_stopping() => break Err("it is stopping".to_owned()),
            Ok(None) => {}
            Err(error) => break Err(error.to_string()),
        }
    };
    end(&mut child);
    let status = ended.map_err(|why| format!("{program}: {why}"))?;
    drop(said);
    // Somebody that it started, in a group of its own, may hold its output open.
    while let Ok(text) = hears.recv_timeout(WAIT) {
        last = text;
    }
    match status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {status}: {}", last.trim())),
    }
}

/// Ends what is left of the command's group.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // There may be nobody left.
        let _nobody = kill_process_group(group, Signal::KILL);
    }
    drop(child.wait());
}

fn outputs(child: &mut Child) -> Vec<Box<dyn io::Read + Send>> {
    let mut outputs: Vec<Box<dyn io::Read + Send>> = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        outputs.push(Box::new(stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        outputs.push(Box::new(stderr));
    }
    outputs
}

/// Reads all that a command says, and keeps the first of it.
fn listen(mut output: Box<dyn io::Read + Send>, said: Sender<String>) -> io::Result<()> {
    let hear = move || {
        let mut kept = Vec::new();
        // A command that cannot be read has said nothing.
        drop((&mut output).take(SAID_OCTETS_MAX).read_to_end(&mut kept));
        drop(io::copy(&mut output, &mut io::sink()));
        let text = String::from_utf8_lossy(&kept).replace(['\n', '\r'], " ");
        if !text.trim().is_empty() {
            drop(said.send(text));
        }
    };
    let thread = std::thread::Builder::new().name("purge".to_owned());
    thread.spawn(hear).map(drop)
}

const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
const ADDRESSES_MAX: usize = 4;
const ANSWER_OCTETS_MAX: u64 = 4 << 10;
const SAID_OCTETS_MAX: u64 = 500;
const URLS_MAX: usize = 1_000;
