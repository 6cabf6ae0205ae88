//! Where each page of a block lies: its group, and its bytes in the group.

use std::collections::BTreeSet;

use super::{Column, ColumnGroup, TagColumn, pieces};
use genomdb_genome::alignment::tag::TagKey;

/// Where the pages of a block lie, in the order in which their groups hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageDirectory {
    pages: Vec<PageLocation>,
}

/// Where a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLocation {
    /// The page's column.
    pub column: Column,
    /// The group in which it lies.
    pub group: ColumnGroup,
    /// Its first byte in the group.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// A piece of a block: with the block's own parts, a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The column group.
    pub group: ColumnGroup,
    /// The number of the piece in its group.
    pub number: u16,
}

impl PageDirectory {
    /// Appends a page behind the last one of its group; groups come in ascending order.
    pub(crate) fn push(&mut self, column: Column, group: ColumnGroup, length: u32) {
        let last = self.pages.last().filter(|last| last.group == group);
        let offset = last.map_or(0, |last| last.offset.saturating_add(last.length));
        self.pages.push(PageLocation { column, group, offset, length });
    }

    /// Returns every page.
    pub fn pages(&self) -> &[PageLocation] {
        &self.pages
    }

    /// Returns where the page of a column lies; `None` where the block has none.
    pub fn page(&self, column: Column) -> Option<PageLocation> {
        self.pages.iter().copied().find(|page| page.column == column)
    }

    /// Iterates over the tag columns of a key.
    pub fn tag_columns(&self, key: TagKey) -> impl Iterator<Item = TagColumn> + '_ {
        self.tags().filter(move |tag| tag.key == key)
    }

    /// Iterates over every tag column.
    pub fn tags(&self) -> impl Iterator<Item = TagColumn> + '_ {
        self.pages.iter().filter_map(|page| match page.column {
            Column::Tag(tag) => Some(tag),
            _ => None,
        })
    }

    /// Returns the bytes of a group.
    pub fn group_bytes(&self, group: ColumnGroup) -> u64 {
        self.pages.iter().filter(|page| page.group == group).map(|page| u64::from(page.length)).sum()
    }

    /// Returns the bytes of every page.
    pub fn total_bytes(&self) -> u64 {
        self.pages.iter().map(|page| u64::from(page.length)).sum()
    }

    /// Returns every piece of the block, ascending.
    pub fn all_pieces(&self) -> Vec<Piece> {
        self.pieces(self.pages.iter().map(|page| page.column))
    }

    /// Returns the pieces that hold the pages of `columns`, ascending; columns without a page add none.
    pub fn pieces(&self, columns: impl IntoIterator<Item = Column>) -> Vec<Piece> {
        let mut found = BTreeSet::new();
        for page in columns.into_iter().filter_map(|column| self.page(column)) {
            found.extend(self.pieces_of(page).map(|number| Piece { group: page.group, number }));
        }
        found.into_iter().collect()
    }

    /// Returns the bytes of a piece; 0 for one that the block does not have.
    pub fn piece_bytes(&self, piece: Piece) -> usize {
        let length = usize::try_from(self.group_bytes(piece.group)).unwrap_or(usize::MAX);
        pieces::ranges(length).get(usize::from(piece.number)).map_or(0, std::ops::Range::len)
    }

    fn pieces_of(&self, page: PageLocation) -> impl Iterator<Item = u16> + use<> {
        let group = usize::try_from(self.group_bytes(page.group)).unwrap_or(usize::MAX);
        let start = page.offset as usize;
        let end = start + page.length as usize;
        let ranges = pieces::ranges(group).into_iter().zip(0_u16..);
        ranges.filter(move |(range, _)| range.start < end && start < range.end).map(|(_, number)| number)
    }
}
