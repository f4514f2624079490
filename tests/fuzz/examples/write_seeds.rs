//! Writes `seeds/`, the first inputs of each target, and with `specimen` the segment that is damaged.
//!
//! The seeds are the same each time; the specimen is not, since segments have random parts.

use std::fs;
use std::path::{Path, PathBuf};

use estelam::ocsp::{HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams};
use estelam::{asn1::SignatureAlgorithm, config};
use estelam_fuzz::der::tlv;
use estelam_fuzz::{specimen, world};
use hex_literal::hex;
// Gives the coverage counters a home.
use libfuzzer_sys as _;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("specimen") {
        write_specimen();
        return;
    }
    ocsp_request();
    refused_requests();
    answer();
    get_path();
    index_txt();
    csv();
    push();
    certificates();
    segment();
    template();
    catalog_manifest();
    certificate();
    pkcs10();
    crl();
    config();
    admin_query();
    ledger_entry();
    signer_frame();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn write(target: &str, name: &str, octets: impl AsRef<[u8]>) {
    let folder = root().join("seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), octets).unwrap();
}

/// Until a bucket of its index is full, so that the search goes on in the next one.
fn write_specimen() {
    loop {
        let folder = tempfile::tempdir().unwrap();
        let octets = fs::read(specimen::write(folder.path()).path).unwrap();
        let index = &octets[octets.len() - 64 * 8..];
        if index
            .as_chunks::<64>()
            .0
            .iter()
            .any(|bucket| bucket[60..] != [0xff; 4])
        {
            fs::write(root().join("src/specimen.seg"), octets).unwrap();
            return;
        }
    }
}

fn cert_id(algorithm: HashAlgorithm, issuer: usize, serial: &[u8]) -> Vec<u8> {
    let (subject, key) = world::ISSUERS[issuer];
    let parts = [
        algorithm.algorithm_identifier_der().to_vec(),
        tlv(0x04, &[algorithm.digest(subject).as_bytes()]),
        tlv(0x04, &[algorithm.digest(key).as_bytes()]),
        tlv(0x02, &[serial]),
    ];
    tlv(0x30, &[&parts.concat()])
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    tlv(0x30, &[&tlv(0x06, &[oid]), critical, &tlv(0x04, &[value])])
}

fn request(before: &[u8], requests: &[Vec<u8>], after: &[u8]) -> Vec<u8> {
    let list = tlv(0x30, &[&requests.concat()]);
    tlv(0x30, &[&tlv(0x30, &[before, &list, after])])
}

fn ocsp_request() {
    let write = |name: &str, octets: Vec<u8>| write("ocsp_request", name, octets);
    let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);
    for (place, (serial, _)) in world::SERIALS.iter().enumerate() {
        let algorithm = if place % 2 == 0 { sha1 } else { sha256 };
        let one = tlv(0x30, &[&cert_id(algorithm, place % 3, serial)]);
        write(&format!("serial-{place}.der"), request(&[], &[one], &[]));
    }
    let one = tlv(0x30, &[&cert_id(sha1, 0, &[0x01])]);
    let extensions = [
        extension(&hex!("2b0601050507300102"), false, &tlv(0x04, &[&[7; 32]])),
        extension(
            &hex!("2b0601050507300104"),
            false,
            &hex!("300b06092b0601050507300101"),
        ),
        extension(
            &hex!("2b0601050507300108"),
            true,
            &hex!("300e300c300a06082a8648ce3d040302"),
        ),
        extension(&hex!("2a0304"), false, b"x"),
    ];
    let extensions = tlv(0xa2, &[&tlv(0x30, &[&extensions.concat()])]);
    let single = tlv(
        0xa0,
        &[&tlv(
            0x30,
            &[&extension(
                &hex!("2b0601050507300107"),
                false,
                &[0x30, 0x00],
            )],
        )],
    );
    let with_single = tlv(0x30, &[&cert_id(sha256, 1, &[0x05]), &single]);
    let before = [
        hex!("a003 020100").to_vec(),
        hex!("a107 8205 612e636f6d").to_vec(),
    ]
    .concat();
    write(
        "everything.der",
        request(&before, &[one.clone(), with_single], &extensions),
    );
    write(
        "extensions.der",
        request(&[], std::slice::from_ref(&one), &extensions),
    );
    write("eight.der", request(&[], &vec![one.clone(); 8], &[]));
    let absent = tlv(0x30, &[&cert_id(sha1, 0, &[0x55; 20])]);
    write("not-issued.der", request(&[], &[absent], &[]));
    let tbs_request = tlv(0x30, &[&tlv(0x30, &[&one])]);
    let signature = tlv(
        0x30,
        &[&hex!("300a06082a8648ce3d040302"), &hex!("030300abcd")],
    );
    write(
        "signed.der",
        tlv(0x30, &[&tbs_request, &tlv(0xa0, &[&signature])]),
    );
}

