//! Where the data is: what flags say wins over the environment, and that over the file of settings.

use std::path::{Path, PathBuf};

use clap::Args;
use genomdb_client::{Config, Token};

use crate::args::node_address;

/// Where the data is if nobody says.
const FOLDER: &str = "./genomdb-data";

/// Where the data is, as flags say it.
#[derive(Args, Clone, Debug, Default)]
pub struct Reach {
    /// The data folder; created by the first load. [env: GENOMDB_DATA] [default: ./genomdb-data]
    #[arg(long, value_name = "DIR", group = "place")]
    pub data: Option<PathBuf>,
    /// Nodes of a cluster, any of them, instead of a data folder. [env: GENOMDB_CONNECT]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = node_address, group = "place")]
    pub connect: Vec<String>,
    /// A server that answers HTTP, such as http://127.0.0.1:7480, instead of a data folder. [env:
    /// GENOMDB_HOST]
    #[arg(long, value_name = "URL", group = "place")]
    pub host: Option<String>,
    /// PEM file with the certificates that are trusted for https, instead of the machine's. [env:
    /// GENOMDB_CA_FILE]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Who asks the server. Other users of the machine see it in the list of processes: better is a file, or
    /// the environment. [env: GENOMDB_TOKEN]
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file with the token. [env: GENOMDB_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// The same, as the file of settings says it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// As `--data`.
    pub data: Option<PathBuf>,
    /// As `--connect`.
    pub connect: Vec<String>,
    /// As `--host`.
    pub host: Option<String>,
    /// As `--ca-file`.
    pub ca_file: Option<PathBuf>,
    /// As `--token-file`.
    pub token_file: Option<PathBuf>,
}

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// In a cluster, of which some nodes are named.
    Cluster(Vec<String>),
    /// Behind a server.
    Server(Config),
}

/// What was said about the place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The file with the token.
    #[error("cannot read the token from {}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Reach {
    /// Finds out where the data is.
    ///
    /// # Errors
    ///
    /// If the file with the token cannot be read.
    pub fn place(&self, settings: &Settings) -> Result<Place, PlaceError> {
        self.place_in(settings, &|name| std::env::var(name).ok())
    }

    fn place_in(
        &self,
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Place, PlaceError> {
        // An empty variable is as good as none.
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let environment = Self {
            data: variable("GENOMDB_DATA").map(PathBuf::from),
            connect: variable("GENOMDB_CONNECT")
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::to_owned)
                .collect(),
            host: variable("GENOMDB_HOST"),
            ca_file: variable("GENOMDB_CA_FILE").map(PathBuf::from),
            token: variable("GENOMDB_TOKEN"),
            token_file: variable("GENOMDB_TOKEN_FILE").map(PathBuf::from),
        };
        let file = Self {
            data: settings.data.clone(),
            connect: settings.connect.clone(),
            host: settings.host.clone(),
            ca_file: settings.ca_file.clone(),
            token: None,
            token_file: settings.token_file.clone(),
        };
        let sources = [self, &environment, &file];
        for source in sources {
            if let Some(host) = &source.host {
                let mut config = Config::new(host);
                config.ca_file = sources.iter().find_map(|source| source.ca_file.clone());
                config.token = sources.iter().find_map(|source| source.token()).transpose()?;
                return Ok(Place::Server(config));
            }
            let nodes = source.connect.iter().map(|node| node.trim().to_owned());
            let nodes: Vec<_> = nodes.filter(|node| !node.is_empty()).collect();
            if !nodes.is_empty() {
                return Ok(Place::Cluster(nodes));
            }
            if let Some(folder) = &source.data {
                return Ok(Place::Folder(folder.clone()));
            }
        }
        Ok(Place::Folder(PathBuf::from(FOLDER)))
    }

    fn token(&self) -> Option<Result<Token, PlaceError>> {
        let read = |path: &Path| match std::fs::read_to_string(path) {
            Ok(text) => Ok(Token::new(&text)),
            Err(source) => Err(PlaceError::Token { path: path.to_owned(), source }),
        };
        match (&self.token, &self.token_file) {
            (Some(token), _) => Some(Ok(Token::new(token))),
            (None, Some(path)) => Some(read(path)),
            (None, None) => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(formatter, "the data folder {}", folder.display()),
            Self::Cluster(nodes) => write!(formatter, "the cluster of {}", nodes.join(", ")),
            Self::Server(config) => write!(formatter, "the server {}", config.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(flags: &Reach, settings: &Settings, environment: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        flags.place_in(settings, &variable).unwrap().to_string()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let none = Reach::default();
        let file = Settings { host: Some("http://file".to_owned()), ..Settings::default() };
        assert_eq!(place(&none, &Settings::default(), &[]), "the data folder ./genomdb-data");
        assert_eq!(place(&none, &file, &[]), "the server http://file");
        assert_eq!(place(&none, &file, &[("GENOMDB_DATA", "d")]), "the data folder d");
        let both = [("GENOMDB_HOST", "http://variable"), ("GENOMDB_DATA", "d"), ("GENOMDB_CONNECT", " ")];
        assert_eq!(place(&none, &file, &both), "the server http://variable");
        let folder = Reach { data: Some("flag".into()), ..Reach::default() };
        assert_eq!(place(&folder, &file, &both), "the data folder flag");
        assert_eq!(place(&none, &file, &[("GENOMDB_CONNECT", "a:1, b:2,")]), "the cluster of a:1, b:2");
    }

    #[test]
    fn a_token_comes_from_where_it_is_said_first() {
        let token = |flags: &Reach, environment: &[(&str, &str)]| {
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            match flags.place_in(&Settings::default(), &variable) {
                Ok(Place::Server(config)) => config.token,
                other => panic!("{other:?}"),
            }
        };
        let flags = Reach { host: Some("h".to_owned()), ..Reach::default() };
        assert_eq!(token(&flags, &[]), None);
        assert_eq!(token(&flags, &[("GENOMDB_TOKEN", "secret\n")]), Some(Token::new("secret")));
        let named = Reach { token: Some("flag".to_owned()), ..flags.clone() };
        assert_eq!(token(&named, &[("GENOMDB_TOKEN", "secret")]), Some(Token::new("flag")));
        let missing = Reach { token_file: Some("/no/such/file".into()), ..flags };
        assert!(missing.place_in(&Settings::default(), &|_| None).is_err());
    }
}
