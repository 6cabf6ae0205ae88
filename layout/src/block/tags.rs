//! The tags of a block being built: each record's list of tags, and the values of each tag.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use genomdb_genome::alignment::tag::{self, TagKey, TagType, value_width};

use super::{Column, TagColumn};
use crate::{
    cursor::put_varint,
    page::{
        self, Encoding,
        integers::{self, Order},
        texts::{self, Scratch, Strings},
    },
};

/// More columns than this in a block, and a record's tags are stored as they are.
const COLUMNS_MAX: usize = 256;
/// More distinct lists than this in a block, and a record's tags are stored as they are.
const LISTS_MAX: usize = 4_096;
/// A list longer than this is stored as it is.
pub(super) const LIST_LENGTH_MAX: usize = 1_024;

/// The tags of a block being built.
#[derive(Debug, Default)]
pub(super) struct Tags {
    columns: Vec<(TagColumn, Values)>,
    lists: Vec<Vec<u16>>,
    numbers: HashMap<Vec<u16>, u32>,
    /// The list of each row; the number of lists, whatever it grows to, is written for a raw row.
    rows: Vec<Option<u32>>,
    raw: Strings,
    seen: BTreeSet<(TagKey, TagType)>,
    current: Vec<(u16, Range<usize>)>,
    last: Option<u32>,
}

/// The values of a tag, in row order.
#[derive(Debug)]
enum Values {
    Numbers(Vec<i64>),
    Texts(Strings),
    Arrays { counts: Vec<i64>, elements: Vec<i64> },
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
            Self::Arrays { counts, .. } => counts.len(),
        }
    }
}

impl Tags {
    /// Appends the tags of a record.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut current = std::mem::take(&mut self.current);
        let number = self.resolve(bytes, &mut current);
        match number {
            Some(_) => {
                current.iter().for_each(|(column, value)| self.push_value(*column, bytes, value.clone()))
            }
            None => {
                self.raw.push(bytes);
                self.seen.extend(tag::tags(bytes).flatten().map(|tag| (tag.key, tag.kind)));
            }
        }
        self.rows.push(number);
        self.current = current;
    }

    /// Finds the columns of a record's tags, and the number of their list; `None` where it stays raw.
    fn resolve(&mut self, bytes: &[u8], current: &mut Vec<(u16, Range<usize>)>) -> Option<u32> {
        current.clear();
        let guess = self.last.and_then(|last| self.lists.get(last as usize).map(|list| (last, list)));
        // Most records have the tags of the one before: then no search is needed.
        let mut same = guess.is_some();
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let (tag, tail) = tag_at(rest)?;
            let value = offset + tag.value.start..offset + tag.value.end;
            let expected = guess.filter(|_| same).and_then(|(_, list)| list.get(current.len()).copied());
            let expected = expected.filter(|&column| {
                self.columns
                    .get(usize::from(column))
                    .is_some_and(|(known, _)| known.key == tag.key && known.kind == tag.kind)
            });
            same &= expected.is_some();
            let column = match expected {
                Some(column) => column,
                None => find_column(&mut self.columns, current, tag.key, tag.kind)?,
            };
            if current.len() == LIST_LENGTH_MAX {
                return None;
            }
            current.push((column, value));
            rest = tail;
        }
        if let Some((last, list)) = guess
            && same
            && list.len() == current.len()
        {
            return Some(last);
        }
        self.last = self.number(current);
        self.last
    }

    fn number(&mut self, current: &[(u16, Range<usize>)]) -> Option<u32> {
        let list: Vec<u16> = current.iter().map(|&(column, _)| column).collect();
        if let Some(&number) = self.numbers.get(&list) {
            return Some(number);
        }
        if self.lists.len() == LISTS_MAX {
            return None;
        }
        let number = self.lists.len() as u32;
        self.lists.push(list.clone());
        self.numbers.insert(list, number);
        Some(number)
    }

    fn push_value(&mut self, column: u16, bytes: &[u8], value: Range<usize>) {
        let value = bytes.get(value).unwrap_or_default();
        let Some((column, values)) = self.columns.get_mut(usize::from(column)) else {
            return;
        };
        match (values, column.kind) {
            (Values::Numbers(numbers), TagType::Single(kind)) => numbers.push(number(kind, value)),
            (Values::Texts(texts), _) => texts.push(value),
            (Values::Arrays { counts, elements }, TagType::Array(kind)) => {
                let width = value_width(kind).unwrap_or(1);
                counts.push((value.len() / width) as i64);
                elements.extend(value.chunks_exact(width).map(|element| number(kind, element)));
            }
            (Values::Numbers(_) | Values::Arrays { .. }, _) => unreachable!("a column's values fit its type"),
        }
    }

    /// Hands over every page, the lists first, and forgets the block.
    pub(super) fn finish(
        &mut self,
        scratch: &mut Scratch,
        level: i32,
        mut page: impl FnMut(Column, Vec<u8>),
    ) {
        let mut out = Vec::new();
        let rows = self.rows.len();
        page::write(&mut out, Encoding::Integers, rows, |out| self.encode_lists(out));
        page(Column::TagLists, out);
        if self.raw.len() > 0 {
            let mut out = Vec::new();
            page::write(&mut out, Encoding::Texts, self.raw.len(), |out| {
                texts::encode(&self.raw, level, scratch, out)
            });
            page(Column::RawTags, out);
        }
        // A column may stand without a value: the record that made it was stored raw after all.
        for (column, values) in self.columns.iter().filter(|(_, values)| values.len() > 0) {
            let mut out = Vec::new();
            match values {
                Values::Numbers(numbers) => page::write(&mut out, Encoding::Integers, numbers.len(), |out| {
                    integers::encode(numbers, Order::None, out);
                }),
                Values::Texts(strings) => page::write(&mut out, Encoding::Texts, strings.len(), |out| {
                    texts::encode(strings, level, scratch, out);
                }),
                Values::Arrays { counts, elements } => {
                    page::write(&mut out, Encoding::Integers, counts.len(), |out| {
                        integers::encode(counts, Order::None, out);
                        integers::encode(elements, Order::None, out);
                    })
                }
            }
            page(Column::Tag(*column), out);
        }
        self.columns.clear();
        self.lists.clear();
        self.numbers.clear();
        self.rows.clear();
        self.raw.clear();
        self.last = None;
    }

    /// Returns every key with each exact type seen, of the block that is being finished, and forgets them.
    pub(super) fn take_seen(&mut self) -> Vec<(TagKey, TagType)> {
        self.seen.extend(self.columns.iter().map(|(column, _)| (column.key, column.kind)));
        std::mem::take(&mut self.seen).into_iter().collect()
    }

    fn encode_lists(&self, out: &mut Vec<u8>) {
        put_varint(out, self.columns.len() as u64);
        for (column, _) in &self.columns {
            put_tag_column(out, *column);
        }
        put_varint(out, self.lists.len() as u64);
        for list in &self.lists {
            put_varint(out, list.len() as u64);
            list.iter().for_each(|&column| put_varint(out, u64::from(column)));
        }
        let raw = self.lists.len() as i64;
        let numbers: Vec<i64> = self.rows.iter().map(|row| row.map_or(raw, i64::from)).collect();
        integers::encode(&numbers, Order::None, out);
    }
}

