//! State files of format 1, from before there were groups: all their data becomes the first user range's.

use redb::{Durability, ReadableTable as _, TableDefinition, TableError};

use super::{
    group::{Group, GroupRow},
    store::{Store, write_groups},
    tables::GROUPS,
};
use crate::{
    error::StorageError,
    fields::{self, take_u64},
    range::RangeId,
};

/// What the store knew of itself.
const STORE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("store");
/// Key of the place up to which the log was applied.
const APPLIED: &str = "applied";

/// Up to where a state file of format 1 has the log of that format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OldFormat {
    /// Number of the last entry.
    pub(crate) index: u64,
    /// The segment that has the next one.
    pub(crate) segment: u64,
    /// Where in it; 0 if the segment need not exist.
    pub(crate) offset: u64,
}

impl OldFormat {
    /// Whether nothing is left to replay, if `newest` is the last segment of the log.
    pub(crate) fn is_closed(self, newest: Option<u64>) -> bool {
        self.offset == 0 && newest.is_none_or(|newest| newest < self.segment)
    }
}

impl Store {
    /// What a file of format 1 says of its log; `None` if this is of the present format.
    pub(crate) fn old_format(&self) -> Result<Option<OldFormat>, StorageError> {
        let view = self.view()?;
        let transaction = &view.transaction;
        match transaction.open_table(GROUPS) {
            Err(TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(view.error(error)),
            Ok(_) => return Ok(None),
        }
        let damaged = |reason: &'static str| StorageError::corrupt(self.pages().path(), 0, reason);
        let table = match transaction.open_table(STORE) {
            Err(TableError::TableDoesNotExist(_)) => return Err(damaged("the state file has no groups")),
            table => table.map_err(|error| view.error(error))?,
        };
        let row = table.get(APPLIED).map_err(|error| view.error(error))?;
        let row = row.ok_or_else(|| damaged("the state file has neither groups nor an applied position"))?;
        let mut rest = bytes::Bytes::copy_from_slice(row.value());
        let mut decode = || {
            let [index, segment, offset] = [take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?];
            fields::finish(&rest, OldFormat { index, segment, offset })
        };
        decode().map(Some).map_err(|_| damaged("the applied position is damaged"))
    }

    /// Makes a file of format 1 one of the present format: its data is that of
    /// [`RangeId::FIRST_USER`], which must be among `groups`. Durable when it returns; a crash leaves
    /// the one or the other.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotClosed`] if the old log has more, told by the number of its newest segment.
    pub(crate) fn upgrade(&self, newest_segment: Option<u64>, groups: &[Group]) -> Result<(), StorageError> {
        let Some(old) = self.old_format()? else { return Ok(()) };
        if !old.is_closed(newest_segment) {
            return Err(StorageError::NotClosed { path: self.pages().path().to_owned() });
        }
        self.attach()?;
        self.file.write(Durability::Immediate, |transaction| {
            write_groups(transaction, groups)?;
            transaction.open_table(STORE)?.remove(APPLIED)?;
            let mut bytes = 0;
            for row in
                transaction.open_table(super::tables::definition(crate::range::Space::User).data)?.iter()?
            {
                let (key, value) = row?;
                bytes += (key.value().len() + value.value().len()) as u64;
            }
            let mut table = transaction.open_table(GROUPS)?;
            let first = groups.iter().find(|group| group.descriptor.id == RangeId::FIRST_USER);
            if let Some(first) = first {
                let row = GroupRow { group: first.clone(), bytes };
                table.insert(RangeId::FIRST_USER.0, row.encode().as_ref())?;
            }
            Ok(())
        })?;
        self.durable()
    }
}
