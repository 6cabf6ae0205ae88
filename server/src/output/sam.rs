//! Rows that hold all fields of an alignment, as lines of SAM (SAM v1 § 1.4, § 1.5).
//!
//! Without a header: a result is rows of any tables, and `SHOW HEADER FROM reads` has theirs. A tag has the
//! type that its column shows: `i`, `f`, `B:i`, `B:f`, and `Z` for every text.

use std::{fmt::Write as _, io::Write};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float32Type, Int64Type, Schema},
};

use super::{OutputError, ResultWriter};

/// The columns that become the eleven mandatory fields, with what stands for a missing value; those of
/// numbers by the number.
const FIELDS: [(&str, Missing); 11] = [
    ("qname", Missing::Star),
    ("flag", Missing::Number(0)),
    ("chrom", Missing::Star),
    ("pos", Missing::Number(0)),
    ("mapq", Missing::Number(255)),
    ("cigar", Missing::Star),
    ("mate_chrom", Missing::Star),
    ("mate_pos", Missing::Number(0)),
    ("tlen", Missing::Number(0)),
    ("seq", Missing::Star),
    ("qual", Missing::Star),
];
/// Of [`FIELDS`].
const REFERENCE: usize = 2;
/// Of [`FIELDS`].
const MATE_REFERENCE: usize = 6;

#[derive(Clone, Copy)]
enum Missing {
    Star,
    Number(i64),
}

/// Writes a line a row.
pub(super) struct SamWriter<W: Write> {
    /// Where the columns of [`FIELDS`] stand.
    fields: Vec<usize>,
    tags: Option<usize>,
    output: W,
    line: String,
}

impl<W: Write> SamWriter<W> {
    /// Creates the writer, unless a column is missing or of another type.
    pub(super) fn new(schema: &Schema, output: W) -> Result<Self, OutputError> {
        let fields = FIELDS.map(|(name, missing)| {
            let index = schema.index_of(name).ok();
            let fits =
                index.and_then(|index| schema.fields().get(index)).is_some_and(|field| match missing {
                    Missing::Number(_) => field.data_type().is_integer(),
                    Missing::Star => is_text(field.data_type()),
                });
            index.filter(|_| fits).ok_or(name)
        });
        let fields: Vec<usize> =
            fields.into_iter().collect::<Result<_, _>>().map_err(OutputError::NoAlignments)?;
        let tags = schema.index_of("tags").ok();
        Ok(Self { fields, tags, output, line: String::new() })
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string() || *other == DataType::Null,
    }
}

impl<W: Write + Send> ResultWriter for SamWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let columns = self.fields.iter().zip(FIELDS).filter_map(|(&index, (_, missing))| {
            let data_type = match missing {
                Missing::Star => DataType::Utf8,
                Missing::Number(_) => DataType::Int64,
            };
            batch.columns().get(index).map(|column| cast(column, &data_type))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
        let tags = self.tags.and_then(|index| batch.columns().get(index)).map(tags).transpose()?;
        for row in 0..batch.num_rows() {
            self.line.clear();
            for (index, (column, (_, missing))) in columns.iter().zip(FIELDS).enumerate() {
                if index > 0 {
                    self.line.push('\t');
                }
                let is_same = index == MATE_REFERENCE && same(&columns, row);
                push_field(&mut self.line, column, row, missing, is_same);
            }
            for (name, values) in tags.iter().flatten() {
                push_tag(&mut self.line, name, values, row);
            }
            self.line.push('\n');
            self.output.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        Ok(self.output.flush()?)
    }
}

/// Whether the mate lies on the same reference, which SAM writes as `=`.
fn same(columns: &[ArrayRef], row: usize) -> bool {
    let text = |index: usize| {
        let column = columns.get(index)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    };
    text(REFERENCE).is_some() && text(REFERENCE) == text(MATE_REFERENCE)
}

fn push_field(line: &mut String, column: &ArrayRef, row: usize, missing: Missing, is_same: bool) {
    match missing {
        _ if is_same => line.push('='),
        Missing::Star => match column.as_string_opt::<i32>().filter(|column| column.is_valid(row)) {
            Some(column) => push_text(line, column.value(row)),
            None => line.push('*'),
        },
        Missing::Number(missing) => {
            let column = column.as_primitive_opt::<Int64Type>().filter(|column| column.is_valid(row));
            push_number(line, column.map_or(missing, |column| column.value(row)));
        }
    }
}

/// The tags with their values, as the few types that SAM has.
fn tags(column: &ArrayRef) -> Result<Vec<(String, ArrayRef)>, OutputError> {
    let Some(tags) = column.as_struct_opt() else { return Ok(Vec::new()) };
    let tags = tags.fields().iter().zip(tags.columns()).map(|(field, values)| {
        let values = match values.data_type() {
            DataType::Int64 | DataType::Float32 | DataType::Utf8 | DataType::List(_) => values.clone(),
            other if other.is_integer() => cast(values, &DataType::Int64)?,
            other if other.is_floating() => cast(values, &DataType::Float32)?,
            _ => cast(values, &DataType::Utf8)?,
        };
        Ok((field.name().clone(), values))
    });
    tags.collect()
}

fn push_tag(line: &mut String, name: &str, values: &ArrayRef, row: usize) {
    if values.is_null(row) {
        return;
    }
    let begin = line.len();
    line.push('\t');
    line.push_str(name);
    if let Some(values) = values.as_primitive_opt::<Int64Type>() {
        line.push_str(":i:");
        push_number(line, values.value(row));
    } else if let Some(values) = values.as_primitive_opt::<Float32Type>() {
        line.push_str(":f:");
        push_number(line, values.value(row));
    } else if let Some(values) = values.as_string_opt::<i32>() {
        line.push_str(":Z:");
        push_text(line, values.value(row));
    } else if let Some(values) = values.as_list_opt::<i32>() {
        let values = values.value(row);
        if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            line.push_str(":B:i");
            values.iter().flatten().for_each(|value| {
                line.push(',');
                push_number(line, value);
            });
        } else if let Some(values) = values.as_primitive_opt::<Float32Type>() {
            line.push_str(":B:f");
            values.iter().flatten().for_each(|value| {
                line.push(',');
                push_number(line, value);
            });
        } else {
            line.truncate(begin);
        }
    } else {
        line.truncate(begin);
    }
}

/// A text of a query may hold what would end the field; SAM has no way to write it.
fn push_text(line: &mut String, text: &str) {
    line.extend(text.chars().map(|character| if character.is_control() { ' ' } else { character }));
}

fn push_number(line: &mut String, number: impl std::fmt::Display) {
    // Writing into a string does not fail.
    let _written = write!(line, "{number}");
}
