//! The handle that callers hold: a folder of this process, or a cluster; they see no difference.

mod embedded;
mod operations;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use self::embedded::Embedded;
use crate::{
    block_on::block_on,
    client::Client,
    cluster::{Admin, Door},
    config::Config,
    error::StorageError,
    kv::{
        Key, KeyRange, Outcome, ScanLimit, ScanPage, Transaction, Value, WriteBatch, check_limits,
        check_range,
    },
    range::Space,
    rpc::ReadMode,
    runtime::InRuntime,
};

/// Writes in flight are counted in units of this many bytes.
const PERMIT_BYTES: u64 = 1024;

/// How fresh what is read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// It has everything that was acknowledged before the read began; asked of the leader.
    #[default]
    Linearizable,
    /// The same, read from the replica of this process if there is one: for scans of much data.
    LinearizableNearby,
    /// It may be older, by this much at most (as far as the clocks of the nodes agree).
    Stale(Duration),
}

impl From<Freshness> for ReadMode {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Linearizable => Self::Linearizable,
            Freshness::LinearizableNearby => Self::Follower,
            Freshness::Stale(bound) => Self::Stale(bound),
        }
    }
}

/// An ordered key-value store; cheap to clone, all clones are the same store.
///
/// What was acknowledged is durable and seen by every read that begins later. A write whose future is
/// dropped may still take effect. Dropping the last handle of an embedded store closes it and waits for
/// that.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), genomdb_storage::StorageError> {
/// use genomdb_storage::{Config, KeyRange, ScanLimit, Storage, WriteBatch};
///
/// let folder = tempfile::tempdir().unwrap();
/// let storage = Storage::open(folder.path(), Config::default())?;
/// let mut batch = WriteBatch::new();
/// batch.put("chr1", "ACGT").put("chr2", "TTTT").delete("chr3");
/// storage.write_blocking(batch)?;
/// assert_eq!(storage.batch_get_blocking(&["chr1".into()])?, [Some("ACGT".into())]);
/// let page = storage.scan_blocking(&KeyRange::all(), ScanLimit::default())?;
/// assert_eq!(page.entries.len(), 2);
/// storage.close_blocking()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Storage {
    inner: Arc<Inner>,
    freshness: Freshness,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    store: Kind,
    writes_in_flight: Arc<Semaphore>,
}

#[derive(Debug)]
enum Kind {
    /// A folder that this process has alone.
    Embedded(Box<Embedded>),
    /// A cluster, of which this process may be a node.
    Cluster(Door),
}

/// How large the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Keys present.
    pub keys: u64,
    /// Bytes that the state files take on the disk, checksums included.
    pub state_bytes: u64,
    /// Bytes in the log's segments.
    pub log_bytes: u64,
    /// Number of the last applied entry of the first range.
    pub applied_index: u64,
}

impl Storage {
    /// Opens the store in `folder`, creating it if absent, and applies what a crash left in the log.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] names the process that has the folder open;
    /// [`StorageError::Corrupt`] the bytes that are not what was written;
    /// [`StorageError::Member`] says that the folder belongs to a node of a larger cluster.
    pub fn open(folder: impl AsRef<std::path::Path>, config: Config) -> Result<Self, StorageError> {
        config.validate()?;
        let embedded = Embedded::open(folder.as_ref(), config.clone())?;
        Ok(Self::new(config, Kind::Embedded(Box::new(embedded))))
    }

    /// Waits until a node of the cluster answers; at once in a folder of this process alone.
    ///
    /// Blocks. An answer says that somebody is there, not that the cluster can write.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] says why none answered within this time.
    pub fn reach(&self, within: Duration) -> Result<(), StorageError> {
        match &self.inner.store {
            Kind::Embedded(_) => Ok(()),
            Kind::Cluster(door) => {
                let (client, runtime) = door.client()?;
                block_on(InRuntime::new(runtime, client.reach(within)))
            }
        }
    }

    /// The store behind a door to a cluster.
    pub(crate) fn of_cluster(config: Config, door: Door) -> Self {
        Self::new(config, Kind::Cluster(door))
    }

    fn new(config: Config, store: Kind) -> Self {
        let in_flight = config.write_bytes_in_flight_max / PERMIT_BYTES;
        let writes_in_flight = Arc::new(Semaphore::new(in_flight as usize));
        Self { inner: Arc::new(Inner { config, store, writes_in_flight }), freshness: Freshness::default() }
    }

