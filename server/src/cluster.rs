//! What operators of a cluster work with: to run a node of it, and to see and change how it stands.
//!
//! The types are those of the store; they stand here because the command line knows only this crate.

pub mod key_text;
pub mod report;

pub use genomdb_storage::{
    Admin, ClusterNode, Config as StorageConfig, Key, KeyRange, NodeConfig, NodeId, RangeDescriptor, RangeId,
    ReplicaChecksum, Space, StorageError,
    placement::{NodeState, NodeStatus, OperatorStatus, RangeStatus, Reason, Settings, Status},
};
