//! Writes what statements return: on a terminal as it fits the screen, elsewhere as it is.

mod error;

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::Path,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use genomdb_server::output::{self, Format, OutputError, ResultWriter, Screen, ScreenWriter, writer};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::error::RunError;

use crate::{
    connection::{Event, Failure, Running},
    last_result::LastResult,
    pager::Paged,
    progress_line::ProgressLine,
};

/// Bytes gathered before they are written, so that a million short rows are not a million system calls.
const BUFFER_BYTES: usize = 256 * 1024;
/// The size of a terminal that does not tell its own.
const SCREEN: (u16, u16) = (80, 24);

/// Whether rows are written one value a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expanded {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
    /// Where they are wider than the screen.
    Auto,
}

/// How results are written.
#[derive(Clone, Debug)]
pub struct Style {
    /// `None` is a table on a terminal, and TSV elsewhere.
    pub format: Option<Format>,
    /// Whether tables are written one value a line.
    pub expanded: Expanded,
    /// Rows of a table that a terminal shows; `None` shows all.
    pub rows_max: Option<usize>,
    /// How wide a table may be on a terminal; `None` is as wide as that is.
    pub width_max: Option<usize>,
    /// Whether what is taller than the screen goes through a pager.
    pub has_pager: bool,
    /// Says nothing but results and errors.
    pub quiet: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            format: None,
            expanded: Expanded::Off,
            rows_max: Some(40),
            width_max: None,
            has_pager: false,
            quiet: false,
        }
    }
}

enum Target {
    Standard,
    File(BufWriter<File>),
    /// Results are kept, and not shown.
    Nowhere,
}

/// Writes what statements return.
pub struct Printer {
    /// How results are written.
    pub style: Style,
    target: Target,
    /// How many results the target has.
    results: usize,
    /// The last result, if results are kept.
    last: Option<LastResult>,
    keeps_last: bool,
    /// Rows of the last result.
    rows: u64,
}

/// Where a printer wrote before it was redirected.
pub struct Before {
    target: Target,
    results: usize,
}