/// Next to what is accepted, on the other side.
fn refused_requests() {
    let write = |name: &str, octets: Vec<u8>| write("ocsp_request", name, octets);
    let sha1 = HashAlgorithm::Sha1;
    let one = tlv(0x30, &[&cert_id(sha1, 0, &[0x01])]);
    let good = request(&[], std::slice::from_ref(&one), &[]);
    for (name, serial) in [
        ("padded", &[0x00, 0x01][..]),
        ("padded-negative", &[0xff, 0xff]),
        ("empty", &[]),
    ] {
        let one = tlv(0x30, &[&cert_id(sha1, 0, serial)]);
        write(
            &format!("refused-serial-{name}.der"),
            request(&[], &[one], &[]),
        );
    }
    let cut = tlv(0x30, &[&cert_id(sha1, 0, &[0x01])[..30]]);
    write("refused-cut.der", request(&[], &[cut], &[]));
    write(
        "refused-long-length.der",
        [&[0x30, 0x81], &good[1..]].concat(),
    );
    write(
        "refused-indefinite.der",
        [&[0x30, 0x80], &good[2..], &[0, 0]].concat(),
    );
    write("refused-trailing.der", [&good[..], &[0]].concat());
    write(
        "refused-version.der",
        request(&hex!("a003 020101"), std::slice::from_ref(&one), &[]),
    );
    write("refused-none.der", request(&[], &[], &[]));
    write("refused-nine.der", request(&[], &vec![one.clone(); 9], &[]));
    let nonce = hex!("2b0601050507300102");
    let of = |len: usize| extension(&nonce, false, &tlv(0x04, &[&vec![7; len]]));
    let unknown = extension(&hex!("2a0304"), true, b"x");
    let giant = extension(&[0x2a; 65], false, b"x");
    for (name, extensions) in [
        ("nonce-0", of(0)),
        ("nonce-129", of(129)),
        ("duplicate", [of(16), of(16)].concat()),
        ("critical", unknown),
        ("giant-oid", giant),
        (
            "acceptable",
            extension(&hex!("2b0601050507300104"), false, &hex!("30050603 2a0304")),
        ),
    ] {
        let extensions = tlv(0xa2, &[&tlv(0x30, &[&extensions])]);
        let octets = request(&[], std::slice::from_ref(&one), &extensions);
        write(&format!("refused-{name}.der"), octets);
    }
    // Beside them, what is just accepted.
    let bare = extension(&nonce, false, &[7; 16]);
    for (name, extensions) in [
        ("nonce-128", of(128)),
        ("bare-nonce", bare),
        ("no-extension", Vec::new()),
    ] {
        let extensions = tlv(0xa2, &[&tlv(0x30, &[&extensions])]);
        write(
            &format!("{name}.der"),
            request(&[], std::slice::from_ref(&one), &extensions),
        );
    }
}

fn answer() {
    write("answer", "one", [1, 1, 0, 0, 0, 0]);
    write("answer", "sha256", [2, 1, 5, 1, 3, 0]);
    write(
        "answer",
        "own-serial",
        [
            4, 1, 0, 0, 200, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
        ],
    );
    write(
        "answer",
        "three",
        [5, 1, 0, 3, 0, 0, 1, 1, 1, 2, 2, 2, 2, 32],
    );
}

