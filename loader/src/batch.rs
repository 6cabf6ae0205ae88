//! Records on their way through a load, with their ordinals; what orders them.

use std::sync::{Arc, Mutex, PoisonError};

use genomdb_genome::{ContigId, alignment::Records};

/// Some records and the number of each in its file.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Records,
    pub(crate) ordinals: Ordinals,
}

/// The ordinals of a batch.
#[derive(Debug)]
pub(crate) enum Ordinals {
    /// In file order: the first one; the others follow.
    From(u64),
    /// After a sort: one for each record.
    Listed(Vec<u64>),
}

impl Default for Ordinals {
    fn default() -> Self {
        Self::From(0)
    }
}

impl Ordinals {
    /// Returns the ordinal of the record at `index`.
    #[expect(clippy::indexing_slicing, reason = "a list has one ordinal for each record of its batch")]
    pub(crate) fn get(&self, index: usize) -> u64 {
        match self {
            Self::From(first) => first + index as u64,
            Self::Listed(list) => list[index],
        }
    }
}

/// Memory of batches that are done with, for the next ones: a fresh arena costs a page fault every 4 KiB.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Records>>);

impl Pool {
    /// More than this are not kept.
    const BATCHES_MAX: usize = 16;

    /// Returns empty records.
    pub(crate) fn take(&self) -> Records {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps the memory of a batch if nobody else holds it.
    pub(crate) fn put(&self, batch: Arc<Batch>) {
        let Some(Batch { mut records, .. }) = Arc::into_inner(batch) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Self::BATCHES_MAX {
            records.clear();
            kept.push(records);
        }
    }
}

/// Where a record lies; the order of these is the order of a source's blocks: contigs as the table's
/// dictionary has them, unplaced records last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    contig: u32,
    start: i64,
}

impl Place {
    /// Below every other place.
    pub(crate) const FIRST: Self = Self { contig: 0, start: i64::MIN };

    /// Returns the place of the record at `index`.
    pub(crate) fn of(records: &Records, index: usize) -> Self {
        let (contig, start) = records.place(index);
        Self::new(contig, start)
    }

    pub(crate) fn new(contig: Option<ContigId>, start: i64) -> Self {
        // No dictionary gives the number u32::MAX away (`Contigs::push`).
        Self { contig: contig.map_or(u32::MAX, |ContigId(id)| id), start }
    }

    /// Packs the place above 32 bits of the caller's, in the same order.
    pub(crate) fn pack(self, low: u32) -> u128 {
        let start = self.start.cast_unsigned() ^ (1 << 63);
        u128::from(self.contig) << 96 | u128::from(start) << 32 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_places_keep_their_order(
            a in any::<(Option<u32>, i64, u32)>(),
            b in any::<(Option<u32>, i64, u32)>(),
        ) {
            let place = |(contig, start, _): (Option<u32>, i64, u32)| {
                Place::new(contig.filter(|&id| id != u32::MAX).map(ContigId), start)
            };
            let plain = (place(a), a.2).cmp(&(place(b), b.2));
            prop_assert_eq!(plain, place(a).pack(a.2).cmp(&place(b).pack(b.2)));
        }
    }
}
