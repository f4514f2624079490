//! Answers of HTTP itself: errors with a line of text for people, and 304.

use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};

use crate::observe::HttpError;

/// The answer to a request that holds no OCSP request.
pub(super) fn response(error: HttpError) -> Response<Full<Bytes>> {
    let (status, text) = status_and_text(error);
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    // 404, 405, 414 may be kept by default (RFC 9110 §15.1), and configurations get corrected.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if error == HttpError::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

/// 304, with the caching fields that the full answer would have had (RFC 9110 §15.4.5).
pub(super) fn not_modified(headers: HeaderMap) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = headers;
    response
}

const fn status_and_text(error: HttpError) -> (StatusCode, &'static str) {
    match error {
        HttpError::BadRequest => (
            StatusCode::BAD_REQUEST,
            "The request's body is incomplete or not framed as HTTP/1.1.\n",
        ),
        HttpError::NotFound => (
            StatusCode::NOT_FOUND,
            "This is an OCSP responder (RFC 6960). It answers POST of application/ocsp-request at \
             its URL, and GET of URL/{base64 of the request}; this path holds no request, and \
             no CRL or certificate is served here.\n",
        ),
        HttpError::MethodNotAllowed => (
            StatusCode::METHOD_NOT_ALLOWED,
            "OCSP requests come by GET, HEAD or POST.\n",
        ),
        HttpError::ContentTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than an OCSP request may be here.\n",
        ),
        HttpError::UriTooLong => (
            StatusCode::URI_TOO_LONG,
            "The path is longer than an OCSP request may be here.\n",
        ),
        HttpError::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body of a POST must be application/ocsp-request, without a content coding.\n",
        ),
        HttpError::ExpectationFailed => (
            StatusCode::EXPECTATION_FAILED,
            "The only expectation that is met here is 100-continue.\n",
        ),
        HttpError::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The request's head is too large.\n",
        ),
    }
}
