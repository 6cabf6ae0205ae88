//! The checksum of a range, to compare replicas.

use std::ops::ControlFlow;

use bytes::BytesMut;
use xxhash_rust::xxh3::Xxh3;

use super::{
    fault::Fault,
    rows,
    tables::{SESSIONS, SpaceReads},
    view::View,
};
use crate::{
    error::StorageError,
    fields::put_descriptor,
    range::{RangeDescriptor, RangeId},
};

impl View {
    /// xxh3 over the descriptor and all rows of the range, as [`rows`] encodes them.
    ///
    /// Reads all of the range: about a second for each GiB that is not in memory.
    pub(crate) fn checksum(&self, range: RangeId) -> Result<u64, StorageError> {
        let group = self.group(range)?.ok_or(StorageError::RangeAbsent { range })?;
        self.try_checksum(&group.descriptor).map_err(|fault| self.error(fault))
    }

    fn try_checksum(&self, range: &RangeDescriptor) -> Result<u64, Fault> {
        let tables = SpaceReads::open(&self.transaction, range.space)?;
        let sessions = self.transaction.open_table(SESSIONS)?;
        let mut hash = Xxh3::new();
        let mut scratch = BytesMut::new();
        put_descriptor(&mut scratch, range);
        hash.update(&scratch);
        let _all = rows::visit(&tables, &sessions, range, None, &mut |row| {
            scratch.clear();
            row.encode(&mut scratch);
            hash.update(&scratch);
            ControlFlow::Continue(())
        })?;
        Ok(hash.digest())
    }
}
