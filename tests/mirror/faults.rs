//! A mirror whose server, network, disk or power is not what it should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use estelam::catalog::crls::{CrlKind, CrlListing};
use estelam::publish::Manifest;

use crate::authority::{Authority, edition, sha256};
use crate::common::tools::{run, text, tool};
use crate::common::{Mounts, Server};
use crate::follow::{mirror, once};
use crate::servers::{Web, files};

/// An authority that has published, its web server, and a folder that follows it.
struct Scene {
    authority: Authority,
    web: Web,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let mut authority = Authority::new("http://cdn.example/crl");
        let web = Web::start(&authority.www(), &[]);
        let folder = tempfile::tempdir().unwrap();
        let listing = authority.publish();
        authority.deliver(&listing, vec![]);
        let scene = Self {
            authority,
            web,
            folder,
        };
        scene.refused(0, &[], &[]);
        scene
    }

    fn publish(&mut self) -> std::sync::Arc<CrlListing> {
        let listing = self.authority.publish();
        self.authority.deliver(&listing, vec![]);
        listing
    }

    #[track_caller]
    fn refused(&self, code: i32, options: &[&str], words: &[&str]) {
        once(
            &self.web.base(),
            self.folder.path(),
            &self.authority,
            options,
        )
        .expect(code)
        .says(words);
    }

    fn served(&self, path: &str) -> std::path::PathBuf {
        self.authority.www().join(path)
    }

    /// What a round that is refused may leave: everything as it was.
    #[track_caller]
    fn refused_and_nothing_changes(&self, code: i32, words: &[&str]) {
        let before = files(self.folder.path());
        self.refused(code, &[], words);
        assert_eq!(files(self.folder.path()), before);
    }

    /// Serves a manifest of our own, whatever lies there.
    fn serve(&self, listing: &CrlListing) {
        let document = self.authority.documents(listing).remove(0);
        fs::write(self.served("crl/manifest.json"), document.text).unwrap();
    }
}

#[test]
fn what_is_not_signed_or_not_what_was_signed_is_not_taken() {
    let mut scene = Scene::new();
    let before = fs::read(scene.served("crl/manifest.json")).unwrap();
    let full = fs::read(scene.served("crl/full.crl")).unwrap();
    let newest = scene.publish();
    let newest = newest.documents[0].text.clone();

    // Another key's, and an altered one.
    let stranger = Authority::new("x");
    let signed = stranger.documents(&newest_of(&newest)).remove(0).text;
    fs::write(scene.served("crl/manifest.json"), signed).unwrap();
    scene.refused_and_nothing_changes(5, &["signature does not hold"]);
    let altered = newest.replacen("\\\"generation\\\":2", "\\\"generation\\\":3", 1);
    assert_ne!(altered, newest);
    fs::write(scene.served("crl/manifest.json"), altered).unwrap();
    scene.refused_and_nothing_changes(5, &["signature does not hold"]);
    fs::write(scene.served("crl/manifest.json"), "{}").unwrap();
    scene.refused_and_nothing_changes(5, &["no manifest"]);
    fs::write(scene.served("crl/manifest.json"), vec![b' '; 33 << 20]).unwrap();
    scene.refused_and_nothing_changes(5, &["longer than"]);

    // The right manifest, and a CRL that is not the one: altered, longer, shorter.
    fs::write(scene.served("crl/manifest.json"), &newest).unwrap();
    let delta = fs::read(scene.served("crl/delta.crl")).unwrap();
    let mut flipped = delta.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (wrong, words) in [
        (flipped, "SHA-256"),
        ([&delta[..], b"x"].concat(), "octets"),
        (delta[1..].to_vec(), "octets"),
        (full, ""),
    ] {
        fs::write(scene.served("crl/delta.crl"), wrong).unwrap();
        scene.refused_and_nothing_changes(5, &["delta.crl", words]);
    }
    fs::remove_file(scene.served("crl/delta.crl")).unwrap();
    scene.refused_and_nothing_changes(12, &["HTTP 404"]);
    fs::write(scene.served("crl/delta.crl"), &delta).unwrap();
    scene.refused(0, &[], &[]);

    // The old manifest again, though it is signed.
    fs::write(scene.served("crl/manifest.json"), &before).unwrap();
    scene.refused_and_nothing_changes(7, &["generation 1", "--accept-older"]);
    // Numbers do not go back, whatever an operator says of generations.
    fs::write(scene.served("crl/delta.crl"), "").unwrap();
    scene.refused(7, &["--accept-older"], &["never go back"]);
}

