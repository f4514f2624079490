//! OCSP over HTTP (RFC 6960 A.1, RFC 9919 §6 and §7): what clients and what lies between do.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::ask::{cert_id, get_paths, request_of_cert_ids, with_nonce};
use crate::common::clock::{generalized_time, now};
use crate::common::der::{children, only, tlv};
use crate::common::http::{Reply, get, post};
use crate::common::{
    Answer, Certificate, Connection, Hash, OpensslCa, Random, SHARED, Server, Settings, Site,
    Status, request_of,
};

/// Let's Encrypt, May 2017: slashes were merged, then not merged, and each broke some clients.
#[test]
fn every_way_to_write_a_path_gets_the_answer_that_post_gets() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let mut connection = server.connect();
    let mut random = Random(1);
    let certificates = ca.certificates();
    let mut seen = [false; 4];
    for round in 0..300 {
        let serial = &random.pick(&certificates).serial;
        let hash = Hash::BOTH[round % 2];
        let plain = request_of(&ca, hash, &[serial]);
        let expected = connection.post("/ocsp", &plain);
        assert_eq!(Answer::of(&expected.body).single().serial(), *serial);
        for request in [plain, with_nonce(&ca, hash, serial, 16 + round % 17)] {
            for mount in ["/ocsp", ""] {
                for (name, path) in get_paths(mount, &request) {
                    let reply = connection.get(&path);
                    assert_eq!(reply.status, 200, "{name}: {path}");
                    assert_eq!(reply.body, expected.body, "{name}: {path}");
                    for (seen, sign) in seen.iter_mut().zip(["//", "+", "%2F", "=="]) {
                        *seen |= path.get(2..).is_some_and(|path| path.contains(sign));
                    }
                }
            }
        }
    }
    assert_eq!(seen, [true; 4], "the serials were too tame");
}

#[test]
fn a_path_that_holds_no_request_is_refused_and_not_guessed_at() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    let (_, plain) = get_paths("/ocsp", &request).swap_remove(0);
    let (_, escaped) = get_paths("/ocsp", &request).swap_remove(1);
    let twice = escaped.replace('%', "%25");
    let mut connection = server.connect();
    for path in [
        plain.replacen('M', "%20M", 1),
        plain.replacen('M', "M%0A", 1),
        plain.replacen('M', "M*", 1),
        plain.replacen('M', "M./", 1),
        format!("{plain}%"),
        format!("{plain}%4"),
        format!("{plain}%zz"),
        format!("{plain}AAAA"),
        format!("{plain}==="),
        plain[..plain.len() / 2].to_owned(),
        "/ocsp/AAAA".to_owned(),
        "/ocsp/%00".to_owned(),
        if escaped == plain {
            "/ocsp/%2525".to_owned()
        } else {
            twice
        },
    ] {
        let reply = connection.get(&path);
        assert_eq!(
            (reply.status, ocsp(&reply)),
            (200, Answer::MALFORMED_REQUEST),
            "{path}"
        );
    }
    let long = format!("/ocsp/{}", "A".repeat(9_000));
    assert_eq!(connection.get(&long).status, 414);
    assert_eq!(server.connect().get(&format!("{plain}?x=1")).status, 200);
    assert_eq!(
        ocsp(&server.connect().get(&plain)).single().status,
        ca.certificates()[0].status
    );
}

