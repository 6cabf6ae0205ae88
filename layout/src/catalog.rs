//! What exists: datasets, tables, views and sources. Readers see one version of it for a whole query.
//!
//! The [`Catalog`] is one value, written with a compare-and-set on its version. What is large and rarely read
//! of a source (its header) lies apart, in a [`SourceEntry`]; what an unfinished load has written stands in
//! [`JournalEntry`]s until the catalog names the source.

mod codec;
mod lease;
mod merge;
mod source;
mod token;

pub use lease::LeaseEntry;
pub use merge::{ContigConflict, MergedContigs, merge_contigs};
pub use source::{JournalEntry, SourceEntry};
pub use token::TokenEntry;

use arrow_schema::{Schema, SchemaRef};
use genomdb_genome::{
    Contigs,
    alignment::tag::{TagKey, TagType},
};

use crate::key::{SourceId, TableId};

/// Everything that exists, at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Grows by one with each change.
    pub version: u64,
    /// The number that the next table gets.
    pub next_table: u32,
    /// The number that the next source gets.
    pub next_source: u32,
    /// The names of the datasets, in order of their creation.
    pub datasets: Vec<String>,
    /// The tables, in order of their creation.
    pub tables: Vec<TableEntry>,
    /// The views, in order of their creation.
    pub views: Vec<ViewEntry>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// Its number.
    pub id: TableId,
    /// The dataset to which it belongs.
    pub dataset: String,
    /// Its name, unique in the dataset.
    pub name: String,
    /// What its rows are.
    pub kind: TableKind,
    /// The contigs of its positions; a contig never changes its number.
    pub contigs: Contigs,
    /// Every tag that a load saw, with each exact type; ascending.
    pub tags: Vec<(TagKey, Vec<TagType>)>,
    /// The loaded files, in order of their loads.
    pub sources: Vec<SourceSummary>,
    /// The columns of a table of rows, as they were brought; empty for other kinds, whose columns follow from
    /// what their files hold.
    pub schema: SchemaRef,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Alignment records: SAM, BAM, CRAM.
    Alignments,
    /// Variant records: VCF, BCF.
    Variants,
    /// Features: BED, GFF3, GTF.
    Features,
    /// Sequences: FASTA, FASTQ.
    Sequences,
    /// Rows of any columns: sample sheets, results.
    Rows,
}

/// A named query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewEntry {
    /// The dataset to which it belongs.
    pub dataset: String,
    /// Its name, unique among the tables and views of the dataset.
    pub name: String,
    /// The query's text.
    pub text: String,
}

/// A loaded file, as queries and plans need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSummary {
    /// Its number.
    pub id: SourceId,
    /// The name of the file.
    pub name: String,
    /// The format of the file, as `BAM`.
    pub format: String,
    /// The number of its records.
    pub records: u64,
    /// The bytes that it takes: the pages of its blocks.
    pub bytes: u64,
    /// When it was loaded, in milliseconds since 1970, UTC.
    pub loaded_at_ms: u64,
    /// xxh3-128 of its content: the same in a table means the same file.
    pub checksum: u128,
    /// The bytes of its index root, or of the chunk index of rows; [`SourceSummary::index_root_keys`] says where they lie.
    pub index_root_bytes: u32,
    /// The bytes of its [`SourceEntry`]; [`SourceSummary::entry_keys`] says where they lie.
    pub entry_bytes: u32,
    /// The samples, each once, in order of the header.
    pub samples: Vec<String>,
    /// The read groups, in order of the header.
    pub read_groups: Vec<ReadGroupEntry>,
}

/// A read group of a source: an `@RG` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGroupEntry {
    /// `ID`.
    pub id: String,
    /// `SM`.
    pub sample: Option<String>,
}

impl Default for Catalog {
    /// The catalog of an empty data folder: the dataset `main`.
    fn default() -> Self {
        Self {
            version: 0,
            next_table: 1,
            next_source: 1,
            datasets: vec!["main".to_owned()],
            tables: Vec::new(),
            views: Vec::new(),
        }
    }
}

impl Catalog {
    /// Returns a table by dataset and exact name.
    pub fn table(&self, dataset: &str, name: &str) -> Option<&TableEntry> {
        self.tables.iter().find(|table| table.dataset == dataset && table.name == name)
    }

    /// Returns a table by dataset and exact name, to change it.
    pub fn table_mut(&mut self, dataset: &str, name: &str) -> Option<&mut TableEntry> {
        self.tables.iter_mut().find(|table| table.dataset == dataset && table.name == name)
    }

    /// Returns a view by dataset and exact name.
    pub fn view(&self, dataset: &str, name: &str) -> Option<&ViewEntry> {
        self.views.iter().find(|view| view.dataset == dataset && view.name == name)
    }

    /// Adds an empty table; its number was never given before.
    ///
    /// Whether the name is free is for the caller to check.
    pub fn add_table(&mut self, dataset: &str, name: &str, kind: TableKind) -> &mut TableEntry {
        let id = TableId(self.next_table);
        self.next_table += 1;
        self.tables.push(TableEntry::new(id, dataset, name, kind));
        let last = self.tables.len() - 1;
        self.tables.get_mut(last).expect("a table was pushed")
    }

    /// Gives out the number of the next source.
    pub fn take_source_id(&mut self) -> SourceId {
        self.next_source += 1;
        SourceId(self.next_source - 1)
    }
}

impl TableEntry {
    /// An empty table.
    pub fn new(id: TableId, dataset: &str, name: &str, kind: TableKind) -> Self {
        Self {
            id,
            dataset: dataset.to_owned(),
            name: name.to_owned(),
            kind,
            contigs: Contigs::default(),
            tags: Vec::new(),
            sources: Vec::new(),
            schema: SchemaRef::new(Schema::empty()),
        }
    }

    /// Returns the number of records of every source.
    pub fn records(&self) -> u64 {
        self.sources.iter().map(|source| source.records).sum()
    }

    /// Adds the tags that a load saw.
    pub fn merge_tags(&mut self, seen: impl IntoIterator<Item = (TagKey, TagType)>) {
        for (key, kind) in seen {
            let place = match self.tags.binary_search_by_key(&key, |(known, _)| *known) {
                Ok(place) => place,
                Err(place) => {
                    self.tags.insert(place, (key, Vec::new()));
                    place
                }
            };
            if let Some((_, kinds)) = self.tags.get_mut(place)
                && let Err(place) = kinds.binary_search(&kind)
            {
                kinds.insert(place, kind);
            }
        }
    }
}

impl TableKind {
    /// Every kind, in the order of the stored numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Alignments, Self::Variants, Self::Features, Self::Sequences, Self::Rows];

    /// Returns the name that GQL uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alignments => "alignments",
            Self::Variants => "variants",
            Self::Features => "features",
            Self::Sequences => "sequences",
            Self::Rows => "rows",
        }
    }
}

#[cfg(test)]
mod tests;
