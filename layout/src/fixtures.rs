//! What earlier versions wrote stays readable: a small table as keys and values, of each format version.
//!
//! A fixture is never rewritten. A new format version gets a new one: run this test with `WRITE_FIXTURE=1`.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use crate::{
    FORMAT_VERSION,
    block::{AlignmentBlockBuilder, AlignmentBlockReader, BlockConfig, Field, RowRanges, cut},
    catalog::{Catalog, ReadGroupEntry, SourceEntry, SourceSummary, TableKind},
    index::{IndexLine, IndexPage, IndexPageBuilder, IndexRoot, overlap},
    key::{Key, SourceId, TableId},
    rows::{ChunkEntry, ChunkIndex, ChunkReader, encode_chunk},
};
use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray,
    types::{Float64Type, Int32Type},
};
use bytes::Bytes;
use genomdb_genome::{
    Contig, ContigId, Contigs, Interval, RegionSet,
    alignment::{Cigar, CigarOperation, Record, Records},
};

type Values = BTreeMap<Vec<u8>, Bytes>;

/// Records of two contigs and none, of every kind of field; a small linear congruence stands for chance.
fn records() -> Records {
    let mut records = Records::default();
    let mut state = 7_u32;
    let mut chance = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for row in 0..900_u32 {
        let contig = [Some(ContigId(0)), Some(ContigId(1)), None].get(row as usize / 400).copied().flatten();
        let start = if contig.is_none() || row % 400 == 0 { -1 } else { i64::from(row % 400) * 3 };
        let text = [&b"20M"[..], b"3S10M2I5M", b"12M500N8M", b"*"][(chance(8) % 4) as usize];
        let mut cigar = Vec::new();
        CigarOperation::parse_into(if contig.is_some() { text } else { b"*" }, &mut cigar).unwrap();
        let base_count = if row % 97 == 0 { 0 } else { 20 };
        let bases: Vec<u8> = (0..base_count / 2)
            .map(|pair| {
                let code =
                    |place: u32| [1_u8, 2, 4, 8][((start.max(0) as u32 + place) * 7 % 11 % 4) as usize];
                if chance(90) == 0 { 0xf1 } else { code(pair * 2) << 4 | code(pair * 2 + 1) }
            })
            .collect();
        let scores: Vec<u8> = (0..if row % 31 == 0 { 0 } else { base_count })
            .map(|_| [37, 37, 25, 11][chance(4) as usize])
            .collect();
        let name = format!("A00:7:FLOW:{}:{}:{}", 1 + chance(2), 1101 + chance(40), (row % 300) * 5);
        let mut tags = [&b"NMC"[..], &[chance(4) as u8], b"RGZgroup\0"].concat();
        match row % 50 {
            0 => tags.extend_from_slice(b"XFf\0\0\xc0\x7fMLBC\x02\0\0\0\x01\xff"),
            1 => tags.extend_from_slice(b"NMi\xff\xff\xff\xffCRZone\0CRZtwo\0XAA!XHH1AFF\0XEBs\0\0\0\0"),
            2 => tags = b"NMZbroken".to_vec(),
            _ => {}
        }
        records.push(&Record {
            flag: [99, 147, 83, 1024, 4][chance(5) as usize],
            contig,
            start,
            mapping_quality: [60, 0, 255][chance(3) as usize],
            mate_contig: [contig, Some(ContigId(1)), None][chance(3) as usize],
            mate_start: i64::from(chance(2_000)) - 1,
            template_length: i64::from(chance(700)) - 350,
            name: if row % 211 == 0 { b"" } else { name.as_bytes() },
            cigar: Cigar::from_bytes(&cigar),
            base_count,
            bases: &bases,
            quality_scores: &scores,
            tags: &tags,
        });
    }
    records
}

fn summary(id: SourceId, records: usize, bytes: u64, root_bytes: usize, entry_bytes: usize) -> SourceSummary {
    SourceSummary {
        id,
        name: "fixture.bam".to_owned(),
        format: "BAM".to_owned(),
        records: records as u64,
        bytes,
        loaded_at_ms: 1_763_617_000_000,
        checksum: 42,
        index_root_bytes: root_bytes as u32,
        entry_bytes: entry_bytes as u32,
        samples: vec!["sample".to_owned()],
        read_groups: vec![ReadGroupEntry { id: "group".to_owned(), sample: Some("sample".to_owned()) }],
    }
}

