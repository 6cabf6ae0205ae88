//! The records of a slice, read series by series (CRAM v3 § 10); their mates are found afterwards.

use std::ops::Range;

use super::{
    Shared,
    bits::Bits,
    budget::Budget,
    compression_header::{Array, CompressionHeader, Number, TagEncoding},
    corrupt::{Broken, Corrupt},
    encoding::Streams,
    reference_bases::ReferenceBases,
    slice::{SEVERAL_CONTIGS, Slice},
};
use crate::Fault;

// CRAM's own flags (CF).
pub(super) const QUALITIES_ARE_STORED: i32 = 0x1;
const MATE_IS_DETACHED: i32 = 0x2;
const MATE_IS_DOWNSTREAM: i32 = 0x4;
pub(super) const SEQUENCE_IS_UNKNOWN: i32 = 0x8;
const TEMPLATE_LENGTH_IS_EXPLICIT: i32 = 0x10;

pub(super) const UNMAPPED: u16 = 0x4;
const REVERSE: u16 = 0x10;

/// A byte in place of a missing quality score.
pub(super) const NO_QUALITY: u8 = 0xff;

/// The fixed fields of a record, and where its variable ones lie in [`Decoded`].
///
/// Positions are 1-based here, as CRAM has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) flag: u16,
    pub(super) cram_flags: i32,
    pub(super) contig: i32,
    pub(super) length: usize,
    pub(super) start: i64,
    /// The last base that the alignment covers.
    pub(super) end: i64,
    pub(super) mapping_quality: u8,
    pub(super) read_group: i32,
    pub(super) mate_flags: i32,
    pub(super) mate_contig: i32,
    pub(super) mate_start: i64,
    /// The next record of the template in this slice.
    pub(super) mate: Option<usize>,
    pub(super) template_length: Option<i64>,
    pub(super) explicit_template_length: Option<i64>,
    pub(super) name: Range<usize>,
    pub(super) tags: Range<usize>,
    pub(super) sequence: Range<usize>,
    pub(super) qualities: Range<usize>,
    pub(super) cigar: Range<usize>,
}

/// The decoded records of a slice.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) records: Vec<Parts>,
    pub(super) names: Vec<u8>,
    pub(super) tags: Vec<u8>,
    /// Letters, one byte a base.
    pub(super) sequences: Vec<u8>,
    pub(super) qualities: Vec<u8>,
    pub(super) cigars: Vec<u8>,
}

/// Which tags that htslib makes from the reference a record has of its own, or must not get.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verbatim {
    pub(super) md: bool,
    pub(super) nm: bool,
}

/// What it takes to read the records of a slice.
pub(super) struct RecordReader<'s> {
    pub(super) shared: &'s Shared,
    pub(super) header: &'s CompressionHeader,
    pub(super) streams: Streams<'s>,
    pub(super) reference: ReferenceBases<'s>,
    pub(super) decoded: Decoded,
    slice_contig: i32,
    last_start: i64,
}

/// Decodes every record of a slice; `before` records of the container came earlier.
pub(super) fn decode_records(
    shared: &Shared,
    header: &CompressionHeader,
    slice: &Slice,
    budget: &mut Budget,
    before: u64,
) -> Result<Decoded, Broken> {
    let external = slice.external.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
    let mut reader = RecordReader {
        shared,
        header,
        streams: Streams {
            core: Bits::new(&slice.core),
            external: header.slots.arrange(external),
            budget: *budget,
        },
        reference: slice.reference_bases(shared, header.needs_reference)?,
        decoded: Decoded::default(),
        slice_contig: slice.header.contig,
        last_start: slice.header.start,
    };
    // A hint only: what a header claims is not allocated unchecked.
    const RECORDS_EXPECTED_MAX: usize = 10_000;
    reader.decoded.records.reserve(slice.header.records.min(RECORDS_EXPECTED_MAX));
    for index in 0..slice.header.records {
        let mut parts = Parts::default();
        let read = reader.read_record(&mut parts);
        read.map_err(|broken| reader.place(broken, before + index as u64, &parts))?;
        reader.decoded.records.push(parts);
    }
    *budget = reader.streams.budget;
    Ok(reader.decoded)
}

