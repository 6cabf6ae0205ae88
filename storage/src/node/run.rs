//! Starting and stopping what a node runs.

use std::{collections::BTreeSet, sync::Arc, thread, time::Duration};

use openraft::AsyncRuntime as _;
use tokio::sync::oneshot;

use super::{Node, Opened};
use crate::{
    applier, error::StorageError, log, network::Transport, raft::group::Lead, range::RangeId, rpc::Failure,
    runtime::Runtime, state::Phase,
};

/// How long a group that is alone may take to lead itself.
const LEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is asked whether a full disk keeps a group from stopping, or its log from being removed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What to wait for when a worker was told to stop.
#[derive(Debug)]
pub(crate) enum WorkerHandle {
    #[cfg(not(simulation))]
    Thread(thread::JoinHandle<()>),
    /// Closed at its end.
    #[cfg(simulation)]
    Task(oneshot::Receiver<()>),
}

/// Runs a worker where it may wait for the disk: on a thread of its own, in a simulation as a task.
fn start_worker(
    name: &str,
    worker: impl Future<Output = ()> + Send + 'static,
) -> Result<WorkerHandle, StorageError> {
    #[cfg(simulation)]
    {
        let _ = (name, thread::current());
        let (end, ended) = oneshot::channel();
        drop(Runtime::spawn(async move {
            worker.await;
            drop(end);
        }));
        Ok(WorkerHandle::Task(ended))
    }
    #[cfg(not(simulation))]
    {
        // Its timers are those of the runtime that starts it.
        let runtime = tokio::runtime::Handle::current();
        let run = move || {
            let _timers = runtime.enter();
            crate::block_on::block_on(worker);
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| StorageError::io("start a thread named", name, error))?;
        Ok(WorkerHandle::Thread(thread))
    }
}

/// What is purged at the birth of a group's log: nothing for a replica that has nothing yet.
fn floor(group: &crate::state::Group) -> Option<crate::log_id::LogId> {
    (group.applied != crate::log_id::LogId::default()).then_some(group.applied)
}

impl Node {
    /// Starts the workers and a group for every replica of an open folder.
    ///
    /// Within the runtime that then drives it.
    pub(crate) async fn start(
        opened: Opened,
        transport: Arc<dyn Transport>,
    ) -> Result<Arc<Self>, StorageError> {
        let (node, log_worker, applier): (_, log::Worker, applier::Worker) = opened.into_node(transport);
        // While the disk is full what is applied is held in memory, and writes are refused.
        let _detached = node.store().pages().attach();
        {
            let mut workers = node.workers.lock();
            let health = Arc::clone(&node.shared.health);
            let log = async move {
                if let Err(error) = log_worker.run().await {
                    let _poisoned = health.poison(&error);
                }
            };
            workers.push(start_worker("storage-log", log)?);
            workers.push(start_worker("storage-state", applier.run())?);
        }
        node.start_groups().await?;
        node.watch_births();
        node.start_upkeep();
        Ok(node)
    }

    async fn start_groups(self: &Arc<Self>) -> Result<(), StorageError> {
        // What a full disk keeps here, to be removed by the next opening or order.
        let mut kept = BTreeSet::new();
        loop {
            let groups = self.store().groups()?;
            let running = self.groups.read().keys().copied().collect::<Vec<_>>();
            let is_next = |range: &RangeId| !running.contains(range) && !kept.contains(range);
            let next = groups.into_iter().find(|group| is_next(&group.descriptor.id));
            let Some(group) = next else { return Ok(()) };
            let range = group.descriptor.id;
            if group.phase == Phase::Installing {
                // A crash came while a snapshot was installed, or the replica removed: what is there is
                // half of something.
                tracing::warn!(%range, "half of a replica is here; it is dropped");
                match self.forget(range).await {
                    Err(full) if full.is_full() => _ = kept.insert(range),
                    done => done?,
                }
                continue;
            }
            if let Err(failure) = self.start_group(range).await {
                return Err(StorageError::Poisoned { reason: format!("{failure:?}").into() });
            }
        }
    }

    /// Waits until the ranges of a node that is alone are led by it.
    pub(crate) async fn lead_alone(&self) -> Result<(), StorageError> {
        for group in self.groups() {
            if group.is_alone() && !group.wait_leads(LEAD_TIMEOUT).await {
                return Err(self.shared.health.poisoned().unwrap_or_else(|| StorageError::Unavailable {
                    reason: format!("range {} found no leader", group.range).into(),
                }));
            }
        }
        Ok(())
    }

    /// Starts the group of a replica that is in the state; does nothing if it runs.
    pub(crate) async fn start_group(self: &Arc<Self>, range: RangeId) -> Result<(), Failure> {
        if !self.changing.lock().insert(range) {
            return Err(Failure::Busy(format!("range {range} is being started or removed")));
        }
        let started = self.start_group_alone(range).await;
        self.changing.lock().remove(&range);
        started
    }

