//! A load, from the first byte of a file to the moment at which its records are visible.

use std::time::Instant;

use genomdb_formats::{AlignmentReader, Format, Header, OpenOptions};
use genomdb_layout::catalog::{MergedContigs, SourceEntry};
use genomdb_storage::Storage;

use crate::{
    CancelToken, Config, LoadError, LoadReport, LoadRequest,
    batch::Pool,
    collect::Written,
    input::Input,
    intake::{Content, Intake},
    leftovers,
    pipeline::{Stop, write_blocks},
    progress::{Phase, Progress, Reporter},
    publish::{Finished, publish},
    reserve::{Destination, Reservation, reserve},
    sort::{self, Order, SortConfig},
    target::Target,
};

/// Loads a file into a table: all of it at once, or nothing.
///
/// The steps: (1) open the file; (2) check its contigs against the table's; (3) read its records, sort them
/// if they are not in order, and write them as blocks; (4) write the index; (5) change the catalog, and with
/// that everything is visible. On any error, and when `cancel` says so, what was written is removed again;
/// if even that fails, as after a crash, the next load removes it.
///
/// Blocks: an async caller runs it on a thread that may. `on_progress` is called at most some ten times a
/// second, from this thread.
///
/// # Errors
///
/// If the file is damaged, contradicts the table, or is there already; if the storage fails; if cancelled.
pub fn load(
    storage: &Storage,
    request: LoadRequest,
    on_progress: &(dyn Fn(Progress) + Sync),
    cancel: &CancelToken,
) -> Result<LoadReport, LoadError> {
    let started = Instant::now();
    if let Err(error) = leftovers::collect_leftovers(storage) {
        // They are in nobody's way; a disk that is full may have room for what is loaded now.
        tracing::warn!(%error, "leftovers were not collected");
    }
    let (mut job, reader) = Job::prepare(storage, request, on_progress, cancel)?;
    let report = job.run(reader, started);
    if report.is_err() {
        job.undo();
    }
    report
}

/// A load whose file fits its table.
struct Job<'a> {
    input: Input,
    options: OpenOptions,
    config: Config,
    header: Header,
    format: Format,
    dataset: String,
    table: String,
    name: Option<String>,
    force: bool,
    sample: Option<String>,
    target: Target,
    reservation: Reservation,
    contigs: MergedContigs,
    cancel: &'a CancelToken,
    reporter: Reporter<'a>,
}

impl<'a> Job<'a> {
    /// Opens the file and takes the numbers of table and source.
    fn prepare(
        storage: &Storage,
        request: LoadRequest,
        on_progress: &'a (dyn Fn(Progress) + Sync),
        cancel: &'a CancelToken,
    ) -> Result<(Self, AlignmentReader), LoadError> {
        let LoadRequest { source, dataset, table, name, force, sample, reference, config } = request;
        let config = config.bounded();
        let options = OpenOptions { reference, threads: config.threads };
        let input = Input::new(source, &config.spill_folder);
        let path = input.path();
        let reader = input.open(&options, false)?;
        let (header, format) = (reader.header().clone(), reader.format());
        let to = Destination { dataset: &dataset, table: &table, file: &path };
        let (reservation, contigs) = reserve(storage, to, &header)?;
        let entry = SourceEntry { header: header.text.clone(), contigs: contigs.ids.clone() };
        let entry = entry.to_bytes().into();
        let Reservation { table: table_id, source, .. } = reservation;
        let target = Target { file: path, storage: storage.clone(), table: table_id, source, entry };
        let reporter = Reporter::new(on_progress);
        let job = Self {
            input,
            options,
            config,
            header,
            format,
            dataset,
            table,
            name,
            force,
            sample,
            target,
            reservation,
            contigs,
            cancel,
            reporter,
        };
        Ok((job, reader))
    }

