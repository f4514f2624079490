//! All certificates of an issuer are revoked at once, and nobody else's.
//!
//! A root and four issuers under it: the one that is revoked, one with its key under another name, one
//! with its name and another key, and one that has nothing in common with it but its serial numbers.
//! OpenSSL makes them all, and asks.

use std::path::PathBuf;
use std::process::Command;

use crate::common::judge::status_by_openssl;
use crate::common::tools::{Finished, run, run_with_input, text, tool};
use crate::common::{SHARED, Server, Site, Status};

const ISSUERS: [&str; 4] = ["issuer", "same-key", "same-name", "stranger"];

/// The certificates of each issuer: good, good, on hold, revoked.
const INDEX: &str = "\
    V\t361119031722Z\t\t01\tunknown\t/CN=a\n\
    V\t361119031722Z\t\t02\tunknown\t/CN=b\n\
    R\t361119031722Z\t260105120000Z,certificateHold\t03\tunknown\t/CN=c\n\
    R\t361119031722Z\t260105120000Z,superseded\t04\tunknown\t/CN=d\n";

const SERIALS: [&str; 4] = ["01", "02", "03", "04"];

const SUPERSEDED: (&str, u8) = ("20260105120000Z", 4);
const ON_HOLD: (&str, u8) = ("20260105120000Z", 6);
const TIME: &str = "2026-02-03T04:05:06Z";
const AT: &str = "20260203040506Z";

fn revoked((time, reason): (&str, u8)) -> Status {
    Status::Revoked {
        time: time.to_owned(),
        reason: Some(reason),
    }
}

/// What clients are told of an issuer's certificates by their own records.
fn untouched(serial: &str) -> Status {
    match serial {
        "03" => revoked(ON_HOLD),
        "04" => revoked(SUPERSEDED),
        _ => Status::Good,
    }
}

/// What they are told after the issuer was revoked for its key.
fn touched(serial: &str) -> Status {
    match serial {
        "04" => revoked(SUPERSEDED),
        _ => revoked((AT, 1)),
    }
}

struct World {
    site: Site,
}

impl World {
    /// The issuers, their certificates imported.
    fn new() -> Self {
        let world = Self {
            site: Site::new(&SHARED.get()),
        };
        for name in ["root", "issuer", "same-name", "stranger"] {
            world.openssl(&format!(
                "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
            ));
        }
        std::fs::write(
            world.site.path("ca.cnf"),
            "basicConstraints=critical,CA:TRUE\n\
             keyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n",
        )
        .unwrap();
        world.openssl("req -new -key root.key -subj /CN=Root -out root.csr");
        world.openssl(
            "x509 -req -in root.csr -signkey root.key -set_serial 1 -days 900 -extfile ca.cnf \
             -out root.pem",
        );
        for (name, key, subject, serial) in [
            ("issuer", "issuer", "Issuer", "0x1001"),
            ("same-key", "issuer", "Other", "0x1002"),
            ("same-name", "same-name", "Issuer", "0x1003"),
            ("stranger", "stranger", "Stranger", "0x1004"),
        ] {
            world.openssl(&format!(
                "req -new -key {key}.key -subj /CN={subject} -out {name}.csr"
            ));
            world.openssl(&format!(
                "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -set_serial {serial} -days 800 \
                 -extfile ca.cnf -out {name}.pem"
            ));
        }
        world.configure(&["root", "issuer", "same-key", "same-name", "stranger"], "");
        for name in ISSUERS {
            world.import(name, INDEX).expect(0);
        }
        let of_root: String = (1..=4)
            .map(|number| format!("V\t361119031722Z\t\t100{number}\tunknown\t/CN={number}\n"))
            .collect();
        world.import("root", &of_root).expect(0);
        world
    }

    #[track_caller]
    fn openssl(&self, arguments: &str) {
        let mut command = tool("openssl");
        command.args(arguments.split_whitespace());
        run(command.current_dir(self.site.path(""))).expect(0);
    }

