//! Writes SAM text, byte for byte as `samtools view -h --no-PG` prints it.

use std::io::{self, Write};

use genomdb_genome::{
    Contigs,
    alignment::{Record, tag},
};

use super::optional_field;
use crate::Header;

/// The letters of the 4-bit codes.
const LETTERS: [u8; 16] = *b"=ACMGRSVTWYHKDBN";

/// Writes a header verbatim and records after it.
///
/// Every record is one `write` to the output; a caller who writes to a file gives a buffered one.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Creates a writer.
    pub fn new(output: W) -> Self {
        Self { output, line: Vec::new() }
    }

    /// Writes the text of the header.
    ///
    /// # Errors
    ///
    /// If the output fails.
    pub fn write_header(&mut self, header: &Header) -> io::Result<()> {
        self.output.write_all(&header.text)
    }

    /// Writes a record; `contigs` is the dictionary that its contig numbers belong to.
    ///
    /// # Errors
    ///
    /// If the output fails, or the record has a contig number or an optional field that no codec lets pass.
    pub fn write(&mut self, record: &Record<'_>, contigs: &Contigs) -> io::Result<()> {
        self.line.clear();
        write_record(record, contigs, &mut self.line)?;
        self.output.write_all(&self.line)
    }

    /// Returns the output.
    pub fn into_inner(self) -> W {
        self.output
    }
}

fn write_record(record: &Record<'_>, contigs: &Contigs, line: &mut Vec<u8>) -> io::Result<()> {
    let contig = |id| {
        let contig = contigs.get(id).map(|contig| contig.name.as_bytes());
        contig.ok_or_else(|| io::Error::other(format!("contig number {} does not exist", id.0)))
    };
    line.extend_from_slice(if record.name.is_empty() { b"*" } else { record.name });
    write!(line, "\t{}\t", record.flag)?;
    line.extend_from_slice(record.contig.map_or(Ok(&b"*"[..]), contig)?);
    write!(line, "\t{}\t{}\t{}\t", record.start + 1, record.mapping_quality, record.cigar)?;
    line.extend_from_slice(match record.mate_contig {
        None => b"*",
        mate if mate == record.contig => b"=",
        Some(mate) => contig(mate)?,
    });
    write!(line, "\t{}\t{}\t", record.mate_start + 1, record.template_length)?;
    write_bases(record, line);
    line.push(b'\t');
    if record.quality_scores.is_empty() {
        line.push(b'*');
    } else {
        line.extend(record.quality_scores.iter().map(|score| score.saturating_add(b'!')));
    }
    for tag in tag::tags(record.tags) {
        line.push(b'\t');
        optional_field::write(&tag.map_err(io::Error::other)?, line)?;
    }
    line.push(b'\n');
    Ok(())
}

fn write_bases(record: &Record<'_>, line: &mut Vec<u8>) {
    if record.base_count == 0 {
        line.push(b'*');
        return;
    }
    let letter = |code: u8| LETTERS.get(usize::from(code & 0xf)).copied().unwrap_or(b'N');
    line.extend(record.bases.iter().flat_map(|&pair| [letter(pair >> 4), letter(pair)]));
    if record.base_count % 2 == 1 {
        line.pop();
    }
}
