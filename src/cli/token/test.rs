//! `estelam token test`: whether a key signs, and how fast.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::place::Place;
use super::{Exit, Failure, token_failure};
use crate::cli::{Common, output};
use crate::config::{KeyUri, Token};
use crate::signer::token::open_alone;
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
    signatures: usize,
    per_second: f64,
    /// Half of the signatures were made within this time, in milliseconds.
    median_ms: f64,
    /// 99 of 100 were.
    p99_ms: f64,
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
        let run = measure(&signer, sessions, Duration::from_secs(arguments.seconds));
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

fn measure(
    signer: &Checked<crate::signer::token::TokenSigner>,
    sessions: usize,
    length: Duration,
) -> Result<Run, SignerError> {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let sign = || -> Result<Vec<Duration>, SignerError> {
        let mut times = Vec::new();
        let mut signature = vec![0; signer.algorithm().stored_len()];
        while !stop.load(Ordering::Relaxed) {
            let one = Instant::now();
            // Another message each time, as answers are.
            let message = format!("estelam: try {} of this token", times.len());
            signer
                .sign(message.as_bytes(), &mut signature)
                .inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            times.push(one.elapsed());
            if began.elapsed() >= length {
                stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(times)
    };
    let mut times = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..sessions).map(|_| scope.spawn(sign)).collect();
        for thread in threads {
            times.extend(thread.join().unwrap_or(Err(SignerError::Failed))?);
        }
        Ok::<(), SignerError>(())
    })?;
    let length = began.elapsed();
    times.sort_unstable();
    let at = |percent: usize| {
        let place = times.len().saturating_mul(percent) / 100;
        let time = times.get(place.min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Ok(Run {
        sessions,
        signatures: times.len(),
        per_second: f64::from(count) / length.as_secs_f64(),
        median_ms: at(50),
        p99_ms: at(99),
    })
}

fn signing_failure(error: &SignerError) -> Failure {
    Failure::new(Exit::Key, error.to_string())
}

fn text(found: &Found) -> String {
    let mut text = format!(
        "{} on token {:?} signs with {}; every signature was verified\n\n  sessions  signatures/s  \
         median ms    p99 ms\n",
        found.key, found.token, found.algorithm
    );
    for run in &found.runs {
        let _infallible = writeln!(
            text,
            "  {:>8}  {:>12.0}  {:>9.2}  {:>8.2}",
            run.sessions, run.per_second, run.median_ms, run.p99_ms
        );
    }
    text
}
