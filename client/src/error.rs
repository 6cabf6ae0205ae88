//! What may go wrong between a question and its answer.

use std::{path::PathBuf, time::Duration};

use arrow::error::ArrowError;
use serde::Deserialize;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("`{address}` is no address of a server: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The certificates that are to be trusted cannot be read.
    #[error("cannot read trusted certificates from {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A value cannot stand in a request.
    #[error("{0} cannot be sent")]
    Request(&'static str),
    /// The server cannot be reached.
    #[error("cannot reach {address}")]
    Connect {
        /// Its address.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server does not answer in time.
    #[error("cannot reach {address} within {} s", within.as_secs_f32())]
    ConnectTimeout {
        /// Its address.
        address: String,
        /// How long it had.
        within: Duration,
    },
    /// The connection broke before the answer began.
    #[error("the server ended the connection without an answer")]
    NoAnswer(#[source] hyper::Error),
    /// The connection broke in the middle of the answer: what came of it is not the whole.
    #[error("the answer broke off: the query failed behind its first rows, or the server is gone")]
    Broken(#[source] hyper::Error),
    /// The answer ended well, but before its end.
    #[error("the answer is not whole: {0}")]
    Truncated(&'static str),
    /// Bytes of the answer are no Arrow stream.
    #[error("the answer cannot be read")]
    Decode(#[source] ArrowError),
    /// A file that was to be sent cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server refuses.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The answer is not one of this server.
    #[error("the server answers {status}, which is not an answer of GenomDB: {detail}")]
    Unexpected {
        /// The status of HTTP.
        status: u16,
        /// The beginning of what it says.
        detail: String,
    },
}

impl Error {
    /// Whether the server could not be reached at all.
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Address { .. }
                | Self::Certificates { .. }
                | Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::NoAnswer(_)
                | Self::Unexpected { .. }
        )
    }
}

/// What the server says when it refuses (RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The status of HTTP.
    pub status: u16,
    /// The kind of problem in a few words.
    pub title: String,
    /// What is wrong, for people.
    pub detail: String,
    /// What is wrong, in one word for programs.
    pub code: String,
    /// The line in the statement, from 1.
    pub line: Option<u32>,
    /// The column in the statement, from 1.
    pub column: Option<u32>,
    /// The byte of the statement where it begins, from 0.
    pub offset: Option<u32>,
    /// The byte of the statement behind it.
    pub end: Option<u32>,
    /// What may help.
    pub hint: Option<String>,
    /// The query's id.
    pub query_id: Option<String>,
}
