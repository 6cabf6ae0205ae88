//! What tickets and prepared statements say: all that it takes to run a statement, so that no node need
//! remember it, and none can have forgotten it.
//!
//! Who holds a handle may run its statement as themselves, no more: it carries no right.

use bytes::Bytes;
use prost::Message;
use tonic::Status;

/// The longest handle that is taken or given.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// A statement, the values of its parameters, and the name that its query will have.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Handle {
    /// The text.
    #[prost(string, tag = "1")]
    pub(super) text: String,
    /// An Arrow IPC stream: a column for each parameter, a row for each run. Empty without parameters.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) parameters: Bytes,
    /// What the query is called while it runs.
    #[prost(fixed64, tag = "3")]
    pub(super) query: u64,
    /// It returns no rows, and was carried out when the ticket was made.
    #[prost(bool, tag = "4")]
    pub(super) is_done: bool,
}

impl Handle {
    /// A statement without parameters.
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.len() > BYTES_MAX {
            return Err(Status::invalid_argument("the handle is too long to be one of ours"));
        }
        Self::decode(bytes).map_err(|_| Status::invalid_argument("the handle is none of ours"))
    }

    pub(super) fn to_bytes(&self) -> Result<Bytes, Status> {
        let bytes = self.encode_to_vec();
        if bytes.len() > BYTES_MAX {
            let message = format!("the statement and its parameters are longer than {BYTES_MAX} bytes");
            return Err(Status::invalid_argument(message));
        }
        Ok(bytes.into())
    }
}
