//! A server that publishes by itself, a mirror that follows it, and a folder that it brings its CRLs to.

use std::path::Path;
use std::sync::Arc;

use crate::common::tools::{run, text, tool};
use crate::common::{OpensslCa, Plan, Settings, Site, Status};

fn settings(ca: &OpensslCa, target: &Path) -> Settings {
    Settings {
        top: format!(
            "[[publish.target]]\nkind = \"folder\"\nname = \"cdn\"\npath = {:?}\n",
            text(target)
        ),
        signer_lines: format!(
            "[issuer.crl]\nurl = \"http://crl.invalid/pki/ca.crl\"\nkey = {:?}\nafter_revocation = \"0s\"\n\
             [issuer.crl.delta]\nurl = \"http://crl.invalid/pki/ca-delta.crl\"\nafter_revocation = \"0s\"\n\
             base_url = \"http://crl.invalid/pki/ca-base.crl\"\n",
            ca.path("ca.key")
        ),
        ..Settings::default()
    }
}

/// Whether OpenSSL finds the serial in a CRL that this CA signed.
fn lists(ca: &OpensslCa, crl: &Path, serial: &str) -> bool {
    let mut command = tool("openssl");
    command.args(["crl", "-inform", "DER", "-noout", "-text", "-in", text(crl)]);
    let read = run(command.arg("-CAfile").arg(ca.path("ca.pem"))).expect(0);
    let read = read.says(&["verify OK"]);
    let wanted = format!("Serial Number: {serial}");
    read.stdout.lines().any(|line| line.trim() == wanted)
}

#[test]
fn ten_revocations_reach_the_mirror_and_the_folder() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 30,
    }));
    let site = Site::with(&ca, &Settings::default());
    site.configure(&settings(&ca, &site.path("cdn")));
    site.import_index().expect(0);
    let server = site.serve_settled();
    let key = site.run(&["audit", "key"]).expect(0).stdout;
    let key = key.trim().to_owned();
    let manifest = format!("http://{}/crl/manifest.json", server.address());
    let folder = site.path("mirror");
    let follow = |arguments: &[&str]| {
        let mirror = [
            "mirror",
            &manifest,
            text(&folder),
            "--key",
            &key,
            "--once",
            "--allow-private",
        ];
        site.run(&[&mirror[..], arguments].concat())
    };
    // At first the base is the full CRL itself.
    server.wait_for("crl=delta");
    follow(&[]).expect(0);
    let mirrored = folder.join("pki/ca.crl");
    let same = |name: &str| std::fs::read(folder.join(name)).expect("a CRL");
    assert_eq!(same("pki/ca.crl"), same("pki/ca-base.crl"));
    let brought = site.path("cdn/pki/ca.crl");

    let certificates = ca.certificates();
    let mut good = certificates
        .iter()
        .filter(|certificate| certificate.status == Status::Good);
    for _ in 0..10 {
        let serial = &good.next().expect("ten good ones").serial;
        site.run(&["revoke", serial, "--reason", "superseded"])
            .expect(0);
        let history = site.run(&["status", serial, "--json"]).expect(0).json();
        let entry = history["sequence"].as_u64().expect("an entry");
        server.wait_for(&format!("crl=full as_of={entry} "));
        follow(&[]).expect(0);
        assert!(lists(&ca, &mirrored, serial));
        assert!(lists(&ca, &folder.join("pki/ca-delta.crl"), serial));
        server.wait_for(&format!("target=\"cdn\" generation={}", generation(&site)));
        assert!(lists(&ca, &brought, serial));
    }
    // Nothing new, and whoever else signs is not believed.
    follow(&[]).expect(0);
    let stranger = Site::new(&ca).run(&["audit", "key"]).expect(0).stdout;
    let other = site.path("other");
    let asked = [
        "mirror",
        &manifest,
        text(&other),
        "--once",
        "--allow-private",
        "--key",
    ];
    let refused = site.run(&[&asked[..], &[stranger.trim()]].concat());
    refused.expect(5).says(&["is not believed"]);
    assert!(!other.join("pki").exists());
    let stats = site.run(&["stats"]).expect(0);
    stats.says(&["target cdn", "full CRL", "delta CRL"]);
}

/// That of the newest listing.
fn generation(site: &Site) -> u64 {
    let listing = std::fs::read(site.path("state/catalog/crl/listing.json")).expect("the listing");
    let listing: serde_json::Value = serde_json::from_slice(&listing).expect("JSON");
    listing["generation"].as_u64().expect("a number")
}
