//! A process that holds keys or PINs leaves no image of its memory behind.

use std::sync::Once;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// From now on a crash of this process writes no core file, and other processes of the same user can
/// neither trace it nor read its memory.
///
/// Both ways are taken: a pipe in `core_pattern` disregards the limit, and the limit is what the processes
/// that we start inherit.
pub fn forbid_core_dumps() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "core dumps could not be turned off");
        }
        let maximum = getrlimit(Resource::Core).maximum;
        let none = Rlimit {
            current: Some(0),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Core, none) {
            tracing::warn!(%error, "the limit of core files could not be set");
        }
    });
}
