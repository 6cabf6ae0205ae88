//! Random records, and a store that holds them.

use std::sync::Arc;

use genomdb_executor::{Config, Executor};
use genomdb_genome::{
    Contig, ContigId, Contigs,
    alignment::{Cigar, CigarOperation, Record},
};
use genomdb_layout::{
    block::{AlignmentBlockBuilder, BlockConfig, EncodedBlock, Piece, cut},
    catalog::{Catalog, ReadGroupEntry, SourceSummary, TableKind},
    index::{IndexLine, IndexPage, IndexPageBuilder, IndexRoot},
    key::{Key, SourceId, TableId},
};
use genomdb_storage::{Storage, WriteBatch};
use rand::{Rng, SeedableRng, rngs::StdRng};

pub(crate) const CONTIGS: [(&str, u64); 3] = [("chr1", 2000), ("chr2", 600), ("chr10", 300)];

/// A record as the tests know it.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) flag: u16,
    pub(crate) contig: Option<u32>,
    pub(crate) start: i64,
    pub(crate) mapq: u8,
    pub(crate) cigar: Vec<u8>,
    pub(crate) tags: Vec<u8>,
}

impl Read {
    fn record(&self) -> Record<'_> {
        Record {
            flag: self.flag,
            contig: self.contig.map(ContigId),
            start: self.start,
            mapping_quality: self.mapq,
            mate_contig: self.contig.map(ContigId),
            mate_start: self.start,
            template_length: 7,
            name: self.name.as_bytes(),
            cigar: Cigar::from_bytes(&self.cigar),
            base_count: 4,
            bases: &[0x12, 0x48],
            quality_scores: &[30, 31, 2, 40],
            tags: &self.tags,
        }
    }
}

/// Makes a source's records, in order of their places; some long, some unmapped, some without a place.
pub(crate) fn reads(random: &mut StdRng, source: usize, count: usize) -> Vec<Read> {
    let mut reads: Vec<Read> = (0..count)
        .map(|number| {
            let contig = if random.random_bool(0.1) { None } else { Some(random.random_range(0..3_u32)) };
            let length = contig.map_or(0, |contig| CONTIGS[contig as usize].1 as i64);
            let positionless = contig.is_none() || random.random_bool(0.05);
            let start = if positionless { -1 } else { random.random_range(0..length - 50) };
            let span = if random.random_bool(0.1) { random.random_range(100..500_i64) } else { 20 };
            let span = span.min(length - start).max(1);
            let mut cigar = Vec::new();
            let text = if span > 20 { format!("4M{}N", span - 4) } else { format!("{span}M") };
            CigarOperation::parse_into(text.as_bytes(), &mut cigar).unwrap();
            let mut flag = random.random_range(0..4096_u16);
            if positionless {
                flag |= 4;
            }
            let mut tags = Vec::new();
            if random.random_bool(0.8) {
                tags.extend([b'N', b'M', b'C', random.random_range(0..6)]);
            }
            if random.random_bool(0.7) {
                tags.extend(format!("RGZg{}\0", random.random_range(0..2)).bytes());
            }
            let mapq = if random.random_bool(0.1) { 255 } else { random.random_range(0..61) };
            Read { name: format!("s{source}r{number}"), flag, contig, start, mapq, cigar, tags }
        })
        .collect();
    reads.sort_by_key(|read| (read.contig.is_none(), read.contig, read.start));
    reads
}

/// A store with one table `reads`, in a temporary folder.
pub(crate) struct Store {
    _folder: tempfile::TempDir,
    pub(crate) storage: Storage,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) executor: Executor,
    pub(crate) sources: Vec<Vec<Read>>,
}

impl Store {
    pub(crate) fn random(seed: u64, sources: usize, count: usize, block_records: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let sources = (0..sources).map(|source| reads(&mut random, source, count)).collect();
        Self::of(sources, block_records)
    }

