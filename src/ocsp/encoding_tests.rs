//! Responses against encoders and parsers that are not ours: OpenSSL's command line and `x509-ocsp`.

use der_07::{Decode, Encode};
use hex_literal::hex;
use proptest::prelude::*;
use x509_ocsp as theirs;

use super::{
    CertStatus, EncodeError, HashAlgorithm, IssuerHashes, Nonce, OcspRequest, OcspResponseStatus,
    RequestLimits, ResponderId, ResponseDataParams, SingleResponse, Template, TemplateError,
    TemplateParams, basic_response, invalidity_date_extension, response_data, with_archive_cutoff,
};
use crate::asn1::{Certificate, CrlReason, SignatureAlgorithm, UnixTime, put_tlv};

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn parse(response: &[u8]) -> theirs::BasicOcspResponse {
    let outer = theirs::OcspResponse::from_der(response).unwrap();
    assert_eq!(
        outer.response_status,
        theirs::OcspResponseStatus::Successful
    );
    assert_eq!(outer.to_der().unwrap(), response, "not canonical");
    let bytes = outer.response_bytes.unwrap();
    assert_eq!(bytes.response_type, const_oid_07("1.3.6.1.5.5.7.48.1.1"));
    let basic = theirs::BasicOcspResponse::from_der(bytes.response.as_bytes()).unwrap();
    assert_eq!(
        basic.to_der().unwrap(),
        bytes.response.as_bytes(),
        "not canonical"
    );
    basic
}

fn const_oid_07(dotted: &str) -> der_07::oid::ObjectIdentifier {
    der_07::oid::ObjectIdentifier::new(dotted).unwrap()
}

fn time(theirs: theirs::OcspGeneralizedTime) -> UnixTime {
    UnixTime::from_secs(theirs.0.to_unix_duration().as_secs()).unwrap()
}

/// r‖s of a DER signature, as a token would have given it.
fn r_s(signature: &[u8]) -> Vec<u8> {
    p256::ecdsa::Signature::from_der(signature)
        .unwrap()
        .to_bytes()
        .to_vec()
}

/// The certificates of the fixtures.
struct Authority {
    ca: Certificate,
    delegate: Certificate,
}

impl Authority {
    fn load() -> Self {
        let load = |name| Certificate::from_pem(&fixture(name)).unwrap();
        Self {
            ca: load("ca.pem"),
            delegate: load("delegate.pem"),
        }
    }

    fn hashes(&self, algorithm: HashAlgorithm) -> IssuerHashes {
        IssuerHashes::new(
            algorithm,
            self.ca.subject_der(),
            self.ca.public_key_octets(),
        )
    }
}

#[test]
fn a_template_gives_the_very_octets_of_openssl() {
    let authority = Authority::load();
    let expected = fixture("response-good-by-key.der");
    let basic = parse(&expected);
    let single = &basic.tbs_response_data.responses[0];
    let template = Template::new(&TemplateParams {
        responder_id: &ResponderId::by_key(authority.delegate.public_key_octets()),
        issuer_hashes: &authority.hashes(HashAlgorithm::Sha1),
        produced_at: time(basic.tbs_response_data.produced_at),
        this_update: time(single.this_update),
        next_update: time(single.next_update.unwrap()),
        signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
        archive_cutoff: None,
        certificates: &[authority.delegate.der()],
    });
    let serial = [&hex!("1f")[..], &[0; 18], &[1]].concat();
    let signature = r_s(basic.signature.raw_bytes());

    let mut out = Vec::new();
    template
        .assemble(&serial, &CertStatus::Good, None, &signature, &mut out)
        .unwrap();
    assert_eq!(out, expected);
    template
        .tbs_response_data(&serial, &CertStatus::Good, None, &mut out)
        .unwrap();
    assert_eq!(out, basic.tbs_response_data.to_der().unwrap());
    verify(&authority.delegate, &out, &signature);
}

