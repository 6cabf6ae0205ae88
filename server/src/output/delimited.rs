//! CSV, quoted as RFC 4180 says, and TSV, quoted not at all.

use std::io::Write;

use arrow::{
    array::RecordBatch,
    csv::{Writer, WriterBuilder},
    datatypes::{Schema, SchemaRef},
    util::display::{ArrayFormatter, FormatOptions},
};

use super::{
    OutputError, ResultWriter,
    nested::{flat_schema, flatten},
};

/// Writes CSV with a header line.
pub(super) struct CsvWriter<W: Write> {
    schema: SchemaRef,
    writer: Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Creates the writer and writes the header line.
    pub(super) fn new(schema: &Schema, output: W) -> Result<Self, OutputError> {
        let schema = flat_schema(schema);
        let mut writer = WriterBuilder::new().with_header(true).build(output);
        // An empty batch makes the header line appear even when no row follows.
        writer.write(&RecordBatch::new_empty(schema.clone()))?;
        Ok(Self { schema, writer })
    }
}

impl<W: Write + Send> ResultWriter for CsvWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        Ok(self.writer.write(&flatten(batch, &self.schema)?)?)
    }

    fn finish(self: Box<Self>) -> Result<(), OutputError> {
        Ok(self.writer.into_inner().flush()?)
    }
}

/// Writes TSV with a header line.
///
/// Values go out as they are, for quality strings are full of quotes and backslashes that awk must see
/// unchanged. A tab, line feed or carriage return in a value, which no SAM field can hold, is written as
/// `\t`, `\n` or `\r`. A missing value is an empty field.
pub(super) struct TsvWriter<W: Write> {
    schema: SchemaRef,
    output: W,
    line: String,
}

impl<W: Write> TsvWriter<W> {
    /// Creates the writer and writes the header line.
    pub(super) fn new(schema: &Schema, mut output: W) -> Result<Self, OutputError> {
        let schema = flat_schema(schema);
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        writeln!(output, "{}", names.join("\t"))?;
        Ok(Self { schema, output, line: String::new() })
    }
}

impl<W: Write + Send> ResultWriter for TsvWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let batch = flatten(batch, &self.schema)?;
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            self.line.clear();
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    self.line.push('\t');
                }
                push_cell(&mut self.line, column, row)?;
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

fn push_cell(line: &mut String, column: &ArrayFormatter<'_>, row: usize) -> Result<(), OutputError> {
    let begin = line.len();
    column.value(row).write(line)?;
    let has_break = line.get(begin..).is_some_and(|cell| cell.contains(['\t', '\n', '\r']));
    if has_break {
        let cell = line.split_off(begin);
        line.push_str(&cell.replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r"));
    }
    Ok(())
}
