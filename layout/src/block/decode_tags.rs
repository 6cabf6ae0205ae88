//! Tags as Arrow arrays: each record's list of tags says which of a key's columns holds its value.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, Int64Array, ListArray, StringArray, types::Int32Type,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field as ArrowField};
use genomdb_genome::{
    alignment::tag::{self, TagKey, TagType, value_width},
    schema::alignment::{TagField, TagShape},
};

use super::{
    AlignmentBlockReader, Column, RowRanges, TagColumn,
    decode::{Texts, nulls, strings},
    float_text::float_text,
    reader::{get_or_try, offsets},
    tags::{LIST_LENGTH_MAX, number},
};
use crate::{
    LayoutError,
    cursor::Cursor,
    page::{Encoding, integers, names::put_decimal, texts::StringRows},
};

/// Which tags each row has.
#[derive(Debug)]
pub(super) struct TagLists {
    pub(super) columns: Vec<TagColumn>,
    pub(super) lists: Vec<Vec<u16>>,
    /// The list of each row; the number of lists for a row whose tags are raw.
    pub(super) rows: Vec<u32>,
}

/// The values of a tag column, in the order of the rows that have one.
#[derive(Debug)]
pub(super) enum TagValues {
    Numbers(Vec<i64>),
    Texts(StringRows),
    Arrays { offsets: Vec<u64>, elements: Vec<i64> },
}

/// One value of a tag.
#[derive(Clone, Copy, Debug)]
pub(super) enum TagValue<'a> {
    /// `A`, an integer, or the bits of a float.
    Number(i64),
    /// `Z` or `H`.
    Text(&'a [u8]),
    /// `B`: integers, or the bits of floats.
    Array(&'a [i64]),
}

impl TagLists {
    fn decode(cursor: &mut Cursor<'_>, rows: usize) -> Result<Self, LayoutError> {
        let count = cursor.count(5)?;
        let columns: Vec<TagColumn> = (0..count).map(|_| tag_column(cursor)).collect::<Result<_, _>>()?;
        let count = cursor.count(1)?;
        let mut lists = Vec::with_capacity(count);
        for _ in 0..count {
            let length = cursor.count(1)?;
            if length > LIST_LENGTH_MAX {
                return Err(cursor.corrupt("a list of tags is too long"));
            }
            let list: Vec<u16> = (0..length).map(|_| cursor.number(u16::MAX)).collect::<Result<_, _>>()?;
            if list.iter().any(|&column| usize::from(column) >= columns.len()) {
                return Err(cursor.corrupt("a list names no tag"));
            }
            lists.push(list);
        }
        let rows: Vec<u32> = integers::decode(cursor, rows)?;
        if rows.iter().any(|&list| list as usize > lists.len()) {
            return Err(cursor.corrupt("a row names no list of tags"));
        }
        Ok(Self { columns, lists, rows })
    }

    /// Returns the list of a row; `None` for a row whose tags are raw.
    pub(super) fn list(&self, row: usize) -> Option<&[u16]> {
        self.rows.get(row).and_then(|&list| self.lists.get(list as usize)).map(Vec::as_slice)
    }
}

pub(crate) fn tag_column(cursor: &mut Cursor<'_>) -> Result<TagColumn, LayoutError> {
    let [a, b, kind, element, occurrence] = cursor.array()?;
    let kind = match (kind, element) {
        (b'B', element) if element != b'A' && value_width(element).is_some() => TagType::Array(element),
        (b'Z' | b'H', 0) => TagType::Single(kind),
        (kind, 0) if value_width(kind).is_some() => TagType::Single(kind),
        _ => return Err(cursor.corrupt("a type of a tag is unknown")),
    };
    Ok(TagColumn { key: TagKey([a, b]), kind, occurrence })
}

impl TagValues {
    pub(super) fn get(&self, index: usize) -> Option<TagValue<'_>> {
        match self {
            Self::Numbers(numbers) => numbers.get(index).copied().map(TagValue::Number),
            Self::Texts(texts) => (index < texts.rows()).then(|| TagValue::Text(texts.get(index))),
            Self::Arrays { offsets, elements } => {
                let (&start, &end) = (offsets.get(index)?, offsets.get(index + 1)?);
                elements.get(start as usize..end as usize).map(TagValue::Array)
            }
        }
    }
}

