//! One node: a data folder that is open in this process, or a cluster that is reached from it, and what
//! answers statements there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use genomdb_executor::Executor;
use genomdb_formats::Source;
use genomdb_layout::catalog::Catalog;
use genomdb_loader::{CancelToken, Garbage, LoadError, LoadReport};
use genomdb_storage::{ClusterNode, Freshness, Storage, StorageError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Accounts, Answer, Config, LoadRequest, Observer, OpenError, Prepared, QueryError, Session, Statement,
    admission::Admission,
    catalog::{CatalogStore, Pin},
    load,
    parameters::Parameters,
    queries::{Queries, Registration},
    query,
};

/// How many loads may run at once; more wait.
const LOADS_MAX: u32 = 16;

/// A data folder that is open in this process, or a way to a cluster.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use futures::TryStreamExt;
/// use genomdb_server::{Answer, Config, Node, Observer, Principal, Silent, Statement};
///
/// let folder = tempfile::tempdir()?;
/// let node = Node::open(folder.path(), &Config::default())?;
/// let observer: Arc<dyn Observer> = Arc::new(Silent);
/// let session = node.session(Principal::local());
/// let answer = node.query(&session, &Statement::parse("SELECT 1 + 1 AS two")?, &observer).await?;
/// let Answer::Rows(rows) = answer else { panic!("a SELECT returns rows") };
/// let batches: Vec<_> = rows.try_collect().await?;
/// assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
/// node.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Node {
    storage: Storage,
    catalogs: Arc<CatalogStore>,
    /// With the settings that sessions begin with.
    executor: Executor,
    loader: genomdb_loader::Config,
    loads: Arc<Semaphore>,
    load_folders: Vec<PathBuf>,
    queries: Queries,
    accounts: Accounts,
    admission: Admission,
    /// The executors of users with settings of their own.
    users: BTreeMap<String, Executor>,
}

fn with_settings(executor: Executor, settings: &BTreeMap<String, String>) -> Result<Executor, OpenError> {
    let set = |executor: Executor, (name, value): (&String, &String)| executor.with_setting(name, value);
    settings.iter().try_fold(executor, set).map_err(OpenError::Session)
}

fn collect_leftovers(storage: &Storage) {
    if let Err(error) = genomdb_loader::collect_leftovers(storage) {
        // They lie in nobody's way; a full disk must not keep anybody from reading.
        tracing::warn!(%error, "leftovers of an unfinished load were not removed");
    }
}

