//! BGZF: gzip in blocks of at most 64 KiB (SAM v1 § 4.1), inflated by several threads, in order.
//!
//! Each thread in turn reads a run of whole blocks under a lock and puts a receiver for its result into an
//! ordered queue; then it inflates them without the lock. The queue's length bounds the memory. A library
//! inflates as fast; why this is ours all the same stands in `docs/decisions/006-own-codecs.md`.

mod block;
mod random_access;

use std::{
    io::{BufReader, ErrorKind, Read},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{FormatError, byte_stream::Chunk, source::Input};

pub(crate) use block::is_bgzf;
use block::{BLOCK_INFLATED_BYTES_MAX, Block, Inflater};
pub(crate) use random_access::RandomAccess;

/// Blocks that one thread takes at once: 1 MiB of inflated bytes stays in a core's cache.
const BLOCKS_PER_RUN: usize = 16;

/// Runs that wait to be consumed, for each thread: 8 MiB of inflated bytes keep it busy while the consumer
/// waits for a core.
const RUNS_QUEUED_PER_THREAD: usize = 8;

type Inflated = Result<Chunk, FormatError>;

/// Inflates a BGZF file in order.
///
/// Dropping it stops its threads at the next run; they are not waited for, because one of them may wait for
/// standard input, which only its writer can end.
pub(crate) struct Reader {
    file: Arc<str>,
    runs: Receiver<Receiver<Inflated>>,
    /// Buffers to fill again.
    spare: Arc<Mutex<Vec<Chunk>>>,
}

impl Reader {
    pub(crate) fn new(input: Input, threads: usize) -> Result<Self, FormatError> {
        let threads = threads.clamp(1, 64);
        let file = input.name.clone();
        let spare = Arc::new(Mutex::new(Vec::new()));
        let (queue, runs) = sync_channel(threads * RUNS_QUEUED_PER_THREAD);
        let blocks = Blocks {
            file: file.clone(),
            input: BufReader::with_capacity(1 << 20, input),
            offset: 0,
            ends_with_marker: false,
            ended: false,
            fault: None,
            queue,
        };
        let blocks = Arc::new(Mutex::new(blocks));
        for _ in 0..threads {
            let (name, blocks, spare) = (file.clone(), blocks.clone(), spare.clone());
            let spawned = thread::Builder::new()
                .name("bgzf".into())
                .spawn(move || inflate_runs(&name, &blocks, &spare));
            spawned.map_err(|source| FormatError::Io { file: file.clone(), source })?;
        }
        Ok(Self { file, runs, spare })
    }

    /// Replaces `chunk` by the next one; false where the file ends.
    pub(crate) fn next(&mut self, chunk: &mut Chunk) -> Result<bool, FormatError> {
        loop {
            let spent = std::mem::take(chunk);
            if !spent.bytes.is_empty() {
                self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(spent);
            }
            let Ok(run) = self.runs.recv() else { return Ok(false) };
            let Ok(inflated) = run.recv() else {
                let source = std::io::Error::other("a thread that inflates BGZF blocks has died");
                return Err(FormatError::Io { file: self.file.clone(), source });
            };
            *chunk = inflated?;
            if chunk.length > 0 {
                return Ok(true);
            }
        }
    }
}

fn inflate_runs(file: &Arc<str>, blocks: &Mutex<Blocks>, spare: &Mutex<Vec<Chunk>>) {
    let mut inflater = Inflater::default();
    let mut run = Run::default();
    loop {
        let (give, take) = sync_channel(1);
        {
            let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
            let read = blocks.read_run(&mut run);
            if matches!(read, Ok(false)) || blocks.queue.send(take).is_err() {
                return;
            }
            if let Err(error) = read {
                // The receiver is gone only if nobody reads the file any more.
                let _ = give.send(Err(error));
                return;
            }
        }
        let chunk = spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if give.send(run.inflate(&mut inflater, chunk, file)).is_err() {
            return;
        }
    }
}

/// Some whole blocks, still compressed.
#[derive(Default)]
struct Run {
    compressed: Vec<u8>,
    blocks: Vec<Block>,
}

impl Run {
    fn inflate(&self, inflater: &mut Inflater, mut chunk: Chunk, file: &Arc<str>) -> Inflated {
        // The buffer keeps its full size, so that it is zeroed only once.
        let room = self.blocks.len() * BLOCK_INFLATED_BYTES_MAX;
        if chunk.bytes.len() < room {
            chunk.bytes.resize(room, 0);
        }
        chunk.length = 0;
        for block in &self.blocks {
            let compressed = self.compressed.get(block.bytes.clone()).unwrap_or_default();
            let room = chunk.bytes.get_mut(chunk.length..).unwrap_or_default();
            let length =
                inflater.inflate(compressed, room).map_err(|reason| faulty(file, block.offset, reason))?;
            chunk.length += length;
        }
        Ok(chunk)
    }
}

/// The compressed file, cut into blocks.
struct Blocks {
    file: Arc<str>,
    input: BufReader<Input>,
    /// Where the next block starts in the file.
    offset: u64,
    /// Whether the last block was an empty one, as at the end of a file.
    ends_with_marker: bool,
    ended: bool,
    /// A fault behind blocks that are still to be handed out.
    fault: Option<FormatError>,
    queue: SyncSender<Receiver<Inflated>>,
}

impl Blocks {
    /// Reads the next blocks; false where the file has ended.
    fn read_run(&mut self, run: &mut Run) -> Result<bool, FormatError> {
        run.compressed.clear();
        run.blocks.clear();
        while !self.ended && run.blocks.len() < BLOCKS_PER_RUN {
            match self.read_block(run) {
                Ok(more) => self.ended = !more,
                Err(fault) => (self.fault, self.ended) = (Some(fault), true),
            }
        }
        match self.fault.take_if(|_| run.blocks.is_empty()) {
            Some(fault) => Err(fault),
            None => Ok(!run.blocks.is_empty()),
        }
    }

    /// Reads one block; false where the file ends with the marker.
    fn read_block(&mut self, run: &mut Run) -> Result<bool, FormatError> {
        let start = run.compressed.len();
        if !self.append(run, block::FIXED_HEADER_BYTES)? {
            if run.compressed.len() > start {
                return Err(self.breaks_off());
            }
            if self.ends_with_marker {
                return Ok(false);
            }
            let reason = format!("the empty BGZF block that ends a file is absent at byte {}", self.offset);
            return Err(FormatError::Truncated { file: self.file.clone(), reason });
        }
        let header = run.compressed.get(start..).unwrap_or_default();
        let extra_bytes = block::extra_field_bytes(header).map_err(|reason| self.faulty(reason))?;
        if !self.append(run, extra_bytes)? {
            return Err(self.breaks_off());
        }
        let header = run.compressed.get(start..).unwrap_or_default();
        let rest_bytes = block::rest_bytes(header).map_err(|reason| self.faulty(reason))?;
        if !self.append(run, rest_bytes)? {
            return Err(self.breaks_off());
        }
        let bytes = start..run.compressed.len();
        let block = run.compressed.get(bytes.clone()).unwrap_or_default();
        self.ends_with_marker = block::inflated_bytes(block) == Some(0);
        let length = bytes.len() as u64;
        run.blocks.push(Block { offset: self.offset, bytes });
        self.offset += length;
        Ok(true)
    }

    /// Appends the next `length` bytes of the file; false, and fewer, where it ends.
    fn append(&mut self, run: &mut Run, length: usize) -> Result<bool, FormatError> {
        let start = run.compressed.len();
        run.compressed.resize(start + length, 0);
        let mut filled = start;
        while let Some(room) = run.compressed.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(FormatError::Io { file: self.file.clone(), source }),
            }
        }
        run.compressed.truncate(filled);
        Ok(filled == start + length)
    }

    fn breaks_off(&self) -> FormatError {
        let reason = format!("the BGZF block at byte {} breaks off", self.offset);
        FormatError::Truncated { file: self.file.clone(), reason }
    }

    fn faulty(&self, reason: &'static str) -> FormatError {
        faulty(&self.file, self.offset, reason)
    }
}

fn faulty(file: &Arc<str>, offset: u64, reason: &str) -> FormatError {
    let (file, reason) = (file.clone(), reason.into());
    FormatError::Container { file, place: "BGZF block", offset: Some(offset), reason }
}
