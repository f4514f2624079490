//! A configuration file: read or refused with a message, whatever it holds.
#![no_main]

use std::fs;

use estelam::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = estelam_fuzz::folder().join("estelam.toml");
    fs::write(&path, text).expect("the file is written");
    match Config::load(&path) {
        Ok(config) => {
            assert!(config.state_dir.is_absolute());
            for issuer in &config.issuers {
                assert!(issuer.certificate.is_absolute());
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("estelam.toml"), "{message}");
        }
    }
});
