//! Live answers from the ledger to the octets, with many who ask and one who revokes. What answers say is
//! read by `x509-ocsp`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use der_07::Decode as _;
use tempfile::TempDir;
use x509_ocsp as theirs;

use crate::asn1::{put_tlv, tag};
use crate::authority::{Authority, Clerk, Issuers};
use crate::catalog::Catalog;
use crate::change::{Action, Change, Inventory, RevocationClaim, Source};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::identity::SerialNumber;
use crate::ledger::{IssuerIdentity, Ledger};
use crate::ocsp::{HashAlgorithm, IssuerHashes, RequestLimits};
use crate::responder::{
    AnswerKind, Backend as _, QueueSettings, Reply, Responder, Response, question_queue,
};

/// An installation with one issuer, whose CA signs for itself.
struct World {
    authority: Authority,
    clerk: Clerk,
    responder: Responder,
    issuers: Issuers,
    _folder: TempDir,
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl, which `setup` installs");
    assert!(output.status.success(), "{output:?}");
}

fn source() -> Source {
    Source::new("live", "test").unwrap()
}

fn serial(number: u16) -> SerialNumber {
    let [high, low] = number.to_be_bytes();
    SerialNumber::from_content(&[0x01, high, low]).unwrap()
}

impl World {
    fn new(threads: usize, adjust: impl FnOnce(&mut config::Issuer)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        openssl(
            folder.path(),
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key",
        );
        openssl(
            folder.path(),
            "req -x509 -new -key ca.key -subj /CN=CA -days 90 -out ca.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        );
        let certificate = folder.path().join("ca.pem");
        let mut settings = config::Issuer::new("ca", &certificate);
        settings.signers = vec![config::Signer::new(
            &certificate,
            &folder.path().join("ca.key"),
        )];
        adjust(&mut settings);
        let config = Config {
            issuers: vec![settings],
            ..Config::default()
        };
        let issuers = Issuers::new(&config).unwrap();
        let ledger = Arc::new(Ledger::open(&folder.path().join("ledger")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        for issuer in issuers.iter() {
            issuer.load_signer(clock.now()).unwrap();
            let identity = IssuerIdentity {
                subject_der: issuer.certificate.subject_der().to_vec(),
                spki_der: issuer.certificate.spki_der().to_vec(),
                label: issuer.name.clone(),
            };
            ledger.define_issuer(&identity, &source(), 1).unwrap();
        }
        let catalog = folder.path().join("catalog");
        let (catalog, _) = Catalog::open(&catalog, clock.now_millis()).unwrap();
        let catalog = Arc::new(catalog);
        let (questions, asked) = question_queue(&QueueSettings {
            length: 1_024,
            patience: Duration::from_secs(60),
            lanes: 1,
            threads,
        });
        let limits = RequestLimits::default();
        let authority = Authority::start(
            issuers.clone(),
            ledger,
            Arc::clone(&catalog),
            Arc::clone(&clock),
            asked,
            limits,
        );
        let authority = authority.unwrap();
        Self {
            clerk: authority.clerk(),
            responder: Responder::new(catalog, clock, questions, limits),
            authority,
            issuers,
            _folder: folder,
        }
    }

    fn change(&self, number: u16, action: Action) {
        let issuer = self.issuers.by_name(None).unwrap();
        let change = Change {
            issuer: issuer.id,
            serial: serial(number),
            action,
        };
        let outcomes = self.clerk.apply_for_tests(&[change], source());
        assert!(
            matches!(outcomes[..], [crate::change::Outcome::Applied { .. }]),
            "{outcomes:?}"
        );
    }

    fn revoke(&self, number: u16) {
        let claim = RevocationClaim {
            revocation_time: SystemClock.now(),
            reason: None,
            invalidity_date: None,
        };
        self.change(
            number,
            Action::Revoke {
                claim,
                inventory: None,
            },
        );
    }

    /// A request about some serials under SHA-384, which is never presigned.
    fn request(&self, numbers: &[u16], nonce: Option<&[u8]>) -> Vec<u8> {
        let issuer = self.issuers.by_name(None).unwrap();
        let hashes = IssuerHashes::new(
            HashAlgorithm::Sha384,
            issuer.certificate.subject_der(),
            issuer.certificate.public_key_octets(),
        );
        let tlv = |tag, parts: &[&[u8]]| {
            let mut der = Vec::new();
            put_tlv(&mut der, tag, &parts.concat());
            der
        };
        let list: Vec<Vec<u8>> = numbers
            .iter()
            .map(|number| {
                let cert_id = tlv(
                    tag::SEQUENCE,
                    &[
                        HashAlgorithm::Sha384.algorithm_identifier_der(),
                        &tlv(tag::OCTET_STRING, &[hashes.name_hash()]),
                        &tlv(tag::OCTET_STRING, &[hashes.key_hash()]),
                        &tlv(tag::INTEGER, &[serial(*number).as_bytes()]),
                    ],
                );
                tlv(tag::SEQUENCE, &[&cert_id])
            })
            .collect();
        let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
        let list = tlv(tag::SEQUENCE, &list);
        let extensions = nonce.map_or_else(Vec::new, |nonce| {
            let oid = hex_literal::hex!("0609 2b0601050507300102");
            let value = tlv(tag::OCTET_STRING, &[&tlv(tag::OCTET_STRING, &[nonce])]);
            let extension = tlv(tag::SEQUENCE, &[&oid, &value]);
            tlv(tag::constructed(2), &[&tlv(tag::SEQUENCE, &[&extension])])
        });
        tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &[&list, &extensions])])
    }