    async fn start_group_alone(self: &Arc<Self>, range: RangeId) -> Result<(), Failure> {
        if self.stopping.load(std::sync::atomic::Ordering::Acquire) || self.groups.read().contains_key(&range)
        {
            return Ok(());
        }
        let group = self.store().group(range).map_err(|error| self.failure(error))?;
        let Some(group) = group else { return Err(Failure::NotHere { range }) };
        let log = self.shared.log.group(range, floor(&group));
        let group = crate::raft::group::Group::start(range, log, self.shared.clone()).await?;
        if group.is_alone() {
            // Nobody else could lead: there is nothing to wait for.
            group.elect(false).await;
        }
        self.groups.write().insert(range, group);
        Ok(())
    }

    /// Stops the group of a range and removes everything that this node has of it, durably.
    ///
    /// After a crash in the middle of it, and after an error, it is to be done again.
    pub(crate) async fn forget(&self, range: RangeId) -> Result<(), StorageError> {
        let group = self.groups.write().remove(&range);
        if let Some(group) = group {
            group.stop().await;
        }
        self.shared.applier.run(move |store| store.condemn_group(range)).await?;
        // Durable before the log forgets it: otherwise the replay of an old split could bring an old
        // replica back.
        self.shared.applier.checkpoint().await?;
        // And the log before the state forgets it: what nobody knows of would stay in the log, and meet
        // the next replica of the range.
        self.remove_log(range).await?;
        self.shared.applier.run(move |store| store.remove_group(range)).await
    }

    /// Removes the log of a range, durably; an error if the disk is full.
    async fn remove_log(&self, range: RangeId) -> Result<(), StorageError> {
        let (tell, mut removed) = oneshot::channel();
        // Nobody may wait any more.
        self.shared.log.group(range, None).remove(Box::new(move |result| drop(tell.send(result))));
        loop {
            if let Ok(removed) = Runtime::timeout(LOOK_EVERY, &mut removed).await {
                return removed.unwrap_or(Err(StorageError::Closed));
            }
            if let Some(missing) = self.shared.log.full() {
                return Err(self.shared.health.disk_full(missing));
            }
        }
    }

    /// Lets other nodes lead what this one leads, as far as there are others.
    pub(crate) async fn hand_over(&self) {
        /// How long one range may take.
        const TIMEOUT: Duration = Duration::from_secs(2);
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        for group in self.groups() {
            let voters = group.members().voters;
            let Some(Lead { followers, .. }) = group.lead() else { continue };
            let furthest = followers
                .into_iter()
                .filter(|(node, progress)| voters.contains(node) && progress.silent.is_some())
                .max_by_key(|(node, progress)| (progress.matched, std::cmp::Reverse(*node)));
            let Some((to, _)) = furthest else { continue };
            if group.transfer(to).await.is_err() {
                continue;
            }
            let mut waited = Duration::ZERO;
            while group.leads() && waited < TIMEOUT {
                Runtime::sleep(LOOK_EVERY).await;
                waited += LOOK_EVERY;
            }
        }
    }

    /// Stops everything, with a last checkpoint, and gives the folder free.
    pub(crate) async fn stop(&self) -> Result<(), StorageError> {
        if self.stopping.swap(true, std::sync::atomic::Ordering::AcqRel) {
            return Ok(());
        }
        self.shared.applier.give_up();
        let groups: Vec<_> = std::mem::take(&mut *self.groups.write()).into_values().collect();
        for group in &groups {
            let mut stopped = std::pin::pin!(group.stop());
            while Runtime::timeout(LOOK_EVERY, &mut stopped).await.is_err() {
                if self.shared.log.full().is_some() {
                    // What waits for space to be written keeps its group from stopping.
                    self.shared.log.close();
                }
            }
        }
        let durable = self.shared.applier.checkpoint().await;
        if let Ok(durable) = &durable {
            // LOG-2: the log gives up only what a durable checkpoint reaches.
            for (range, group) in durable {
                let applied = group.applied;
                // A log that stopped is read by the next opening.
                let _stopped = self.shared.log.group(*range, Some(applied)).purge(applied);
            }
        }
        self.shared.applier.stop().await;
        self.shared.log.close();
        self.join_workers().await;
        self.store().close();
        drop(self.folder.lock().take());
        match self.shared.health.poisoned() {
            Some(error) => Err(error),
            None => durable.map(drop),
        }
    }

    /// Waits for the workers: until they end, files change that the next opening reads.
    async fn join_workers(&self) {
        let workers = std::mem::take(&mut *self.workers.lock());
        for worker in workers {
            match worker {
                #[cfg(not(simulation))]
                WorkerHandle::Thread(thread) => {
                    // It was told to stop, and answered that it did.
                    let _panicked = thread.join();
                }
                #[cfg(simulation)]
                WorkerHandle::Task(ended) => drop(ended.await),
            }
        }
    }
}
