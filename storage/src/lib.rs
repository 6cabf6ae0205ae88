//! A replicated, ordered key-value store of opaque bytes; it knows no genomics.
//!
//! ```text
//! write   batch → ranges of keys → each range's Raft group: log of a majority, one fsync for all that wait
//!               → redb: applied → acknowledged
//!                 … later, one durable commit of redb; the log forgets what is before it
//! read    keys → the range's leader, sure to lead still → one redb read transaction → bytes
//! open    redb at its last durable commit → the log behind it
//! ```
//! - What [`Storage::write`] acknowledged is durable, and every later read sees it.
//! - A transaction takes effect whole or not at all, through any crash.
//! - Stored bytes that are not what was written are an error that names them, never data.
//! - After a failed write or fsync a node writes nothing more; reads go on.
//!
//! A folder that one process has alone is a cluster of one node. `docs/on-disk-format.md` describes it.

mod action;
mod applier;
mod block_on;
mod client;
mod clock;
mod cluster;
mod command;
mod config;
mod data_folder;
mod disk;
mod error;
mod fields;
mod health;
mod kv;
mod log;
mod log_id;
mod network;
mod node;
pub mod placement;
mod raft;
mod range;
mod rpc;
mod runtime;
mod set_aside;
#[cfg(all(test, simulation))]
mod simulation;
mod state;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;

pub use action::{OperationResult, Session, TransactionId};
pub use client::{Position, WatchEvent, WatchPage};
pub use clock::{Clock, SystemClock};
pub use cluster::{Admin, ClusterNode, NodeConfig, ReplicaChecksum};
pub use config::{Config, RaftConfig, Sabotage};
pub use disk::{Disk, DiskFile, LocalDisk};
pub use error::StorageError;
pub use kv::{
    Condition, End, Key, KeyRange, Operation, Outcome, ScanLimit, ScanPage, Timestamp, Transaction, Value,
    WriteBatch,
};
pub use log_id::LogId;
pub use range::{NodeId, RangeDescriptor, RangeId, Space};
pub use storage::{Freshness, Stats, Storage};
