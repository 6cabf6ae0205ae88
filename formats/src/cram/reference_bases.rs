//! The reference bases that a record's alignment covers, wherever they come from.

use std::sync::Arc;

use super::{Shared, corrupt::Broken};
use crate::reference::{CHUNK_BASES, Reference};

/// A source of reference bases for the records of a slice.
pub(super) enum ReferenceBases<'s> {
    /// The bases are all in the records.
    None,
    /// A block of the slice; its first base is at `start`, 1-based, of the slice's contig.
    Embedded {
        /// Where the block starts on the contig.
        start: i64,
        /// The bases.
        bases: &'s [u8],
    },
    /// The FASTA, on one contig.
    External(External),
    /// The FASTA, not asked yet: the slice lies on several contigs.
    Several,
}

/// One contig of the FASTA.
pub(super) struct External {
    reference: Arc<Reference>,
    contig: i32,
    /// Where the slice ends; nothing after it was checked against the slice's MD5.
    end: u64,
    /// The chunk used last, for the next record most likely lies on it too.
    chunk: Option<(u64, Arc<[u8]>)>,
}

impl<'s> ReferenceBases<'s> {
    pub(super) fn external(reference: Arc<Reference>, contig: i32, end: u64) -> Self {
        Self::External(External { reference, contig, end, chunk: None })
    }

    /// Tells whether there are reference bases at all; else the records hold what is known.
    pub(super) fn exist(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Turns to the contig of a record of a slice on several contigs.
    pub(super) fn turn_to(&mut self, shared: &Shared, contig: i32) -> Result<(), Broken> {
        let turns = match self {
            Self::Several => true,
            Self::External(external) => external.contig != contig,
            Self::None | Self::Embedded { .. } => false,
        };
        if turns {
            let reference = shared.reference_of(contig)?.clone();
            let end = reference.length_of(contig).map_err(Broken::Reference)?;
            *self = Self::external(reference, contig, end);
        }
        Ok(())
    }

    /// Tells whether `position`, 0-based, is before the end of what is known.
    pub(super) fn reach(&self, position: i64) -> bool {
        match self {
            Self::None | Self::Several => false,
            Self::Embedded { start, bases } => position - (start - 1) < bases.len().cast_signed() as i64,
            Self::External(external) => u64::try_from(position).is_ok_and(|position| position < external.end),
        }
    }

    /// Appends the bases of `start..start + length`, 0-based, to `out`.
    pub(super) fn append(&mut self, start: i64, length: i64, out: &mut Vec<u8>) -> Result<(), Broken> {
        let beyond = || Broken::from("the alignment extends beyond the reference bases of its slice");
        match self {
            Self::None | Self::Several => Err(beyond()),
            Self::Embedded { start: first, bases } => {
                let from = usize::try_from(start - (*first - 1)).map_err(|_| beyond())?;
                let to = usize::try_from(length).ok().and_then(|length| from.checked_add(length));
                out.extend_from_slice(to.and_then(|to| bases.get(from..to)).ok_or_else(beyond)?);
                Ok(())
            }
            Self::External(external) => {
                let start = u64::try_from(start).map_err(|_| beyond())?;
                let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
                let end = end.filter(|&end| end <= external.end).ok_or_else(beyond)?;
                external.append(start, end, out).map_err(Broken::Reference)
            }
        }
    }
}

impl External {
    fn append(&mut self, start: u64, end: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let mut position = start;
        while position < end {
            let number = position / CHUNK_BASES;
            let chunk = match self.chunk.take() {
                Some((last, chunk)) if last == number => chunk,
                _ => self.reference.chunk(self.contig, number)?,
            };
            let from = (position % CHUNK_BASES) as usize;
            let stop = end.min((number + 1) * CHUNK_BASES);
            let to = from + (stop - position) as usize;
            let bases = chunk.get(from..to).ok_or("the reference is shorter than its index says")?;
            out.extend_from_slice(bases);
            self.chunk = Some((number, chunk));
            position = stop;
        }
        Ok(())
    }
}
