//! Once, twice, with the other commands, and to the end.

use crate::common::answer::Answer;
use crate::common::tools::{read_text, run, text, tool};
use crate::common::{Demo, Hash, Server, Status};

#[test]
fn run_again_it_serves_what_is_there() {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "300"]);
    let address = server.address();
    let first = demo.description();
    assert_eq!(demo.address(), address, "the free port is recorded");
    server.terminate().expect(0);
    assert_eq!(demo.description(), first, "the description stays");

    // The same words again; port 0 is the recorded port now.
    let server = demo.serve(&["--certs", "300"]);
    assert_eq!(server.address(), address);
    assert_eq!(
        demo.description(),
        first,
        "what the ledger says is what was planned"
    );
    server.terminate().expect(0);
    let server = demo.serve(&["--listen", &address.to_string()]);
    assert_eq!(server.address(), address);
    server.interrupt().expect(0);

    for (options, words) in [
        (
            &["--certs", "301"][..],
            &["300 certificates", "--certs"][..],
        ),
        (&["--key-type", "ed25519"], &["ec-p256", "--key-type"]),
        (
            &["--listen", "127.0.0.1:1"],
            &["--listen", "certificates that name"],
        ),
        (&["--listen", "0.0.0.0:0"], &["--listen"]),
    ] {
        run(&mut demo.command(options)).expect(2).says(words);
    }
    assert_eq!(demo.description(), first, "a refusal changes nothing");
}

#[test]
fn what_changed_meanwhile_is_described_when_it_runs_again() {
    let demo = Demo::built(&["--certs", "60"]);
    let first = demo.issuers().remove(0);
    let person = first.certs()[0].clone();
    assert_eq!(person["name"], "person");
    let file = demo.file(&person["cert"]);
    let time = ["--revocation-time", "2026-02-03T04:05:06Z"];
    let revoke = ["revoke", text(&file), "--reason", "superseded"];
    demo.estelam(&[&revoke[..], &time].concat()).expect(0);

    run(demo.command(&[]).arg("--once")).expect(0);
    let first = demo.issuers().remove(0);
    let serial = person["serial"].as_str().unwrap().to_owned();
    let status = Status::Revoked {
        time: "20260203040506Z".to_owned(),
        reason: Some(4),
    };
    assert_eq!(first.certs()[0]["expected"], "revoked");
    assert_eq!(first.certs()[0]["reason"], "superseded");
    assert!(first.inventory.contains(&(serial, status)));
    assert_eq!(first.inventory.len(), 16 + 3 + 1);
}

#[test]
fn built_once_it_is_served_by_an_ordinary_server() {
    let demo = Demo::built(&["--certs", "60"]);
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_estelam"));
    serve
        .args(["serve", "--config"])
        .arg(demo.path("estelam.toml"));
    let server = Server::start(serve, None, 1).expect("the server starts");
    assert_eq!(server.address(), demo.address());
    let stats = demo.estelam(&["stats", "--json"]).expect(0).json();
    assert_eq!(
        stats["authority"]["shards_signed"], 0,
        "nothing was left to sign"
    );
    let first = demo.issuers().remove(0);
    let request = first.request(Hash::Sha256, &first.inventory[0].0);
    let reply = server.connect().post("/ocsp", &request);
    assert_eq!(
        Answer::of(&reply.body).single().status,
        first.inventory[0].1
    );
    server.terminate().expect(0);
}

#[test]
fn every_other_command_works_on_it_while_it_runs_and_after() {
    let demo = Demo::place();
    let server = demo.serve(&["--certs", "60"]);
    demo.estelam(&["check"]).expect(0);
    let index = demo.around().join("index.txt");
    std::fs::write(
        &index,
        "R\t400101000000Z\t260105120000Z,keyCompromise\t0ABC\tunknown\t/CN=elsewhere\n",
    )
    .unwrap();
    let import = ["import", "index", text(&index), "--issuer", "treasury"];
    demo.estelam(&import).expect(0).says(&["imported"]);
    let treasury = demo.issuers().remove(2);
    assert_eq!(treasury.name(), "treasury");
    let request = treasury.request(Hash::Sha1, "0ABC");
    let answer = Answer::of(&server.connect().post("/ocsp", &request).body);
    assert!(matches!(
        answer.single().status,
        Status::Revoked {
            reason: Some(1),
            ..
        }
    ));
    server.terminate().expect(0);

    demo.estelam(&import).expect(0);
    let held = demo.path("health/person.pem");
    demo.estelam(&["hold", text(&held)]).expect(0);
    demo.estelam(&["status", text(&held)])
        .expect(0)
        .says(&["certificateHold"]);
    demo.estelam(&["release", text(&held)]).expect(0);
}

