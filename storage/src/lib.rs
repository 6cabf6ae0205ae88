//! An ordered key-value store of opaque bytes; it knows no genomics.
//!
//! ```text
//! write   batch → log: append, one fsync for all that wait → redb: apply → acknowledged
//!                 … later, one durable commit of redb; the log forgets what is before it
//! read    keys → one redb read transaction → bytes
//! open    redb at its last durable commit → replay the log behind it
//! ```
//! - What [`Storage::write`] acknowledged is durable, and every later read sees it.
//! - A batch takes effect whole or not at all, through any crash.
//! - Stored bytes that are not what was written are an error that names them, never data.
//! - After a failed write or fsync nothing more is written; reads go on.
//!
//! `docs/on-disk-format.md` describes the folder.

#[allow(dead_code)]
mod action;
mod block_on;
mod clock;
mod command;
mod config;
mod data_folder;
mod disk;
mod error;
mod fields;
mod kv;
#[allow(dead_code, unused_imports)]
mod log;
mod log_id;
#[allow(dead_code)]
mod raft;
#[allow(dead_code, unused_imports)]
mod network;
pub mod placement;
mod range;
mod recovery;
#[allow(dead_code)]
mod rpc;
#[allow(dead_code)]
mod runtime;
#[allow(dead_code, unused_imports)]
mod state;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod wal;
#[allow(dead_code)]
mod wire;
mod writer;

pub use action::{OperationResult, Session, TransactionId};
pub use clock::{Clock, SystemClock};
pub use config::Config;
pub use disk::{Disk, DiskFile, LocalDisk};
pub use error::StorageError;
pub use kv::{
    Condition, End, Key, KeyRange, Operation, Outcome, ScanLimit, ScanPage, Timestamp, Transaction, Value,
    WriteBatch,
};
pub use log_id::LogId;
pub use range::{NodeId, RangeDescriptor, RangeId, Space};
pub use storage::{Stats, Storage};
