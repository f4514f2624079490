//! The README's lines about the demo, pasted into a shell.

use std::path::Path;
use std::process::Command;

use crate::common::Demo;
use crate::common::tools::{python, read_text, run, text};

#[test]
fn the_lines_to_try_next_work_when_pasted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = read_text(&root.join("README.md"));
    let (_, after) = readme.split_once("## Try this next").expect("the chapter");
    let (_, block) = after.split_once("```sh\n").expect("its lines");
    let (block, _) = block.split_once("```\n").expect("their end");

    let demo = Demo::place_called("estelam-demo");
    let server = demo.serve(&["--certs", "60"]);
    std::os::unix::fs::symlink(root.join("docs"), demo.around().join("docs")).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    // Nothing of this machine's but the ports and the places is changed.
    let lines = block
        .replace("127.0.0.1:8080", &server.address().to_string())
        .replace("9443", &port)
        .replace("/tmp/", &format!("{}/", text(demo.around())))
        .replace(
            "python3 ",
            &format!("{} ", python().get_program().display()),
        );
    let program = Path::new(env!("CARGO_BIN_EXE_estelam")).parent().unwrap();
    let path = format!("{}:{}", text(program), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell
        .args(["-euc", &lines])
        .current_dir(demo.around())
        .env("PATH", path);
    let said = run(&mut shell).expect(0);
    for (words, times) in [
        ("Response verify OK", 6),
        ("person.pem: good", 1),
        ("expired.pem: good", 1),
        ("Reason: certificateHold", 1),
        ("Reason: superseded", 1),
        ("web.pem: good", 1),
        ("Verifying OCSP Response: Success", 1),
        ("REVOKED ReasonFlags.certificate_hold", 1),
    ] {
        let all = format!("{}{}", said.stdout, said.stderr);
        assert_eq!(all.matches(words).count(), times, "{words}: {said}");
    }
    server.terminate().expect(0);
}