impl Printer {
    /// Writes into a file, or on standard output.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn new(style: Style, path: Option<&Path>) -> Result<Self, RunError> {
        let mut printer =
            Self { style, target: Target::Standard, results: 0, last: None, keeps_last: false, rows: 0 };
        printer.write_to(path)?;
        Ok(printer)
    }

    /// Keeps the last result from now on.
    pub const fn keep_last(&mut self) {
        self.keeps_last = true;
    }

    /// The last result.
    pub const fn last(&self) -> Option<&LastResult> {
        self.last.as_ref()
    }

    /// How many rows the last result had.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The width of the terminal, if results are written on one.
    pub fn width(&self) -> Option<usize> {
        self.is_on_terminal().then(|| usize::from(screen().0))
    }

    /// Writes what follows into a file, until [`Printer::restore`].
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn redirect(&mut self, path: &Path) -> Result<Before, RunError> {
        self.flush()?;
        let file = create(path)?;
        Ok(Before {
            target: std::mem::replace(&mut self.target, file),
            results: std::mem::take(&mut self.results),
        })
    }

    /// Shows nothing of what follows, until [`Printer::restore`]; the last result is kept all the same.
    pub const fn hide(&mut self) -> Before {
        Before {
            target: std::mem::replace(&mut self.target, Target::Nowhere),
            results: std::mem::replace(&mut self.results, 0),
        }
    }

    /// Writes again where it did before.
    ///
    /// # Errors
    ///
    /// If the file cannot be finished.
    pub fn restore(&mut self, before: Before) -> Result<(), RunError> {
        let flushed = self.flush();
        (self.target, self.results) = (before.target, before.results);
        flushed
    }

    /// Writes what follows into a file, or on standard output.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, or the one before it not be finished.
    pub fn write_to(&mut self, path: Option<&Path>) -> Result<(), RunError> {
        self.flush()?;
        self.target = match path {
            Some(path) => create(path)?,
            None => Target::Standard,
        };
        self.results = 0;
        Ok(())
    }

    /// Writes out what is gathered.
    ///
    /// # Errors
    ///
    /// If the output refuses the bytes.
    pub fn flush(&mut self) -> Result<(), RunError> {
        match &mut self.target {
            Target::File(file) => file.flush()?,
            Target::Standard => io::stdout().flush()?,
            Target::Nowhere => {}
        }
        Ok(())
    }

    /// Whether a person reads it.
    fn is_on_terminal(&self) -> bool {
        matches!(self.target, Target::Standard) && io::stdout().is_terminal()
    }

    /// The format of the next result.
    pub fn format(&self) -> Format {
        let default = if self.is_on_terminal() { Format::Table } else { Format::Tsv };
        match self.style.format.unwrap_or(default) {
            Format::Table if self.style.expanded == Expanded::On => Format::Vertical,
            format => format,
        }
    }

    /// Writes what a statement returns. Ctrl-C ends it.
    ///
    /// # Errors
    ///
    /// If it fails, is interrupted, or cannot be written.
    pub async fn print(&mut self, mut running: Running) -> Result<(), RunError> {
        let mut line = ProgressLine::new(&running, self.style.quiet);
        let mut interrupts = signal(SignalKind::interrupt())?;
        let event = next(&mut running, &mut line, &mut interrupts, 0).await;
        match event {
            Some(Event::Columns(schema)) => {
                let end = self.print_rows(&schema, &mut running, &mut line, &mut interrupts).await;
                if matches!(end, Err(RunError::Interrupted | RunError::Output(_)) | Ok(Whole::No)) {
                    line.end();
                    running.cancel().await;
                }
                end.map(drop)
            }
            Some(Event::Done(message)) => {
                line.end();
                self.say(&message)
            }
            Some(Event::Failed(failure)) => Err(failure.into()),
            Some(Event::Batch(_) | Event::End) => Ok(()),
            None => {
                line.end();
                running.cancel().await;
                Err(RunError::Interrupted)
            }
        }
    }

    /// Writes a line for people into the results.
    ///
    /// # Errors
    ///
    /// If the output refuses the bytes.
    pub fn tell(&mut self, text: &str) -> Result<(), RunError> {
        match &mut self.target {
            Target::Standard => writeln!(io::stdout(), "{text}")?,
            Target::File(file) => writeln!(file, "{text}")?,
            Target::Nowhere => {}
        }
        self.flush()
    }

    /// Says what a statement without rows did: among tables, or beside what a program reads.
    ///
    /// # Errors
    ///
    /// If the output refuses the bytes.
    pub fn say(&mut self, message: &str) -> Result<(), RunError> {
        match self.format() {
            _ if self.style.quiet => Ok(()),
            Format::Table | Format::Vertical => self.tell(message),
            _ => {
                eprintln!("{message}");
                Ok(())
            }
        }
    }

    async fn print_rows(
        &mut self,
        schema: &SchemaRef,
        running: &mut Running,
        line: &mut ProgressLine,
        interrupts: &mut Signal,
    ) -> Result<Whole, RunError> {
        let format = self.format();
        output::check(format, schema)?;
        self.begin_result(format)?;
        let mut last = self.keeps_last.then(|| LastResult::new(schema.clone()));
        let whole = if self.is_on_terminal() {
            let mut paged = self.paged();
            let mut writer = self.screen_writer(format, schema, &mut paged)?;
            // What is written at once and what says how far it is would meet on the screen.
            let waits = format == Format::Table && self.style.rows_max.is_some();
            if !waits {
                line.end();
            }
            let copied =
                copy(running, writer.as_mut(), last.as_mut(), &mut self.rows, line, interrupts).await;
            let finished = match &copied {
                Ok(()) => {
                    line.end();
                    writer.finish()
                }
                // Rows of a table that waits for its last are not shown: they are not the result.
                Err(_) => {
                    drop(writer);
                    Ok(())
                }
            };
            let was_left = |error: &OutputError| paged.is_paged() && error.is_broken_pipe();
            match (copied, finished) {
                // Who leaves the pager has seen enough.
                (Err(RunError::Output(error)), _) | (Ok(()), Err(error)) if was_left(&error) => Whole::No,
                (Err(error), _) => return Err(error),
                (Ok(()), Err(error)) => return Err(error.into()),
                (Ok(()), Ok(())) => {
                    paged.end()?;
                    Whole::Yes
                }
            }
        } else {
            let (mut standard, mut nowhere);
            let output: &mut (dyn Write + Send) = match &mut self.target {
                Target::File(file) => file,
                Target::Nowhere => {
                    nowhere = io::sink();
                    &mut nowhere
                }
                Target::Standard => {
                    standard = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
                    &mut standard
                }
            };
            let mut writer = writer(format, schema.clone(), output)?;
            copy(running, writer.as_mut(), last.as_mut(), &mut self.rows, line, interrupts).await?;
            writer.finish()?;
            Whole::Yes
        };
        if let Whole::Yes = whole {
            self.last = last;
        }
        Ok(whole)
    }

    /// Writes rows that are there already.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn show(&mut self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), RunError> {
        let format = self.format();
        output::check(format, schema)?;
        self.begin_result(format)?;
        let is_on_terminal = self.is_on_terminal();
        let mut paged = if is_on_terminal { self.paged() } else { Paged::new(None) };
        {
            let mut writer = match &mut self.target {
                Target::File(file) => writer(format, schema.clone(), file)?,
                Target::Standard if is_on_terminal => self.screen_writer(format, schema, &mut paged)?,
                Target::Standard => writer(format, schema.clone(), &mut paged)?,
                Target::Nowhere => return Ok(()),
            };
            let mut write =
                || -> Result<(), OutputError> { batches.iter().try_for_each(|batch| writer.write(batch)) };
            write()?;
            writer.finish()?;
        }
        paged.end()?;
        Ok(())
    }

    fn begin_result(&mut self, format: Format) -> Result<(), RunError> {
        let is_binary = matches!(format, Format::Arrow | Format::Parquet);
        if is_binary && self.is_on_terminal() {
            let message = format!("{} is for files: \\o FILE, or --output FILE", format.name());
            return Err(RunError::Usage(message));
        }
        let one_only = is_binary || format == Format::Json;
        if self.results > 0 && one_only && !self.is_on_terminal() {
            return Err(RunError::Usage(
                "a file of this format holds one result; ask one question at a time, or choose csv, tsv, ndjson or \
                 table"
                    .to_owned(),
            ));
        }
        // On a terminal, prompts and boxes divide them.
        let needs_line = matches!(format, Format::Table | Format::Markdown) && !self.is_on_terminal();
        if self.results > 0 && needs_line {
            match &mut self.target {
                Target::Standard => writeln!(io::stdout())?,
                Target::File(file) => writeln!(file)?,
                Target::Nowhere => {}
            }
        }
        self.results += 1;
        Ok(())
    }

    /// The terminal, with a pager if there is one.
    fn paged(&self) -> Paged {
        let (_, height) = screen();
        Paged::new(self.style.has_pager.then(|| usize::from(height).saturating_sub(1)))
    }

    /// Writes a format so that it fits the screen.
    fn screen_writer<'a>(
        &self,
        format: Format,
        schema: &SchemaRef,
        output: &'a mut Paged,
    ) -> Result<Box<dyn ResultWriter + 'a>, OutputError> {
        match (format, self.style.rows_max) {
            (Format::Table, Some(rows_max)) => {
                let width_max = self.style.width_max.unwrap_or_else(|| usize::from(screen().0));
                let vertical_when_wide = self.style.expanded == Expanded::Auto;
                let screen = Screen { rows_max, width_max, vertical_when_wide };
                Ok(Box::new(ScreenWriter::new(schema, output, screen)))
            }
            _ => writer(format, schema.clone(), output),
        }
    }
}

