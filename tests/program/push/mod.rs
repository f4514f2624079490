//! The push listener: what CA systems are answered, who is let in, and that nothing acknowledged is lost.

mod api;
mod feed;
mod killed;
mod tls;
