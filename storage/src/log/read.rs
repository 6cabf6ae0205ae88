//! Reading entries: from memory if they are there, else from the segments, and checked.

use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Entry,
    handle::Shared,
    memory::Place,
    record::{HEADER_BYTES, Header, Kind, record_bytes},
    segment::segment_path,
};
use crate::{disk::DiskFile, error::StorageError, log_id::LogId, range::RangeId};

/// Entries that lie close to each other are read at once, up to so many bytes.
const SPAN_BYTES_MAX: u64 = 1 << 20;
/// What belongs to other groups between them is read too, if it is no more than this.
const SPAN_GAP_BYTES_MAX: u64 = 32 << 10;

/// An entry that lies only on the disk.
struct Lying {
    /// Its number in the answer.
    number: usize,
    segment: u64,
    offset: u64,
    file: Arc<dyn DiskFile>,
    salt: u64,
    length: u32,
}

impl Lying {
    fn end(&self) -> u64 {
        self.offset + record_bytes(self.length)
    }
}

/// The live entries of a group within the indexes; see [`GroupLog::entries`](super::GroupLog::entries).
pub(super) fn entries(
    shared: &Shared,
    group: (RangeId, u64),
    from: u64,
    to: u64,
    bytes_max: u64,
) -> Result<Vec<Entry>, StorageError> {
    loop {
        let (mut entries, lying) = collect(shared, group, from, to, bytes_max)?;
        let Err(error) = read(shared, group.0, &mut entries, &lying) else { return Ok(entries) };
        // What went while it was read may have been written over; then it is not asked for any more.
        let (_, still) = collect(shared, group, from, to, bytes_max)?;
        let places = |lying: &[Lying]| -> Vec<_> { lying.iter().map(|l| (l.segment, l.offset)).collect() };
        if places(&lying) == places(&still) {
            if error.is_damage() {
                shared.memory.lock().damage.get_or_insert_with(|| error.clone());
            }
            return Err(error);
        }
    }
}

/// The entries, those on the disk without their payloads, and where these lie.
fn collect(
    shared: &Shared,
    (range, birth): (RangeId, u64),
    from: u64,
    to: u64,
    bytes_max: u64,
) -> Result<(Vec<Entry>, Vec<Lying>), StorageError> {
    let memory = shared.memory.lock();
    let group = memory.group_to_read(range, birth)?;
    let (mut entries, mut lying) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for (index, slot) in group.range(from, to) {
        bytes += record_bytes(slot.length);
        if bytes > bytes_max && !entries.is_empty() {
            break;
        }
        if let (None, Place::Written { segment, offset }) = (&slot.payload, slot.place) {
            let Some(file) = memory.segments.get(&segment) else {
                let path = segment_path(&shared.options.folder, segment);
                return Err(StorageError::corrupt(path, offset, "a segment with live entries is gone"));
            };
            let (number, length) = (entries.len(), slot.length);
            let (file, salt) = (Arc::clone(&file.file), file.salt);
            lying.push(Lying { number, segment, offset, file, salt, length });
        }
        let payload = slot.payload.clone().unwrap_or_default();
        entries.push(Entry { id: LogId { term: slot.term, index }, tag: slot.tag, payload });
    }
    Ok((entries, lying))
}

/// Reads the payloads that are missing.
fn read(
    shared: &Shared,
    range: RangeId,
    entries: &mut [Entry],
    mut lying: &[Lying],
) -> Result<(), StorageError> {
    while let Some(first) = lying.first() {
        let mut count = 1;
        for (lying, next) in lying.iter().zip(lying.iter().skip(1)) {
            let near = next.segment == first.segment && next.offset - lying.end() <= SPAN_GAP_BYTES_MAX;
            if !near || next.end() - first.offset > SPAN_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let (span, rest) = lying.split_at(count);
        let end = span.last().map_or(first.end(), Lying::end);
        // The lengths are those of records that were written, or checked when the log was opened.
        let mut bytes = vec![0; (end - first.offset) as usize];
        first.file.read_exact_at(&mut bytes, first.offset).map_err(|error| {
            StorageError::io("read", segment_path(&shared.options.folder, first.segment), error)
        })?;
        let bytes = Bytes::from(bytes);
        for lying in span {
            let at = (lying.offset - first.offset) as usize;
            let record = bytes.slice(at..at + HEADER_BYTES + lying.length as usize);
            let payload = entries.get_mut(lying.number).and_then(|entry| {
                entry.payload = check(lying, range, entry, &record)?;
                Some(())
            });
            if payload.is_none() {
                let path = segment_path(&shared.options.folder, lying.segment);
                let reason = "an entry of the log does not match its checksum";
                return Err(StorageError::corrupt(path, lying.offset, reason));
            }
        }
        lying = rest;
    }
    Ok(())
}

/// The payload of a record, if it is that of this entry and whole.
fn check(lying: &Lying, range: RangeId, entry: &Entry, record: &Bytes) -> Option<Bytes> {
    let header = Header::decode(record.first_chunk()?, lying.salt, lying.offset)?;
    let found = (header.kind, header.group, header.term, header.index, header.tag, header.length);
    let LogId { term, index } = entry.id;
    let expected = (Kind::Entry, range.0, term, index, entry.tag, lying.length);
    let payload = record.slice(HEADER_BYTES..);
    (found == expected && xxh3_64(&payload) == header.payload_checksum).then_some(payload)
}
