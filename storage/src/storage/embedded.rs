//! A folder that one process has alone: a cluster of one node, whose Raft starts with the first write.

use std::{path::Path, sync::Arc};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::Stats;
use crate::{
    block_on::block_on,
    client::{Client, sweep},
    clock::Clock,
    config::Config,
    data_folder::DataFolder,
    error::StorageError,
    kv::{Key, KeyRange, ScanLimit, ScanPage, Value},
    log::Log,
    network::NoTransport,
    node::{Node, NodeIdentity, Opened},
    range::{NodeId, RangeId, Space},
    runtime::{self, InRuntime, Runtime, Threads},
    state::Store,
};

/// A folder of this process.
pub(super) struct Embedded {
    store: Arc<Store>,
    log: Log,
    clock: Arc<dyn Clock>,
    /// Taken by the first write.
    opened: Mutex<Option<Opened>>,
    running: OnceCell<Running>,
    closed: Mutex<bool>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Embedded").finish_non_exhaustive()
    }
}

struct Running {
    node: Arc<Node>,
    client: Arc<Client>,
    threads: Threads,
}

/// Reads the state of this process; nobody else can have written what it does not have.
#[derive(Clone)]
pub(super) struct Reader {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    pub(super) fn open(folder: &Path, config: Config) -> Result<Self, StorageError> {
        let folder_lock = DataFolder::open(folder, config.disk.as_ref())?;
        let incarnation = config.clock.wall().0;
        let new = NodeIdentity { node: NodeId(1), cluster: runtime::random(), incarnation };
        let clock = Arc::clone(&config.clock);
        let opened = Opened::open(folder_lock, config, new, true)?;
        if !opened.is_alone()? {
            return Err(StorageError::Member { path: folder.to_owned(), node: opened.identity.node });
        }
        opened.replay()?;
        Ok(Self {
            store: Arc::clone(&opened.store),
            log: opened.log.clone(),
            clock,
            opened: Mutex::new(Some(opened)),
            running: OnceCell::new(),
            closed: Mutex::new(false),
        })
    }

    pub(super) fn reader(&self) -> Reader {
        Reader { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock) }
    }

    /// Starts the node if it does not run.
    pub(super) async fn client(&self) -> Result<(Arc<Client>, tokio::runtime::Handle), StorageError> {
        let running = self.running.get_or_try_init(|| self.start()).await?;
        if *self.closed.lock() {
            return Err(StorageError::Closed);
        }
        Ok((Arc::clone(&running.client), running.threads.handle()))
    }

    async fn start(&self) -> Result<Running, StorageError> {
        let opened = self.opened.lock().take().ok_or(StorageError::Closed)?;
        let config = opened.config.clone();
        let threads = Threads::start("storage")?;
        let transport = Arc::new(NoTransport);
        let start = async move {
            let node = Node::start(opened, transport).await?;
            node.lead_alone().await?;
            Ok::<_, StorageError>(node)
        };
        let node = InRuntime::new(threads.handle(), start).await?;
        let client = Client::new(Some(Arc::clone(&node)), Arc::new(NoTransport), Vec::new(), config);
        let client = Arc::new(client);
        let left = sweep(Arc::downgrade(&client));
        InRuntime::new(threads.handle(), async { drop(Runtime::spawn(left)) }).await;
        Ok(Running { node, client, threads })
    }

    pub(super) fn stats(&self) -> Result<Stats, StorageError> {
        let view = self.store.view()?;
        let first = view.group(RangeId::FIRST_USER)?;
        Ok(Stats {
            keys: view.keys(Space::User)?,
            state_bytes: self.store.pages().allocated_bytes()?,
            log_bytes: self.log.bytes(),
            applied_index: first.map_or(0, |group| group.applied.index),
        })
    }

    pub(super) fn close(&self) -> Result<(), StorageError> {
        let mut closed = self.closed.lock();
        if std::mem::replace(&mut *closed, true) {
            return Ok(());
        }
        if let Some(opened) = self.opened.lock().take() {
            opened.close();
            return Ok(());
        }
        match self.running.get() {
            Some(running) => {
                let stopped = block_on(InRuntime::new(running.threads.handle(), running.node.stop()));
                running.threads.stop();
                stopped
            }
            None => {
                // The first write failed to start it.
                self.store.close();
                Ok(())
            }
        }
    }
}

impl Reader {
    /// The values; `None` if a transaction over several ranges holds one of them.
    pub(super) fn batch_get(&self, keys: &[Key]) -> Result<Option<Vec<Option<Value>>>, StorageError> {
        let read = self.store.view()?.batch_get(Space::User, keys, self.clock.wall())?;
        Ok(read.locks.is_empty().then_some(read.found))
    }

    pub(super) fn scan(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<Option<ScanPage<(Key, Value)>>, StorageError> {
        let read = self.store.view()?.scan_entries(Space::User, range, limit, self.clock.wall())?;
        Ok(read.locks.is_empty().then_some(read.found))
    }

    pub(super) fn scan_keys(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<Option<ScanPage<Key>>, StorageError> {
        let read = self.store.view()?.scan_keys(Space::User, range, limit, self.clock.wall())?;
        Ok(read.locks.is_empty().then_some(read.found))
    }
}
