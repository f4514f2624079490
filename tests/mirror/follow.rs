//! `estelam mirror` as its user meets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use estelam::config::{Purge, PurgeCommand};
use serde_json::Value;

use crate::authority::Authority;
use crate::common::Server;
use crate::common::tools::{Finished, run, text, tool};
use crate::servers::{Nginx, Web, files};

pub fn mirror(url: &str, folder: &Path, vkey: &str, options: &[&str]) -> Command {
    let mut command = tool(env!("CARGO_BIN_EXE_estelam"));
    command.args([
        "mirror",
        url,
        text(folder),
        "--key",
        vkey,
        "--allow-private",
    ]);
    command.args(options);
    command
}

pub fn once(web: &str, folder: &Path, authority: &Authority, options: &[&str]) -> Finished {
    let url = format!("{web}/crl/manifest.json");
    let mut command = mirror(&url, folder, &authority.vkey(), &["--once", "--json"]);
    run(command.args(options))
}

fn paths(heard: &[Value]) -> Vec<(u64, &str)> {
    let one = |request: &'_ Value| request["status"].as_u64().unwrap();
    heard
        .iter()
        .map(|request| (one(request), request["path"].as_str().unwrap()))
        .collect()
}

#[test]
fn what_changed_is_fetched_and_nothing_else() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let listing = authority.publish();
    authority.deliver(&listing, vec![]);
    let ca = authority.ca.path("ca.pem");
    let told = once(
        &web.base(),
        folder.path(),
        &authority,
        &["--issuer", text(&ca)],
    );
    let told = told.expect(0).json();
    assert_eq!(
        (&told["generation"], &told["changed"]),
        (&1.into(), &3.into())
    );
    let paths_told: Vec<_> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["path"])
        .collect();
    // The full one before its delta, the manifest last.
    assert_eq!(
        paths_told,
        ["/crl/full.crl", "/crl/delta.crl", "/crl/manifest.json"]
    );
    let mut served = files(&authority.www());
    served.retain(|(path, _)| path != "crl/ca.json");
    assert_eq!(files(folder.path()), served);
    web.heard();

    // Nothing changed: one question, and its answer is 304.
    let told = once(&web.base(), folder.path(), &authority, &[])
        .expect(0)
        .json();
    assert_eq!(
        (&told["not_modified"], &told["changed"]),
        (&true.into(), &0.into())
    );
    assert_eq!(paths(&web.heard()), [(304, "/crl/manifest.json")]);

    // A delta alone.
    let listing = authority.publish();
    authority.deliver(&listing, vec![]);
    once(&web.base(), folder.path(), &authority, &[]).expect(0);
    let heard = web.heard();
    assert_eq!(
        paths(&heard),
        [(200, "/crl/manifest.json"), (200, "/crl/delta.crl")]
    );

    // A file that somebody removed or damaged comes again, though the manifest did not change.
    fs::remove_file(folder.path().join("crl/full.crl")).unwrap();
    fs::write(folder.path().join("crl/delta.crl"), "damaged").unwrap();
    once(&web.base(), folder.path(), &authority, &[]).expect(0);
    let heard = web.heard();
    assert_eq!(
        paths(&heard),
        [
            (304, "/crl/manifest.json"),
            (200, "/crl/full.crl"),
            (200, "/crl/delta.crl")
        ]
    );
    let mut served = files(&authority.www());
    served.retain(|(path, _)| path != "crl/ca.json");
    assert_eq!(files(folder.path()), served);

    // The manifest of one issuer.
    let one = tempfile::tempdir().unwrap();
    let url = format!("{}/crl/ca.json", web.base());
    run(&mut mirror(
        &url,
        one.path(),
        &authority.vkey(),
        &["--once"],
    ))
    .expect(0);
    assert!(one.path().join("crl/ca.json").exists());
}

#[test]
fn a_server_without_ranges_and_etags_is_followed_too() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &["plain"]);
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let listing = authority.publish();
        authority.deliver(&listing, vec![]);
        once(&web.base(), folder.path(), &authority, &[]).expect(0);
        let mut served = files(&authority.www());
        served.retain(|(path, _)| path != "crl/ca.json");
        assert_eq!(files(folder.path()), served);
    }
}

#[test]
fn what_is_not_named_any_more_stays_unless_it_is_pruned() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let listing = authority.publish();
    authority.deliver(&listing, vec![]);
    once(&web.base(), folder.path(), &authority, &[]).expect(0);
    let listing = authority.shelf.place(
        0,
        vec![],
        |edition| edition.kind != estelam::catalog::crls::CrlKind::Delta,
        |listing| Ok(authority.documents(listing)),
    );
    authority.deliver(&listing.unwrap(), vec![]);
    let delta = folder.path().join("crl/delta.crl");
    fs::write(folder.path().join("somebody's"), "file").unwrap();
    once(&web.base(), folder.path(), &authority, &[]).expect(0);
    assert!(delta.exists());
    let told = once(&web.base(), folder.path(), &authority, &["--prune"])
        .expect(0)
        .json();
    assert_eq!(told["changes"][0]["change"], "removed");
    assert!(!delta.exists());
    let listing = authority.publish_large(3);
    authority.deliver(&listing, vec![]);
    once(&web.base(), folder.path(), &authority, &["--prune"]).expect(0);
    assert!(!delta.exists());
    assert!(folder.path().join("somebody's").exists());
}