#[test]
fn answers_carry_what_caches_need() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let mut connection = server.connect();
    let certificates = ca.certificates();
    for certificate in [&certificates[0], &certificates[1], &certificates[4_000]] {
        let path = escaped(&ca, Hash::Sha256, &certificate.serial);
        let reply = connection.get(&path);
        let answer = ocsp(&reply);
        let single = answer.single();
        let header = |name: &str| reply.header(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(header("content-type"), "application/ocsp-response");
        assert_eq!(reply.header("content-encoding"), None);
        assert_eq!(
            http_date(header("expires")),
            *single.next_update.as_ref().unwrap()
        );
        assert_eq!(http_date(header("last-modified")), single.this_update);
        let date = http_date(header("date"));
        assert!(
            (generalized_time(now() - 5)..=generalized_time(now())).contains(&date),
            "{date}"
        );
        let directives: Vec<&str> = header("cache-control").split(", ").collect();
        for directive in ["public", "no-transform", "must-revalidate"] {
            assert!(directives.contains(&directive), "{directives:?}");
        }
        let age = directives
            .iter()
            .find_map(|it| it.strip_prefix("max-age="))
            .expect("max-age");
        let age: u64 = age.parse().expect("seconds");
        assert!((1..=3_600).contains(&age), "an hour by default: {age}");
        assert!(generalized_time(now() + age) < *single.next_update.as_ref().unwrap());
        let etag = header("etag");
        assert!(
            etag.starts_with('"') && etag.ends_with('"') && etag.len() > 34,
            "{etag}"
        );

        let posted = connection.post(
            "/ocsp",
            &request_of(&ca, Hash::Sha256, &[&certificate.serial]),
        );
        assert_eq!(without_date(&posted), without_date(&reply));

        connection.send(&head(&path));
        let only_head = connection.receive_head();
        assert_eq!(only_head.status, 200);
        assert_eq!(without_date(&only_head).1, without_date(&reply).1);

        for (condition, status) in [
            (format!("If-None-Match: {etag}"), 304),
            (format!("If-None-Match: W/{etag}"), 304),
            (format!("If-None-Match: \"another\", {etag}"), 304),
            ("If-None-Match: *".to_owned(), 304),
            ("If-None-Match: \"another\"".to_owned(), 200),
            (
                format!("If-Modified-Since: {}", header("last-modified")),
                304,
            ),
            (
                "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
                200,
            ),
            (
                format!(
                    "If-Modified-Since: {}\r\nIf-None-Match: \"another\"",
                    header("date")
                ),
                200,
            ),
        ] {
            let conditional = connection.get_with(&path, &format!("{condition}\r\n"));
            assert_eq!(conditional.status, status, "{condition}");
            for name in ["etag", "cache-control", "expires", "last-modified"] {
                assert_eq!(
                    conditional.header(name),
                    reply.header(name),
                    "{condition}: {name}"
                );
            }
        }
    }
}

#[test]
fn a_revocation_changes_the_entity_tag() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve_settled();
    let serial = good(&ca, 3).serial;
    let path = escaped(&ca, Hash::Sha1, &serial);
    let mut connection = server.connect();
    let etag = connection
        .get(&path)
        .header("etag")
        .expect("an ETag")
        .to_owned();
    let condition = format!("If-None-Match: {etag}\r\n");
    assert_eq!(connection.get_with(&path, &condition).status, 304);
    site.run(&["revoke", &serial]).expect(0);
    let reply = connection.get_with(&path, &condition);
    assert_eq!(reply.status, 200);
    assert!(matches!(
        ocsp(&reply).single().status,
        Status::Revoked { .. }
    ));
}

#[test]
fn what_is_no_status_is_not_kept_by_caches_for_long() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let mut connection = server.connect();
    for path in [
        escaped(&ca, Hash::Sha1, NEVER_ISSUED),
        "/ocsp/AAAA".to_owned(),
    ] {
        let reply = connection.get(&path);
        let control = reply.header("cache-control").expect("Cache-Control");
        let age = control
            .split(", ")
            .find_map(|it| it.strip_prefix("max-age="));
        let age: u64 = age.map_or(0, |age| age.parse().expect("seconds"));
        assert!(age <= 60, "{control}");
    }
}

#[test]
fn methods_and_sizes_beyond_what_ocsp_has_are_refused_as_http_says() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"] {
        let mut connection = server.connect();
        connection.send(format!("{method} /ocsp HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let reply = connection.receive();
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, POST"));
    }
    // One octet more than allowed; in one piece, in chunks, and announced but never sent.
    let large = vec![0x30; 4_097];
    assert_eq!(server.connect().post("/ocsp", &large).status, 413);
    let mut chunked = server.connect();
    chunked.send(
        b"POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\n\
          Transfer-Encoding: chunked\r\n\r\n1001\r\n",
    );
    chunked.send(&large);
    chunked.send(b"\r\n0\r\n\r\n");
    assert_eq!(chunked.receive().status, 413);
    let mut announced = server.connect();
    announced.send(
        b"POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\n\
          Content-Length: 99999999999\r\n\r\n",
    );
    assert_eq!(announced.receive().status, 413);
    // Exactly what is allowed is looked at.
    assert_eq!(
        ocsp(&server.connect().post("/ocsp", &large[1..])),
        Answer::MALFORMED_REQUEST
    );

    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    assert_eq!(server.connect().post("/ocsp/x", &request).status, 404);
    let mut head = server.connect();
    head.send(&get(
        "/ocsp",
        &format!("X-Long: {}\r\n", "x".repeat(70_000)),
    ));
    assert_eq!(head.receive().status, 431);
    server.answers(&ca.certificates()[0]);
}

