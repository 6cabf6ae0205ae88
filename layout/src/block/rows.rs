//! Which rows of a block a reader wants: ranges, ascending and disjoint.

use std::ops::Range;

/// Ranges of the rows of a block, ascending and disjoint.
///
/// # Examples
///
/// ```
/// use genomdb_layout::block::RowRanges;
///
/// let rows = RowRanges::from_mask([false, true, true, false, true]);
/// assert_eq!(rows.ranges(), [1..3, 4..5]);
/// assert_eq!(rows.len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRanges {
    total: usize,
    selected: usize,
    ranges: Vec<Range<usize>>,
}

impl RowRanges {
    /// Every row of a block of `total` rows.
    pub fn all(total: usize) -> Self {
        Self {
            total,
            selected: total,
            ranges: std::iter::once(0..total).filter(|rows| !rows.is_empty()).collect(),
        }
    }

    /// The rows whose mask is true; the mask has one item a row.
    pub fn from_mask(mask: impl IntoIterator<Item = bool>) -> Self {
        let mut rows = Self { total: 0, selected: 0, ranges: Vec::new() };
        for (row, keep) in mask.into_iter().enumerate() {
            rows.total = row + 1;
            if keep {
                rows.push(row..row + 1);
            }
        }
        rows
    }

    /// The rows of `ranges`, which must ascend and not overlap, in a block of `total` rows.
    ///
    /// # Panics
    ///
    /// If a range starts before the previous one's end, or ends after `total`.
    pub fn from_ranges(total: usize, ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut rows = Self { total, selected: 0, ranges: Vec::new() };
        for range in ranges {
            assert!(rows.ranges.last().is_none_or(|last| last.end <= range.start), "row ranges ascend");
            assert!(range.end <= total, "rows lie inside the block");
            if range.start < range.end {
                rows.push(range);
            }
        }
        rows
    }

    fn push(&mut self, range: Range<usize>) {
        self.selected += range.len();
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// Returns the number of rows of the block.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Returns the number of rows that are selected.
    pub fn len(&self) -> usize {
        self.selected
    }

    /// Tells whether no row is selected.
    pub fn is_empty(&self) -> bool {
        self.selected == 0
    }

    /// Tells whether every row is selected.
    pub fn is_all(&self) -> bool {
        self.selected == self.total
    }

    /// Returns the ranges, ascending and disjoint.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Iterates over the selected rows.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().flat_map(Clone::clone)
    }

    /// Returns the selected items of a column.
    ///
    /// # Panics
    ///
    /// If the column has fewer rows than the block.
    #[expect(
        clippy::indexing_slicing,
        reason = "ranges lie inside the block, whose row count each page is checked against"
    )]
    pub fn select<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        assert_eq!(values.len(), self.total, "a column has a value for each row");
        if self.is_all() {
            return values;
        }
        let mut selected = Vec::with_capacity(self.selected);
        self.ranges.iter().for_each(|range| selected.extend_from_slice(&values[range.clone()]));
        selected
    }
}
