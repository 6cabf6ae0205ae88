//! What a node does when stored bytes are damaged: it never serves them, and is repaired by the others.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::start::Current;
use crate::{
    data_folder::DataFolder,
    error::StorageError,
    network::Transport,
    node::{Node, NodeIdentity, Opened},
    set_aside::SetAside,
};

/// How often a running node is asked whether it met damage.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Other nodes without which nothing is set aside: with fewer, they are no quorum without this one, and
/// what it has is needed.
const OTHERS_MIN: usize = 2;

/// Watches a node for damage.
#[derive(Debug)]
pub(super) struct Watcher {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Watcher {
    pub(super) fn start(current: &Arc<Current>) -> Result<Self, StorageError> {
        let (stop, stopped) = mpsc::channel();
        let current = Arc::clone(current);
        let thread = thread::Builder::new().name("storage-healing".to_owned());
        let thread = thread.spawn(move || watch(&current, &stopped));
        let thread = thread.map_err(|error| StorageError::io("start a thread of", "storage", error))?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        // It ended by itself if it cannot be told.
        let _ended = self.stop.send(());
        let _panicked = self.thread.join();
    }
}

fn watch(current: &Current, stopped: &mpsc::Receiver<()>) {
    let mut told = false;
    while stopped.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
        let Some(running) = current.running() else {
            // It could not start again: the reason may be gone by now.
            if let Err(error) = current.start() {
                tracing::error!(%error, "the node does not start again");
            }
            continue;
        };
        let Some(damage) = running.node.damage() else { continue };
        let others = running.node.transport().peers().len().saturating_sub(1);
        if others < OTHERS_MIN {
            if !std::mem::replace(&mut told, true) {
                tracing::error!(%damage, others, "too few other nodes to do without what is damaged");
            }
            continue;
        }
        drop(running);
        if let Err(error) = current.end() {
            tracing::warn!(%error, "the damaged node did not stop cleanly");
        }
        if let Err(error) = set_aside(current, &damage).map(drop).and_then(|()| current.start()) {
            tracing::error!(%error, "the node does not start again");
        }
    }
}

/// Begins to set the files of the node aside; the next opening does it.
fn set_aside(current: &Current, damage: &StorageError) -> Result<DataFolder, StorageError> {
    let storage = &current.config.storage;
    let folder = DataFolder::open(&current.config.folder, storage.disk.as_ref())?;
    let begun = SetAside::begin(folder.path(), storage.clock.wall(), storage.disk.as_ref())?;
    let kept = begun.target(folder.path());
    tracing::error!(%damage, kept = %kept.display(), "damaged: the node starts again, without a replica");
    current.set_healed(damage.clone());
    Ok(folder)
}

/// Opens the folder and starts the node; damage is set aside if `others` have what is lost.
pub(super) async fn start_node(
    current: &Current,
    folder: DataFolder,
    (who, founds): (NodeIdentity, bool),
    others: usize,
    transport: Arc<dyn Transport>,
) -> Result<Arc<Node>, StorageError> {
    let config = &current.config.storage;
    let opened = match Opened::open(folder, config.clone(), who, founds) {
        Err(damage) if damage.is_damage() && others >= OTHERS_MIN => {
            let folder = set_aside(current, &damage)?;
            Opened::open(folder, config.clone(), who, founds)?
        }
        opened => opened?,
    };
    let store = Arc::clone(&opened.store);
    match Node::start(opened, Arc::clone(&transport)).await {
        Err(error) => {
            // What the groups met while they started.
            let damage = store.pages().read_failure().filter(StorageError::is_damage);
            let Some(damage) = damage.filter(|_| others >= OTHERS_MIN) else { return Err(error) };
            store.close();
            let folder = set_aside(current, &damage)?;
            Node::start(Opened::open(folder, config.clone(), who, founds)?, transport).await
        }
        started => started,
    }
}
