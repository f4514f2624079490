//! The authority of an issuer that CRLs alone feed, from the ledger to the answer, under a clock that a
//! test moves. What answers say is read by `x509-ocsp`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use der_07::Decode as _;
use tempfile::TempDir;
use x509_ocsp as theirs;

use super::*;
use crate::asn1::{CrlNumber, UnixTime};
use crate::catalog::Catalog;
use crate::change::{
    Action, Change, CrlScope, Evidence, Inventory, RevocationClaim, ScopeTag, Source,
};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config::{self, Config};
use crate::identity::SerialNumber;
use crate::ledger::{IssuerIdentity, IssuerRevocationOrder, Ledger, Recorded};
use crate::ocsp::RequestLimits;
use crate::responder::{
    AnswerKind, Backend as _, Freshness, QueueSettings, Reply, Responder, question_queue,
};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// An installation with one issuer whose CA signs for itself. Its state survives [`World::restart`].
struct World {
    folder: TempDir,
    clock: Arc<ManualClock>,
    /// The first moment of the clock.
    began: u64,
    settings: config::Issuer,
    running: Option<Running>,
    /// The latest thisUpdate of the stored answers about each serial: it never falls.
    stored: RefCell<HashMap<u8, u64>>,
}

struct Running {
    authority: Authority,
    clerk: Clerk,
    responder: Responder,
    issuers: Issuers,
    ledger: Arc<Ledger>,
}

/// What an answer says.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Told {
    kind: AnswerKind,
    status: &'static str,
    this_update: u64,
    produced_at: u64,
    next_update: u64,
    revocation_time: Option<u64>,
    by_name: bool,
    freshness: Freshness,
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl, which `setup` installs");
    assert!(output.status.success(), "{output:?}");
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_content(&[0x01, number]).unwrap()
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

