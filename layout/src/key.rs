//! Keys: bytes whose order is genomic order (KEY-1).
//!
//! `kind · table · contig · start · source · block · group · piece`, each big-endian. A contig is its number
//! in the table's dictionary, `u32::MAX` for the reads without one, which so come last. A start is stored
//! plus one, so that a record without a position (start -1) comes first in its contig. Rows without places
//! lie in chunks, `kind · table · source · chunk · piece`, in the order in which they came.
//!
//! What clients keep under keys of their own has a kind to itself ([`client_key`]), so that no key that they
//! think of is one of the tables', the catalog's or another client's request.

use genomdb_genome::ContigId;

use crate::{LayoutError, block::ColumnGroup};

/// The number of a table, unique in a data folder and never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// The number of a source, unique in a data folder and never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A key, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The catalog.
    Catalog,
    /// A piece of the stored description of a source: its header.
    Source {
        /// The table.
        table: TableId,
        /// The source.
        source: SourceId,
        /// The number of the piece.
        piece: u16,
    },
    /// A part of what an unfinished load has written.
    Journal {
        /// The table.
        table: TableId,
        /// The source that is being loaded.
        source: SourceId,
        /// The number of the part.
        part: u32,
    },
    /// The root of a source's positional index.
    IndexRoot {
        /// The table.
        table: TableId,
        /// The source.
        source: SourceId,
        /// The number of the piece.
        piece: u16,
    },
    /// A page of a source's positional index.
    IndexPage(IndexPageKey),
    /// A piece of a column block.
    Block(BlockKey),
    /// The lease of a load or a drop that runs, where several processes share the store.
    Lease {
        /// The table.
        table: TableId,
        /// The source.
        source: SourceId,
    },
    /// A piece of a chunk of a table of rows.
    Chunk(ChunkKey),
    /// A token: who may ask. Of no table.
    Token {
        /// A hash of its name; see [`TokenEntry::key`](crate::catalog::TokenEntry::key).
        name: u128,
    },
}

/// The key of an index page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexPageKey {
    /// The table.
    pub table: TableId,
    /// The contig of the page's blocks; see [`contig_number`].
    pub contig: u32,
    /// The smallest start, plus one; see [`start_number`].
    pub start: u64,
    /// The source.
    pub source: SourceId,
    /// The number of the page in its source.
    pub page: u32,
    /// The number of the piece.
    pub piece: u16,
}

/// The key of a piece of a column block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    /// The table.
    pub table: TableId,
    /// The contig; see [`contig_number`].
    pub contig: u32,
    /// The smallest start of the block, plus one; see [`start_number`].
    pub start: u64,
    /// The source.
    pub source: SourceId,
    /// The number of the block in its source.
    pub block: u32,
    /// The column group.
    pub group: ColumnGroup,
    /// The number of the piece in its group.
    pub piece: u16,
}

/// The key of a piece of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkKey {
    /// The table.
    pub table: TableId,
    /// The source.
    pub source: SourceId,
    /// The number of the chunk in its source: the order in which the rows came.
    pub chunk: u32,
    /// The number of the piece.
    pub piece: u16,
}

const CATALOG: u8 = 1;
const SOURCE: u8 = 2;
const JOURNAL: u8 = 3;
const INDEX_ROOT: u8 = 4;
const INDEX_PAGE: u8 = 5;
const BLOCK: u8 = 6;
const LEASE: u8 = 7;
const CHUNK: u8 = 8;
const TOKEN: u8 = 9;
// Those that are not of tables begin here.
const CLIENT: u8 = 16;
const REQUEST: u8 = 17;

/// The contig of a key: `u32::MAX` for the reads without one.
pub fn contig_number(contig: Option<ContigId>) -> u32 {
    contig.map_or(u32::MAX, |ContigId(number)| number)
}

/// The start of a key: plus one, 0 for a record without a position.
pub fn start_number(start: i64) -> u64 {
    u64::try_from(start).map_or(0, |start| start + 1)
}