/// Let's Encrypt, August 2019: a POST with `Expect` got somebody else's answer.
#[test]
fn an_expectation_is_met_or_refused() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let mut connection = server.connect();
    for certificate in ca.certificates().iter().take(20) {
        let request = request_of(&ca, Hash::Sha256, &[&certificate.serial]);
        let octets = post("/ocsp", "Expect: 100-continue\r\n", &request);
        let (head, body) = octets.split_at(octets.len() - request.len());
        connection.send(head);
        assert_eq!(connection.receive().status, 100);
        connection.send(body);
        let reply = connection.receive();
        assert_eq!(ocsp(&reply).single().serial(), certificate.serial);
        // Impatient clients send the body at once.
        connection.send(&octets);
        let mut reply = connection.receive();
        if reply.status == 100 {
            reply = connection.receive();
        }
        assert_eq!(ocsp(&reply).single().serial(), certificate.serial);
    }
    let mut other = server.connect();
    other.send(&get("/ocsp/MAAA", "Expect: a-miracle\r\n"));
    assert_eq!(other.receive().status, 417);
}

#[test]
fn what_is_not_an_ocsp_request_is_malformed_and_the_server_lives_on() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let certificate = good(&ca, 5);
    let request = request_of(&ca, Hash::Sha1, &[&certificate.serial]);
    let mut malformed: Vec<Vec<u8>> = (0..request.len())
        .map(|end| request[..end].to_vec())
        .collect();
    malformed.extend(bad_requests(&ca, &certificate.serial));
    let mut random = Random(2);
    malformed.extend((0..200).map(|len| random.octets(len)));

    let mut connection = server.connect();
    for body in malformed {
        let reply = connection.post("/ocsp", &body);
        assert_eq!(
            (reply.status, ocsp(&reply)),
            (200, Answer::MALFORMED_REQUEST),
            "{body:02x?}"
        );
        if !body.is_empty() {
            let (_, path) = get_paths("/ocsp", &body).swap_remove(1);
            let reply = connection.get(&path);
            assert_eq!(
                (reply.status, ocsp(&reply)),
                (200, Answer::MALFORMED_REQUEST),
                "{path}"
            );
        }
    }
    assert_eq!(
        ocsp(&connection.post("/ocsp", &request)).single().status,
        Status::Good
    );
}

