//! A request's body: whole with a limit, or as a stream of any length.

use std::{io, pin::Pin};

use hyper::body::{Body as _, Bytes, Incoming};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

/// The body of an admin request.
#[derive(Debug)]
pub struct AdminBody(pub(super) Incoming);

impl AdminBody {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`BodyError::Broken`] when the client went away before the end.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let body = &mut self.0;
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(BodyError::Broken(error)),
                // Trailers say nothing here.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] above `octets_max`, [`BodyError::Broken`].
    pub async fn whole(mut self, octets_max: usize) -> Result<Vec<u8>, BodyError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next_piece().await? {
            if whole.len().saturating_add(piece.len()) > octets_max {
                return Err(BodyError::TooLarge { octets_max });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The whole body, as a value in JSON.
    ///
    /// # Errors
    /// [`BodyError::Json`] when it is not what is wanted, and those of [`AdminBody::whole`].
    pub async fn json<T: DeserializeOwned>(self, octets_max: usize) -> Result<T, BodyError> {
        let whole = self.whole(octets_max).await?;
        Ok(serde_json::from_slice(&whole)?)
    }

    /// A reader for a thread that may block, such as one of `spawn_blocking`. Must be called within
    /// the runtime.
    #[must_use]
    pub fn into_reader(self) -> BodyReader {
        BodyReader {
            body: self,
            piece: Bytes::new(),
            runtime: Handle::current(),
        }
    }
}

/// Why a body could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More than this route takes.
    #[error("the request's body is larger than {octets_max} octets")]
    TooLarge {
        /// The route's limit.
        octets_max: usize,
    },
    /// The client went away, or sent something that is not HTTP.
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
    /// Not JSON, or not of the shape wanted.
    #[error("the request's body is not what this path takes: {0}")]
    Json(#[from] serde_json::Error),
}

/// A streamed body as [`io::Read`]. A body that breaks off is an error of kind `UnexpectedEof`, never
/// an end. Panics when read on a thread of the runtime, which it would block.
#[derive(Debug)]
pub struct BodyReader {
    body: AdminBody,
    piece: Bytes,
    runtime: Handle,
}

impl io::Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.body.next_piece()) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            }
        }
        let count = buffer.len().min(self.piece.len());
        let taken = self.piece.split_to(count);
        for (place, octet) in buffer.iter_mut().zip(&taken) {
            *place = *octet;
        }
        Ok(count)
    }
}
