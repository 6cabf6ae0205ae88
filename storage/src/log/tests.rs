//! The log against a model, on a disk on which everything goes wrong.

mod bench;
mod faults;
mod model;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Done, Entry, Log, LogOptions};
use crate::{error::StorageError, log_id::LogId, testing::SimulatedDisk};

const FOLDER: &str = "/log";

fn options(disk: &SimulatedDisk, salt: u64) -> LogOptions {
    LogOptions {
        folder: PathBuf::from(FOLDER),
        disk: Arc::new(disk.clone()),
        segment_bytes: 8 << 10,
        spare_segments_max: 1,
        batch_bytes_max: 4 << 10,
        cache_bytes_max: 2 << 10,
        segments_kept: 2,
        reserve_bytes: 0,
        salt,
        no_fsync: false,
    }
}

/// A log with its worker, which works when it is told to.
struct Running {
    log: Log,
    worker: Pin<Box<dyn Future<Output = Result<(), StorageError>>>>,
}

impl Running {
    fn open(disk: &SimulatedDisk, salt: u64) -> Result<Self, StorageError> {
        Self::open_with(options(disk, salt))
    }

    fn open_with(options: LogOptions) -> Result<Self, StorageError> {
        let (log, worker) = Log::open(options, &BTreeMap::new())?;
        Ok(Self { log, worker: Box::pin(worker.run()) })
    }

    /// Lets the worker do all that it can.
    fn work(&mut self) -> Poll<Result<(), StorageError>> {
        self.worker.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn close(mut self) -> Result<(), StorageError> {
        self.log.close();
        match self.work() {
            Poll::Ready(closed) => closed,
            Poll::Pending => panic!("a closed log goes on"),
        }
    }
}

/// An answer that may come.
type Answer = Arc<Mutex<Option<Result<(), StorageError>>>>;

fn answer() -> (Answer, Done) {
    let answer = Answer::default();
    let given = Arc::clone(&answer);
    (answer, Box::new(move |result| *given.lock() = Some(result)))
}

fn id(term: u64, index: u64) -> LogId {
    LogId { term, index }
}

fn entry(term: u64, index: u64, length: usize) -> Entry {
    let bytes = (0..length).map(|byte| (byte as u64 ^ index.wrapping_mul(31) ^ term) as u8);
    Entry { id: id(term, index), tag: (index % 3) as u8, payload: Bytes::from_iter(bytes) }
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    disk.files().iter().map(|(path, _)| name(path)).collect()
}