#[test]
fn live_answers_are_the_very_octets_of_openssl() {
    let authority = Authority::load();
    let by_name = ResponderId::ByName(authority.delegate.subject_der().to_vec());
    let by_key = ResponderId::by_key(authority.delegate.public_key_octets());
    for (request, response, responder_id) in [
        (
            "request-sha256-nonce.der",
            "response-revoked-nonce.der",
            &by_key,
        ),
        ("request-three.der", "response-three-by-name.der", &by_name),
    ] {
        let request = fixture(request);
        let request = OcspRequest::decode(&request, &RequestLimits::default()).unwrap();
        let expected = fixture(response);
        let basic = parse(&expected);
        let single = &basic.tbs_response_data.responses[0];
        let responses: Vec<_> = request
            .cert_ids()
            .map(|cert_id| SingleResponse {
                cert_id_der: cert_id.der,
                status: status_in_the_fixtures(cert_id.serial_number),
                this_update: time(single.this_update),
                next_update: time(single.next_update.unwrap()),
                single_extensions: None,
            })
            .collect();
        let tbs = response_data(&ResponseDataParams {
            responder_id,
            produced_at: time(basic.tbs_response_data.produced_at),
            responses: &responses,
            nonce: match request.nonce() {
                Nonce::Usable(octets) => Some(octets),
                _ => None,
            },
            extended_revoke: false,
        })
        .unwrap();
        let signature = r_s(basic.signature.raw_bytes());
        let algorithm = SignatureAlgorithm::EcdsaSha256P256;
        let certificates = [authority.delegate.der()];
        let ours = basic_response(&tbs, algorithm, &signature, &certificates).unwrap();
        assert_eq!(ours, expected);
        verify(&authority.delegate, &tbs, &signature);
    }
}

/// As `fixtures/ocsp/generate.sh` writes them into its index.txt.
fn status_in_the_fixtures(serial: &[u8]) -> CertStatus {
    let revocation_time = UnixTime::from_rfc3339("2026-02-03T04:05:06Z").unwrap();
    let revoked = |reason| CertStatus::Revoked {
        revocation_time,
        reason,
    };
    match serial {
        [0x7f] => revoked(None),
        [0x00, 0xf2, ..] => revoked(Some(CrlReason::KeyCompromise)),
        _ => CertStatus::Good,
    }
}

fn verify(signer: &Certificate, tbs: &[u8], r_s: &[u8]) {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let key = VerifyingKey::from_sec1_bytes(signer.public_key_octets()).unwrap();
    key.verify(tbs, &Signature::from_slice(r_s).unwrap())
        .unwrap();
}

#[test]
fn error_bodies_are_what_another_parser_expects() {
    for (status, expected) in OcspResponseStatus::ALL.into_iter().zip([
        theirs::OcspResponse::malformed_request(),
        theirs::OcspResponse::internal_error(),
        theirs::OcspResponse::try_later(),
        theirs::OcspResponse::sig_required(),
        theirs::OcspResponse::unauthorized(),
    ]) {
        assert_eq!(status.der(), expected.to_der().unwrap(), "{status}");
        assert_eq!(status.der().last(), Some(&status.code()));
    }
}

/// A certificate of nothing but structure, `filler` octets longer than the smallest.
fn certificate(filler: usize) -> Vec<u8> {
    let tlv = |tag, content: &[u8]| {
        let mut out = Vec::new();
        put_tlv(&mut out, tag, content);
        out
    };
    let algorithm = hex!("300a 0608 2a8648ce3d040302");
    let name = hex!("300c 310a 3008 0603550403 0c0161");
    let validity = [
        &hex!("301e 170d")[..],
        b"260101000000Z",
        &hex!("170d"),
        b"270101000000Z",
    ]
    .concat();
    let spki = hex!("3019 3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107 0302 0004");
    let extension = tlv(
        0x30,
        &[&hex!("0603 2a0304")[..], &tlv(0x04, &vec![0x5a; filler])].concat(),
    );
    let extensions = tlv(0xa3, &tlv(0x30, &extension));
    let head = hex!("a003 020102 020101");
    let tbs = [
        &head[..],
        &algorithm,
        &name,
        &validity,
        &name,
        &spki,
        &extensions,
    ]
    .concat();
    tlv(
        0x30,
        &[&tlv(0x30, &tbs)[..], &algorithm, &hex!("0302 00aa")].concat(),
    )
}