fn get_path() {
    for (name, path) in [
        ("plain", "/MEIwQDA+MDwwOjAJBgUrDgMCGgUABBQ="),
        ("escaped", "/MEIwQDA%2BMDwwOjAJBgUrDgMCGgUABBQ%3D"),
        ("slashes", "//MA%2f%2F//++=="),
        ("base64url", "/MA_-MA"),
        ("short", "MA=="),
        ("twice", "MA%253D%253D"),
    ] {
        write("get_path", name, path);
    }
}

fn index_txt() {
    write(
        "index_txt",
        "every-form",
        "V\t301231235959Z\t\t01\tunknown\t/CN=a\n\
         R\t301231235959Z\t260105120000Z\t02\tunknown\t/CN=b\n\
         R\t20501231235959Z\t20500105120000Z,superseded\t0A03\tunknown\t/CN=c\n\
         R\t301231235959Z\t260105120000Z,holdInstruction,1.2.840.10040.2.3\t04\tunknown\t/CN=d\n\
         R\t301231235959Z\t260105120000Z,keyTime,20251224180000Z\t05\tunknown\t/CN=e\n\
         R\t301231235959Z\t260105120000Z,CAkeyTime,20251224180000Z\t06\tunknown\t/CN=f\n\
         R\t301231235959Z\t260105120000Z,removeFromCRL\t07\tunknown\t/CN=g\n\
         R\t301231235959Z\t260105120000Z,certificateHold\t80\tunknown\t/CN=h\n\
         E\t241231235959Z\t\tFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\tunknown\t/CN=i\n\
         # a comment\n",
    );
    write(
        "index_txt",
        "repetition",
        "V\t301231235959Z\t\t01\tunknown\t/CN=a\nE\t301231235959Z\t\t01\tunknown\t/CN=a\n\
         R\t301231235959Z\t260105120000Z,AACompromise\t02\tunknown\t/CN=b\n\
         V\t301231235959Z\t\t0002\tunknown\t/CN=b\\\tc\nV\t",
    );
}

/// The first octet: 0 lines, 1 JSON; 2 and 3 the same with two issuers.
fn push() {
    let issued = "{\"serial\":\"0F80\",\"status\":\"issued\",\"not_before\":\"2026-01-01T00:00:00Z\",\
                  \"not_after\":\"2028-01-01T00:00:00Z\",\"certificate_sha256\":null}";
    let revoked = "{\"issuer\":\"a\",\"serial\":\"0F7E\",\"status\":\"revoked\",\"reason\":\"keyCompromise\",\
                   \"revocation_time\":\"2026-03-21T08:30:00Z\",\"invalidity_date\":\"2026-03-01T00:00:00Z\"}";
    let hold =
        "{\"serial\":\"01\",\"status\":\"hold\"}\n{\"serial\":\"01\",\"status\":\"released\"}";
    write(
        "push",
        "lines",
        format!("\0{issued}\r\n\n{revoked}\n{hold}\n"),
    );
    write("push", "array", format!("\x01 [{issued}, {revoked}]"));
    write("push", "object", format!("\x03{{\"entries\":[{revoked}]}}"));
    let pem = include_str!("../src/issued.pem").replace('\n', "\\n");
    let leaf = pem.rfind("-----BEGIN").map_or("", |start| &pem[start..]);
    write(
        "push",
        "certificate",
        format!("\x02{{\"certificate\":\"{leaf}\",\"status\":\"issued\"}}"),
    );
    write(
        "push",
        "escaped",
        "\0{\"serial\":\"\\u0030F\",\"status\":\"issued\"}".to_owned(),
    );
}

