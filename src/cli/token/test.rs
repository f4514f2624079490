//! `estelam token test`: whether a key signs, and how fast.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::place::Place;
use super::{Exit, Failure, token_failure};
use crate::cli::{Common, output};
use crate::config::{KeyUri, Token};
use crate::signer::token::{TokenSigner, open_alone};
use crate::signer::{Checked, Signer as _, SignerError};

/// Sign with a key on a token, verify every signature, and measure how many it makes
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  estelam token test --token hsm --key pkcs11:object=ocsp-2026
  estelam token test --token hsm --key pkcs11:object=ocsp-2026 --sessions 1 --sessions 8 --seconds 10")]
pub(super) struct TestArguments {
    #[command(flatten)]
    place: Place,
    /// The key: pkcs11:object=LABEL or pkcs11:id=%0a%01
    #[arg(long, value_name = "URI")]
    key: KeyUri,
    /// How many sessions sign at once; several times for several runs [default: 1, 2, 4 … as configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    sessions: Vec<u16>,
    /// How long each run takes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// What was found.
#[derive(Serialize)]
struct Found {
    token: String,
    key: String,
    algorithm: String,
    runs: Vec<Run>,
}

/// What was measured with some number of sessions.
#[derive(Serialize)]
struct Run {
    sessions: usize,
    /// All of them were verified.
    signatures: usize,
    /// Signed one by one, as answers to questions are.
    per_second: f64,
    /// Half of the signatures were made within this time, in milliseconds.
    median_ms: f64,
    /// 99 of 100 were.
    p99_ms: f64,
    /// Signed many at a time, as answers are ahead of questions.
    batched_per_second: f64,
}

pub(super) fn run(common: &Common, arguments: &TestArguments) -> Result<Exit, Failure> {
    let token = arguments.place.token(common)?;
    let mut found = Found {
        token: token.name.clone(),
        key: arguments.key.to_string(),
        algorithm: String::new(),
        runs: Vec::new(),
    };
    for sessions in wanted(arguments, &token) {
        let settings = Token {
            sessions: Some(sessions),
            ..(*token).clone()
        };
        let signer = open_alone(&Arc::new(settings), &arguments.key)
            .map_err(|error| token_failure(&error))?;
        let sessions = signer.sessions();
        let signer = Checked::new(signer).map_err(|error| signing_failure(&error))?;
        found.algorithm = signer.algorithm().to_string();
        let half = Duration::from_secs(arguments.seconds) / 2;
        let run = measure(&signer, sessions, half);
        found
            .runs
            .push(run.map_err(|error| signing_failure(&error))?);
    }
    output::facts(common, &found, || text(&found))
}

/// 1, 2, 4 … up to what is configured.
fn wanted(arguments: &TestArguments, token: &Token) -> Vec<usize> {
    if !arguments.sessions.is_empty() {
        return (arguments.sessions.iter())
            .map(|sessions| usize::from(*sessions))
            .collect();
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let most = token.sessions.unwrap_or(cores).max(1);
    let mut wanted: Vec<usize> = std::iter::successors(Some(1_usize), |last| last.checked_mul(2))
        .take_while(|sessions| *sessions < most)
        .collect();
    wanted.push(most);
    wanted
}

type Tested = Checked<TokenSigner>;

fn measure(signer: &Tested, sessions: usize, length: Duration) -> Result<Run, SignerError> {
    let (mut times, single) = for_a_while(sessions, length, |number| {
        let began = Instant::now();
        let mut signature = vec![0; signer.algorithm().stored_len()];
        signer.sign(&message(number), &mut signature)?;
        Ok(began.elapsed())
    })?;
    // One more than sessions: while one verifies, another's batch is signed.
    let (batches, batched) = for_a_while(sessions.saturating_add(1), length, |number| {
        let messages: Vec<Vec<u8>> = (0..BATCH).map(|at| message(number ^ at << 32)).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let mut signatures = vec![vec![0; signer.algorithm().stored_len()]; messages.len()];
        let mut places: Vec<&mut [u8]> = signatures.iter_mut().map(Vec::as_mut_slice).collect();
        signer.sign_batch(&messages, &mut places)
    })?;
    let in_batches = batches
        .len()
        .saturating_mul(usize::try_from(BATCH).unwrap_or(1));
    times.sort_unstable();
    let at = |percent: usize| {
        let place = times.len().saturating_mul(percent) / 100;
        let time = times.get(place.min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    Ok(Run {
        sessions,
        signatures: times.len().saturating_add(in_batches),
        per_second: rate(times.len(), single),
        median_ms: at(50),
        p99_ms: at(99),
        batched_per_second: rate(in_batches, batched),
    })
}

/// Does something again and again on some threads; gives what came of it, and how long it took.
fn for_a_while<T: Send>(
    threads: usize,
    length: Duration,
    run: impl Fn(u64) -> Result<T, SignerError> + Sync,
) -> Result<(Vec<T>, Duration), SignerError> {
    let stop = AtomicBool::new(false);
    let count = AtomicU64::new(0);
    let began = Instant::now();
    let work = || -> Result<Vec<T>, SignerError> {
        let mut done = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let number = count.fetch_add(1, Ordering::Relaxed);
            done.push(run(number).inspect_err(|_| stop.store(true, Ordering::Relaxed))?);
            if began.elapsed() >= length {
                stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(done)
    };
    let mut all = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            all.extend(thread.join().unwrap_or(Err(SignerError::Failed))?);
        }
        Ok::<(), SignerError>(())
    })?;
    Ok((all, began.elapsed()))
}

/// Another one each time, as answers are.
fn message(number: u64) -> Vec<u8> {
    format!("estelam: try {number} of this token").into_bytes()
}

fn rate(count: usize, length: Duration) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    f64::from(count) / length.as_secs_f64()
}

fn signing_failure(error: &SignerError) -> Failure {
    Failure::new(Exit::Key, error.to_string())
}

fn text(found: &Found) -> String {
    let mut text = format!(
        "{} on token {:?} signs with {}; every signature was verified\n\n  sessions  one by one/s  \
         median ms    p99 ms  in batches/s\n",
        found.key, found.token, found.algorithm
    );
    for run in &found.runs {
        let _infallible = writeln!(
            text,
            "  {:>8}  {:>12.0}  {:>9.2}  {:>8.2}  {:>12.0}",
            run.sessions, run.per_second, run.median_ms, run.p99_ms, run.batched_per_second
        );
    }
    text
}

/// Messages in a batch.
const BATCH: u64 = 256;