    /// The same store, whose reads are as fresh as this.
    #[must_use]
    pub fn with_freshness(&self, freshness: Freshness) -> Self {
        Self { inner: Arc::clone(&self.inner), freshness }
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether other processes may write to it at the same time, as to a cluster; a folder that is open
    /// here is open nowhere else.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.store, Kind::Cluster(_))
    }

    /// What operators ask of the cluster; `None` for a folder that this process has alone.
    pub fn admin(&self) -> Option<Admin> {
        match &self.inner.store {
            Kind::Embedded(_) => None,
            Kind::Cluster(door) => Some(Admin::behind(door.clone())),
        }
    }

    /// The client that sends requests, and the runtime whose timers it uses.
    async fn client(&self) -> Result<(Arc<Client>, tokio::runtime::Handle), StorageError> {
        match &self.inner.store {
            Kind::Embedded(embedded) => embedded.client().await,
            Kind::Cluster(door) => door.client(),
        }
    }

    /// Does something with the client, in the caller's task, with the store's timers.
    async fn with_client<T, F>(&self, run: impl FnOnce(Arc<Client>) -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let (client, runtime) = self.client().await?;
        InRuntime::new(runtime, run(client)).await
    }

    /// Reads values; those of one range are of one moment. They come in the order of `keys`.
    pub async fn batch_get(&self, keys: Vec<Key>) -> Result<Vec<Option<Value>>, StorageError> {
        if let Kind::Embedded(embedded) = &self.inner.store {
            let (store, wanted) = (embedded.reader(), keys.clone());
            if let Some(values) = crate::runtime::blocking(move || store.batch_get(&wanted)).await? {
                return Ok(values);
            }
        }
        let mode = self.freshness.into();
        self.with_client(|client| async move { client.batch_get(Space::User, mode, keys).await }).await
    }

