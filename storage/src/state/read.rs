//! Reads: each call sees one moment of the state.

use bytes::Bytes;
use redb::ReadableDatabase as _;

use super::{DATA, State};
use crate::{
    error::StorageError,
    kv::{Key, KeyRange, ScanLimit, ScanPage, Value},
};

impl State {
    /// Values of `keys`, in the order of `keys`; looked up in key order.
    pub(crate) fn batch_get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, StorageError> {
        let mut values = vec![None; keys.len()];
        let database = self.database()?;
        let transaction = database.begin_read().map_err(|error| self.error(error))?;
        let table = match transaction.open_table(DATA) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(values),
            table => table.map_err(|error| self.error(error))?,
        };
        let mut sorted: Vec<(&Key, &mut Option<Value>)> = keys.iter().zip(&mut values).collect();
        if !sorted.is_sorted_by_key(|(key, _)| *key) {
            sorted.sort_by_key(|(key, _)| *key);
        }
        for (key, value) in sorted {
            // Copied: a page kept by a caller would keep its whole read transaction alive, and with it
            // every page that is freed meanwhile.
            let found = table.get(key.as_ref()).map_err(|error| self.error(error))?;
            *value = found.map(|found| Value::copy_from_slice(found.value()));
        }
        Ok(values)
    }

    /// Entries of a range, in key order, up to a limit.
    pub(crate) fn scan<E>(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
        entry: impl Fn(&[u8], &[u8]) -> (E, usize),
    ) -> Result<ScanPage<E>, StorageError> {
        let mut page = ScanPage { entries: Vec::new(), next: None };
        if range.is_empty() {
            return Ok(page);
        }
        let database = self.database()?;
        let transaction = database.begin_read().map_err(|error| self.error(error))?;
        let table = match transaction.open_table(DATA) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(page),
            table => table.map_err(|error| self.error(error))?,
        };
        let mut bytes = 0_usize;
        let found = table.range::<&[u8]>(range.bounds()).map_err(|error| self.error(error))?;
        for item in found {
            let (key, value) = item.map_err(|error| self.error(error))?;
            let full = page.entries.len() >= limit.entries || bytes >= limit.bytes;
            if full && !page.entries.is_empty() {
                let start = Bytes::copy_from_slice(key.value());
                page.next = Some(KeyRange { start, end: range.end.clone() });
                break;
            }
            let (entry, entry_bytes) = entry(key.value(), value.value());
            page.entries.push(entry);
            bytes = bytes.saturating_add(entry_bytes);
        }
        Ok(page)
    }
}
