//! Which rows a filter can keep, by where they lie: regions that every row on which it is true overlaps.
//!
//! The filter itself is evaluated on every row that is read; a [`Reach`] only tells which blocks need not
//! be. It may reach too far, never too short (PLAN-1).

use genomdb_genome::{ContigId, Contigs, Interval, RegionSet};

/// Beyond this many pairs of stretches of one contig, `AND` keeps the shorter side as it is.
const PAIRS_MAX: usize = 4096;

/// Where the rows on which a filter is true may lie.
///
/// A whole contig is [`Interval::ALL`]; it holds the contig's records without a position, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Anywhere, placed or not.
    Everything,
    /// In these stretches of any contig; unplaced rows are not reached.
    AnyContig(Vec<Interval>),
    /// In these regions.
    Regions(RegionSet),
}

impl Reach {
    /// Nothing at all.
    pub(crate) fn nothing() -> Self {
        Self::Regions(RegionSet::default())
    }

    /// The rows without a contig.
    pub(crate) fn unplaced() -> Self {
        let mut set = RegionSet::default();
        set.unplaced = true;
        Self::Regions(set)
    }

    /// One whole contig.
    pub(crate) fn contig(contig: ContigId) -> Self {
        Self::Regions(RegionSet::from_iter([(contig, Interval::ALL)]))
    }

    /// Where a row can lie on which one of many filters is true.
    pub(crate) fn any(reaches: Vec<Self>, contigs: &Contigs) -> Self {
        if reaches.contains(&Self::Everything) {
            return Self::Everything;
        }
        let (mut anywhere, mut placed, mut unplaced) = (Vec::new(), Vec::new(), false);
        for reach in reaches {
            match reach {
                Self::AnyContig(list) => anywhere.extend(list),
                Self::Regions(set) => {
                    unplaced |= set.unplaced;
                    placed.extend(
                        set.contigs().flat_map(|(contig, list)| list.iter().map(move |&i| (contig, i))),
                    );
                }
                Self::Everything => return Self::Everything,
            }
        }
        if placed.is_empty() && !unplaced && !anywhere.is_empty() {
            return Self::AnyContig(anywhere);
        }
        let spread = Self::AnyContig(anywhere).spread(contigs);
        placed.extend(spread.contigs().flat_map(|(contig, list)| list.iter().map(move |&i| (contig, i))));
        let mut set: RegionSet = placed.into_iter().collect();
        set.unplaced = unplaced;
        Self::Regions(set)
    }

    /// Where a row can lie on which both of two filters are true.
    ///
    /// That is not the intersection: a row may overlap two stretches that do not touch. It then covers the
    /// gap between them, and so the last base of the first.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, reach) | (reach, Self::Everything) => reach,
            (Self::AnyContig(mine), Self::AnyContig(theirs)) => {
                Self::AnyContig(overlapping_both(&mine, &theirs))
            }
            (Self::AnyContig(list), Self::Regions(set)) | (Self::Regions(set), Self::AnyContig(list)) => {
                let both = set.contigs().flat_map(|(contig, mine)| {
                    overlapping_both(mine, &list).into_iter().map(move |interval| (contig, interval))
                });
                Self::Regions(both.collect())
            }
            (Self::Regions(mine), Self::Regions(theirs)) => {
                let both = mine.contigs().flat_map(|(contig, list)| {
                    overlapping_both(list, theirs.intervals(contig))
                        .into_iter()
                        .map(move |interval| (contig, interval))
                });
                let mut set: RegionSet = both.collect();
                set.unplaced = mine.unplaced && theirs.unplaced;
                Self::Regions(set)
            }
        }
    }

    /// Returns the regions, `None` for everything.
    pub(crate) fn regions(self, contigs: &Contigs) -> Option<RegionSet> {
        match self {
            Self::Everything => None,
            reach => Some(reach.spread(contigs)),
        }
    }

    fn spread(self, contigs: &Contigs) -> RegionSet {
        let everywhere = |intervals: &[Interval]| -> RegionSet {
            let ids = (0..u32::try_from(contigs.len()).unwrap_or(u32::MAX)).map(ContigId);
            ids.flat_map(|contig| intervals.iter().map(move |&interval| (contig, interval))).collect()
        };
        match self {
            Self::Regions(set) => set,
            Self::AnyContig(intervals) => everywhere(&intervals),
            Self::Everything => {
                let mut set = everywhere(&[Interval::ALL]);
                set.unplaced = true;
                set
            }
        }
    }
}

fn overlapping_both(left: &[Interval], right: &[Interval]) -> Vec<Interval> {
    if left.len().saturating_mul(right.len()) > PAIRS_MAX {
        return if left.len() < right.len() { left.to_vec() } else { right.to_vec() };
    }
    let pairs = left.iter().flat_map(|&mine| right.iter().map(move |&theirs| (mine, theirs)));
    pairs.filter_map(|(mine, theirs)| common_bases(mine, theirs)).collect()
}

/// Returns bases of which every row that overlaps both intervals covers at least one.
fn common_bases(left: Interval, right: Interval) -> Option<Interval> {
    if left.start() == left.end() || right.start() == right.end() {
        return None;
    }
    let (start, end) = (left.start().max(right.start()), left.end().min(right.end()));
    match Interval::new(start, end) {
        Ok(shared) if shared.start() < shared.end() => Some(shared),
        // `end` is where the first of the two ends; its last base lies before it.
        _ => Interval::new(end - 1, end).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: u64, end: u64) -> Interval {
        Interval::new(start, end).unwrap()
    }

    #[test]
    fn a_row_over_a_gap_is_reached() {
        let reach =
            Reach::AnyContig(vec![interval(5000, 9000)]).and(Reach::AnyContig(vec![interval(0, 2000)]));
        let Reach::AnyContig(list) = reach else { panic!("both sides name no contig") };
        let row = interval(1500, 6000);
        assert!(list.iter().any(|stretch| stretch.overlaps(row)), "{list:?}");
    }

    #[test]
    fn and_is_sound_for_all_small_intervals() {
        let all = || (0..6_u64).flat_map(|s| (s + 1..7).map(move |e| interval(s, e)));
        for left in all() {
            for right in all() {
                let both = overlapping_both(&[left], &[right]);
                for row in all().filter(|row| row.overlaps(left) && row.overlaps(right)) {
                    assert!(both.iter().any(|stretch| stretch.overlaps(row)), "{left} {right} {row}");
                }
            }
        }
    }
}
