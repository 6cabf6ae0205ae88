//! Columns of an `alignments` table from the pages of one block.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, StringArray},
    datatypes::{Int32Type, Int64Type},
};
use datafusion::common::{Result, internal_err};
use genomdb_layout::{
    LayoutError,
    block::{AlignmentBlockReader, RowRanges},
};

use crate::dataset::Dataset;

/// Decodes a column other than `tags` for the rows that are wanted.
pub(super) fn column(
    dataset: &Dataset,
    source: usize,
    reader: &AlignmentBlockReader,
    name: &str,
    rows: &RowRanges,
) -> Result<ArrayRef, ColumnError> {
    Ok(match name {
        "qname" => Arc::new(reader.qname(rows)?),
        "flag" => Arc::new(reader.flag(rows)?),
        "chrom" => {
            let contig = reader.entry().contig.and_then(|contig| i32::try_from(contig.0).ok());
            constant(contig, rows.len(), &dataset.contig_names)?
        }
        "start" => Arc::new(reader.start(rows)?),
        "end" => Arc::new(reader.end(rows)?),
        "pos" => Arc::new(one_based(&reader.start(rows)?)),
        "mapq" => Arc::new(reader.mapq(rows)?),
        "cigar" => Arc::new(reader.cigar(rows)?),
        "mate_chrom" => dictionary(reader.mate_contig(rows)?, &dataset.contig_names)?,
        "mate_start" => Arc::new(reader.mate_start(rows)?),
        "mate_pos" => Arc::new(one_based(&reader.mate_start(rows)?)),
        "tlen" => Arc::new(reader.tlen(rows)?),
        "seq" => Arc::new(reader.seq(rows)?),
        "qual" => Arc::new(reader.qual(rows)?),
        "read_group" => Arc::new(reader.read_group(rows)?),
        "sample" => samples(dataset, source, &reader.read_group(rows)?)?,
        "source" => constant(i32::try_from(source).ok(), rows.len(), &dataset.source_names)?,
        other => return Ok(internal_err!("an alignments table has no column {other}")?),
    })
}

/// A column cannot be decoded: damaged bytes, or our mistake.
pub(super) enum ColumnError {
    Layout(LayoutError),
    Other(datafusion::common::DataFusionError),
}

impl From<LayoutError> for ColumnError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<datafusion::common::DataFusionError> for ColumnError {
    fn from(error: datafusion::common::DataFusionError) -> Self {
        Self::Other(error)
    }
}

impl From<arrow::error::ArrowError> for ColumnError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Other(error.into())
    }
}

fn one_based(zero_based: &Int64Array) -> Int64Array {
    zero_based.unary::<_, Int64Type>(|position| position.saturating_add(1))
}

fn constant(key: Option<i32>, rows: usize, names: &ArrayRef) -> Result<ArrayRef, ColumnError> {
    dictionary(key.map_or_else(|| Int32Array::new_null(rows), |key| Int32Array::from_value(key, rows)), names)
}

fn dictionary(keys: Int32Array, names: &ArrayRef) -> Result<ArrayRef, ColumnError> {
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(names))?))
}

/// The sample of each read group; where there is none, the source's only sample.
fn samples(
    dataset: &Dataset,
    source: usize,
    groups: &DictionaryArray<Int32Type>,
) -> Result<ArrayRef, ColumnError> {
    let Some(summary) = dataset.source(source) else {
        return Ok(internal_err!("source {source} is unknown")?);
    };
    let names = groups.values().as_string::<i32>();
    let place = |sample: &str| summary.samples.iter().position(|known| known == sample);
    let of_group: Vec<Option<usize>> = names
        .iter()
        .map(|name| {
            let group = summary.read_groups.iter().find(|group| Some(group.id.as_str()) == name);
            group.and_then(|group| group.sample.as_deref()).and_then(place)
        })
        .collect();
    let only = (summary.samples.len() == 1).then_some(0);
    let sample = |group: Option<i32>| {
        let group = group.and_then(|group| usize::try_from(group).ok());
        group.and_then(|group| of_group.get(group).copied().flatten()).or(only)
    };
    let keys = groups.keys().iter().map(|group| sample(group).and_then(|sample| i32::try_from(sample).ok()));
    let samples: StringArray = summary.samples.iter().map(|sample| Some(sample.as_str())).collect();
    dictionary(keys.collect(), &(Arc::new(samples) as ArrayRef))
}