    pub(crate) fn of(sources: Vec<Vec<Read>>, block_records: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path(), genomdb_storage::Config::default()).unwrap();
        let mut catalog = Catalog::default();
        let table = catalog.add_table("main", "reads", TableKind::Alignments).id;
        for (number, reads) in sources.iter().enumerate() {
            let id = catalog.take_source_id();
            let (summary, tags) = write(&storage, table, (id, number), reads, block_records);
            let entry = catalog.table_mut("main", "reads").unwrap();
            entry.contigs = Contigs::new(CONTIGS.map(|(name, length)| Contig {
                name: name.into(),
                length: Some(length),
                md5: None,
            }))
            .unwrap();
            entry.merge_tags(tags);
            entry.sources.push(summary);
        }
        let config = Config { parallelism: 3, ..Config::default() };
        let executor = Executor::new(storage.clone(), config).unwrap();
        Self { _folder: folder, storage, catalog: Arc::new(catalog), executor, sources }
    }

    /// Every record in order of its place; of equal places, in order of the sources.
    pub(crate) fn in_order(&self) -> Vec<&Read> {
        let mut all: Vec<&Read> = self.sources.iter().flatten().collect();
        all.sort_by_key(|read| (read.contig.is_none(), read.contig, read.start));
        all
    }
}

type Tags = Vec<(genomdb_genome::alignment::tag::TagKey, genomdb_genome::alignment::tag::TagType)>;

fn write(
    storage: &Storage,
    table: TableId,
    (source, number): (SourceId, usize),
    reads: &[Read],
    block_records: usize,
) -> (SourceSummary, Tags) {
    let config = BlockConfig { records_max: block_records, ..BlockConfig::default() };
    let mut builder = AlignmentBlockBuilder::new(config);
    let mut blocks: Vec<EncodedBlock> = Vec::new();
    for (read, ordinal) in reads.iter().zip(0..) {
        if !builder.accepts(&read.record()) {
            blocks.push(builder.finish(blocks.len() as u32));
        }
        builder.push(&read.record(), ordinal).unwrap();
    }
    if !builder.is_empty() {
        blocks.push(builder.finish(blocks.len() as u32));
    }
    let mut batch = WriteBatch::new();
    let mut root = IndexRoot::default();
    let mut pages = IndexPageBuilder::default();
    let mut tags = Tags::new();
    let mut end_page = |page: IndexPage, batch: &mut WriteBatch| {
        let bytes = page.to_bytes();
        let line = IndexLine::new(&page, root.lines.len() as u32, bytes.len());
        line.keys(table, source).into_iter().zip(cut(bytes.into())).for_each(|(key, piece)| {
            batch.put(key.to_bytes(), piece);
        });
        root.lines.push(line);
    };
    for block in blocks {
        let entry = block.entry;
        for (group, pieces) in block.groups {
            for (piece, number) in pieces.into_iter().zip(0..) {
                let key = entry.key(table, source, Piece { group, number });
                batch.put(Key::Block(key).to_bytes(), piece);
            }
        }
        tags.extend(block.tags_seen);
        if !pages.accepts(&entry) {
            end_page(pages.finish(), &mut batch);
        }
        pages.push(entry);
    }
    if !pages.is_empty() {
        end_page(pages.finish(), &mut batch);
    }
    let bytes = root.to_bytes();
    let group =
        |id: &str, sample: &str| ReadGroupEntry { id: id.to_owned(), sample: Some(sample.to_owned()) };
    let summary = SourceSummary {
        id: source,
        name: format!("source{number}.bam"),
        format: "BAM".to_owned(),
        records: reads.len() as u64,
        bytes: 0,
        loaded_at_ms: 0,
        checksum: number as u128,
        index_root_bytes: bytes.len() as u32,
        entry_bytes: 0,
        samples: vec!["one".to_owned(), "two".to_owned()],
        read_groups: vec![group("g0", "one"), group("g1", "two")],
    };
    summary.index_root_keys(table).into_iter().zip(cut(bytes.into())).for_each(|(key, piece)| {
        batch.put(key.to_bytes(), piece);
    });
    storage.write_blocking(batch).unwrap();
    (summary, tags)
}