    /// These issuers, each with its own key, or with one of another name that is not there.
    fn configure(&self, issuers: &[&str], key_suffix: &str) {
        let mut config = "[[listen]]\naddress = \"127.0.0.1:0\"\n".to_owned();
        for name in issuers {
            let key = if *name == "same-key" { "issuer" } else { name };
            config.push_str(&format!(
                "[[issuer]]\nname = {name:?}\ncertificate = {:?}\n[[issuer.signer]]\n\
                 certificate = {:?}\nkey = {:?}\n",
                self.file(&format!("{name}.pem")),
                self.file(&format!("{name}.pem")),
                self.file(&format!("{key}.key{key_suffix}")),
            ));
        }
        std::fs::write(self.site.path("estelam.toml"), config).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    fn import(&self, issuer: &str, index: &str) -> Finished {
        let file = self.file("index.txt");
        std::fs::write(&file, index).unwrap();
        self.site
            .run(&["import", "index", text(&file), "--issuer", issuer])
    }

    /// Revokes all of "issuer" for its key.
    #[track_caller]
    fn revoke_all(&self, more: &[&str]) -> Finished {
        let arguments = [&REVOKE_ALL[..], more].concat();
        self.site.run(&arguments)
    }

    /// What OpenSSL is told, or the words of the error.
    fn ask(&self, server: &Server, issuer: &str, serial: &str) -> Result<Status, String> {
        let mut command = tool("openssl");
        let issuer = self.file(&format!("{issuer}.pem"));
        let root = self.file("root.pem");
        command.args(["ocsp", "-url", &server.url(), "-issuer", text(&issuer)]);
        command.args(["-serial", &format!("0x{serial}"), "-no_nonce", "-CAfile"]);
        command.args([text(&root), "-no-CApath", "-no-CAstore"]);
        let said = run(&mut command);
        if said.code == 0 && said.stderr.contains("Response verify OK") {
            Ok(status_by_openssl(&said.stdout))
        } else {
            Err(format!("{}{}", said.stdout, said.stderr))
        }
    }

    #[track_caller]
    fn all_are(&self, server: &Server, issuer: &str, expected: fn(&str) -> Status) {
        for serial in SERIALS {
            let told = self.ask(server, issuer, serial);
            assert_eq!(told, Ok(expected(serial)), "{issuer} {serial}");
        }
    }

    /// Only the one that was meant, and its own certificate, are revoked.
    #[track_caller]
    fn only_the_issuer_is_revoked(&self, server: &Server) {
        self.all_are(server, "issuer", touched);
        for other in ["same-key", "same-name", "stranger"] {
            self.all_are(server, other, untouched);
        }
        let own = self.ask(server, "root", "1001");
        assert_eq!(own, Ok(revoked((AT, 2))), "a key of a CA is a CA's");
        for serial in ["1002", "1003", "1004"] {
            assert_eq!(self.ask(server, "root", serial), Ok(Status::Good));
        }
    }
}

const REVOKE_ALL: [&str; 8] = [
    "revoke",
    "--issuer",
    "issuer",
    "--all",
    "--reason",
    "keyCompromise",
    "--revocation-time",
    TIME,
];

#[test]
fn one_act_revokes_them_all_at_once_and_nobody_elses() {
    let world = World::new();
    let server = world.site.serve_settled();
    world.all_are(&server, "issuer", untouched);

    // Without a terminal and --yes it tells, and changes nothing.
    let preview = [
        "2  good",
        "1  on hold",
        "1  revoked already",
        "serial 1001 of \"root\", is revoked with them",
        "cannot be undone",
        "--yes",
    ];
    world.revoke_all(&[]).expect(2).says(&preview);
    let told = world.revoke_all(&["--json"]).expect(2).json();
    assert_eq!(
        (&told["good"], &told["on_hold"], &told["revoked"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(told["ca_certificate"]["state"], "good");
    assert_eq!(told["ca_certificate"]["parent"], "root");
    assert!(told["revoked_as_a_whole"].is_null(), "{told}");
    world.all_are(&server, "issuer", untouched);
    assert_eq!(world.ask(&server, "root", "1001"), Ok(Status::Good));

    let told = world.revoke_all(&["--yes", "--json"]).expect(0).json();
    world.only_the_issuer_is_revoked(&server);
    assert_eq!(told["outcome"], "applied");
    assert_eq!(told["visible"], "now");
    assert_eq!(told["ca_certificate_revoked"], true);
    assert_eq!(told["ca_certificate"]["state"], "revoked");
    let entry = told["revoked_as_a_whole"]["sequence"].clone();

    // What was not issued is still not known, and what comes later is revoked.
    let unknown = world.ask(&server, "issuer", "77").unwrap_err();
    assert!(unknown.contains("unauthorized"), "{unknown}");
    let later = format!("{INDEX}V\t361119031722Z\t\t77\tunknown\t/CN=later\n");
    let later = later.replace(
        "R\t361119031722Z\t260105120000Z,certificateHold\t03\tunknown\t/CN=c\n",
        "",
    );
    world.import("issuer", &later).expect(0);
    assert_eq!(world.ask(&server, "issuer", "77"), Ok(revoked((AT, 1))));

    // Nothing undoes or alters it.
    let of_issuer = |words: &[&str]| {
        let arguments = [words, &["--issuer", "issuer"]].concat();
        world.site.run(&arguments)
    };
    for serial in ["01", "03"] {
        of_issuer(&["release", serial])
            .expect(7)
            .says(&["already revoked", "keyCompromise"]);
        of_issuer(&["revoke", serial, "--reason", "superseded"]).expect(7);
        of_issuer(&["hold", serial]).expect(7);
    }
    of_issuer(&["release", "04"])
        .expect(7)
        .says(&["superseded"]);
    world
        .revoke_all(&["--yes"])
        .expect(0)
        .says(&["nothing to change"]);
    let otherwise = [
        "revoke",
        "--issuer",
        "issuer",
        "--all",
        "--yes",
        "--reason",
        "superseded",
    ];
    world
        .site
        .run(&otherwise)
        .expect(7)
        .says(&["keyCompromise"]);
    let again = [
        "revoke",
        "--issuer",
        "issuer",
        "--all",
        "--yes",
        "--reason",
        "keyCompromise",
    ];
    world.site.run(&again).expect(0);

    // It is told where one looks.
    let status = of_issuer(&["status", "02", "--json"]).expect(0).json();
    assert_eq!(status["status"], "revoked");
    assert_eq!(status["revoked_with_issuer"], entry);
    of_issuer(&["status", "02"]).says(&["all certificates of its issuer"]);
    let own = of_issuer(&["status", "04", "--json"]).expect(0).json();
    assert!(own["revoked_with_issuer"].is_null(), "{own}");
    let stats = world.site.run(&["stats", "--json"]).expect(0).json();
    let issuers = stats["authority"]["issuers"].as_array().unwrap();
    for issuer in issuers {
        let expected = issuer["name"] == "issuer";
        assert_eq!(issuer["revoked_as_a_whole"].is_object(), expected);
    }
    world
        .site
        .run(&["stats"])
        .says(&["revoked as a whole since 2026-02-03"]);

    // Signed again, killed, and started again.
    server.wait_for("shard signed");
    world.site.settle();
    world.only_the_issuer_is_revoked(&server);
    server.kill();
    let server = world.site.serve();
    world.only_the_issuer_is_revoked(&server);
    assert_eq!(world.ask(&server, "issuer", "77"), Ok(revoked((AT, 1))));
}

#[test]
fn it_works_without_a_server_and_holds_without_a_key() {
    let world = World::new();
    world.site.serve_settled().terminate().expect(0);
    let told = world.revoke_all(&["--yes"]).expect(0);
    told.says(&[
        "no server runs",
        "2026-02-03",
        "3 of them",
        "1 had been revoked",
    ]);

    // What was signed before is not said any more, and what is true of it still is.
    world.configure(&["root", "issuer", "stranger"], ".gone");
    let server = world.site.serve();
    for serial in ["01", "02", "03"] {
        let told = world.ask(&server, "issuer", serial).unwrap_err();
        assert!(told.contains("trylater"), "{told}");
    }
    world.all_are(&server, "stranger", untouched);
    let own = world.ask(&server, "root", "1001").unwrap_err();
    assert!(own.contains("trylater"), "{own}");
    server.terminate().expect(0);

    world.configure(&["root", "issuer", "same-key", "same-name", "stranger"], "");
    let server = world.site.serve();
    world.only_the_issuer_is_revoked(&server);
}

#[test]
fn without_its_key_a_running_server_says_try_later_and_never_good() {
    let world = World::new();
    world.site.serve_settled().terminate().expect(0);
    world.configure(&["root", "issuer", "stranger"], ".gone");
    let server = world.site.serve();
    world.all_are(&server, "issuer", untouched);
    world.revoke_all(&["--yes"]).expect(0);
    for serial in ["01", "02", "03"] {
        let told = world.ask(&server, "issuer", serial).unwrap_err();
        assert!(told.contains("trylater"), "{serial}: {told}");
    }
    // Revoked for good before: the signed answer is as true as it was.
    assert_eq!(world.ask(&server, "issuer", "04"), Ok(touched("04")));
    world.all_are(&server, "stranger", untouched);
}

#[test]
fn revoking_an_issuers_certificate_says_what_stands_under_it() {
    let world = World::new();
    let server = world.site.serve_settled();
    let certificate = world.file("issuer.pem");
    let arguments = ["revoke", text(&certificate), "--reason", "cACompromise"];
    let arguments = [&arguments[..], &["--revocation-time", TIME]].concat();
    let said = world.site.run(&arguments).expect(0);
    let own = world.ask(&server, "root", "1001");
    assert_eq!(
        own,
        Ok(revoked((AT, 2))),
        "the parent's answer follows at once"
    );
    world.all_are(&server, "issuer", untouched);
    let said = said.says(&["certificate of issuer \"issuer\"", "3 certificates"]);
    let json = world.site.run(&[&arguments[..], &["--json"]].concat());
    let json = json.expect(0).json();
    assert_eq!(json["issuer_below"]["issuer"], "issuer");
    assert_eq!(json["issuer_below"]["on_hold"], 1);

    // The printed command works as it is.
    let printed = said.stdout.lines().find(|line| line.contains("--all"));
    let printed = printed.expect("a command").trim().strip_prefix("estelam ");
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_estelam");
    command.args(["-c", &format!("{program} {} --yes", printed.unwrap())]);
    run(&mut command).expect(0).says(&["is revoked already"]);
    let told = world.ask(&server, "issuer", "01");
    assert!(
        matches!(
            told,
            Ok(Status::Revoked {
                reason: Some(2),
                ..
            })
        ),
        "{told:?}"
    );
    // A certificate that is no issuer's says nothing of one.
    let other = world
        .site
        .run(&["revoke", "02", "--issuer", "stranger", "--json"]);
    assert!(other.expect(0).json()["issuer_below"].is_null());
}

#[test]
fn a_terminal_is_asked_for_the_issuers_name() {
    let world = World::new();
    let on_terminal = |typed: &str| {
        let program = env!("CARGO_BIN_EXE_estelam");
        let words = REVOKE_ALL.join(" ");
        let config = world.file("estelam.toml");
        let mut command = Command::new("script");
        command.args([
            "-qec",
            &format!("{program} {words} --config {}", text(&config)),
        ]);
        command.arg("/dev/null");
        run_with_input(&mut command, typed)
    };
    let status = || {
        let arguments = ["status", "01", "--issuer", "issuer", "--json"];
        world.site.run(&arguments).expect(0).json()["status"].clone()
    };
    on_terminal("stranger\n").expect(2).says(&[
        "cannot be undone",
        "(issuer)",
        "not the issuer's name",
    ]);
    on_terminal("\n").expect(2);
    assert_eq!(status(), "good");
    on_terminal("issuer\n").expect(0).says(&["recorded"]);
    assert_eq!(status(), "revoked");
}

#[test]
fn the_issuers_own_certificate_can_be_left_and_is_named_where_it_is_not_ours() {
    let world = World::new();
    let keep = ["--keep-ca-certificate"];
    world.revoke_all(&keep).expect(2).says(&["stays as it is"]);
    let told = world.revoke_all(&["--keep-ca-certificate", "--yes"]);
    told.expect(0).says(&["stays as it is"]);
    let own = ["status", "1001", "--issuer", "root", "--json"];
    assert_eq!(world.site.run(&own).json()["status"], "good");
    // Said again without it, the certificate follows.
    world
        .revoke_all(&["--yes"])
        .expect(0)
        .says(&["was revoked with them"]);
    assert_eq!(world.site.run(&own).json()["status"], "revoked");

    let all_of = |name, more: &[&str]| {
        let words = [
            "revoke",
            "--all",
            "--reason",
            "superseded",
            "--issuer",
            name,
        ];
        world.site.run(&[&words[..], more].concat())
    };
    all_of("root", &[]).expect(2).says(&["is a root"]);
    world.configure(&["stranger"], "");
    all_of("stranger", &[])
        .expect(2)
        .says(&["not configured here"]);
    world.configure(&["root", "stranger"], "");
    all_of("stranger", &["--yes"]).expect(0).says(&["1004"]);
    // All of the root's, the other issuers' certificates among them.
    all_of("root", &["--yes"]).expect(0);
    for serial in ["1002", "1003"] {
        let own = ["status", serial, "--issuer", "root", "--json"];
        assert!(world.site.run(&own).json()["revoked_with_issuer"].is_u64());
    }
}

#[test]
fn a_command_line_that_is_not_clear_changes_nothing() {
    let world = World::new();
    for (arguments, words) in [
        (
            &["revoke", "--all", "--reason", "superseded", "--yes"][..],
            "--issuer",
        ),
        (
            &["revoke", "--all", "--issuer", "issuer", "--yes"],
            "--reason",
        ),
        (
            &[
                "revoke",
                "01",
                "--all",
                "--issuer",
                "issuer",
                "--reason",
                "superseded",
            ],
            "--all",
        ),
        (&["revoke", "01", "--issuer", "issuer", "--yes"], "--all"),
        (
            &[
                "revoke",
                "01",
                "--issuer",
                "issuer",
                "--keep-ca-certificate",
            ],
            "--all",
        ),
        (
            &[
                "revoke",
                "--all",
                "--issuer",
                "issuer",
                "--reason",
                "certificateHold",
                "--yes",
            ],
            "for good",
        ),
        (
            &[
                "revoke", "--all", "--issuer", "issuer", "--reason", "boredom", "--yes",
            ],
            "boredom",
        ),
        (
            &[
                "revoke",
                "--all",
                "--issuer",
                "nobody",
                "--reason",
                "superseded",
                "--yes",
            ],
            "nobody",
        ),
        (
            &[
                "revoke",
                "--all",
                "--issuer",
                "issuer",
                "--reason",
                "superseded",
                "--yes",
                "--revocation-time",
                "yesterday",
            ],
            "yesterday",
        ),
    ] {
        world.site.run(arguments).expect(2).says(&[words]);
    }
    let ahead = [
        "revoke",
        "--all",
        "--issuer",
        "issuer",
        "--reason",
        "superseded",
        "--yes",
        "--revocation-time",
        "2036-01-01T00:00:00Z",
    ];
    world.site.run(&ahead).expect(7).says(&["ahead"]);
    let status = world
        .site
        .run(&["status", "01", "--issuer", "issuer", "--json"]);
    assert_eq!(status.expect(0).json()["status"], "good");
}
