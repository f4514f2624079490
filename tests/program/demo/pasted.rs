//! What a demo prints, pasted into a shell.

use std::process::Command;

use crate::common::Demo;
use crate::common::tools::{Finished, run};

#[test]
fn every_printed_line_works_when_pasted() {
    // A name that a shell takes apart unless it is quoted.
    let demo = Demo::place_called("it's my $demo نمونه");
    let server = demo.serve(&["--certs", "60"]);
    server.wait_for("# Ask again");
    server.wait_for("-url http://"); // Its last line; the one before is the first question's.
    let printed = || server.log().join("\n");
    let blocks = loop {
        // The reader hands over line by line.
        let blocks = blocks(&printed());
        if blocks.last().is_some_and(|last| last.1.contains("-url ")) {
            break blocks;
        }
    };
    let about: Vec<&str> = blocks.iter().map(|block| block.0.as_str()).collect();
    assert_eq!(
        about,
        [
            "Is this certificate good?",
            "The same by GET, as browsers and caches ask",
            "The CRL of its CA",
            "What the server does",
            "Revoke it; the next answer says so",
            "Ask again"
        ]
    );
    let paste = |number: usize| -> Finished {
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &blocks[number].1])
            .current_dir(demo.around());
        run(&mut shell).expect(0)
    };
    paste(0).says(&["Response verify OK", "person.pem: good"]);
    paste(1).says(&["Response verify OK", "person.pem: good"]);
    paste(2).says(&["entries"]);
    paste(3).says(&["civil-registry", "certificates"]);
    paste(4).says(&["keyCompromise", "visible in OCSP now"]);
    paste(5).says(&[
        "Response verify OK",
        "person.pem: revoked",
        "Reason: keyCompromise",
    ]);
    paste(4).says(&["nothing to change"]);
    server.terminate().expect(0);
}

#[test]
fn the_same_lines_are_there_as_json() {
    let demo = Demo::place();
    let said = run(&mut demo.command(&["--certs", "60", "--once", "--json"])).expect(0);
    let facts = said.json();
    assert_eq!(facts["demo"], "demo/demo.json");
    assert_eq!(facts["config"], "demo/estelam.toml");
    assert_eq!(facts["ocsp_url"], demo.description()["ocsp_url"]);
    // Seven intermediates and eight delegates beside.
    assert_eq!(facts["certificates"], 75);
    let lines = facts["try"].as_array().unwrap();
    assert!(
        lines
            .iter()
            .all(|line| !line.as_str().unwrap().contains('\n'))
    );
    // Once there is no server, the first of them begins one.
    let first = lines[0].as_str().unwrap();
    assert!(first.ends_with("demo --dir demo"), "{first}");
}

/// The commands by what is said about them.
fn blocks(printed: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for line in printed.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            blocks.push((about.to_owned(), String::new()));
        } else if let Some((_, command)) = blocks.last_mut() {
            command.push_str(line);
            command.push('\n');
        }
    }
    blocks
}
