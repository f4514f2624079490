//! Both ends of the connection, in one process.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{self, Digest};

use super::desk::AT_ONCE;
use super::frame::{self, Lane};
use super::wire::VERSION;
use super::*;
use crate::asn1::SignatureAlgorithm;
use crate::config::KeyPlace;
use crate::signer::test_pki::{EC_P256, EC_P384, ED25519, Pki, RSA_2048};
use crate::signer::token::TokenError;
use crate::signer::{Checked, LoadError, Signer, SignerError, message_digest, verify};

/// A signing process as somebody else's, in threads of this one: each connection by a desk of its own, as
/// if it had been started again.
struct Elsewhere {
    folder: tempfile::TempDir,
    /// The connections, so that they can be ended.
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Elsewhere {
    fn new(make: impl Fn() -> Arc<Desk> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let open: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let known = Arc::clone(&open);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let desk = make();
                known.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || drop(serve(&desk, stream, None)));
            }
        });
        Self { folder, open }
    }

    fn process(&self, deadline: Duration) -> Arc<SignerProcess> {
        let path = self.folder.path().join("s");
        let signer_uid = None;
        SignerProcess::start(Reach::Socket { path, signer_uid }, deadline).unwrap()
    }

    /// As if the process died.
    fn end(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    }
}

fn place(path: &Path) -> KeyPlace {
    KeyPlace::File {
        path: path.to_owned(),
        passphrase: None,
        signature: None,
    }
}

const LONG: Duration = Duration::from_secs(30);