/// Requests that are wrong in one thing each.
fn bad_requests(ca: &OpensslCa, serial: &str) -> Vec<Vec<u8>> {
    let id = cert_id(ca, Hash::Sha1, serial);
    let list = |requests: &[u8]| tlv(0x30, requests);
    let whole = |tbs: &[&[u8]]| tlv(0x30, &tlv(0x30, &tbs.concat()));
    let one = tlv(0x30, &id);
    let good = request_of_cert_ids(std::slice::from_ref(&id));
    let parts: Vec<Vec<u8>> = children(only(&id, 0x30))
        .iter()
        .map(|part| part.whole.to_vec())
        .collect();
    let with_serial = |integer: &[u8]| {
        let id = [&parts[0][..], &parts[1], &parts[2], integer].concat();
        request_of_cert_ids(&[tlv(0x30, &id)])
    };
    let with_hashes = |name: usize, key: usize| {
        let id = [
            &parts[0][..],
            &tlv(4, &vec![7; name]),
            &tlv(4, &vec![7; key]),
            &parts[3],
        ];
        request_of_cert_ids(&[tlv(0x30, &id.concat())])
    };
    let extension = |oid: &[u8], critical: &[u8], value: &[u8]| {
        tlv(
            0x30,
            &[&tlv(0x06, oid)[..], critical, &tlv(0x04, value)].concat(),
        )
    };
    let with_extensions = |extensions: &[Vec<u8>]| {
        whole(&[&list(&one), &tlv(0xa2, &tlv(0x30, &extensions.concat()))])
    };
    let nonce = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
    let some = extension(&nonce, &[], &tlv(0x04, &[1; 32]));
    let mut indefinite = good.clone();
    indefinite[1] = 0x80;
    let nested = (0..1_000).fold(Vec::new(), |inner, _| tlv(0x30, &inner));
    vec![
        // Framing.
        [&good[..], &[0]].concat(),
        [&good[..], &good[..]].concat(),
        [&[0x30, 0x81, good[1]], &good[2..]].concat(),
        indefinite,
        nested,
        [0xa0, 0x80].repeat(2_000),
        tlv(0x31, &good[2..]),
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        // The request.
        whole(&[]),
        whole(&[&list(&[])]),
        whole(&[&tlv(0xa0, &tlv(0x02, &[1])), &list(&one)]),
        whole(&[&tlv(0xa0, &tlv(0x02, &[0, 0])), &list(&one)]),
        whole(&[&list(&one), &list(&one)]),
        whole(&[&list(&one.repeat(9))]),
        whole(&[&list(&tlv(0x30, &[]))]),
        // The CertID.
        with_serial(&[0x02, 0x00]),
        with_serial(&[0x02, 0x02, 0x00, 0x01]),
        with_serial(&[0x02, 0x02, 0xff, 0x80]),
        with_serial(&[]),
        with_serial(&[0x04, 0x01, 0x01]),
        with_serial(&[0x02, 0x01, 0x01, 0x05, 0x00]),
        with_hashes(19, 20),
        with_hashes(20, 32),
        with_hashes(0, 0),
        // Extensions.
        with_extensions(&[extension(&nonce, &[], &tlv(0x04, &[]))]),
        with_extensions(&[extension(&nonce, &[], &tlv(0x04, &[1; 129]))]),
        with_extensions(&[some.clone(), some.clone()]),
        with_extensions(&[extension(&[0x2a, 3], &[1, 1, 0xff], &[5, 0])]),
        whole(&[&list(&one), &tlv(0xa2, &[])]),
        // Accepts anything but a basic response.
        with_extensions(&[extension(
            &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 4],
            &[],
            &tlv(0x30, &tlv(0x06, &[0x2a, 3])),
        )]),
    ]
}

#[test]
fn honest_requests_that_differ_from_the_usual_are_answered() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let certificate = good(&ca, 7);
    let id = cert_id(&ca, Hash::Sha256, &certificate.serial);
    let list = tlv(0x30, &tlv(0x30, &id));
    let whole = |tbs: &[&[u8]]| tlv(0x30, &tlv(0x30, &tbs.concat()));
    let mut connection = server.connect();
    let mut requests = vec![
        // version v1 spelled out, a requestorName without a signature, an empty list of extensions.
        whole(&[&tlv(0xa0, &tlv(0x02, &[0])), &list]),
        whole(&[&tlv(0xa1, &tlv(0x82, b"client.example")), &list]),
        whole(&[&list, &tlv(0xa2, &tlv(0x30, &[]))]),
    ];
    // Nonces of every length that RFC 9654 lets pass, answered without one.
    requests.extend(
        [1, 15, 16, 32, 33, 128].map(|len| with_nonce(&ca, Hash::Sha256, &certificate.serial, len)),
    );
    for request in requests {
        let answer = ocsp(&connection.post("/ocsp", &request));
        assert_eq!(
            (&answer.single().cert_id, &answer.single().status),
            (&id, &Status::Good)
        );
    }

    // Absent hash parameters equal NULL, octet for octet in what comes back or as NULL.
    let parts = children(only(&id, 0x30));
    let oid = children(only(parts[0].whole, 0x30))[0].whole;
    let rest: Vec<u8> = parts[1..]
        .iter()
        .flat_map(|part| part.whole.to_vec())
        .collect();
    let bare = tlv(0x30, &[tlv(0x30, oid), rest].concat());
    let answer = ocsp(&connection.post("/ocsp", &request_of_cert_ids(&[bare])));
    assert_eq!(
        (answer.single().serial(), &answer.single().status),
        (certificate.serial.clone(), &Status::Good)
    );

    // An issuer that is not ours, and a hash that nobody knows.
    let mut strange = id.clone();
    let place = strange.len() - certificate.serial.len() / 2 - 10;
    strange[place] ^= 1;
    let md5 = [
        0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5, 5, 0,
    ];
    let unknown = [
        &md5[..],
        &tlv(4, &[7; 16]),
        &tlv(4, &[7; 16]),
        parts[3].whole,
    ]
    .concat();
    for id in [strange, tlv(0x30, &unknown)] {
        let reply = connection.post("/ocsp", &request_of_cert_ids(&[id]));
        assert_eq!(ocsp(&reply), Answer::UNAUTHORIZED);
    }
}

