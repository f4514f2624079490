//! Random histories, published again and again, and read by another implementation as a client would.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use const_oid::db::rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;
use der::{Decode as _, oid::AssociatedOid as _};
use proptest::prelude::*;
use x509_cert::{
    certificate::Rfc5280,
    ext::pkix::{CrlNumber as Number, CrlReason as Reason, crl::BaseCrlNumber},
};

use super::{CrlIssuer, PublishError, Publisher, Time, Wanted};
use crate::{
    asn1::{Certificate, CrlReason, UnixTime},
    catalog::crls::{CrlEdition, CrlKind, Shelf},
    change::{Action, Change, Inventory, Outcome, PointTag, RevocationClaim, Source},
    clock::{Clock as _, ManualClock},
    config,
    identity::{IssuerId, SerialNumber},
    ledger::{IssuerIdentity, Ledger},
    pki::ca::{CertificateAuthority, KeyType, NameBuilder, RootRequest, Urls, Validity},
    signer::Signer,
};

const HOUR: u64 = 3_600;
const SHARDS: u32 = 3;

/// The clock, as it stands.
struct Hands(Arc<ManualClock>);

impl Time for Hands {
    fn signing_time(&self) -> Result<UnixTime, String> {
        Ok(self.0.now())
    }

    fn millis(&self) -> u64 {
        self.0.now_millis()
    }
}

/// A CRL as a client has it.
#[derive(Clone, Debug)]
struct Held {
    number: u64,
    base: Option<u64>,
    point: bool,
    entries: BTreeMap<Vec<u8>, (u64, Option<u8>)>,
}

/// A certificate as its CA knows it.
#[derive(Clone, Debug, Default)]
struct Known {
    not_after: Option<u64>,
    /// When and why; a hold is reason 6.
    revoked: Option<(u64, u8)>,
    /// The last CRL that has to have it, if it has expired: the first made on schedule after its end.
    may_leave: BTreeSet<CrlKind>,
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    certificate: Arc<Certificate>,
    signer: Arc<dyn Signer>,
    id: IssuerId,
    settings: config::Crl,
    publisher: Option<Publisher>,
    ledger: Option<Arc<Ledger>>,
    model: BTreeMap<u8, Known>,
    /// Every full CRL that a client may still have.
    held: Vec<Held>,
    newest: UnixTime,
}

fn source() -> Source {
    Source::new("test", "").unwrap()
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_content(&[1, number]).unwrap()
}

impl World {
    fn new(keep_expired: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer: Arc<dyn Signer> =
            Arc::new(KeyType::EcP256.generate().unwrap().signer().unwrap());
        let clock = Arc::new(ManualClock::new(
            UnixTime::from_secs(1_800_000_000).unwrap(),
        ));
        let root = CertificateAuthority::self_signed(&RootRequest {
            subject: NameBuilder::new().common_name("ریشه").build().unwrap(),
            key: Arc::clone(&signer),
            validity: Validity::days(clock.now().saturating_sub(Duration::from_secs(HOUR)), 3_650),
            path_len: None,
            urls: Urls::ocsp("http://127.0.0.1/ocsp"),
        })
        .unwrap();
        let certificate = Arc::clone(root.certificate());
        let settings = config::Crl {
            validity: Duration::from_secs(12 * HOUR),
            interval: Duration::from_secs(6 * HOUR),
            keep_expired,
            delta: Some(config::DeltaCrl {
                base_url: Some("http://crl.example/base.crl".to_owned()),
                validity: Duration::from_secs(2 * HOUR),
                ..config::DeltaCrl::new("http://crl.example/delta.crl")
            }),
            shards: Some(config::CrlShards {
                validity: Duration::from_secs(12 * HOUR),
                interval: Duration::from_secs(6 * HOUR),
                ..config::CrlShards::new("http://crl.example/{shard}.crl", SHARDS)
            }),
            ..config::Crl::new("http://crl.example/ca.crl", std::path::Path::new("ca.key"))
        };
        let mut world = Self {
            id: certificate.issuer_id(),
            folder,
            newest: UnixTime::EPOCH,
            clock,
            certificate,
            signer,
            settings,
            publisher: None,
            ledger: None,
            model: BTreeMap::new(),
            held: Vec::new(),
        };
        world.restart();
        world
    }