impl AlignmentBlockReader {
    /// Returns a tag in the shape that its table gives it: the first tag of the key in each record.
    ///
    /// # Errors
    ///
    /// If a piece is missing or damaged, or a value is of a type that `field` does not hold.
    pub fn tag(&self, field: TagField, rows: &RowRanges) -> Result<ArrayRef, LayoutError> {
        if let Some(numbers) = self.whole_column(field, rows)? {
            return Ok(Arc::new(Int64Array::from(numbers)));
        }
        let mut sink = Sink::new(field.shape, rows.len());
        let mut misfit = false;
        self.walk_tag(field.key, rows, |value| misfit |= !sink.push(value))?;
        if misfit {
            return Err(self.corrupt(
                Column::TagLists,
                format_args!("a tag {} is of a type that the table does not know", field.key),
            ));
        }
        sink.finish(self)
    }

    /// Returns the integers of a tag that each record has once, as `NM` mostly is: no list need be looked at.
    fn whole_column(&self, field: TagField, rows: &RowRanges) -> Result<Option<Vec<i64>>, LayoutError> {
        let mut columns = self.entry.directory.tag_columns(field.key);
        let (Some(column), None) = (columns.next(), columns.next()) else {
            return Ok(None);
        };
        let is_integer = matches!(column.kind, TagType::Single(kind) if !b"AZHf".contains(&kind));
        let raw = self.entry.directory.page(Column::RawTags);
        if !is_integer || field.shape != TagShape::Integer || column.occurrence > 0 || raw.is_some() {
            return Ok(None);
        }
        match self.tag_values(column)? {
            // As many values as rows: a record has none of its key twice but in another column.
            TagValues::Numbers(numbers) if numbers.len() == rows.total() => Ok(Some(rows.select(numbers))),
            _ => Ok(None),
        }
    }