fn newest_of(text: &str) -> CrlListing {
    let manifest = Manifest::unverified(text.as_bytes()).unwrap();
    CrlListing {
        generation: manifest.generation,
        editions: manifest.crls,
        documents: Vec::new(),
    }
}

#[test]
fn a_signed_manifest_cannot_lead_out_or_lie_about_its_crls() {
    let mut scene = Scene::new();
    let listing = scene.publish();
    let generation = std::cell::Cell::new(listing.generation);
    let with = |change: &dyn Fn(&mut CrlListing)| {
        let mut listing = CrlListing::clone(&listing);
        generation.set(generation.get() + 1);
        listing.generation = generation.get();
        change(&mut listing);
        scene.serve(&listing);
    };
    for url in [
        "http://x/../../evil",
        "http://x//etc/evil",
        "http://x/%2e%2e/evil",
        "http://x/a%0ab",
    ] {
        with(&|listing| listing.editions[0].url = url.to_owned());
        scene.refused_and_nothing_changes(7, &["not believed", "place for a file"]);
    }
    with(&|listing| listing.editions[1].entries += 1);
    scene.refused_and_nothing_changes(5, &["number of entries"]);
    with(&|listing| listing.editions[1].number += 1);
    scene.refused_and_nothing_changes(5, &["CRLNumber"]);
    with(&|listing| listing.editions[1].base = Some(0));
    scene.refused_and_nothing_changes(5, &["BaseCRLNumber"]);

    // A CRL with a lower number, signed by all who have to.
    let old = scene.authority.crl(0, None);
    fs::write(scene.served("crl/full.crl"), &old).unwrap();
    with(&|listing| {
        listing.editions[0] = edition(CrlKind::Full, &listing.editions[0].url, &old);
    });
    scene.refused(7, &[], &["full.crl", "never go back"]);
    // Another one with the number of the one that is there.
    let twin = scene.authority.crl(1, None);
    fs::write(scene.served("crl/full.crl"), &twin).unwrap();
    with(&|listing| {
        listing.editions[0] = edition(CrlKind::Full, &listing.editions[0].url, &twin);
    });
    scene.refused(7, &[], &["no two have the same"]);
    // Not the CA that was given.
    let other = Authority::new("x").ca;
    let fresh = tempfile::tempdir().unwrap();
    fs::remove_dir_all(scene.served("crl")).unwrap();
    scene.publish();
    let base = scene.web.base();
    let issuer = other.path("ca.pem");
    let said = once(
        &base,
        fresh.path(),
        &scene.authority,
        &["--issuer", text(&issuer)],
    );
    said.expect(5).says(&["--issuer"]);
    assert_eq!(files(fresh.path()), []);
}

#[test]
fn a_broken_connection_is_gone_on_from() {
    let mut scene = Scene::new();
    let listing = scene.authority.publish_large(20_000);
    scene.authority.deliver(&listing, vec![]);
    let whole = fs::read(scene.served("crl/full.crl")).unwrap();
    let rules = scene.served(".rules.json");
    fs::write(
        &rules,
        format!("{{\"/crl/full.crl\": {{\"cut\": {}}}}}", whole.len() / 2),
    )
    .unwrap();
    scene.refused(12, &[], &["cut short"]);
    assert_ne!(
        fs::read(scene.folder.path().join("crl/full.crl")).unwrap(),
        whole
    );
    fs::remove_file(&rules).unwrap();
    scene.web.heard();
    let told = once(
        &scene.web.base(),
        scene.folder.path(),
        &scene.authority,
        &[],
    )
    .expect(0)
    .json();
    assert_eq!(told["changes"][0]["resumed"], whole.len() / 2);
    let heard = scene.web.heard();
    let part = heard
        .iter()
        .find(|request| request["path"] == "/crl/full.crl")
        .unwrap();
    assert_eq!(part["status"], 206);
    assert_eq!(
        fs::read(scene.folder.path().join("crl/full.crl")).unwrap(),
        whole
    );
    let left = fs::read_dir(scene.folder.path().join(".estelam-mirror")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", "state.json"]);
}

#[test]
fn a_full_disk_keeps_what_was_there() {
    let mut scene = Scene::new();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=400k tmpfs {}",
        text(scene.folder.path())
    ));
    let url = format!("{}/crl/manifest.json", scene.web.base());
    let command = mirror(
        &url,
        scene.folder.path(),
        &scene.authority.vkey(),
        &["--once"],
    );
    let line = crate::common::tools::line(&command);
    mounts.run(&line).expect(0);
    let sums = format!("cd {} && sha256sum crl/*", text(scene.folder.path()));
    let before = mounts.run(&sums).expect(0).stdout;
    let listing = scene.authority.publish_large(20_000);
    scene.authority.deliver(&listing, vec![]);
    mounts.run(&line).expect(11).says(&["No space left"]);
    assert_eq!(mounts.run(&sums).expect(0).stdout, before);
    // With room it goes on.
    mounts
        .run(&format!(
            "mount -o remount,size=8m {}",
            text(scene.folder.path())
        ))
        .expect(0);
    mounts.run(&line).expect(0);
    assert!(
        mounts
            .run(&sums)
            .expect(0)
            .stdout
            .contains(&listing.editions[0].sha256)
    );
}

