//! What lies apart from the catalog: a source's header, and the journal of a load.

use genomdb_genome::ContigId;

use super::SourceSummary;
use crate::{
    LayoutError,
    block::pieces,
    cursor::{Cursor, put_bytes, put_varint},
    envelope,
    key::{Key, SourceId, TableId},
    page::integers::{self, Order},
};

/// Contigs that may stand beside a header too short to name them: what a damaged count may allocate.
const CONTIGS_UNNAMED_MAX: usize = 1 << 16;

/// What an export needs of a source, and a query does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceEntry {
    /// The header as it stood in the file, byte for byte.
    pub header: Vec<u8>,
    /// For each contig of the file, in the order of its header, the number in the table.
    pub contigs: Vec<ContigId>,
}

/// The beginnings of keys that a load has written and the catalog does not name yet.
///
/// A load writes one before, or with, each of its batches; whoever finds journal entries of a source that the
/// catalog does not know deletes what they name, and then them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalEntry {
    /// The beginnings: [`crate::key::BlockKey::prefix`] of blocks, whole keys of the rest.
    pub prefixes: Vec<Vec<u8>>,
}

impl SourceSummary {
    /// Returns the keys of the pieces of the source's index root, ascending.
    pub fn index_root_keys(&self, table: TableId) -> Vec<Key> {
        let source = self.id;
        numbered(self.index_root_bytes, |piece| Key::IndexRoot { table, source, piece })
    }

    /// Returns the keys of the pieces of the source's [`SourceEntry`], ascending.
    pub fn entry_keys(&self, table: TableId) -> Vec<Key> {
        let source = self.id;
        numbered(self.entry_bytes, |piece| Key::Source { table, source, piece })
    }
}

fn numbered(bytes: u32, key: impl Fn(u16) -> Key) -> Vec<Key> {
    // A damaged length may ask for more pieces than a key can number; their values are then missing.
    (0..=u16::MAX).zip(pieces::ranges(bytes as usize)).map(|(piece, _)| key(piece)).collect()
}

impl SourceEntry {
    /// Returns the stored bytes; [`crate::block::cut`] makes values of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, &self.header);
        put_varint(&mut out, self.contigs.len() as u64);
        let contigs: Vec<i64> = self.contigs.iter().map(|contig| contig.0.into()).collect();
        integers::encode(&contigs, Order::Delta, &mut out);
        envelope::seal(&out)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open("source entry", bytes)?;
        let mut cursor = Cursor::new("source entry", &payload);
        let header = cursor.bytes()?.to_vec();
        // An `@SQ` line has more than one byte, so a header names fewer contigs than it has bytes.
        let count = cursor.number(header.len().max(CONTIGS_UNNAMED_MAX))?;
        let contigs: Vec<u32> = integers::decode(&mut cursor, count)?;
        cursor.finish()?;
        Ok(Self { header, contigs: contigs.into_iter().map(ContigId).collect() })
    }
}

impl JournalEntry {
    /// Returns the key of part `part` of a load's journal.
    pub fn key(table: TableId, source: SourceId, part: u32) -> Key {
        Key::Journal { table, source, part }
    }

    /// Returns the stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.prefixes.len() as u64);
        self.prefixes.iter().for_each(|prefix| put_bytes(&mut out, prefix));
        envelope::seal(&out)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open("journal entry", bytes)?;
        let mut cursor = Cursor::new("journal entry", &payload);
        let count = cursor.count(1)?;
        let prefixes = (0..count).map(|_| cursor.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
        cursor.finish()?;
        Ok(Self { prefixes })
    }
}
