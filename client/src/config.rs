//! Where the server is, and how it is reached.

use std::{fmt, path::PathBuf, time::Duration};

/// Where the server is, and how it is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://host:port` or `https://host:port`; without a scheme it is http, without a port 7480.
    pub address: String,
    /// Who asks, where the server wants to know.
    pub token: Option<Token>,
    /// PEM file with the certificates that are trusted for https, instead of those of the machine.
    pub ca_file: Option<PathBuf>,
    /// How long making a connection may take.
    ///
    /// Default: 10 s.
    pub connect_timeout: Duration,
    /// Connections that are kept open between requests.
    ///
    /// Default: 8.
    pub idle_connections_max: usize,
}

impl Config {
    /// What is usual, for the server at an address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            idle_connections_max: 8,
        }
    }
}

/// A bearer token. It is sent, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token; blanks around it, such as the end of a file's line, do not belong to it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// What stands behind `Bearer`.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let mut config = Config::new("x");
        config.token = Some(Token::new(" secret\n"));
        assert_eq!(config.token.as_ref().map(Token::secret), Some("secret"));
        assert!(!format!("{config:?}").contains("secret"));
    }
}
