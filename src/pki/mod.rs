//! The bundled PKI: what a small CA needs to issue certificates whose status this program answers.
//!
//! [`ca`] makes certificates. It knows encodings, keys and where a serial number is recorded; it
//! knows nothing of requests, answers and segments. `demo` fills a folder with a PKI to play with.

pub mod ca;
#[cfg(feature = "rocksdb")]
pub mod demo;