impl World {
    fn new(adjust: impl FnOnce(&mut config::Issuer)) -> Self {
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
        settings.evidence = config::Evidence::Feed;
        adjust(&mut settings);
        // Ahead of the certificate's notBefore, whatever the second.
        let began = SystemClock.now().as_secs() + 10 * DAY;
        let mut world = Self {
            folder,
            clock: Arc::new(ManualClock::new(at(began))),
            began,
            settings,
            running: None,
            stored: RefCell::default(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let config = Config {
            issuers: vec![self.settings.clone()],
            ..Config::default()
        };
        let issuers = Issuers::new(&config).unwrap();
        let ledger = Arc::new(Ledger::open(&self.folder.path().join("ledger")).unwrap());
        for issuer in issuers.iter() {
            issuer.load_signer(self.clock.now()).unwrap();
            let identity = IssuerIdentity {
                subject_der: issuer.certificate.subject_der().to_vec(),
                spki_der: issuer.certificate.spki_der().to_vec(),
                label: issuer.name.clone(),
            };
            ledger.define_issuer(&identity, &source(), 1).unwrap();
        }
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let folder = self.folder.path().join("catalog");
        let (catalog, _) = Catalog::open(&folder, clock.now_millis()).unwrap();
        let catalog = Arc::new(catalog);
        let (questions, asked) = question_queue(&QueueSettings {
            length: 64,
            patience: PATIENCE,
            lanes: 1,
            threads: 2,
        });
        let authority = Authority::start(
            issuers.clone(),
            Arc::clone(&ledger),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            asked,
            RequestLimits::default(),
        );
        let authority = authority.unwrap();
        self.running = Some(Running {
            clerk: authority.clerk(),
            responder: Responder::new(catalog, clock, questions, RequestLimits::default()),
            authority,
            issuers,
            ledger,
        });
    }

    /// Stops and starts again with other settings.
    fn restart(&mut self, adjust: impl FnOnce(&mut config::Issuer)) {
        self.stop();
        adjust(&mut self.settings);
        self.start();
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.authority.stop();
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Now, as the clock has it.
    fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Time passes, and everybody looks at the clock again.
    fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
        self.wake();
    }

    fn wake(&self) {
        let shared = self.running().authority.shared();
        shared.renewal_wake.notify();
        shared.keeper_wake.notify();
    }

    fn change(&self, number: u8, action: Action) {
        self.change_by(number, action, source());
    }

    fn change_by(&self, number: u8, action: Action, source: Source) {
        let running = self.running();
        let issuer = running.issuers.by_name(None).unwrap();
        let change = Change {
            issuer: issuer.id,
            serial: serial(number),
            action,
        };
        // As any change: visible before it is acknowledged.
        let outcomes = running.clerk.apply_for_tests(&[change], source);
        assert!(
            matches!(outcomes[..], [crate::change::Outcome::Applied { .. }]),
            "{outcomes:?}"
        );
        // An import is over after a second without changes.
        self.clock.advance(Duration::from_secs(1));
        self.wake();
    }

    fn issue(&self, numbers: &[u8]) {
        for number in numbers {
            self.change(*number, Action::Issue(Inventory::default()));
        }
    }

    fn revoke(&self, number: u8, revocation_time: u64, reason: Option<crate::asn1::CrlReason>) {
        let claim = RevocationClaim {
            revocation_time: at(revocation_time),
            reason,
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

    fn crl(&self, number: u8, this_update: u64, next_update: u64) -> Recorded {
        self.shard(CrlScope::FULL, number, this_update, next_update)
    }

    fn shard(&self, scope: CrlScope, number: u8, this_update: u64, next_update: u64) -> Recorded {
        let evidence = Evidence {
            scope,
            complete_sha256: None,
            this_update: at(this_update),
            next_update: at(next_update),
            crl_number: Some(CrlNumber::from_content(&[number]).unwrap()),
            crl_sha256: [number; 32],
            entry_count: 0,
        };
        let running = self.running();
        let issuer = running.issuers.by_name(None).unwrap();
        let now_ms = self.clock.now_millis();
        let recorded = running
            .ledger
            .record_evidence(&issuer.id, &evidence, &source(), now_ms);
        self.wake();
        recorded.unwrap()
    }

    /// The answer about a serial; the OCSPResponseStatus's kind where there is none.
    fn ask(&self, number: u8) -> Result<Told, AnswerKind> {
        let request = self.folder.path().join(format!("{number}.req"));
        if !request.exists() {
            openssl(
                self.folder.path(),
                &format!(
                    "ocsp -issuer ca.pem -serial 0x01{number:02x} -no_nonce -reqout {number}.req"
                ),
            );
        }
        let response = match self
            .running()
            .responder
            .respond(&fs::read(request).unwrap())
        {
            Reply::Ready(response) => response,
            Reply::Pending(pending) => {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_time().build().unwrap();
                runtime.block_on(pending)
            }
        };
        let Some(freshness) = response.freshness else {
            return Err(response.kind);
        };
        let outer = theirs::OcspResponse::from_der(&response.body).unwrap();
        let basic = outer.response_bytes.unwrap();
        let basic = theirs::BasicOcspResponse::from_der(basic.response.as_bytes()).unwrap();
        let data = &basic.tbs_response_data;
        let single = &data.responses[0];
        let secs = |time: theirs::OcspGeneralizedTime| time.0.to_unix_duration().as_secs();
        let (status, revocation_time) = match &single.cert_status {
            theirs::CertStatus::Good(_) => ("good", None),
            theirs::CertStatus::Unknown(_) => ("unknown", None),
            theirs::CertStatus::Revoked(info) => ("revoked", Some(secs(info.revocation_time))),
        };
        let told = Told {
            kind: response.kind,
            status,
            this_update: secs(single.this_update),
            produced_at: secs(data.produced_at),
            next_update: secs(single.next_update.unwrap()),
            revocation_time,
            by_name: matches!(data.responder_id, theirs::ResponderId::ByName(_)),
            freshness,
        };
        self.judge(&told);
        if told.kind != AnswerKind::Live {
            let mut stored = self.stored.borrow_mut();
            let before = stored.insert(number, told.this_update);
            assert!(
                before.is_none_or(|before| before <= told.this_update),
                "{before:?} {told:?}"
            );
        }
        Ok(told)
    }

    /// What holds of every answer at any time.
    fn judge(&self, told: &Told) {
        let now = self.now();
        assert!(told.this_update <= told.produced_at, "{told:?}");
        assert!(
            told.produced_at <= now && now < told.next_update,
            "{told:?}"
        );
        if let Some(revocation_time) = told.revocation_time {
            assert!(revocation_time <= told.this_update, "{told:?}");
        }
        let Freshness {
            last_modified,
            expires,
            max_age,
            ..
        } = told.freshness;
        assert_eq!(last_modified, at(told.produced_at), "{told:?}");
        assert_eq!(expires, at(told.next_update), "{told:?}");
        assert!(now + max_age.as_secs() < told.next_update, "{told:?}");
        let issuer = self.running().issuers.by_name(None).unwrap();
        let is_revoked = self.running().ledger.revoked_issuer(&issuer.id).unwrap();
        if issuer.evidence == config::Evidence::Feed
            && told.kind == AnswerKind::Live
            && is_revoked.is_none()
        {
            let evidences = self.running().ledger.evidences(&issuer.id).unwrap();
            let ends = evidences.iter().map(|entry| entry.evidence.next_update);
            let ends = ends.min().expect("nothing is signed without a CRL");
            assert!(at(told.next_update) <= ends, "{told:?}");
        }
    }

    /// Asks until the answer is as wanted.
    #[track_caller]
    fn wait(&self, number: u8, wanted: impl Fn(&Result<Told, AnswerKind>) -> bool) -> Told {
        self.wait_any(number, |told| told.is_ok() && wanted(told))
            .unwrap()
    }

    #[track_caller]
    fn wait_any(
        &self,
        number: u8,
        wanted: impl Fn(&Result<Told, AnswerKind>) -> bool,
    ) -> Result<Told, AnswerKind> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.ask(number);
            if wanted(&told) {
                return told;
            }
            assert!(Instant::now() < deadline, "{told:?}");
            self.wake();
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Asks after the authority has had time to sign ahead of time, which it must not do.
    #[track_caller]
    fn live(&self, number: u8) -> Told {
        let shared = self.running().authority.shared();
        let settle = || {
            shared.renewal_wake.notify();
            shared.keeper_wake.notify();
            std::thread::park_timeout(Duration::from_millis(50));
        };
        settle();
        settle();
        let told = self.ask(number).unwrap();
        assert_eq!(told.kind, AnswerKind::Live, "{told:?}");
        told
    }

    /// A revocation, or the end of a hold, that a full CRL brings.
    fn by_crl(&self, number: u8, revoked: Option<(u64, crate::asn1::CrlReason)>) {
        let action = revoked.map_or(Action::Release, |(revocation_time, reason)| {
            Action::Revoke {
                claim: RevocationClaim {
                    revocation_time: at(revocation_time),
                    reason: Some(reason),
                    invalidity_date: None,
                },
                inventory: None,
            }
        });
        self.change_by(number, action, source().with_crl_scope(ScopeTag::FULL));
    }

    #[track_caller]
    fn presigned(&self, number: u8, this_update: u64) -> Told {
        self.wait(number, |told| {
            told.as_ref().is_ok_and(|told| {
                told.kind == AnswerKind::Presigned && told.this_update == this_update
            })
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn source() -> Source {
    Source::new("crl", "test").unwrap()
}

#[test]
fn answers_are_dated_by_the_newest_crl_and_end_with_it() {
    let world = World::new(|_| {});
    world.issue(&[1, 2]);
    world.revoke(2, world.began - 5 * DAY, None);
    // Without a CRL nothing can be said.
    assert_eq!(world.ask(1), Err(AnswerKind::TryLater));
    assert_eq!(world.ask(9), Err(AnswerKind::Unauthorized));

    let first = world.began - HOUR;
    world.crl(1, first, first + 2 * DAY);
    let signed = world.presigned(1, first);
    assert_eq!(signed.next_update, first + 2 * DAY);
    assert_eq!(world.presigned(2, first).status, "revoked");

    // There is nothing to sign again for until a newer one comes.
    world.advance(DAY);
    assert_eq!(world.presigned(1, first).produced_at, signed.produced_at);
    let second = world.now() - 60;
    world.crl(2, second, second + 30 * DAY);
    let renewed = world.presigned(1, second);
    assert_eq!(renewed.produced_at, world.now());
    assert_eq!(renewed.next_update, world.now() + 4 * DAY - 1);
    // A CRL of a month: renewed as the issuer is configured, and dated as before.
    world.advance(DAY + 1);
    let again = world.wait(1, |told| {
        told.as_ref()
            .is_ok_and(|told| told.produced_at > renewed.produced_at)
    });
    assert_eq!(
        (again.this_update, again.kind),
        (second, AnswerKind::Presigned)
    );
    // The same CRL again, and an older one.
    assert_eq!(world.crl(2, second, second + 30 * DAY), Recorded::Unchanged);
    assert!(matches!(
        world.crl(1, first, first + 2 * DAY),
        Recorded::Older { .. }
    ));
}

#[test]
fn after_the_crl_there_is_nothing_until_the_next() {
    let mut world = World::new(|_| {});
    world.issue(&[1, 2]);
    let first = world.now();
    world.crl(1, first, first + DAY);
    world.presigned(1, first);
    // The last second, and the end.
    world
        .clock
        .advance(Duration::from_secs(first + DAY - 1 - world.now()));
    assert_eq!(world.ask(1).unwrap().freshness.max_age, Duration::ZERO);
    world.advance(1);
    assert_eq!(world.ask(1), Err(AnswerKind::TryLater));
    world.revoke(2, world.now(), None);
    assert_eq!(world.ask(2), Err(AnswerKind::TryLater));
    let stats = world.running().authority.stats().unwrap();
    let evidence = stats.issuers[0].evidence.clone().unwrap();
    assert!(evidence.stale && evidence.required);
    assert!(evidence.crl.unwrap().age_secs >= DAY);
    assert_eq!(stats.signing_failures, 0);
    world.restart(|_| {});
    assert_eq!(world.ask(1), Err(AnswerKind::TryLater));

    let second = world.now();
    world.crl(2, second, second + DAY);
    world.presigned(1, second);
    assert_eq!(world.presigned(2, second).status, "revoked");
}

#[test]
fn what_the_operator_does_is_newer_than_the_crl_and_never_falls_back() {
    let world = World::new(|_| {});
    world.issue(&[1, 2, 3]);
    let first = world.now() - HOUR;
    world.crl(1, first, first + 10 * DAY);
    world.presigned(1, first);
    let by_hand = world.now();
    world.revoke(1, by_hand, None);
    let told = world.live(1);
    assert_eq!(
        (told.status, told.this_update, told.revocation_time),
        ("revoked", by_hand, Some(by_hand))
    );
    // One that the CRL should have had: it does not say so, and it is known since we were told.
    world.clock.advance(Duration::from_secs(60));
    let learned = world.now();
    world.revoke(3, first - DAY, None);
    let told = world.live(3);
    assert_eq!(
        (told.status, told.this_update, told.revocation_time),
        ("revoked", learned, Some(first - DAY))
    );

    // Made before the revocation, taken after it.
    let second = by_hand - 60;
    world.crl(2, second, second + 10 * DAY);
    world.presigned(2, second);
    assert_eq!(world.live(1).this_update, by_hand);
    // From now on a CRL says it: what was known before it was taken is dated by it.
    assert_eq!(world.presigned(3, second).status, "revoked");
    let third = world.now();
    world.crl(3, third, third + 10 * DAY);
    assert_eq!(world.presigned(1, third).revocation_time, Some(by_hand));
}

/// Its answers were once kept ahead of time, dated by the hold, and those of the CRL that came next were
/// dated before it.
#[test]
fn a_hold_made_and_ended_by_hand_within_the_life_of_one_crl_leaves_nothing_behind() {
    let hold = Some(crate::asn1::CrlReason::CertificateHold);
    let world = World::new(|_| {});
    world.issue(&[1, 2]);
    let first = world.now() - HOUR;
    world.crl(1, first, first + 10 * DAY);
    world.presigned(1, first);
    world.advance(HOUR);
    let held = world.now();
    world.revoke(1, held, hold);
    assert_eq!(world.live(1).this_update, held);
    // Signed ahead of time, if at all, before this one.
    world.revoke(2, first - HOUR, hold);
    world.live(2);
    assert_eq!(world.live(1).status, "revoked");
    world.advance(HOUR);
    let released = world.now();
    world.change(1, Action::Release);
    assert_eq!(world.live(1).this_update, released);
    // Made before the hold: what it says of the certificate is older than the hold's end.
    let second = held - 600;
    world.crl(2, second, second + 10 * DAY);
    world.presigned(2, second);
    let told = world.live(1);
    assert_eq!((told.status, told.this_update), ("good", released));
    // Made between the two.
    let third = held + 600;
    world.crl(3, third, third + 10 * DAY);
    world.presigned(2, third);
    assert_eq!(world.live(1).this_update, released);
    let fourth = released + 600;
    world.advance(HOUR);
    world.crl(4, fourth, fourth + 10 * DAY);
    assert_eq!(world.presigned(1, fourth).status, "good");
}

#[test]
fn what_a_crl_brought_is_dated_by_it_and_not_by_when_it_was_taken() {
    let world = World::new(|_| {});
    world.issue(&[1, 2]);
    let first = world.now() - HOUR;
    world.by_crl(
        1,
        Some((first - HOUR, crate::asn1::CrlReason::CertificateHold)),
    );
    world.by_crl(
        2,
        Some((first - HOUR, crate::asn1::CrlReason::KeyCompromise)),
    );
    world.crl(1, first, first + 10 * DAY);
    assert_eq!(world.presigned(1, first).status, "revoked");
    // What becomes known of the certificate later changes nothing of that.
    let inventory = Inventory {
        not_after: Some(at(world.now() + 20 * DAY)),
        ..Inventory::default()
    };
    world.change(2, Action::Issue(inventory));
    let told = world.wait(2, |told| {
        told.as_ref()
            .is_ok_and(|told| told.kind == AnswerKind::Overlay)
    });
    assert_eq!((told.status, told.this_update), ("revoked", first));
    world.advance(HOUR);
    let second = world.now() - 60;
    world.by_crl(1, None);
    // Until its CRL is whole, the end of the hold is known from elsewhere.
    assert_eq!(world.live(1).status, "good");
    world.crl(2, second, second + 10 * DAY);
    assert_eq!(world.presigned(1, second).status, "good");
    assert_eq!(world.presigned(2, second).status, "revoked");
}

#[test]
fn several_crls_date_an_issuer_together() {
    let shard = |number| CrlScope {
        point: Some(format!("http://x.test/{number}.crl")),
        ..CrlScope::FULL
    };
    let world = World::new(|issuer| {
        issuer.crl_scopes = [1, 2]
            .map(|number| shard(number).point.unwrap().parse().unwrap())
            .to_vec();
    });
    world.issue(&[1]);
    let first = world.now() - HOUR;
    world.shard(shard(1), 1, first, first + DAY);
    // A full one does not help: it is not what the operator listed.
    world.crl(1, first, first + DAY);
    assert_eq!(world.ask(1), Err(AnswerKind::TryLater));
    let stats = world.running().authority.stats().unwrap();
    let evidence = stats.issuers[0].evidence.clone().unwrap();
    assert!(evidence.stale && evidence.lacking == ["http://x.test/2.crl"]);
    world.shard(shard(2), 7, first + 60, first + 2 * DAY);
    let told = world.presigned(1, first);
    assert_eq!(told.next_update, first + DAY);
    // A newer one of the one that is newer already changes nothing.
    world.shard(shard(2), 8, first + 120, first + 3 * DAY);
    world.advance(60);
    world.shard(shard(1), 2, first + 90, first + 2 * DAY);
    let again = world.presigned(1, first + 90);
    assert_eq!(again.next_update, first + 2 * DAY);
    assert!(again.produced_at > told.produced_at);
    // A hold that one brought is dated as soon as that one is taken, as the oldest says.
    let stats = world.running().authority.stats().unwrap();
    let evidence = stats.issuers[0].evidence.clone().unwrap();
    assert!(!evidence.stale && evidence.scopes.len() == 3);
    // The first that ends ends it for all.
    world.clock.advance(Duration::from_secs(2 * DAY));
    assert_eq!(world.ask(1), Err(AnswerKind::TryLater));
}

/// The answers that were lost may be in somebody's hands.
#[test]
fn a_shard_that_was_lost_is_not_signed_again_from_before_what_it_said() {
    let mut world = World::new(|issuer| issuer.evidence = config::Evidence::Ledger);
    world.issue(&[1]);
    let ours = world.wait(1, |told| {
        told.as_ref()
            .is_ok_and(|told| told.kind == AnswerKind::Presigned)
    });
    let first = world.now() - DAY;
    world.crl(1, first, first + 20 * DAY);
    world.stop();
    for file in fs::read_dir(world.folder.path().join("catalog")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            fs::remove_file(path).unwrap();
        }
    }
    world.clock.advance(Duration::from_secs(60));
    world.restart(|issuer| issuer.evidence = config::Evidence::Feed);
    assert_eq!(world.live(1).this_update, first);
    world.issue(&[2]);
    assert_eq!(world.live(1).this_update, first);
    // A CRL that is newer than what was lost, or the end of that, ends it.
    let second = ours.this_update + 10;
    world.crl(2, second, second + 20 * DAY);
    world.presigned(1, second);
}

#[test]
fn the_end_of_a_hold_is_dated_by_itself_until_a_crl_confirms_it() {
    let world = World::new(|_| {});
    world.issue(&[1]);
    let first = world.now() - HOUR;
    world.revoke(
        1,
        first - HOUR,
        Some(crate::asn1::CrlReason::CertificateHold),
    );
    world.crl(1, first, first + 10 * DAY);
    assert_eq!(world.presigned(1, first).status, "revoked");
    let released = world.now();
    world.change(1, Action::Release);
    for _ in 0..2 {
        let told = world.ask(1).unwrap();
        assert_eq!(
            (told.kind, told.status, told.this_update),
            (AnswerKind::Live, "good", released)
        );
        world.advance(60);
    }
    let second = world.now();
    world.crl(2, second, second + 10 * DAY);
    assert_eq!(world.presigned(1, second).status, "good");
}

#[test]
fn a_crl_of_a_clock_that_is_ahead_dates_nothing_in_the_future() {
    let world = World::new(|_| {});
    world.issue(&[1]);
    let now = world.now();
    world.crl(1, now + 200, now + DAY);
    let told = world.wait(1, |told| {
        told.as_ref()
            .is_ok_and(|told| told.kind == AnswerKind::Presigned)
    });
    assert_eq!(told.this_update, told.produced_at);
}

#[test]
fn what_is_not_on_the_crl_is_good_where_the_operator_wrote_so() {
    for (policy, status) in [
        (config::NotIssued::Good, "good"),
        (config::NotIssued::Unknown, "unknown"),
    ] {
        let world = World::new(|issuer| issuer.not_issued = policy);
        assert_eq!(world.ask(9), Err(AnswerKind::TryLater));
        let first = world.now() - HOUR;
        world.crl(1, first, first + DAY);
        let told = world.ask(9).unwrap();
        assert_eq!(
            (told.kind, told.status, told.this_update, told.next_update),
            (AnswerKind::Live, status, first, first + DAY)
        );
        world.revoke(9, first - DAY, None);
        assert_eq!(world.ask(9).unwrap().status, "revoked");
        world.advance(DAY);
        assert_eq!(world.ask(9), Err(AnswerKind::TryLater));
        assert_eq!(world.ask(8), Err(AnswerKind::TryLater));
    }
}

/// Whoever revokes a whole CA means the certificates that nobody told us of as well.
#[test]
fn nothing_is_good_any_more_when_all_certificates_are_revoked() {
    let world = World::new(|issuer| issuer.not_issued = config::NotIssued::Good);
    let first = world.now() - HOUR;
    world.crl(1, first, first + DAY);
    assert_eq!(world.ask(9).unwrap().status, "good");
    let running = world.running();
    let order = IssuerRevocationOrder {
        issuer: running.issuers.by_name(None).unwrap().id,
        claim: RevocationClaim {
            revocation_time: at(world.now()),
            reason: Some(crate::asn1::CrlReason::CaCompromise),
            invalidity_date: None,
        },
        with: Vec::new(),
    };
    let now_ms = world.clock.now_millis();
    running
        .ledger
        .revoke_issuer(&order, &source(), now_ms)
        .unwrap();
    let told = world.ask(9).unwrap();
    assert_eq!(
        (told.status, told.this_update),
        ("revoked", world.now()),
        "{told:?}"
    );
    // The CA signs no CRL any more that could say it again.
    world.advance(2 * DAY);
    assert_eq!(world.ask(9).unwrap().status, "revoked");
}

#[test]
fn this_update_does_not_fall_when_an_issuer_is_dated_by_crls_from_now_on() {
    let mut world = World::new(|issuer| issuer.evidence = config::Evidence::Ledger);
    world.issue(&[1, 2]);
    let first = world.now() - DAY;
    world.crl(1, first, first + 20 * DAY);
    let ours = world.wait(1, |told| {
        told.as_ref()
            .is_ok_and(|told| told.kind == AnswerKind::Presigned)
    });
    assert_eq!(ours.this_update, ours.produced_at);
    world.advance(HOUR);
    world.restart(|issuer| issuer.evidence = config::Evidence::Feed);
    world.advance(DAY);
    // The old answers hold until a CRL is newer than they are.
    world.presigned(1, ours.this_update);
    let second = world.now() - 60;
    world.crl(2, second, second + 20 * DAY);
    world.presigned(1, second);
    // And back: now is later than any CRL.
    world.restart(|issuer| issuer.evidence = config::Evidence::Ledger);
    world.advance(DAY + 1);
    let told = world.wait(1, |told| {
        told.as_ref().is_ok_and(|told| {
            told.kind == AnswerKind::Presigned && told.this_update == told.produced_at
        })
    });
    assert!(told.this_update > second);
}

#[test]
fn answers_by_name_are_signed_when_the_setting_changes() {
    let mut world = World::new(|issuer| issuer.evidence = config::Evidence::Ledger);
    world.issue(&[1]);
    let is = |by_name| {
        move |told: &Result<Told, AnswerKind>| {
            told.as_ref()
                .is_ok_and(|told| told.by_name == by_name && told.kind == AnswerKind::Presigned)
        }
    };
    world.wait(1, is(false));
    world.clock.advance(Duration::from_secs(5));
    world.restart(|issuer| issuer.responder_id = config::ResponderId::Name);
    world.wait(1, is(true));
    world.revoke(1, world.now(), None);
    assert!(world.ask(1).unwrap().by_name);
    world.clock.advance(Duration::from_secs(5));
    world.restart(|issuer| issuer.responder_id = config::ResponderId::Key);
    world.wait(1, is(false));
}
