//! Opening the listening sockets.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// A listening socket on `address`. IPv6 sockets take IPv6 only, so that `0.0.0.0` and `[::]` may
/// both be configured with one port.
pub(super) fn listen(address: SocketAddr, backlog: u32) -> Result<TcpListener, BindError> {
    open(address, backlog).map_err(|source| BindError {
        address,
        problem: BindProblem::from(&source),
        source,
    })
}

fn open(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart binds while connections of its predecessor are in TIME-WAIT. On Linux this does not
    // let two processes listen on one port.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, which saves each of them a system call.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Why a listener could not be opened, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}. {problem}")]
pub struct BindError {
    /// The configured address.
    pub address: SocketAddr,
    /// What stands in the way.
    pub problem: BindProblem,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// What stands in the way of a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindProblem {
    /// The port is taken.
    #[error("Another process has this port (`ss -ltnp` names it): stop it, or choose another port")]
    InUse,
    /// The port is below 1024 and the process may not have it.
    #[error(
        "Ports below 1024 need the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=): \
         grant it, or choose a port from 1024 upwards"
    )]
    Permission,
    /// No interface has the address.
    #[error("This host does not have this address (`ip address` lists those it has): correct it")]
    NoSuchAddress,
    /// The host has no IPv6, or no IPv4.
    #[error("This host does not support this kind of address: remove it from the configuration")]
    NoSuchFamily,
    /// Anything else.
    #[error("Correct the address or the system's setting")]
    Unexpected,
}

impl From<&io::Error> for BindProblem {
    fn from(error: &io::Error) -> Self {
        let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse,
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress,
            _ if error.raw_os_error() == Some(unsupported) => Self::NoSuchFamily,
            _ => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_advice() {
        let first = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address, 16).unwrap_err();
        assert_eq!(error.problem, BindProblem::InUse);
        let text = error.to_string();
        assert!(
            text.contains(&address.to_string()) && text.contains("another port"),
            "{text}"
        );
    }

    #[test]
    fn an_address_of_another_host_is_named() {
        let error = listen("192.0.2.1:8080".parse().unwrap(), 16).unwrap_err();
        assert_eq!(error.problem, BindProblem::NoSuchAddress);
    }

    #[test]
    fn both_families_listen_on_one_port() {
        let v6 = listen("[::]:0".parse().unwrap(), 16).unwrap();
        let port = v6.local_addr().unwrap().port();
        listen(SocketAddr::from(([0, 0, 0, 0], port)), 16).unwrap();
    }
}
