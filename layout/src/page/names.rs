//! QNAME: what differs between names that are built alike, column by column.
//!
//! Sequencers name reads `instrument:run:flowcell:lane:tile:x:y`: a name is cut into *fields* at every byte
//! that is no letter or digit; a field of numbers becomes a column of numbers. The second record of a template
//! takes the name of the first. Names that are built otherwise lie apart, as they are.

mod encode;

pub(crate) use encode::encode;

use super::{integers, texts::StringRows};
use crate::{LayoutError, cursor::Cursor};

/// A name of more fields lies apart.
const FIELDS_MAX: usize = 32;
const NUMBERS: u8 = 0;
const TEXTS: u8 = 1;

/// The names of a block read back.
#[derive(Debug)]
pub(crate) struct Names {
    /// Which of the stored names each row has.
    owners: Vec<u32>,
    /// The stored names that lie apart, ascending.
    apart: Vec<u32>,
    apart_names: StringRows,
    /// What stands between the fields.
    delimiters: Vec<u8>,
    fields: Vec<Column>,
}

/// A field of every stored name that does not lie apart.
#[derive(Debug)]
enum Column {
    Numbers(Vec<i64>),
    Texts(StringRows),
}

impl Names {
    /// Reads `rows` names.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, rows: usize) -> Result<Self, LayoutError> {
        let distances: Vec<u32> = integers::decode(cursor, rows)?;
        let mut owners: Vec<u32> = Vec::with_capacity(rows);
        let mut stored = 0;
        for (row, &distance) in distances.iter().enumerate() {
            let owner = match row.checked_sub(distance as usize) {
                Some(_) if distance == 0 => {
                    stored += 1;
                    Some(stored - 1)
                }
                Some(earlier) => owners.get(earlier).copied(),
                None => None,
            };
            owners.push(owner.ok_or_else(|| cursor.corrupt("a row names no earlier one"))?);
        }
        let apart_count = cursor.number(stored as usize)?;
        let apart: Vec<u32> = integers::decode(cursor, apart_count)?;
        if !apart.array_windows().all(|[left, right]| left < right)
            || apart.last().is_some_and(|&last| last >= stored)
        {
            return Err(cursor.corrupt("its names apart are not in order"));
        }
        let apart_names = StringRows::decode(cursor, apart_count)?;
        let delimiters = cursor.bytes()?.to_vec();
        if delimiters.len() >= FIELDS_MAX {
            return Err(cursor.corrupt("a name has too many fields"));
        }
        let count = stored as usize - apart_count;
        let field = |cursor: &mut Cursor<'_>| match cursor.u8()? {
            NUMBERS => integers::decode(cursor, count).map(Column::Numbers),
            TEXTS => StringRows::decode(cursor, count).map(Column::Texts),
            _ => Err(cursor.corrupt("its mode of a field is unknown")),
        };
        let fields = (0..=delimiters.len()).map(|_| field(cursor)).collect::<Result<_, _>>()?;
        Ok(Self { owners, apart, apart_names, delimiters, fields })
    }

    /// Appends the name of a row.
    pub(crate) fn put(&self, row: usize, out: &mut Vec<u8>) {
        let Some(&owner) = self.owners.get(row) else {
            return;
        };
        let index = match self.apart.binary_search(&owner) {
            Ok(index) => return out.extend_from_slice(self.apart_names.get(index)),
            Err(before) => owner as usize - before,
        };
        let mut delimiters = self.delimiters.iter();
        for field in &self.fields {
            match field {
                Column::Numbers(numbers) => {
                    put_decimal(numbers.get(index).map_or(0, |number| number.unsigned_abs()), out)
                }
                Column::Texts(texts) => out.extend_from_slice(texts.get(index)),
            }
            out.extend(delimiters.next());
        }
    }
}

/// Appends a number in decimal digits.
pub(crate) fn put_decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut left = value;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.split_at(20 - used).1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::texts::{Scratch, Strings};
    use proptest::prelude::*;

    fn check(names: &[Vec<u8>]) -> Vec<u8> {
        let mut strings = Strings::default();
        names.iter().for_each(|name| strings.push(name));
        let mut bytes = Vec::new();
        encode(&strings, 1, &mut Scratch::default(), &mut bytes);
        let mut cursor = Cursor::new("test", &bytes);
        let read = Names::decode(&mut cursor, names.len()).unwrap();
        cursor.finish().unwrap();
        for (row, name) in names.iter().enumerate() {
            let mut found = Vec::new();
            read.put(row, &mut found);
            assert_eq!(found, *name, "row {row}");
        }
        bytes
    }

    #[test]
    fn names_of_every_kind_come_back() {
        let lists: [&[&str]; 6] = [
            &[
                "A:1:2",
                "A:1:2",
                "A:1:3",
                "B:007:x",
                "",
                "A:1",
                "A:1:2:3",
                "A.1.2",
                "A:1:18446744073709551615",
            ],
            &[""],
            &["0", "00", "1", "999999999999999999", "9999999999999999999"],
            &["::", ":1:", "1::", "::"],
            &["é", "a", "SRR1.1", "SRR1.2", "SRR1.2"],
            &["-1", "1", "+1"],
        ];
        for names in lists {
            check(&names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
        }
        let many: Vec<Vec<u8>> = vec![[&b"a"[..], &b":1".repeat(40)].concat(), b"a:1".to_vec()];
        check(&many);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn names_come_back_and_damage_is_safe(
            names in prop::collection::vec(prop_oneof![
                4 => "M[1-2]:[0-9]{1,3}:[a-c]{0,2}",
                2 => "M1:[0-9]{1,3}:[0-9]{1,20}",
                1 => "[ -~]{0,9}",
            ], 1..60),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let names: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
            let mut bytes = check(&names);
            flips.iter().for_each(|(place, byte)| *place.get_mut(&mut bytes) = *byte);
            if let Ok(read) = Names::decode(&mut Cursor::new("test", &bytes), names.len()) {
                (0..names.len()).for_each(|row| read.put(row, &mut Vec::new()));
            }
        }
    }
}
