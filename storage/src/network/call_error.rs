//! Why a call has no answer, and whether its request may have been delivered all the same.

use std::time::Duration;

use thiserror::Error;

use crate::range::NodeId;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CallError {
    /// The address book has no such node.
    #[error("the address of node {0} is not known")]
    UnknownNode(NodeId),
    /// There is no connection, or it ended before the answer came.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// Who was called.
        address: String,
        /// What the operating system or the peer said.
        reason: String,
        /// Whether the request may have been delivered.
        maybe_sent: bool,
    },
    /// The peer is there and will not talk to us: another cluster, another version, another node.
    #[error("{address} refused the connection: {reason}")]
    Refused {
        /// Who was called.
        address: String,
        /// What does not fit.
        reason: String,
    },
    /// As many calls wait for this peer as may, or as many of their bytes; nothing was sent.
    #[error("too many requests wait for {address}")]
    Busy {
        /// Who was called.
        address: String,
    },
    /// No answer in time.
    #[error("{address} did not answer within {timeout:?}")]
    TimedOut {
        /// Who was called.
        address: String,
        /// How long the caller was ready to wait.
        timeout: Duration,
        /// Whether the request may have been delivered.
        maybe_sent: bool,
    },
    /// The request, or its answer, is larger than a message may be.
    #[error("a {what} of {bytes} bytes is more than the {bytes_max} bytes of a message")]
    TooLarge {
        /// "request" or "response"; a response is refused after the request was handled.
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
        /// Whether the request was delivered.
        maybe_sent: bool,
    },
    /// This node is stopping its network.
    #[error("the network of this node is stopped")]
    Stopped {
        /// Whether the request may have been delivered.
        maybe_sent: bool,
    },
}

impl CallError {
    /// Whether the request may have been delivered: if so, only a request that may take effect twice, or
    /// that carries a session, may be sent again.
    pub(crate) fn maybe_sent(&self) -> bool {
        match self {
            Self::UnknownNode(_) | Self::Refused { .. } | Self::Busy { .. } => false,
            Self::Unreachable { maybe_sent, .. }
            | Self::TimedOut { maybe_sent, .. }
            | Self::TooLarge { maybe_sent, .. }
            | Self::Stopped { maybe_sent } => *maybe_sent,
        }
    }
}