impl Key {
    /// Returns the bytes of the key.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(30);
        match self {
            Self::Catalog => out.push(CATALOG),
            Self::Source { table, source, piece } => {
                put_head(&mut out, SOURCE, table, source);
                out.extend_from_slice(&piece.to_be_bytes());
            }
            Self::Journal { table, source, part } => {
                put_head(&mut out, JOURNAL, table, source);
                out.extend_from_slice(&part.to_be_bytes());
            }
            Self::IndexRoot { table, source, piece } => {
                put_head(&mut out, INDEX_ROOT, table, source);
                out.extend_from_slice(&piece.to_be_bytes());
            }
            Self::IndexPage(key) => {
                put_place(&mut out, INDEX_PAGE, key.table, key.contig, key.start);
                out.extend_from_slice(&key.source.0.to_be_bytes());
                out.extend_from_slice(&key.page.to_be_bytes());
                out.extend_from_slice(&key.piece.to_be_bytes());
            }
            Self::Block(key) => {
                put_place(&mut out, BLOCK, key.table, key.contig, key.start);
                out.extend_from_slice(&key.source.0.to_be_bytes());
                out.extend_from_slice(&key.block.to_be_bytes());
                out.extend_from_slice(&key.group.0.to_be_bytes());
                out.extend_from_slice(&key.piece.to_be_bytes());
            }
            Self::Lease { table, source } => put_head(&mut out, LEASE, table, source),
            Self::Chunk(key) => {
                put_head(&mut out, CHUNK, key.table, key.source);
                out.extend_from_slice(&key.chunk.to_be_bytes());
                out.extend_from_slice(&key.piece.to_be_bytes());
            }
            Self::Token { name } => {
                out.push(TOKEN);
                out.extend_from_slice(&name.to_be_bytes());
            }
        }
        out
    }

    /// Takes the bytes of a key apart.
    ///
    /// # Errors
    ///
    /// If no key has these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let mut rest = bytes;
        let key = Self::read(&mut rest).filter(|_| rest.is_empty());
        key.ok_or_else(|| LayoutError::CorruptKey(bytes.to_vec()))
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let [kind] = array(rest)?;
        match kind {
            CATALOG => return Some(Self::Catalog),
            TOKEN => return Some(Self::Token { name: u128::from_be_bytes(array(rest)?) }),
            _ => {}
        }
        let table = TableId(u32::from_be_bytes(array(rest)?));
        let mut source = || Some(SourceId(u32::from_be_bytes(array(rest)?)));
        Some(match kind {
            SOURCE => Self::Source { table, source: source()?, piece: u16::from_be_bytes(array(rest)?) },
            JOURNAL => Self::Journal { table, source: source()?, part: u32::from_be_bytes(array(rest)?) },
            INDEX_ROOT => {
                Self::IndexRoot { table, source: source()?, piece: u16::from_be_bytes(array(rest)?) }
            }
            INDEX_PAGE => Self::IndexPage(IndexPageKey {
                table,
                contig: u32::from_be_bytes(array(rest)?),
                start: u64::from_be_bytes(array(rest)?),
                source: SourceId(u32::from_be_bytes(array(rest)?)),
                page: u32::from_be_bytes(array(rest)?),
                piece: u16::from_be_bytes(array(rest)?),
            }),
            BLOCK => Self::Block(BlockKey {
                table,
                contig: u32::from_be_bytes(array(rest)?),
                start: u64::from_be_bytes(array(rest)?),
                source: SourceId(u32::from_be_bytes(array(rest)?)),
                block: u32::from_be_bytes(array(rest)?),
                group: ColumnGroup(u16::from_be_bytes(array(rest)?)),
                piece: u16::from_be_bytes(array(rest)?),
            }),
            LEASE => Self::Lease { table, source: source()? },
            CHUNK => Self::Chunk(ChunkKey {
                table,
                source: source()?,
                chunk: u32::from_be_bytes(array(rest)?),
                piece: u16::from_be_bytes(array(rest)?),
            }),
            _ => return None,
        })
    }
}

/// Returns the bytes with which every journal key begins.
pub fn journals_prefix() -> Vec<u8> {
    vec![JOURNAL]
}

/// Returns the bytes with which every key of a lease begins.
pub fn leases_prefix() -> Vec<u8> {
    vec![LEASE]
}

/// Returns the bytes with which every key begins under which a client keeps a value of its own.
pub fn client_prefix() -> Vec<u8> {
    vec![CLIENT]
}

/// Returns the stored key of what a client calls `key`. It collides with no key of a table, whatever bytes
/// it has, and the order of clients' keys stays.
pub fn client_key(key: &[u8]) -> Vec<u8> {
    [&[CLIENT], key].concat()
}

/// Returns what the client calls a stored key; `None` if it is no client's.
pub fn client_name(key: &[u8]) -> Option<&[u8]> {
    key.split_first().filter(|(kind, _)| **kind == CLIENT).map(|(_, name)| name)
}

/// Returns the key of what is remembered of a request that may come again: who sent it, and the name that
/// they gave it. `None` if the sender has a name of more than 65,535 bytes.
pub fn request_key(sender: &str, request: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(sender.len()).ok()?;
    Some([&[REQUEST], &length.to_be_bytes()[..], sender.as_bytes(), request].concat())
}

/// Returns the bytes with which every key of a token begins.
pub fn tokens_prefix() -> Vec<u8> {
    vec![TOKEN]
}

/// Returns the bytes with which the journal keys of one load begin.
pub fn journal_prefix(table: TableId, source: SourceId) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    put_head(&mut out, JOURNAL, table, source);
    out
}

/// Returns the bytes with which the keys of a table begin, one for each kind of key.
pub fn table_prefixes(table: TableId) -> Vec<Vec<u8>> {
    let prefix = |kind: u8| [&[kind][..], &table.0.to_be_bytes()].concat();
    [SOURCE, JOURNAL, INDEX_ROOT, INDEX_PAGE, BLOCK, CHUNK].map(prefix).to_vec()
}

