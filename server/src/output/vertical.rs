//! A line a value, for rows that are wider than a screen.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use unicode_width::UnicodeWidthStr;

use super::{OutputError, ResultWriter, cells, nested::flat_schema};

/// Writes `name | value` lines, and a heading before each row.
pub(super) struct VerticalWriter<W: Write> {
    schema: SchemaRef,
    output: W,
    rows: usize,
}

impl<W: Write> VerticalWriter<W> {
    pub(super) fn new(schema: &SchemaRef, output: W) -> Self {
        Self { schema: flat_schema(schema), output, rows: 0 }
    }
}

impl<W: Write + Send> ResultWriter for VerticalWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let Self { schema, output, rows } = self;
        cells::each_row(batch, schema, |cells| {
            *rows += 1;
            Ok(record(output, *rows, schema, &cells)?)
        })
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        writeln!(self.output, "{}", count(self.rows))?;
        Ok(self.output.flush()?)
    }
}

/// Writes one row.
pub(super) fn record(
    output: &mut impl Write,
    number: usize,
    schema: &SchemaRef,
    cells: &[String],
) -> std::io::Result<()> {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let width = names.clone().map(UnicodeWidthStr::width).max().unwrap_or_default();
    writeln!(output, "─[ row {number} ]{}", "─".repeat(30))?;
    for (name, cell) in names.zip(cells) {
        let padding = " ".repeat(width - name.width());
        let mut lines = cell.lines();
        writeln!(output, "{name}{padding} │ {}", lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(output, "{} │ {line}", " ".repeat(width))?;
        }
    }
    Ok(())
}

/// How many rows there were, in words.
pub(super) fn count(rows: usize) -> String {
    format!("({rows} {})", if rows == 1 { "row" } else { "rows" })
}