/// `Extensions` with one extension whose value has `len` octets.
fn extensions(len: usize) -> Vec<u8> {
    let mut value = hex!("0603 2a0304").to_vec();
    put_tlv(&mut value, 0x04, &vec![0x77; len]);
    let mut one = Vec::new();
    put_tlv(&mut one, 0x30, &value);
    let mut list = Vec::new();
    put_tlv(&mut list, 0x30, &one);
    list
}

fn any_time() -> impl Strategy<Value = UnixTime> {
    (0..=253_402_300_799_u64).prop_map(|secs| UnixTime::from_secs(secs).unwrap())
}

fn any_status() -> impl Strategy<Value = CertStatus> {
    let reason = prop::option::of(prop::sample::select(CrlReason::ALL.to_vec()));
    prop_oneof![
        Just(CertStatus::Good),
        Just(CertStatus::Unknown),
        (any_time(), reason).prop_map(|(revocation_time, reason)| CertStatus::Revoked {
            revocation_time,
            reason
        }),
    ]
}

/// Minimal content octets of positive serials of 1 to 20 octets.
fn any_serial() -> impl Strategy<Value = Vec<u8>> {
    (1..=20_usize, prop::collection::vec(any::<u8>(), 20)).prop_map(|(len, mut octets)| {
        octets.truncate(len);
        if len > 1 {
            octets[1] |= if octets[0] % 2 == 0 { 0x80 } else { 0 };
            octets[0] = if octets[0] % 2 == 0 {
                0
            } else {
                octets[0] & 0x7f
            };
        } else {
            octets[0] = (octets[0] & 0x7f).max(1);
        }
        octets
    })
}

fn any_responder_id() -> impl Strategy<Value = ResponderId> {
    let name = hex!("300c 310a 3008 0603550403 0c0161").to_vec();
    prop_oneof![
        prop::array::uniform20(any::<u8>()).prop_map(ResponderId::ByKey),
        Just(ResponderId::ByName(name)),
    ]
}

fn any_algorithm() -> impl Strategy<Value = SignatureAlgorithm> {
    prop_oneof![
        Just(SignatureAlgorithm::EcdsaSha256P256),
        Just(SignatureAlgorithm::EcdsaSha384P384),
        Just(SignatureAlgorithm::Ed25519),
        (256..=512_u16)
            .prop_map(|modulus_octets| SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets }),
        (256..=512_u16)
            .prop_map(|modulus_octets| SignatureAlgorithm::RsaPssSha256 { modulus_octets }),
        (256..=512_u16)
            .prop_map(|modulus_octets| SignatureAlgorithm::RsaPssSha384 { modulus_octets }),
        Just(SignatureAlgorithm::MlDsa44),
        Just(SignatureAlgorithm::MlDsa65),
    ]
}

/// Sizes at which some length on the way out needs one octet more.
fn any_filler() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..300_usize,
        64_000..66_000_usize,
        Just(127),
        Just(128),
        Just(255),
        Just(256)
    ]
}

#[derive(Clone, Debug)]
struct Case {
    responder_id: ResponderId,
    hash: HashAlgorithm,
    times: [UnixTime; 3],
    algorithm: SignatureAlgorithm,
    certificates: Vec<Vec<u8>>,
    serial: Vec<u8>,
    status: CertStatus,
    single_extensions: Option<Vec<u8>>,
    archive_cutoff: Option<UnixTime>,
    signature: Vec<u8>,
}

