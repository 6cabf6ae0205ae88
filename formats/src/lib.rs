//! Genomic file formats to records and back; the only crate that knows how they are compressed.
//!
//! [`open`] sniffs SAM (plain, gzip, BGZF), BAM and CRAM by content and returns an [`AlignmentReader`]
//! that fills [`genomdb_genome::alignment::Records`]. Every codec checks what it reads, so that nobody
//! below checks again; what is wrong is a [`FormatError`] that names file, record, field and reason.
//! It does not sort, and it keeps no index.

mod alignment_reader;
mod bam;
mod bgzf;
mod byte_stream;
mod cram;
mod detect;
mod error;
mod header;
mod long_cigar;
mod reference;
mod rules;
pub mod sam;
mod source;

pub use alignment_reader::{AlignmentReader, OpenOptions, open};
pub use detect::Format;
pub use error::{Fault, FormatError};
pub use header::{Header, ReadGroup};
pub use source::Source;
