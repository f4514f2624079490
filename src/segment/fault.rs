//! What happens when a mapped page cannot be read.
//!
//! The kernel then sends SIGBUS to the thread that read it, and the process cannot go on: the value it
//! asked for does not exist. Before it dies, the handler here leaves an empty file
//! `<SHA-256>.sigbus` beside the segment, so that the next start takes the segment out of service
//! instead of dying of it again ([`pending_markers`]). A SIGBUS for any other address goes to whoever
//! handled it before (the Rust runtime, which reports stack overflows).

#![allow(
    unsafe_code,
    reason = "signal handlers are installed and act through C functions"
)]

use std::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};
use std::{io, mem, ptr};

use super::disk::{self, DiskError};
use super::names;

/// Segments that were being read when the process last died of SIGBUS, by the SHA-256 in their name.
///
/// # Errors
/// When the folder cannot be listed.
pub fn pending_markers(folder: &Path) -> Result<Vec<[u8; 32]>, DiskError> {
    let names = disk::names(folder)?;
    Ok(names
        .iter()
        .filter_map(|name| names::parse(name, names::MARKER))
        .collect())
}

/// Which segment a range of memory shows, and the folder where its marker would go.
#[derive(Debug)]
pub(super) struct Watched {
    sha256: [u8; 32],
    folder: Arc<File>,
}

impl Watched {
    pub(super) fn new(folder: &Path, sha256: [u8; 32]) -> io::Result<Self> {
        Ok(Self {
            sha256,
            folder: open_folder(folder)?,
        })
    }
}

/// While it lives, a SIGBUS inside the range leaves a marker.
#[derive(Debug)]
pub(super) struct Registration {
    place: Option<&'static Place>,
    /// Kept open for the handler.
    _folder: Arc<File>,
}

impl Registration {
    pub(super) fn new(range: Range<*const u8>, watched: Watched) -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(install);

        let place = free_place();
        if let Some(place) = place {
            let (words, _) = watched.sha256.as_chunks::<8>();
            for (target, word) in place.sha256.iter().zip(words) {
                target.store(u64::from_be_bytes(*word), Ordering::Relaxed);
            }
            let folder = watched.folder.as_raw_fd();
            place.folder.store(folder, Ordering::Relaxed);
            place.end.store(range.end.addr(), Ordering::Relaxed);
            place.start.store(range.start.addr(), Ordering::Release);
        }
        Self {
            place,
            _folder: watched.folder,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            place.start.store(0, Ordering::Relaxed);
            place.taken.store(false, Ordering::Release);
        }
    }
}

/// One watched range. Written by whoever took it, read by the handler at any moment: in the instant
/// between two owners it may mix their values, and then at worst an unread segment is marked.
#[derive(Debug, Default)]
struct Place {
    taken: AtomicBool,
    /// 0 when nothing is watched.
    start: AtomicUsize,
    end: AtomicUsize,
    folder: AtomicI32,
    sha256: [AtomicU64; 4],
}

const PLACES_A_BLOCK: usize = 256;
/// 64 blocks of 256: 16,384 maps, 16 thousand million records. A map beyond them works and is not
/// watched.
static BLOCKS: [OnceLock<Box<[Place; PLACES_A_BLOCK]>>; 64] = [const { OnceLock::new() }; 64];

fn free_place() -> Option<&'static Place> {
    BLOCKS
        .iter()
        .flat_map(|block| {
            block
                .get_or_init(|| Box::new(std::array::from_fn(|_| Place::default())))
                .iter()
        })
        .find(|place| {
            let taken = &place.taken;
            taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })
}

/// One descriptor a folder, however many segments of it are mapped.
fn open_folder(path: &Path) -> io::Result<Arc<File>> {
    type Known = ((u64, u64), Weak<File>);
    static OPEN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let identity = (metadata.dev(), metadata.ino());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|(_, file)| file.strong_count() > 0);
    let known = open
        .iter()
        .find_map(|(other, file)| (*other == identity).then(|| file.upgrade())?);
    Ok(known.unwrap_or_else(|| {
        let file = Arc::new(file);
        open.push((identity, Arc::downgrade(&file)));
        file
    }))
}