    fn restart(&mut self) {
        self.publisher = None;
        self.ledger = None;
        let ledger = Arc::new(Ledger::open(&self.folder.path().join("ledger")).unwrap());
        let identity = IssuerIdentity {
            subject_der: self.certificate.subject_der().to_vec(),
            spki_der: self.certificate.spki_der().to_vec(),
            label: "ca".to_owned(),
        };
        ledger.define_issuer(&identity, &source(), 1).unwrap();
        let shelf = Shelf::open(&Shelf::folder_in(self.folder.path())).unwrap();
        let time = Box::new(Hands(Arc::clone(&self.clock)));
        self.publisher = Some(Publisher::new(Arc::clone(&ledger), shelf, time));
        self.ledger = Some(ledger);
    }

    fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    fn apply(&mut self, number: u8, action: Action) {
        let change = Change {
            issuer: self.id,
            serial: serial(number),
            action,
        };
        let ledger = self.ledger.as_ref().unwrap();
        let committed = ledger
            .commit(&[change], &source(), self.clock.now_millis())
            .unwrap();
        if !matches!(committed.outcomes[..], [Outcome::Applied { .. }]) {
            return;
        }
        let known = self.model.entry(number).or_default();
        known.may_leave.clear();
        match action {
            Action::Issue(inventory) => {
                known.not_after = inventory.not_after.map(UnixTime::as_secs);
            }
            // As OCSP tells it.
            Action::Revoke { .. } | Action::Correct(_) => {
                let status = ledger.status(&self.id, &serial(number)).unwrap().unwrap();
                known.revoked = status.revocation.map(|revoked| {
                    let code = revoked.claim.reason.map_or(0, CrlReason::code);
                    (revoked.signing_time().as_secs(), code)
                });
            }
            Action::Release => known.revoked = None,
        }
    }

