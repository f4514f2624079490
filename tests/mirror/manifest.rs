//! Manifests, judged by others' libraries.

use std::fs;

use estelam::publish::Manifest;

use crate::authority::Authority;
use crate::common::tools::{python, run, run_with_input, text, tool};

#[test]
fn others_verify_it_and_what_they_sign_is_read() {
    let mut authority = Authority::new("http://crl.example/crl");
    authority.publish();
    let listing = authority.publish();
    let folder = authority.folder.path();
    let mut command = python();
    command.args([
        "-c",
        include_str!("manifest.py"),
        "verify",
        &authority.vkey(),
    ]);
    for (number, document) in listing.documents.iter().enumerate() {
        let path = folder.join(format!("{number}.json"));
        fs::write(&path, &document.text).unwrap();
        command.arg(path);
    }
    let told = run(&mut command).expect(0).json();
    let [all, one] = told.as_array().unwrap().as_slice() else {
        panic!("two: {told}");
    };
    assert_eq!(
        (&all["issuer"], &one["issuer"]),
        (&serde_json::Value::Null, &"ca".into())
    );
    for manifest in [all, one] {
        assert_eq!(manifest["generation"], 2);
        let crls = manifest["crls"].as_array().unwrap();
        let kinds: Vec<_> = crls.iter().map(|crl| &crl["kind"]).collect();
        assert_eq!(kinds, ["full", "delta"]);
        assert_eq!(crls[1]["base"], crls[0]["number"]);
        assert_eq!(crls[1]["number"], 2);
    }

    // What they sign, in their own spelling, is read here.
    let payload = serde_json::to_string(all).unwrap();
    let mut command = python();
    command.args(["-c", include_str!("manifest.py"), "sign"]);
    command.args([text(&folder.join("ledger.key")), "va.example/log"]);
    let signed = run_with_input(&mut command, &payload).expect(0).stdout;
    let read = Manifest::verified(signed.as_bytes(), &authority.key.verifier()).unwrap();
    assert_eq!(read.crls, listing.editions);

    // By hand, as docs/MIRRORS.md says.
    let script = r#"
        set -e
        jq -j '.protected + "." + .payload' 0.json > signed
        jq -r .signature 0.json | tr _- /+ | awk '{ while (length($0) % 4) $0 = $0 "="; print }' | base64 -d > signature
        { printf '\060\052\060\005\006\003\053\145\160\003\041\000'
          printf %s "$KEY" | base64 -d | tail -c 32; } > key.der
        openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature
        jq -r '.payload | fromjson | .crls[] | "\(.sha256)  \(.url)"' 0.json
    "#;
    let mut command = tool("bash");
    command.args(["-c", script]).current_dir(folder);
    let vkey = authority.vkey();
    command.env("KEY", vkey.splitn(3, '+').nth(2).unwrap());
    let told = run(&mut command).expect(0);
    told.says(&["Verified Successfully", &listing.editions[0].sha256]);
}
