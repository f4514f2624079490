//! Requests and replies together, as whoever tries octets on them needs them.

use super::reply::Reply;
use super::request::Request;
use super::wire::Malformed;

/// Reads a payload in both directions, for whoever tries octets that nobody sent: neither may panic, and
/// what is read is written back octet for octet.
///
/// # Errors
/// [`Malformed`] when it is neither.
///
/// # Panics
/// When what was read is written in another way: a fault of this program.
pub fn decode_any(kind: u8, payload: &[u8]) -> Result<(), Malformed> {
    let mut again = Vec::new();
    match Request::decode(kind, payload) {
        Ok(request) => request.encode(&mut again),
        Err(Malformed) => Reply::decode(kind, payload)?.encode(&mut again),
    }
    assert_eq!(again, payload, "read as something else than was written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reply::{Cause, KeyState, Served};
    use super::super::wire::WHY_OCTETS_MAX;
    use super::*;
    use crate::asn1::SignatureAlgorithm;

    fn request(request: &Request<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        request.encode(&mut octets);
        assert_eq!(
            Request::decode(request.kind(), &octets).as_ref(),
            Ok(request)
        );
        octets
    }

    fn reply(reply: &Reply<'_>) {
        let mut octets = Vec::new();
        reply.encode(&mut octets);
        assert_eq!(Reply::decode(reply.kind(), &octets).as_ref(), Ok(reply));
    }

    #[test]
    fn the_octets_are_those_that_are_drawn() {
        let hello = request(&Request::Hello {
            version: 1,
            barred: vec!["pkcs11:a"],
        });
        assert_eq!(hello, b"estelsig\x00\x01\x00\x01\x00\x08pkcs11:a");
        let sign = request(&Request::Sign {
            key: 2,
            messages: vec![b"ab", b""],
        });
        assert_eq!(sign, b"\x00\x02\x00\x02\x00\x00\x00\x02ab\x00\x00\x00\x00");
        let file = request(&Request::SignFile {
            key: 1,
            octets: 258,
        });
        assert_eq!(file, b"\x00\x01\x00\x00\x00\x00\x00\x00\x01\x02");
        assert_eq!(request(&Request::Health), b"");
    }

    #[test]
    fn what_is_too_much_is_malformed() {
        for (kind, payload) in [
            (0x01, &b"estelsix\x00\x01\x00\x00"[..]),
            (0x01, b"estelsig\x00\x01\x00\x01"),
            (0x02, b"\x00\x00\x00\x00"),
            (0x02, b"\x00\x00\x01\x01"),
            (0x02, b"\x00\x00\x00\x01\xff\xff\xff\xffab"),
            (0x02, b"\x00\x00\x00\x01\x00\x00\x00\x01ab"),
            (0x05, b"x"),
            (0x00, b""),
            (0x81, b""),
        ] {
            assert_eq!(Request::decode(kind, payload), Err(Malformed));
        }
        for (kind, payload) in [
            (0x81, &b"\x00\x01\x00\x01\xff\xff"[..]),
            (0x82, b"\x00\x00\x00\x01"),
            (0x82, b"\x00\x01\x00\x02x"),
            (0x83, b"\x07why"),
            (0x83, b"\x01\xff"),
            (0x84, b""),
        ] {
            assert_eq!(Reply::decode(kind, payload), Err(Malformed));
        }
        let long = "\u{645}".repeat(500);
        let mut octets = Vec::new();
        let (cause, why) = (Cause::Unavailable, long.as_str());
        Reply::Refused { cause, why }.encode(&mut octets);
        let Ok(Reply::Refused { why, .. }) = Reply::decode(0x83, &octets) else {
            panic!("it was cut");
        };
        assert_eq!(why, "\u{645}".repeat(WHY_OCTETS_MAX / 2));
    }

    fn state() -> impl Strategy<Value = (u8, String, Vec<u8>)> {
        (
            0..5_u8,
            "\\PC{0,40}",
            prop::collection::vec(any::<u8>(), 0..600),
        )
    }

    proptest! {
        #[test]
        fn everything_that_can_be_said_is_understood(
            key: u16,
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
            names in prop::collection::vec("\\PC{0,60}", 0..10),
            states in prop::collection::vec(state(), 0..10),
            (length, signatures) in (1..40_usize, 1..20_usize),
            number: u64,
        ) {
            let octets: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            request(&Request::SignDigest { key, digest: octets[0] });
            request(&Request::Sign { key, messages: octets });
            request(&Request::SignFile { key, octets: number });
            let barred = names.iter().map(String::as_str).collect();
            request(&Request::Hello { version: key, barred });
            let keys = states.iter().map(|(state, text, octets)| Served {
                name: text,
                state: match state {
                    0 => KeyState::Ready {
                        algorithm: SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets: 385 },
                        public_key: octets,
                    },
                    1 => KeyState::Opening,
                    2 => KeyState::Away(text),
                    3 => KeyState::Refused(text),
                    _ => KeyState::Latched(text),
                },
            });
            reply(&Reply::Welcome { version: 1, at_once: key, keys: keys.collect() });
            let signature = vec![9; length];
            reply(&Reply::Signatures(vec![&signature; signatures]));
            reply(&Reply::Healthy { uptime_ms: number, signed: number, waiting: 7, longest_ms: 8 });
        }

        /// As the fuzzer tries it, at greater length.
        #[test]
        fn whatever_is_understood_is_said_the_same_way(
            kind: u8, payload in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let _understood = decode_any(kind, &payload);
            for kind in (1..=5).chain(0x81..=0x84) {
                let _understood = decode_any(kind, &payload);
            }
        }
    }
}
