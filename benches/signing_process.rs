//! What it costs that a key lives in a process of its own.
//!
//! `cargo bench --bench signing_process`. As many threads as there are cores sign messages of the length
//! of a tbsResponseData with a P-256 key in batches of 256, as presigning does, in four ways by turns: with
//! the key in this process; the same, each signature verified; with the key in another process; and that,
//! verified, as the server has it. Ratios are taken round by round, so that a neighbour's load hits both,
//! and the median is printed. The other process is this program again.
//!
//! Verifying costs three times as much as signing with P-256, which is why keys in files, which are not
//! verified in the server, live there by default.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    os::fd::AsFd as _,
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use estelam::{
    config::KeyPlace,
    signer::{
        Checked, Signer, SoftwareSigner,
        process::{Desk, Reach, SignerProcess, serve},
    },
};

const ROUNDS: usize = 9;
const BATCH: usize = 256;
/// Batches of a thread in a round.
const BATCHES: usize = 24;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--keep") {
        return keep(&arguments[at + 1]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.key");
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pkcs8.as_ref())
    );
    std::fs::write(&path, pem).unwrap();

    let here = SoftwareSigner::from_pkcs8(pkcs8.as_ref()).unwrap();
    let here_checked = Checked::new(SoftwareSigner::from_pkcs8(pkcs8.as_ref()).unwrap()).unwrap();
    let name = path.display().to_string();
    let reach = Reach::Child {
        program: std::env::current_exe().unwrap(),
        arguments: vec!["--keep".into(), name.clone().into()],
    };
    let process = SignerProcess::start(reach, Duration::from_secs(5)).unwrap();
    let apart = process.key(&name).unwrap();
    let apart_checked = Checked::new(process.key(&name).unwrap()).unwrap();

    let ways: [(&str, &(dyn Signer + Sync)); 4] = [
        ("in this process", &here),
        ("in this process, verified", &here_checked),
        ("in its own process", &apart),
        ("in its own process, verified", &apart_checked),
    ];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // The process gets to know how fast it is.
    rate(&apart, threads);
    let rounds: Vec<[f64; 4]> = (0..ROUNDS)
        .map(|_| ways.map(|(_, signer)| rate(signer, threads)))
        .collect();
    println!(
        "P-256 signatures/s, {threads} threads, batches of {BATCH}, median of {ROUNDS} rounds"
    );
    for (way, (what, _)) in ways.iter().enumerate() {
        println!("{what:<32}{:>9.0}", median(&rounds, |round| round[way]));
    }
    for (what, one, other) in [
        ("its own / this process", 2, 0),
        ("the same, both verified", 3, 1),
        ("verified there / plain here", 3, 0),
    ] {
        let ratio = median(&rounds, |round| round[one] / round[other]);
        println!("{what:<32}{ratio:>9.3}");
    }

    // One at a time, as a live answer is signed.
    let mut signature = [0; 64];
    let mut took = Vec::new();
    for _ in 0..2_000 {
        let begun = Instant::now();
        apart.sign(&[0x5a; 256], &mut signature).unwrap();
        took.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    println!(
        "one at a time                   p50 {:.0} µs, p99 {:.0} µs",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    process.stop();
}

/// Keeps a key for whoever is at the other end of standard input.
fn keep(path: &str) {
    let place = KeyPlace::File {
        path: path.into(),
        passphrase: None,
        signature: None,
    };
    let desk = Desk::start(vec![place]).unwrap();
    let stream = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    serve(&desk, UnixStream::from(stream), None).unwrap();
}

fn rate(signer: &(dyn Signer + Sync), threads: usize) -> f64 {
    let messages = Arc::new(vec![[0x5a; 256]; BATCH]);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let messages = Arc::clone(&messages);
            scope.spawn(move || {
                let messages: Vec<&[u8]> = messages.iter().map(|octets| &octets[..]).collect();
                let mut octets = vec![0; 64 * BATCH];
                for _ in 0..BATCHES {
                    let mut signatures: Vec<&mut [u8]> = octets.chunks_mut(64).collect();
                    signer.sign_batch(&messages, &mut signatures).unwrap();
                }
            });
        }
    });
    (threads * BATCH * BATCHES) as f64 / start.elapsed().as_secs_f64()
}

fn median(rounds: &[[f64; 4]], of: impl Fn(&[f64; 4]) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