/// No buffer, and no answer, is ever another request's.
#[test]
fn pipelined_requests_are_answered_each_with_its_own_answer() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let certificates = ca.certificates();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (ca, server, certificates) = (&ca, &server, &certificates);
            scope.spawn(move || {
                let mut random = Random(100 + seed);
                for _ in 0..25 {
                    pipeline(ca, server, certificates, &mut random);
                }
            });
        }
    });
}

/// What a pipelined request has to be answered with.
enum Due<'a> {
    Status(&'a Certificate),
    Several(Vec<&'a Certificate>),
    Head(usize),
    Error(Answer),
}

fn pipeline(ca: &OpensslCa, server: &Server, certificates: &[Certificate], random: &mut Random) {
    let mut octets = Vec::new();
    let mut due = Vec::new();
    for _ in 0..40 {
        let certificate = random.pick(certificates);
        let hash = *random.pick(&Hash::BOTH);
        let request = request_of(ca, hash, &[&certificate.serial]);
        match random.below(10) {
            0..3 => {
                octets.extend(post("/ocsp", "", &request));
                due.push(Due::Status(certificate));
            }
            3..6 => {
                let paths = get_paths("/ocsp", &request);
                octets.extend(get(&random.pick(&paths).1, ""));
                due.push(Due::Status(certificate));
            }
            6 => {
                octets.extend(head(&get_paths("", &request)[1].1));
                due.push(Due::Head(200));
            }
            7 => {
                octets.extend(post("/ocsp", "", &request[..random.below(request.len())]));
                due.push(Due::Error(Answer::MALFORMED_REQUEST));
            }
            8 => {
                let stranger = request_of(ca, hash, &[NEVER_ISSUED]);
                octets.extend(post("/ocsp", "", &stranger));
                due.push(Due::Error(Answer::UNAUTHORIZED));
            }
            _ => {
                let several = [
                    certificate,
                    random.pick(certificates),
                    random.pick(certificates),
                ];
                let serials = several.map(|certificate| certificate.serial.as_str());
                octets.extend(post("/ocsp", "", &request_of(ca, hash, &serials)));
                due.push(Due::Several(several.to_vec()));
            }
        }
    }
    let mut connection = server.connect();
    // Cut at random places, so that heads and bodies are read in pieces.
    let cut = random.below(octets.len());
    let (first, second) = octets.split_at(cut);
    connection.send(first);
    connection.send(second);
    if random.below(2) == 0 {
        connection.finish_sending();
    }
    for due in due {
        match due {
            Due::Head(status) => assert_eq!(usize::from(connection.receive_head().status), status),
            Due::Error(error) => assert_eq!(ocsp(&connection.receive()), error),
            Due::Status(certificate) => {
                let answer = ocsp(&connection.receive());
                let told = (answer.single().serial(), &answer.single().status);
                assert_eq!(told, (certificate.serial.clone(), &certificate.status));
            }
            Due::Several(several) => {
                let Answer::Basic { singles, .. } = ocsp(&connection.receive()) else {
                    panic!("no answer to several")
                };
                let told: Vec<_> = singles
                    .iter()
                    .map(|single| (single.serial(), &single.status))
                    .collect();
                let due: Vec<_> = several
                    .iter()
                    .map(|it| (it.serial.clone(), &it.status))
                    .collect();
                assert_eq!(told, due);
            }
        }
    }
}

#[test]
fn clients_that_break_off_disturb_nobody() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let certificates = ca.certificates();
    let mut random = Random(3);
    for round in 0..200 {
        let certificate = random.pick(&certificates);
        let request = request_of(&ca, Hash::Sha1, &[&certificate.serial]);
        let octets = match round % 3 {
            0 => post("/ocsp", "", &request),
            1 => post("/ocsp", "Expect: 100-continue\r\n", &request),
            _ => get(&get_paths("/ocsp", &request)[1].1, ""),
        };
        let mut broken = server.connect();
        broken.send(&octets[..random.below(octets.len())]);
        drop(broken);
        if round % 10 == 0 {
            server.answers(certificate);
        }
    }
}

