//! Batches in order become blocks, and blocks become writes; each stage on threads of its own.
//!
//! ```text
//! caller: next batch, cut ─cuts→ N encoders ─blocks→ collector: in order ─writes→ writers → storage
//!            ↑─────────────────────permits──────────────────┘
//! ```
//!
//! A permit is one block between its cut and its write batch, so that the memory is bounded whatever stage
//! is slow. The first stage that fails says why; the others find their channels closed, and stop.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread,
};

use genomdb_layout::block::{AlignmentBlockBuilder, BlockConfig, EncodedBlock};
use genomdb_storage::{Storage, WriteBatch};

use crate::{
    CancelToken, Config, LoadError,
    batch::{Batch, Pool},
    collect::{Collector, Written},
    cut::{Cut, Cutter},
    encode::encode,
    target::Target,
};

/// Why the writing of blocks ended before its time.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A record lies before the one that precedes it in the file.
    OutOfOrder,
    Failed(LoadError),
}

impl<E: Into<LoadError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Batches in order of place, until `None`.
pub(crate) type NextBatch<'a> = dyn FnMut() -> Result<Option<Batch>, Stop> + 'a;

/// Writes the blocks of all batches, and then their index; every write is durable on return.
///
/// What was written before a stop stays, and the journal names it.
pub(crate) fn write_blocks(
    next: &mut NextBatch<'_>,
    target: &Target,
    config: &Config,
    pool: &Pool,
    cancel: &CancelToken,
) -> Result<Written, Stop> {
    let failure = &Failure::default();
    let permit_count = 3 * config.threads.max(1);
    let (permit, permits) = mpsc::sync_channel(permit_count);
    let (cut, cuts) = mpsc::sync_channel(permit_count);
    let (block, blocks) = mpsc::channel();
    let (write, writes) = mpsc::sync_channel(1);
    for _ in 0..permit_count {
        // Never full: it holds all of them.
        let _room = permit.send(());
    }
    let written = thread::scope(move |scope| {
        let cuts = Arc::new(Mutex::new(cuts));
        for _ in 0..config.threads.max(1) {
            let (cuts, block) = (cuts.clone(), block.clone());
            scope.spawn(move || encode_cuts(&cuts, &block, config.block, target, pool, failure));
        }
        // From here on only the threads hold the ends of the channels: when they leave, the channels close.
        drop((cuts, block));
        let writes = Arc::new(Mutex::new(writes));
        for _ in 0..config.writes_in_flight.max(1) {
            let writes = writes.clone();
            scope.spawn(move || write_batches(&writes, &target.storage, failure));
        }
        drop(writes);
        let collector = scope.spawn(move || collect(&blocks, &permit, &write, target, config, failure));
        cut_batches(next, cut, permits, config.block, failure, cancel);
        collector.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    match failure.take() {
        Some(stop) => Err(stop),
        None => Ok(written),
    }
}

/// The first stage, on the caller's thread.
fn cut_batches(
    next: &mut NextBatch<'_>,
    cuts: SyncSender<Cut>,
    permits: Receiver<()>,
    config: BlockConfig,
    failure: &Failure,
    cancel: &CancelToken,
) {
    let mut cutter = Cutter::new(config);
    let send = |cut| {
        // A closed channel means that another stage has failed, and said so.
        let _sent = permits.recv().is_ok() && cuts.send(cut).is_ok();
    };
    loop {
        if failure.is_set() {
            return;
        }
        match cancel.check().map_err(Stop::from).and_then(|()| next()) {
            Ok(Some(batch)) => cutter.push(&Arc::new(batch), send),
            Ok(None) => break,
            Err(stop) => return failure.set(stop),
        }
    }
    cutter.finish().into_iter().for_each(send);
}

fn encode_cuts(
    cuts: &Mutex<Receiver<Cut>>,
    blocks: &Sender<Option<EncodedBlock>>,
    config: BlockConfig,
    target: &Target,
    pool: &Pool,
    failure: &Failure,
) {
    let mut builder = AlignmentBlockBuilder::new(config);
    while let Some(cut) = receive(cuts, failure) {
        match encode(&mut builder, &cut, &target.file) {
            Ok(block) => {
                if blocks.send(Some(block)).is_err() {
                    return;
                }
            }
            Err(error) => {
                failure.set(error.into());
                // Wakes the collector, which would wait for this block while everyone waits for its permits.
                let _sent = blocks.send(None);
                return;
            }
        }
        cut.slices.into_iter().for_each(|(batch, _)| pool.put(batch));
    }
}

/// Brings the blocks back into order and packs them into writes.
fn collect(
    blocks: &Receiver<Option<EncodedBlock>>,
    permits: &SyncSender<()>,
    writes: &SyncSender<WriteBatch>,
    target: &Target,
    config: &Config,
    failure: &Failure,
) -> Written {
    let mut send = |batch| {
        let _sent = writes.send(batch);
    };
    let mut collector = Collector::new(target, config.write_bytes, &mut send);
    let mut early = BTreeMap::new();
    let mut next = 0;
    while let Ok(Some(block)) = blocks.recv() {
        early.insert(block.entry.number, block);
        while let Some(block) = early.remove(&next) {
            next += 1;
            collector.push(block);
            // The cutter may be done and gone.
            let _returned = permits.try_send(());
        }
        if failure.is_set() {
            break;
        }
    }
    // After a failure the index would be of a part: it is not written.
    if failure.is_set() { Written::default() } else { collector.finish() }
}

/// Writes what comes until the channel closes or anything fails.
pub(crate) fn write_batches(writes: &Mutex<Receiver<WriteBatch>>, storage: &Storage, failure: &Failure) {
    while let Some(batch) = receive(writes, failure) {
        if let Err(error) = storage.write_blocking(batch) {
            return failure.set(error.into());
        }
    }
}

/// Returns what comes next; `None` at the end, and after a failure of another stage.
fn receive<T>(queue: &Mutex<Receiver<T>>, failure: &Failure) -> Option<T> {
    let item = queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
    (!failure.is_set()).then_some(item)
}

/// The first failure of any stage.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    is_set: AtomicBool,
    first: Mutex<Option<Stop>>,
}

impl Failure {
    pub(crate) fn set(&self, stop: Stop) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(stop);
        self.is_set.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self) -> Option<Stop> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
