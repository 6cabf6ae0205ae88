//! Whether a node can write, and if not, why.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{disk::Disk, error::StorageError, log::Log};

/// What writers of a node ask before they begin, and tell when they fail.
#[derive(Debug)]
pub(crate) struct Health {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    reserve_bytes: u64,
    /// Bytes in the log that no checkpoint of the state has, when that was last asked.
    unflushed_bytes: AtomicU64,
    /// Whether the last attempt to write found no space.
    full: AtomicBool,
    /// Why nothing is written any more.
    poison: Mutex<Option<Arc<str>>>,
    /// Stored bytes that were found to be damaged.
    damage: Mutex<Option<StorageError>>,
}

impl Health {
    pub(crate) fn new(folder: PathBuf, disk: Arc<dyn Disk>, reserve_bytes: u64) -> Self {
        let (unflushed_bytes, full) = (AtomicU64::new(0), AtomicBool::new(false));
        Self {
            folder,
            disk,
            reserve_bytes,
            unflushed_bytes,
            full,
            poison: Mutex::new(None),
            damage: Mutex::new(None),
        }
    }

    /// The error that every write gets, if one failed for good.
    pub(crate) fn poisoned(&self) -> Option<StorageError> {
        let reason = self.poison.lock().clone()?;
        Some(StorageError::Poisoned { reason })
    }

    /// Stops all writing; the first reason stays.
    pub(crate) fn poison(&self, reason: &dyn fmt::Display) -> StorageError {
        tracing::error!(%reason, "writing has stopped");
        let reason = Arc::clone(self.poison.lock().get_or_insert_with(|| Arc::from(reason.to_string())));
        StorageError::Poisoned { reason }
    }

    /// Notes that stored bytes are damaged: what they were is on other nodes, if anywhere.
    pub(crate) fn damaged(&self, error: &StorageError) {
        tracing::error!(%error, "stored bytes are damaged");
        self.damage.lock().get_or_insert_with(|| error.clone());
    }

    /// What was found to be damaged, if anything was.
    pub(crate) fn damage(&self) -> Option<StorageError> {
        self.damage.lock().clone()
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The error that every write gets, if the node or its log stopped.
    pub(crate) fn stopped(&self, log: &Log) -> Option<StorageError> {
        self.poisoned().or_else(|| log.stopped().map(|error| self.poison(&error)))
    }

    /// Whether the disk was full when it was last asked for space.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Refuses a write for which there may not be space, before any of it is written.
    ///
    /// The state file grows long after a write is acknowledged, so everything on its way there counts.
    pub(crate) fn check_space(&self, bytes: u64, log: &Log) -> Result<(), StorageError> {
        if let Some(error) = self.poisoned() {
            return Err(error);
        }
        let available = self
            .disk
            .free_bytes(&self.folder)
            .map_err(|error| StorageError::io("measure the disk of", &self.folder, error))?;
        let log_missing = log.full();
        self.unflushed_bytes.store(log.unflushed_bytes(), Ordering::Relaxed);
        let needed = self.needed_bytes(bytes, log_missing.unwrap_or(0));
        let full = available < needed || log_missing.is_some();
        self.full.store(full, Ordering::Relaxed);
        if full {
            return Err(StorageError::DiskFull { path: self.folder.clone(), available, needed });
        }
        Ok(())
    }

    /// The error for a write of so many bytes that a full disk refused.
    pub(crate) fn disk_full(&self, bytes: u64) -> StorageError {
        self.full.store(true, Ordering::Relaxed);
        let available = self.disk.free_bytes(&self.folder).unwrap_or(0);
        StorageError::DiskFull { path: self.folder.clone(), available, needed: self.needed_bytes(bytes, 0) }
    }

    /// The state takes writes.
    pub(crate) fn not_full(&self) {
        self.full.store(false, Ordering::Relaxed);
    }

    fn needed_bytes(&self, bytes: u64, log_bytes: u64) -> u64 {
        /// How much more space a write may take in the state than its bytes: redb's pages are powers
        /// of two, the smallest of which hold keys alone.
        const STATE_FACTOR: u64 = 2;
        let on_the_way = self.unflushed_bytes.load(Ordering::Relaxed) + bytes;
        self.reserve_bytes + on_the_way.saturating_mul(STATE_FACTOR) + log_bytes
    }
}