    /// Returns the text of the `RG` tag, each distinct one once.
    ///
    /// # Errors
    ///
    /// If a piece is missing or damaged.
    pub fn read_group(&self, rows: &RowRanges) -> Result<DictionaryArray<Int32Type>, LayoutError> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut keys: Vec<Option<i32>> = Vec::with_capacity(rows.len());
        let mut last: Option<usize> = None;
        self.walk_tag(TagKey(*b"RG"), rows, |value| {
            let Some((_, TagValue::Text(name))) = value else {
                return keys.push(None);
            };
            let same = last.filter(|&last| names.get(last).is_some_and(|known| known == name));
            let key = same.or_else(|| names.iter().position(|known| known == name)).unwrap_or_else(|| {
                names.push(name.to_vec());
                names.len() - 1
            });
            last = Some(key);
            keys.push(i32::try_from(key).ok());
        })?;
        let values: StringArray = names.iter().map(|name| Some(String::from_utf8_lossy(name))).collect();
        DictionaryArray::try_new(Int32Array::from(keys), Arc::new(values))
            .map_err(|error| self.corrupt(Column::TagLists, error))
    }

    /// Hands over the first tag of a key of each selected row.
    fn walk_tag(
        &self,
        key: TagKey,
        rows: &RowRanges,
        mut visit: impl FnMut(Option<(TagType, TagValue<'_>)>),
    ) -> Result<(), LayoutError> {
        let lists = self.tag_lists()?;
        let raw = self.raw_tags()?;
        let mut columns = Vec::new();
        for (number, column) in lists.columns.iter().enumerate().filter(|(_, column)| column.key == key) {
            let values = self.tag_values(*column)?;
            columns.push(KeyColumn { number: number as u16, kind: column.kind, values, next: 0 });
        }
        // Which of the key's columns a list holds, in the order of the list.
        let held: Vec<Vec<usize>> = lists
            .lists
            .iter()
            .map(|list| {
                list.iter()
                    .filter_map(|held| columns.iter().position(|column| column.number == *held))
                    .collect()
            })
            .collect();
        let mut raw_rows = 0..;
        let mut wanted = rows.iter().peekable();
        for (row, list) in lists.rows.iter().enumerate() {
            let is_wanted = wanted.next_if_eq(&row).is_some();
            let Some(held) = held.get(*list as usize) else {
                let bytes = raw.as_ref().zip(raw_rows.next()).map_or(&[][..], |(raw, row)| raw.get(row));
                if is_wanted {
                    visit_raw(bytes, key, &mut visit);
                }
                continue;
            };
            if is_wanted {
                let first = held.first().and_then(|&first| columns.get(first));
                let value =
                    first.map(|column| column.values.get(column.next).map(|value| (column.kind, value)));
                let missing = || self.corrupt(Column::TagLists, "a tag has fewer values than rows");
                visit(value.map(|value| value.ok_or_else(missing)).transpose()?);
            }
            held.iter()
                .for_each(|&column| columns.get_mut(column).into_iter().for_each(|column| column.next += 1));
        }
        Ok(())
    }

    pub(super) fn tag_lists(&self) -> Result<&TagLists, LayoutError> {
        let rows = self.rows();
        get_or_try(&self.lists, || {
            self.decode_column(Column::TagLists, |encoding, cursor| match encoding {
                Encoding::Integers => TagLists::decode(cursor, rows),
                _ => Err(cursor.corrupt("its encoding is not that of tag lists")),
            })
        })
    }

    pub(super) fn raw_tags(&self) -> Result<Option<StringRows>, LayoutError> {
        self.decode_page(Column::RawTags, strings)
    }

    pub(super) fn tag_values(&self, column: TagColumn) -> Result<TagValues, LayoutError> {
        let values =
            self.decode_page(Column::Tag(column), |encoding, rows, cursor| match (column.kind, encoding) {
                (TagType::Single(b'Z' | b'H'), encoding) => {
                    strings(encoding, rows, cursor).map(TagValues::Texts)
                }
                (TagType::Single(_), Encoding::Integers) => {
                    integers::decode(cursor, rows).map(TagValues::Numbers)
                }
                (TagType::Array(_), Encoding::Integers) => {
                    let counts: Vec<u32> = integers::decode(cursor, rows)?;
                    let offsets = offsets(counts.into_iter().map(u64::from));
                    let total = cursor.elements(offsets.last().copied().unwrap_or(0))?;
                    Ok(TagValues::Arrays { offsets, elements: integers::decode(cursor, total)? })
                }
                _ => Err(cursor.corrupt("its encoding is not that of its type")),
            })?;
        Ok(values.unwrap_or_else(|| TagValues::Numbers(Vec::new())))
    }
}

/// One of the columns of a key, and the value that comes next in it.
struct KeyColumn {
    number: u16,
    kind: TagType,
    values: TagValues,
    next: usize,
}

/// Finds the first tag of a key in the BAM bytes of a record's tags.
fn visit_raw(bytes: &[u8], key: TagKey, visit: &mut impl FnMut(Option<(TagType, TagValue<'_>)>)) {
    let found = tag::tags(bytes).flatten().find(|tag| tag.key == key);
    match found.map(|tag| (tag.kind, tag.value)) {
        None => visit(None),
        Some((kind @ TagType::Single(b'Z' | b'H'), value)) => visit(Some((kind, TagValue::Text(value)))),
        Some((kind @ TagType::Single(code), value)) => {
            visit(Some((kind, TagValue::Number(number(code, value)))))
        }
        Some((kind @ TagType::Array(code), value)) => {
            let width = value_width(code).unwrap_or(1);
            let elements: Vec<i64> = value.chunks_exact(width).map(|element| number(code, element)).collect();
            visit(Some((kind, TagValue::Array(&elements))));
        }
    }
}

/// An array of a tag's shape, being appended.
enum Sink {
    Integers(Vec<i64>, Vec<bool>),
    Floats(Vec<f32>, Vec<bool>),
    Texts(Texts),
    IntegerLists(Vec<i64>, Vec<i32>, Vec<bool>),
    FloatLists(Vec<f32>, Vec<i32>, Vec<bool>),
}

impl Sink {
    fn new(shape: TagShape, rows: usize) -> Self {
        let valid = Vec::with_capacity(rows);
        match shape {
            TagShape::Integer => Self::Integers(Vec::with_capacity(rows), valid),
            TagShape::Float => Self::Floats(Vec::with_capacity(rows), valid),
            TagShape::Text => Self::Texts(Texts::with_capacity(rows, rows * 8)),
            TagShape::Integers => Self::IntegerLists(Vec::new(), vec![0], valid),
            TagShape::Floats => Self::FloatLists(Vec::new(), vec![0], valid),
        }
    }

    /// Appends a value; false where the shape cannot hold it.
    fn push(&mut self, value: Option<(TagType, TagValue<'_>)>) -> bool {
        let end = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        match (self, value) {
            (Self::Integers(values, valid), value) => {
                let integer = |kind| !matches!(kind, TagType::Single(b'f' | b'A'));
                let (number, fits) = match value {
                    Some((kind, TagValue::Number(number))) => (number, integer(kind)),
                    other => (0, other.is_none()),
                };
                values.push(number);
                valid.push(value.is_some());
                fits
            }
            (Self::Floats(values, valid), value) => {
                let (bits, fits) = match value {
                    Some((TagType::Single(b'f'), TagValue::Number(bits))) => (bits as u32, true),
                    other => (0, other.is_none()),
                };
                values.push(f32::from_bits(bits));
                valid.push(value.is_some());
                fits
            }
            (Self::Texts(texts), value) => {
                value.inspect(|(kind, value)| put_text(*kind, *value, &mut texts.bytes));
                texts.end_row(value.is_some());
                true
            }
            (Self::IntegerLists(values, ends, valid), value) => {
                let (elements, fits) = match value {
                    Some((TagType::Array(kind), TagValue::Array(elements))) => (elements, kind != b'f'),
                    other => (&[][..], other.is_none()),
                };
                values.extend_from_slice(elements);
                ends.push(end(values.len()));
                valid.push(value.is_some());
                fits && values.len() <= i32::MAX as usize
            }
            (Self::FloatLists(values, ends, valid), value) => {
                let (elements, fits) = match value {
                    Some((TagType::Array(b'f'), TagValue::Array(elements))) => (elements, true),
                    other => (&[][..], other.is_none()),
                };
                values.extend(elements.iter().map(|&bits| f32::from_bits(bits as u32)));
                ends.push(end(values.len()));
                valid.push(value.is_some());
                fits && values.len() <= i32::MAX as usize
            }
        }
    }

    fn finish(self, reader: &AlignmentBlockReader) -> Result<ArrayRef, LayoutError> {
        let list =
            |values: ArrayRef, item, ends: Vec<i32>, valid: Vec<bool>| -> Result<ArrayRef, LayoutError> {
                let item = Arc::new(ArrowField::new("item", item, false));
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                let list = ListArray::try_new(item, ends, values, nulls(valid.into_iter()));
                list.map(|list| Arc::new(list) as ArrayRef)
                    .map_err(|error| reader.corrupt(Column::TagLists, error))
            };
        match self {
            Self::Integers(values, valid) => {
                Ok(Arc::new(Int64Array::new(values.into(), nulls(valid.into_iter()))))
            }
            Self::Floats(values, valid) => {
                Ok(Arc::new(Float32Array::new(values.into(), nulls(valid.into_iter()))))
            }
            Self::Texts(texts) => texts.finish_shared(reader, Column::TagLists),
            Self::IntegerLists(values, ends, valid) => {
                list(Arc::new(Int64Array::from(values)), DataType::Int64, ends, valid)
            }
            Self::FloatLists(values, ends, valid) => {
                list(Arc::new(Float32Array::from(values)), DataType::Float32, ends, valid)
            }
        }
    }
}

/// Appends a value as SAM writes it.
fn put_text(kind: TagType, value: TagValue<'_>, out: &mut Vec<u8>) {
    match (kind, value) {
        (_, TagValue::Text(text)) => out.extend_from_slice(text),
        (TagType::Single(b'A'), TagValue::Number(letter)) => out.push(letter as u8),
        (TagType::Single(kind) | TagType::Array(kind), TagValue::Number(number)) => {
            put_number(kind, number, out)
        }
        (TagType::Single(kind) | TagType::Array(kind), TagValue::Array(elements)) => {
            out.push(kind);
            for &element in elements {
                out.push(b',');
                put_number(kind, element, out);
            }
        }
    }
}

fn put_number(kind: u8, number: i64, out: &mut Vec<u8>) {
    if kind == b'f' {
        // C's %g, as samtools writes floats.
        let value = f32::from_bits(number as u32);
        out.extend_from_slice(float_text(value).as_bytes());
        return;
    }
    if number < 0 {
        out.push(b'-');
    }
    put_decimal(number.unsigned_abs(), out);
}