fn csv() {
    let text = "serial,status,reason,revocation_time,invalidity_date,not_before,not_after,sha256\n\
                0A1B,good,,,,2026-01-05T12:00:00Z,2036-01-05T12:00:00Z,\n\
                01,revoked,4,2026-01-05T12:00:00Z,2025-01-05T12:00:00+03:30,,,\n\
                7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF,hold,,2026-01-05T12:00:00Z,,,,\"\"\r\n";
    write("csv", "names", format!("\0{text}"));
    write(
        "csv",
        "quotes",
        "\0serial,status,subject\n\"01\",good,\"CN=\"\"a\"\",\nO=b\"\n",
    );
    write(
        "csv",
        "ejbca",
        "\x35serial;status;reason;revocation_time\n4097;20;-1;-1\n4098;40;6;1767614400123\n\
         4099;60;-1;-1\n",
    );
    write("csv", "numbers", "\x58255,2026-01-05 12:00:00\n256,\n");
    write("csv", "cut", "\0serial,status\n01,good\n01,\"goo");
}

fn certificates() {
    let pem = fs::read(root().join("src/issued.pem")).unwrap();
    write("certificates", "issued.pem", &pem);
    let head = format!("={{\"file\":\"a.pem\",\"octets\":{}}}\n", pem.len());
    write("certificates", "stream", [head.as_bytes(), &pem].concat());
    let unreadable = "={\"file\":\"a\",\"unreadable\":\"gone\"}\n{\"file\":\"b\",\"octets\":0}\n";
    write("certificates", "unreadable", unreadable);
    let text = "-----BEGIN CERTIFICATE-----\nAQID\n-----BEGIN CERTIFICATE-----\nA?\n\
                -----END CERTIFICATE-----\n-----BEGIN PKCS7-----\n-----END PKCS7-----\n";
    write("certificates", "broken.pem", text);
}

fn segment() {
    write("segment", "bit", [0, 10, 0, 3]);
    write("segment", "octet", [2, 0, 33, 9]);
    write("segment", "swap", [6, 4, 0, 100, 8, 0]);
    write("segment", "copy", [5, 40, 0, 63, 41, 64]);
    write("segment", "wipe", [3, 1, 0, 200]);
    write("segment_forged", "specimen", specimen::OCTETS);
}

fn template() {
    for (place, algorithm) in HashAlgorithm::ALL.into_iter().enumerate() {
        let certificate = tlv(0x30, &[&[0x05, 0x00]]);
        let responder_id = match place {
            0 => ResponderId::ByKey([7; 20]),
            _ => ResponderId::ByName(hex!("3000").to_vec()),
        };
        let template = Template::new(&TemplateParams {
            responder_id: &responder_id,
            issuer_hashes: &IssuerHashes::new(algorithm, b"a name", b"a key"),
            produced_at: world::time(1_700_000_000),
            this_update: world::time(1_700_000_000),
            next_update: world::time(1_700_345_600),
            signature_algorithm: match place {
                0 => SignatureAlgorithm::EcdsaSha256P256,
                1 => SignatureAlgorithm::EcdsaSha384P384,
                2 => SignatureAlgorithm::Ed25519,
                _ => SignatureAlgorithm::from_stored_code([4, 1, 0]).unwrap(),
            },
            archive_cutoff: (place == 1).then(|| world::time(1_600_000_000)),
            certificates: &vec![&certificate[..]; place],
        });
        write("template", &place.to_string(), template.to_bytes());
    }
}

