//! One SAM line becomes a record, with htslib's reading of what the specification leaves open.

use genomdb_genome::{
    ContigId, Contigs,
    alignment::{Cigar, CigarKind, Record, Records},
};

use super::{number, optional_field};
use crate::{
    error::{Fault, printable},
    long_cigar, rules,
};

/// The mandatory fields of a line.
const FIELDS: [&str; 11] =
    ["QNAME", "FLAG", "RNAME", "POS", "MAPQ", "CIGAR", "RNEXT", "PNEXT", "TLEN", "SEQ", "QUAL"];

/// FLAG of a read that is not mapped.
const UNMAPPED: u16 = 0x4;

/// A letter that stands for no base.
const NO_BASE: u8 = 0xff;

/// The 4-bit code of each letter, in either case; letters that BAM does not know are `N`, `U` among them.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const BASE_CODES: [u8; 256] = {
    let mut codes = [NO_BASE; 256];
    let mut letter = 0;
    while letter < 26 {
        codes[b'A' as usize + letter] = 15;
        codes[b'a' as usize + letter] = 15;
        letter += 1;
    }
    let known = b"=ACMGRSVTWYHKDBN";
    let mut code = 0;
    while code < 16 {
        codes[known[code] as usize] = code as u8;
        codes[known[code].to_ascii_lowercase() as usize] = code as u8;
        code += 1;
    }
    // A base that is not known.
    codes[b'.' as usize] = 15;
    codes
};

/// Turns lines into records; holds the space that it needs for one.
#[derive(Default)]
pub(super) struct Parser {
    cigar: Vec<u8>,
    bases: Vec<u8>,
    scores: Vec<u8>,
    tags: Vec<u8>,
    other_tags: Vec<u8>,
    /// The contig name that was looked up last: most lines name it again.
    last_name: Vec<u8>,
    last_contig: Option<ContigId>,
}

impl Parser {
    /// Reads a line and appends its record.
    pub(super) fn push(
        &mut self,
        line: &[u8],
        contigs: &Contigs,
        records: &mut Records,
    ) -> Result<(), Fault> {
        if line.is_empty() {
            return Err(Fault::new("QNAME", "the line is empty"));
        }
        let mut rest = line;
        let mut fields: [&[u8]; 11] = [&[]; 11];
        for (number, (field, name)) in fields.iter_mut().zip(FIELDS).enumerate() {
            let length = memchr::memchr(b'\t', rest);
            if length.is_none() && number < FIELDS.len() - 1 {
                let next = FIELDS.get(number + 1).copied().unwrap_or(name);
                return Err(Fault::new(next, format!("the line ends after {} of 11 fields", number + 1)));
            }
            let end = length.unwrap_or(rest.len());
            (*field, rest) = (rest.get(..end).unwrap_or_default(), rest.get(end..).unwrap_or_default());
            rest = if number < FIELDS.len() - 1 { rest.get(1..).unwrap_or_default() } else { rest };
            if field.is_empty() {
                return Err(Fault::new(name, "is empty"));
            }
        }
        self.push_fields(fields, rest, contigs, records)
    }

    fn push_fields(
        &mut self,
        [name, flag, contig, position, mapq, cigar, mate, mate_position, tlen, bases, scores]: [&[u8]; 11],
        tags: &[u8],
        contigs: &Contigs,
        records: &mut Records,
    ) -> Result<(), Fault> {
        let mut flag = parse_flag(flag)?;
        let mut contig = self.contig("RNAME", contig, contigs)?;
        let start = parse_position("POS", position)?;
        // POS 0 means that there is no position: htslib then drops the contig too.
        contig = contig.filter(|_| start >= 0);
        if contig.is_none() || cigar == b"*" {
            flag |= UNMAPPED;
        }
        parse_cigar(cigar, &mut self.cigar)?;
        let mate_contig = if mate == b"=" { contig } else { self.contig("RNEXT", mate, contigs)? };
        let mate_start = parse_position("PNEXT", mate_position)?;
        let mate_contig = mate_contig.filter(|_| mate_start >= 0);
        let base_count = self.parse_bases(bases)?;
        self.parse_scores(scores, base_count)?;
        self.parse_tags(tags)?;
        let mut record = Record {
            flag,
            contig,
            start,
            mapping_quality: parse_unsigned("MAPQ", mapq, u8::MAX.into())? as u8,
            mate_contig,
            mate_start,
            template_length: number::signed(tlen).ok_or_else(|| not("TLEN", tlen, "a number"))?,
            name: if name == b"*" { &[] } else { name },
            cigar: Cigar::from_bytes(&self.cigar),
            base_count,
            bases: &self.bases,
            quality_scores: &self.scores,
            tags: &self.tags,
        };
        if let Some(long) = long_cigar::find(&record) {
            long.drop_tag(record.tags, &mut self.other_tags);
            record.cigar = long.cigar;
            record.tags = &self.other_tags;
        }
        rules::check(&record, contigs)?;
        records.push(&record);
        Ok(())
    }