impl RecordReader<'_> {
    /// Adds to an error which record it is about.
    fn place(&self, broken: Broken, index: u64, parts: &Parts) -> Broken {
        match broken {
            Broken::Container(Corrupt(reason)) => Broken::Record {
                index,
                name: self.decoded.names.get(parts.name.clone()).unwrap_or_default().to_vec(),
                fault: Fault::new("CRAM data", reason),
            },
            placed => placed,
        }
    }

    pub(super) fn number(&mut self, series: Number) -> Result<i32, Corrupt> {
        self.header.series.number(series)?.number(&mut self.streams)
    }

    pub(super) fn byte(&mut self, series: Number) -> Result<u8, Corrupt> {
        self.header.series.number(series)?.byte(&mut self.streams)
    }

    fn read_record(&mut self, parts: &mut Parts) -> Result<(), Broken> {
        self.streams.budget.spend(size_of::<Parts>())?;
        let flag = self.number(Number::BamFlags)?;
        let known = u16::try_from(flag).ok().filter(|&flag| flag < 0x1000);
        parts.flag = known.ok_or_else(|| Corrupt::from(format!("FLAG is {flag}")))?;
        parts.cram_flags = self.number(Number::CramFlags)?;
        self.read_place(parts)?;
        let names = self.decoded.names.len();
        if self.header.has_names {
            self.read_name()?;
        }
        parts.name = names..self.decoded.names.len();
        self.read_mate(parts)?;
        let tags = self.decoded.tags.len();
        let verbatim = self.read_tags()?;
        self.read_alignment(parts, verbatim)?;
        parts.tags = tags..self.decoded.tags.len();
        Ok(())
    }

    fn read_place(&mut self, parts: &mut Parts) -> Result<(), Broken> {
        let several = self.slice_contig == SEVERAL_CONTIGS;
        parts.contig = if several { self.number(Number::Contig)? } else { self.slice_contig };
        if parts.contig != -1 && self.shared.contig(parts.contig).is_none() {
            return Err(Corrupt::from(format!("contig number {} is not in the header", parts.contig)).into());
        }
        let length = self.number(Number::Length)?;
        parts.length =
            usize::try_from(length).map_err(|_| Corrupt::from(format!("a read has {length} bases")))?;
        let start = i64::from(self.number(Number::Start)?);
        parts.start = if self.header.starts_are_deltas { self.last_start + start } else { start };
        self.last_start = parts.start;
        parts.end = parts.start;
        if !(0..1 << 40).contains(&parts.start) {
            return Err(Corrupt::from(format!("the position is {}", parts.start)).into());
        }
        parts.read_group = self.number(Number::ReadGroup)?;
        // Java's writers add a read group UNKNOWN, the last one, for reads that have none.
        let read_groups = &self.shared.read_groups;
        let unknown = read_groups.last().filter(|id| *id == "UNKNOWN").map(|_| read_groups.len() - 1);
        let number = usize::try_from(parts.read_group).ok();
        if number.is_some() && number == unknown {
            parts.read_group = -1;
        } else if parts.read_group != -1 && number.is_none_or(|number| number >= read_groups.len()) {
            return Err(Corrupt::from(format!("read group {} is not in the header", parts.read_group)).into());
        }
        Ok(())
    }

    fn read_name(&mut self) -> Result<(), Corrupt> {
        let encoding = self.header.series.array(Array::Names).ok_or("the data series of names is missing")?;
        encoding.append(&mut self.streams, &mut self.decoded.names).map(drop)
    }

    fn read_mate(&mut self, parts: &mut Parts) -> Result<(), Corrupt> {
        parts.mate_contig = -1;
        if parts.cram_flags & MATE_IS_DETACHED != 0 {
            parts.mate_flags = self.number(Number::MateFlags)?;
            if !self.header.has_names {
                let start = self.decoded.names.len();
                self.read_name()?;
                parts.name = start..self.decoded.names.len();
            }
            parts.mate_contig = self.number(Number::MateContig)?;
            parts.mate_start = i64::from(self.number(Number::MateStart)?);
            parts.template_length = Some(i64::from(self.number(Number::TemplateLength)?));
            return Ok(());
        }
        if parts.cram_flags & MATE_IS_DOWNSTREAM != 0 {
            let distance = self.number(Number::MateDistance)?;
            let distance = usize::try_from(distance);
            let distance = distance.map_err(|_| "the distance to the mate is negative")?;
            parts.mate = Some(self.decoded.records.len() + 1 + distance);
        }
        if parts.cram_flags & TEMPLATE_LENGTH_IS_EXPLICIT != 0 {
            parts.explicit_template_length = Some(i64::from(self.number(Number::TemplateLength)?));
        }
        Ok(())
    }

    fn read_tags(&mut self) -> Result<Verbatim, Corrupt> {
        let list = self.number(Number::TagList)?;
        let header = self.header;
        let tags = usize::try_from(list).ok().and_then(|list| header.tag_lists.get(list));
        let tags = tags.ok_or_else(|| format!("list {list} of tags is not in the compression header"))?;
        let mut verbatim = Verbatim::default();
        for TagEncoding { key, encoding } in tags {
            let start = self.decoded.tags.len();
            self.streams.budget.spend(key.len())?;
            self.decoded.tags.extend_from_slice(key);
            encoding.append(&mut self.streams, &mut self.decoded.tags)?;
            match key {
                [b'M', b'D', _] => verbatim.md = true,
                [b'N', b'M', _] => verbatim.nm = true,
                // htslib's own: which of MD and NM the record did not have, so that none is made.
                b"cFC" => {
                    let flags = self.decoded.tags.get(start + key.len()).copied().unwrap_or_default();
                    self.decoded.tags.truncate(start);
                    verbatim.md |= flags & 1 != 0;
                    verbatim.nm |= flags & 2 != 0;
                    continue;
                }
                _ => {}
            }
            self.check_tag(start)?;
        }
        Ok(verbatim)
    }

    /// A value must be one of its type, or the next tags would be read from it.
    fn check_tag(&self, start: usize) -> Result<(), Corrupt> {
        let bytes = self.decoded.tags.get(start..).unwrap_or_default();
        let mut found = genomdb_genome::alignment::tag::tags(bytes);
        if found.next().is_some_and(|tag| tag.is_ok()) && found.next().is_none() {
            return Ok(());
        }
        let key = bytes.get(..3).unwrap_or_default().escape_ascii();
        Err(format!("the value of tag {key} is none of its type").into())
    }

    fn read_alignment(&mut self, parts: &mut Parts, verbatim: Verbatim) -> Result<(), Broken> {
        let length = parts.length;
        self.streams.budget.spend(length.saturating_mul(2))?;
        let (sequences, qualities) = (self.decoded.sequences.len(), self.decoded.qualities.len());
        let cigars = self.decoded.cigars.len();
        if parts.flag & UNMAPPED == 0 {
            if parts.start == 0 {
                return Err("the read is mapped, yet has no position".into());
            }
            if self.slice_contig == SEVERAL_CONTIGS && parts.contig >= 0 {
                self.reference.turn_to(self.shared, parts.contig)?;
            }
            self.read_mapped(parts, verbatim)?;
        } else {
            self.decoded.qualities.resize(qualities + length, NO_QUALITY);
            if length > 0 {
                let bases = self.header.series.number(Number::Base)?;
                bases.bytes(&mut self.streams, length, &mut self.decoded.sequences)?;
            }
            self.read_stored_qualities(parts, qualities)?;
        }
        if parts.cram_flags & SEQUENCE_IS_UNKNOWN != 0 && parts.flag & UNMAPPED == 0 {
            self.decoded.sequences.truncate(sequences);
            self.decoded.qualities.truncate(qualities);
        }
        parts.sequence = sequences..self.decoded.sequences.len();
        parts.qualities = qualities..self.decoded.qualities.len();
        parts.cigar = cigars..self.decoded.cigars.len();
        let reversed = !self.header.qualities_in_sequence_order && parts.flag & REVERSE != 0;
        if reversed && let Some(qualities) = self.decoded.qualities.get_mut(parts.qualities.clone()) {
            qualities.reverse();
        }
        Ok(())
    }

    /// Reads the quality scores of all bases, where they are stored so, in place of those from `start` on.
    pub(super) fn read_stored_qualities(&mut self, parts: &Parts, start: usize) -> Result<(), Corrupt> {
        if parts.cram_flags & QUALITIES_ARE_STORED == 0 || parts.length == 0 {
            return Ok(());
        }
        self.decoded.qualities.truncate(start);
        let scores = self.header.series.number(Number::Quality)?;
        scores.bytes(&mut self.streams, parts.length, &mut self.decoded.qualities)
    }
}
