//! `http://host:port`, taken apart.

use crate::Error;

/// Where a server answers unless its address says otherwise.
const PORT: u16 = 7480;

/// The parts of a server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) is_encrypted: bool,
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let fail = |reason| Error::Address { address: text.to_owned(), reason };
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(fail("it begins with http:// or https://")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(fail("it is a host and a port, nothing else"));
        }
        // An address of IPv6 stands in brackets, as its colons are not that of the port.
        let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, port))) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
            Some(None) => return Err(fail("its bracket is never closed")),
            None => match rest.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => {
                    return Err(fail("an IPv6 address stands in brackets"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let port = match port {
            Some("") => Some(PORT),
            Some(port) => port.parse().ok().filter(|&port| port > 0),
            None => None,
        };
        let port = port.ok_or_else(|| fail("its port is a number from 1 to 65535"))?;
        if host.is_empty() {
            return Err(fail("it has no host"));
        }
        Ok(Self { is_encrypted, host: host.to_owned(), port })
    }

    /// What stands in the `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(
            Address::parse(text).ok().map(|address| address.to_string()).as_deref(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn a_host_and_a_port() {
        check("http://127.0.0.1:7480", Some("http://127.0.0.1:7480"));
        check("node1", Some("http://node1:7480"));
        check("node1:80", Some("http://node1:80"));
        check("HTTPS://node1/", Some("https://node1:7480"));
        check("https://[::1]:443", Some("https://[::1]:443"));
        check("[::1]", Some("http://[::1]:7480"));
        for wrong in [
            "",
            "http://",
            "ftp://a",
            "a:0",
            "a:x",
            "a:99999",
            "http://a/v1",
            "u@a",
            "::1",
            "[::1",
            "[::1]x",
            "a b",
        ] {
            check(wrong, None);
        }
    }
}
