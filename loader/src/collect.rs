//! Packs encoded blocks, and then their index, into writes that carry their own journal entries.

use std::collections::BTreeSet;

use bytes::Bytes;
use genomdb_genome::alignment::tag::{TagKey, TagType};
use genomdb_layout::{
    block::{self, EncodedBlock, Piece},
    index::{IndexLine, IndexPageBuilder, IndexRoot},
    key::Key,
};
use genomdb_storage::WriteBatch;

use crate::{journal::JournaledWriter, target::Target};

/// What was written of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) blocks: u32,
    /// Bytes of all values.
    pub(crate) bytes: u64,
    /// Every tag, with each exact type.
    pub(crate) tags_seen: BTreeSet<(TagKey, TagType)>,
    pub(crate) index: IndexRoot,
    pub(crate) index_root_bytes: usize,
    /// Entries of the journal, numbered from 0.
    pub(crate) journal_parts: u32,
}

/// Packs blocks that come in order.
pub(crate) struct Collector<'a> {
    target: &'a Target,
    writer: JournaledWriter<'a>,
    page: IndexPageBuilder,
    written: Written,
}

impl<'a> Collector<'a> {
    /// Gives each write of about `write_bytes` to `send`.
    pub(crate) fn new(target: &'a Target, write_bytes: usize, send: &'a mut dyn FnMut(WriteBatch)) -> Self {
        let writer = JournaledWriter::new(target.table, target.source, write_bytes, send);
        Self { target, writer, page: IndexPageBuilder::default(), written: Written::default() }
    }

    pub(crate) fn push(&mut self, block: EncodedBlock) {
        let EncodedBlock { entry, groups, tags_seen } = block;
        self.written.records += u64::from(entry.records);
        self.written.blocks += 1;
        self.written.tags_seen.extend(tags_seen);
        let target = self.target;
        self.writer.begin(entry.first_key(target.table, target.source).prefix());
        for (group, pieces) in groups {
            for (number, value) in (0..).zip(pieces) {
                let key = entry.key(target.table, target.source, Piece { group, number });
                self.writer.put(Key::Block(key), value);
            }
        }
        if !self.page.accepts(&entry) {
            self.finish_page();
        }
        self.page.push(entry);
    }

    /// Writes what is left: the last page of the index, its root, the entry of the source.
    pub(crate) fn finish(mut self) -> Written {
        if !self.page.is_empty() {
            self.finish_page();
        }
        let Target { table, source, ref entry, .. } = *self.target;
        let root = Bytes::from(self.written.index.to_bytes());
        self.written.index_root_bytes = root.len();
        let roots = (0..).zip(block::cut(root));
        self.writer.put_pieces(roots.map(|(piece, value)| (Key::IndexRoot { table, source, piece }, value)));
        let entries = (0..).zip(block::cut(entry.clone()));
        self.writer.put_pieces(entries.map(|(piece, value)| (Key::Source { table, source, piece }, value)));
        (self.written.bytes, self.written.journal_parts) = self.writer.finish();
        self.written
    }

    fn finish_page(&mut self) {
        let Target { table, source, .. } = *self.target;
        let lines = &mut self.written.index.lines;
        let page = self.page.finish();
        let bytes = Bytes::from(page.to_bytes());
        // 4 billion blocks have fewer pages than a u32 can number.
        let line = IndexLine::new(&page, lines.len() as u32, bytes.len());
        self.writer.put_pieces(line.keys(table, source).into_iter().zip(block::cut(bytes)));
        lines.push(line);
    }
}