fn create(path: &Path) -> Result<Target, RunError> {
    let file = File::create(path)
        .map_err(|error| Failure::new(format_args!("cannot write {}: {error}", path.display())))?;
    Ok(Target::File(BufWriter::with_capacity(BUFFER_BYTES, file)))
}

/// Whether a result was written to its end, or its reader left before.
enum Whole {
    Yes,
    No,
}

/// The width and height of the terminal.
fn screen() -> (u16, u16) {
    match console_size() {
        Some((width, height)) if width > 0 && height > 0 => (width, height),
        _ => SCREEN,
    }
}

fn console_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// Writes the rows as they come, up to the last.
async fn copy(
    running: &mut Running,
    writer: &mut (dyn ResultWriter + '_),
    mut last: Option<&mut LastResult>,
    rows: &mut u64,
    line: &mut ProgressLine,
    interrupts: &mut Signal,
) -> Result<(), RunError> {
    *rows = 0;
    loop {
        match next(running, line, interrupts, *rows).await {
            Some(Event::Batch(batch)) => {
                *rows += batch.num_rows() as u64;
                if let Some(last) = last.as_mut() {
                    last.push(&batch);
                }
                writer.write(&batch)?;
            }
            Some(Event::End) => return Ok(()),
            Some(Event::Failed(failure)) => {
                line.end();
                return Err(failure.into());
            }
            Some(Event::Columns(_) | Event::Done(_)) => {}
            None => return Err(RunError::Interrupted),
        }
    }
}

/// What comes next; nothing if that is Ctrl-C. The progress line is drawn meanwhile.
async fn next(
    running: &mut Running,
    line: &mut ProgressLine,
    interrupts: &mut Signal,
    rows: u64,
) -> Option<Event> {
    loop {
        tokio::select! {
            biased;
            _ = interrupts.recv() => return None,
            event = running.next() => return Some(event),
            () = line.due() => line.draw(running, rows),
        }
    }
}
