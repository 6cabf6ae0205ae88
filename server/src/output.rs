//! How a result is written: one writer a format, each streaming batch by batch in bounded memory.

mod cells;
mod delimited;
mod markdown;
mod nested;
mod sam;
mod table;
mod terminal;
mod vertical;

use std::{io::Write, str::FromStr};

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::writer::StreamWriter,
    json::{
        WriterBuilder,
        writer::{JsonArray, JsonFormat, LineDelimited},
    },
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

pub use terminal::{Screen, ScreenWriter};

/// The formats in which a result can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// A line a value.
    Vertical,
    /// A table in Markdown.
    Markdown,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
    /// Tab-separated values with a header line; nothing is quoted.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// An Arrow IPC stream.
    Arrow,
    /// An Apache Parquet file, compressed by zstd.
    Parquet,
    /// SAM lines, of rows with all fields of an alignment.
    Sam,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Table,
        Self::Vertical,
        Self::Markdown,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Ndjson,
        Self::Arrow,
        Self::Parquet,
        Self::Sam,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Vertical => "vertical",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
            Self::Sam => "sam",
        }
    }

    /// What it is, in a few words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Table => "Aligned columns for people",
            Self::Vertical => "A line a value, for wide rows",
            Self::Markdown => "A table in Markdown",
            Self::Csv => "Comma-separated values with a header line (RFC 4180)",
            Self::Tsv => "Tab-separated values with a header line; nothing is quoted",
            Self::Json => "One JSON array of objects",
            Self::Ndjson => "One JSON object a line",
            Self::Arrow => "An Arrow IPC stream",
            Self::Parquet => "An Apache Parquet file, compressed by zstd",
            Self::Sam => "SAM lines without a header, of rows with all fields of an alignment",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(text));
        named.ok_or_else(|| {
            if text.eq_ignore_ascii_case("vcf") {
                return "vcf holds variants, and there are no tables of variants yet".to_owned();
            }
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no format; there are {names}")
        })
    }
}

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file or pipe refused the bytes.
    #[error("cannot write the result")]
    Write(#[from] std::io::Error),
    /// The result does not fit the format.
    #[error("the result does not fit the format")]
    Arrow(#[source] ArrowError),
    /// The same, said by the Parquet writer.
    #[error("the result does not fit Parquet")]
    Parquet(#[source] ParquetError),
    /// SAM is asked for, and the rows are no alignments.
    #[error("SAM needs rows with all fields of an alignment, as SELECT * FROM reads gives: no `{0}`")]
    NoAlignments(&'static str),
}

impl OutputError {
    /// Tells whether the reader of a pipe went away, as `head` does: no reason to complain.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<ArrowError> for OutputError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Write(error),
            error => Self::Arrow(error),
        }
    }
}

impl From<ParquetError> for OutputError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(error) => Self::Write(*error),
                Err(source) => Self::Parquet(ParquetError::External(source)),
            },
            error => Self::Parquet(error),
        }
    }
}

/// Writes the batches of one result.
pub trait ResultWriter: Send {
    /// Writes the rows of one batch.
    ///
    /// # Errors
    ///
    /// If the output refuses the bytes, or the rows do not fit the format.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError>;

    /// Writes what ends the format and flushes.
    ///
    /// # Errors
    ///
    /// As [`ResultWriter::write`].
    fn finish(self: Box<Self>) -> Result<(), OutputError>;
}

/// Creates the writer of a format, having written what begins it.
///
/// # Errors
///
/// If the output refuses the bytes, or the schema does not fit the format.
pub fn writer<'a, W: Write + Send + 'a>(
    format: Format,
    schema: SchemaRef,
    output: W,
) -> Result<Box<dyn ResultWriter + 'a>, OutputError> {
    Ok(match format {
        Format::Table => Box::new(table::TableWriter::new(schema, output)),
        Format::Vertical => Box::new(vertical::VerticalWriter::new(&schema, output)),
        Format::Markdown => Box::new(markdown::MarkdownWriter::new(&schema, output)?),
        Format::Csv => Box::new(delimited::CsvWriter::new(&schema, output)?),
        Format::Tsv => Box::new(delimited::TsvWriter::new(&schema, output)?),
        Format::Json => Box::new(JsonWriter::<_, JsonArray>::new(output)),
        Format::Ndjson => Box::new(JsonWriter::<_, LineDelimited>::new(output)),
        Format::Arrow => Box::new(ArrowStream(StreamWriter::try_new(output, &schema)?)),
        Format::Sam => Box::new(sam::SamWriter::new(&schema, output)?),
        Format::Parquet => {
            let compression = Compression::ZSTD(ZstdLevel::default());
            let properties = WriterProperties::builder().set_compression(compression).build();
            Box::new(Parquet(ArrowWriter::try_new(output, schema, Some(properties))?))
        }
    })
}

/// Tells whether rows of a schema can be written in a format.
///
/// # Errors
///
/// If they cannot: what is missing.
pub fn check(format: Format, schema: &SchemaRef) -> Result<(), OutputError> {
    match format {
        Format::Sam => sam::SamWriter::new(schema, std::io::sink()).map(drop),
        _ => Ok(()),
    }
}

struct JsonWriter<W: Write, F: JsonFormat>(arrow::json::Writer<W, F>);

impl<W: Write, F: JsonFormat> JsonWriter<W, F> {
    fn new(output: W) -> Self {
        Self(WriterBuilder::new().with_explicit_nulls(true).build(output))
    }
}

impl<W: Write + Send, F: JsonFormat + Send> ResultWriter for JsonWriter<W, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        Ok(self.0.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        self.0.finish()?;
        Ok(self.0.get_mut().flush()?)
    }
}

struct ArrowStream<W: Write>(StreamWriter<W>);

impl<W: Write + Send> ResultWriter for ArrowStream<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        Ok(self.0.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        self.0.finish()?;
        Ok(self.0.get_mut().flush()?)
    }
}

struct Parquet<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> ResultWriter for Parquet<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        Ok(self.0.write(batch)?)
    }

    fn finish(self: Box<Self>) -> Result<(), OutputError> {
        let mut output = self.0.into_inner()?;
        Ok(output.flush()?)
    }
}

#[cfg(test)]
mod tests;
