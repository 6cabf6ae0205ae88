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
#[allow(dead_code)]
mod log;
mod log_id;
#[allow(dead_code)]
mod network;
mod node;
pub mod placement;
mod raft;
mod range;
mod rpc;
mod runtime;
#[cfg(all(test, simulation))]
mod simulation;
#[allow(dead_code)]
mod state;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
#[allow(dead_code)]
mod wal;
mod wire;

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