/// nginx before the authority as a cache that keeps everything for an hour, and a mirror that asks that
/// cache: both have each of ten publications, because what changed is purged.
#[test]
fn a_cache_and_a_mirror_behind_it_follow_ten_publications() {
    let mut authority = Authority::new("");
    let origin = Nginx::origin(&authority.www());
    let cache = Nginx::cache(origin.port);
    authority.base = format!("{}/crl", cache.base());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/crl/manifest.json", cache.base());
    let mut follower = None;
    for publication in 1..=10 {
        let listing = authority.publish();
        authority.deliver(&listing, vec![refresh()]);
        let mut curl = tool("curl");
        let now = run(curl.args(["-sS", &url])).expect(0).stdout;
        let all = listing
            .documents
            .iter()
            .find(|it| it.path == "/crl/manifest.json")
            .unwrap();
        assert_eq!(now, all.text, "{publication}: the cache has the newest");
        let command = || {
            mirror(
                &url,
                folder.path(),
                &authority.vkey(),
                &["--interval", "1s"],
            )
        };
        let server = follower.get_or_insert_with(|| Server::start(command(), None, 0).unwrap());
        server.wait_for(&format!("generation {publication}: "));
        let mut served = files(&authority.www());
        served.retain(|(path, _)| path != "crl/ca.json");
        assert_eq!(files(folder.path()), served, "{publication}");
    }
    // It kept them: asked again, it asks nobody.
    let mut curl = tool("curl");
    let url = format!("{}/crl/full.crl", cache.base());
    run(curl.args(["-sS", "-D", "-", "-o", "/dev/null", &url]))
        .expect(0)
        .says(&["X-Cache: HIT", "pkix-crl"]);
    let ended = follower.unwrap().terminate();
    ended.expect(0);
}

/// nginx fetches anew what it is asked for with this; the answers go to standard output, where nobody
/// reads more than their beginning.
fn refresh() -> Purge {
    let words = ["/usr/bin/curl", "-fsS", "-H", "X-Refresh: 1"];
    Purge::Command(PurgeCommand {
        command: words.map(str::to_owned).to_vec(),
        timeout: std::time::Duration::from_secs(60),
    })
}

#[test]
fn a_daemon_says_each_change_and_ends_when_it_is_told() {
    let mut authority = Authority::new("http://cdn.example/crl");
    let web = Web::start(&authority.www(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/crl/manifest.json", web.base());
    let mut command = mirror(
        &url,
        folder.path(),
        &authority.vkey(),
        &["--interval", "1s", "--json"],
    );
    let server = Server::start(
        std::mem::replace(&mut command, Command::new("true")),
        None,
        0,
    )
    .unwrap();
    server.wait_for("HTTP 404");
    let listing = authority.publish();
    authority.deliver(&listing, vec![]);
    server.wait_for("\"path\":\"/crl/full.crl\"");
    server.wait_for("placed /crl/delta.crl");
    server.wait_for("all is well again");
    // Another one of the same folder is told so.
    let busy = once(&web.base(), folder.path(), &authority, &[]);
    busy.expect(10).says(&["another process fills this folder"]);
    server.terminate().expect(0);
    once(&web.base(), folder.path(), &authority, &[]).expect(0);
}

#[test]
fn the_command_line_says_what_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&mut mirror(
        "http://127.0.0.1:1/x",
        folder.path(),
        "nonsense",
        &["--once"],
    ));
    said.expect(2).says(&["audit key"]);
    let key = Authority::new("http://x.test").vkey();
    let said = run(&mut mirror(
        "ftp://127.0.0.1/x",
        folder.path(),
        &key,
        &["--once"],
    ));
    said.expect(2).says(&["http://"]);
    let said = run(&mut mirror(
        "http://127.0.0.1:1/x",
        folder.path(),
        &key,
        &["--once", "--interval", "soon"],
    ));
    said.expect(2).says(&["--interval"]);
    let said = run(&mut mirror(
        "http://127.0.0.1:1/",
        folder.path(),
        &key,
        &["--once"],
    ));
    said.expect(7).says(&["no file"]);
    let mut command = tool(env!("CARGO_BIN_EXE_estelam"));
    command.args([
        "mirror",
        "http://127.0.0.1:1/x",
        text(folder.path()),
        "--key",
        &key,
    ]);
    // Not followed for ever either.
    run(command.stdin(Stdio::null()))
        .expect(2)
        .says(&["--allow-private"]);
    let said = run(&mut mirror(
        "http://127.0.0.1:1/x",
        folder.path(),
        &key,
        &["--once"],
    ));
    said.expect(12).says(&["refused"]);
}
