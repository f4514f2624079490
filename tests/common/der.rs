//! The least DER that a test needs: wrap, and look inside.

/// A tag, its content's length and the content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut out = vec![tag];
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let octets: Vec<u8> = len
            .to_be_bytes()
            .into_iter()
            .skip_while(|octet| *octet == 0)
            .collect();
        out.push(0x80 | octets.len() as u8);
        out.extend(octets);
    }
    out.extend(content);
    out
}

/// One element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// The first octet.
    pub tag: u8,
    /// What it holds.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
}

/// The elements that fill `der`; panics where it is not DER.
#[track_caller]
pub fn children(mut der: &[u8]) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (head, len) = match der[1] {
            len @ 0..0x80 => (2, len as usize),
            octets => {
                let octets = (octets & 0x7f) as usize;
                assert!((1..=4).contains(&octets), "a length of {octets} octets");
                let len = der[2..2 + octets]
                    .iter()
                    .fold(0, |len, octet| len << 8 | *octet as usize);
                (2 + octets, len)
            }
        };
        let (whole, rest) = der.split_at(head + len);
        found.push(Element {
            tag: der[0],
            content: &whole[head..],
            whole,
        });
        der = rest;
    }
    found
}

/// The only element in `der`, which has this tag.
#[track_caller]
pub fn only(der: &[u8], tag: u8) -> &[u8] {
    let elements = children(der);
    assert_eq!(elements.len(), 1, "one element");
    assert_eq!(elements[0].tag, tag, "its tag");
    elements[0].content
}
