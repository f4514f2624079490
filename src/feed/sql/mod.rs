//! Databases of CAs: a table or view whose rows are certificates and their status.
//!
//! PostgreSQL, MariaDB (and MySQL) and files of SQLite are read, with one connection that cannot write.
//! The operator says which column holds what, or names a CA product whose tables are known: EJBCA,
//! step-ca, CFSSL.
//!
//! - [`SqlSource`] is the whole as a live source: what changed since the last poll, page by page, and
//!   now and then everything;
//! - `part` and `statement` make the few statements out of the configuration; `engine` knows what differs
//!   between databases;
//! - `connection` and `reader` ask them; `error` makes one clear line of what databases say;
//! - `row`, `facts` and `rules` make changes out of values; `preset` knows the products' tables;
//! - `memory` is what is remembered over a restart, `left_out` which rows cannot be used.
//!
//! What always holds: nothing from a table becomes part of a statement but as a bound value. A row that
//! cannot be understood is told by its key and left out, and so is one that says good where the ledger
//! has revoked; no failure makes a status more lenient. The one way back is the end of a hold that this
//! feed brought in, where the row was changed after that.

mod cause;
mod connection;
mod engine;
mod error;
mod facts;
mod left_out;
mod memory;
mod page;
mod part;
mod preset;
mod reader;
mod row;
mod rules;
mod source;
mod statement;
mod time;
mod value;

pub use cause::RowCause;
pub use error::{SqlError, SqlErrorKind};
pub use source::SqlSource;
pub use time::TimeFault;

#[cfg(test)]
#[cfg(feature = "rocksdb")]
mod tests;
