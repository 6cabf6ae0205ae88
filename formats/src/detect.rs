//! Tells what a file is by its first bytes; its name does not matter.

use std::{fmt, io::Read};

use flate2::read::MultiGzDecoder;

use crate::{FormatError, bgzf, byte_stream::Compression, error::printable, source::Input};

/// What a file holds, as its content tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SAM text, plain, gzip or BGZF.
    Sam,
    /// BAM.
    Bam,
    /// CRAM.
    Cram,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sam => "SAM",
            Self::Bam => "BAM",
            Self::Cram => "CRAM",
        })
    }
}

/// A BGZF block is at most 64 KiB; two are enough to see past an empty first one.
const PEEKED_BYTES: usize = 128 << 10;

/// Inflated bytes that the decision looks at.
const LOOKED_AT_BYTES: u64 = 4096;

/// What other files start with.
const OTHERS: [(&[u8], &str); 22] = [
    (b"BAI\x01", "a BAI index"),
    (b"CSI\x01", "a CSI index"),
    (b"TBI\x01", "a tabix index"),
    (b"BCF", "BCF"),
    (b"##fileformat=VCF", "VCF"),
    (b"##gff-version", "GFF"),
    (b"##gtf", "GTF"),
    (b"##", "text with `##` lines, perhaps GFF or GTF"),
    (b"track ", "BED"),
    (b"browser ", "BED"),
    (b">", "FASTA"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow IPC"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89HDF", "HDF5"),
    (b".sff", "SFF"),
    (b"%PDF", "PDF"),
    (b"<", "markup, perhaps an error page"),
    (b"\x1f\x8b", "gzip within gzip"),
];

/// Looks at the first bytes of a source, which stay to be read.
pub(crate) fn detect(input: &mut Input) -> Result<(Compression, Format), FormatError> {
    let first = input.peek(PEEKED_BYTES)?;
    let unknown = |found: String| FormatError::UnknownFormat { file: input.name.clone(), found };
    if first.is_empty() {
        return Err(unknown("the file is empty".into()));
    }
    if !first.starts_with(b"\x1f\x8b") {
        let format = format_of(&first).ok_or_else(|| unknown(describe(&first)))?;
        return Ok((Compression::None, format));
    }
    let compression = if bgzf::is_bgzf(&first) { Compression::Bgzf } else { Compression::Gzip };
    let mut inflated = Vec::new();
    // The peeked bytes break off somewhere: an error after some bytes is no fault of the file.
    let result = MultiGzDecoder::new(first.as_slice()).take(LOOKED_AT_BYTES).read_to_end(&mut inflated);
    match (format_of(&inflated), result) {
        (Some(Format::Cram), _) => Err(unknown("CRAM within gzip; gunzip it first".into())),
        (Some(format), _) => Ok((compression, format)),
        (None, Err(error)) if inflated.is_empty() => Err(unknown(format!("damaged gzip ({error})"))),
        (None, _) if inflated.is_empty() => Err(unknown("the file is empty (within gzip)".into())),
        (None, _) => Err(unknown(format!("{} (within gzip)", describe(&inflated)))),
    }
}

fn format_of(first: &[u8]) -> Option<Format> {
    if first.starts_with(b"BAM\x01") {
        return Some(Format::Bam);
    }
    if first.starts_with(b"CRAM") {
        return Some(Format::Cram);
    }
    let mut lines = first.split(|&byte| byte == b'\n');
    let line = lines.next()?;
    let cut_off = lines.next().is_none();
    (is_sam_header_line(line) || is_sam_record_start(line, cut_off)).then_some(Format::Sam)
}

/// `@HD`, `@SQ`, `@RG`, `@PG` or `@CO`, and a tab: a read of a FASTQ file is never called so.
fn is_sam_header_line(line: &[u8]) -> bool {
    match line {
        [b'@', a, b] | [b'@', a, b, b'\t' | b'\r', ..] => {
            [b"HD", b"SQ", b"RG", b"PG", b"CO"].contains(&&[*a, *b])
        }
        _ => false,
    }
}

/// The fields of a record; of a line that is cut off, QUAL may be missing.
fn is_sam_record_start(line: &[u8], cut_off: bool) -> bool {
    let number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b'\t').take(12).collect();
    match fields.as_slice() {
        [_, flag, _, position, mapping_quality, _, _, mate_position, template_length, _, rest @ ..] => {
            let template_length = template_length.strip_prefix(b"-").unwrap_or(template_length);
            (cut_off || !rest.is_empty())
                && [flag, position, mapping_quality, mate_position].into_iter().all(|field| number(field))
                && number(template_length)
        }
        _ => false,
    }
}

fn describe(first: &[u8]) -> String {
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return format!("found {what}");
    }
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.get(..40).unwrap_or(line);
    match first {
        [b'@', ..] if first.is_ascii() => {
            format!("found FASTQ or a malformed SAM header: `{}`", printable(line))
        }
        _ if line.iter().all(|&byte| byte == b'\t' || byte == b'\r' || byte >= b' ') => {
            format!("found text that starts with `{}`", printable(line))
        }
        _ => format!("found bytes that start with `{}`", printable(first.get(..8).unwrap_or(first))),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::Source;

    fn check(bytes: &[u8], expected: Expect) {
        let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let mut input = Input::open(Source::Reader { name: "x".into(), reader }).unwrap();
        let found = match detect(&mut input) {
            Ok((compression, format)) => format!("{compression:?} {format}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&found);
        let mut all = Vec::new();
        input.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes, "peeking takes nothing away");
    }

    #[test]
    fn tells_by_content() {
        check(b"", expect!["x: not SAM, BAM or CRAM: the file is empty"]);
        check(b"BAM\x01\0\0\0\0\0\0\0\0", expect!["None BAM"]);
        check(b"CRAM\x03\x01", expect!["None CRAM"]);
        check(b"@HD\tVN:1.6\r\n", expect!["None SAM"]);
        check(b"@CO", expect!["None SAM"]);
        check(b"a\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*", expect!["None SAM"]);
        check(b"a\t4\t*\t0\t0\t*\t*\t0\t0\tACGTACGTACGTACGTACGTACGT", expect!["None SAM"]);
        check(
            b"@read\nACGT\n+\nIIII\n",
            expect!["x: not SAM, BAM or CRAM: found FASTQ or a malformed SAM header: `@read`"],
        );
        check(
            b"chr1\t1\t2\n",
            expect![[r"x: not SAM, BAM or CRAM: found text that starts with `chr1\t1\t2`"]],
        );
        check(b"##fileformat=VCFv4.3\n", expect!["x: not SAM, BAM or CRAM: found VCF"]);
        check(b"PK\x03\x04", expect!["x: not SAM, BAM or CRAM: found a ZIP archive"]);
        check(b"\x1f\x8b", expect!["x: not SAM, BAM or CRAM: damaged gzip (unexpected end of file)"]);
        check(b"\0\0\0", expect![[r"x: not SAM, BAM or CRAM: found bytes that start with `\x00\x00\x00`"]]);
    }
}
