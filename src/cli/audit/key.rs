//! `estelam audit key`.

use serde::Serialize;

use super::super::{Common, Exit, Failure, output};
use super::desk::Desk;

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let key = Desk::open(common)?.key()?;
    let facts = KeyFacts {
        log: key.name().to_owned(),
        vkey: key.vkey(),
    };
    output::facts(common, &facts, || facts.vkey.clone())
}

#[derive(Serialize)]
struct KeyFacts {
    log: String,
    vkey: String,
}
