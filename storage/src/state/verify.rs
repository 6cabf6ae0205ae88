//! The checksum of a range, to compare replicas.

use std::ops::ControlFlow;

use bytes::BytesMut;
use redb::ReadableTable;
use xxhash_rust::xxh3::Xxh3;

use super::{
    fault::Fault,
    rows::{self, Tables},
};
use crate::{fields::put_descriptor, range::RangeDescriptor};

/// xxh3 over the descriptor and all rows of the range, as [`rows`] encodes them.
///
/// Reads all of the range: about a second for each GiB that is not in memory, in which nothing else
/// is applied on this node.
pub(super) fn checksum(
    tables: &impl Tables,
    sessions: &impl ReadableTable<(u64, u64), &'static [u8]>,
    range: &RangeDescriptor,
) -> Result<u64, Fault> {
    let mut hash = Xxh3::new();
    let mut scratch = BytesMut::new();
    put_descriptor(&mut scratch, range);
    hash.update(&scratch);
    let _all = rows::visit(tables, sessions, range, None, &mut |row| {
        scratch.clear();
        row.encode(&mut scratch);
        hash.update(&scratch);
        ControlFlow::Continue(())
    })?;
    Ok(hash.digest())
}
