//! As little of HTTP as a test needs: one request a connection, and what came back byte by byte.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// What follows a chunked body.
    pub(crate) trailers: String,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request and leaves the connection open.
pub(crate) fn send(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
    send_with(to, method, path, headers, body.as_bytes())
}

fn send_with(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> TcpStream {
    let mut stream = send_head(to, method, path, headers, body.len());
    // Whoever refuses a body may not read it to its end.
    let _refused = stream.write_all(body);
    stream
}

/// Sends the head of a request alone.
pub(crate) fn send_head(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    length: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
    request.push_str(&format!("Content-Length: {length}\r\n\r\n"));
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

pub(crate) fn call(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    call_with(to, method, path, headers, body.as_bytes())
}

/// The same with a body of any bytes.
pub(crate) fn call_with(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
    receive(&mut send_with(to, method, path, headers, body))
}

/// Reads an answer to its end.
pub(crate) fn receive(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    // A connection that is cut ends in an error, and what came before is there.
    let _cut = stream.read_to_end(&mut bytes);
    read(&bytes)
}

fn read(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &bytes[end..];
    let (body, trailers, whole) = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => chunks(rest),
        false => (rest.to_vec(), String::new(), true),
    };
    Reply { status, head, body, trailers, whole }
}

fn chunks(mut rest: &[u8]) -> (Vec<u8>, String, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, String::new(), false);
        };
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if length == 0 {
            return (body, String::from_utf8(rest.to_vec()).unwrap(), true);
        }
        if rest.len() < length + 2 {
            body.extend_from_slice(rest);
            return (body, String::new(), false);
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}
