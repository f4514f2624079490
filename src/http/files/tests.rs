use std::time::Duration;

use hyper::header::HeaderName;

use super::*;
use crate::{catalog::files::Validity, observe::FileKind};

/// Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110 §5.6.7).
const THIS_UPDATE: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

fn form(coding: Coding, tag: &str, octets: usize) -> Form {
    Form {
        coding,
        tag: tag.to_owned(),
        content: Content::Memory(vec![0; octets].into()),
    }
}

fn crl() -> ServedFile {
    ServedFile {
        kind: FileKind::Crl,
        media_type: "application/pkix-crl".to_owned(),
        validity: Validity {
            from: Some(at(THIS_UPDATE)),
            next_due: Some(at(THIS_UPDATE + 1_000)),
            until: Some(at(THIS_UPDATE + 2_000)),
            max_age: Duration::from_secs(3_600),
        },
        negotiated: true,
        forms: vec![
            form(Coding::Identity, "plain", 1_000),
            form(Coding::Gzip, "gz", 500),
            form(Coding::Zstd, "zs", 400),
        ],
    }
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What is decided, in words.
fn decided(method: Method, request: &[(&'static str, &str)]) -> String {
    words(&crl(), method, &fields(request), THIS_UPDATE + 100)
}

fn words(file: &ServedFile, method: Method, request: &HeaderMap, now: u64) -> String {
    match decide(file, method, request, at(now)) {
        Decision::Send { form, part, whole } => {
            assert_eq!(whole, part == (0..octets(&form.content)) && whole);
            let status = if whole { 200 } else { 206 };
            format!("{status} {} {}..{}", form.tag, part.start, part.end)
        }
        Decision::NotModified { form } => format!("304 {}", form.tag),
        Decision::Unsatisfiable { form } => format!("416 {}", form.tag),
        Decision::PreconditionFailed => "412".to_owned(),
        Decision::NotAcceptable => "406".to_owned(),
        Decision::Unavailable => "503".to_owned(),
    }
}

#[test]
fn conditions_come_in_the_order_of_the_rfc() {
    let whole = "200 plain 0..1000";
    for (request, expected) in [
        (&[][..], whole),
        (&[("if-none-match", "\"plain\"")], "304 plain"),
        (&[("if-none-match", "W/\"plain\"")], "304 plain"),
        (
            &[("if-none-match", "\"x\", W/\"y\" , \"plain\"")],
            "304 plain",
        ),
        (&[("if-none-match", "*")], "304 plain"),
        (&[("if-none-match", "plain")], whole),
        (&[("if-none-match", "\"other\"")], whole),
        (
            &[("if-none-match", "\"x\""), ("if-none-match", "\"plain\"")],
            "304 plain",
        ),
        (&[("if-modified-since", DATE)], "304 plain"),
        (
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")],
            whole,
        ),
        (&[("if-modified-since", "yesterday")], whole),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", DATE)],
            whole,
        ),
        (&[("if-match", "\"plain\"")], whole),
        (&[("if-match", "*")], whole),
        (&[("if-match", "W/\"plain\"")], "412"),
        (&[("if-match", "\"x\"")], "412"),
        (
            &[("if-match", "\"x\""), ("if-none-match", "\"plain\"")],
            "412",
        ),
        (&[("if-unmodified-since", DATE)], whole),
        (
            &[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")],
            "412",
        ),
        (
            &[
                ("if-match", "\"plain\""),
                ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"),
            ],
            whole,
        ),
        (&[("range", "bytes=0-9")], "206 plain 0..10"),
        (&[("range", "bytes=0-")], "206 plain 0..1000"),
        (&[("range", "bytes=2000-")], "416 plain"),
        (&[("range", "bytes=0-1,5-6")], whole),
        (
            &[("range", "bytes=0-9"), ("if-range", "\"plain\"")],
            "206 plain 0..10",
        ),
        (&[("range", "bytes=0-9"), ("if-range", "\"x\"")], whole),
        (
            &[("range", "bytes=0-9"), ("if-range", "W/\"plain\"")],
            whole,
        ),
        // Plain and compressed forms have one date, so it is no strong validator.
        (&[("range", "bytes=0-9"), ("if-range", DATE)], whole),
        (&[("range", "bytes=2000-"), ("if-range", "\"x\"")], whole),
        (&[("if-range", "\"plain\"")], whole),
        (
            &[("range", "bytes=0-9"), ("if-none-match", "\"plain\"")],
            "304 plain",
        ),
    ] {
        assert_eq!(decided(Method::Get, request), expected, "{request:?}");
    }
    assert_eq!(decided(Method::Head, &[("range", "bytes=0-9")]), whole);
    assert_eq!(
        decided(Method::Head, &[("if-none-match", "*")]),
        "304 plain"
    );
}

#[test]
fn a_client_goes_on_with_the_form_that_it_has() {
    let accept = ("accept-encoding", "gzip, zstd");
    for (request, expected) in [
        (&[accept][..], "200 zs 0..400"),
        (&[("accept-encoding", "gzip")], "200 gz 0..500"),
        (&[accept, ("if-none-match", "\"plain\"")], "304 plain"),
        (&[accept, ("if-none-match", "\"gz\"")], "304 gz"),
        // It would not know what to do with it.
        (&[("if-none-match", "\"gz\"")], "200 plain 0..1000"),
        (&[accept, ("range", "bytes=10-")], "206 zs 10..400"),
        (
            &[accept, ("range", "bytes=10-"), ("if-range", "\"plain\"")],
            "206 plain 10..1000",
        ),
        (
            &[accept, ("range", "bytes=10-"), ("if-match", "\"gz\"")],
            "206 gz 10..500",
        ),
        (
            &[accept, ("range", "bytes=600-"), ("if-range", "\"gz\"")],
            "416 gz",
        ),
        (&[("accept-encoding", "identity;q=0")], "406"),
    ] {
        assert_eq!(decided(Method::Get, request), expected, "{request:?}");
    }
}

#[test]
fn a_crl_is_served_in_its_time_only() {
    let request = fields(&[("if-none-match", "\"plain\"")]);
    for (now, expected) in [
        (THIS_UPDATE - 1, "503"),
        (THIS_UPDATE, "304 plain"),
        (THIS_UPDATE + 1_999, "304 plain"),
        (THIS_UPDATE + 2_000, "503"),
    ] {
        assert_eq!(words(&crl(), Method::Get, &request, now), expected);
    }
    let unfit = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "octets").unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"octets");
        let sha256 = digest.as_ref().try_into().unwrap();
        let file = crate::segment::MappedFile::open(&path, 6, sha256).unwrap();
        file.withdraw();
        Content::Mapped(file)
    };
    let mut half = crl();
    half.forms[0].content = unfit;
    for (accepted, expected) in [("", "503"), ("gzip", "200 gz 0..500")] {
        let request = fields(&[("accept-encoding", accepted)]);
        assert_eq!(words(&half, Method::Get, &request, THIS_UPDATE), expected);
    }
    let damaged = ServedFile {
        forms: Vec::new(),
        ..crl()
    };
    assert_eq!(words(&damaged, Method::Get, &request, THIS_UPDATE), "503");
}