    fn issuer(&self) -> CrlIssuer<'_> {
        CrlIssuer {
            name: "ca",
            id: &self.id,
            certificate: &self.certificate,
            settings: &self.settings,
            signer: &*self.signer,
        }
    }

    fn publish(&mut self, wanted: &Wanted) {
        let issuer = self.issuer();
        let publisher = self.publisher.as_ref().unwrap();
        let before = publisher.shelf().listing();
        let made = match publisher.publish(&issuer, wanted, false) {
            Ok(made) => made,
            Err(PublishError::ClockBehind { .. }) => {
                assert_eq!(publisher.shelf().listing(), before);
                return;
            }
            Err(error) => panic!("{error}"),
        };
        self.newest = self.newest.max(self.clock.now());
        let folder = publisher.shelf().folder().to_owned();
        for edition in &made {
            let held = self.read(edition, &folder);
            if let Some(previous) = before.edition("ca", edition.kind)
                && edition.kind != CrlKind::Base
            {
                assert!(edition.number > previous.number);
                assert!(edition.this_update >= previous.this_update);
            }
            match edition.kind {
                CrlKind::Full => {
                    self.judge_complete(edition, &held, |_| true);
                    self.held.push(held);
                }
                CrlKind::Shard(shard) => {
                    self.judge_complete(edition, &held, |number| shard_of(number) == shard);
                }
                CrlKind::Delta => self.judge_delta(&held),
                CrlKind::Base => {
                    let delta = publisher_delta(&made);
                    assert_eq!(delta.base, Some(edition.number));
                }
            }
        }
    }

    fn read(&self, edition: &CrlEdition, folder: &std::path::Path) -> Held {
        let der = std::fs::read(Shelf::file(folder, edition)).unwrap();
        let crl = x509_cert::crl::CertificateList::<Rfc5280>::from_der(&der).unwrap();
        let extensions = crl.tbs_cert_list.crl_extensions.unwrap();
        let find = |oid| extensions.iter().find(|extension| extension.extn_id == oid);
        let number = |octets: &[u8]| octets.iter().fold(0, |n, octet| n << 8 | u64::from(*octet));
        let own = find(Number::OID).unwrap();
        let own = Number::from_der(own.extn_value.as_bytes()).unwrap();
        let base = find(BaseCrlNumber::OID).map(|extension| {
            assert!(extension.critical);
            let base = BaseCrlNumber::from_der(extension.extn_value.as_bytes()).unwrap();
            number(base.0.as_bytes())
        });
        // The crate's own constant for it is that of another extension.
        let point = find(ID_CE_ISSUING_DISTRIBUTION_POINT);
        assert!(point.is_none_or(|point| point.critical));
        let revoked = crl.tbs_cert_list.revoked_certificates.unwrap_or_default();
        let entries = revoked.iter().map(|entry| {
            let reason = entry.crl_entry_extensions.iter().flatten();
            let mut reason = reason
                .filter(|extension| extension.extn_id == Reason::OID)
                .map(|extension| *extension.extn_value.as_bytes().last().unwrap());
            let at = entry.revocation_date.to_unix_duration().as_secs();
            let serial = entry.serial_number.as_bytes().to_vec();
            (serial, (at, reason.next()))
        });
        let held = Held {
            number: number(own.0.as_bytes()),
            base,
            point: point.is_some(),
            entries: entries.collect(),
        };
        assert_eq!(held.number, edition.number);
        assert_eq!(held.base, edition.base);
        assert_eq!(held.point, matches!(edition.kind, CrlKind::Shard(_)));
        assert_eq!(u64::try_from(held.entries.len()), Ok(edition.entries));
        held
    }

    /// Every revoked certificate is on it, until it was on one made on schedule after its end.
    fn judge_complete(&mut self, edition: &CrlEdition, held: &Held, has: impl Fn(u8) -> bool) {
        let keep = self.settings.keep_expired;
        let mut expected = BTreeMap::new();
        for (number, known) in self.model.iter_mut().filter(|(number, _)| has(**number)) {
            let Some((at, code)) = known.revoked else {
                continue;
            };
            if known.may_leave.contains(&edition.kind) && !keep {
                continue;
            }
            expected.insert(vec![1, *number], (at, (code != 0).then_some(code)));
            let is_expired = known
                .not_after
                .is_some_and(|end| end < edition.this_update.as_secs());
            if is_expired && edition.scheduled {
                known.may_leave.insert(edition.kind);
            }
        }
        assert_eq!(held.entries, expected, "{edition:?}");
    }

    /// Added to any full CRL that it fits, it gives what is true now (D-004).
    fn judge_delta(&self, delta: &Held) {
        let base = delta.base.unwrap();
        for full in &self.held {
            if full.number < base || full.number >= delta.number {
                continue;
            }
            let mut combined = full.entries.clone();
            for (serial, (at, reason)) in &delta.entries {
                match reason {
                    Some(8) => combined.remove(serial),
                    _ => combined.insert(serial.clone(), (*at, *reason)),
                };
            }
            for (number, known) in &self.model {
                let found = combined.remove(&vec![1, *number]);
                let is_expired = known
                    .not_after
                    .is_some_and(|end| end < self.newest.as_secs());
                match known.revoked {
                    // What has expired may be on either, or on none.
                    Some((at, code)) => assert!(
                        found == Some((at, (code != 0).then_some(code)))
                            || (found.is_none() && is_expired),
                        "{number}: {found:?}, {known:?}"
                    ),
                    None => assert_eq!(found, None, "{number}"),
                }
            }
            assert_eq!(combined, BTreeMap::new());
        }
    }
}

fn publisher_delta(made: &[CrlEdition]) -> &CrlEdition {
    let mut deltas = made.iter().filter(|edition| edition.kind == CrlKind::Delta);
    deltas.next().unwrap()
}

/// Certificates whose number is odd name their shard.
fn point_of(number: u8) -> Option<PointTag> {
    let named = |shard| PointTag::of(&format!("http://crl.example/{shard}.crl"));
    (number % 2 == 1).then(|| named(u32::from(number) / 2 % SHARDS))
}

fn shard_of(number: u8) -> u32 {
    if number % 2 == 1 {
        return u32::from(number) / 2 % SHARDS;
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[1, number]);
    let first: [u8; 4] = digest.as_ref()[..4].try_into().unwrap();
    u32::from_be_bytes(first) % SHARDS
}

