//! Reads a file batch by batch: numbers its contigs as the table does, adds up its checksum, watches its order.

use genomdb_formats::AlignmentReader;
use genomdb_genome::ContigId;

use crate::{
    LoadError,
    batch::{Batch, Ordinals, Place, Pool},
    checksum::ContentChecksum,
    progress::{Phase, Progress, Reporter},
};

/// A file that is being read.
pub(crate) struct Intake<'a> {
    reader: AlignmentReader,
    /// For each contig of the file, its number in the table; `None` where they are the same.
    numbers: Option<&'a [ContigId]>,
    checksum: ContentChecksum,
    records: u64,
    last: Place,
    batch_bytes: usize,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(reader: AlignmentReader, numbers: &'a [ContigId], batch_bytes: usize) -> Self {
        let same = (0..).zip(numbers).all(|(number, &ContigId(id))| number == id);
        Self {
            checksum: ContentChecksum::new(&reader.header().text),
            reader,
            numbers: (!same).then_some(numbers),
            records: 0,
            last: Place::FIRST,
            batch_bytes,
        }
    }

    /// Returns the next records, `None` at the end.
    pub(crate) fn next_batch(&mut self, pool: &Pool) -> Result<Option<Batch>, LoadError> {
        let mut records = pool.take();
        if !self.reader.read_batch(&mut records, self.batch_bytes)? {
            return Ok(None);
        }
        self.checksum.update(&records);
        if let Some(numbers) = self.numbers {
            // Codecs let no contig pass that their header does not list.
            records.renumber_contigs(|id| numbers.get(id.0 as usize).copied().unwrap_or(id));
        }
        let ordinals = Ordinals::From(self.records);
        self.records += records.len() as u64;
        Ok(Some(Batch { records, ordinals }))
    }

    /// Tells whether the records of `batch`, which follows the last one looked at, are in order.
    pub(crate) fn is_in_order(&mut self, batch: &Batch) -> bool {
        (0..batch.records.len()).all(|index| {
            let place = Place::of(&batch.records, index);
            std::mem::replace(&mut self.last, place) <= place
        })
    }

    pub(crate) fn report(&self, phase: Phase, reporter: &mut Reporter<'_>) {
        reporter.report(Progress {
            phase,
            records: self.records,
            records_total: None,
            bytes_read: self.reader.bytes_read(),
            bytes_total: self.reader.bytes_total(),
        });
    }

    /// Returns what is known of the file once it was read to its end.
    pub(crate) fn finish(self) -> Content {
        Content {
            checksum: self.checksum.finish(),
            records: self.records,
            bytes_read: self.reader.bytes_read(),
            bytes_total: self.reader.bytes_total(),
        }
    }
}

/// What a file held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) checksum: u128,
    pub(crate) records: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_total: Option<u64>,
}

impl Content {
    pub(crate) fn progress(&self, phase: Phase, records: u64) -> Progress {
        Progress {
            phase,
            records,
            records_total: Some(self.records),
            bytes_read: self.bytes_read,
            bytes_total: self.bytes_total,
        }
    }
}
