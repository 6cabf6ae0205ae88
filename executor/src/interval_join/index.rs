//! An index of the pairs `(low, high)` of one contig: which of them lie so that `low < end && start < high`?

/// Pairs sorted by their low ends, as an implicit balanced tree with the largest high end of each subtree.
#[derive(Debug, Default)]
pub(super) struct IntervalIndex {
    lows: Vec<i64>,
    highs: Vec<i64>,
    /// For the node in the middle of each subtree, the largest high end of the subtree.
    high_max: Vec<i64>,
    rows: Vec<u32>,
}

impl IntervalIndex {
    pub(super) fn new(mut pairs: Vec<(i64, i64, u32)>) -> Self {
        pairs.sort_unstable();
        let mut index = Self {
            lows: pairs.iter().map(|pair| pair.0).collect(),
            highs: pairs.iter().map(|pair| pair.1).collect(),
            high_max: pairs.iter().map(|pair| pair.1).collect(),
            rows: pairs.iter().map(|pair| pair.2).collect(),
        };
        index.set_high_max(0, pairs.len());
        index
    }

    fn set_high_max(&mut self, from: usize, to: usize) -> i64 {
        if from >= to {
            return i64::MIN;
        }
        let middle = from + (to - from) / 2;
        let below = self.set_high_max(from, middle).max(self.set_high_max(middle + 1, to));
        let Some(node) = self.high_max.get_mut(middle) else { return below };
        *node = below.max(*node);
        *node
    }

    /// Every pair, in order of low ends.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.lows.iter().copied().zip(self.highs.iter().copied())
    }

    /// Calls `found` with the row of each pair for which `low < end && start < high`, in order of low ends.
    pub(super) fn query(&self, start: i64, end: i64, found: &mut impl FnMut(u32)) {
        // Pairs from here on begin too late.
        let to = self.lows.partition_point(|&low| low < end);
        self.visit(0, self.lows.len(), to, start, found);
    }

    fn visit(&self, from: usize, to: usize, limit: usize, start: i64, found: &mut impl FnMut(u32)) {
        if from >= to || from >= limit {
            return;
        }
        let middle = from + (to - from) / 2;
        if self.high_max.get(middle).is_none_or(|&high| high <= start) {
            return;
        }
        self.visit(from, middle, limit, start, found);
        if middle >= limit {
            return;
        }
        if let (Some(&high), Some(&row)) = (self.highs.get(middle), self.rows.get(middle))
            && start < high
        {
            found(row);
        }
        self.visit(middle + 1, to, limit, start, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_brute_force(
            pairs in prop::collection::vec((-5_i64..60, -5_i64..60), 0..40),
            start in -6_i64..62,
            end in -6_i64..62,
        ) {
            let rows: Vec<_> = pairs.iter().zip(0_u32..).map(|(&(low, high), row)| (low, high, row)).collect();
            let mut found = Vec::new();
            IntervalIndex::new(rows.clone()).query(start, end, &mut |row| found.push(row));
            found.sort_unstable();
            let expected: Vec<u32> =
                rows.iter().filter(|(low, high, _)| *low < end && start < *high).map(|row| row.2).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