/// Who handled SIGBUS before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

fn install() {
    let Some(previous) = current_action() else {
        return;
    };
    let _already = PREVIOUS.set(previous);
    // SAFETY: all zeros is a valid `sigaction`: no handler, no flags, an empty set.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler_address();
    // On the alternate stack that the Rust runtime gives each thread; the thread's own may be full.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `action` is initialised, and its handler has the three arguments of SA_SIGINFO and calls
    // nothing that is not safe in a handler. A failure leaves SIGBUS as it was: no marker, no harm.
    let _result = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
}

fn current_action() -> Option<libc::sigaction> {
    // SAFETY: all zeros is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action only asks; `action` is large enough for the answer.
    let result = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut action) };
    (result == 0).then_some(action)
}

#[expect(clippy::as_conversions, reason = "C takes the handler by its address")]
fn handler_address() -> libc::sighandler_t {
    handle as *const () as libc::sighandler_t
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Runs in the thread that could not read its page. Touches atomics, its own stack and system calls
/// that POSIX lists as safe in a signal handler; never returns to the code that faulted, except
/// through the default action.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if let Some(place) = faulting_address(info).and_then(place_of) {
        mark(place);
        die(signal);
    } else {
        pass_on(signal, info, context);
    }
}

/// The address that could not be read; `None` when another process sent the signal.
fn faulting_address(info: *mut libc::siginfo_t) -> Option<usize> {
    // SAFETY: under SA_SIGINFO the kernel passes a valid, initialised siginfo.
    let info = unsafe { info.as_ref() }?;
    if info.si_code <= 0 {
        return None;
    }
    // SAFETY: with a positive code SIGBUS comes from the kernel, and its union holds an address.
    let address = unsafe { info.si_addr() };
    Some(address.addr())
}

fn place_of(address: usize) -> Option<&'static Place> {
    BLOCKS
        .iter()
        .map_while(OnceLock::get)
        .flat_map(|block| block.iter())
        .find(|place| {
            let start = place.start.load(Ordering::Acquire);
            start != 0 && (start..place.end.load(Ordering::Relaxed)).contains(&address)
        })
}

fn mark(place: &Place) {
    let mut name = [0; names::MARKER_LEN + 1];
    let digits = place.sha256.iter().flat_map(|word| {
        let word = word.load(Ordering::Relaxed);
        word.to_be_bytes()
    });
    let digits = digits.flat_map(|octet| [octet >> 4, octet & 0xf].map(names::digit));
    for (target, octet) in name.iter_mut().zip(digits.chain(names::MARKER.bytes())) {
        *target = octet;
    }
    let Ok(name) = CStr::from_bytes_until_nul(&name) else {
        return;
    };
    let folder = place.folder.load(Ordering::Relaxed);
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    let mode: libc::c_uint = 0o600;
    // SAFETY: `name` ends in a zero and lives through the call; a stale descriptor only fails.
    let marker = unsafe { libc::openat(folder, name.as_ptr(), flags, mode) };
    if marker >= 0 {
        // SAFETY: the descriptor was just opened. Neither failure can be helped here.
        let _result = unsafe { libc::fsync(marker) };
        // SAFETY: as above.
        let _result = unsafe { libc::fsync(folder) };
    }
}

/// The default action, once the handler returns: the signal is blocked until then.
fn die(signal: c_int) {
    // SAFETY: all zeros is a valid `sigaction`, and the default one: SIG_DFL is 0.
    let default: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: `default` is initialised; `signal` is the one being handled.
    let _result = unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
    // SAFETY: raising a signal is allowed in a handler.
    let _result = unsafe { libc::raise(signal) };
}

fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.get();
    let flags = previous.map_or(0, |previous| previous.sa_flags);
    match previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction) {
        libc::SIG_DFL => die(signal),
        // Ignoring a read that cannot be done would try it again for ever.
        libc::SIG_IGN if faulting_address(info).is_some() => die(signal),
        libc::SIG_IGN => {}
        address if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the address was registered with SA_SIGINFO, so it is such a function.
            let handler: Handler = unsafe { mem::transmute(address) };
            handler(signal, info, context);
        }
        address => {
            // SAFETY: the address was registered without SA_SIGINFO, so it takes the signal alone.
            let handler: extern "C" fn(c_int) = unsafe { mem::transmute(address) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::{env, fs};

    use super::super::testing;
    use super::super::{Lookup, RecordStatus, Segment, SegmentFile};
    use super::*;

    /// Names the folder to the process that is to die.
    const FOLDER: &str = "ESTELAM_TEST_FAULT_FOLDER";

    /// Runs `deed` on a folder with one segment in a process of its own: the test's binary again, told
    /// to run this one test. Gives the segment and the markers that are left, once SIGBUS has ended it.
    fn left_by_dying_of_sigbus(test: &str, deed: fn(&Path)) -> (SegmentFile, Vec<[u8; 32]>) {
        if let Some(folder) = env::var_os(FOLDER) {
            // The death is wanted; nobody wants its core.
            let none = rustix::process::Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            rustix::process::setrlimit(rustix::process::Resource::Core, none).unwrap();
            deed(Path::new(&folder));
            panic!("SIGBUS should have ended this process");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = segment(folder.path());
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--test-threads=1"])
            .arg(format!("segment::fault::tests::{test}"))
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
        (file, pending_markers(folder.path()).unwrap())
    }

    #[test]
    fn a_page_that_cannot_be_read_leaves_a_marker() {
        let (file, markers) =
            left_by_dying_of_sigbus("a_page_that_cannot_be_read_leaves_a_marker", |folder| {
                let segment = only_segment(folder);
                truncate(segment.path());
                let serial = testing::serial(1);
                let found = segment.lookup(testing::hash(&serial), serial.as_bytes());
                assert!(matches!(found, Lookup::Found(_)));
            });
        assert_eq!(markers, [file.sha256]);
    }

    #[test]
    fn a_page_of_another_file_leaves_none() {
        let (_, markers) =
            left_by_dying_of_sigbus("a_page_of_another_file_leaves_none", |folder| {
                let _segment = only_segment(folder);
                let path = folder.join("other");
                fs::write(&path, [1; 4096]).unwrap();
                let file = File::open(&path).unwrap();
                // SAFETY: the file does change, and that is the test: the process ends at the read.
                let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
                truncate(&path);
                assert_eq!(map[0], 1);
            });
        assert_eq!(markers, [[0; 32]; 0]);
    }

    #[test]
    fn a_signal_that_somebody_sent_leaves_none() {
        let (_, markers) =
            left_by_dying_of_sigbus("a_signal_that_somebody_sent_leaves_none", |folder| {
                let _segment = only_segment(folder);
                // The Rust runtime, which gets it after us, restores the default action at the first
                // and waits for the fault to come again.
                for _ in 0..2 {
                    // SAFETY: raising a signal has no precondition.
                    let _result = unsafe { libc::raise(libc::SIGBUS) };
                }
            });
        assert_eq!(markers, [[0; 32]; 0]);
    }

    fn segment(folder: &Path) -> SegmentFile {
        let record = testing::Owned::unsigned(testing::serial(1), RecordStatus::Good);
        testing::write(folder, &testing::spec(&[]), &[record]).unwrap()
    }

    fn only_segment(folder: &Path) -> Arc<Segment> {
        let names = disk::names(folder).unwrap();
        let sha256 = names
            .iter()
            .find_map(|name| names::parse(name, names::SEGMENT))
            .unwrap();
        let path = folder.join(names::name(&sha256, names::SEGMENT));
        Segment::open(folder, sha256, fs::metadata(path).unwrap().len()).unwrap()
    }

    fn truncate(path: &Path) {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
}