/// Killed before each system call that changes a name or makes it last, a mirror has each CRL as it was or
/// as it will be, and no delta without its base; and the next one goes on.
#[test]
fn killed_at_any_step_it_has_the_old_file_or_the_new() {
    let mut scene = Scene::new();
    let old: BTreeMap<String, Vec<u8>> = files(scene.folder.path()).into_iter().collect();
    // The third publication has a full CRL and a delta of it.
    scene.authority.publish();
    let listing = scene.publish();
    let new: BTreeMap<String, Vec<u8>> = files(&scene.authority.www()).into_iter().collect();
    let url = format!("{}/crl/manifest.json", scene.web.base());
    let base = listing.edition("ca", CrlKind::Delta).unwrap().base;
    assert_eq!(base, Some(3));
    let mut kills = 0;
    for call in [
        "rename,renameat,renameat2",
        "fsync,fdatasync",
        "unlink,unlinkat",
    ] {
        for nth in 1.. {
            let folder = tempfile::tempdir().unwrap();
            copy(scene.folder.path(), folder.path());
            let mut strace = tool("strace");
            strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
            let command = mirror(&url, folder.path(), &scene.authority.vkey(), &["--once"]);
            strace.arg(command.get_program()).args(command.get_args());
            let ended = run(&mut strace);
            for (path, octets) in files(folder.path()) {
                let known = [old.get(&path), new.get(&path)];
                assert!(known.contains(&Some(&octets)), "{call} {nth}: {path}");
            }
            let read = |path: &str| fs::read(folder.path().join(path)).unwrap_or_default();
            let has_new = |path: &str| Some(&read(path)) == new.get(path);
            assert!(
                !has_new("crl/delta.crl") || has_new("crl/full.crl"),
                "{call} {nth}"
            );
            assert!(
                !has_new("crl/manifest.json") || has_new("crl/delta.crl"),
                "{call} {nth}"
            );
            run(&mut mirror(
                &url,
                folder.path(),
                &scene.authority.vkey(),
                &["--once"],
            ))
            .expect(0);
            assert!(
                has_new("crl/manifest.json") && has_new("crl/full.crl"),
                "{call} {nth}"
            );
            if ended.code == 0 {
                break;
            }
            kills += 1;
            assert!(nth < 100, "{ended}");
        }
    }
    assert!(kills > 15, "{kills}");
}

fn copy(from: &Path, to: &Path) {
    let from = format!("{}/.", text(from));
    run(tool("cp").args(["-a", &from, text(to)])).expect(0);
}

#[test]
fn an_authority_that_publishes_meanwhile_is_followed() {
    let mut scene = Scene::new();
    let url = format!("{}/crl/manifest.json", scene.web.base());
    let command = mirror(
        &url,
        scene.folder.path(),
        &scene.authority.vkey(),
        &["--interval", "1s"],
    );
    let server = Server::start(command, None, 0).unwrap();
    for _ in 0..12 {
        scene.publish();
    }
    server.wait_for("generation 13: ");
    server.terminate().expect(0);
    let full = fs::read(scene.folder.path().join("crl/full.crl")).unwrap();
    assert_eq!(
        sha256(&full),
        scene.authority.shelf.listing().editions[0].sha256
    );
}
