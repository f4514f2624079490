//! A server that publishes by itself: nginx keeps its CRLs before the clients, a store gets them, and a
//! mirror follows both.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::tools::{run, text, tool};
use crate::common::{OpensslCa, Plan, Settings, Site, Status};
use crate::servers::{ACCESS_KEY, Nginx, SECRET_KEY, Weed, free_port};

fn settings(ca: &OpensslCa, origin: u16, cache: &Nginx, weed: &Weed, secret: &Path) -> Settings {
    Settings {
        top: format!(
            "[[publish.target]]\nkind = \"s3\"\nname = \"store\"\nbucket = \"crl\"\nendpoint = {:?}\n\
             access_key_id = {ACCESS_KEY:?}\nsecret_file = {:?}\n\
             purge = [{{ kind = \"command\", timeout = \"60s\", \
             command = [\"/usr/bin/curl\", \"-fsS\", \"-o\", \"/dev/null\", \"-H\", \"X-Refresh: 1\", \
             \"-H\", \"Accept-Encoding: identity\"] }}]\n",
            weed.base(),
            text(secret),
        ),
        listen: vec![format!("127.0.0.1:{origin}")],
        signer_lines: format!(
            "[issuer.crl]\nurl = \"{0}/pki/ca.crl\"\nkey = {1:?}\nafter_revocation = \"0s\"\n\
             [issuer.crl.delta]\nurl = \"{0}/pki/delta.crl\"\nafter_revocation = \"0s\"\n",
            cache.base(),
            ca.path("ca.key"),
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

fn get(url: &str, file: &Path) -> String {
    let mut curl = tool("curl");
    // nginx has a copy for each Accept-Encoding (Vary); this is the mirror's.
    let identity = ["-H", "Accept-Encoding: identity"];
    curl.args(identity);
    curl.args(["-fsS", "-D", "-", "-o", text(file), url]);
    run(&mut curl).expect(0).stdout
}

/// A round of a mirror that asks the cache for CRLs. Between a publication and the purge after it, the cache has
/// other octets than the manifest says, which the mirror does not take.
fn follow(site: &Site, manifest: &str, folder: &Path, key: &str) {
    let round = || {
        let options = ["--once", "--allow-private", "--from-urls"];
        site.run(
            &[
                &["mirror", manifest, text(folder), "--key", key],
                &options[..],
            ]
            .concat(),
        )
    };
    let mut done = round();
    for _ in 0..50 {
        if done.code != 5 {
            break;
        }
        done.says(&["octets"]);
        done = round();
    }
    done.expect(0);
}

#[test]
fn ten_revocations_reach_the_cache_the_store_and_the_mirror() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 30,
    }));
    let weed = Weed::start();
    let origin = free_port();
    let cache = Nginx::cache(origin);
    let site = Site::with(&ca, &Settings::default());
    let secret = site.path("secret");
    fs::write(&secret, SECRET_KEY).expect("the secret");
    site.configure(&settings(&ca, origin, &cache, &weed, &secret));
    site.import_index().expect(0);
    let server = site.serve_settled();
    let key = site.run(&["audit", "key"]).expect(0).stdout;
    let (mirrored, manifest) = (
        site.path("mirror"),
        format!("http://127.0.0.1:{origin}/crl/manifest.json"),
    );
    let url = format!("{}/pki/ca.crl", cache.base());
    let (cached, stored) = (site.path("cached.crl"), site.path("stored.crl"));

    let certificates = ca.certificates();
    let good = certificates
        .iter()
        .filter(|certificate| certificate.status == Status::Good);
    let serials: Vec<&str> = good.map(|good| good.serial.as_str()).take(10).collect();
    assert_eq!(serials.len(), 10);
    for serial in serials {
        site.run(&["revoke", serial, "--reason", "superseded"])
            .expect(0);
        let told = site.run(&["status", serial, "--json"]).expect(0).json();
        let entry = told["sequence"].as_u64().expect("an entry");
        server.wait_for(&format!("crl=full as_of={entry} "));
        let listing = fs::read(site.path("state/catalog/crl/listing.json")).expect("the listing");
        let listing: serde_json::Value = serde_json::from_slice(&listing).expect("JSON");
        let generation = listing["generation"].as_u64().expect("a number");
        server.wait_for(&format!("target=\"store\" generation={generation}"));

        // What was kept would still have been good for ten seconds.
        assert!(get(&url, &cached).contains("X-Cache: "));
        assert!(lists(&ca, &cached, serial), "the cache has {serial}");
        get(&format!("{}/crl/pki/ca.crl", weed.base()), &stored);
        assert!(lists(&ca, &stored, serial), "the store has {serial}");
        follow(&site, &manifest, &mirrored, key.trim());
        for name in ["ca.crl", "delta.crl"] {
            let crl = mirrored.join("pki").join(name);
            assert!(lists(&ca, &crl, serial), "the mirror's {name} has {serial}");
        }
        assert_eq!(
            fs::read(&cached).expect("a CRL"),
            fs::read(&stored).expect("a CRL")
        );
    }
    server.terminate().expect(0);
}