/// Writes a table as a load would.
fn write() -> Values {
    let mut values = Values::new();
    let mut put = |key: Key, value: Bytes| assert!(values.insert(key.to_bytes(), value).is_none());
    let mut catalog = Catalog { version: 1, ..Catalog::default() };
    let source = catalog.take_source_id();
    let table = catalog.add_table("main", "reads", TableKind::Alignments);
    table.contigs = Contigs::new(["chr1", "chrM"].map(|name| Contig {
        name: name.into(),
        length: Some(99_999),
        md5: None,
    }))
    .unwrap();
    let records = records();
    let (mut root, mut page) = (IndexRoot::default(), IndexPageBuilder::default());
    let mut builder = AlignmentBlockBuilder::new(BlockConfig { records_max: 256, ..BlockConfig::default() });
    let (mut blocks, mut bytes) = (0, 0);
    let id = table.id;
    let mut finish_page = |page: &mut IndexPageBuilder, put: &mut dyn FnMut(Key, Bytes)| {
        let index = page.finish();
        let stored = index.to_bytes();
        let line = IndexLine::new(&index, root.lines.len() as u32, stored.len());
        line.keys(id, source).into_iter().zip(cut(stored.into())).for_each(|(key, value)| put(key, value));
        root.lines.push(line);
    };
    for row in 0..=records.len() {
        let next = (row < records.len()).then(|| records.get(row));
        if next.is_none_or(|record| !builder.accepts(&record)) {
            let block = builder.finish(blocks);
            blocks += 1;
            bytes += block.byte_count();
            table.merge_tags(block.tags_seen.iter().copied());
            let pieces = block.entry.directory.all_pieces();
            let all = block.groups.iter().flat_map(|(_, values)| values.iter().cloned());
            assert_eq!(pieces.len(), all.clone().count());
            pieces
                .iter()
                .zip(all)
                .for_each(|(piece, value)| put(Key::Block(block.entry.key(id, source, *piece)), value));
            if !page.accepts(&block.entry) {
                finish_page(&mut page, &mut put);
            }
            page.push(block.entry);
        }
        if let Some(record) = next {
            builder.push(&record, row as u64).unwrap();
        }
    }
    finish_page(&mut page, &mut put);
    let entry = SourceEntry {
        header: b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:99999\n".to_vec(),
        contigs: vec![ContigId(0), ContigId(1)],
    };
    let (entry, root) = (entry.to_bytes(), root.to_bytes());
    table.sources.push(summary(source, records.len(), bytes, root.len(), entry.len()));
    let summary = table.sources[0].clone();
    summary
        .index_root_keys(table.id)
        .into_iter()
        .zip(cut(root.into()))
        .for_each(|(key, value)| put(key, value));
    summary.entry_keys(table.id).into_iter().zip(cut(entry.into())).for_each(|(key, value)| put(key, value));
    write_rows(&mut catalog, &mut put);
    put(Key::Catalog, catalog.to_bytes().into());
    values
}

/// Rows of plain, nested and dictionary columns, in two chunks.
fn rows() -> [RecordBatch; 2] {
    let text = |row: i64| (row % 7 != 0).then(|| format!("sample {}", row % 5));
    let batch = |rows: std::ops::Range<i64>| {
        let numbers = Int64Array::from_iter(rows.clone().map(|row| (row % 3 != 0).then_some(row * row)));
        let texts = StringArray::from_iter(rows.clone().map(text));
        let keys: DictionaryArray<Int32Type> = texts.iter().collect();
        let items = ListArray::from_iter_primitive::<Float64Type, _, _>(
            rows.map(|row| (row % 4 != 0).then(|| (0..row % 4).map(move |n| Some((row * n) as f64 / 8.0)))),
        );
        let arrays: [(&str, ArrayRef); 4] = [
            ("number", Arc::new(numbers)),
            ("text", Arc::new(texts)),
            ("key", Arc::new(keys)),
            ("items", Arc::new(items)),
        ];
        RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, array)| (name, array, true))).unwrap()
    };
    [batch(0..300), batch(300..450)]
}

/// Writes a table of rows as an ingest would.
fn write_rows(catalog: &mut Catalog, put: &mut dyn FnMut(Key, Bytes)) {
    let source = catalog.take_source_id();
    let table = catalog.add_table("main", "samples", TableKind::Rows);
    let [first, second] = rows();
    let mut index = ChunkIndex::default();
    for (number, batch) in [&first, &second].into_iter().enumerate() {
        let chunk = encode_chunk(batch).unwrap();
        for (piece, value) in (0..).zip(chunk.pieces) {
            put(Key::Chunk(ChunkEntry::key(table.id, source, number as u32, piece)), value);
        }
        index.chunks.push(chunk.entry);
    }
    table.schema = first.schema();
    let stored = index.to_bytes();
    let mut summary = summary(source, 450, 0, stored.len(), 0);
    summary.bytes = index.chunks.iter().map(ChunkEntry::bytes).sum();
    let keys = summary.index_root_keys(table.id);
    keys.into_iter().zip(cut(stored.into())).for_each(|(key, value)| put(key, value));
    table.sources.push(summary);
}

