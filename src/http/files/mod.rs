//! CRLs, documents and CA certificates: GET and HEAD of what has a path of its own.
//!
//! [`decide`] is a pure function of the file, the request's fields and the time: which form, which part
//! of it, or why not (RFC 9110 §13.2.2 gives the order). `body` sends it without holding more than a
//! frame.

mod body;
mod conditional;
mod negotiation;
mod pem;
mod range;

use std::{ops::Range, sync::Arc};

use http_body_util::Full;
use hyper::{
    HeaderMap, Response as HttpResponse, StatusCode,
    body::Bytes,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES,
        HeaderValue, LAST_MODIFIED, RANGE, RETRY_AFTER, VARY,
    },
};

pub(super) use body::AnswerBody;

use super::{cache::imf_fixdate, connection::Connection};
use crate::{
    asn1::UnixTime,
    catalog::files::{Coding, Content, Form, ServedFile},
    observe::{FileAnswer, Method},
    responder::FileReply,
};
use body::FileBody;
use range::Wanted;

/// Answers a GET or HEAD for a file.
pub(super) fn answer<B>(
    connection: &Arc<Connection<B>>,
    reply: &FileReply,
    method: Method,
    mut headers: HeaderMap,
) -> HttpResponse<AnswerBody<B>> {
    let FileReply { file, now } = reply;
    let decision = decide(file, method, &headers, *now);
    let counters = &connection.server.counters;
    counters.file_answered(file.kind, decision.label());
    headers.clear();
    let (status, body) = match decision {
        Decision::Send { form, part, whole } => {
            put_caching_fields(&mut headers, file, form, *now);
            put_content_fields(&mut headers, file, form);
            let status = if whole {
                StatusCode::OK
            } else {
                put_content_range(&mut headers, Some(&part), octets(&form.content));
                StatusCode::PARTIAL_CONTENT
            };
            (status, FileBody::of(connection, &form.content, part))
        }
        Decision::NotModified { form } => {
            put_caching_fields(&mut headers, file, form, *now);
            (StatusCode::NOT_MODIFIED, text(""))
        }
        Decision::Unsatisfiable { form } => {
            put_content_range(&mut headers, None, octets(&form.content));
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            (status, refusal(&mut headers, "There are no such octets.\n"))
        }
        Decision::PreconditionFailed => {
            let body = refusal(&mut headers, "It is not what the request expects.\n");
            (StatusCode::PRECONDITION_FAILED, body)
        }
        Decision::NotAcceptable => {
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            let what = "There is no form of it in the content codings that were asked for.\n";
            (StatusCode::NOT_ACCEPTABLE, refusal(&mut headers, what))
        }
        Decision::Unavailable => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
            let what = "There is no CRL in date here at the moment.\n";
            (StatusCode::SERVICE_UNAVAILABLE, refusal(&mut headers, what))
        }
    };
    // hyper adds Content-Length and Date, and leaves the body out for HEAD.
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// What a request is answered with.
#[derive(Debug)]
enum Decision<'file> {
    /// 200, or 206 where it is not the whole.
    Send {
        form: &'file Form,
        part: Range<usize>,
        whole: bool,
    },
    /// 304
    NotModified { form: &'file Form },
    /// 416
    Unsatisfiable { form: &'file Form },
    /// 412
    PreconditionFailed,
    /// 406
    NotAcceptable,
    /// 503
    Unavailable,
}

impl Decision<'_> {
    const fn label(&self) -> FileAnswer {
        match self {
            Self::Send { whole: true, .. } => FileAnswer::Whole,
            Self::Send { whole: false, .. } => FileAnswer::Part,
            Self::NotModified { .. } => FileAnswer::NotModified,
            Self::Unsatisfiable { .. } => FileAnswer::RangeNotSatisfiable,
            Self::PreconditionFailed => FileAnswer::PreconditionFailed,
            Self::NotAcceptable => FileAnswer::NotAcceptable,
            Self::Unavailable => FileAnswer::Unavailable,
        }
    }
}