prop_compose! {
    fn any_case()(
        responder_id in any_responder_id(),
        hash in prop::sample::select(HashAlgorithm::ALL.to_vec()),
        times in prop::array::uniform3(any_time()),
        algorithm in any_algorithm(),
        certificates in prop::collection::vec(any_filler().prop_map(certificate), 0..3),
        serial in any_serial(),
        status in any_status(),
        single_extensions in prop::option::of(any_filler().prop_map(extensions)),
        archive_cutoff in prop::option::of(any_time()),
        octets in prop::collection::vec(any::<u8>(), 3_309),
        zeros in prop::array::uniform2(prop_oneof![3 => Just(0), 1 => 0..=48_usize]),
    ) -> Case {
        let mut signature = octets;
        signature.truncate(algorithm.stored_len());
        let half = signature.len() / 2;
        for (start, zeros) in [0, half].into_iter().zip(zeros) {
            signature[start..start + zeros.min(half)].fill(0);
        }
        Case { responder_id, hash, times, algorithm, certificates, serial, status, single_extensions, archive_cutoff, signature }
    }
}

impl Case {
    fn template(&self) -> Template {
        let certificates: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        Template::new(&TemplateParams {
            responder_id: &self.responder_id,
            issuer_hashes: &IssuerHashes::new(self.hash, b"name", b"key"),
            produced_at: self.times[0],
            this_update: self.times[1],
            next_update: self.times[2],
            signature_algorithm: self.algorithm,
            archive_cutoff: self.archive_cutoff,
            certificates: &certificates,
        })
    }

    /// Compares every field that another parser finds with what went in.
    fn check(&self, basic: &theirs::BasicOcspResponse) -> Result<(), TestCaseError> {
        let data = &basic.tbs_response_data;
        prop_assert_eq!(data.version, theirs::Version::V1);
        match (&data.responder_id, &self.responder_id) {
            (theirs::ResponderId::ByKey(theirs), ResponderId::ByKey(ours)) => {
                prop_assert_eq!(theirs.as_bytes(), ours);
            }
            (theirs::ResponderId::ByName(theirs), ResponderId::ByName(ours)) => {
                prop_assert_eq!(&theirs.to_der().unwrap(), ours);
            }
            (theirs, ours) => prop_assert!(false, "{:?} for {:?}", theirs, ours),
        }
        prop_assert_eq!(time(data.produced_at), self.times[0]);
        prop_assert!(data.response_extensions.is_none());
        prop_assert_eq!(data.responses.len(), 1);
        self.check_single(&data.responses[0])?;
        prop_assert_eq!(
            basic.signature_algorithm.to_der().unwrap(),
            self.algorithm.algorithm_identifier_der()
        );
        self.check_signature(basic.signature.as_bytes().unwrap())?;
        match &basic.certs {
            None => prop_assert!(self.certificates.is_empty()),
            Some(certs) => {
                prop_assert!(!certs.is_empty());
                let certs: Vec<_> = certs.iter().map(|cert| cert.to_der().unwrap()).collect();
                prop_assert_eq!(&certs, &self.certificates);
            }
        }
        Ok(())
    }

    fn check_single(&self, single: &theirs::SingleResponse) -> Result<(), TestCaseError> {
        let hashes = IssuerHashes::new(self.hash, b"name", b"key");
        let id = &single.cert_id;
        prop_assert_eq!(
            id.hash_algorithm.to_der().unwrap(),
            self.hash.algorithm_identifier_der()
        );
        prop_assert_eq!(id.issuer_name_hash.as_bytes(), hashes.name_hash());
        prop_assert_eq!(id.issuer_key_hash.as_bytes(), hashes.key_hash());
        let mut serial = Vec::new();
        put_tlv(&mut serial, 0x02, &self.serial);
        prop_assert_eq!(id.serial_number.to_der().unwrap(), serial);
        match (&single.cert_status, self.status) {
            (theirs::CertStatus::Good(_), CertStatus::Good)
            | (theirs::CertStatus::Unknown(_), CertStatus::Unknown) => {}
            (
                theirs::CertStatus::Revoked(info),
                CertStatus::Revoked {
                    revocation_time,
                    reason,
                },
            ) => {
                prop_assert_eq!(time(info.revocation_time), revocation_time);
                let code = info
                    .revocation_reason
                    .map(|reason| reason.to_der().unwrap()[2]);
                prop_assert_eq!(code, reason.map(CrlReason::code));
            }
            (theirs, ours) => prop_assert!(false, "{:?} for {:?}", theirs, ours),
        }
        prop_assert_eq!(time(single.this_update), self.times[1]);
        prop_assert_eq!(single.next_update.map(time), Some(self.times[2]));
        let extensions = single
            .single_extensions
            .as_ref()
            .map(|list| list.to_der().unwrap());
        prop_assert_eq!(&extensions, &self.all_single_extensions());
        Ok(())
    }

