//! What lies in the store: keys, the catalog, index pages, and the blocks that an index page names.
//!
//! The changes are made to the payloads, beneath checksums and compression, where no accident gets but a
//! mistake of the writer does.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, ListArray, RecordBatch, RunArray, StringArray,
    StringViewArray, StructArray,
    types::{Int8Type, Int32Type},
};
use genomdb_genome::{Contig, ContigId, Contigs, alignment::Records};
use genomdb_layout::{
    block::{AlignmentBlockBuilder, BlockConfig, EncodedBlock},
    catalog::{
        Catalog, JournalEntry, ReadGroupEntry, SourceEntry, SourceSummary, TableKind, TokenEntry, ViewEntry,
    },
    index::{IndexLine, IndexPageBuilder, IndexRoot},
    key::{Key, SourceId, TableId},
    rows::{ChunkEntry, ChunkIndex, encode_chunk},
};

use crate::{check, example_reader, mutation::mutated, targets};

/// Takes the frame off a stored structure, and its compression.
fn payload(bytes: &[u8]) -> Vec<u8> {
    blob(&bytes[6..])
}

/// Takes off the compression.
fn blob(bytes: &[u8]) -> Vec<u8> {
    let mut rest = &bytes[1..];
    let mut varint = || {
        let length = rest.iter().position(|byte| *byte < 0x80).unwrap() + 1;
        let value = rest[..length].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
        rest = &rest[length..];
        value
    };
    let length = varint();
    let payload = if bytes[0] == 0 {
        rest.to_vec()
    } else {
        let compressed = varint();
        assert_eq!(rest.len(), compressed);
        zstd::bulk::decompress(rest, length).unwrap()
    };
    assert_eq!(payload.len(), length);
    payload
}

/// The contigs and the placed reads of the example, by contig and start.
fn reads() -> (Contigs, Records) {
    let mut reader = example_reader();
    let (mut records, contigs) = (Records::default(), reader.header().contigs.clone());
    while reader.read_batch(&mut records, 1 << 20).unwrap() {}
    (contigs, records)
}

/// Small blocks of one contig.
fn blocks(records: &Records, records_max: usize) -> Vec<EncodedBlock> {
    let first = records.get(0).contig;
    let config = BlockConfig { records_max, ..BlockConfig::default() };
    let mut builder = AlignmentBlockBuilder::new(config);
    let mut blocks = Vec::new();
    for (ordinal, record) in records.iter().filter(|record| record.contig == first).enumerate().take(400) {
        builder.push(&record, ordinal as u64).unwrap();
        if builder.len() == records_max {
            blocks.push(builder.finish(blocks.len() as u32));
        }
    }
    blocks
}

#[test]
fn changed_payloads_of_a_catalog() {
    let (contigs, _) = reads();
    let mut catalog = Catalog { version: 300, ..Catalog::default() };
    let id = catalog.take_source_id();
    let table = catalog.add_table("main", "reads", TableKind::Alignments);
    let some = contigs.iter().take(5).cloned();
    table.contigs = Contigs::new(some.collect::<Vec<Contig>>()).unwrap();
    let source = SourceSummary {
        id,
        name: "a.bam".to_owned(),
        format: "BAM".to_owned(),
        records: 4_000,
        bytes: 200_000,
        loaded_at_ms: 1_763_617_000_000,
        checksum: 7 << 90,
        index_root_bytes: 70_000,
        entry_bytes: 900,
        samples: vec!["NA12878".to_owned()],
        read_groups: vec![ReadGroupEntry { id: "1".to_owned(), sample: Some("NA12878".to_owned()) }],
    };
    table.sources = vec![source.clone(), SourceSummary { id: SourceId(9), ..source }];
    let view = |text: &str| ViewEntry { dataset: "main".into(), name: "v".into(), text: text.into() };
    catalog.views.push(view("SELECT 1"));
    let journal = JournalEntry { prefixes: vec![b"\x06ab".to_vec(), b"\x06cd".to_vec()] };
    let (name, role) = ("pipeline".to_owned(), "writer".to_owned());
    let token = TokenEntry { name, role, hash: [7; 32], created_ms: 1_763_617_000_000, expires_ms: Some(1) };
    let stored = [catalog.to_bytes(), journal.to_bytes(), token.to_bytes()];
    let payloads: Vec<Vec<u8>> = stored.iter().map(|bytes| payload(bytes)).collect();
    // The frame that the tests make is the one that the crate makes.
    assert_eq!(Catalog::from_bytes(&targets::sealed(&payloads[0])), Ok(catalog));
    check(1500, targets::catalog, |random| mutated(&payloads, random));
}

#[test]
fn changed_payloads_of_a_source_entry() {
    let contigs = (0..90).map(|number| ContigId(number ^ 5)).collect();
    let entry = SourceEntry { header: b"@HD\tVN:1.6\n".repeat(9), contigs };
    let payloads = [payload(&entry.to_bytes())];
    check(500, targets::source_entry, |random| mutated(&payloads, random));
}

