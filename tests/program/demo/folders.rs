//! Folders that are not empty, not ours, half there or being built; ports that are taken; kill -9.

use std::fs;
use std::net::TcpListener;

use crate::common::tools::{run, text};
use crate::common::{Demo, Mounts};

#[test]
fn what_is_not_a_demo_is_left_alone() {
    let demo = Demo::place();
    let refused = |words: &[&str]| {
        run(&mut demo.command(&["--certs", "40", "--once"]))
            .expect(2)
            .says(words);
    };
    fs::create_dir(demo.dir()).unwrap();
    fs::write(demo.path("thesis.txt"), "precious").unwrap();
    refused(&["demo is not empty", "thesis.txt", "--dir"]);
    assert_eq!(fs::read_dir(demo.dir()).unwrap().count(), 1);

    fs::remove_file(demo.path("thesis.txt")).unwrap();
    // Somebody's own installation is no demo.
    fs::write(demo.path("estelam.toml"), "").unwrap();
    refused(&["estelam.toml", "no demo"]);
    fs::remove_dir_all(demo.dir()).unwrap();
    fs::write(demo.dir(), "a file").unwrap();
    refused(&["not a folder", "--dir"]);
    assert_eq!(demo.beside(), Vec::<String>::new());
}

#[test]
fn an_empty_folder_is_taken_but_not_the_one_we_stand_in() {
    let demo = Demo::place();
    run(demo
        .command(&["--certs", "40", "--once", "--dir", "."])
        .current_dir(demo.around()))
    .expect(2)
    .says(&["working folder", "--dir"]);
    fs::create_dir(demo.dir()).unwrap();
    run(&mut demo.command(&["--certs", "40", "--once"])).expect(0);
    // A demo can be run from within.
    run(demo
        .command(&["--once", "--dir", "."])
        .current_dir(demo.dir()))
    .expect(0);
    let deep = demo.around().join("a/b/c");
    run(&mut demo.command(&["--certs", "40", "--once", "--dir", text(&deep)])).expect(0);
    assert!(deep.join("demo.json").exists());
}

#[test]
fn a_demo_from_which_something_is_missing_says_what() {
    let demo = Demo::built(&["--certs", "40"]);
    let again = || run(&mut demo.command(&["--once"]));
    let away = demo.around().join("away");
    for (name, code) in [
        ("estelam.toml", 8),
        ("root.pem", 8),
        ("state/ledger/CURRENT", 8),
        ("state/demo.json", 2),
        ("civil-registry/ca.pem", 3),
        ("civil-registry/ocsp.pem", 4),
    ] {
        fs::rename(demo.path(name), &away).unwrap();
        let word = if code == 2 { "no demo" } else { name };
        again().expect(code).says(&[word]);
        fs::rename(&away, demo.path(name)).unwrap();
    }
    for (name, content, code) in [
        ("estelam.toml", "[[listen]\n", 3),
        ("estelam.toml", "colour = \"blue\"\n", 3),
        ("state/demo.json", "{", 8),
        ("state/demo.json", "{\"version\": 2}", 8),
    ] {
        let kept = fs::read(demo.path(name)).unwrap();
        fs::write(demo.path(name), content).unwrap();
        again().expect(code).says(&[name]);
        fs::write(demo.path(name), kept).unwrap();
    }
    again().expect(0);
}

#[test]
fn where_nothing_can_be_written_nothing_is_begun() {
    let demo = Demo::place();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o ro none {}",
        demo.around().display()
    ));
    let script = format!(
        "{} demo --certs 40 --once --listen 127.0.0.1:0 --dir {}",
        env!("CARGO_BIN_EXE_estelam"),
        demo.dir().display()
    );
    mounts
        .run(&script)
        .expect(11)
        .says(&["Read-only file system", "--dir"]);
    let long = demo.around().join("x".repeat(90));
    run(&mut demo.command(&["--once", "--dir", text(&long)]))
        .expect(2)
        .says(&["too long", "--dir"]);
    assert_eq!(demo.beside(), Vec::<String>::new());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let demo = Demo::place();
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=2m none {}",
        demo.around().display()
    ));
    let script = format!(
        "{} demo --certs 9000 --once --listen 127.0.0.1:0 --dir {}",
        env!("CARGO_BIN_EXE_estelam"),
        demo.dir().display()
    );
    mounts.run(&script).expect(11).says(&["space"]);
    let left = mounts.run(&format!("ls -A {}", demo.around().display()));
    assert_eq!(left.stdout, "", "{left}");
}