    /// The certificate's own, and the template's behind them.
    fn all_single_extensions(&self) -> Option<Vec<u8>> {
        let Some(cutoff) = self.archive_cutoff else {
            return self.single_extensions.clone();
        };
        let own = self.single_extensions.as_deref().unwrap_or(&[0x30, 0]);
        let mut list = der_07::asn1::AnyRef::from_der(own)
            .unwrap()
            .value()
            .to_vec();
        // id-pkix-ocsp-archive-cutoff, 1.3.6.1.5.5.7.48.1.6, with a GeneralizedTime.
        list.extend(hex!("301e 0609 2b06010505073001 06 0411 180f"));
        list.extend(generalized(cutoff));
        let mut all = Vec::new();
        put_tlv(&mut all, 0x30, &list);
        Some(all)
    }

    fn check_signature(&self, octets: &[u8]) -> Result<(), TestCaseError> {
        if !self.algorithm.is_ecdsa() {
            prop_assert_eq!(octets, &self.signature[..]);
            return Ok(());
        }
        let [r, s] = <[der_07::asn1::Uint; 2]>::try_from(
            Vec::<der_07::asn1::Uint>::from_der(octets).unwrap(),
        )
        .unwrap();
        for (theirs, ours) in [r, s]
            .iter()
            .zip(self.signature.chunks(self.algorithm.stored_len() / 2))
        {
            let significant = ours.iter().skip_while(|octet| **octet == 0).copied();
            let significant: Vec<u8> = significant.collect();
            let theirs = theirs.as_bytes();
            prop_assert_eq!(if theirs == [0] { &[] } else { theirs }, &significant[..]);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn another_parser_finds_every_field_of_an_assembled_response(case in any_case()) {
        let template = case.template();
        let extensions = case.single_extensions.as_deref();
        let mut response = Vec::new();
        template
            .assemble(&case.serial, &case.status, extensions, &case.signature, &mut response)
            .unwrap();
        prop_assert_eq!(response.capacity(), response.len(), "reserved more than once or too much");
        let basic = parse(&response);
        case.check(&basic)?;

        let mut tbs = b"left over from another response".to_vec();
        template.tbs_response_data(&case.serial, &case.status, extensions, &mut tbs).unwrap();
        prop_assert_eq!(&tbs, &basic.tbs_response_data.to_der().unwrap());

        let restored = Template::from_bytes(&template.to_bytes()).unwrap();
        prop_assert_eq!(&restored, &template);
        prop_assert_eq!(restored.checksum(), template.checksum());

        // A live answer with the same content is the same answer.
        let mut cert_id = case.hash.algorithm_identifier_der().to_vec();
        put_tlv(&mut cert_id, 0x04, template.issuer_hashes().name_hash());
        put_tlv(&mut cert_id, 0x04, template.issuer_hashes().key_hash());
        put_tlv(&mut cert_id, 0x02, &case.serial);
        let mut cert_id_der = Vec::new();
        put_tlv(&mut cert_id_der, 0x30, &cert_id);
        let live = response_data(&ResponseDataParams {
            responder_id: &case.responder_id,
            produced_at: case.times[0],
            responses: &[SingleResponse {
                cert_id_der: &cert_id_der,
                status: case.status,
                this_update: case.times[1],
                next_update: case.times[2],
                single_extensions: case.all_single_extensions().as_deref(),
            }],
            nonce: None,
            extended_revoke: false,
        }).unwrap();
        prop_assert_eq!(&live, &tbs);
        let certificates: Vec<&[u8]> = case.certificates.iter().map(Vec::as_slice).collect();
        let live = basic_response(&live, case.algorithm, &case.signature, &certificates).unwrap();
        prop_assert_eq!(live, response);
    }

    #[test]
    fn live_answers_carry_the_extensions_asked_for(
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=128)),
        extended_revoke in any::<bool>(),
        count in 1..=8_usize,
        case in any_case(),
    ) {
        let cert_id_der = hex!("301b 3007 0605 2b0e03021a 0404 11111111 0404 22222222 0204 00ffffff");
        let single = SingleResponse {
            cert_id_der: &cert_id_der,
            status: case.status,
            this_update: case.times[1],
            next_update: case.times[2],
            single_extensions: case.single_extensions.as_deref(),
        };
        let tbs = response_data(&ResponseDataParams {
            responder_id: &case.responder_id,
            produced_at: case.times[0],
            responses: &vec![single; count],
            nonce: nonce.as_deref(),
            extended_revoke,
        }).unwrap();
        let parsed = theirs::ResponseData::from_der(&tbs).unwrap();
        prop_assert_eq!(parsed.to_der().unwrap(), &tbs[..]);
        prop_assert_eq!(parsed.responses.len(), count);
        prop_assert_eq!(parsed.responses[0].cert_id.to_der().unwrap(), cert_id_der);
        prop_assert_eq!(
            parsed.nonce().map(|nonce| nonce.0.as_bytes().to_vec()),
            nonce.clone()
        );
        let list = parsed.response_extensions.unwrap_or_default();
        prop_assert_eq!(list.len(), usize::from(nonce.is_some()) + usize::from(extended_revoke));
        prop_assert!(list.iter().all(|extension| !extension.critical));
        if extended_revoke {
            let last = list.last().unwrap();
            prop_assert_eq!(last.extn_id, const_oid_07("1.3.6.1.5.5.7.48.1.9"));
            prop_assert_eq!(last.extn_value.as_bytes(), [0x05, 0x00]);
        }
    }