/// Until it signs.
fn sign_when_it_is_back(key: &dyn Signer, message: &[u8], signature: &mut [u8]) {
    loop {
        match key.sign(message, signature) {
            Ok(()) => return,
            Err(SignerError::Unavailable { .. }) => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn every_kind_of_key_signs_messages_digests_batches_and_files() {
    let pki = Pki::new();
    let kinds: [(&str, &[&str]); 4] = [
        ("p256", EC_P256),
        ("p384", EC_P384),
        ("ed25519", ED25519),
        ("rsa", RSA_2048),
    ];
    let paths: Vec<PathBuf> = kinds
        .iter()
        .map(|(name, arguments)| {
            pki.key(name, arguments);
            pki.path(&format!("{name}.key"))
        })
        .collect();
    let places: Vec<KeyPlace> = paths.iter().map(|path| place(path)).collect();
    let elsewhere = Elsewhere::new(move || Desk::start(places.clone()).unwrap());
    let process = elsewhere.process(LONG);
    for path in &paths {
        let key = Checked::new(process.key(&path.display().to_string()).unwrap()).unwrap();
        let (algorithm, public_key) = (key.algorithm(), key.public_key_octets().to_vec());
        let length = algorithm.stored_len();
        let mut signature = vec![0; length];
        let accepted = |message: &[u8], signature: &[u8]| {
            assert!(verify(algorithm, &public_key, message, signature));
        };
        // In a frame, and in a file.
        for octets in [0, 1, 300, 64 * 1_024, 64 * 1_024 + 1, 3 << 20] {
            let message = vec![0x61; octets];
            key.sign(&message, &mut signature).unwrap();
            accepted(&message, &signature);
        }
        match message_digest(algorithm) {
            Some(hash) => {
                key.sign_digest(&digest::digest(hash, b"message"), &mut signature)
                    .unwrap();
                accepted(b"message", &signature);
                let other = digest::digest(&digest::SHA512, b"message");
                let refused = key.sign_digest(&other, &mut signature);
                assert_eq!(refused, Err(SignerError::NeedsMessage));
            }
            None => {
                let digest = digest::digest(&digest::SHA256, b"message");
                let refused = key.sign_digest(&digest, &mut signature);
                assert_eq!(refused, Err(SignerError::NeedsMessage));
            }
        }
        let short = key.sign(b"message", &mut vec![0; length - 1]);
        let (expected, actual) = (length, length - 1);
        assert_eq!(short, Err(SignerError::BufferLength { expected, actual }));

        // More than one request takes, long ones among them, from several threads at once.
        std::thread::scope(|scope| {
            for thread in 0..3_usize {
                let key = &key;
                scope.spawn(move || {
                    let messages: Vec<Vec<u8>> = (0..400_usize)
                        .map(|at| vec![0x62; if at == 77 { 70_000 } else { at + thread }])
                        .collect();
                    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                    let mut octets = vec![0; length * messages.len()];
                    let mut signatures: Vec<&mut [u8]> = octets.chunks_mut(length).collect();
                    // Each is verified by `Checked`, with its own message.
                    key.sign_batch(&messages, &mut signatures).unwrap();
                    let uneven = key.sign_batch(&messages[1..], &mut signatures);
                    assert_eq!(uneven, Err(SignerError::Failed));
                });
            }
        });
    }
    assert_eq!(process.health().state, ProcessState::Running);
    assert_eq!(process.health().keys.len(), 4);
    process.stop();
}

#[test]
fn a_process_that_ends_is_reached_again_and_its_keys_compared() {
    let pki = Pki::new();
    pki.key("k", EC_P256);
    let path = pki.path("k.key");
    let key_place = place(&path);
    let elsewhere = Elsewhere::new(move || Desk::start(vec![key_place.clone()]).unwrap());
    let process = elsewhere.process(LONG);
    let told = Arc::new(AtomicUsize::new(0));
    let name = path.display().to_string();
    let key = process.key(&name).unwrap();
    let counted = Arc::clone(&told);
    process.tell(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let mut signature = [0; 64];
    for _ in 0..3 {
        elsewhere.end();
        sign_when_it_is_back(&key, b"message", &mut signature);
        let (algorithm, octets) = (key.algorithm(), key.public_key_octets());
        assert!(verify(algorithm, octets, b"message", &signature));
    }
    assert!(told.load(Ordering::Relaxed) >= 3);
    assert!(process.health().starts >= 4);

    // Another key under the same name.
    pki.key("k", EC_P256);
    elsewhere.end();
    let why = loop {
        match key.sign(b"message", &mut signature) {
            Err(SignerError::Unavailable { why }) if why.contains("another one") => break why,
            _ => std::thread::park_timeout(Duration::from_millis(10)),
        }
    };
    assert!(why.contains(&name), "{why}");
    let now = process.key(&name).unwrap();
    assert_ne!(now.public_key_octets(), key.public_key_octets());
    now.sign(b"message", &mut signature).unwrap();
}

#[test]
fn keys_that_are_not_there_come_later_and_wrong_ones_say_why() {
    let pki = Pki::new();
    pki.key("k", EC_P256);
    pki.key("later", ED25519);
    std::fs::write(pki.path("garbage.key"), "no key").unwrap();
    let later = pki.path("later.key");
    let aside = pki.path("aside");
    std::fs::rename(&later, &aside).unwrap();
    let paths = ["k.key", "later.key", "garbage.key"].map(|name| pki.path(name));
    let places: Vec<KeyPlace> = paths.iter().map(|path| place(path)).collect();
    let elsewhere = Elsewhere::new(move || Desk::start(places.clone()).unwrap());
    let process = elsewhere.process(LONG);
    let open = |path: &Path| process.key(&path.display().to_string());
    assert!(open(&paths[0]).is_ok());
    let error = open(&paths[1]).err().unwrap();
    assert!(
        error.may_pass() && error.to_string().contains("later.key"),
        "{error}"
    );
    let error = open(&paths[2]).err().unwrap();
    assert!(!error.may_pass(), "{error}");
    assert!(error.to_string().contains("no private key"), "{error}");
    let error = open(Path::new("/elsewhere")).err().unwrap();
    assert!(error.to_string().contains("does not have it"), "{error}");
    std::fs::rename(&aside, &later).unwrap();
    while open(&later).is_err() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let health = process.health();
    assert_eq!(
        health
            .keys
            .iter()
            .filter(|key| key.problem.is_some())
            .count(),
        1
    );
}

#[test]
fn a_wrong_pin_is_not_tried_again_by_another_process() {
    let uri = "pkcs11:object=k".parse().unwrap();
    let key = crate::config::TokenKey { uri, token: None };
    let certificate = None;
    let on_token = KeyPlace::Token {
        key,
        certificate,
        signature: None,
    };
    let name = on_token.to_string();
    // How often each desk tried it.
    let tries: Arc<Mutex<Vec<usize>>> = Arc::default();
    let counted = Arc::clone(&tries);
    let elsewhere = Elsewhere::new(move || {
        let desk = {
            let mut tries = counted.lock().unwrap();
            tries.push(0);
            tries.len() - 1
        };
        let counted = Arc::clone(&counted);
        let opening = move |_: &KeyPlace| {
            counted.lock().unwrap()[desk] += 1;
            let (token, why) = ("t".to_owned(), "");
            Err(LoadError::Token(TokenError::PinRefused { token, why }))
        };
        Desk::start_opening(vec![on_token.clone()], Box::new(opening)).unwrap()
    });
    let process = elsewhere.process(LONG);
    let error = process.key(&name).err().unwrap();
    assert!(
        error.may_pass() && error.to_string().contains("PIN"),
        "{error}"
    );
    for starts in 2..5 {
        elsewhere.end();
        while process.health().starts < starts {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        // The first reason stays the one that is told.
        let error = process.key(&name).err().unwrap();
        assert!(error.to_string().contains("refuses the PIN"), "{error}");
    }
    let tries = tries.lock().unwrap();
    assert!(
        tries[0] >= 1 && tries[1..].iter().all(|tries| *tries == 0),
        "{tries:?}"
    );
}

/// A key whose every signature waits until it is let go.
struct Gate {
    key: Arc<dyn Signer>,
    open: Arc<(Mutex<bool>, Condvar)>,
    panics: Arc<AtomicBool>,
}

impl Signer for Gate {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key_octets()
    }
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        assert!(!self.panics.load(Ordering::Relaxed), "as told");
        let (open, bell) = &*self.open;
        drop(
            bell.wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
        self.key.sign(message, signature)
    }
    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.key.sign_digest(digest, signature)
    }
}

/// A desk with a gate and a plain key.
struct Gated {
    pki: Pki,
    open: Arc<(Mutex<bool>, Condvar)>,
    panics: Arc<AtomicBool>,
    elsewhere: Elsewhere,
}

impl Gated {
    fn new() -> Self {
        let pki = Pki::new();
        pki.key("gate", EC_P256);
        pki.key("plain", EC_P256);
        let places = vec![place(&pki.path("gate.key")), place(&pki.path("plain.key"))];
        let open = Arc::new((Mutex::new(false), Condvar::new()));
        let panics = Arc::new(AtomicBool::new(false));
        let (gate, told) = (Arc::clone(&open), Arc::clone(&panics));
        let elsewhere = Elsewhere::new(move || {
            let (gate, told) = (Arc::clone(&gate), Arc::clone(&told));
            let opening = move |place: &KeyPlace| {
                let (key, warnings) = crate::signer::open_key::open_here(place)?;
                let key: Arc<dyn Signer> = if place.to_string().ends_with("gate.key") {
                    Arc::new(Gate {
                        key,
                        open: Arc::clone(&gate),
                        panics: Arc::clone(&told),
                    })
                } else {
                    key
                };
                Ok::<_, LoadError>((key, warnings))
            };
            Desk::start_opening(places.clone(), Box::new(opening)).unwrap()
        });
        Self {
            pki,
            open,
            panics,
            elsewhere,
        }
    }

    fn let_go(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    fn name(&self, key: &str) -> String {
        self.pki.path(&format!("{key}.key")).display().to_string()
    }
}

#[test]
fn a_key_that_hangs_is_found_out_and_everybody_who_waits_is_told() {
    let gated = Gated::new();
    let process = gated.elsewhere.process(Duration::from_millis(500));
    let key = process.key(&gated.name("gate")).unwrap();
    let outcomes: Vec<Result<(), SignerError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| key.sign(b"message", &mut [0; 64])))
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for outcome in outcomes {
        assert!(
            matches!(outcome, Err(SignerError::Unavailable { .. })),
            "{outcome:?}"
        );
    }
    gated.let_go();
    sign_when_it_is_back(&key, b"message", &mut [0; 64]);
    let health = process.health();
    assert!(health.hangs >= 1, "{health:?}");
    let why = health.last_fault.unwrap();
    assert!(why.contains("longer than 500 ms"), "{why}");
}

#[test]
fn who_waits_for_one_signature_does_not_stand_behind_very_many() {
    let gated = Gated::new();
    let process = gated.elsewhere.process(LONG);
    let gate = process.key(&gated.name("gate")).unwrap();
    let plain = process.key(&gated.name("plain")).unwrap();
    std::thread::scope(|scope| {
        // As many as there can be threads for, and more.
        for _ in 0..40 {
            scope.spawn(|| {
                let messages = vec![&b"message"[..]; 33];
                let mut octets = [0; 33 * 64];
                let mut signatures: Vec<&mut [u8]> = octets.chunks_mut(64).collect();
                gate.sign_batch(&messages, &mut signatures).unwrap();
            });
        }
        for _ in 0..100 {
            plain.sign(b"message", &mut [0; 64]).unwrap();
        }
        gated.let_go();
    });
}

#[test]
fn a_panic_in_a_library_stops_neither_the_thread_nor_the_process() {
    let gated = Gated::new();
    gated.let_go();
    let process = gated.elsewhere.process(LONG);
    let key = process.key(&gated.name("gate")).unwrap();
    gated.panics.store(true, Ordering::Relaxed);
    for _ in 0..50 {
        let why = key.sign(b"message", &mut [0; 64]).unwrap_err().to_string();
        assert!(why.contains("panic"), "{why}");
    }
    gated.panics.store(false, Ordering::Relaxed);
    key.sign(b"message", &mut [0; 64]).unwrap();
    assert_eq!(process.health().starts, 1);
}

/// What a desk answers to frames that are sent to it: so many answers, or all until it hangs up.
fn answers(
    frames: &[Vec<u8>],
    files: &[Option<std::os::fd::OwnedFd>],
    count: usize,
) -> Vec<(u8, Vec<u8>)> {
    use std::os::fd::AsFd as _;
    let pki = Pki::new();
    pki.key("k", ED25519);
    let desk = Desk::start(vec![place(&pki.path("k.key"))]).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let serving = std::thread::spawn(move || drop(serve(&desk, theirs, None)));
    for (frame, file) in frames.iter().zip(files) {
        // It may have hung up already.
        if frame::send(&ours, frame, file.as_ref().map(|file| file.as_fd())).is_err() {
            break;
        }
    }
    let mut answers = Vec::new();
    while answers.len() < count
        && let Ok(Some(frame)) = frame::receive(&ours)
    {
        answers.push((frame.kind, frame.payload));
    }
    drop(ours);
    serving.join().unwrap();
    answers
}

fn frame_of(request: &Request<'_>, number: u64) -> Vec<u8> {
    frame::encode(request.kind(), Lane::Urgent, number, |octets| {
        request.encode(octets)
    })
    .unwrap()
}

fn hello() -> Vec<u8> {
    let barred = Vec::new();
    frame_of(
        &Request::Hello {
            version: VERSION,
            barred,
        },
        1,
    )
}

#[test]
fn who_breaks_the_rules_is_cut_off() {
    // No hello, garbage, too much at once.
    let all = usize::MAX;
    assert_eq!(answers(&[frame_of(&Request::Health, 1)], &[None], all), []);
    assert_eq!(
        answers(&[b"GET / HTTP/1.1\r\n\r\n".to_vec()], &[None], all),
        []
    );
    let many: Vec<Vec<u8>> = std::iter::once(hello())
        .chain((0..4 * AT_ONCE).map(|_| frame_of(&Request::Health, 2)))
        .collect();
    let nothing: Vec<Option<std::os::fd::OwnedFd>> = many.iter().map(|_| None).collect();
    // Some are answered before there are too many; that nothing breaks is the point.
    assert!(answers(&many, &nothing, 1).len() <= many.len());
    let wrong_version = Request::Hello {
        version: VERSION + 1,
        barred: Vec::new(),
    };
    let refused = answers(&[frame_of(&wrong_version, 1)], &[None], 1);
    assert!(refused.iter().all(|(kind, _)| *kind == 0x83), "{refused:?}");
    assert_eq!(refused.len(), 1);
}

#[test]
fn files_are_signed_only_when_they_are_sealed_and_as_long_as_said() {
    let ask = |octets, file: Option<std::os::fd::OwnedFd>| {
        let request = frame_of(&Request::SignFile { key: 0, octets }, 2);
        let answers = answers(&[hello(), request], &[None, file], 2);
        // In whatever order.
        let refused = answers.iter().find(|(kind, _)| *kind == 0x83);
        let (kind, payload) = refused.unwrap().clone();
        match Reply::decode(kind, &payload) {
            Ok(Reply::Refused { cause, why }) => (cause, why.to_owned()),
            other => panic!("{other:?}"),
        }
    };
    let (cause, why) = ask(3, None);
    assert_eq!(
        (cause, why.contains("did not come")),
        (Cause::Malformed, true),
        "{why}"
    );
    let plain = tempfile::tempfile().unwrap();
    let (cause, why) = ask(0, Some(plain.into()));
    assert_eq!(
        (cause, why.contains("memory file")),
        (Cause::Malformed, true),
        "{why}"
    );
    let flags = rustix::fs::MemfdFlags::ALLOW_SEALING;
    let open = rustix::fs::memfd_create("x", flags).unwrap();
    let (cause, why) = ask(0, Some(open));
    assert_eq!(
        (cause, why.contains("not sealed")),
        (Cause::Malformed, true),
        "{why}"
    );
    let sealed = memory_file::sealed(b"message").unwrap();
    let (cause, why) = ask(8, Some(sealed));
    assert_eq!(
        (cause, why.contains("length")),
        (Cause::Malformed, true),
        "{why}"
    );
}

#[test]
fn a_server_without_its_process_says_so_and_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody");
    let signer_uid = None;
    let process = SignerProcess::start(Reach::Socket { path, signer_uid }, LONG).unwrap();
    let error = process.key("k").err().unwrap();
    assert!(
        error.may_pass() && error.to_string().contains("nobody answers"),
        "{error}"
    );
    assert_eq!(process.health().state, ProcessState::Down);
    process.stop();

    // A child that is another program, and one that does not exist.
    for (program, words) in [
        ("true", "exit code 0"),
        ("/nonexistent", "cannot be started"),
    ] {
        let (program, arguments) = (program.into(), Vec::new());
        let process = SignerProcess::start(Reach::Child { program, arguments }, LONG).unwrap();
        let error = process.key("k").err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
}