#[test]
fn a_client_that_dawdles_is_cut_off() {
    let ca = SHARED.get();
    let limits = "header_timeout = \"1s\"\nidle_timeout = \"1s\"".to_owned();
    let site = Site::with(
        &ca,
        &Settings {
            limits,
            ..Settings::default()
        },
    );
    site.import_index().expect(0);
    let server = site.serve();
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.send(b"POST /ocsp HTTP/1.1\r\nHost: a\r\n");
    let mut idle = server.connect();
    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    assert_eq!(idle.post("/ocsp", &request).status, 200);
    for connection in [&mut silent, &mut slow, &mut idle] {
        let rest = connection.rest();
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
    server.answers(&ca.certificates()[0]);
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let ca = SHARED.get();
    let limits = "connections = 3".to_owned();
    let site = Site::with(
        &ca,
        &Settings {
            limits,
            ..Settings::default()
        },
    );
    site.import_index().expect(0);
    let server = site.serve();
    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    let mut open: Vec<Connection> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.post("/ocsp", &request).status, 200);
    }
    assert_eq!(server.connect().rest(), b"");
    for connection in &mut open {
        assert_eq!(connection.post("/ocsp", &request).status, 200);
    }
}

#[test]
fn framing_that_two_readers_could_read_differently_is_refused() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    for head in [
        "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST /ocsp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
        "POST /ocsp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "GET /ocsp HTTP/1.1\rHost: a\r\n\r\n",
        "GET /ocsp HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET  /ocsp HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /oc sp HTTP/1.1\r\nHost: a\r\n\r\n",
        "\0\0\0\0\0\0\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(head.as_bytes());
        connection.finish_sending();
        let rest = connection.rest();
        let status = rest.get(9..12).unwrap_or_default();
        assert!(
            rest.is_empty() || status.starts_with(b"4"),
            "{head:?}: {}",
            rest.escape_ascii()
        );
    }
    // Both ways to say how long a body is: RFC 9112 §6.3 lets chunked win, if the connection closes.
    let mut both = server.connect();
    let request = request_of(&ca, Hash::Sha1, &[&ca.certificates()[0].serial]);
    let mut octets = post("/ocsp", "Transfer-Encoding: chunked\r\n", &[]);
    octets.extend(format!("{:x}\r\n", request.len()).bytes());
    octets.extend([&request[..], b"\r\n0\r\n\r\n"].concat());
    octets.extend(get("/smuggled", ""));
    if both.try_send(&octets).is_ok() {
        let rest = both.rest();
        let answers = rest
            .windows(9)
            .filter(|window| *window == b"HTTP/1.1 ")
            .count();
        assert!(answers <= 1, "{}", rest.escape_ascii());
    }
    server.answers(&ca.certificates()[0]);
}

#[test]
fn sigterm_lets_answers_under_way_finish() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let mut server = site.serve();
    let certificate = good(&ca, 9);
    let request = request_of(&ca, Hash::Sha1, &[&certificate.serial]);
    let octets = post("/ocsp", "", &request);
    let mut busy = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.post("/ocsp", &request).status, 200);
    assert_eq!(busy.post("/ocsp", &request).status, 200);
    busy.send(&octets[..octets.len() - 10]);

    server.begin_to_terminate();
    assert_eq!(idle.rest(), b"", "an idle connection is closed");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(server.address()).is_ok() {
        assert!(Instant::now() < deadline, "new connections are still taken");
        std::thread::yield_now();
    }
    busy.send(&octets[octets.len() - 10..]);
    assert_eq!(ocsp(&busy.receive()).single().status, Status::Good);
    assert_eq!(busy.rest(), b"");
    assert_eq!(server.wait().expect(0).code, 0);
    // Nothing is in the way of the next start.
    site.serve().answers(&certificate);
}

