//! Caching fields and conditional requests (RFC 9919 §6, §7; RFC 9110 §13).

use estelam::http::Limits;

use super::support::{Answer, ETAG, TestServer, path_of};

fn caching_fields(answer: &Answer) -> [&str; 4] {
    ["cache-control", "etag", "last-modified", "expires"].map(|name| answer.field(name))
}

const FRESH: [&str; 4] = [
    "max-age=3600, public, no-transform, must-revalidate",
    ETAG,
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Thu, 10 Nov 1994 08:49:36 GMT",
];

#[test]
fn a_signed_answer_carries_every_caching_field() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for answer in [
        client.get(&path_of(b"question")),
        client.post("/", b"question"),
    ] {
        assert_eq!(caching_fields(&answer), FRESH);
        assert!(answer.field("date").ends_with(" GMT"));
        assert_eq!(answer.fields.len(), 7, "{:?}", answer.fields);
    }
}

#[test]
fn a_negative_answer_is_kept_for_seconds_and_has_no_etag() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    for (question, age) in [("unauthorized", 30), ("try later", 2)] {
        let request = format!("If-None-Match: *\r\nIf-Modified-Since: {}\r\n", FRESH[3]);
        client.request("GET", &path_of(question.as_bytes()), &request, b"");
        let answer = client.answer();
        assert_eq!(answer.status, 200, "nothing to compare with");
        let [cache_control, rest @ ..] = caching_fields(&answer);
        let expected = format!("max-age={age}, public, no-transform, must-revalidate");
        assert_eq!(cache_control, expected);
        assert_eq!(rest, [""; 3]);
    }
}

#[test]
fn a_copy_that_is_still_good_is_not_sent_again() {
    let server = TestServer::start(Limits::default());
    let mut client = server.connect();
    let target = path_of(b"question");
    let weak = format!("If-None-Match: \"x\", W/{ETAG}\r\n");
    for (fields, status) in [
        (format!("If-None-Match: {ETAG}\r\n"), 304),
        (weak, 304),
        (format!("If-Modified-Since: {}\r\n", FRESH[2]), 304),
        ("If-None-Match: \"other\"\r\n".to_owned(), 200),
        (
            format!(
                "If-None-Match: \"other\"\r\nIf-Modified-Since: {}\r\n",
                FRESH[2]
            ),
            200,
        ),
        (
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".to_owned(),
            200,
        ),
    ] {
        let answer = client.request("GET", &target, &fields, b"").answer();
        assert_eq!(answer.status, status, "{fields}");
        assert_eq!(caching_fields(&answer), FRESH);
        if status == 304 {
            assert_eq!(answer.fields.len(), 5, "and Date: {:?}", answer.fields);
        }
        let (head_status, _) = client
            .request("HEAD", &target, &fields, b"")
            .read_head()
            .unwrap();
        assert_eq!(head_status, status, "{fields}");
    }
    assert_eq!(server.stats().not_modified, 6);

    let fields = format!("If-None-Match: {ETAG}\r\n");
    let posted = client.request("POST", "/", &fields, b"question").answer();
    assert_eq!(posted.status, 200, "a POST is not conditional");
}
