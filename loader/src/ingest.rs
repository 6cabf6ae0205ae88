//! Record batches into a table of rows: all of them at once, or nothing.

mod chunks;
mod publish;

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use genomdb_layout::{
    block,
    catalog::{Catalog, TableEntry, TableKind},
    key::{Key, SourceId, TableId},
    rows::{ChunkEntry, ChunkIndex, EncodedChunk, check_schema},
};
use genomdb_storage::{Storage, WriteBatch};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    CancelToken, Config, Garbage, LoadError, OtherKind,
    columns::check_columns,
    journal::JournaledWriter,
    leftovers,
    pipeline::{Failure, Stop, write_batches},
    reserve::{Reservation, take_numbers},
};
use chunks::Chunker;

/// What happens to a table that there is, or that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestMode {
    /// The table is made; there must be none of its name.
    Create,
    /// The rows are added to a table that must be there, with the same columns.
    Append,
    /// The table has these columns and rows afterwards, and those that it had before no more.
    Replace,
    /// The table is made, or added to if it is there.
    CreateOrAppend,
}

/// Where rows go to.
#[derive(Clone, Debug)]
pub struct IngestRequest {
    /// The dataset of the table.
    pub dataset: String,
    /// The table.
    pub table: String,
    /// What happens if the table exists, or does not.
    pub mode: IngestMode,
    /// The columns of all batches.
    pub schema: SchemaRef,
    /// The limits.
    pub config: Config,
}

/// What an ingest did.
#[derive(Debug)]
pub struct IngestReport {
    /// The table.
    pub table: TableId,
    /// The name of the source that the rows became; none without rows.
    pub source: Option<String>,
    /// The rows.
    pub rows: u64,
    /// What the table had before and was replaced.
    pub garbage: Option<Garbage>,
}

/// The batches, until `None`.
pub(crate) type NextRows<'a> = dyn FnMut() -> Result<Option<RecordBatch>, LoadError> + 'a;

/// Writes batches into a table of rows: all of them at once, or nothing.
///
/// The steps are those of [`load()`](crate::load()), with the same journal and the same leases. The rows keep
/// their order. On any error, and when `cancel` says so, what was written is removed again; if even that fails,
/// as after a crash, the next load or ingest removes it.
///
/// Blocks, and asks `next` from this thread.
///
/// # Errors
///
/// If the table is not as the mode wants it or has other columns; what `next` answers; if the storage fails;
/// if cancelled. The table is then as it was.
pub fn ingest(
    storage: &Storage,
    request: &IngestRequest,
    next: &mut dyn FnMut() -> Result<Option<RecordBatch>, LoadError>,
    cancel: &CancelToken,
) -> Result<IngestReport, LoadError> {
    if let Err(error) = leftovers::collect_leftovers(storage) {
        // They are in nobody's way; a disk that is full may have room for what comes now.
        tracing::warn!(%error, "leftovers were not collected");
    }
    check_schema(&request.schema)?;
    let names = (request.dataset.as_str(), request.table.as_str());
    let (reservation, schema) = take_numbers(storage, names, |catalog| {
        let known = request.find(catalog)?;
        Ok((known.map(|table| table.id), request.schema_of(known)?))
    })?;
    let job = Job { storage, request, schema, reservation };
    let report = job.run(next, cancel);
    if report.is_err()
        && let Err(error) = leftovers::erase(storage, job.reservation.table, job.reservation.source)
    {
        tracing::warn!(%error, "what a failed ingest wrote was not removed; the next load does it");
    }
    report
}

impl IngestRequest {
    /// Returns the table if it exists, as the mode wants it.
    fn find<'a>(&self, catalog: &'a Catalog) -> Result<Option<&'a TableEntry>, LoadError> {
        let (dataset, table) = (self.dataset.clone(), self.table.clone());
        if !catalog.datasets.contains(&dataset) {
            return Err(LoadError::UnknownDataset { dataset });
        }
        if catalog.view(&dataset, &table).is_some() {
            return Err(LoadError::NotRows { dataset, table, found: OtherKind::View });
        }
        match (catalog.table(&dataset, &table), self.mode) {
            (Some(known), _) if known.kind != TableKind::Rows => {
                Err(LoadError::NotRows { dataset, table, found: OtherKind::Table(known.kind) })
            }
            (Some(_), IngestMode::Create) => Err(LoadError::TableExists { dataset, table }),
            (None, IngestMode::Append) => Err(LoadError::UnknownTable { dataset, table }),
            (known, _) => Ok(known),
        }
    }

    /// Returns the columns that the table will have, which are its own unless it is replaced.
    fn schema_of(&self, known: Option<&TableEntry>) -> Result<SchemaRef, LoadError> {
        let Some(known) = known.filter(|_| self.mode != IngestMode::Replace) else {
            return Ok(self.schema.clone());
        };
        check_columns(&known.schema, &self.schema).map_err(|mismatch| self.columns(mismatch))?;
        Ok(known.schema.clone())
    }

    fn columns(&self, mismatch: crate::ColumnMismatch) -> LoadError {
        let (dataset, table) = (self.dataset.clone(), self.table.clone());
        LoadError::Columns { dataset, table, source: Box::new(mismatch) }
    }
}

