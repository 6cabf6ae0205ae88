//! The state: everything that was applied, in redb; the log has what is newer than its last checkpoint.
//!
//! Applying commits without durability, since the log is durable already; a checkpoint commits
//! durably. What a group has applied lies in the same transaction.

mod draft;
mod events;
mod execute;
mod fault;
mod group;
mod header;
mod held_file;
mod install;
mod old_format;
mod overlay;
mod page_checksums;
mod page_file;
mod rows;
mod sessions;
mod snapshot;
mod state_file;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod transact;
mod two_phase;
mod values;
mod verify;
mod view;

pub(crate) use self::{
    events::{Change, Event, Events},
    group::{Group, GroupEntries, Membership, Payload, Phase},
    page_file::Detachment,
    snapshot::SnapshotReader,
    store::Store,
    view::{LockFound, View},
};
