//! Who is let in: credentials, certificates, TLS, and clients that are slow or send too much.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::api::small_ca;
use crate::common::push::{PushPki, Pusher, TOKEN, push_url, sha256_of};
use crate::common::tools::{python, run, run_with_input, text, tool};
use crate::common::{Settings, Site};

#[test]
fn without_a_known_credential_nobody_is_heard() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let site = pki.site(&ca);
    let server = site.serve();
    let entry = "[{\"serial\":\"0A\",\"status\":\"issued\"}]";
    for header in [
        "X-None: at all".to_owned(),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer wrong".to_owned(),
        format!("Authorization: Basic {TOKEN}"),
        format!("Authorization: Bearer {TOKEN}x"),
        format!("Authorization: Bearer {}", &TOKEN[1..]),
        // The hash is no credential.
        format!("Authorization: Bearer {}", sha256_of(TOKEN)),
    ] {
        let pusher = Pusher::with(&pki, &server, &["-H", &header]);
        let refused = pusher.push("k", entry);
        refused.is_problem(401, "unauthorized");
        assert!(
            refused.head.contains("www-authenticate: bearer"),
            "{}",
            refused.head
        );
        for path in ["/v1/status/ca/0A", "/v1/checkpoint"] {
            pusher.get(path).is_problem(401, "unauthorized");
        }
        pusher.get("/v1/health").expect(200);
        pusher.get("/v1/openapi.json").expect(200);
    }
    // Cheap, also for a body of megabytes, which is not read; and one line in the log, not one each.
    let pusher = Pusher::with(&pki, &server, &[]);
    let large = "x".repeat(20 << 20);
    pusher
        .push_lines("k", &large)
        .is_problem(401, "unauthorized");
    let lines = server.log();
    let said = lines
        .iter()
        .filter(|line| line.contains("no push client has this credential"));
    // One every ten seconds at the most.
    assert!((1..10).contains(&said.count()), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains(TOKEN)), "{lines:#?}");
    let pusher = Pusher::new(&pki, &server);
    assert_eq!(
        pusher.get("/v1/status/ca/0A").expect(200)["status"],
        "not_issued"
    );
    assert_eq!(pusher.push("k", entry).expect(200)["applied"], 1);
}

#[test]
fn a_client_certificate_has_to_be_known_in_date_and_of_the_clients_ca() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let tables = format!(
        "[[push.client]]\nname = \"by-certificate\"\nissuers = [\"ca\"]\ncertificate_sha256 = {:?}\n\
         [[push.client]]\nname = \"by-both\"\nissuers = [\"ca\"]\ntoken_sha256 = \"{}\"\n\
         certificate_sha256 = {:?}\n",
        pki.fingerprint("client.pem"),
        sha256_of("both"),
        [
            pki.fingerprint("client.pem"),
            pki.fingerprint("expired.pem")
        ]
    );
    let lines = format!("client_ca = {:?}", pki.path("clients-ca.pem"));
    let site = Site::with(&ca, &pki.settings(&lines, &tables));
    let server = site.serve();
    let certified = Pusher::with_certificate(&pki, &server, "client");
    assert_eq!(certified.push("k", "[]").expect(200)["applied"], 0);
    // Also without TLS 1.3, and not below 1.2.
    let versions =
        |pusher: &Pusher, version: &str| pusher.try_send("/v1/health", &["--tls-max", version], "");
    versions(&certified, "1.2").expect(0).says(&["\"ok\""]);
    assert_ne!(versions(&certified, "1.1").code, 0);

    let mut both = certified.clone();
    both.options
        .extend(["-H".to_owned(), "Authorization: Bearer both".to_owned()]);
    both.push("k", "[]").expect(200);
    let token_alone = Pusher::with(&pki, &server, &["-H", "Authorization: Bearer both"]);
    token_alone.push("k", "[]").is_problem(401, "unauthorized");

    // A certificate that is shown has to be a good one, whatever else is shown.
    for (name, why) in [
        ("expired", "certificate expired"),
        ("stranger", "unknown ca"),
    ] {
        let mut bad = Pusher::with_certificate(&pki, &server, name);
        bad.options
            .extend(["-H".to_owned(), format!("Authorization: Bearer {TOKEN}")]);
        let said = bad.try_send("/v1/entries", &["-d", "[]"], "");
        assert!(matches!(said.code, 35 | 55 | 56), "{name}: {said}");
        assert!(
            said.to_string().to_lowercase().contains(why),
            "{name}: {said}"
        );
    }
    server.wait_for("a TLS handshake with a push client failed");
    // And one that nothing asked for changes nothing.
    Pusher::new(&pki, &server).push("k", "[]").expect(200);
}