#[test]
fn the_dates_and_ages_in_an_answer_agree() {
    let file = crl();
    for (now, control, expires) in [
        (
            0,
            "public, max-age=999, no-transform",
            "Sun, 06 Nov 1994 09:06:16 GMT",
        ),
        (
            900,
            "public, max-age=99, no-transform",
            "Sun, 06 Nov 1994 09:06:16 GMT",
        ),
        (
            1_000,
            "public, max-age=0, no-transform",
            "Sun, 06 Nov 1994 09:06:17 GMT",
        ),
    ] {
        let mut headers = HeaderMap::new();
        let now = at(THIS_UPDATE + now);
        put_caching_fields(&mut headers, &file, &file.forms[0], now);
        assert_eq!(headers[CACHE_CONTROL], control);
        assert_eq!(headers[EXPIRES], expires);
        assert_eq!(headers[LAST_MODIFIED], DATE);
        assert_eq!(headers[ETAG], "\"plain\"");
        assert_eq!(headers[VARY], "Accept-Encoding");
        assert_eq!(headers.len(), 5);
    }
}

proptest::proptest! {
    /// Whatever the fields hold, the answer is one of the file's forms, and the part lies within it.
    #[test]
    fn any_fields_are_answered(
        accept in "[ a-z*;=,q0-9.]{0,40}",
        range in "(bytes=)?[0-9,-]{0,24}",
        tag in "(W/)?\"?[a-z*,\" ]{0,12}\"?",
        place in 0_usize..4,
        head: bool,
    ) {
        let condition = ["if-match", "if-none-match", "if-range", "if-modified-since"][place];
        let request = fields(&[("accept-encoding", &accept), ("range", &range), (condition, &tag)]);
        let method = if head { Method::Head } else { Method::Get };
        let file = crl();
        if let Decision::Send { form, part, whole } = decide(&file, method, &request, at(THIS_UPDATE)) {
            let octets = octets(&form.content);
            proptest::prop_assert!(part.start < part.end && part.end <= octets);
            proptest::prop_assert!(!whole || part == (0..octets));
            proptest::prop_assert!(whole || method == Method::Get);
        }
    }
}
