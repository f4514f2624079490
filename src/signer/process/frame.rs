//! Frames on a socket, and the file descriptors that come with them.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::octets::Octets;

/// Which of those that wait is signed first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// Somebody waits for it.
    Urgent,
    /// One of very many.
    Bulk,
}

/// One frame, as it came.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) lane: Lane,
    pub(super) number: u64,
    pub(super) payload: Vec<u8>,
    /// What came with it.
    pub(super) file: Option<OwnedFd>,
}

/// Why the other side is not listened to any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a frame of {octets} octets, where {PAYLOAD_OCTETS_MAX} are the most")]
    TooLong { octets: u32 },
    #[error("a frame whose head is not one")]
    Head,
    #[error("more than one file with a frame")]
    Files,
}

/// A frame as octets, with the payload that `fill` writes.
///
/// # Errors
/// When the payload is too long.
pub(super) fn encode(
    kind: u8,
    lane: Lane,
    number: u64,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Result<Vec<u8>, FrameError> {
    let mut octets = vec![0; HEAD_OCTETS];
    fill(&mut octets);
    let length = octets.len().saturating_sub(HEAD_OCTETS);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if length > PAYLOAD_OCTETS_MAX {
        return Err(FrameError::TooLong { octets: length });
    }
    let mut head = Vec::with_capacity(HEAD_OCTETS);
    head.extend(length.to_be_bytes());
    head.extend([kind, lane.code(), 0, 0]);
    head.extend(number.to_be_bytes());
    if let Some(place) = octets.get_mut(..HEAD_OCTETS) {
        place.copy_from_slice(&head);
    }
    Ok(octets)
}

/// Sends a frame that [`encode`] made, and a file with it. Whoever else sends on this stream is kept
/// away by the caller.
pub(super) fn send(
    mut stream: &UnixStream,
    frame: &[u8],
    file: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let Some(file) = file else {
        return stream.write_all(frame);
    };
    let files = [file];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let sent = loop {
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("no room for a file descriptor"));
        }
        match sendmsg(
            stream,
            &[IoSlice::new(frame)],
            &mut control,
            SendFlags::NOSIGNAL,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    stream.write_all(frame.get(sent..).unwrap_or_default())
}

/// The next frame; `None` when the other side has gone.
pub(super) fn receive(mut stream: &UnixStream) -> Result<Option<Frame>, FrameError> {
    let mut head = [0; HEAD_OCTETS];
    let Some(file) = receive_head(stream, &mut head)? else {
        return Ok(None);
    };
    let mut fields = Octets::new(&head);
    let (length, kind, lane, zero, number) = (|| {
        let length = fields.u32()?;
        let kind = fields.u8()?;
        let lane = Lane::from_code(fields.u8()?)?;
        Some((length, kind, lane, fields.u16()?, fields.u64()?))
    })()
    .ok_or(FrameError::Head)?;
    if zero != 0 {
        return Err(FrameError::Head);
    }
    if length > PAYLOAD_OCTETS_MAX {
        return Err(FrameError::TooLong { octets: length });
    }
    let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut payload)?;
    Ok(Some(Frame {
        kind,
        lane,
        number,
        payload,
        file,
    }))
}

/// Fills `head`. A file comes with the first octets of its frame; the kernel never gives octets of two
/// frames with files at once, and nothing is read beyond the frame.
#[allow(
    clippy::option_option,
    reason = "outside: whether there is a frame; inside: whether a file came with it"
)]
fn receive_head(
    stream: &UnixStream,
    head: &mut [u8; HEAD_OCTETS],
) -> Result<Option<Option<OwnedFd>>, FrameError> {
    let mut file = None;
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(
            stream.as_fd(),
            &mut [IoSliceMut::new(rest)],
            &mut control,
            flags,
        );
        let octets = match received {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(FrameError::Io(error.into())),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                for another in files {
                    if file.replace(another).is_some() {
                        return Err(FrameError::Files);
                    }
                }
            }
        }
        match (octets, filled) {
            (0, 0) => return Ok(None),
            (0, _) => return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => filled = filled.saturating_add(octets),
        }
    }
    Ok(Some(file))
}

impl Lane {
    const fn code(self) -> u8 {
        match self {
            Self::Urgent => 0,
            Self::Bulk => 1,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Urgent),
            1 => Some(Self::Bulk),
            _ => None,
        }
    }
}

const HEAD_OCTETS: usize = 16;

/// The longest payload: 256 signatures of ML-DSA-65 have 830 KiB.
pub(super) const PAYLOAD_OCTETS_MAX: u32 = 2 << 20;

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    #[test]
    fn frames_and_their_files_arrive_together_in_order() {
        let (ours, theirs) = pair();
        let sender = std::thread::spawn(move || {
            for number in 0..100_u64 {
                let payload = vec![7; usize::try_from(number * 700).unwrap()];
                let frame = encode(3, Lane::Bulk, number, |octets| {
                    octets.extend_from_slice(&payload);
                })
                .unwrap();
                let file = File::open("/proc/self/stat").unwrap();
                let file = (number % 3 == 0).then(|| file.as_fd());
                send(&ours, &frame, file).unwrap();
            }
        });
        for number in 0..100_u64 {
            let frame = receive(&theirs).unwrap().unwrap();
            assert_eq!((frame.kind, frame.lane), (3, Lane::Bulk));
            assert_eq!(frame.number, number);
            assert_eq!(u64::try_from(frame.payload.len()).unwrap(), number * 700);
            assert_eq!(frame.file.is_some(), number % 3 == 0);
        }
        sender.join().unwrap();
        assert!(receive(&theirs).unwrap().is_none());
    }

    #[test]
    fn two_files_a_long_frame_and_half_a_frame_are_refused() {
        let (ours, theirs) = pair();
        let file = File::open("/proc/self/stat").unwrap();
        let files = [file.as_fd(), file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        let frame = encode(4, Lane::Urgent, 1, |_| {}).unwrap();
        let octets = [IoSlice::new(&frame)];
        sendmsg(&ours, &octets, &mut control, SendFlags::empty()).unwrap();
        // One may have been dropped by the kernel for want of room: then there is one.
        let received = receive(&theirs);
        assert!(!matches!(received, Ok(None)), "{received:?}");

        let (ours, theirs) = pair();
        let mut long = encode(1, Lane::Urgent, 1, |_| {}).unwrap();
        long[..4].copy_from_slice(&(PAYLOAD_OCTETS_MAX + 1).to_be_bytes());
        send(&ours, &long, None).unwrap();
        assert!(matches!(
            receive(&theirs),
            Err(FrameError::TooLong { octets }) if octets == PAYLOAD_OCTETS_MAX + 1
        ));

        let (ours, theirs) = pair();
        send(&ours, &frame[..9], None).unwrap();
        drop(ours);
        assert!(matches!(receive(&theirs), Err(FrameError::Io(_))));
        let too_long = encode(1, Lane::Urgent, 1, |octets| {
            octets.resize(usize::try_from(PAYLOAD_OCTETS_MAX).unwrap() + 17, 0);
        });
        assert!(too_long.is_err());
    }

    proptest! {
        /// Whatever comes is a frame or an error, and never more memory than a frame may have.
        #[test]
        fn garbage_is_refused_or_framed(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let (ours, theirs) = pair();
            send(&ours, &octets, None).unwrap();
            drop(ours);
            while let Ok(Some(frame)) = receive(&theirs) {
                prop_assert!(frame.payload.len() < octets.len());
            }
        }
    }
}
