//! Writes of a load that name in the journal what they put, so that a crash leaves nothing that nobody knows.

use bytes::Bytes;
use genomdb_layout::{
    catalog::JournalEntry,
    key::{Key, SourceId, TableId},
};
use genomdb_storage::WriteBatch;

/// Gathers puts into writes; each write names in a journal entry what it puts.
pub(crate) struct JournaledWriter<'a> {
    table: TableId,
    source: SourceId,
    write_bytes: u64,
    send: &'a mut dyn FnMut(WriteBatch),
    batch: WriteBatch,
    prefixes: Vec<Vec<u8>>,
    next_part: u32,
    value_bytes: u64,
}

impl<'a> JournaledWriter<'a> {
    /// Gives each write of about `write_bytes` to `send`.
    pub(crate) fn new(
        table: TableId,
        source: SourceId,
        write_bytes: usize,
        send: &'a mut dyn FnMut(WriteBatch),
    ) -> Self {
        Self {
            table,
            source,
            write_bytes: write_bytes as u64,
            send,
            batch: WriteBatch::new(),
            prefixes: Vec::new(),
            next_part: 0,
            value_bytes: 0,
        }
    }

    /// Begins a group of keys that one prefix names.
    pub(crate) fn begin(&mut self, prefix: Vec<u8>) {
        self.prefixes.push(prefix);
    }

    pub(crate) fn put(&mut self, key: Key, value: Bytes) {
        self.value_bytes += value.len() as u64;
        self.batch.put(key.to_bytes(), value);
        // A block of long reads may be larger than a write: its next write names it again.
        if self.batch.bytes() >= self.write_bytes {
            let prefix = self.prefixes.last().cloned();
            self.flush();
            self.prefixes.extend(prefix);
        }
    }

    pub(crate) fn put_pieces(&mut self, pieces: impl IntoIterator<Item = (Key, Bytes)>) {
        for (key, value) in pieces {
            self.begin(key.to_bytes());
            self.put(key, value);
        }
    }

    /// Sends what is left; returns the bytes of all values, and the number of journal entries.
    pub(crate) fn finish(mut self) -> (u64, u32) {
        self.flush();
        (self.value_bytes, self.next_part)
    }

    fn flush(&mut self) {
        let puts = std::mem::take(&mut self.batch);
        let prefixes = std::mem::take(&mut self.prefixes);
        if puts.is_empty() {
            return;
        }
        // LOAD-2: the write itself carries the entry that names it, and where the keys of a write lie in
        // several ranges, those that it names first are written first.
        let key = JournalEntry::key(self.table, self.source, self.next_part);
        let mut batch = WriteBatch::new();
        batch.put(key.to_bytes(), JournalEntry { prefixes }.to_bytes());
        batch.append(puts);
        self.next_part += 1;
        (self.send)(batch);
    }
}
