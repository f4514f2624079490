//! Folders that CRLs are brought to, and the couriers that bring them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use estelam::clock::{Clock, SystemClock};
use estelam::config::{Purge, PurgeCommand, PurgeHosts};
use estelam::publish::{Couriers, Target, TargetError};

use crate::authority::{Authority, folder_target, now};
use crate::common::Mounts;
use crate::common::tools::text;
use crate::servers::{Web, files};

fn open(authority: &Authority, folder: &std::path::Path, purge: Vec<Purge>) -> Target {
    let state = authority.folder.path().join("state");
    Target::open(&folder_target(folder, purge), &state).unwrap()
}

#[test]
fn a_folder_has_each_crl_at_its_path_and_never_an_older_one() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let www = authority.www();
    let mut target = open(&authority, &www, vec![]);
    let shelf = authority.shelf.folder().to_owned();
    let first = authority.publish();
    let delivery = target.deliver(&first, &shelf, now(), &|| false).unwrap();
    assert_eq!((delivery.generation, delivery.written), (1, 4));
    let names: Vec<String> = files(&www).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        names,
        [
            "crl/ca.json",
            "crl/delta.crl",
            "crl/full.crl",
            "crl/manifest.json"
        ]
    );
    let mode = fs::metadata(www.join("crl/full.crl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(
        target
            .deliver(&first, &shelf, now(), &|| false)
            .unwrap()
            .written,
        0
    );

    // What somebody damaged or removed comes again.
    let before = files(&www);
    fs::write(www.join("crl/full.crl"), "damaged").unwrap();
    fs::remove_file(www.join("crl/delta.crl")).unwrap();
    assert_eq!(
        target
            .deliver(&first, &shelf, now(), &|| false)
            .unwrap()
            .written,
        2
    );
    assert_eq!(files(&www), before);
    // The same without its memory: only looked at.
    fs::remove_dir_all(authority.folder.path().join("state")).unwrap();
    let mut target = open(&authority, &www, vec![]);
    assert_eq!(
        target
            .deliver(&first, &shelf, now(), &|| false)
            .unwrap()
            .written,
        0
    );

    // Another installation, behind this one, changes nothing.
    let ahead = authority.publish();
    target.deliver(&ahead, &shelf, now(), &|| false).unwrap();
    let before = files(&www);
    let mut behind = (*first).clone();
    let state = tempfile::tempdir().unwrap();
    let mut other = Target::open(&folder_target(&www, vec![]), state.path()).unwrap();
    let error = other
        .deliver(&behind, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(matches!(error, TargetError::GoesBack { .. }), "{error}");
    behind.editions.clear();
    let error = other
        .deliver(&behind, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(
        matches!(
            error,
            TargetError::Generation {
                lies: 2,
                offered: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(files(&www), before);
}

#[test]
fn a_full_disk_and_a_damaged_shelf_are_told_and_gone_on_from() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let shelf = authority.shelf.folder().to_owned();
    let listing = authority.publish();
    // A file stands where the folder should.
    let blocked = authority.folder.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    let mut target = open(&authority, &blocked, vec![]);
    let error = target
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(error.to_string().contains("blocked"), "{error}");
    fs::remove_file(&blocked).unwrap();
    target.deliver(&listing, &shelf, now(), &|| false).unwrap();

    // A CRL that was altered on the shelf is brought nowhere; nor is a delta without it, nor a manifest.
    let mut target = open(&authority, &authority.www(), vec![]);
    let full = shelf.join(format!("{}.crl", listing.editions[0].sha256));
    let octets = fs::read(&full).unwrap();
    fs::remove_file(&full).unwrap();
    fs::write(&full, [&octets[..octets.len() - 1], b"x"].concat()).unwrap();
    let error = target
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(error.to_string().contains("altered"), "{error}");
    assert_eq!(files(&authority.www()), []);
    fs::remove_file(&full).unwrap();
    fs::write(&full, octets).unwrap();
    target.deliver(&listing, &shelf, now(), &|| false).unwrap();
    assert_eq!(files(&authority.www()).len(), 4);
}

#[test]
fn caches_are_purged_of_what_changed_and_again_until_they_are() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let cache = Web::start(&authority.www(), &[]);
    let host = cache.base().replace("http://", "");
    let hosts = vec![host];
    let said = authority.folder.path().join("said");
    let script = format!(
        "echo \"$@\" >> {}; test ! -e {}",
        text(&said),
        text(&authority.folder.path().join("fail"))
    );
    let command = |timeout| {
        let words = ["/bin/sh", "-c", &script, "purge"].map(str::to_owned);
        Purge::Command(PurgeCommand {
            command: words.to_vec(),
            timeout,
        })
    };
    let second = Duration::from_secs(60);
    let purge = vec![Purge::Http(PurgeHosts { hosts }), command(second)];
    let mut target = open(&authority, &authority.www(), purge);
    let shelf = authority.shelf.folder().to_owned();
    let listing = authority.publish();
    fs::write(authority.folder.path().join("fail"), "").unwrap();
    let error = target
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(matches!(error, TargetError::Purge(_)), "{error}");
    assert_eq!(
        files(&authority.www()).len(),
        4,
        "all is there all the same"
    );
    fs::remove_file(authority.folder.path().join("fail")).unwrap();
    assert_eq!(
        target
            .deliver(&listing, &shelf, now(), &|| false)
            .unwrap()
            .written,
        0
    );
    let heard = cache.heard();
    let mut purged: Vec<_> = heard
        .iter()
        .map(|it| (it["method"].as_str(), it["path"].as_str()))
        .collect();
    purged.sort();
    purged.dedup();
    let paths = [
        "/crl/ca.json",
        "/crl/delta.crl",
        "/crl/full.crl",
        "/crl/manifest.json",
    ];
    assert_eq!(purged, paths.map(|path| (Some("PURGE"), Some(path))));
    assert_eq!(heard[0]["headers"]["host"], "cdn.example");
    let urls = "http://cdn.example/crl/ca.json http://cdn.example/crl/delta.crl \
                http://cdn.example/crl/full.crl http://cdn.example/crl/manifest.json\n";
    assert_eq!(fs::read_to_string(&said).unwrap(), urls.repeat(2));

    // Only what changed; and a command that hangs is ended.
    let listing = authority.publish();
    let words = ["/bin/sh", "-c", "sleep 1000 & wait"]
        .map(str::to_owned)
        .to_vec();
    let hangs = Purge::Command(PurgeCommand {
        command: words,
        timeout: Duration::from_secs(1),
    });
    let mut target = open(&authority, &authority.www(), vec![hangs]);
    let error = target
        .deliver(&listing, &shelf, now(), &|| false)
        .unwrap_err();
    assert!(error.to_string().contains("longer than 1 s"), "{error}");
}

#[test]
fn a_dead_target_delays_no_other_and_what_is_newest_arrives() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let blocked = authority.folder.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    let state = |name: &str| authority.folder.path().join(name);
    let dead = Target::open(&folder_target(&blocked, vec![]), &state("dead-state")).unwrap();
    let alive = Target::open(&folder_target(&authority.www(), vec![]), &state("state")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let couriers = Couriers::start(vec![dead, alive], authority.shelf.folder(), &clock).unwrap();
    for _ in 0..3 {
        couriers.announce(&authority.publish(), now());
    }
    let health = until(&couriers, |health| {
        health[1].delivered == 3 && health[0].failures > 0
    });
    assert_eq!((health[1].failures, &health[1].error), (0, &None));
    assert!(health[1].last_success.is_some());
    assert_eq!((health[0].announced, health[0].delivered), (3, 0));
    let error = health[0].error.as_deref().unwrap();
    assert!(
        error.contains("blocked") && !error.contains('\n'),
        "{error}"
    );
    // It comes back, and has the newest.
    fs::remove_file(&blocked).unwrap();
    let health = until(&couriers, |health| health[0].delivered == 3);
    assert_eq!(
        (health[0].failures, &health[0].error, health[0].lag_s),
        (0, &None, 0)
    );
    assert_eq!(files(&blocked), files(&authority.www()));
    couriers.stop();
}

fn until(
    couriers: &Couriers,
    is_so: impl Fn(&[estelam::publish::TargetHealth]) -> bool,
) -> Vec<estelam::publish::TargetHealth> {
    let begun = Instant::now();
    loop {
        let health = couriers.health(now());
        if is_so(&health) {
            return health;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{health:#?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A folder on a disk of its own that has no room: in a process of its own, where that disk is seen.
#[test]
fn a_target_without_room_keeps_what_it_has() {
    if let Some(folder) = std::env::var_os("ESTELAM_TEST_FULL_DISK") {
        let folder = std::path::PathBuf::from(folder);
        let mut authority = Authority::new("http://cdn.example/crl");
        let shelf = authority.shelf.folder().to_owned();
        let mut target = open(&authority, &folder, vec![]);
        let small = authority.publish();
        target.deliver(&small, &shelf, now(), &|| false).unwrap();
        let before = files(&folder);
        let large = authority.publish_large(20_000);
        let error = target
            .deliver(&large, &shelf, now(), &|| false)
            .unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(files(&folder), before);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = text(folder.path());
    let mounts = Mounts::new(&format!("mount -t tmpfs -o size=200k tmpfs {folder}"));
    let this = std::env::current_exe().unwrap();
    let name = "targets::a_target_without_room_keeps_what_it_has";
    let script = format!(
        "ESTELAM_TEST_FULL_DISK={folder} {} --exact {name}",
        text(&this)
    );
    mounts.run(&script).expect(0).says(&["1 passed"]);
}
