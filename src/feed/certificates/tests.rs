//! Files, their stream and the blocks in them. What is judged of a certificate is tested with the
//! program and certificates that OpenSSL made.

use std::{fs, io::Read as _, os::unix::fs::symlink, path::PathBuf};

use der::pem::LineEnding;
use proptest::prelude::*;

use super::{
    blocks::Blocks,
    files::{FileStream, ListError, list},
    stream::{FILE_OCTETS_MAX, FileHead, Files, NAME_OCTETS_MAX},
    *,
};

/// A file of a stream: its name, and what it holds or why it cannot be read.
type Packed = (String, Result<Vec<u8>, String>);

fn unpack(stream: &[u8]) -> io::Result<Vec<Packed>> {
    let mut files = Files::new(stream);
    let mut unpacked = Vec::new();
    while let Some(mut file) = files.next_file()? {
        let name = file.name().to_owned();
        let content = match file.unreadable() {
            Some(why) => Err(why.to_owned()),
            None => {
                let mut content = Vec::new();
                file.content().read_to_end(&mut content)?;
                Ok(content)
            }
        };
        file.skip_rest()?;
        unpacked.push((name, content));
    }
    Ok(unpacked)
}

fn pack(files: &[Packed]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (name, content) in files {
        let head = FileHead {
            file: name.clone(),
            octets: content
                .as_ref()
                .map_or(0, |it| u64::try_from(it.len()).unwrap()),
            unreadable: content.as_ref().err().cloned(),
        };
        stream.extend(head.to_line());
        stream.extend(content.iter().flatten());
    }
    stream
}

fn blocks(content: &[u8]) -> (Vec<Result<Vec<u8>, String>>, String) {
    let mut blocks = Blocks::new(content).unwrap();
    let mut found = Vec::new();
    while let Some(block) = blocks.next_block().unwrap() {
        found.push(block.map_err(|cause| cause.to_string()));
    }
    (found, blocks.why_none().to_string())
}

#[test]
fn the_stream_is_lines_of_json_and_octets() {
    let files = [
        ("a \"b\".pem".to_owned(), Ok(b"x\n".to_vec())),
        ("c".to_owned(), Err("gone".to_owned())),
    ];
    let stream = pack(&files);
    assert_eq!(
        String::from_utf8_lossy(&stream),
        "{\"file\":\"a \\\"b\\\".pem\",\"octets\":2}\nx\n\
         {\"file\":\"c\",\"octets\":0,\"unreadable\":\"gone\"}\n"
    );
    assert_eq!(unpack(&stream).unwrap(), files);
    assert_eq!(unpack(b"").unwrap(), []);
}