#[derive(Clone, Debug)]
enum Step {
    Issue(u8, u64),
    Revoke(u8, Option<CrlReason>),
    Release(u8),
    Correct(u8),
    Pass(u64),
    SetBack(u64),
    Publish(Wanted),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0_u8..12;
    let reason = prop::option::of(prop::sample::select(vec![
        CrlReason::KeyCompromise,
        CrlReason::CertificateHold,
        CrlReason::CertificateHold,
        CrlReason::Superseded,
    ]));
    let wanted = prop_oneof![
        4 => Just(Wanted::Full),
        6 => Just(Wanted::Delta),
        1 => Just(Wanted::Shards(vec![0, 1, 2])),
        1 => Just(Wanted::Shards(vec![1])),
    ];
    let step = prop_oneof![
        6 => (number.clone(), 1..40 * HOUR).prop_map(|(number, end)| Step::Issue(number, end)),
        8 => (number.clone(), reason).prop_map(|(number, reason)| Step::Revoke(number, reason)),
        5 => number.clone().prop_map(Step::Release),
        2 => number.prop_map(Step::Correct),
        8 => (1..8 * HOUR).prop_map(Step::Pass),
        1 => (1..2 * HOUR).prop_map(Step::SetBack),
        10 => wanted.prop_map(Step::Publish),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn run(world: &mut World, step: Step) {
    let at = |secs| UnixTime::from_secs(secs).unwrap();
    let now = world.now();
    match step {
        Step::Issue(number, end) if !world.model.contains_key(&number) => {
            world.apply(
                number,
                Action::Issue(Inventory {
                    not_after: Some(at(now + end)),
                    distribution_point: point_of(number),
                    ..Inventory::default()
                }),
            );
        }
        Step::Issue(..) => {}
        // A shard is known from the certificate alone.
        Step::Revoke(number, reason) if world.model.contains_key(&number) => {
            let claim = RevocationClaim {
                revocation_time: at(now - 5),
                reason,
                invalidity_date: None,
            };
            let inventory = None;
            world.apply(number, Action::Revoke { claim, inventory });
        }
        Step::Revoke(..) => {}
        Step::Release(number) => world.apply(number, Action::Release),
        Step::Correct(number) => {
            let revoked = world.model.get(&number).and_then(|known| known.revoked);
            if let Some((time, code)) = revoked.filter(|(_, code)| *code != 6) {
                let claim = RevocationClaim {
                    revocation_time: at(time - 100),
                    reason: CrlReason::from_code(code),
                    invalidity_date: None,
                };
                world.apply(number, Action::Correct(claim));
            }
        }
        Step::Pass(secs) => world.clock.advance(Duration::from_secs(secs)),
        Step::SetBack(secs) => {
            let millis = i64::try_from(secs).unwrap() * -1_000;
            world.clock.step_wall_millis(millis);
        }
        Step::Publish(wanted) => world.publish(&wanted),
        Step::Restart => world.restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whoever_follows_the_crls_knows_what_is_true(keep in any::<bool>(), steps in steps()) {
        let mut world = World::new(keep);
        for step in steps {
            run(&mut world, step);
        }
        world.clock.advance(Duration::from_secs(24 * HOUR));
        world.publish(&Wanted::Full);
        world.publish(&Wanted::Delta);
        world.publish(&Wanted::Shards(vec![0, 1, 2]));
    }
}

#[test]
fn what_vanishes_without_a_reason_is_not_published_over() {
    let mut world = World::new(false);
    for number in 0..4 {
        run(&mut world, Step::Issue(number, 100 * HOUR));
        run(&mut world, Step::Revoke(number, None));
    }
    world.publish(&Wanted::Full);
    // Another ledger, which does not know them.
    world.ledger = None;
    world.publisher = None;
    std::fs::remove_dir_all(world.folder.path().join("ledger")).unwrap();
    world.restart();
    world.clock.advance(Duration::from_secs(1));
    let issuer = world.issuer();
    let publisher = world.publisher.as_ref().unwrap();
    let before = publisher.shelf().listing();
    let refused = publisher.publish(&issuer, &Wanted::Full, false);
    let Err(PublishError::Lost {
        count: 4,
        serial: first,
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(first, serial(0));
    assert_eq!(publisher.shelf().listing(), before);
    let made = publisher.publish(&issuer, &Wanted::Full, true).unwrap();
    assert_eq!(made[0].entries, 0);
}

#[test]
fn after_the_last_crl_there_is_none() {
    let mut world = World::new(true);
    run(&mut world, Step::Issue(1, 100 * HOUR));
    run(&mut world, Step::Revoke(1, None));
    world.publish(&Wanted::Full);
    world.publish(&Wanted::Delta);
    world.clock.advance(Duration::from_secs(1));
    let issuer = world.issuer();
    let publisher = world.publisher.as_ref().unwrap();
    let made = publisher.publish(&issuer, &Wanted::Last, false).unwrap();
    assert!(
        made.iter()
            .all(|edition| edition.next_update == UnixTime::MAX)
    );
    let kinds: Vec<CrlKind> = publisher
        .shelf()
        .listing()
        .editions
        .iter()
        .map(|edition| edition.kind)
        .collect();
    let shards = (0..SHARDS).map(CrlKind::Shard);
    let expected: Vec<CrlKind> = std::iter::once(CrlKind::Full).chain(shards).collect();
    assert_eq!(kinds, expected);
    for wanted in [Wanted::Full, Wanted::Delta, Wanted::Shards(vec![0])] {
        let refused = publisher.publish(&issuer, &wanted, false);
        assert!(matches!(refused, Err(PublishError::Ended)), "{wanted:?}");
    }
    // The revocation that came too late.
    publisher.publish(&issuer, &Wanted::Last, false).unwrap();
}

#[test]
fn another_number_of_shards_is_not_taken_silently() {
    let mut world = World::new(false);
    for number in 0..12 {
        run(&mut world, Step::Issue(number, 100 * HOUR));
        run(&mut world, Step::Revoke(number, None));
    }
    world.publish(&Wanted::Shards(vec![0, 1, 2]));
    world.clock.advance(Duration::from_secs(1));
    let shards = world.settings.shards.as_mut().unwrap();
    shards.count = 2;
    let issuer = world.issuer();
    let publisher = world.publisher.as_ref().unwrap();
    let wanted = Wanted::Shards(vec![0, 1]);
    let refused = publisher.publish(&issuer, &wanted, false);
    let Err(PublishError::ShardCount { was: 3, is: 2 }) = refused else {
        panic!("{refused:?}");
    };
    let made = publisher.publish(&issuer, &wanted, true).unwrap();
    assert_eq!(made.iter().map(|made| made.entries).sum::<u64>(), 12);
    assert_eq!(publisher.shelf().listing().editions.len(), 2);
    world.clock.advance(Duration::from_secs(1));
    publisher.publish(&issuer, &wanted, false).unwrap();
}

#[test]
fn numbers_rise_above_what_is_listed_whatever_the_ledger_remembers() {
    let mut world = World::new(false);
    run(&mut world, Step::Issue(1, 100 * HOUR));
    world.publish(&Wanted::Full);
    let listing = world.publisher.as_ref().unwrap().shelf().listing();
    let before = listing.edition("ca", CrlKind::Full).unwrap().clone();
    // The ledger goes back to nothing, and the clock as well.
    world.ledger = None;
    world.publisher = None;
    std::fs::remove_dir_all(world.folder.path().join("ledger")).unwrap();
    world.restart();
    let publish = |world: &World| {
        let issuer = world.issuer();
        let publisher = world.publisher.as_ref().unwrap();
        publisher.publish(&issuer, &Wanted::Full, true)
    };
    world.clock.step_wall_millis(-60_000);
    assert!(matches!(
        publish(&world),
        Err(PublishError::ClockBehind { .. })
    ));
    world.clock.step_wall_millis(60_000);
    let made = publish(&world).unwrap();
    assert!(
        made[0].number > before.number,
        "{} {}",
        made[0].number,
        before.number
    );
    let after = world.publisher.as_ref().unwrap().shelf().listing();
    assert!(after.generation > listing.generation);
}