/// RFC 9110 §13.2.2. Of several forms that a client would take, the one whose tag it names is the one it
/// is about: a copy fetched before a compressed form was there is still good, and a download that began
/// then goes on.
///
/// A CRL that has ended is not served, as nothing is: an answer of 503 sends a proxy in front to another
/// server, and is kept by none, while a stale list with 200 would be.
fn decide<'file>(
    file: &'file ServedFile,
    method: Method,
    request: &HeaderMap,
    now: UnixTime,
) -> Decision<'file> {
    let fit: Vec<&Form> = (file.forms.iter())
        .filter(|form| form.content.is_fit())
        .collect();
    if fit.is_empty() || !file.validity.holds(now) {
        return Decision::Unavailable;
    }
    let is_damaged = fit.len() < file.forms.len();
    let forms = negotiation::acceptable(request, fit);
    let Some(best) = forms.first().copied() else {
        // The plain form may be what is damaged.
        return match is_damaged {
            true => Decision::Unavailable,
            false => Decision::NotAcceptable,
        };
    };
    let modified = file.validity.from;
    let Ok(expected) = conditional::expected(request, &forms, modified) else {
        return Decision::PreconditionFailed;
    };
    if let Some(form) = conditional::not_modified(request, &forms, modified) {
        return Decision::NotModified { form };
    }
    // A range is defined for GET alone (RFC 9110 §14.2).
    let ranged = request.contains_key(RANGE) && method == Method::Get;
    if ranged && let Some(form) = conditional::in_range(request, &forms, expected.unwrap_or(best)) {
        match range::wanted(request, octets(&form.content)) {
            Wanted::Whole => {}
            Wanted::Part(part) => {
                let whole = false;
                return Decision::Send { form, part, whole };
            }
            Wanted::Nothing => return Decision::Unsatisfiable { form },
        }
    }
    let form = expected.unwrap_or(best);
    Decision::Send {
        form,
        part: 0..octets(&form.content),
        whole: true,
    }
}

fn octets(content: &Content) -> usize {
    match content {
        Content::Memory(octets) => octets.len(),
        Content::Mapped(file) => file.octets(),
        Content::Pem(file) => pem::octets(file.octets()),
    }
}

/// Cache-Control and Expires say the same; both end before the next one is due (H-018).
fn put_caching_fields(headers: &mut HeaderMap, file: &ServedFile, form: &Form, now: UnixTime) {
    let max_age = file.validity.max_age(now);
    let control = format!("public, max-age={}, no-transform", max_age.as_secs());
    put(headers, CACHE_CONTROL, control);
    headers.insert(EXPIRES, imf_fixdate(now.saturating_add(max_age)));
    put(headers, ETAG, format!("\"{}\"", form.tag));
    if let Some(from) = file.validity.from {
        headers.insert(LAST_MODIFIED, imf_fixdate(from));
    }
    if file.negotiated {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn put_content_fields(headers: &mut HeaderMap, file: &ServedFile, form: &Form) {
    put(headers, CONTENT_TYPE, file.media_type.clone());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if form.coding != Coding::Identity {
        let name = HeaderValue::from_static(form.coding.name());
        headers.insert(CONTENT_ENCODING, name);
    }
}

fn put_content_range(headers: &mut HeaderMap, part: Option<&Range<usize>>, of: usize) {
    let value = match part {
        Some(Range { start, end }) => format!("bytes {start}-{}/{of}", end.saturating_sub(1)),
        None => format!("bytes */{of}"),
    };
    put(headers, CONTENT_RANGE, value);
}

fn put(headers: &mut HeaderMap, name: hyper::header::HeaderName, value: String) {
    // A media type that cannot stand in a header is left out; nothing else here can be one.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        headers.insert(name, value);
    }
}

/// Not kept by caches: what is wrong now may be right the next moment.
fn refusal<B>(headers: &mut HeaderMap, what: &'static str) -> AnswerBody<B> {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    text(what)
}

fn text<B>(what: &'static str) -> AnswerBody<B> {
    AnswerBody::Whole(Full::new(Bytes::from_static(what.as_bytes())))
}

#[cfg(test)]
mod tests;
