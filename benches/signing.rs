//! What the signer costs over bare aws-lc-rs, the second opinion included.
//!
//! `cargo bench --bench signing`. Both sides sign the same 256 octets, about a tbsResponseData, in
//! alternating rounds on one thread, so that a neighbour's load hits both; the ratio of each pair
//! of rounds is taken, and the median printed. 0.9 is the least that is asked for P-256.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{hint::black_box, time::Instant};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use estelam::signer::{Signer, SoftwareSigner};

const ROUNDS: usize = 15;
/// A multiple of 256, so that each round has its share of second opinions.
const SIGNATURES: usize = 64 * 256;

fn main() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let bare = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let signer = SoftwareSigner::from_pkcs8(pkcs8.as_ref()).unwrap();
    let message = [0x5a; 256];
    let mut signature = [0; 64];

    let mut ratios = Vec::new();
    let mut best = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        let bare_rate = rate(|| {
            black_box(bare.sign(&random, black_box(&message)).unwrap());
        });
        let signer_rate = rate(|| {
            signer.sign(black_box(&message), &mut signature).unwrap();
            black_box(&signature);
        });
        ratios.push(signer_rate / bare_rate);
        best = (best.0.max(bare_rate), best.1.max(signer_rate));
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "bare aws-lc-rs P-256  {:>8.0} signatures/s (best round)",
        best.0
    );
    println!(
        "SoftwareSigner        {:>8.0} signatures/s (best round)",
        best.1
    );
    println!(
        "ratio                 {:>8.3} (median of {ROUNDS} pairs)",
        ratios[ROUNDS / 2]
    );
}

fn rate(mut sign: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..SIGNATURES {
        sign();
    }
    SIGNATURES as f64 / start.elapsed().as_secs_f64()
}