#[test]
fn a_port_in_use_is_found_before_anything_is_built() {
    let demo = Demo::place();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    run(&mut demo.command(&["--certs", "40", "--listen", &address]))
        .expect(10)
        .says(&[&address, "--listen 127.0.0.1:0"]);
    assert!(!demo.dir().exists() && demo.beside().is_empty());
    drop(held);

    // A second one on a demo that runs leaves the first in peace.
    let server = demo.serve(&["--certs", "40"]);
    let address = server.address().to_string();
    run(&mut demo.command(&[]))
        .expect(10)
        .says(&[&address, "runs already"]);
    assert!(demo.path("demo.json").exists());
    demo.estelam(&["stats"]).expect(0);
    server.terminate().expect(0);
    let held = TcpListener::bind(&address).unwrap();
    run(&mut demo.command(&["--once"]))
        .expect(10)
        .says(&[&address]);
    drop(held);
}

#[test]
fn numbers_and_words_that_make_no_demo_are_refused() {
    let demo = Demo::place();
    for (options, words) in [
        (&["--certs", "39"][..], &["39", "40 to 1000000"][..]),
        (&["--certs", "1000001"], &["1000001"]),
        (&["--certs", "many"], &["many", "--certs"]),
        (&["--key-type", "dsa"], &["dsa", "rsa-2048"]),
        (&["--listen", "localhost"], &["localhost", "--listen"]),
        (&["--config", "my.toml"], &["--config", "--dir"]),
    ] {
        run(&mut demo.command(options)).expect(2).says(words);
    }
    assert!(!demo.dir().exists());
}

#[test]
fn killed_while_building_it_leaves_no_half_a_demo_and_the_next_one_is_whole() {
    let mut half = 0;
    for (call, when) in [
        ("mkdir", 2),
        ("mkdir", 9),
        ("openat", 40),
        ("openat", 150),
        ("fdatasync", 9),
        ("write", 30),
        ("write", 100),
        ("rename", 3),
        // Into its place, and the first one after.
        ("rename", 5),
        ("rename", 6),
    ] {
        let demo = Demo::place();
        let inject = format!("inject={call}:signal=KILL:when={when}");
        let trace = format!("trace={call}");
        let strace = ["-e", &trace, "-e", &inject];
        let options = ["--certs", "100", "--once"];
        let killed = run(&mut demo.command_under_strace(&strace, &options));
        assert_eq!(killed.code, 137, "{killed}");
        if demo.dir().exists() {
            // Killed after the building, or not at all.
            assert!(demo.path("state/demo.json").exists(), "{call} {when}");
        } else {
            half += 1;
        }
        run(&mut demo.command(&options)).expect(0);
        assert_eq!(demo.beside(), Vec::<String>::new(), "{call} {when}");
        assert_eq!(demo.issuers().len(), 8);
    }
    assert!(half >= 7, "{half} were killed while they built");
}

#[test]
fn stopped_while_building_it_takes_everything_away() {
    let demo = Demo::place();
    let mut command = demo.command(&["--certs", "200000", "--once"]);
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It builds as soon as the folder beside is there; nothing says so, since nobody reads along.
    while demo.beside().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let id = i32::try_from(child.id()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("nothing is left"), "{said}");
    assert!(!demo.dir().exists() && demo.beside().is_empty());
}

#[test]
fn of_two_that_build_the_same_one_does() {
    let demo = Demo::place();
    let ended = std::thread::scope(|scope| {
        let both: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| run(&mut demo.command(&["--certs", "2000", "--once"]))))
            .collect();
        both.into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    });
    // The second may come late enough to find a finished demo, and run it.
    assert!(ended.iter().any(|one| one.code == 0), "{ended:?}");
    for one in ended.iter().filter(|one| one.code != 0) {
        assert_eq!(one.code, 10, "{one}");
    }
    run(&mut demo.command(&["--once"])).expect(0);
    assert_eq!(demo.beside(), Vec::<String>::new());
}