fn catalog_manifest() {
    let issuer = specimen::issuer();
    let file_id: String = specimen::OCTETS[88..104]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let line = |withheld: bool| {
        format!(
            r#"{{"sha256":"{}","len":{},"file_id":"{file_id}","issuer":"{issuer}","kind":"base","depth":0,"shard":0,"as_of":100,"snapshot_time":1700000000,"withheld":{withheld}}}"#,
            specimen::file_name().trim_end_matches(".seg"),
            specimen::OCTETS.len(),
        )
    };
    let body = |lines: &[String]| {
        format!(
            r#"{{"generation_below":1048577,"segments":[{}]}}"#,
            lines.join(",")
        )
    };
    let patch = line(false)
        .replace("base", "patch")
        .replace(r#""as_of":100"#, r#""as_of":101"#);
    let bodies = [body(&[]), body(&[line(false)]), body(&[line(true), patch])];
    for (place, body) in bodies.iter().enumerate() {
        write("catalog_manifest", &format!("body-{place}"), body);
    }
    let whole = estelam_fuzz::forge::manifest(bodies[1].as_bytes());
    write("catalog_manifest", "whole", [&b"="[..], &whole].concat());
    write("catalog_manifest", "newer", "=estelam-catalog 2 00\n{}");
}

fn certificate() {
    for name in ["ca", "delegate"] {
        let pem = fs::read(root().join(format!("../../fixtures/ocsp/{name}.pem"))).unwrap();
        let certificate = estelam::asn1::Certificate::from_pem(&pem).unwrap();
        write("certificate", &format!("{name}.der"), certificate.der());
        write("certificate", &format!("{name}.pem"), pem);
        for (place, bits) in [&[][..], &[0x00], &[0x07]].into_iter().enumerate() {
            let parts = [certificate.tbs_der(), certificate.signature_algorithm_der()].concat();
            let octets = tlv(0x30, &[&parts, &tlv(0x03, &[bits])]);
            write(
                "certificate",
                &format!("{name}-no-signature-{place}.der"),
                octets,
            );
        }
    }
}

/// Subjects and attributes; the target makes requests of them.
fn pkcs10() {
    let subject = hex!("300c 310a 3008 0603550403 0c01 61");
    let attribute =
        |oid: &[u8], value: &[u8]| tlv(0x30, &[&tlv(0x06, &[oid]), &tlv(0x31, &[value])]);
    let extensions = |list: &[Vec<u8>]| {
        let value = tlv(0x30, &[&list.concat()]);
        attribute(&hex!("2a864886f70d01090e"), &value)
    };
    let names = hex!("3015 8201 61 8704 7f000001 8201 62 8107 61406578616d70");
    let server = extensions(&[
        extension(&hex!("551d11"), false, &names),
        extension(&hex!("551d0f"), true, &hex!("0302 0780")),
    ]);
    let rights = extensions(&[
        extension(&hex!("551d13"), true, &hex!("3003 0101ff")),
        extension(&hex!("551d0f"), true, &hex!("0302 0106")),
        extension(&hex!("551d25"), false, &hex!("300a 0608 2b06010505070309")),
        extension(&hex!("2b0601050507300105"), false, &hex!("0500")),
    ]);
    let password = attribute(&hex!("2a864886f70d010907"), &hex!("0c01 61"));
    for (name, attributes) in [
        ("plain", vec![]),
        ("server", server.clone()),
        ("rights", rights),
        ("password-and-server", [password, server].concat()),
    ] {
        write("pkcs10", name, [b"=", &subject[..], &attributes].concat());
    }
    let two = hex!("3016 3114 3008 0603550403 0c01 41 3008 060355040b 0c01 42");
    write("pkcs10", "two-valued", [b"=", &two[..]].concat());
}

fn crl() {
    let algorithm = hex!("300a 0608 2a8648ce3d040302");
    let name = hex!("300e 310c 300a 0603 550403 0c03 626967");
    let entry =
        |serial: &[u8], date: &[u8], list: &[u8]| tlv(0x30, &[&tlv(0x02, &[serial]), date, list]);
    let date = tlv(0x17, &[b"260105120000Z"]);
    let late = tlv(0x18, &[b"20500105120000Z"]);
    let reason = hex!("300c 300a 0603 551d15 0403 0a0101");
    let invalid = hex!("301a 3018 0603 551d18 0411 180f 32303236303130313030303030305a");
    let issuer = hex!("3013 3011 0603 551d1d 0101ff 0407 3005 8203 612e62");
    let entries = [
        entry(&[0x01], &date, &[]),
        entry(&[0x00, 0x80], &date, &reason),
        entry(&[0x7f; 20], &late, &invalid),
        entry(&[0x80], &date, &issuer),
    ];
    let number: &[u8] = &hex!("300a 0603 551d14 0403 020107");
    let key: &[u8] = &hex!("300d 0603 551d23 0406 3004 8002 abcd");
    let base: &[u8] = &hex!("300d 0603 551d1b 0101ff 0403 020105");
    let point: &[u8] = &hex!(
        "3026 0603 551d1c 0101ff 041c 301a a00a a008 8606 687474703a2f 8101ff 8302 0640 8401ff 850100"
    );
    let whole = |entries: &[u8], list: &[&[u8]]| {
        let list = tlv(0xa0, &[&tlv(0x30, list)]);
        let time = tlv(0x17, &[b"260101000000Z"]);
        let tbs = [
            &[2, 1, 1][..],
            &algorithm,
            &name,
            &time,
            &late,
            entries,
            &list,
        ];
        tlv(
            0x30,
            &[&tlv(0x30, &tbs), &algorithm, &tlv(0x03, &[&[0, 1, 2, 3]])],
        )
    };
    let list = tlv(0x30, &[&entries.concat()]);
    let full = whole(&list, &[key, number]);
    let pem = {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&full);
        format!("a CRL\n-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n")
    };
    write("crl", "full.der", full);
    write("crl", "full.pem", pem);
    write("crl", "empty.der", whole(&[], &[number]));
    write("crl", "delta.der", whole(&list, &[number, base, point]));
}

