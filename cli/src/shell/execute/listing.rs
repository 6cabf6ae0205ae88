//! Lists whose names match a pattern: `\dt r*`, `\df *flag*`.

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch},
    datatypes::DataType,
};

use super::{Shell, Stop};
use crate::connection::Failure;

impl Shell<'_> {
    /// Shows those rows of a list whose `column` matches a pattern.
    pub(super) fn list(&mut self, text: &str, column: &str, pattern: &str) -> Result<(), Stop> {
        let batches = self.runtime.block_on(self.connection.rows(text))?;
        let matching = batches.iter().map(|batch| matching(batch, column, pattern));
        let matching = matching.collect::<Result<Vec<_>, _>>().map_err(Failure::new)?;
        match matching.first() {
            Some(first) if matching.iter().any(|batch| batch.num_rows() > 0) => {
                Ok(self.printer.show(&first.schema(), &matching)?)
            }
            _ => Err(Failure::new(format_args!("nothing is called `{pattern}`")).into()),
        }
    }
}

fn matching(
    batch: &RecordBatch,
    column: &str,
    pattern: &str,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let Some(names) = batch.column_by_name(column) else { return Ok(batch.clone()) };
    let names = cast(names, &DataType::Utf8)?;
    let names = names.as_string::<i32>();
    let is_match = |row: usize| names.is_valid(row) && matches(name_of(names.value(row)), pattern);
    filter_record_batch(batch, &BooleanArray::from_iter((0..names.len()).map(|row| Some(is_match(row)))))
}

/// The name of a function in `name(arguments)`; others are all name.
fn name_of(usage: &str) -> &str {
    usage.split('(').next().unwrap_or(usage)
}

/// Whether a name matches a pattern: `*` is anything, `?` one character, and case does not count.
fn matches(name: &str, pattern: &str) -> bool {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    // Which beginnings of the pattern match what was read of the name.
    let mut reached = vec![false; pattern.len() + 1];
    let skip_stars = |reached: &mut Vec<bool>| {
        for (at, part) in pattern.iter().enumerate() {
            if *part == '*'
                && reached.get(at) == Some(&true)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    skip_stars(&mut reached);
    for character in name {
        let mut next = vec![false; pattern.len() + 1];
        for (at, part) in pattern.iter().enumerate() {
            if reached.get(at) != Some(&true) {
                continue;
            }
            let to = match part {
                '*' => at,
                '?' => at + 1,
                part if *part == character => at + 1,
                _ => continue,
            };
            if let Some(next) = next.get_mut(to) {
                *next = true;
            }
        }
        reached = next;
        skip_stars(&mut reached);
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (name, pattern, expected) in [
            ("reads", "reads", true),
            ("reads", "READS", true),
            ("reads", "r*", true),
            ("reads", "*ad*", true),
            ("reads", "?eads", true),
            ("reads", "*", true),
            ("", "*", true),
            ("reads", "read", false),
            ("reads", "*x*", false),
            ("reads", "", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "*a*a*a*a*a*a*a*a*a*b", false),
        ] {
            assert_eq!(matches(name, pattern), expected, "{name} {pattern}");
        }
        assert_eq!(name_of("is_unmapped(flag)"), "is_unmapped");
    }
}