/// Reads the rows back, from the catalog on.
fn read_rows(values: &Values) -> Vec<RecordBatch> {
    let catalog = Catalog::from_bytes(&get(values, [Key::Catalog])).unwrap();
    let table = catalog.table("main", "samples").unwrap();
    let summary = &table.sources[0];
    let index = ChunkIndex::from_bytes(&get(values, summary.index_root_keys(table.id))).unwrap();
    assert_eq!(index.rows(), summary.records);
    let chunks = (0..).zip(&index.chunks).map(|(number, entry)| {
        let mut reader = ChunkReader::new(entry);
        for piece in entry.pieces(0..entry.pages.len()) {
            let key = Key::Chunk(ChunkEntry::key(table.id, summary.id, number, piece));
            reader.insert(piece, values[&key.to_bytes()].clone());
        }
        let columns = table.schema.fields().iter().enumerate();
        let columns = columns.map(|(index, field)| reader.column(index, field).unwrap()).collect();
        RecordBatch::try_new(table.schema.clone(), columns).unwrap()
    });
    chunks.collect()
}

fn get(values: &Values, keys: impl IntoIterator<Item = Key>) -> Vec<u8> {
    keys.into_iter().flat_map(|key| values[&key.to_bytes()].to_vec()).collect()
}

/// Reads every record back, in the order of the file, from the catalog on.
fn read(values: &Values, regions: Option<&RegionSet>) -> Records {
    let catalog = Catalog::from_bytes(&get(values, [Key::Catalog])).unwrap();
    let table = catalog.table("main", "reads").unwrap();
    let summary = &table.sources[0];
    let entry = SourceEntry::from_bytes(&get(values, summary.entry_keys(table.id))).unwrap();
    assert!(entry.header.starts_with(b"@HD"));
    let root = IndexRoot::from_bytes(&get(values, summary.index_root_keys(table.id))).unwrap();
    assert_eq!(root.records(), summary.records);
    let mut found = Records::default();
    for line in root.lines.iter().filter(|line| regions.is_none_or(|regions| line.overlaps(regions))) {
        let page = IndexPage::from_bytes(&get(values, line.keys(table.id, summary.id))).unwrap();
        let blocks = regions.map_or_else(|| (0..page.len()).collect(), |regions| overlap(&page, regions));
        for block in blocks {
            read_block(values, table.id, summary, page.entry(block).unwrap(), &mut found);
        }
    }
    found
}

fn read_block(
    values: &Values,
    table: TableId,
    summary: &SourceSummary,
    entry: crate::block::BlockEntry,
    found: &mut Records,
) {
    let mut reader = AlignmentBlockReader::new(entry.clone());
    for piece in entry.directory.all_pieces() {
        reader.insert(piece, values[&Key::Block(entry.key(table, summary.id, piece)).to_bytes()].clone());
    }
    let rows = RowRanges::all(reader.rows());
    let mut ordinals = Vec::new();
    reader.read_records(&rows, found, &mut ordinals).unwrap();
    assert!(ordinals.is_sorted());
    assert!(!entry.pieces([Field::Qname, Field::Seq]).is_empty());
}

fn path(version: u16) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", &format!("version_{version}.kv")].iter().collect()
}

/// A fixture file: for each key, ascending, length u32, key, length u32, value.
fn parse(bytes: &[u8]) -> Values {
    let mut values = Values::new();
    let mut rest = bytes;
    let mut take = || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (head, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        rest = tail;
        Some(head)
    };
    while let (Some(key), Some(value)) = (take(), take()) {
        values.insert(key.to_vec(), Bytes::copy_from_slice(value));
    }
    values
}

#[test]
fn a_table_comes_back() {
    let values = write();
    let (found, expected) = (read(&values, None), records());
    assert!(found.iter().eq(expected.iter()));
    assert!(values.keys().is_sorted());
    assert_eq!(read_rows(&values), rows());
    let all = Interval::ALL;
    let regions = RegionSet::from_iter([(ContigId(1), all)]);
    assert_eq!(read(&values, Some(&regions)).len(), 400);
}

#[test]
fn every_version_stays_readable() {
    let mut bytes = Vec::new();
    for (key, value) in &write() {
        for part in [key.as_slice(), value] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    if std::env::var_os("WRITE_FIXTURE").is_some() && !path(FORMAT_VERSION).try_exists().unwrap() {
        fs::write(path(FORMAT_VERSION), bytes).unwrap();
    }
    let expected = records();
    for version in 1..=FORMAT_VERSION {
        let values = parse(&fs::read(path(version)).unwrap());
        assert!(read(&values, None).iter().eq(expected.iter()), "version {version}");
        if version >= 2 {
            assert_eq!(read_rows(&values), rows(), "version {version}");
        }
    }
}
