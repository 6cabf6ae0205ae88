//! Opening the state and bringing it up to the log.

use std::path::Path;

use crate::{
    command,
    config::Config,
    data_folder::DataFolder,
    error::StorageError,
    kv::Transaction,
    state::{Detachment, Entry, State},
    wal::{self, LogPosition, ReplayedEntry},
};

/// Bytes of entries that are applied in one transaction.
const GROUP_BYTES: usize = 8 << 20;

/// A state that has everything that was acknowledged.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// Up to here the log is not needed.
    pub(crate) durable: LogPosition,
    /// Number of the segment with which the log goes on.
    pub(crate) next_segment: u64,
    /// Number of the next entry.
    pub(crate) next_index: u64,
}

/// Opens the state and replays what of the log is newer.
///
/// After a clean close there is no such log: then nothing is written, and little read.
pub(crate) fn recover(folder: &DataFolder, config: &Config) -> Result<Recovered, StorageError> {
    let disk = config.disk.as_ref();
    let state = State::open(folder.state(), disk, config.cache_bytes)?;
    let applied = state.applied()?;
    let wal = folder.wal();
    let segments =
        wal::list_segments(&wal, disk).map_err(|error| StorageError::io("list segments in", &wal, error))?;
    let mut recovered = Recovered {
        state,
        durable: applied.position,
        next_segment: applied.position.segment,
        next_index: applied.index + 1,
    };
    let newer = segments.iter().any(|number| *number >= applied.position.segment);
    if !newer && applied.position.offset == 0 {
        return Ok(recovered);
    }
    // If there is no space now, the entries are held in memory, where they can be read.
    if let Err(Detachment::Failed(error)) = recovered.state.pages().attach() {
        return Err(error);
    }
    recovered.next_segment = replay(&wal, config, &mut recovered)?;
    let next = LogPosition { segment: recovered.next_segment, offset: 0 };
    if let Some(durable) = recovered.state.checkpoint(Some(next))? {
        recovered.durable = durable;
        wal::remove_segments(&wal, disk, durable.segment)
            .map_err(|error| StorageError::io("remove segments in", &wal, error))?;
    }
    Ok(recovered)
}

/// Applies all newer entries; returns the number of the segment after the last.
fn replay(wal: &Path, config: &Config, into: &mut Recovered) -> Result<u64, StorageError> {
    let mut group = Vec::new();
    let mut bytes = 0;
    let (from, next_index) = (into.durable, into.next_index);
    let next_segment =
        wal::replay(wal, config.disk.as_ref(), from, next_index, &mut |entry: ReplayedEntry| {
            bytes += entry.payload.len();
            let transaction = command::decode(entry.payload)
                .map_err(|reason| StorageError::corrupt(entry.path, entry.offset, reason))?;
            group.push((entry.index, entry.end, transaction));
            if bytes >= GROUP_BYTES {
                bytes = 0;
                apply(into, &mut group)?;
            }
            Ok(())
        })?;
    apply(into, &mut group)?;
    Ok(next_segment)
}

fn apply(into: &mut Recovered, group: &mut Vec<(u64, LogPosition, Transaction)>) -> Result<(), StorageError> {
    let entries: Vec<Entry<'_>> = group
        .iter()
        .map(|(index, end, transaction)| Entry { index: *index, end: *end, transaction })
        .collect();
    into.next_index += entries.len() as u64;
    // Whether conditions held is nobody's question any more.
    into.state.apply(&entries)?;
    group.clear();
    Ok(())
}