impl Node {
    /// Opens a data folder, creating it if there is none.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, is in use by another process, or was written by a later version.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, OpenError> {
        let storage = Storage::open(folder, config.storage.clone())?;
        let mut loader = config.loader.clone();
        loader.spill_folder = folder.join("spill");
        collect_leftovers(&storage);
        Self::new(storage.clone(), storage, loader, config)
    }

    /// Reaches a cluster through one of its nodes ("host:port"). What a load spills lies in the folder that
    /// [`Config::loader`] says.
    ///
    /// # Errors
    ///
    /// If no node answers within five seconds, or the session cannot be made.
    pub fn connect(addresses: &[String], config: &Config) -> Result<Self, OpenError> {
        /// A node that starts again is back by then; whoever mistyped an address need not wait longer.
        const REACH_WITHIN: Duration = Duration::from_secs(5);
        let storage = Storage::connect(addresses, config.storage.clone())?;
        storage.reach(REACH_WITHIN)?;
        collect_leftovers(&storage);
        Self::new(storage.clone(), storage, config.loader.clone(), config)
    }

    /// Answers statements in a process that is a node of a cluster.
    ///
    /// What scans read comes from the replicas of this process where it has them; it is as fresh as if it
    /// came from their leaders. Nothing is asked of the cluster yet: it may have no leader.
    ///
    /// # Errors
    ///
    /// If the session cannot be made.
    pub fn within(cluster: &ClusterNode, folder: &Path, config: &Config) -> Result<Self, OpenError> {
        let storage = cluster.storage();
        let mut loader = config.loader.clone();
        loader.spill_folder = folder.join("spill");
        let nearby = storage.with_freshness(Freshness::LinearizableNearby);
        Self::new(storage, nearby, loader, config)
    }

    fn new(
        storage: Storage,
        scanned: Storage,
        loader: genomdb_loader::Config,
        config: &Config,
    ) -> Result<Self, OpenError> {
        let executor = Executor::new(scanned, config.executor.clone()).map_err(OpenError::Session)?;
        let executor = with_settings(executor, &config.settings)?;
        let users = config.users.iter().map(|(user, settings)| {
            Ok::<_, OpenError>((user.clone(), with_settings(executor.clone(), settings)?))
        });
        let users = users.collect::<Result<_, _>>()?;
        Ok(Self {
            catalogs: Arc::new(CatalogStore::new(storage.clone())),
            executor,
            loads: Arc::new(Semaphore::new(LOADS_MAX as usize)),
            load_folders: config.load_folders.clone(),
            queries: Queries::default(),
            accounts: Accounts::new(storage.clone()),
            admission: Admission::new(config.admission.clone()),
            users,
            storage,
            loader,
        })
    }

    /// Runs one statement.
    ///
    /// # Errors
    ///
    /// If the statement is wrong or fails before its first row; later failures come out of the stream, and
    /// [`Statement::error`] makes them point into the text.
    pub async fn query(
        &self,
        session: &Session,
        statement: &Statement,
        observer: &Arc<dyn Observer>,
    ) -> Result<Answer, QueryError> {
        let registration = self.queries.begin(statement.text.clone(), session.principal());
        self.answer(session, statement, &Parameters::default(), observer, registration).await
    }

    /// The same, for a query that has a name already, and with values of its parameters.
    pub(crate) async fn answer(
        &self,
        session: &Session,
        statement: &Statement,
        parameters: &Parameters,
        observer: &Arc<dyn Observer>,
        registration: Registration,
    ) -> Result<Answer, QueryError> {
        let answer = query::run(self, session, (statement, parameters), observer, registration).await;
        answer.map_err(|error| error.within(&statement.text))
    }

    /// Plans a query once, to be run often: with other parameters for `$1`, `$2`, … each time.
    ///
    /// # Errors
    ///
    /// If the statement is wrong or no query.
    pub async fn prepare(&self, session: &Session, statement: &Statement) -> Result<Prepared, QueryError> {
        query::prepare(self, session, statement).await.map_err(|error| error.within(&statement.text))
    }

    /// Loads one file.
    ///
    /// # Errors
    ///
    /// If the file is damaged, contradicts the table, or cannot be stored, or the load was cancelled; the
    /// table is then as it was.
    pub async fn load(
        &self,
        request: &LoadRequest,
        observer: &Arc<dyn Observer>,
        cancel: &CancelToken,
    ) -> Result<LoadReport, LoadError> {
        load::run(self, request, observer, cancel).await
    }

    /// Loads bytes that come from anywhere, such as from a client.
    ///
    /// # Errors
    ///
    /// As [`Node::load`].
    pub async fn load_from(
        &self,
        request: &LoadRequest,
        source: Source,
        observer: &Arc<dyn Observer>,
        cancel: &CancelToken,
    ) -> Result<LoadReport, LoadError> {
        load::run_from(self, request, source, observer, cancel).await
    }

    /// Folders from which clients may have files loaded.
    pub fn load_folders(&self) -> &[PathBuf] {
        &self.load_folders
    }

    /// Waits for the loads that run, makes what was written durable, and gives the folder free.
    ///
    /// # Errors
    ///
    /// If the store cannot write its last checkpoint; what was acknowledged is safe all the same.
    pub async fn close(&self) -> Result<(), OpenError> {
        // Nobody closes the semaphore, so every permit comes back.
        let _all = self.loads.acquire_many(LOADS_MAX).await;
        let catalogs = self.catalogs.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || catalogs.collect()).await {
            // It lies in nobody's way, and the next load looks for it.
            tracing::warn!(%error, "dropped rows were not deleted");
        }
        Ok(self.storage.close().await?)
    }

    /// Returns the queries that run.
    pub fn queries(&self) -> &Queries {
        &self.queries
    }

    /// Returns who may ask.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Returns the store.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Returns the catalog as it is now.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn catalog(&self) -> Result<Arc<Catalog>, QueryError> {
        self.catalogs.current().await
    }

    /// Whether statements can be answered: the catalog is read, as it is now.
    pub(crate) async fn ready(&self) -> Result<(), StorageError> {
        let key = genomdb_layout::key::Key::Catalog.to_bytes();
        self.storage.batch_get(vec![key.into()]).await.map(drop)
    }

    pub(crate) async fn pin_catalog(&self) -> Result<Pin, QueryError> {
        self.catalogs.pin().await
    }

    pub(crate) fn catalogs(&self) -> &CatalogStore {
        &self.catalogs
    }

    /// The same, for work that outlives the statement.
    pub(crate) fn catalogs_shared(&self) -> Arc<CatalogStore> {
        Arc::clone(&self.catalogs)
    }

    /// Returns the executor with the settings that the sessions of a user begin with.
    pub(crate) fn executor_of(&self, user: &str) -> Executor {
        self.users.get(user).unwrap_or(&self.executor).clone()
    }

    /// How many queries run, and how many wait for their turn.
    pub fn query_counts(&self) -> (usize, usize) {
        self.admission.counts()
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The folder for what lies on the disk for a while.
    pub(crate) fn spill_folder(&self) -> &Path {
        &self.loader.spill_folder
    }

    pub(crate) fn loader_config(&self) -> genomdb_loader::Config {
        self.loader.clone()
    }

    /// Waits for its turn; the load runs until the permit is dropped.
    pub(crate) async fn begin_load(&self) -> Option<OwnedSemaphorePermit> {
        self.loads.clone().acquire_owned().await.ok()
    }

    /// Runs a drop off the reactor, and deletes what it left as soon as nobody reads it.
    pub(crate) async fn drop_rows(
        &self,
        drop: impl FnOnce(&Storage) -> Result<Garbage, LoadError> + Send + 'static,
    ) -> Result<(), QueryError> {
        let storage = self.storage.clone();
        let catalogs = self.catalogs.clone();
        let work = move || {
            catalogs.leave(drop(&storage)?);
            catalogs.collect()
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => Ok(result?),
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(QueryError::invalid("the node is closing")),
            },
        }
    }
}