    #[test]
    fn stored_templates_with_changed_octets_never_panic(
        case in any_case(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut stored = case.template().to_bytes();
        for (place, octet) in changes {
            let place = place.index(stored.len());
            stored[place] = octet;
        }
        if let Some(cut) = cut {
            stored.truncate(cut.index(stored.len()));
        }
        if let Ok(template) = Template::from_bytes(&stored) {
            prop_assert_eq!(template.to_bytes(), stored, "read back as something else");
        }
    }
}

#[test]
fn the_lengths_of_certificates_cross_every_boundary() {
    // Whatever the fixed parts add, some filler in each range lands on 127/128, 255/256, 65535/65536
    // at each level of nesting.
    for filler in (0..330).chain(64_900..65_540) {
        let case = Case {
            responder_id: ResponderId::ByKey([7; 20]),
            hash: HashAlgorithm::Sha1,
            times: [UnixTime::EPOCH; 3],
            algorithm: SignatureAlgorithm::Ed25519,
            certificates: vec![certificate(filler)],
            serial: vec![1],
            status: CertStatus::Good,
            single_extensions: (filler % 2 == 0).then(|| extensions(filler)),
            archive_cutoff: (filler % 3 == 0).then_some(UnixTime::EPOCH),
            signature: vec![0xff; 64],
        };
        let mut response = Vec::new();
        let extensions = case.single_extensions.as_deref();
        case.template()
            .assemble(
                &case.serial,
                &case.status,
                extensions,
                &case.signature,
                &mut response,
            )
            .unwrap();
        case.check(&parse(&response)).unwrap();
    }
}

#[test]
fn invalidity_date_reaches_the_client() {
    let date = UnixTime::from_rfc3339("2026-01-02T03:04:05Z").unwrap();
    let list = invalidity_date_extension(date);
    let case = Case {
        single_extensions: Some(list),
        ..plain()
    };
    let mut response = Vec::new();
    case.template()
        .assemble(
            &[1],
            &case.status,
            case.single_extensions.as_deref(),
            &[1; 64],
            &mut response,
        )
        .unwrap();
    let basic = parse(&response);
    let found = basic.tbs_response_data.responses[0]
        .single_extensions
        .clone()
        .unwrap();
    assert_eq!((found.len(), found[0].critical), (1, false));
    assert_eq!(found[0].extn_id, const_oid_07("2.5.29.24"));
    let value = der_07::asn1::GeneralizedTime::from_der(found[0].extn_value.as_bytes()).unwrap();
    assert_eq!(value.to_unix_duration().as_secs(), date.as_secs());
}

#[test]
fn archive_cutoff_stands_behind_invalidity_date_and_by_itself() {
    let date = UnixTime::from_rfc3339("2026-01-02T03:04:05Z").unwrap();
    let cutoff = UnixTime::from_rfc3339("2019-05-06T07:08:09Z").unwrap();
    for invalidity_date in [None, Some(date)] {
        let case = Case {
            single_extensions: invalidity_date.map(invalidity_date_extension),
            archive_cutoff: Some(cutoff),
            ..plain()
        };
        let own = case.single_extensions.as_deref();
        let mut response = Vec::new();
        case.template()
            .assemble(&[1], &case.status, own, &[1; 64], &mut response)
            .unwrap();
        let basic = parse(&response);
        case.check(&basic).unwrap();
        let found = basic.tbs_response_data.responses[0]
            .single_extensions
            .clone()
            .unwrap();
        let last = found.last().unwrap();
        assert_eq!(last.extn_id, const_oid_07("1.3.6.1.5.5.7.48.1.6"));
        assert_eq!(last.extn_value.as_bytes(), b"\x18\x0f20190506070809Z");
        assert_eq!(found.len(), 1 + usize::from(invalidity_date.is_some()));
        // What a live answer carries.
        assert_eq!(
            with_archive_cutoff(case.single_extensions.clone(), Some(cutoff)),
            case.all_single_extensions()
        );
        assert_eq!(
            with_archive_cutoff(case.single_extensions.clone(), None),
            case.single_extensions
        );
    }
    // What is no list is refused, not sent.
    let mut response = Vec::new();
    let refused = plain().template().assemble(
        &[1],
        &CertStatus::Good,
        Some(b"\x04\x00"),
        &[1; 64],
        &mut response,
    );
    assert_eq!(refused, Err(EncodeError::SingleExtensions));
}

/// A time as GeneralizedTime writes it, by another implementation.
fn generalized(time: UnixTime) -> Vec<u8> {
    let secs = std::time::Duration::from_secs(time.as_secs());
    let time = der_07::asn1::GeneralizedTime::from_unix_duration(secs).unwrap();
    let der = time.to_der().unwrap();
    der[2..].to_vec()
}

fn plain() -> Case {
    Case {
        responder_id: ResponderId::ByKey([7; 20]),
        hash: HashAlgorithm::Sha256,
        times: [UnixTime::EPOCH; 3],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        certificates: vec![certificate(500)],
        serial: vec![1],
        status: CertStatus::Good,
        single_extensions: None,
        archive_cutoff: None,
        signature: vec![1; 64],
    }
}

#[test]
fn empty_sequences_are_never_written() {
    let case = Case {
        certificates: Vec::new(),
        ..plain()
    };
    let (mut with_empty, mut without) = (Vec::new(), Vec::new());
    let template = case.template();
    for (out, extensions) in [
        (&mut with_empty, Some(&[0x30, 0x00][..])),
        (&mut without, None),
    ] {
        template
            .assemble(&[1], &CertStatus::Good, extensions, &[1; 64], out)
            .unwrap();
    }
    assert_eq!(with_empty, without);
    assert!(parse(&without).certs.is_none());
    let nothing = ResponseDataParams {
        responder_id: &case.responder_id,
        produced_at: UnixTime::EPOCH,
        responses: &[],
        nonce: None,
        extended_revoke: false,
    };
    assert_eq!(response_data(&nothing), Err(EncodeError::NoResponse));
}

#[test]
fn what_cannot_be_encoded_leaves_the_buffer_alone() {
    let template = plain().template();
    let mut out = vec![9];
    let error = EncodeError::SignatureLength {
        expected: 64,
        actual: 63,
    };
    let good = CertStatus::Good;
    assert_eq!(
        template.assemble(&[1], &good, None, &[1; 63], &mut out),
        Err(error)
    );
    let empty = EncodeError::EmptySerialNumber;
    assert_eq!(
        template.assemble(&[], &good, None, &[1; 64], &mut out),
        Err(empty)
    );
    assert_eq!(
        template.tbs_response_data(&[], &good, None, &mut out),
        Err(empty)
    );
    assert_eq!(out, [9]);
    let algorithm = SignatureAlgorithm::EcdsaSha256P256;
    assert_eq!(basic_response(&[], algorithm, &[1; 63], &[]), Err(error));
}

#[test]
fn a_buffer_with_room_is_used_as_it_is() {
    let template = plain().template();
    let mut out = Vec::with_capacity(4096);
    let place = out.as_ptr();
    for _ in 0..3 {
        template
            .assemble(&[1], &CertStatus::Good, None, &[1; 64], &mut out)
            .unwrap();
    }
    assert_eq!((out.as_ptr(), out.capacity()), (place, 4096));
}

#[test]
fn an_answer_fits_only_its_own_question() {
    let template = plain().template();
    let hashes = *template.issuer_hashes();
    let asked = super::CertId {
        hash_algorithm: Some(HashAlgorithm::Sha256),
        issuer_name_hash: hashes.name_hash(),
        issuer_key_hash: hashes.key_hash(),
        serial_number: &[1],
        der: &[],
    };
    assert!(template.answers(&asked, &[1]));
    assert!(!template.answers(&asked, &[2]));
    let other_name = super::CertId {
        issuer_name_hash: hashes.key_hash(),
        ..asked
    };
    assert!(!template.answers(&other_name, &[1]));
    let other_key = super::CertId {
        issuer_key_hash: hashes.name_hash(),
        ..asked
    };
    assert!(!template.answers(&other_key, &[1]));
    let other_hash = super::CertId {
        hash_algorithm: None,
        ..asked
    };
    assert!(!template.answers(&other_hash, &[1]));
}

#[test]
fn stored_templates_that_are_not_ours_are_refused() {
    let stored = plain().template().to_bytes();
    for len in 0..stored.len() {
        assert!(
            Template::from_bytes(&stored[..len]).is_err(),
            "the first {len} octets"
        );
    }
    let changed = |place: usize, octet: u8| {
        let mut stored = stored.clone();
        stored[place] = octet;
        Template::from_bytes(&stored).unwrap_err()
    };
    assert_eq!(changed(4, 0), TemplateError::Version(0));
    assert_eq!(changed(4, 3), TemplateError::Version(3));
    // As if there were an archiveCutoff: the first octets of issuerNameHash are no time.
    assert_eq!(changed(4, 2), TemplateError::Time);
    assert_eq!(changed(5, 9), TemplateError::SignatureAlgorithm);
    assert_eq!(changed(8, 9), TemplateError::HashAlgorithm(9));
    assert_eq!(changed(9, 0xff), TemplateError::Time);
    assert_eq!(changed(33 + 64 + 4, 0x30), TemplateError::ResponderId);
    assert_eq!(
        changed(33 + 64 + 4 + 24 + 2 + 4, 0x31),
        TemplateError::Certificate
    );
    let actual = stored.len() + 1;
    assert_eq!(
        Template::from_bytes(&[&stored[..], &[0]].concat()),
        Err(TemplateError::Length {
            expected: stored.len(),
            actual
        })
    );
}