impl BlockKey {
    /// Returns the bytes with which every piece of this block begins.
    pub fn prefix(&self) -> Vec<u8> {
        let mut bytes = Key::Block(*self).to_bytes();
        bytes.truncate(bytes.len() - 4);
        bytes
    }
}

impl ChunkKey {
    /// Returns the bytes with which every piece of this chunk begins.
    pub fn prefix(&self) -> Vec<u8> {
        let mut bytes = Key::Chunk(*self).to_bytes();
        bytes.truncate(bytes.len() - 2);
        bytes
    }
}

fn put_head(out: &mut Vec<u8>, kind: u8, table: TableId, source: SourceId) {
    out.push(kind);
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&source.0.to_be_bytes());
}

fn put_place(out: &mut Vec<u8>, kind: u8, table: TableId, contig: u32, start: u64) {
    out.push(kind);
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&contig.to_be_bytes());
    out.extend_from_slice(&start.to_be_bytes());
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> impl Strategy<Value = Key> {
        let table = prop_oneof![6 => Just(1_u32), 1 => 0..1000_u32].prop_map(TableId);
        let source = prop_oneof![0..3_u32, any::<u32>()].prop_map(SourceId);
        let contig = prop::option::of(prop_oneof![6 => Just(1_u32), 1 => 0..1000_u32])
            .prop_map(|contig| contig_number(contig.map(ContigId)));
        let start =
            prop_oneof![Just(-1_i64), 0..3_i64, 0..1_000_000_000_i64, 0..=i64::MAX].prop_map(start_number);
        prop_oneof![
            Just(Key::Catalog),
            (table.clone(), source.clone(), any::<u16>()).prop_map(|(table, source, piece)| Key::Source {
                table,
                source,
                piece
            }),
            (table.clone(), source.clone()).prop_map(|(table, source)| Key::Lease { table, source }),
            any::<u128>().prop_map(|name| Key::Token { name }),
            (table.clone(), source.clone(), any::<u32>()).prop_map(|(table, source, part)| Key::Journal {
                table,
                source,
                part
            }),
            (table.clone(), source.clone(), any::<u16>()).prop_map(|(table, source, piece)| Key::IndexRoot {
                table,
                source,
                piece
            }),
            (table.clone(), contig.clone(), start.clone(), source.clone(), any::<u32>(), any::<u16>())
                .prop_map(|(table, contig, start, source, page, piece)| Key::IndexPage(IndexPageKey {
                    table,
                    contig,
                    start,
                    source,
                    page,
                    piece
                })),
            (table.clone(), source.clone(), any::<u32>(), any::<u16>()).prop_map(
                |(table, source, chunk, piece)| Key::Chunk(ChunkKey { table, source, chunk, piece })
            ),
            (table, contig, start, source, any::<u32>(), any::<u16>(), any::<u16>()).prop_map(
                |(table, contig, start, source, block, group, piece)| Key::Block(BlockKey {
                    table,
                    contig,
                    start,
                    source,
                    block,
                    group: ColumnGroup(group),
                    piece
                })
            ),
        ]
    }

    proptest! {
        // KEY-1.
        #[test]
        fn byte_order_is_genomic_order(left in keys(), right in keys()) {
            prop_assert_eq!(left.to_bytes().cmp(&right.to_bytes()), left.cmp(&right));
        }

        #[test]
        fn bytes_give_the_key_back(key in keys(), cut in 0..30_usize) {
            let bytes = key.to_bytes();
            prop_assert_eq!(Key::from_bytes(&bytes), Ok(key));
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(Key::from_bytes(&bytes[..cut]).is_err());
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn clients_keys_lie_apart_and_in_order(
            table in keys(),
            left in prop::collection::vec(any::<u8>(), 0..12),
            right in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let (stored, other) = (client_key(&left), client_key(&right));
            prop_assert_eq!(client_name(&stored), Some(left.as_slice()));
            prop_assert_eq!(stored.cmp(&other), left.cmp(&right));
            prop_assert!(Key::from_bytes(&stored).is_err());
            let stored = table.to_bytes();
            prop_assert_eq!(client_name(&stored), None);
        }
    }

    #[test]
    fn requests_of_two_senders_are_two() {
        assert_ne!(request_key("ab", b"c"), request_key("a", b"bc"));
        let key = request_key("ab", b"c").unwrap();
        assert_eq!(client_name(&key), None);
        assert!(Key::from_bytes(&key).is_err());
        assert_eq!(request_key(&"a".repeat(70_000), b"c"), None);
    }

    #[test]
    fn unplaced_reads_come_last_and_positionless_ones_first() {
        let key = |contig, start| {
            Key::Block(BlockKey {
                table: TableId(1),
                contig: contig_number(contig),
                start: start_number(start),
                source: SourceId(1),
                block: 0,
                group: ColumnGroup::CORE,
                piece: 0,
            })
            .to_bytes()
        };
        let chr1 = Some(ContigId(0));
        let sorted = [key(chr1, -1), key(chr1, 0), key(chr1, 256), key(Some(ContigId(1)), -1), key(None, -1)];
        assert!(sorted.is_sorted());
    }
}
