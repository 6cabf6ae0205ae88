//! External merge sort of records by place, ties in file order; memory stays within a limit.
//!
//! Records gather into runs. As long as all of them fit into one run, nothing touches the disk. Otherwise
//! each full run is sorted and spilled by a worker while the next one is being read, and the spilled runs
//! are merged, in several rounds if there are very many. Spill files have no name, so that the system
//! removes them whatever happens to the process.

mod merge;
mod run;
mod spill;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use self::{merge::Merge, run::Run, spill::Spill};
use genomdb_genome::ContigId;

use crate::{
    CancelToken, LoadError,
    batch::{Batch, Place, Pool},
};

/// What records are sorted by; ties stay in the order of their ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Contig and start, as blocks have them.
    Place,
    /// The ordinal alone, as the file has them.
    Ordinal,
}

impl Order {
    fn key(self, contig: Option<ContigId>, start: i64, ordinal: u64) -> Place {
        match self {
            Self::Place => Place::new(contig, start),
            // No file has 2^63 records.
            Self::Ordinal => Place::new(None, ordinal.cast_signed()),
        }
    }
}

/// What a sort may use.
#[derive(Clone, Debug)]
pub(crate) struct SortConfig {
    pub(crate) order: Order,
    /// Where runs are spilled; created when missing.
    pub(crate) folder: PathBuf,
    /// Bytes of records in memory, over all threads.
    pub(crate) memory_bytes: usize,
    /// Runs that are sorted at the same time.
    pub(crate) threads: usize,
    /// Bytes of records in a batch that the merge gives out.
    pub(crate) batch_bytes: usize,
}

impl SortConfig {
    /// One run fills while each worker sorts another.
    fn run_bytes(&self) -> usize {
        (self.memory_bytes / (self.threads + 1)).max(1)
    }

    /// Runs merged at once: each holds a frame and its compressed form.
    fn fan_in(&self) -> usize {
        (self.memory_bytes / (2 * spill::FRAME_BYTES)).clamp(2, 512)
    }
}

/// Sorted records, batch by batch.
#[derive(Debug)]
pub(crate) enum Sorted {
    /// They fitted into memory.
    Memory(run::Sorted),
    /// They are merged from spilled runs.
    Spilled(Merge),
}

impl Sorted {
    /// Returns the next records in order, `None` at the end.
    pub(crate) fn next_batch(&mut self, batch_bytes: usize, pool: &Pool) -> Result<Option<Batch>, LoadError> {
        match self {
            Self::Memory(sorted) => Ok(sorted.next_batch(batch_bytes, pool)),
            Self::Spilled(merge) => merge.next_batch(batch_bytes, pool),
        }
    }
}

/// Reads `next` to its end and returns its records in order.
///
/// To sort by place, ordinals must rise from batch to batch: ties within a run stay as they come.
pub(crate) fn sort(
    next: &mut dyn FnMut() -> Result<Option<Batch>, LoadError>,
    config: &SortConfig,
    cancel: &CancelToken,
) -> Result<Sorted, LoadError> {
    let mut run = Run::default();
    while run.byte_count() < config.run_bytes() {
        match next()? {
            Some(batch) => run.push(batch),
            None => return Ok(Sorted::Memory(run.sort(config.order))),
        }
    }
    let spills = spill_runs(run, next, config, cancel)?;
    reduce(spills, config, cancel).map(Sorted::Spilled)
}

/// Spills a full run and all that follow, in file order.
fn spill_runs(
    first: Run,
    next: &mut dyn FnMut() -> Result<Option<Batch>, LoadError>,
    config: &SortConfig,
    cancel: &CancelToken,
) -> Result<Vec<Spill>, LoadError> {
    // Without room in the channel, a full run waits until a worker is free: that bounds the memory.
    let (runs, queue) = mpsc::sync_channel::<(usize, Run)>(0);
    let queue = Arc::new(Mutex::new(queue));
    let failed = &AtomicBool::new(false);
    let mut numbered = thread::scope(move |scope| {
        let spawn = |_| {
            let queue = queue.clone();
            scope.spawn(move || spill_worker(&queue, failed, config, cancel))
        };
        let workers: Vec<_> = (0..config.threads.max(1)).map(spawn).collect();
        // The workers alone hold the receiver: when all have failed, `send` must not wait for ever.
        drop(queue);
        let read = fill_runs(first, next, config.run_bytes(), |number, run| {
            cancel.check()?;
            Ok(!failed.load(Ordering::Relaxed) && runs.send((number, run)).is_ok())
        });
        drop(runs);
        let mut numbered = Vec::new();
        let mut fault = None;
        for worker in workers {
            match worker.join() {
                Ok(Ok(spills)) => numbered.extend(spills),
                Ok(Err(error)) => fault = Some(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match fault {
            Some(error) => Err(error),
            None => read.map(|()| numbered),
        }
    })?;
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, spill)| spill).collect())
}

/// Sorts and spills the runs that come, until no more can come.
fn spill_worker(
    queue: &Mutex<mpsc::Receiver<(usize, Run)>>,
    failed: &AtomicBool,
    config: &SortConfig,
    cancel: &CancelToken,
) -> Result<Vec<(usize, Spill)>, LoadError> {
    let mut spills = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, run)) = next else { return Ok(spills) };
        match run.sort(config.order).spill(&config.folder, cancel) {
            Ok(spill) => spills.push((number, spill)),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
}

/// Gathers runs and gives each to `full`, until the end or until `full` returns false.
fn fill_runs(
    mut run: Run,
    next: &mut dyn FnMut() -> Result<Option<Batch>, LoadError>,
    run_bytes: usize,
    mut full: impl FnMut(usize, Run) -> Result<bool, LoadError>,
) -> Result<(), LoadError> {
    for number in 0.. {
        if !full(number, run)? {
            break;
        }
        run = Run::default();
        while run.byte_count() < run_bytes {
            match next()? {
                Some(batch) => run.push(batch),
                None if run.byte_count() == 0 => return Ok(()),
                None => return full(number + 1, run).map(|_| ()),
            }
        }
    }
    Ok(())
}

/// Merges runs until few enough are left for one last merge.
fn reduce(spills: Vec<Spill>, config: &SortConfig, cancel: &CancelToken) -> Result<Merge, LoadError> {
    let fan_in = config.fan_in();
    let mut spills = VecDeque::from(spills);
    while spills.len() > fan_in {
        let group = spills.drain(..fan_in).collect();
        let mut merge = Merge::open(group, config.order)?;
        let mut writer = spill::Writer::create(&config.folder)?;
        let pool = Pool::default();
        while let Some(batch) = merge.next_batch(config.batch_bytes, &pool)? {
            cancel.check()?;
            for index in 0..batch.records.len() {
                writer.push(&batch.records.get(index), batch.ordinals.get(index))?;
            }
            pool.put(Arc::new(batch));
        }
        spills.push_back(writer.finish()?);
    }
    Merge::open(spills.into(), config.order)
}

/// Names the folder in an error of a spill file.
fn spill_error(folder: &Path) -> impl FnOnce(std::io::Error) -> LoadError {
    let folder = folder.to_owned();
    move |source| LoadError::Spill { folder, source }
}

#[cfg(test)]
mod tests;