#[test]
fn a_stream_of_another_form_is_refused() {
    let long = "n".repeat(NAME_OCTETS_MAX + 1);
    for head in [
        "certificates\n".to_owned(),
        "{}\n".to_owned(),
        "{\"file\":\"a\",\"octets\":-1}\n".to_owned(),
        "{\"file\":\"a\",\"octets\":1,\"mode\":7}\n".to_owned(),
        format!("{{\"file\":\"a\",\"octets\":{}}}\n", FILE_OCTETS_MAX + 1),
        format!("{{\"file\":\"{long}\",\"octets\":1}}\n"),
        "x".repeat(1 << 17),
    ] {
        let error = unpack(head.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    }
}

#[test]
fn certificates_are_found_among_other_text() {
    let (found, _) = blocks(
        b"subject=CN = a\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\r\n\
          -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n????\n-----END RSA PRIVATE KEY-----\n\
          0\x81 -----BEGIN X509 CERTIFICATE-----\n\
          -----BEGIN X509 CERTIFICATE-----\nBQ==\n-----END X509 CERTIFICATE-----",
    );
    assert_eq!(found, [Ok(vec![1, 2, 3, 4]), Ok(vec![5])]);
    let der = [&[0x30, 0x82, 0, 3][..], b"abc\nd"].concat();
    assert_eq!(blocks(&der).0, [Ok(der)]);
}

#[test]
fn blocks_that_are_broken_are_named_by_their_line() {
    for (text, causes) in [
        (
            "\n-----BEGIN CERTIFICATE-----\nAQID\n",
            &["the PEM block that begins in line 2 has no matching end"][..],
        ),
        (
            "-----BEGIN CERTIFICATE-----\nA?ID\n-----END CERTIFICATE-----\n",
            &["the PEM block that begins in line 1 is not base64"],
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAQID\n-----END KEY-----\n-----END CERTIFICATE-----\n",
            &["the PEM block that begins in line 1 has no matching end"],
        ),
        // What follows is found again.
        (
            "-----BEGIN CERTIFICATE-----\nAQID\n-----BEGIN CERTIFICATE-----\nAQID\n",
            &[
                "the PEM block that begins in line 1 has no matching end",
                "the PEM block that begins in line 3 has no matching end",
            ],
        ),
    ] {
        let found: Vec<String> = blocks(text.as_bytes())
            .0
            .into_iter()
            .map(Result::unwrap_err)
            .collect();
        assert_eq!(found, causes);
    }
    let long = "A".repeat(64) + "\n";
    let endless = format!(
        "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQID\n\
         -----END CERTIFICATE-----\n",
        long.repeat(CERTIFICATE_OCTETS_MAX / 16)
    );
    let too_long = Err(format!("is longer than {CERTIFICATE_OCTETS_MAX} octets"));
    assert_eq!(
        blocks(endless.as_bytes()).0,
        [too_long.clone(), Ok(vec![1, 2, 3])]
    );
    let mut der = vec![0x30, 0x84];
    der.resize(CERTIFICATE_OCTETS_MAX + 1, 0);
    assert_eq!(blocks(&der).0, [too_long]);
}

#[test]
fn what_holds_no_certificate_tells_what_it_holds() {
    for (text, why) in [
        (&b""[..], "holds no certificate"),
        (b"\x7fELF\0\xff", "holds no certificate"),
        (b"0\x03\x02\x01\x01", "holds no certificate"),
        (
            b"-----BEGIN PKCS7-----\nAQID\n-----END PKCS7-----\n-----BEGIN \x1b[2J-----\n",
            "holds no certificate: its PEM blocks are PKCS7, \\x1b[2J",
        ),
    ] {
        assert_eq!(blocks(text), (Vec::new(), why.to_owned()));
    }
}

#[test]
fn folders_are_walked_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["b/c", ".hidden"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    for name in [
        "b/2.pem",
        "b/10.pem",
        "b/c/d.pem",
        "a.pem",
        "c.der",
        ".x.pem",
        ".hidden/y.pem",
    ] {
        fs::write(path(name), name).unwrap();
    }
    symlink(path("a.pem"), path("d-link")).unwrap();
    symlink(path("b"), path("e-folder")).unwrap();
    symlink(path("nowhere"), path("f-broken")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(path("g-socket")).unwrap();
    let files = list(&[folder.path().to_owned(), path("a.pem")]).unwrap();
    let mut told = Vec::new();
    let mut stream = Vec::new();
    FileStream::new(files, |done| told.push(done))
        .read_to_end(&mut stream)
        .unwrap();
    assert_eq!(told, (1..=10).collect::<Vec<u64>>());
    let short = |name: String| {
        let name = PathBuf::from(name);
        name.strip_prefix(folder.path())
            .unwrap()
            .display()
            .to_string()
    };
    let sent: Vec<_> = unpack(&stream)
        .unwrap()
        .into_iter()
        .map(|(name, content)| {
            (
                short(name),
                content.map(|it| String::from_utf8(it).unwrap()),
            )
        })
        .collect();
    let file = |name: &str, content: &str| (name.to_owned(), Ok(content.to_owned()));
    let bad = |name: &str, why: &str| (name.to_owned(), Err(why.to_owned()));
    assert_eq!(
        sent,
        [
            file("a.pem", "a.pem"),
            file("b/10.pem", "b/10.pem"),
            file("b/2.pem", "b/2.pem"),
            file("b/c/d.pem", "b/c/d.pem"),
            file("c.der", "c.der"),
            file("d-link", "a.pem"),
            bad(
                "e-folder",
                "it is a link to a folder: name the folder itself"
            ),
            bad("f-broken", "No such file or directory (os error 2)"),
            bad("g-socket", "it is neither a file nor a folder"),
            file("a.pem", "a.pem"),
        ]
    );
    drop(socket);
    assert!(matches!(
        list(&[path("g-socket")]),
        Err(ListError::Kind { .. })
    ));
    assert!(matches!(
        list(&[path("f-broken")]),
        Err(ListError::Io { .. })
    ));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_half_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pem");
    for content in ["short", "much longer than it was"] {
        fs::write(&path, "twelve words").unwrap();
        let mut stream = FileStream::new(vec![path.clone()], |_| {});
        // The head is made when the file is opened.
        stream.read_exact(&mut [0; 1]).unwrap();
        fs::write(&path, content).unwrap();
        let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("a.pem: changed while"),
            "{error}"
        );
    }
}

#[test]
fn a_place_is_a_number_and_back() {
    for (file, ordinal) in [(0, 0), (0, 1), (7, 0), (u32::MAX, u32::MAX)] {
        let at = At { file, ordinal };
        assert_eq!(At::from_order(at.order()), at);
    }
}

fn any_files() -> impl Strategy<Value = Vec<Packed>> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Ok),
        "\\PC{0,9}".prop_map(Err)
    ];
    prop::collection::vec((".{0,20}", content), 0..6)
}

proptest! {
    #[test]
    fn a_stream_is_unpacked_as_it_was_packed_and_never_cut_unnoticed(files in any_files()) {
        let stream = pack(&files);
        prop_assert_eq!(unpack(&stream).unwrap(), &files[..]);
        let boundaries: Vec<usize> = (0..=files.len()).map(|n| pack(&files[..n]).len()).collect();
        for end in (0..stream.len()).filter(|end| !boundaries.contains(end)) {
            let error = unpack(&stream[..end]).unwrap_err();
            prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn what_another_encoder_writes_is_found(
        ders in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..5),
        between in "[a-z =:\n]{0,40}",
        crlf in any::<bool>(),
    ) {
        let ending = if crlf { LineEnding::CRLF } else { LineEnding::LF };
        let mut text = String::new();
        for der in &ders {
            text.push_str(&between);
            text.push('\n');
            text.push_str(&der::pem::encode_string("CERTIFICATE", ending, der).unwrap());
        }
        let (found, _) = blocks(text.as_bytes());
        let found: Vec<Vec<u8>> = found.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(found, ders);
    }

    #[test]
    fn any_octets_are_counted_once_and_never_panic(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        head in prop::sample::select(vec!["", "-----BEGIN CERTIFICATE-----\n", "0\u{82}"]),
    ) {
        let content = [head.as_bytes(), &octets].concat();
        let stream = pack(&[("a".to_owned(), Ok(content)), ("b".to_owned(), Ok(octets))]);
        let issuers = Issuers::any_of(&[]);
        let found = Certificates::read(&stream[..], &issuers, NonZeroUsize::MIN).unwrap();
        prop_assert_eq!(found.line_count(), found.problems().total());
        prop_assert!(found.line_count() >= 2);
        for problem in found.problems().first() {
            prop_assert!(!problem.to_string().contains(char::is_control));
        }
    }
}
