//! A client's batches as a feed of its issuer: fresh while they come, stale when they do not.

use super::api::small_ca;
use crate::common::push::{PushPki, Pusher};
use crate::common::{Answer, Hash, Settings, Site};

#[test]
fn an_issuer_whose_client_is_silent_goes_stale_and_an_empty_batch_ends_it() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let issuer = "when_stale = \"try_later\"".to_owned();
    let signer_lines =
        "[[issuer.feed]]\nkind = \"push\"\nclient = \"ca-1\"\nstale_after = \"2s\"".to_owned();
    let site = Site::with(
        &ca,
        &Settings {
            issuer,
            signer_lines,
            ..pki.settings("", "")
        },
    );
    let server = site.serve();
    let pusher = Pusher::new(&pki, &server);
    let feed = || {
        let stats = site.run(&["stats", "--json"]).expect(0).json();
        stats["authority"]["issuers"][0]["feeds"][0].clone()
    };
    pusher
        .push(
            "k",
            "[{\"serial\":\"0A\",\"status\":\"issued\"},{\"serial\":\"\",\"status\":\"issued\"}]",
        )
        .expect(200);
    let told = feed();
    assert_eq!(
        (&told["name"], &told["kind"]),
        (&"push".into(), &"push".into()),
        "{told}"
    );
    assert_eq!(told["applied"], 1, "{told}");
    server.wait_for("stale");
    let answer = Answer::of(&server.ask(Hash::Sha1, "0A"));
    assert!(
        matches!(answer, Answer::Error(3)),
        "tryLater, not {answer:?}"
    );
    pusher.push("heartbeat", "[]").expect(200);
    server.wait_for("fresh again");
    let answer = Answer::of(&server.ask(Hash::Sha1, "0A"));
    answer.single();
}