#[test]
fn changed_payloads_of_an_index() {
    let (_, records) = reads();
    let mut builder = IndexPageBuilder::default();
    blocks(&records, 50).into_iter().for_each(|block| builder.push(block.entry));
    let page = builder.finish();
    let bytes = page.to_bytes();
    let line = IndexLine::new(&page, 0, bytes.len());
    let root = IndexRoot { lines: vec![line, IndexLine { page: 1, contig: None, ..line }] };
    let payloads = [payload(&bytes), payload(&root.to_bytes())];
    check(1000, targets::index_page, |random| mutated(&payloads, random));
}

/// An index page and its blocks as one input of `decode_block`.
fn index_and_blocks(records: &Records, records_max: usize) -> Vec<u8> {
    let blocks = blocks(records, records_max);
    let mut builder = IndexPageBuilder::default();
    blocks.iter().take(2).for_each(|block| builder.push(block.entry.clone()));
    let index = payload(&builder.finish().to_bytes());
    let pieces = blocks.iter().take(2).flat_map(|block| &block.groups).flat_map(|(_, pieces)| pieces);
    [&(index.len() as u32).to_le_bytes()[..], &index, &pieces.flatten().copied().collect::<Vec<u8>>()]
        .concat()
}

#[test]
fn changed_blocks_and_what_the_index_says_of_them() {
    let (_, records) = reads();
    let inputs: Vec<Vec<u8>> = [1, 7, 60].iter().map(|&count| index_and_blocks(&records, count)).collect();
    inputs.iter().for_each(|input| targets::decode_block(input));
    check(300, targets::decode_block, |random| mutated(&inputs, random));
}

/// Six rows of types that hold others, and the input of `decode_chunk` that each is.
fn arrays() -> Vec<Vec<u8>> {
    let texts =
        || Arc::new(StringArray::from(vec![Some("a"), None, Some("é"), Some(""), Some("b"), Some("a")]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..6).map(|row| (row != 1).then(|| (0..row).map(|n| (n != 2).then_some(n)))),
    );
    let views = StringViewArray::from_iter_values((0..6).map(|row| "a text of some length".repeat(row)));
    let keys: DictionaryArray<Int8Type> = texts().iter().collect();
    let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 6]), &Int32Array::from(vec![7, 8]));
    let structs = StructArray::try_from(vec![
        ("text", texts() as ArrayRef),
        ("list", Arc::new(lists.clone()) as ArrayRef),
        ("key", Arc::new(keys.clone()) as ArrayRef),
    ]);
    let arrays: [ArrayRef; 7] = [
        texts(),
        Arc::new(lists),
        Arc::new(views),
        Arc::new(keys),
        Arc::new(runs.unwrap()),
        Arc::new(structs.unwrap()),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None, None, Some(true)])),
    ];
    let input = |array: &ArrayRef| {
        let batch = RecordBatch::try_from_iter_with_nullable([("x", Arc::clone(array), true)]).unwrap();
        let mut catalog = Catalog::default();
        catalog.add_table("main", "t", TableKind::Rows).schema = batch.schema();
        let catalog = payload(&catalog.to_bytes());
        let page = encode_chunk(&batch).unwrap().pieces.concat();
        // Behind the frame of a page of few rows.
        let array = blob(&page[6..]);
        [&(catalog.len() as u32).to_le_bytes()[..], &catalog, &[6], &array].concat()
    };
    arrays.iter().map(input).collect()
}

#[test]
fn changed_rows_and_what_the_catalog_says_of_them() {
    let inputs = arrays();
    inputs.iter().for_each(|input| targets::decode_chunk(input));
    check(3000, targets::decode_chunk, |random| mutated(&inputs, random));
}

#[test]
fn changed_payloads_of_a_chunk_index() {
    let chunks = (1..90).map(|n| ChunkEntry { rows: n * 7, pages: vec![n * 90, 5, n * n] }).collect();
    let payloads = [payload(&ChunkIndex { chunks }.to_bytes())];
    check(500, targets::chunk_index, |random| mutated(&payloads, random));
}

#[test]
fn changed_keys() {
    let (_, records) = reads();
    let (table, source) = (TableId(3), SourceId(70_000));
    let chunk = Key::Chunk(ChunkEntry::key(table, source, 9, 1));
    let mut keys = vec![Key::Catalog, Key::Source { table, source, piece: 0 }, chunk];
    for block in blocks(&records, 50) {
        let pieces = block.entry.directory.all_pieces();
        keys.extend(pieces.into_iter().map(|piece| Key::Block(block.entry.key(table, source, piece))));
    }
    let keys: Vec<Vec<u8>> = keys.into_iter().map(Key::to_bytes).collect();
    check(2000, targets::decode_key, |random| mutated(&keys, random));
}
