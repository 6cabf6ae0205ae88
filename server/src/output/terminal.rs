//! A result on a screen: a box that fits it, with what does not fit left out and counted.

use std::{collections::VecDeque, io::Write};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{OutputError, ResultWriter, cells, nested::flat_schema, vertical};

/// What a screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Rows that are shown; of more, the first and the last are.
    pub rows_max: usize,
    /// Columns of characters that a line may have.
    pub width_max: usize,
    /// Rows that are wider than the screen are written one value a line.
    pub vertical_when_wide: bool,
}

/// No column is made narrower than this.
const CELL_WIDTH_MIN: usize = 8;
/// What stands for characters, rows or columns that are left out.
const LEFT_OUT: &str = "…";

/// Writes one result as a box. It remembers the rows that will be shown, and no others.
pub struct ScreenWriter<W: Write> {
    schema: SchemaRef,
    output: W,
    screen: Screen,
    first: Vec<Vec<String>>,
    last: VecDeque<Vec<String>>,
    rows: usize,
}

impl<W: Write> ScreenWriter<W> {
    /// Creates the writer; nothing is written before the last row is known.
    pub fn new(schema: &SchemaRef, output: W, screen: Screen) -> Self {
        let (first, last) = (Vec::new(), VecDeque::new());
        Self { schema: flat_schema(schema), output, screen, first, last, rows: 0 }
    }

    /// Whether rows are left out between the first and the last.
    fn is_elided(&self) -> bool {
        self.rows > self.first.len() + self.last.len()
    }

    fn shown(&self) -> impl Iterator<Item = &Vec<String>> {
        self.first.iter().chain(&self.last)
    }

    fn footer(&self) -> String {
        let count = vertical::count(self.rows);
        match self.is_elided() {
            false => count,
            true => {
                let shown = self.first.len() + self.last.len();
                format!("{LEFT_OUT} {} rows, {shown} shown; \\pset maxrows 0 shows all", self.rows)
            }
        }
    }

    fn draw_vertical(&mut self) -> std::io::Result<()> {
        let skipped = self.rows - self.first.len() - self.last.len();
        for (index, cells) in self.first.iter().enumerate() {
            vertical::record(&mut self.output, index + 1, &self.schema, cells)?;
        }
        if skipped > 0 {
            writeln!(self.output, "{LEFT_OUT}")?;
        }
        for (index, cells) in self.last.iter().enumerate() {
            vertical::record(&mut self.output, self.first.len() + skipped + index + 1, &self.schema, cells)?;
        }
        Ok(())
    }

    fn draw_box(&mut self, mut layout: Layout) -> std::io::Result<()> {
        let names: Vec<String> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        layout.rule(&mut self.output, ["┌", "┬", "┐"])?;
        layout.row(&mut self.output, &names)?;
        layout.rule(&mut self.output, ["├", "┼", "┤"])?;
        for cells in &self.first {
            layout.row(&mut self.output, cells)?;
        }
        if self.is_elided() {
            let cells = vec![LEFT_OUT.to_owned(); names.len()];
            layout.row(&mut self.output, &cells)?;
        }
        for cells in &self.last {
            layout.row(&mut self.output, cells)?;
        }
        layout.rule(&mut self.output, ["└", "┴", "┘"])
    }
}