    fn contig(&mut self, field: &str, name: &[u8], contigs: &Contigs) -> Result<Option<ContigId>, Fault> {
        if name == b"*" {
            return Ok(None);
        }
        if self.last_contig.is_none() || self.last_name != name {
            let id = std::str::from_utf8(name).ok().and_then(|name| contigs.id(name));
            if id.is_none() {
                let reason = format!("the header has no contig `{}`", printable(name));
                return Err(Fault::new(field, reason));
            }
            self.last_contig = id;
            self.last_name.clear();
            self.last_name.extend_from_slice(name);
        }
        Ok(self.last_contig)
    }

    fn parse_bases(&mut self, text: &[u8]) -> Result<u32, Fault> {
        self.bases.clear();
        if text == b"*" {
            return Ok(0);
        }
        let count = u32::try_from(text.len()).map_err(|_| not("SEQ", text, "short enough"))?;
        let code = |letter: u8| BASE_CODES.get(usize::from(letter)).copied().unwrap_or(NO_BASE);
        let (pairs, last) = text.as_chunks::<2>();
        // No code has its high bits set, so that one look at their union is enough.
        let mut seen = 0;
        self.bases.extend(pairs.iter().map(|&[a, b]| {
            seen |= code(a) | code(b);
            code(a) << 4 | code(b)
        }));
        for &letter in last {
            seen |= code(letter);
            self.bases.push(code(letter) << 4);
        }
        match text.iter().find(|&&letter| seen > 15 && code(letter) == NO_BASE) {
            Some(&letter) => Err(Fault::new("SEQ", format!("`{}` is not a base", printable(&[letter])))),
            None => Ok(count),
        }
    }

    fn parse_scores(&mut self, text: &[u8], base_count: u32) -> Result<(), Fault> {
        self.scores.clear();
        if text == b"*" {
            return Ok(());
        }
        if text.len() != base_count as usize {
            let reason = format!("has {} scores, SEQ has {base_count} bases", text.len());
            return Err(Fault::new("QUAL", reason));
        }
        if let Some(&byte) = text.iter().find(|byte| !byte.is_ascii_graphic()) {
            return Err(Fault::new("QUAL", format!("`{}` is not a score", printable(&[byte]))));
        }
        self.scores.extend(text.iter().map(|byte| byte - b'!'));
        Ok(())
    }

    fn parse_tags(&mut self, mut text: &[u8]) -> Result<(), Fault> {
        self.tags.clear();
        while let Some((_tab, rest)) = text.split_first() {
            let end = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
            let (field, rest) = rest.split_at_checked(end).unwrap_or_default();
            optional_field::parse(field, &mut self.tags)?;
            text = rest;
        }
        Ok(())
    }
}

fn not(field: &str, text: &[u8], what: &str) -> Fault {
    Fault::new(field, format!("`{}` is not {what}", printable(text)))
}

fn parse_unsigned(field: &str, text: &[u8], max: u64) -> Result<u64, Fault> {
    number::unsigned(text, max).ok_or_else(|| not(field, text, &format!("a number from 0 to {max}")))
}

fn parse_flag(text: &[u8]) -> Result<u16, Fault> {
    // htslib reads a number that starts with 0 as octal: nobody can say what is meant.
    if text.len() > 1 && text.starts_with(b"0") {
        return Err(not("FLAG", text, "a decimal number without leading zeros"));
    }
    let number = parse_unsigned("FLAG", text, u16::MAX.into())?;
    u16::try_from(number).map_err(|_| not("FLAG", text, "16 bits wide"))
}

/// Returns the 0-based position, -1 for 0.
fn parse_position(field: &str, text: &[u8]) -> Result<i64, Fault> {
    let number = parse_unsigned(field, text, i64::MAX as u64)?;
    i64::try_from(number).map(|number| number - 1).map_err(|_| not(field, text, "a position"))
}

fn parse_cigar(text: &[u8], cigar: &mut Vec<u8>) -> Result<(), Fault> {
    const LENGTH_MAX: u64 = (1 << 28) - 1;
    cigar.clear();
    if text == b"*" {
        return Ok(());
    }
    let mut length: Option<u64> = None;
    for &byte in text {
        if byte.is_ascii_digit() {
            let grown = length.unwrap_or(0) * 10 + u64::from(byte - b'0');
            if grown > LENGTH_MAX {
                return Err(not("CIGAR", text, "made of operations shorter than 2^28"));
            }
            length = Some(grown);
            continue;
        }
        let code = CigarKind::ALL.iter().position(|kind| kind.letter() == char::from(byte));
        let (Some(code), Some(bases)) = (code, length.take()) else {
            return Err(not("CIGAR", text, "made of lengths and operations (MIDNSHP=X)"));
        };
        let word = u32::try_from(bases << 4).unwrap_or_default() | u32::try_from(code).unwrap_or_default();
        cigar.extend_from_slice(&word.to_le_bytes());
    }
    match length {
        Some(_) => Err(not("CIGAR", text, "made of lengths and operations (MIDNSHP=X)")),
        None => Ok(()),
    }
}
