//! The local admin socket.
