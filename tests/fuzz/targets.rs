//! What each fuzz target runs: bytes through one decoder, and the law that holds whatever they are.
//!
//! The targets in the folder `fuzz` include this file, and so do the tests beside it. A body panics where a
//! law is broken; an error is a right answer. Stored structures lie under a checksum, which no random change
//! would get past, so their bodies take the payload and seal it themselves.

use std::io::Cursor;

use arrow_array::Array;
use genomdb_formats::{OpenOptions, Source, open, sam};
use genomdb_genome::{ContigId, Interval, RegionSet, alignment::Records, schema::alignment::TagField};
use genomdb_layout::{
    FORMAT_VERSION,
    block::{AlignmentBlockReader, BlockEntry, ColumnGroup, RowRanges, cut},
    catalog::{Catalog, JournalEntry, LeaseEntry, SourceEntry, TokenEntry},
    index::{IndexLine, IndexPage, IndexRoot, overlap},
    key::{Key, SourceId, TableId},
    rows::{ChunkEntry, ChunkIndex, ChunkReader},
};
use xxhash_rust::xxh3::xxh3_64;

/// A statement prints as a text that parses to the same statement; an error can be shown.
pub(crate) fn parse_query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match genomdb_grammar::parse(&text) {
        Err(error) => assert!(!error.render(&text).is_empty()),
        Ok(statement) => {
            let printed = statement.to_string();
            let again = genomdb_grammar::parse(&printed);
            let again = again.unwrap_or_else(|error| panic!("{}", error.render(&printed)));
            assert_eq!(again, statement, "{printed}");
        }
    }
}

/// Bytes that are a key are the bytes of that key.
pub(crate) fn decode_key(bytes: &[u8]) {
    if let Ok(key) = Key::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
}

/// A catalog or a journal entry that can be read can be written and read again.
pub(crate) fn catalog(payload: &[u8]) {
    let bytes = sealed(payload);
    if let Ok(catalog) = Catalog::from_bytes(&bytes) {
        assert_eq!(Catalog::from_bytes(&catalog.to_bytes()).as_ref(), Ok(&catalog));
        for table in &catalog.tables {
            assert_eq!(
                catalog.table(&table.dataset, &table.name).map(|found| &found.name),
                Some(&table.name)
            );
            // Sums over the sources of a table must not overflow.
            let _ = table.records();
        }
    }
    if let Ok(entry) = JournalEntry::from_bytes(&bytes) {
        assert_eq!(JournalEntry::from_bytes(&entry.to_bytes()), Ok(entry));
    }
    if let Ok(lease) = LeaseEntry::from_bytes(&bytes) {
        assert_eq!(LeaseEntry::from_bytes(&lease.to_bytes()), Ok(lease));
    }
    if let Ok(token) = TokenEntry::from_bytes(&bytes) {
        assert_eq!(TokenEntry::from_bytes(&token.to_bytes()), Ok(token));
    }
}

/// A source entry that can be read can be written and read again.
pub(crate) fn source_entry(payload: &[u8]) {
    if let Ok(entry) = SourceEntry::from_bytes(&sealed(payload)) {
        assert_eq!(SourceEntry::from_bytes(&entry.to_bytes()), Ok(entry));
    }
}

/// An index page or root that can be read can be written, read again, and asked.
pub(crate) fn index_page(payload: &[u8]) {
    let bytes = sealed(payload);
    let mut regions: RegionSet = [(ContigId(0), Interval::ALL)].into_iter().collect();
    regions.unplaced = true;
    if let Ok(page) = IndexPage::from_bytes(&bytes) {
        assert_eq!(IndexPage::from_bytes(&page.to_bytes()).as_ref(), Ok(&page));
        let found = overlap(&page, &regions);
        assert!(found.is_sorted() && found.iter().all(|&index| index < page.len()), "IX-1");
        let line = IndexLine::new(&page, 0, bytes.len());
        assert!(found.is_empty() || line.overlaps(&regions), "IX-1");
        assert!(!line.keys(TableId(1), SourceId(1)).is_empty());
    }
    if let Ok(root) = IndexRoot::from_bytes(&bytes) {
        assert_eq!(IndexRoot::from_bytes(&root.to_bytes()).as_ref(), Ok(&root));
        assert!(root.overlap(&regions).count() <= root.lines.len());
        let _ = (root.records(), root.blocks(), root.bytes());
    }
}

