//! The state machine of a node: what all its ranges hold, in one redb file.
//!
//! ```text
//! apply        entries of many groups → one redb transaction, not durable → responses
//! checkpoint   one durable commit → up to where each group's log may be purged
//! view         one redb read transaction: reads, locks, descriptors of one moment
//! snapshot     the same, as checked chunks;  installer   chunks → a range on another node
//! ```
//! A group's applied entry changes in one transaction with the data (STATE-1).

use std::{
    collections::BTreeMap,
    path::Path,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Durability, ReadableTable as _, WriteTransaction};

use super::{
    events::{Compacted, EventRings, Events},
    fault::Fault,
    group::{Group, GroupRow, Phase},
    page_file::PageFile,
    state_file::StateFile,
    tables::{GROUPS, SESSIONS, SPACES, SpaceTables},
    view::View,
};
use crate::{disk::Disk, error::StorageError, range::RangeId};

/// The state of a node.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) file: StateFile,
    pub(super) events: EventRings,
    /// See [`Sabotage`](crate::config::Sabotage).
    pub(super) unchecked: AtomicBool,
}

impl Store {
    /// Creates the state file with these groups, live and empty, in place of what has the name.
    ///
    /// A crash before it is whole leaves no file of that name.
    pub(crate) fn create(path: &Path, disk: &dyn Disk, groups: &[Group]) -> Result<(), StorageError> {
        const CACHE_BYTES: u64 = 1 << 20;
        let pages = Arc::new(PageFile::create(path.with_file_name("new.redb"), disk)?);
        let file = StateFile::open(Arc::clone(&pages), CACHE_BYTES)?;
        file.write(Durability::Immediate, |transaction| write_groups(transaction, groups))?;
        file.close();
        pages.detachment().map_or(Ok(()), |why| Err(why.into_error(path)))?;
        pages.publish(path, disk)
    }

    /// Opens the state file; `None` if there is none. Nothing is written to it before
    /// [`PageFile::attach`].
    ///
    /// A file of format 1 must be upgraded before anything else: [`Store::old_format`].
    pub(crate) fn open(
        path: PathBuf,
        disk: Arc<dyn Disk>,
        cache_bytes: u64,
    ) -> Result<Option<Self>, StorageError> {
        let Some(pages) = PageFile::open(path, disk)? else { return Ok(None) };
        let file = StateFile::open(Arc::new(pages), cache_bytes)?;
        Ok(Some(Self { file, events: EventRings::default(), unchecked: AtomicBool::new(false) }))
    }

    /// Takes requests for other versions of a range too; only to see that a test notices.
    pub(crate) fn check_no_versions(&self) {
        self.unchecked.store(true, Ordering::Relaxed);
    }

    /// The file under it.
    pub(crate) fn pages(&self) -> &PageFile {
        &self.file.pages
    }

    /// The groups of this node, by range, as of what is applied.
    ///
    /// One that is [`Phase::Installing`] after opening was left so by a crash: remove it.
    pub(crate) fn groups(&self) -> Result<Vec<Group>, StorageError> {
        self.view()?.groups()
    }

    /// The group of a range, if this node has it.
    pub(crate) fn group(&self, range: RangeId) -> Result<Option<Group>, StorageError> {
        self.view()?.group(range)
    }

    /// A moment of the state, to read.
    pub(crate) fn view(&self) -> Result<View, StorageError> {
        Ok(View::new(self.file.read()?, Arc::clone(&self.file.pages)))
    }

    /// Makes everything applied durable; the logs may be purged up to what it returns as applied.
    ///
    /// `None` if the file takes no writes; then nothing is durable that was not before.
    pub(crate) fn checkpoint(&self) -> Result<Option<BTreeMap<RangeId, Group>>, StorageError> {
        // There may be space again. If not, redb must not take another commit for durable: it would use
        // the pages of what is durable again.
        match self.attach() {
            Err(error) if error.is_full() => return Ok(None),
            attached => attached?,
        }
        let applied = self.file.write(Durability::Immediate, |transaction| {
            let groups = transaction.open_table(GROUPS)?;
            let mut applied = BTreeMap::new();
            for row in groups.iter()? {
                let (range, row) = row?;
                let GroupRow { group, .. } = GroupRow::decode(row.value()).map_err(Fault::row("groups"))?;
                if group.phase == Phase::Live {
                    applied.insert(RangeId(range.value()), group);
                }
            }
            Ok(applied)
        })?;
        Ok(self.pages().detachment().is_none().then_some(applied))
    }

    /// Lets writes go to the file; see [`PageFile::attach`].
    ///
    /// # Errors
    ///
    /// Why they do not go there.
    pub(crate) fn attach(&self) -> Result<(), StorageError> {
        self.pages().attach().map_err(|why| why.into_error(self.pages().path()))
    }

    /// Makes what was last committed durably durable, if a full disk kept it from that.
    ///
    /// # Errors
    ///
    /// [`StorageError::is_full`] while it does.
    pub(crate) fn durable(&self) -> Result<(), StorageError> {
        self.attach()
    }

    /// Events of a live range after the entry `index`, of those that this process applied.
    ///
    /// # Errors
    ///
    /// [`Compacted`] if that is too far back: read the state, then watch from its applied entry on.
    pub(crate) fn events_since(
        &self,
        range: RangeId,
        index: u64,
    ) -> Result<Result<Events, Compacted>, StorageError> {
        let group = self.view()?.group(range)?.filter(|group| group.phase == Phase::Live);
        let applied = group.ok_or(StorageError::RangeAbsent { range })?.applied;
        Ok(self.events.since(range, index, applied.index))
    }

    /// Rewrites the file to be as small as possible. Waits for writers.
    ///
    /// # Errors
    ///
    /// While a view or snapshot exists, as redb's `TransactionInProgress`.
    pub(crate) fn compact(&self) -> Result<(), StorageError> {
        self.file.compact()
    }

    /// Closes the file; later calls answer [`StorageError::Closed`]. Views made before go on.
    pub(crate) fn close(&self) {
        self.file.close();
    }
}

/// Creates all tables and writes rows for new groups.
pub(super) fn write_groups(transaction: &WriteTransaction, groups: &[Group]) -> Result<(), Fault> {
    for space in SPACES {
        SpaceTables::open(transaction, space)?;
    }
    transaction.open_table(SESSIONS)?;
    let mut table = transaction.open_table(GROUPS)?;
    for group in groups {
        let row = GroupRow { group: group.clone(), bytes: 0 };
        table.insert(group.descriptor.id.0, row.encode().as_ref())?;
    }
    Ok(())
}