    /// As [`Storage::batch_get`], for callers that may block.
    pub fn batch_get_blocking(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, StorageError> {
        if let Kind::Embedded(embedded) = &self.inner.store
            && let Some(values) = embedded.reader().batch_get(keys)?
        {
            return Ok(values);
        }
        let mode = self.freshness.into();
        let keys = keys.to_vec();
        self.block_on(
            self.with_client(|client| async move { client.batch_get(Space::User, mode, keys).await }),
        )
    }

    /// Reads entries of a range in key order, up to `limit`; [`ScanPage::next`] is what is left.
    ///
    /// Each page is read at one moment per range; pages of one scan may be of different moments.
    pub async fn scan(
        &self,
        range: KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<(Key, Value)>, StorageError> {
        check_range(&range, self.config())?;
        if let Kind::Embedded(embedded) = &self.inner.store {
            let (store, wanted) = (embedded.reader(), range.clone());
            if let Some(page) = crate::runtime::blocking(move || store.scan(&wanted, limit)).await? {
                return Ok(page);
            }
        }
        let mode = self.freshness.into();
        self.with_client(|client| async move { client.scan(Space::User, mode, range, limit).await }).await
    }

    /// As [`Storage::scan`], for callers that may block.
    pub fn scan_blocking(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<(Key, Value)>, StorageError> {
        check_range(range, self.config())?;
        if let Kind::Embedded(embedded) = &self.inner.store
            && let Some(page) = embedded.reader().scan(range, limit)?
        {
            return Ok(page);
        }
        let (mode, range) = (self.freshness.into(), range.clone());
        let scan =
            self.with_client(|client| async move { client.scan(Space::User, mode, range, limit).await });
        self.block_on(scan)
    }

    /// Reads keys of a range in order, without their values.
    pub async fn scan_keys(&self, range: KeyRange, limit: ScanLimit) -> Result<ScanPage<Key>, StorageError> {
        check_range(&range, self.config())?;
        if let Kind::Embedded(embedded) = &self.inner.store {
            let (store, wanted) = (embedded.reader(), range.clone());
            if let Some(page) = crate::runtime::blocking(move || store.scan_keys(&wanted, limit)).await? {
                return Ok(page);
            }
        }
        let mode = self.freshness.into();
        self.with_client(|client| async move { client.scan_keys(Space::User, mode, range, limit).await })
            .await
    }

    /// As [`Storage::scan_keys`], for callers that may block.
    pub fn scan_keys_blocking(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<Key>, StorageError> {
        check_range(range, self.config())?;
        if let Kind::Embedded(embedded) = &self.inner.store
            && let Some(page) = embedded.reader().scan_keys(range, limit)?
        {
            return Ok(page);
        }
        let (mode, range) = (self.freshness.into(), range.clone());
        let scan =
            self.with_client(|client| async move { client.scan_keys(Space::User, mode, range, limit).await });
        self.block_on(scan)
    }

    /// Writes a batch: durable and visible when it returns.
    ///
    /// What of it lies in one range takes effect whole or not at all; of several ranges, one after the
    /// other in the order in which the batch first names a key of each. (A transaction is atomic over all
    /// of them.) Several writes may be in flight at once; in one range they take effect in the order of
    /// the calls' first poll.
    ///
    /// # Errors
    ///
    /// After [`StorageError::Poisoned`] and [`StorageError::Unknown`] it is unknown whether the batch
    /// took effect; after any other error, its part in the range that refused did not and will not.
    pub async fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let transaction = Transaction { conditions: Vec::new(), batch };
        let Some(_permit) = self.admit(&transaction).await? else { return Ok(()) };
        let batch = transaction.batch;
        self.with_client(|client| async move { client.write(Space::User, batch).await }).await
    }

    /// As [`Storage::write`], for callers that may block.
    pub fn write_blocking(&self, batch: WriteBatch) -> Result<(), StorageError> {
        self.block_on(self.write(batch))
    }

    /// Writes a batch if its conditions hold, judged at the moment at which it takes effect; whole or
    /// not at all, whichever ranges its keys lie in.
    ///
    /// # Errors
    ///
    /// As [`Storage::write`]. A failed condition is no error but an [`Outcome`].
    pub async fn transact(&self, transaction: Transaction) -> Result<Outcome, StorageError> {
        self.transact_with_results(transaction).await.map(|(outcome, _)| outcome)
    }

    /// As [`Storage::transact`], for callers that may block.
    pub fn transact_blocking(&self, transaction: Transaction) -> Result<Outcome, StorageError> {
        self.block_on(self.transact(transaction))
    }

    /// Checks a write, and waits until there is room for it; `None` if there is nothing to do.
    async fn admit(
        &self,
        transaction: &Transaction,
    ) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, StorageError> {
        check_limits(transaction, self.config())?;
        if transaction.conditions.is_empty() && transaction.batch.is_empty() {
            return Ok(None);
        }
        let max = self.config().write_bytes_in_flight_max / PERMIT_BYTES;
        let units = (transaction.batch.bytes() / PERMIT_BYTES + 1).min(max);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.inner.writes_in_flight).acquire_many_owned(units).await;
        permit.map(Some).map_err(|_| StorageError::Closed)
    }

    /// Moves everything written so far from the log to the state file, durably.
    ///
    /// Nobody needs to: it happens by itself. It makes the next opening after a crash faster.
    pub async fn checkpoint(&self) -> Result<(), StorageError> {
        self.with_client(|client| async move { client.node()?.shared.applier.checkpoint().await.map(drop) })
            .await
    }

    /// Gives space that deleted keys took back to the file system.
    ///
    /// Reads and writes wait meanwhile, which may be long.
    pub async fn compact(&self) -> Result<(), StorageError> {
        self.with_client(|client| async move { client.node()?.shared.applier.compact().await }).await
    }

    /// Measures the store of this process.
    pub async fn stats(&self) -> Result<Stats, StorageError> {
        let storage = self.clone();
        crate::runtime::blocking(move || storage.stats_blocking()).await
    }

    /// As [`Storage::stats`], for callers that may block.
    pub fn stats_blocking(&self) -> Result<Stats, StorageError> {
        match &self.inner.store {
            Kind::Embedded(embedded) => embedded.stats(),
            Kind::Cluster(door) => door.stats(),
        }
    }

    /// Finishes the writes in flight, makes a checkpoint and gives the folder free. A door to a cluster
    /// is only shut.
    ///
    /// Later calls on any clone answer [`StorageError::Closed`]; closing twice does nothing.
    pub async fn close(&self) -> Result<(), StorageError> {
        let storage = self.clone();
        crate::runtime::blocking(move || storage.close_blocking()).await
    }

    /// As [`Storage::close`], for callers that may block.
    pub fn close_blocking(&self) -> Result<(), StorageError> {
        self.inner.writes_in_flight.close();
        match &self.inner.store {
            Kind::Embedded(embedded) => embedded.close(),
            Kind::Cluster(door) => door.close(),
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        crate::block_on::block_on(future)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Kind::Embedded(embedded) = &self.store
            && let Err(error) = embedded.close()
        {
            tracing::warn!(%error, "the store was not closed cleanly; the log has what is missing");
        }
    }
}