    fn ask(&self, request: &[u8]) -> Response {
        match self.responder.respond(request) {
            Reply::Ready(response) => response,
            Reply::Pending(pending) => {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_time().build().unwrap();
                runtime.block_on(pending)
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.authority.stop();
    }
}

fn basic(response: &Response) -> theirs::BasicOcspResponse {
    let outer = theirs::OcspResponse::from_der(&response.body).unwrap();
    let bytes = outer.response_bytes.expect("a signed answer");
    theirs::BasicOcspResponse::from_der(bytes.response.as_bytes()).unwrap()
}

fn is_revoked(response: &Response) -> bool {
    let basic = basic(response);
    match basic.tbs_response_data.responses[0].cert_status {
        theirs::CertStatus::Good(_) => false,
        theirs::CertStatus::Revoked(_) => true,
        theirs::CertStatus::Unknown(_) => panic!("unknown, of a certificate that was issued"),
    }
}

/// Whoever asks after a revocation was acknowledged is told of it, whoever else asks the same and however
/// many signatures are shared.
#[test]
fn nobody_is_told_what_was_before_the_acknowledgement() {
    const SERIALS: u16 = 150;
    let world = World::new(2, |_| {});
    for number in 0..SERIALS {
        world.change(number, Action::Issue(Inventory::default()));
    }
    let requests: Vec<Vec<u8>> = (0..SERIALS)
        .map(|number| world.request(&[number], None))
        .collect();
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for asker in 0..4 {
            let (world, requests) = (&world, &requests);
            let (acknowledged, done) = (&acknowledged, &done);
            scope.spawn(move || {
                let mut asked = asker;
                while !done.load(Ordering::Relaxed) {
                    let known = acknowledged.load(Ordering::SeqCst);
                    // Around the one that is being revoked, and the same for all askers.
                    let number = (known + asked % 3)
                        .saturating_sub(1)
                        .min(requests.len() - 1);
                    let told = is_revoked(&world.ask(&requests[number]));
                    assert!(told || number >= known, "{number} was revoked before");
                    asked += 1;
                }
            });
        }
        for number in 0..SERIALS {
            world.revoke(number);
            acknowledged.store(usize::from(number) + 1, Ordering::SeqCst);
        }
        done.store(true, Ordering::Relaxed);
    });
    let stats = world.authority.stats().unwrap();
    assert_eq!(stats.live.waiting, 0);
    assert!(stats.live.asked["hash"] + stats.live.asked["not_signed_yet"] > 0);
    assert_eq!(stats.live.shed.values().sum::<u64>(), 0);
}

#[test]
fn a_nonce_comes_back_and_no_shared_cache_keeps_the_answer() {
    let world = World::new(1, |issuer| issuer.nonce = config::Nonce::Echo);
    world.change(1, Action::Issue(Inventory::default()));
    for len in [1_u8, 15, 16, 32, 33, 128] {
        let nonce = vec![len; usize::from(len)];
        let response = world.ask(&world.request(&[1], Some(&nonce)));
        assert_eq!(response.kind, AnswerKind::Live);
        assert_eq!(response.freshness, None);
        let found = basic(&response).nonce().expect("a nonce");
        assert_eq!(found.0.as_bytes(), nonce);
    }
    for len in [0, 129] {
        let response = world.ask(&world.request(&[1], Some(&vec![7; len])));
        assert_eq!(response.kind, AnswerKind::MalformedRequest);
    }
}

#[test]
fn of_an_issuer_that_ignores_nonces_none_comes_back() {
    let world = World::new(1, |_| {});
    world.change(1, Action::Issue(Inventory::default()));
    let response = world.ask(&world.request(&[1], Some(&[7; 32])));
    assert_eq!(response.kind, AnswerKind::Live);
    assert!(response.freshness.is_some());
    assert!(basic(&response).nonce().is_none());
}

#[test]
fn cert_ids_are_echoed_in_the_order_asked() {
    let world = World::new(1, |_| {});
    let numbers = [3, 1, 2, 1, 8, 5, 4, 6];
    for number in [1, 2, 3, 4, 5, 6, 8] {
        world.change(number, Action::Issue(Inventory::default()));
    }
    world.revoke(2);
    let response = world.ask(&world.request(&numbers, None));
    let singles = basic(&response).tbs_response_data.responses;
    assert_eq!(singles.len(), numbers.len());
    for (single, number) in singles.iter().zip(numbers) {
        let told = single.cert_id.serial_number.as_bytes();
        assert_eq!(told, serial(number).as_bytes());
        let is_revoked = matches!(single.cert_status, theirs::CertStatus::Revoked(_));
        assert_eq!(is_revoked, number == 2);
    }
    // One that was never issued, and nothing is said of any.
    let response = world.ask(&world.request(&[1, 99], None));
    assert_eq!(response.kind, AnswerKind::Unauthorized);
    let nine = world.request(&[1, 2, 3, 4, 5, 6, 8, 1, 2], None);
    assert_eq!(world.ask(&nine).kind, AnswerKind::MalformedRequest);
}
