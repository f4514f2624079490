//! What the fuzz targets share: oracles that are not the code under test, and a fixed world to ask.
//!
//! A target is a property that must hold for every input, not only the absence of a panic: what is
//! accepted means the same to an independent reader, and no answer is about another question.

pub mod budget;
pub mod cursor;
pub mod der;
pub mod forge;
pub mod ocsp;
pub mod specimen;
pub mod world;

use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

/// The folder of this process. It lies under TMPDIR, which `run` points at memory and removes: libFuzzer
/// leaves without destructors.
pub fn folder() -> &'static Path {
    static FOLDER: LazyLock<TempDir> =
        LazyLock::new(|| tempfile::tempdir().expect("a writable TMPDIR"));
    FOLDER.path()
}