#[test]
fn a_certificate_issued_from_it_has_its_status_at_once() {
    let demo = Demo::place();
    let mut server = Some(demo.serve(&["--certs", "40"]));
    for name in ["web", "later"] {
        let file = |ending: &str| demo.around().join(format!("{name}.{ending}"));
        let (key, request, certificate) = (file("key"), file("csr"), file("pem"));
        let mut req = tool("openssl");
        req.args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        req.args(["-nodes", "-keyout", text(&key), "-out", text(&request)]);
        req.args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ]);
        run(&mut req).expect(0);
        let issue = [
            "ca",
            "issue",
            "--issuer",
            "justice",
            "--profile",
            "tls-server",
        ];
        let files = ["--csr", text(&request), "--out", text(&certificate)];
        demo.estelam(&[&issue[..], &files].concat()).expect(0);
        let mut verify = tool("openssl");
        verify.args(["verify", "-CAfile", text(&demo.path("root.pem"))]);
        verify.args(["-untrusted", text(&demo.path("intermediates.pem"))]);
        run(verify.arg(&certificate)).expect(0);
        if let Some(server) = server.take() {
            let mut ask = tool("openssl");
            ask.args(["ocsp", "-no_nonce", "-url", &server.url()]);
            ask.args(["-issuer", text(&demo.path("justice/ca.pem"))]);
            ask.args(["-cert", text(&certificate)]);
            ask.args(["-CAfile", text(&demo.path("root.pem"))]);
            run(&mut ask)
                .expect(0)
                .says(&["Response verify OK", "web.pem: good"]);
            server.terminate().expect(0);
        }
    }
}

#[test]
fn it_answers_while_commands_wait_for_it_to_start() {
    let demo = Demo::built(&["--certs", "40"]);
    // A command that meets a starting server finds the ledger in use and nobody to ask yet.
    let server = std::thread::scope(|scope| {
        let commands: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| demo.estelam(&["status", "01", "--issuer", "health"])))
            .collect();
        let server = demo.serve(&[]);
        for command in commands {
            command.join().unwrap().expect(0);
        }
        server
    });
    server.terminate().expect(0);
}

#[test]
fn all_addresses_are_named_by_the_loopback() {
    let demo = Demo::built(&["--certs", "40", "--listen", "0.0.0.0:0"]);
    let url = demo.description()["ocsp_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let config = read_text(&demo.path("estelam.toml"));
    assert!(config.contains("address = \"0.0.0.0:"), "{config}");
}

#[test]
fn tls_and_documents_work_with_its_keys() {
    let demo = Demo::built(&["--certs", "40"]);
    let file = |name: &str| text(&demo.path(name)).to_owned();
    // A signature in CMS, verified up to the root.
    let document = demo.around().join("document.txt");
    std::fs::write(&document, "سند").unwrap();
    let signed = demo.around().join("document.p7s");
    let mut sign = tool("openssl");
    sign.args(["cms", "-sign", "-binary", "-nodetach", "-outform", "DER"]);
    sign.args(["-in", text(&document), "-out", text(&signed)]);
    sign.args(["-signer", &file("civil-registry/person.pem")]);
    sign.args(["-inkey", &file("civil-registry/person.key")]);
    run(sign.args(["-certfile", &file("intermediates.pem")])).expect(0);
    let mut verify = tool("openssl");
    verify.args(["cms", "-verify", "-inform", "DER", "-in", text(&signed)]);
    verify.args(["-CAfile", &file("root.pem"), "-purpose", "any"]);
    run(&mut verify).expect(0);

    for (name, purpose) in [
        ("tls-server", "sslserver"),
        ("tls-client", "sslclient"),
        ("timestamping", "timestampsign"),
    ] {
        let mut command = tool("openssl");
        command.args(["verify", "-purpose", purpose, "-CAfile", &file("root.pem")]);
        command.args(["-untrusted", &file("intermediates.pem")]);
        run(command.arg(file(&format!("civil-registry/{name}.pem")))).expect(0);
    }
}