    /// Writes everything and makes it visible.
    fn run(&mut self, reader: AlignmentReader, started: Instant) -> Result<LoadReport, LoadError> {
        let (written, content, sorted_here) = self.write(reader)?;
        self.reporter.report(content.progress(Phase::Publishing, content.records));
        self.cancel.check()?;
        let name = publish(&self.target.storage, &self.finished(&written, &content))?;
        Ok(LoadReport {
            table: self.target.table,
            source: self.target.source,
            name,
            format: self.format,
            records: written.records,
            blocks: written.blocks,
            stored_bytes: written.bytes,
            bytes_read: content.bytes_read,
            sorted_here,
            duration: started.elapsed(),
        })
    }

    fn finished<'b>(&'b self, written: &'b Written, content: &Content) -> Finished<'b> {
        Finished {
            to: Destination { dataset: &self.dataset, table: &self.table, file: &self.target.file },
            reservation: &self.reservation,
            contigs: &self.contigs,
            header: &self.header,
            format: self.format,
            written,
            entry_bytes: self.target.entry.len(),
            checksum: content.checksum,
            force: self.force,
            name: self.name.as_deref(),
            default_name: self.input.name(),
            sample: self.sample.as_deref(),
        }
    }

    /// Writes all blocks and the index; tells what the file held, and whether it had to be sorted.
    fn write(&mut self, reader: AlignmentReader) -> Result<(Written, Content, bool), LoadError> {
        match self.write_as_it_comes(reader) {
            Ok((written, content)) => return Ok((written, content, false)),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::OutOfOrder) => {}
        }
        self.erase()?;
        let reader = self.input.open(&self.options, true)?;
        if *reader.header() != self.header {
            return Err(LoadError::FileChanged { file: self.target.file.clone() });
        }
        let (written, content) = self.write_sorted(reader)?;
        Ok((written, content, true))
    }

    /// Goes well if the file is sorted, whatever its header says.
    fn write_as_it_comes(&mut self, reader: AlignmentReader) -> Result<(Written, Content), Stop> {
        let pool = Pool::default();
        let mut intake = Intake::new(reader, &self.contigs.ids, self.config.batch_bytes);
        let mut next = || {
            let batch = intake.next_batch(&pool)?;
            intake.report(Phase::Loading, &mut self.reporter);
            match batch {
                Some(batch) if !intake.is_in_order(&batch) => Err(Stop::OutOfOrder),
                batch => Ok(batch),
            }
        };
        let written = write_blocks(&mut next, &self.target, &self.config, &pool, self.cancel)?;
        Ok((written, intake.finish()))
    }

    fn write_sorted(&mut self, reader: AlignmentReader) -> Result<(Written, Content), LoadError> {
        let pool = Pool::default();
        let mut intake = Intake::new(reader, &self.contigs.ids, self.config.batch_bytes);
        let sort_config = SortConfig {
            order: Order::Place,
            folder: self.config.spill_folder.clone(),
            memory_bytes: self.config.memory_bytes,
            threads: self.config.threads,
            batch_bytes: self.config.batch_bytes,
        };
        let mut next = || {
            self.cancel.check()?;
            let batch = intake.next_batch(&pool)?;
            intake.report(Phase::Sorting, &mut self.reporter);
            Ok(batch)
        };
        let mut sorted = sort::sort(&mut next, &sort_config, self.cancel)?;
        let content = intake.finish();
        let mut merged = 0;
        let mut next = || {
            let batch = sorted.next_batch(self.config.batch_bytes, &pool)?;
            merged += batch.as_ref().map_or(0, |batch| batch.records.len() as u64);
            self.reporter.report(content.progress(Phase::Merging, merged));
            Ok(batch)
        };
        match write_blocks(&mut next, &self.target, &self.config, &pool, self.cancel) {
            Ok(written) => Ok((written, content)),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::OutOfOrder) => unreachable!("what was sorted is not asked for its order"),
        }
    }

    fn erase(&self) -> Result<(), LoadError> {
        leftovers::erase(&self.target.storage, self.target.table, self.target.source)
    }

    /// Removes what a failed load has written.
    fn undo(&self) {
        if let Err(error) = self.erase() {
            tracing::warn!(%error, "what a failed load wrote was not removed; the next load does it");
        }
    }
}