impl<W: Write + Send> ResultWriter for ScreenWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let last_max = self.screen.rows_max / 2;
        let first_max = self.screen.rows_max - last_max;
        let Self { schema, first, last, rows, .. } = self;
        cells::each_row(batch, schema, |cells| {
            *rows += 1;
            if first.len() < first_max {
                first.push(cells);
            } else {
                if last.len() >= last_max {
                    last.pop_front();
                }
                if last_max > 0 {
                    last.push_back(cells);
                }
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        let layout = Layout::new(&self.schema, self.shown());
        let is_wide = layout.width() > self.screen.width_max;
        if is_wide && self.screen.vertical_when_wide {
            self.draw_vertical()?;
        } else {
            // A plan has lines of its own; cut, they would say nothing.
            let is_text = self.shown().flatten().any(|cell| cell.contains('\n'));
            let layout = if is_wide && !is_text { layout.fitted(self.screen.width_max) } else { layout };
            self.draw_box(layout)?;
        }
        let footer = self.footer();
        writeln!(self.output, "{footer}")?;
        Ok(self.output.flush()?)
    }
}

/// Which columns are drawn, and how wide.
struct Layout {
    columns: Vec<Column>,
}

struct Column {
    /// The number of the column; none stands for those that are left out.
    index: Option<usize>,
    width: usize,
    is_number: bool,
}

impl Layout {
    fn new<'r>(schema: &SchemaRef, rows: impl Iterator<Item = &'r Vec<String>>) -> Self {
        let fields = schema.fields().iter().enumerate();
        let mut columns: Vec<Column> = fields
            .map(|(index, field)| Column {
                index: Some(index),
                width: field.name().width().max(1),
                is_number: field.data_type().is_numeric(),
            })
            .collect();
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row) {
                column.width = cell.lines().map(printed_width).fold(column.width, usize::max);
            }
        }
        Self { columns }
    }

    /// The width of a line.
    fn width(&self) -> usize {
        self.columns.iter().map(|column| column.width + 3).sum::<usize>() + 1
    }

    /// Makes wide columns narrower, and where that is not enough leaves columns out of the middle.
    fn fitted(mut self, width_max: usize) -> Self {
        while self.width() > width_max {
            let over = self.width() - width_max;
            let widest = self.columns.iter().map(|column| column.width).max().unwrap_or_default();
            let next = self.columns.iter().map(|column| column.width).filter(|&width| width < widest).max();
            if widest <= CELL_WIDTH_MIN {
                break;
            }
            let wide = self.columns.iter().filter(|column| column.width == widest).count();
            // As far as the next widest, or as far as is needed.
            let step = (widest - next.unwrap_or(CELL_WIDTH_MIN)).min(over.div_ceil(wide)).max(1);
            let width = widest.saturating_sub(step).max(CELL_WIDTH_MIN);
            self.columns
                .iter_mut()
                .filter(|column| column.width == widest)
                .for_each(|column| column.width = width);
        }
        if self.width() > width_max && self.columns.len() > 2 {
            let left_out = Column { index: None, width: LEFT_OUT.width(), is_number: false };
            let middle = self.columns.len() / 2;
            self.columns.insert(middle, left_out);
            while self.width() > width_max && self.columns.len() > 3 {
                let at = self.columns.iter().position(|column| column.index.is_none()).unwrap_or_default();
                // From the longer side, so that the first and the last columns stay.
                let gone = if at > self.columns.len() - 1 - at { at - 1 } else { at + 1 };
                self.columns.remove(gone);
            }
        }
        self
    }

    fn rule(&self, output: &mut impl Write, [left, middle, right]: [&str; 3]) -> std::io::Result<()> {
        let parts: Vec<String> = self.columns.iter().map(|column| "─".repeat(column.width + 2)).collect();
        writeln!(output, "{left}{}{right}", parts.join(middle))
    }

    /// Draws a row: as many lines as its tallest cell has.
    fn row(&mut self, output: &mut impl Write, cells: &[String]) -> std::io::Result<()> {
        let height = cells.iter().map(|cell| cell.lines().count()).max().unwrap_or_default().max(1);
        for number in 0..height {
            let mut line = String::new();
            for column in &self.columns {
                let cell = column.index.map(|index| cells.get(index).map_or("", String::as_str));
                let cell = cell.unwrap_or(LEFT_OUT).lines().nth(number).unwrap_or_default();
                let cell = cut(cell, column.width);
                let padding = " ".repeat(column.width.saturating_sub(cell.width()));
                line.push_str("│ ");
                if column.is_number {
                    line.push_str(&padding);
                    line.push_str(&cell);
                } else {
                    line.push_str(&cell);
                    line.push_str(&padding);
                }
                line.push(' ');
            }
            writeln!(output, "{line}│")?;
        }
        Ok(())
    }
}

/// How wide a text is once it is printed.
fn printed_width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(1)).sum()
}

/// A text as it is printed: no longer than the column, and nothing in it that a terminal obeys.
fn cut(text: &str, width: usize) -> String {
    let plain = text.chars().map(|character| if character.is_control() { '·' } else { character });
    if printed_width(text) <= width {
        return plain.collect();
    }
    let mut shown = String::new();
    let mut used = 0;
    for character in plain {
        let next = used + character.width().unwrap_or(1);
        if next > width.saturating_sub(1) {
            break;
        }
        used = next;
        shown.push(character);
    }
    shown + LEFT_OUT
}