fn config() {
    write("config", "default", config::EXAMPLE);
    let uncommented: Vec<&str> = config::EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) => setting,
            _ => line,
        })
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    write("config", "everything", uncommented.join("\n"));
    let issuer = "[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n\
                  [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"keys/s.key\"\n";
    write("config", "issuer", issuer);
    write("config", "near-miss", "[limit]\nconnection = 5\n");
}

fn admin_query() {
    write(
        "admin_query",
        "issuer",
        "issuer=%D8%B1%DB%8C%D8%B4%D9%87&x&issuer=b+c&z=100%",
    );
}

fn ledger_entry() {
    let head = "0000000000000105 00000123456789ab 05 696e646578 0002 c3a9".replace(' ', "");
    for (name, kind, body) in [
        (
            "issuer",
            "0101",
            "00000002 02 6361 00000002 3000 00000003 300105",
        ),
        (
            "issued",
            "0102",
            "00000002 0000000000000000 02 0080 07 0000000001 3afff4417f \
             aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        (
            "revoked",
            "0103",
            "00000002 0000000000000102 02 0080 1a 000000000c 000000000a 0a 000000000b",
        ),
        ("released", "0104", "00000002 0000000000000103 02 0080 00"),
        ("clock", "0105", "000000000d"),
    ] {
        let digits: String = [kind, &head, body].concat().split_whitespace().collect();
        let octets: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        write("ledger_entry", name, octets);
    }
}

/// A request and a reply of each kind, as `signer::process` draws them.
fn signer_frame() {
    let seeds: [(&str, &[u8]); 9] = [
        ("hello", b"\x01estelsig\x00\x01\x00\x01\x00\x08pkcs11:a"),
        (
            "sign",
            b"\x02\x00\x02\x00\x02\x00\x00\x00\x02ab\x00\x00\x00\x00",
        ),
        ("digest", b"\x03\x00\x000123456789abcdef0123456789abcdef"),
        ("file", b"\x04\x00\x01\x00\x00\x00\x00\x00\x01\x02\x03"),
        ("health", b"\x05"),
        (
            "welcome",
            b"\x81\x00\x01\x00\x40\x00\x04\x00\x01a\x00\x01\x00\x00\x00\x02\x04\x05\x00\x01b\x01\
              \x00\x01c\x02\x00\x03why\x00\x01d\x03\x00\x03why",
        ),
        ("signatures", b"\x82\x00\x02\x00\x02abcd"),
        ("refused", b"\x83\x01why"),
        (
            "healthy",
            b"\x84\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x03\
              \x00\x00\x00\x04",
        ),
    ];
    for (name, octets) in seeds {
        write("signer_frame", name, octets);
    }
}