pub(crate) fn put_tag_column(out: &mut Vec<u8>, column: TagColumn) {
    out.extend_from_slice(&column.key.0);
    match column.kind {
        TagType::Single(kind) => out.extend_from_slice(&[kind, 0]),
        TagType::Array(element) => out.extend_from_slice(&[b'B', element]),
    }
    out.push(column.occurrence);
}

/// Finds the column of a tag, or makes one; `None` beyond the limits.
fn find_column(
    columns: &mut Vec<(TagColumn, Values)>,
    current: &[(u16, Range<usize>)],
    key: TagKey,
    kind: TagType,
) -> Option<u16> {
    let before = current.iter().filter(|(column, _)| {
        columns.get(usize::from(*column)).is_some_and(|(known, _)| known.key == key && known.kind == kind)
    });
    let wanted = TagColumn { key, kind, occurrence: u8::try_from(before.count()).ok()? };
    if let Some(column) = columns.iter().position(|(known, _)| *known == wanted) {
        return u16::try_from(column).ok();
    }
    if columns.len() == COLUMNS_MAX {
        return None;
    }
    let values = match kind {
        TagType::Single(b'Z' | b'H') => Values::Texts(Strings::default()),
        TagType::Single(_) => Values::Numbers(Vec::new()),
        TagType::Array(_) => Values::Arrays { counts: Vec::new(), elements: Vec::new() },
    };
    columns.push((wanted, values));
    u16::try_from(columns.len() - 1).ok()
}

/// A tag at the front of bytes, its value as a range of them.
struct TagAt {
    key: TagKey,
    kind: TagType,
    value: Range<usize>,
}

/// Splits the first tag off; `None` where the bytes are malformed.
fn tag_at(bytes: &[u8]) -> Option<(TagAt, &[u8])> {
    let (&[a, b, kind], rest) = bytes.split_first_chunk::<3>()?;
    let (kind, value, end) = match kind {
        b'Z' | b'H' => {
            let length = rest.iter().position(|&byte| byte == 0)?;
            (TagType::Single(kind), 3..3 + length, 4 + length)
        }
        b'B' => {
            let (&[element, c0, c1, c2, c3], _) = rest.split_first_chunk::<5>()?;
            let width = value_width(element).filter(|_| element != b'A')?;
            let count = usize::try_from(u32::from_le_bytes([c0, c1, c2, c3])).ok()?;
            let end = count.checked_mul(width)?.checked_add(8)?;
            (TagType::Array(element), 8..end, end)
        }
        _ => {
            let end = 3 + value_width(kind)?;
            (TagType::Single(kind), 3..end, end)
        }
    };
    Some((TagAt { key: TagKey([a, b]), kind, value }, bytes.get(end..)?))
}

/// Reads the bytes of a number, or the bits of a float, as its type says.
pub(super) fn number(kind: u8, bytes: &[u8]) -> i64 {
    match (kind, bytes) {
        (b'c', &[a]) => i64::from(a.cast_signed()),
        (b's', &[a, b]) => i64::from(i16::from_le_bytes([a, b])),
        (b'S', &[a, b]) => i64::from(u16::from_le_bytes([a, b])),
        (b'i', &[a, b, c, d]) => i64::from(i32::from_le_bytes([a, b, c, d])),
        (_, &[a, b, c, d]) => i64::from(u32::from_le_bytes([a, b, c, d])),
        (_, &[a, ..]) => i64::from(a),
        (_, &[]) => 0,
    }
}
