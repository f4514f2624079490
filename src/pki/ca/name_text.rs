//! Names as people write them: the strings of RFC 4514, and back.

use std::fmt;

use const_oid::ObjectIdentifier;

use super::{Attribute, AttributeType, Name, NameBuilder, NameError};
use crate::asn1::{Elements, tag};

impl Name {
    /// Reads a name as RFC 4514 writes it, for instance `CN=Example CA,O=Example,C=IR`: the last RDN
    /// of the text is the first of the encoding. `+` joins the attributes of one RDN, `\` escapes
    /// (`\,` or the hexadecimal `\E2\80\8C`), `#` before hexadecimal digits gives a value's DER.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut parser = Parser {
            text,
            rest: text.trim(),
        };
        let mut rdns = Vec::new();
        while !parser.rest.is_empty() || !rdns.is_empty() {
            rdns.push(parser.rdn()?);
            match parser.next() {
                None => break,
                Some(',' | ';') => {}
                Some(_) => return Err(parser.error("`,` or `+` has to come between attributes")),
            }
        }
        let builder = NameBuilder::new();
        let all = rdns.into_iter().rev();
        all.fold(builder, |builder, rdn| rdn.put(builder)).build()
    }
}

/// The attributes of one RDN, some with a value that is text, some with DER.
struct Rdn(Vec<(Type, Value)>);

enum Type {
    Known(AttributeType),
    Other(ObjectIdentifier),
}

enum Value {
    Text(String),
    Der(Vec<u8>),
}

impl Rdn {
    fn put(self, builder: NameBuilder) -> NameBuilder {
        let attributes = self.0.into_iter().map(|(of, value)| match (of, value) {
            (Type::Known(known), Value::Text(text)) => Ok((known.oid(), known.value_der(&text)?)),
            (Type::Known(known), Value::Der(der)) => Ok((known.oid(), der)),
            (Type::Other(oid), Value::Text(text)) => Ok((oid, utf8_der(&text))),
            (Type::Other(oid), Value::Der(der)) => Ok((oid, der)),
        });
        match attributes.collect::<Result<Vec<_>, NameError>>() {
            Ok(attributes) => builder.rdn(attributes),
            Err(error) => builder.failed(error),
        }
    }
}

fn utf8_der(text: &str) -> Vec<u8> {
    let mut der = Vec::with_capacity(text.len().saturating_add(4));
    crate::asn1::put_tlv(&mut der, tag::UTF8_STRING, text.as_bytes());
    der
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn error(&self, why: &'static str) -> NameError {
        NameError::Text {
            text: self.text.to_owned(),
            why,
        }
    }

    /// `attributeTypeAndValue *( PLUS attributeTypeAndValue )`
    fn rdn(&mut self) -> Result<Rdn, NameError> {
        let mut attributes = Vec::new();
        loop {
            attributes.push((self.attribute_type()?, self.value()?));
            let Some(rest) = self.rest.strip_prefix('+') else {
                return Ok(Rdn(attributes));
            };
            self.rest = rest;
        }
    }

    fn attribute_type(&mut self) -> Result<Type, NameError> {
        let Some((keyword, rest)) = self.rest.split_once('=') else {
            return Err(self.error("an attribute is KEYWORD=VALUE"));
        };
        self.rest = rest;
        let keyword = keyword.trim();
        if let Some(known) = AttributeType::from_keyword(keyword) {
            return Ok(Type::Known(known));
        }
        let oid = ObjectIdentifier::new(keyword).map_err(|_| NameError::Keyword {
            keyword: keyword.to_owned(),
        })?;
        Ok(AttributeType::from_oid(oid.as_bytes()).map_or(Type::Other(oid), Type::Known))
    }

    fn value(&mut self) -> Result<Value, NameError> {
        self.rest = self.rest.trim_start_matches(' ');
        if let Some(rest) = self.rest.strip_prefix('#') {
            self.rest = rest;
            return self.hexadecimal();
        }
        let mut octets = Vec::new();
        // Spaces at the end belong to the value only where they are escaped.
        let mut kept = 0;
        while let Some(next) = self.rest.chars().next() {
            match next {
                ',' | ';' | '+' => break,
                '"' | '<' | '>' | '\0' => {
                    return Err(self.error("the characters \" < > have to be escaped with \\"));
                }
                '\\' => {
                    self.next();
                    octets.extend(self.escaped()?);
                    kept = octets.len();
                }
                other => {
                    self.next();
                    octets.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    if other != ' ' {
                        kept = octets.len();
                    }
                }
            }
        }
        octets.truncate(kept);
        String::from_utf8(octets)
            .map(Value::Text)
            .map_err(|_| self.error("what is escaped with \\ and hexadecimal digits is not UTF-8"))
    }

    /// What follows a `\`: a special character or two hexadecimal digits.
    fn escaped(&mut self) -> Result<Vec<u8>, NameError> {
        if let Some(octet) = self.hexadecimal_pair() {
            return Ok(vec![octet]);
        }
        match self.next() {
            Some(special @ ('\\' | '"' | '+' | ',' | ';' | '<' | '>' | ' ' | '#' | '=')) => {
                Ok(special.to_string().into_bytes())
            }
            _ => Err(self.error(
                "after \\ comes one of \\ \" + , ; < > # = or space, or two hexadecimal digits",
            )),
        }
    }

    fn hexadecimal_pair(&mut self) -> Option<u8> {
        let (pair, rest) = self.rest.split_at_checked(2)?;
        let is_hexadecimal = pair.bytes().all(|octet| octet.is_ascii_hexdigit());
        let octet = u8::from_str_radix(pair, 16)
            .ok()
            .filter(|_| is_hexadecimal)?;
        self.rest = rest;
        Some(octet)
    }

    fn hexadecimal(&mut self) -> Result<Value, NameError> {
        let der: Vec<u8> = std::iter::from_fn(|| self.hexadecimal_pair()).collect();
        self.rest = self.rest.trim_start_matches(' ');
        let mut element = Elements::new(&der);
        element.any()?;
        element.finish()?;
        Ok(Value::Der(der))
    }
}

/// RFC 4514 §2: the last RDN first. What has no keyword is shown by its OID, what is no text as `#`
/// and its DER in hexadecimal.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, rdn) in self.rdns().rev().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            for (number, attribute) in rdn.iter().enumerate() {
                if number > 0 {
                    f.write_str("+")?;
                }
                show(attribute, f)?;
            }
        }
        Ok(())
    }
}

fn show(attribute: &Attribute<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match AttributeType::from_oid(attribute.oid) {
        Some(known) => f.write_str(known.keywords().first().copied().unwrap_or_default())?,
        None => match ObjectIdentifier::from_bytes(attribute.oid) {
            Ok(oid) => write!(f, "{oid}")?,
            Err(_) => f.write_str("0.0")?,
        },
    }
    f.write_str("=")?;
    let Some(text) = attribute.text() else {
        f.write_str("#")?;
        return attribute
            .der
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"));
    };
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            ' ' if place == 0 || place == last => f.write_str("\\ ")?,
            '#' if place == 0 => f.write_str("\\#")?,
            // Also what would move a terminal's cursor or turn the direction of writing.
            other if other.is_control() || is_bidi_control(other) => {
                let mut octets = [0; 4];
                for octet in other.encode_utf8(&mut octets).bytes() {
                    write!(f, "\\{octet:02X}")?;
                }
            }
            other => write!(f, "{other}")?,
        }
    }
    Ok(())
}

/// Explicit embeddings, overrides and isolates: a name that holds them may not read as it is.
const fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
