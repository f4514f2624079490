//! HTTP/1.1 as octets, so that a test can send what no library would.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// An HTTP answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Connection {
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a timeout");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket takes an option");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends octets as they are.
    #[track_caller]
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets)
            .expect("the server takes what is sent");
    }

    /// The same where the server may have hung up already.
    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        self.stream
            .get_ref()
            .shutdown(std::net::Shutdown::Write)
            .expect("a half-closed socket");
    }

    /// Reads one answer to anything but HEAD.
    #[track_caller]
    pub fn receive(&mut self) -> Reply {
        self.receive_with_body(true)
    }

    /// Reads an answer to HEAD.
    #[track_caller]
    pub fn receive_head(&mut self) -> Reply {
        self.receive_with_body(false)
    }

    #[track_caller]
    fn receive_with_body(&mut self, body: bool) -> Reply {
        let status_line = self.line();
        let mut words = status_line.split(' ');
        assert_eq!(words.next(), Some("HTTP/1.1"), "{status_line:?}");
        let status = words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a status code");
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
        };
        if body && !matches!(status, 100 | 204 | 304) {
            assert_eq!(reply.header("transfer-encoding"), None, "a length is known");
            let length = reply
                .header("content-length")
                .expect("a length")
                .parse()
                .expect("digits");
            reply.body.resize(length, 0);
            self.stream
                .read_exact(&mut reply.body)
                .expect("the whole body");
        }
        reply
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("a line of an answer");
        assert!(
            line.ends_with("\r\n"),
            "the connection ended within an answer: {line:?}"
        );
        line.truncate(line.len() - 2);
        line
    }

    /// Waits until the server has closed the connection; gives what it still sent.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the server does not close the connection: {error}"),
        }
    }

    /// Posts an OCSP request.
    #[track_caller]
    pub fn post(&mut self, path: &str, request: &[u8]) -> Reply {
        self.send(&post(path, "", request));
        self.receive()
    }

    /// Gets a path.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// Gets a path with further header lines, each with its line end.
    #[track_caller]
    pub fn get_with(&mut self, path: &str, headers: &str) -> Reply {
        self.send(&get(path, headers));
        self.receive()
    }
}

/// The octets of a POST with further header lines.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut octets = format!(
        "POST {path} HTTP/1.1\r\nHost: ocsp.example\r\nContent-Type: application/ocsp-request\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    octets.extend(body);
    octets
}

/// The octets of a GET with further header lines.
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: ocsp.example\r\n{headers}\r\n").into_bytes()
}

impl Reply {
    /// A header that may be there once at most.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }
}

/// How long a server may take before a test calls it hung.
const PATIENCE: Duration = Duration::from_secs(20);
