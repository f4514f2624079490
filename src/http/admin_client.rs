//! The client of the admin socket.
