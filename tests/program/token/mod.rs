//! Keys on PKCS#11 tokens: SoftHSM's, NSS's, and SoftHSM behind a module that fails on command.

mod ca_key;
mod commands;
mod faults;
pub(crate) mod hsm;
mod nss;
mod refusals;
mod serving;