/// A chunk index that can be read can be written and read again, and names its pieces.
pub(crate) fn chunk_index(payload: &[u8]) {
    if let Ok(index) = ChunkIndex::from_bytes(&sealed(payload)) {
        assert_eq!(ChunkIndex::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
        let _ = index.rows();
        for entry in index.chunks.iter().filter(|entry| entry.bytes() <= BLOCK_BYTES_MAX) {
            let all = 0..entry.pages.len();
            assert!(entry.piece_bytes(all.clone()) == entry.bytes() && entry.pieces(all).is_sorted());
        }
    }
}

/// The columns of a table of rows: each an array with a value for each row, or an error.
///
/// The input is a length (u32, little-endian), the payload of a catalog of that length, the number of rows (u8),
/// and the array of a column, which every column is read from.
pub(crate) fn decode_chunk(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let Some((payload, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { return };
    let Some(([rows], array)) = rest.split_first_chunk() else { return };
    let Ok(catalog) = Catalog::from_bytes(&sealed(payload)) else { return };
    // Neither more than one byte of a varint, nor compressed.
    let mut page = vec![0, 0, 0, 0, 6, rows & 0x7f, 0];
    let mut left = array.len();
    while left >= 0x80 {
        page.push(left as u8 | 0x80);
        left >>= 7;
    }
    page.push(left as u8);
    page.extend_from_slice(array);
    let sum = (xxh3_64(page.get(4..).unwrap_or_default()) as u32).to_le_bytes();
    page.splice(..4, sum);
    let entry = ChunkEntry { rows: u32::from(rows & 0x7f), pages: vec![page.len() as u32] };
    let mut reader = ChunkReader::new(&entry);
    (0..).zip(cut(page.into())).for_each(|(number, piece)| reader.insert(number, piece));
    for field in catalog.tables.iter().flat_map(|table| table.schema.fields()) {
        if let Ok(array) = reader.column(0, field) {
            assert_eq!((array.len(), array.data_type()), (entry.rows as usize, field.data_type()));
            // Whatever it says, it can be looked at.
            let _ = format!("{array:?}");
        }
    }
}

/// The most bytes of a block that [`decode_block`] puts together.
const BLOCK_BYTES_MAX: u64 = 1 << 20;

/// The columns of the blocks that an index page names: each an array with a value for each row, or an error.
///
/// The input is a length (u32, little-endian), the payload of an index page of that length, and the bytes of
/// the blocks in the order of their pieces; missing ones are zeros.
pub(crate) fn decode_block(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = u32::from_le_bytes(*length) as usize;
    let Some((payload, mut rest)) = rest.split_at_checked(length) else { return };
    let Ok(page) = IndexPage::from_bytes(&sealed(payload)) else { return };
    for entry in page.entries().take(4) {
        if entry.directory.total_bytes() <= BLOCK_BYTES_MAX {
            let reader = block(entry, &mut rest);
            let rows = reader.rows();
            read_columns(&reader, &RowRanges::all(rows));
            read_columns(&reader, &RowRanges::from_ranges(rows, [rows / 3..rows / 2, rows - 1..rows]));
        }
    }
}

/// Gives a block's reader its pieces, taken off `rest`; the checksum of each page is made right.
fn block(entry: BlockEntry, rest: &mut &[u8]) -> AlignmentBlockReader {
    let directory = entry.directory.clone();
    let mut reader = AlignmentBlockReader::new(entry);
    let mut groups: Vec<ColumnGroup> = directory.pages().iter().map(|page| page.group).collect();
    groups.dedup();
    for group in groups {
        let (taken, left) = rest.split_at(rest.len().min(directory.group_bytes(group) as usize));
        *rest = left;
        let mut bytes = taken.to_vec();
        bytes.resize(directory.group_bytes(group) as usize, 0);
        for page in directory.pages().iter().filter(|page| page.group == group) {
            let range = page.offset as usize..(page.offset + page.length) as usize;
            let page = bytes.get_mut(range).and_then(|page| page.split_first_chunk_mut::<4>());
            if let Some((sum, rest)) = page {
                *sum = checksum(rest);
            }
        }
        for (number, piece) in (0..).zip(cut(bytes.into())) {
            reader.insert(genomdb_layout::block::Piece { group, number }, piece);
        }
    }
    reader
}

fn read_columns(reader: &AlignmentBlockReader, rows: &RowRanges) {
    let lengths = [
        reader.flag(rows).map(|array| array.len()),
        reader.start(rows).map(|array| array.len()),
        reader.end(rows).map(|array| array.len()),
        reader.mapq(rows).map(|array| array.len()),
        reader.ordinal(rows).map(|array| array.len()),
        reader.mate_contig(rows).map(|array| array.len()),
        reader.mate_start(rows).map(|array| array.len()),
        reader.tlen(rows).map(|array| array.len()),
        reader.qname(rows).map(|array| array.len()),
        reader.cigar(rows).map(|array| array.len()),
        reader.seq(rows).map(|array| array.len()),
        reader.qual(rows).map(|array| array.len()),
        reader.read_group(rows).map(|array| array.len()),
    ];
    assert!(lengths.iter().flatten().all(|&length| length == rows.len()), "{lengths:?}");
    for column in reader.entry().directory.tags() {
        if let Ok(array) = reader.tag(TagField::new(column.key, &[column.kind]), rows) {
            assert_eq!(array.len(), rows.len());
        }
    }
    let (mut records, mut ordinals) = (Records::default(), Vec::new());
    if reader.read_records(rows, &mut records, &mut ordinals).is_ok() {
        assert_eq!((records.len(), ordinals.len()), (rows.len(), rows.len()));
    }
}

/// SAM text, or whatever else the bytes are.
pub(crate) fn read_sam(bytes: &[u8]) {
    read_alignments(bytes.to_vec());
}

/// BAM as it is inside its compression: what follows the magic number.
pub(crate) fn read_bam(bytes: &[u8]) {
    read_alignments([b"BAM\x01", bytes].concat());
}

/// CRAM: what follows the magic number.
pub(crate) fn read_cram(bytes: &[u8]) {
    read_alignments([b"CRAM", bytes].concat());
}

/// Records that a codec lets pass are lines of text with their eleven fields.
fn read_alignments(bytes: Vec<u8>) {
    let source = Source::Reader { name: "fuzz".to_owned(), reader: Box::new(Cursor::new(bytes)) };
    let Ok(mut reader) = open(source, &OpenOptions { reference: None, threads: 1 }) else { return };
    let contigs = reader.header().contigs.clone();
    let mut records = Records::default();
    while matches!(reader.read_batch(&mut records, 1 << 16), Ok(true)) {
        assert!(!records.is_empty(), "a batch has a record at least");
        for record in records.iter() {
            let mut writer = sam::Writer::new(Vec::new());
            let written = writer.write(&record, &contigs);
            let line = writer.into_inner();
            assert!(written.is_ok() && line.split(|&byte| byte == b'\t').count() >= 11);
            assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        }
        records.clear();
    }
}

/// Frames a payload as it is stored: `checksum u32 · version u16 · compression u8 · length varint · bytes`,
/// uncompressed.
pub(crate) fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut framed = FORMAT_VERSION.to_le_bytes().to_vec();
    framed.push(0);
    let mut length = payload.len();
    while length >= 0x80 {
        framed.push(length as u8 | 0x80);
        length >>= 7;
    }
    framed.push(length as u8);
    framed.extend_from_slice(payload);
    [&checksum(&framed)[..], &framed].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    (xxh3_64(bytes) as u32).to_le_bytes()
}