/// An ingest whose columns fit its table.
struct Job<'a> {
    storage: &'a Storage,
    request: &'a IngestRequest,
    /// The columns of the table, after it.
    schema: SchemaRef,
    reservation: Reservation,
}

/// What was written of an ingest.
#[derive(Debug, Default)]
struct Written {
    rows: u64,
    /// Bytes of the chunks.
    bytes: u64,
    checksum: u128,
    index_bytes: usize,
    journal_parts: u32,
}

impl Job<'_> {
    fn run(&self, next: &mut NextRows<'_>, cancel: &CancelToken) -> Result<IngestReport, LoadError> {
        let written = self.write(next, cancel)?;
        cancel.check()?;
        let (source, garbage) = publish::publish(self, &written)?;
        Ok(IngestReport { table: self.reservation.table, source, rows: written.rows, garbage })
    }

    /// Writes all chunks and their index; every write is durable on return.
    fn write(&self, next: &mut NextRows<'_>, cancel: &CancelToken) -> Result<Written, LoadError> {
        let config = self.request.config.clone().bounded();
        let failure = &Failure::default();
        let (write, writes) = mpsc::sync_channel(1);
        let written = thread::scope(move |scope| {
            let writes = Arc::new(Mutex::new(writes));
            for _ in 0..config.writes_in_flight {
                let writes = Arc::clone(&writes);
                scope.spawn(move || write_batches(&writes, self.storage, failure));
            }
            // From here on only the threads hold it: when they leave, the channel closes.
            drop(writes);
            let mut send = |batch| {
                let _sent = write.send(batch);
            };
            let mut writer = ChunkWriter::new(&self.reservation, config.write_bytes, &mut send);
            let mut chunker = Chunker::new(self.schema.clone(), config.chunk_bytes);
            while let Some(batch) = next()? {
                cancel.check()?;
                let fitting = crate::columns::fit(&batch, &self.schema);
                let fitting = fitting.map_err(|mismatch| self.request.columns(mismatch))?;
                chunker.push(fitting, &mut |chunk| writer.push(chunk))?;
                if failure.is_set() {
                    // The others have said why.
                    return Ok(Written::default());
                }
            }
            chunker.finish(&mut |chunk| writer.push(chunk))?;
            Ok(writer.finish())
        });
        match failure.take() {
            Some(Stop::Failed(error)) => Err(error),
            Some(Stop::OutOfOrder) => unreachable!("rows have no order to be out of"),
            None => written,
        }
    }
}

/// Packs chunks, and then their index, into writes.
struct ChunkWriter<'a> {
    table: TableId,
    source: SourceId,
    writer: JournaledWriter<'a>,
    index: ChunkIndex,
    checksum: u128,
}

impl<'a> ChunkWriter<'a> {
    fn new(to: &Reservation, write_bytes: usize, send: &'a mut dyn FnMut(WriteBatch)) -> Self {
        let Reservation { table, source, .. } = *to;
        let writer = JournaledWriter::new(table, source, write_bytes, send);
        Self { table, source, writer, index: ChunkIndex::default(), checksum: 0 }
    }

    fn push(&mut self, chunk: EncodedChunk) {
        // 4 billion chunks have more rows than a disk holds.
        let number = self.index.chunks.len() as u32;
        let key = |piece| ChunkEntry::key(self.table, self.source, number, piece);
        self.writer.begin(key(0).prefix());
        for (piece, value) in (0..).zip(chunk.pieces) {
            let sums = [self.checksum.to_le_bytes(), xxh3_128(&value).to_le_bytes()];
            self.checksum = xxh3_128(&sums.concat());
            self.writer.put(Key::Chunk(key(piece)), value);
        }
        self.index.chunks.push(chunk.entry);
    }

    /// Writes the index; without rows there is none.
    fn finish(mut self) -> Written {
        let (table, source) = (self.table, self.source);
        let index = if self.index.chunks.is_empty() { Vec::new() } else { self.index.to_bytes() };
        let index_bytes = index.len();
        let pieces = (0..).zip(block::cut(Bytes::from(index)));
        self.writer.put_pieces(pieces.map(|(piece, value)| (Key::IndexRoot { table, source, piece }, value)));
        let (_, journal_parts) = self.writer.finish();
        let bytes = self.index.chunks.iter().map(ChunkEntry::bytes).sum();
        Written { rows: self.index.rows(), bytes, checksum: self.checksum, index_bytes, journal_parts }
    }
}
