//! A table as GitHub's Markdown has it.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::{OutputError, ResultWriter, cells, nested::flat_schema};

/// Writes a header, a line of alignments and a line a row.
pub(super) struct MarkdownWriter<W: Write> {
    schema: SchemaRef,
    output: W,
}

impl<W: Write> MarkdownWriter<W> {
    /// Creates the writer and writes the header.
    pub(super) fn new(schema: &SchemaRef, mut output: W) -> Result<Self, OutputError> {
        let schema = flat_schema(schema);
        line(&mut output, schema.fields().iter().map(|field| escaped(field.name())))?;
        let alignment = schema.fields().iter().map(|field| match field.data_type().is_numeric() {
            true => "---:".to_owned(),
            false => "---".to_owned(),
        });
        line(&mut output, alignment)?;
        Ok(Self { schema, output })
    }
}

impl<W: Write + Send> ResultWriter for MarkdownWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let Self { schema, output } = self;
        cells::each_row(batch, schema, |cells| Ok(line(output, cells.iter().map(|cell| escaped(cell)))?))
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        Ok(self.output.flush()?)
    }
}

fn line(output: &mut impl Write, cells: impl Iterator<Item = String>) -> std::io::Result<()> {
    for cell in cells {
        write!(output, "| {cell} ")?;
    }
    writeln!(output, "|")
}

/// A text as one cell: what would end the cell or the line, or begin markup, stands for itself.
fn escaped(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => cell.push_str("<br>"),
            '\r' => {}
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' => {
                cell.push('\\');
                cell.push(character);
            }
            other => cell.push(other),
        }
    }
    cell
}