#[test]
fn the_servers_certificate_is_one_that_the_client_can_judge_and_plain_http_is_nothing() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let site = pki.site(&ca);
    let server = site.serve();
    let url = push_url(&server);
    let curl = |arguments: &[&str]| {
        run(tool("curl")
            .args(["-sS", "--max-time", "20"])
            .args(arguments))
    };
    // 60: the peer's certificate cannot be authenticated.
    curl(&[
        "--cacert",
        text(&pki.path("clients-ca.pem")),
        &format!("{url}/v1/health"),
    ])
    .expect(60);
    let plain = curl(&[
        "--http0.9",
        &format!("{}/v1/health", url.replace("https", "http")),
    ]);
    assert!(!plain.stdout.contains("ok"), "{plain}");
    server.wait_for("a TLS handshake with a push client failed");
    // HTTP/1.1 is agreed on, and nothing else.
    let address = url.trim_start_matches("https://");
    let alpn = |protocol: &str| {
        let mut command = tool("openssl");
        command.args(["s_client", "-connect", address, "-alpn", protocol]);
        run_with_input(&mut command, "").to_string()
    };
    assert!(alpn("http/1.1").contains("ALPN protocol: http/1.1"));
    assert!(
        alpn("h2").contains("no application protocol"),
        "{}",
        alpn("h2")
    );
}

/// A renewal by certbot or by hand: the file is replaced, and connections made from then on see it.
#[test]
fn a_renewed_certificate_is_served_without_a_restart_and_a_bad_one_never() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let site = Site::new(&ca);
    let folder = site.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    let copy = |from: &str| {
        for end in ["pem", "key"] {
            let new = file(&format!("new.{end}"));
            std::fs::copy(pki.path(&format!("{from}.{end}")), &new).unwrap();
            std::fs::rename(&new, file(&format!("tls.{end}"))).unwrap();
        }
    };
    copy("tls");
    let settings = pki.settings("", "");
    let folder_of_pki = text(&pki.path("")).trim_end_matches('/').to_owned();
    let top = settings.top.replace(&folder_of_pki, text(&folder));
    site.configure(&Settings { top, ..settings });
    let server = site.serve();
    let pusher = Pusher::new(&pki, &server);
    pusher.get("/v1/health").expect(200);

    std::fs::write(file("tls.pem"), "no certificate").unwrap();
    server.wait_for("it goes on with those it had");
    pusher.get("/v1/health").expect(200);

    pki.new_server("renewed");
    copy("renewed");
    server.wait_for("certificate was read again");
    // The old one is not trusted for the new, nor the other way round.
    let said = pusher.try_send("/v1/health", &[], "");
    said.expect(60);
    let renewed = text(&pki.path("renewed.pem")).to_owned();
    let options = ["--cacert", &renewed];
    pusher
        .try_send("/v1/health", &options, "")
        .expect(0)
        .says(&["\"ok\""]);

    // What cannot be used stops a start, and is named.
    server.terminate().expect(0);
    std::fs::copy(pki.path("tls.key"), file("tls.key")).unwrap();
    site.start_fails(site.command(&["serve"]))
        .expect(4)
        .says(&["tls.pem", "tls.key"]);
    std::fs::remove_file(file("tls.key")).unwrap();
    site.start_fails(site.command(&["serve"]))
        .expect(4)
        .says(&["tls.key"]);
}

#[test]
fn who_is_slow_or_sends_too_much_is_cut_off() {
    let (ca, pki) = (small_ca(), PushPki::get());
    let lines = "header_timeout = \"1s\"\nbody_timeout = \"1s\"\nidle_timeout = \"1s\"\n\
                 body_octets = 100000\nconnections = 4";
    let site = Site::with(&ca, &pki.settings(lines, ""));
    let server = site.serve();
    let pusher = Pusher::new(&pki, &server);
    let address = push_url(&server).replace("https://", "");

    // A body that is announced as too long, one that turns out to be, and one that never comes.
    let large = " ".repeat(200_000);
    pusher.push("k", &large).is_problem(413, "body_too_large");
    let chunked = [
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        "Idempotency-Key: k",
        "-H",
    ];
    let chunked = [
        &chunked[..],
        &["Content-Type: application/json", "--data-binary", "@-"],
    ]
    .concat();
    pusher
        .send("/v1/entries", &chunked, &large)
        .is_problem(413, "body_too_large");
    let asked = format!(
        "POST /v1/entries HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: 10\r\n\r\n["
    );
    // No handshake, half a head, half a body, nothing after an answer: each is ended by the server.
    let mut silent = TcpStream::connect(&address).unwrap();
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    silent.write_all(&[0x16, 3, 1]).unwrap();
    assert_eq!(silent.read(&mut [0; 100]).unwrap_or(0), 0);
    for (sent, expected) in [
        ("GET /v1/health HTTP/1.1\r\nHost: ", ""),
        (&*asked, "body_timeout"),
        ("GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", "\"ok\""),
    ] {
        let mut command = python();
        command.args([
            "-c",
            include_str!("slow.py"),
            &address,
            text(&pki.path("tls.pem")),
            sent,
        ]);
        let said = run(&mut command).expect(0);
        assert!(said.stdout.contains(expected), "{sent}: {said}");
    }

    // More connections than there may be: one is closed as soon as it is accepted.
    let mut held: Vec<TcpStream> = (0..5)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    server.wait_for("all [push] connections are in use");
    let last = held.last_mut().expect("five");
    last.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(last.read(&mut [0; 100]).unwrap_or(0), 0);
    drop(held);
    server.terminate().expect(0);
}
