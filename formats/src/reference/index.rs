//! Where the sequences of a FASTA file lie: its `.fai`, or what one pass over the file finds.

use std::{
    collections::HashMap,
    io::{self, BufRead},
    ops::Range,
};

/// The places of the sequences by name.
#[derive(Debug, Default)]
pub(super) struct FastaIndex(HashMap<Vec<u8>, Place>);

/// Where one sequence lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Bases.
    pub(super) length: u64,
    /// Byte of the first base.
    offset: u64,
    /// Bases in a line.
    line_bases: u64,
    /// Bytes in a line, with its end.
    line_bytes: u64,
    /// Lines other than the last differ in length, so that a base cannot be found by its number.
    pub(super) irregular: bool,
}

impl Place {
    /// Returns the bytes of the file that hold a range of bases.
    pub(super) fn bytes(&self, bases: Range<u64>) -> Option<(u64, u64)> {
        if bases.is_empty() {
            return Some((self.offset, self.offset));
        }
        let byte = |base: u64| {
            let lines = base.checked_div(self.line_bases)?.checked_mul(self.line_bytes)?;
            self.offset.checked_add(lines)?.checked_add(base.checked_rem(self.line_bases)?)
        };
        Some((byte(bases.start)?, byte(bases.end - 1)?.checked_add(1)?))
    }
}

impl FastaIndex {
    pub(super) fn place(&self, name: &[u8]) -> Option<Place> {
        self.0.get(name).cloned()
    }

    /// Parses a `.fai`: name, length, offset, bases and bytes of a line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut index = Self::default();
        for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let (name, place) = parse_line(line).ok_or_else(|| format!("line {number} is malformed"))?;
            index.0.entry(name.to_vec()).or_insert(place);
        }
        Ok(index)
    }

    /// Reads a FASTA file once.
    pub(super) fn scan(mut reader: impl BufRead) -> io::Result<Self> {
        let mut scan = Scan::default();
        loop {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                scan.end_line(false);
                scan.end_sequence();
                return Ok(scan.index);
            }
            let length = buffer.len();
            let mut rest = buffer;
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let (line, tail) = rest.split_at(end);
                scan.part_of_line(line);
                scan.end_line(true);
                rest = tail.get(1..).unwrap_or_default();
            }
            scan.part_of_line(rest);
            reader.consume(length);
        }
    }
}

fn parse_line(line: &[u8]) -> Option<(&[u8], Place)> {
    let mut fields = line.split(|&byte| byte == b'\t');
    let name = fields.next()?;
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
    let (length, offset, line_bases, line_bytes) = (number()?, number()?, number()?, number()?);
    let sound = line_bytes >= line_bases && (line_bases > 0 || length == 0);
    sound.then_some((name, Place { length, offset, line_bases, line_bytes, irregular: false }))
}

/// The state of a pass over a FASTA file.
#[derive(Default)]
struct Scan {
    index: FastaIndex,
    /// Bytes before the current line.
    offset: u64,
    /// The current line: whether it is a header, its name so far, how long it is, how it ends.
    is_header: bool,
    name: Vec<u8>,
    name_ended: bool,
    line_bytes: u64,
    last_byte: u8,
    sequence: Option<(Vec<u8>, Place)>,
    /// A line shorter than the first was met: it must be the last.
    short_line: bool,
}

/// Bytes of a name; longer ones no header of SAM can hold.
const NAME_BYTES_MAX: usize = 1 << 16;

impl Scan {
    fn part_of_line(&mut self, part: &[u8]) {
        let Some((&first, &last)) = part.first().zip(part.last()) else { return };
        let mut rest = part;
        if self.line_bytes == 0 {
            self.is_header = first == b'>';
            if self.is_header {
                self.name.clear();
                self.name_ended = false;
                rest = part.get(1..).unwrap_or_default();
            }
        }
        if self.is_header && !self.name_ended {
            let end = rest.iter().position(u8::is_ascii_whitespace);
            self.name_ended = end.is_some();
            let room = NAME_BYTES_MAX.saturating_sub(self.name.len());
            let name = rest.get(..end.unwrap_or(rest.len()).min(room)).unwrap_or_default();
            self.name.extend_from_slice(name);
        }
        self.line_bytes += part.len() as u64;
        self.last_byte = last;
    }

    fn end_line(&mut self, newline: bool) {
        let bytes = self.line_bytes + u64::from(newline);
        let bases = self.line_bytes - u64::from(self.line_bytes > 0 && self.last_byte == b'\r');
        self.offset += bytes;
        self.line_bytes = 0;
        if std::mem::take(&mut self.is_header) {
            self.end_sequence();
            self.sequence = Some((self.name.clone(), Place { offset: self.offset, ..Place::default() }));
            return;
        }
        let Some((_, place)) = &mut self.sequence else { return };
        if bases > 0 && self.short_line || place.line_bases > 0 && bases > place.line_bases {
            place.irregular = true;
        }
        if place.line_bases == 0 && bases > 0 {
            (place.line_bases, place.line_bytes) = (bases, bytes);
        } else if bases < place.line_bases || bytes != place.line_bytes {
            self.short_line = true;
        }
        place.length += bases;
    }

    fn end_sequence(&mut self) {
        self.short_line = false;
        if let Some((name, place)) = self.sequence.take() {
            self.index.0.entry(name).or_insert(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_lines_of_any_kind() {
        let text = b">a first\nACGT\nACGT\nAC\n>b\r\nAC\r\nAC\r\n\r\n>c\nACG\nA\nACG\n>d\n>e\nAC";
        for capacity in [1, 3, 1000] {
            let reader = io::BufReader::with_capacity(capacity, &text[..]);
            let index = FastaIndex::scan(reader).unwrap();
            let expected = [("a", 10, 9, 4, 5, false), ("b", 4, 26, 2, 4, false), ("c", 7, 39, 3, 4, true)];
            for (name, length, offset, line_bases, line_bytes, irregular) in expected {
                let place = Place { length, offset, line_bases, line_bytes, irregular };
                assert_eq!(index.place(name.as_bytes()), Some(place), "{name}");
            }
            assert_eq!(index.place(b"d").unwrap().length, 0);
            assert_eq!(
                index.place(b"e").unwrap().bytes(0..2),
                Some((text.len() as u64 - 2, text.len() as u64))
            );
        }
    }

    #[test]
    fn refuses_a_malformed_index() {
        for text in ["a\t6\t5\t4\n", "a\t6\t5\t0\t1\n", "a\t6\t5\t4\t3\n", "a\tx\t5\t4\t5\n"] {
            assert!(FastaIndex::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