#[test]
fn every_listener_answers_alike_on_ipv4_and_ipv6() {
    let ca = SHARED.get();
    let listen = ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]
        .map(str::to_owned)
        .to_vec();
    let site = Site::with(
        &ca,
        &Settings {
            listen,
            ..Settings::default()
        },
    );
    site.import_index().expect(0);
    let server = site.serve_settled();
    assert_eq!(server.addresses.len(), 3);
    assert!(server.addresses.iter().any(|address| address.is_ipv6()));
    let request = request_of(&ca, Hash::Sha256, &[&ca.certificates()[1].serial]);
    let bodies: Vec<_> = server
        .addresses
        .iter()
        .map(|address| Connection::open(*address).post("/ocsp", &request).body)
        .collect();
    assert_eq!(
        Answer::of(&bodies[0]).single().status,
        ca.certificates()[1].status
    );
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

/// `openssl ocsp` exited when a browser called (3043, again in 3.0: 14547); openca-ocspd died of
/// SHA-256, said internalError for whatever was revoked, and good for what was never issued.
#[test]
fn what_ended_other_small_responders_does_not_end_this_one() {
    let ca = SHARED.get();
    let site = Site::imported(&ca);
    let server = site.serve();
    let browser = "User-Agent: Mozilla/5.0\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\
                   Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n";
    for path in ["/", "/favicon.ico", "/ocsp", "/ocsp/", "/index.html?a=b"] {
        let reply = server.connect().get_with(path, browser);
        assert!(matches!(reply.status, 200 | 404), "{path}: {reply:?}");
    }
    let mut http_1_0 = server.connect();
    http_1_0.send(b"GET / HTTP/1.0\r\n\r\n");
    assert!(http_1_0.rest().starts_with(b"HTTP/1."));
    for certificate in ca.certificates().iter().take(40) {
        server.answers(certificate);
    }
    for hash in Hash::BOTH {
        assert_eq!(
            Answer::of(&server.ask(hash, NEVER_ISSUED)),
            Answer::UNAUTHORIZED
        );
    }
}

/// The OCSP answer in an HTTP answer.
#[track_caller]
fn ocsp(reply: &Reply) -> Answer {
    assert_eq!(
        reply.header("content-type"),
        Some("application/ocsp-response"),
        "{reply:?}"
    );
    Answer::of(&reply.body)
}

fn escaped(ca: &OpensslCa, hash: Hash, serial: &str) -> String {
    get_paths("/ocsp", &request_of(ca, hash, &[serial]))
        .swap_remove(1)
        .1
}

fn head(path: &str) -> Vec<u8> {
    let get = String::from_utf8(get(path, "")).expect("a head is text");
    get.replacen("GET", "HEAD", 1).into_bytes()
}

/// Status and headers, less the one that tells the moment.
fn without_date(reply: &Reply) -> (u16, Vec<(String, String)>) {
    let mut headers = reply.headers.clone();
    headers
        .retain(|(name, value)| name != "date" && !(name == "cache-control" && value.is_empty()));
    // max-age counts down.
    for (name, value) in &mut headers {
        if name == "cache-control" {
            *value = value
                .split("max-age=")
                .map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit()))
                .collect();
        }
    }
    headers.sort();
    (reply.status, headers)
}

/// `Sun, 22 Nov 2026 03:17:47 GMT` as `20261122031747Z`.
fn http_date(date: &str) -> String {
    let words: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, clock, "GMT"] = words[..] else {
        panic!("no HTTP date: {date}")
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months
        .iter()
        .position(|known| *known == month)
        .expect("a month")
        + 1;
    format!("{year}{month:02}{day}{}Z", clock.replace(':', ""))
}

/// The `n`th certificate that is good.
fn good(ca: &OpensslCa, n: usize) -> Certificate {
    let mut good = ca.certificates();
    good.retain(|certificate| certificate.status == Status::Good);
    good.swap_remove(n)
}

/// Not in any `index.txt` of these tests.
const NEVER_ISSUED: &str = "0BADC0DE0BADC0DE";
