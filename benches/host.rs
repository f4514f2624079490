//! What this machine is worth at this moment, in one line: absolute figures are read beside it.
//!
//! `cargo bench --bench host`; the folder whose disk is meant can be named in `BENCH_DIR`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    fs,
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};

const SYNCS: usize = 400;
const SIGNING: Duration = Duration::from_secs(1);

fn main() {
    let syncs = syncs();
    let (by_wall, by_cpu) = signing_rates();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "fdatasync of 128 octets p50 {:.2?}, p99 {:.2?}; aws-lc-rs P-256 {by_wall:.0} signatures/s on \
         one core ({by_cpu:.0} by CPU time); load {}",
        syncs[SYNCS / 2],
        syncs[SYNCS * 99 / 100],
        load.split_whitespace().next().unwrap(),
    );
}

fn syncs() -> Vec<Duration> {
    let folder = std::env::var("BENCH_DIR").unwrap_or_else(|_| "/tmp".into());
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let mut took: Vec<Duration> = (0..SYNCS)
        .map(|_| {
            file.write_all(&[b'x'; 128]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    took.sort();
    took
}

fn signing_rates() -> (f64, f64) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let (began, cpu) = (Instant::now(), cpu_time());
    let mut count = 0_u32;
    while began.elapsed() < SIGNING {
        for _ in 0..64 {
            black_box(key.sign(&random, black_box(&[0x5a; 160])).unwrap());
        }
        count += 64;
    }
    let (wall, cpu) = (began.elapsed(), cpu_time() - cpu);
    let rate = |took: Duration| f64::from(count) / took.as_secs_f64();
    (rate(wall), rate(cpu))
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}
