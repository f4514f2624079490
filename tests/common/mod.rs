//! What the tests of the built program share: a CA that `openssl ca` drives, folders with a
//! configuration and a running server, a client that sends what no library would send, and judges of
//! answers that share no code with the program: OpenSSL, GnuTLS, Python `cryptography`, pkilint and
//! hand-written DER.

pub mod answer;
pub mod ask;
pub mod ca;
pub mod clock;
pub mod crl;
pub mod database;
pub mod demo;
pub mod der;
pub mod http;
pub mod judge;
pub mod random;
pub mod site;
pub mod tools;

pub use answer::{Answer, Status};
pub use ask::{Hash, request_of};
pub use ca::{Certificate, KeyType, OpensslCa, Plan, SHARED};
pub use demo::Demo;
pub use http::Connection;
pub use random::Random;
pub use site::{Mounts, Server, Settings, Site};
