//! Opening a data folder: what was acknowledged is in the state or in the log behind it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::{Node, NodeIdentity};
use crate::{
    applier::{self, Applier},
    config::Config,
    data_folder::DataFolder,
    error::StorageError,
    health::Health,
    kv::{Key, KeyRange},
    log::{self, GroupLog, Log, LogOptions},
    log_id::LogId,
    network::Transport,
    raft::{
        group::Shared,
        log_store::{BLANK, COMMAND, MEMBERSHIP},
        membership::{decode_membership, encode_membership},
        state_machine::Event,
        types::RaftMembership,
    },
    range::{NodeId, RangeDescriptor, RangeId, Space},
    set_aside::SetAside,
    state::{Detachment, Group, GroupEntries, Membership, Payload, Phase, Store},
};

/// Bytes of entries that are applied in one transaction.
const REPLAY_BYTES: u64 = 8 << 20;

/// An open folder: nothing runs yet, but its state can be read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) identity: NodeIdentity,
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    pub(crate) health: Arc<Health>,
    log_worker: log::Worker,
    folder: DataFolder,
}

/// The groups of a new cluster of one node. RAFT-1: they are in the state before anything runs.
fn first_groups(node: NodeId) -> [Group; 2] {
    let members = RaftMembership::new_with_defaults(vec![[node.0].into()], []);
    let bytes = encode_membership(&members);
    [(RangeId::PLACEMENT, Space::Placement), (RangeId::FIRST_USER, Space::User)].map(|(id, space)| Group {
        descriptor: RangeDescriptor { id, space, keys: KeyRange::all(), version: 1 },
        applied: LogId::BIRTH,
        membership: Membership { id: LogId::BIRTH, bytes: bytes.clone() },
        phase: Phase::Live,
    })
}

impl Opened {
    /// Opens a folder, creating it if absent: `new` says who it then is, and whether it is the first
    /// node of a cluster or waits to be given replicas.
    pub(crate) fn open(
        folder: DataFolder,
        config: Config,
        new: NodeIdentity,
        founds: bool,
    ) -> Result<Self, StorageError> {
        let disk = config.disk.as_ref();
        let path = folder.path().to_owned();
        folder.clear_incoming(disk)?;
        let known = NodeIdentity::read(&path, disk)?;
        let (identity, store) = match (known, SetAside::begun(&path, disk)?) {
            (Some(known), Some(_)) if founds => {
                return Err(StorageError::Member { path, node: known.node });
            }
            (Some(known), Some(aside)) => {
                let identity = aside.carry_out(&path, known, disk)?;
                let store = open_store(&folder, &config, identity.node, IfAbsent::Empty)?;
                aside.finish(&path, disk)?;
                (identity, store)
            }
            (Some(known), None) => (known, open_store(&folder, &config, known.node, IfAbsent::Damage)?),
            (None, _) => {
                let absent = if founds { IfAbsent::First } else { IfAbsent::Empty };
                let store = open_store(&folder, &config, new.node, absent)?;
                // Behind the state: a folder that says who it is has one.
                new.write(&path, disk)?;
                (new, store)
            }
        };
        if config.sabotage.no_version_check {
            store.check_no_versions();
        }
        let health = Arc::new(Health::new(path, Arc::clone(&config.disk), config.disk_reserve_bytes));
        let mut applied = BTreeMap::new();
        for group in store.groups()? {
            if group.phase == Phase::Live {
                applied.insert(group.descriptor.id, group.applied);
            }
        }
        let options = log_options(&folder, &config);
        let (log, log_worker) = Log::open(options, &applied)?;
        let opened = Self { identity, config, store: Arc::new(store), log, health, log_worker, folder };
        Ok(opened)
    }

