//! Aligned columns for people, streamed: the widths come from the first rows, later rows may stand out.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use unicode_width::UnicodeWidthStr;

use super::{OutputError, ResultWriter, cells, nested::flat_schema, vertical};

/// How many rows are seen before the widths are settled.
const ROWS_MEASURED: usize = 1_000;

/// Writes a table: a header, a rule, rows, and the number of rows.
pub(super) struct TableWriter<W: Write> {
    schema: SchemaRef,
    output: W,
    /// Rows that wait for the widths to be settled.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    rows: usize,
}

impl<W: Write> TableWriter<W> {
    /// Creates the writer; nothing is written before the widths are known.
    pub(super) fn new(schema: SchemaRef, output: W) -> Self {
        Self { schema: flat_schema(&schema), output, waiting: Vec::new(), widths: None, rows: 0 }
    }

    /// Settles the widths and writes the header and the rows that waited.
    fn settle(&mut self) -> std::io::Result<Vec<usize>> {
        let names: Vec<String> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
        for row in &self.waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.lines().map(UnicodeWidthStr::width).fold(*width, usize::max);
            }
        }
        self.row(&names, &widths)?;
        let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        writeln!(self.output, "{}", rule.join("  "))?;
        for row in std::mem::take(&mut self.waiting) {
            self.row(&row, &widths)?;
        }
        self.widths = Some(widths.clone());
        Ok(widths)
    }

    /// Writes a row: as many lines as its tallest cell has (a plan has many).
    fn row(&mut self, cells: &[String], widths: &[usize]) -> std::io::Result<()> {
        let height = cells.iter().map(|cell| cell.lines().count()).max().unwrap_or_default().max(1);
        for number in 0..height {
            let line = cells.iter().map(|cell| cell.lines().nth(number).unwrap_or_default());
            self.line(&line.collect::<Vec<_>>(), widths)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[&str], widths: &[usize]) -> std::io::Result<()> {
        let mut line = String::new();
        for (index, ((cell, &width), field)) in cells.iter().zip(widths).zip(self.schema.fields()).enumerate()
        {
            if index > 0 {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if field.data_type().is_numeric() {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        writeln!(self.output, "{}", line.trim_end())
    }
}

impl<W: Write + Send> ResultWriter for TableWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let schema = self.schema.clone();
        cells::each_row(batch, &schema, |cells| {
            match self.widths.take() {
                Some(widths) => {
                    self.row(&cells, &widths)?;
                    self.widths = Some(widths);
                }
                None => {
                    self.waiting.push(cells);
                    if self.waiting.len() >= ROWS_MEASURED {
                        self.settle()?;
                    }
                }
            }
            Ok(())
        })?;
        self.rows += batch.num_rows();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        if self.widths.is_none() {
            self.settle()?;
        }
        writeln!(self.output, "{}", vertical::count(self.rows))?;
        Ok(self.output.flush()?)
    }
}
