//! `estelam audit checkpoint`.

use super::super::{Common, Exit, Failure, output};
use super::desk::Desk;

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let reply = Desk::open(common)?.checkpoint()?;
    output::facts(common, &reply, || reply.checkpoint.clone())
}