    /// Whether every range is here, and every replica is the only one of its range.
    ///
    /// A node that was drained has nothing, which is not the same as a store that holds nothing.
    /// Entries that are not applied yet count too: one of them may bring in another node.
    pub(crate) fn is_alone(&self) -> Result<bool, StorageError> {
        let own = |bytes: &[u8]| {
            decode_membership(bytes)
                .is_ok_and(|members| members.nodes().all(|(node, _)| *node == self.identity.node.0))
        };
        let groups = self.store.groups()?;
        if !is_everything(groups.iter().map(|group| &group.descriptor)) {
            return Ok(false);
        }
        for group in groups {
            if group.phase != Phase::Live || !own(&group.membership.bytes) {
                return Ok(false);
            }
            let log = self.log.group(group.descriptor.id, Some(group.applied));
            let (mut from, end) = (group.applied.index + 1, behind(&log));
            while from < end {
                let entries = log.entries(from, end, REPLAY_BYTES)?;
                let Some(last) = entries.last() else { break };
                from = last.id.index + 1;
                if entries.iter().any(|entry| entry.tag == MEMBERSHIP && !own(&entry.payload)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Applies what the log has and the state has not; only right for a node that is alone, whose log
    /// decides by itself what is committed.
    pub(crate) fn replay(&self) -> Result<(), StorageError> {
        // A split that is applied here makes one more group, which may have entries of its own.
        let mut done = BTreeMap::new();
        loop {
            let groups = self.store.groups()?;
            let Some(group) = groups.into_iter().find(|group| !done.contains_key(&group.descriptor.id))
            else {
                return Ok(());
            };
            self.replay_group(&group)?;
            done.insert(group.descriptor.id, ());
        }
    }

    fn replay_group(&self, group: &Group) -> Result<(), StorageError> {
        let range = group.descriptor.id;
        let log = self.log.group(range, Some(group.applied));
        let (mut from, end) = (group.applied.index + 1, behind(&log));
        if from < end
            // If there is no space now, the entries are held in memory, where they can be read.
            && let Err(Detachment::Failed(error)) = self.store.pages().attach()
        {
            return Err(error);
        }
        while from < end {
            let entries = log.entries(from, end, REPLAY_BYTES)?;
            let Some(last) = entries.last() else { break };
            from = last.id.index + 1;
            let entries = entries.into_iter().map(payload).collect::<Result<Vec<_>, _>>()?;
            self.store.apply(&[GroupEntries { range, entries }])?;
        }
        Ok(())
    }

    /// Makes a node of it, whose groups and workers are not running yet.
    pub(crate) fn into_node(
        self,
        transport: Arc<dyn Transport>,
    ) -> (Arc<Node>, log::Worker, applier::Worker) {
        let (applier, worker) = Applier::new(
            Arc::clone(&self.store),
            Arc::clone(&self.health),
            self.log.clone(),
            self.config.checkpoint_bytes,
            self.config.checkpoint_interval,
        );
        let (events, born) = mpsc::unbounded_channel::<Event>();
        let incoming: PathBuf = self.folder.incoming();
        let shared = Shared {
            node: self.identity.node,
            config: self.config,
            store: self.store,
            log: self.log,
            applier,
            health: self.health,
            transport,
            events,
            incoming,
        };
        let node = Node {
            identity: self.identity,
            shared,
            groups: RwLock::default(),
            changing: Mutex::default(),
            stopping: AtomicBool::new(false),
            folder: Mutex::new(Some(self.folder)),
            workers: Mutex::default(),
            events: Mutex::new(Some(born)),
            made_under: Mutex::default(),
            checksums: Mutex::default(),
            placement: RwLock::new(None),
        };
        (Arc::new(node), self.log_worker, worker)
    }

    /// Closes a folder that nothing was written to.
    pub(crate) fn close(&self) {
        self.store.close();
    }
}

/// The index behind the last entry.
fn behind(log: &GroupLog) -> u64 {
    log.state().last.map_or(0, |last| last.index + 1)
}

/// The payload of an entry of the log, for the state.
fn payload(entry: log::Entry) -> Result<(LogId, Payload), StorageError> {
    let payload = match entry.tag {
        BLANK => Payload::Blank,
        COMMAND => Payload::Command(entry.payload),
        MEMBERSHIP => Payload::Membership(entry.payload),
        tag => {
            let reason = format!("entry {} is of the unknown kind {tag}", entry.id);
            return Err(StorageError::corrupt("wal", 0, reason));
        }
    };
    Ok((entry.id, payload))
}

fn log_options(folder: &DataFolder, config: &Config) -> LogOptions {
    /// Newest segments whose entries may stay.
    const SEGMENTS_KEPT: u64 = 4;
    /// Entries kept in memory for followers and for applying.
    const CACHE_BYTES: u64 = 32 << 20;
    LogOptions {
        folder: folder.wal(),
        disk: Arc::clone(&config.disk),
        segment_bytes: config.segment_bytes,
        spare_segments_max: usize::try_from(config.spare_segments_max).unwrap_or(0),
        batch_bytes_max: config.group_bytes_max,
        cache_bytes_max: CACHE_BYTES,
        segments_kept: SEGMENTS_KEPT,
        reserve_bytes: config.disk_reserve_bytes,
        salt: crate::runtime::random(),
        no_fsync: config.sabotage.no_fsync,
    }
}

/// What it means if there is no state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfAbsent {
    /// The folder is that of a new cluster.
    First,
    /// The node waits to be given replicas.
    Empty,
    /// It was there.
    Damage,
}

/// Opens the state, or creates it.
fn open_store(
    folder: &DataFolder,
    config: &Config,
    node: NodeId,
    absent: IfAbsent,
) -> Result<Store, StorageError> {
    let (path, disk) = (folder.state(), config.disk.as_ref());
    let groups = first_groups(node);
    let store = match Store::open(path.clone(), Arc::clone(&config.disk), config.cache_bytes)? {
        Some(store) => store,
        None if absent == IfAbsent::Damage => {
            return Err(StorageError::corrupt(path, 0, "the state file is missing"));
        }
        None => {
            Store::create(&path, disk, if absent == IfAbsent::First { &groups } else { &[] })?;
            Store::open(path.clone(), Arc::clone(&config.disk), config.cache_bytes)?
                .ok_or_else(|| StorageError::io("open", path, std::io::ErrorKind::NotFound.into()))?
        }
    };
    store.upgrade(folder.newest_segment(disk)?, &groups)?;
    folder.write_format(disk)?;
    Ok(store)
}

/// Whether these ranges have every key of both spaces; ranges never overlap.
fn is_everything<'a>(ranges: impl Iterator<Item = &'a RangeDescriptor>) -> bool {
    let mut keys: Vec<_> = ranges.map(|range| (range.space, &range.keys)).collect();
    keys.sort_by(|a, b| (a.0, &a.1.start).cmp(&(b.0, &b.1.start)));
    [Space::User, Space::Placement].into_iter().all(|space| {
        let of_space = keys.iter().filter(|(whose, _)| *whose == space).map(|(_, keys)| *keys);
        // What comes next has to begin where the one before ends, and the last one has no end.
        let mut next = Some(Key::new());
        for keys in of_space {
            if next.as_ref() != Some(&keys.start) {
                return false;
            }
            next = keys.end.clone();
        }
        next.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_lacks_a_range_has_not_everything() {
        let range = |space, start: &'static str, end: Option<&'static str>| RangeDescriptor {
            id: RangeId(1),
            space,
            keys: KeyRange { start: start.into(), end: end.map(Into::into) },
            version: 1,
        };
        let placement = range(Space::Placement, "", None);
        let (first, second) = (range(Space::User, "", Some("m")), range(Space::User, "m", None));
        assert!(is_everything([&second, &placement, &first].into_iter()));
        for lacking in [vec![], vec![&placement], vec![&first, &second], vec![&placement, &first]] {
            assert!(!is_everything(lacking.iter().copied()), "{lacking:?}");
        }
        assert!(!is_everything([&placement, &second].into_iter()));
    }
}
