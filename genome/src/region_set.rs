//! Many regions as one set: per contig sorted, merged, disjoint; it names contigs by number.

use std::collections::BTreeMap;

use crate::{ContigId, Interval};

/// Stretches of contigs, sorted and disjoint, and whether the unplaced records belong to it.
///
/// # Examples
///
/// ```
/// use genomdb_genome::{ContigId, Interval, RegionSet};
///
/// let chr1 = ContigId(0);
/// let interval = |start, end| Interval::new(start, end).unwrap();
/// let set = RegionSet::from_iter([(chr1, interval(5, 9)), (chr1, interval(0, 6)), (chr1, interval(20, 30))]);
/// assert_eq!(set.intervals(chr1), [interval(0, 9), interval(20, 30)]);
/// assert!(set.overlaps(chr1, interval(29, 31)));
/// assert!(!set.overlaps(chr1, interval(9, 20)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionSet {
    contigs: BTreeMap<ContigId, Vec<Interval>>,
    /// Whether records without a position belong to the set (region `*`).
    pub unplaced: bool,
}

impl RegionSet {
    /// Returns the stretches of a contig, sorted and disjoint.
    pub fn intervals(&self, contig: ContigId) -> &[Interval] {
        self.contigs.get(&contig).map_or(&[], Vec::as_slice)
    }

    /// Iterates over the contigs that have a stretch, in dictionary order.
    pub fn contigs(&self) -> impl Iterator<Item = (ContigId, &[Interval])> {
        self.contigs.iter().map(|(&contig, intervals)| (contig, intervals.as_slice()))
    }

    /// Tells whether nothing belongs to the set.
    pub fn is_empty(&self) -> bool {
        self.contigs.is_empty() && !self.unplaced
    }

    /// Tells whether an interval of a contig overlaps the set.
    pub fn overlaps(&self, contig: ContigId, interval: Interval) -> bool {
        let intervals = self.intervals(contig);
        let first = intervals.partition_point(|candidate| candidate.end() <= interval.start());
        intervals.get(first).is_some_and(|candidate| candidate.overlaps(interval))
    }

    /// Returns what belongs to both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut common = Self { contigs: BTreeMap::new(), unplaced: self.unplaced && other.unplaced };
        for (contig, intervals) in self.contigs() {
            for &mine in intervals {
                let theirs = other.intervals(contig);
                let first = theirs.partition_point(|candidate| candidate.end() <= mine.start());
                for &their in theirs.iter().skip(first).take_while(|their| their.start() < mine.end()) {
                    let both = Interval::new(mine.start().max(their.start()), mine.end().min(their.end()));
                    common.contigs.entry(contig).or_default().extend(both);
                }
            }
        }
        common
    }
}

impl FromIterator<(ContigId, Interval)> for RegionSet {
    fn from_iter<I: IntoIterator<Item = (ContigId, Interval)>>(regions: I) -> Self {
        let mut contigs: BTreeMap<ContigId, Vec<Interval>> = BTreeMap::new();
        for (contig, interval) in regions {
            contigs.entry(contig).or_default().push(interval);
        }
        for intervals in contigs.values_mut() {
            intervals.sort_unstable();
            intervals.dedup_by(|next, merged| {
                let joined = next.start() <= merged.end();
                if joined && next.end() > merged.end() {
                    *merged = Interval::new(merged.start(), next.end()).unwrap_or(*merged);
                }
                joined
            });
        }
        Self { contigs, unplaced: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intervals() -> impl Strategy<Value = Vec<(ContigId, Interval)>> {
        let one = (0..3_u32, 0..60_u64, 1..12_u64).prop_map(|(contig, start, length)| {
            (ContigId(contig), Interval::new(start, start + length).unwrap())
        });
        prop::collection::vec(one, 0..12)
    }

    fn holds(list: &[(ContigId, Interval)], contig: ContigId, position: u64) -> bool {
        list.iter().any(|&(c, i)| c == contig && i.start() <= position && position < i.end())
    }

    proptest! {
        #[test]
        fn agrees_with_every_base(left in intervals(), right in intervals()) {
            let set: RegionSet = left.iter().copied().collect();
            let both = set.intersection(&right.iter().copied().collect());
            for contig in (0..3).map(ContigId) {
                for position in 0..75 {
                    let base = Interval::new(position, position + 1).unwrap();
                    prop_assert_eq!(set.overlaps(contig, base), holds(&left, contig, position));
                    let expected = holds(&left, contig, position) && holds(&right, contig, position);
                    prop_assert_eq!(both.overlaps(contig, base), expected);
                }
                prop_assert!(set.intervals(contig).windows(2).all(|pair| pair[0].end() < pair[1].start()));
            }
        }
    }
}
