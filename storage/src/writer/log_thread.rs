//! The log thread: gathers writes into groups and makes each group durable with one fsync.

use std::sync::{
    atomic::Ordering,
    mpsc::{Receiver, SyncSender},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    Maintenance, Message, PoisonOnPanic, Request, Shared,
    state_thread::{Group, Step},
};
use crate::{
    command,
    error::StorageError,
    state::Detachment,
    wal::{AppendError, Appended, Log},
};

/// Runs until told to close; returns the log for the last words.
pub(super) fn run(shared: &Shared, mut log: Log, inbox: &Receiver<Message>, steps: &SyncSender<Step>) -> Log {
    let _guard = PoisonOnPanic(shared);
    let mut waiting = None;
    loop {
        let message = match waiting.take() {
            Some(message) => message,
            None => match inbox.recv() {
                Ok(message) => message,
                Err(_) => break,
            },
        };
        match message {
            Message::Write(first) => {
                let group = gather(shared, first, inbox, &mut waiting);
                if let Some(group) = append(shared, &mut log, group, steps) {
                    waiting = waiting.or_else(|| inbox.try_recv().ok());
                    if waiting.is_none() {
                        // Nobody waits for the next fsync. Before the answers, so that a group that
                        // was acknowledged is known as such, unless the next one follows it.
                        log.mark_durable();
                    }
                    hand_over(shared, group, steps);
                }
            }
            Message::Maintain(work) => {
                // Without the other thread the reply is dropped, which its receiver understands.
                let _sent = steps.send(Step::Maintain(work));
            }
            Message::Purge => purge(shared, &mut log),
            Message::Close => break,
        }
    }
    let _sent = steps.send(Step::Close);
    log
}

fn hand_over(shared: &Shared, group: Group, steps: &SyncSender<Step>) {
    if let Err(lost) = steps.send(Step::Apply(group))
        && let Step::Apply(group) = lost.0
    {
        group.refuse(&shared.poisoned().unwrap_or(StorageError::Closed));
    }
}

/// Takes what else is waiting, up to the size of a group.
fn gather(
    shared: &Shared,
    first: Request,
    inbox: &Receiver<Message>,
    waiting: &mut Option<Message>,
) -> Vec<Request> {
    let mut bytes = first.transaction.batch.bytes();
    let mut group = vec![first];
    while bytes < shared.config.group_bytes_max {
        match inbox.try_recv() {
            Ok(Message::Write(next))
                if bytes + next.transaction.batch.bytes() <= shared.config.group_bytes_max =>
            {
                bytes += next.transaction.batch.bytes();
                group.push(next);
            }
            Ok(other) => {
                *waiting = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    group
}

/// Appends a group and makes it durable; refuses it if that is not possible.
fn append(shared: &Shared, log: &mut Log, requests: Vec<Request>, steps: &SyncSender<Step>) -> Option<Group> {
    let payloads: Vec<Vec<Bytes>> =
        requests.iter().map(|request| command::encode(&request.transaction)).collect();
    let bytes = payloads.iter().flatten().map(|piece| piece.len() as u64).sum();
    let mut appended = try_append(shared, log, &payloads, bytes);
    if matches!(appended, Err(StorageError::DiskFull { .. })) && make_space(shared, log, steps) {
        appended = try_append(shared, log, &payloads, bytes);
    }
    match appended {
        Ok(appended) => {
            shared.unflushed_bytes.fetch_add(bytes, Ordering::Relaxed);
            Some(Group { requests, appended, bytes })
        }
        Err(error) => {
            for request in requests {
                let _gone = request.reply.send(Err(error.clone()));
            }
            None
        }
    }
}

fn try_append(
    shared: &Shared,
    log: &mut Log,
    payloads: &[Vec<Bytes>],
    bytes: u64,
) -> Result<Vec<Appended>, StorageError> {
    if let Some(error) = shared.poisoned() {
        return Err(error);
    }
    let log_bytes = log.needed_bytes(bytes);
    check_space(shared, bytes, log_bytes)?;
    match shared.state.pages().attach() {
        Ok(()) => {}
        Err(Detachment::Failed(error)) => return Err(shared.poison(&error)),
        Err(Detachment::DiskFull | Detachment::Idle) => return Err(shared.disk_full(bytes, log_bytes)),
    }
    let appended = match log.append(payloads) {
        Ok(appended) => appended,
        Err(AppendError::DiskFull) => return Err(shared.disk_full(bytes, log_bytes)),
        Err(AppendError::Failed(error)) => return Err(shared.poison(&error)),
    };
    // LOG-1: only what the log has durably goes on to be applied, seen and acknowledged.
    log.sync().map_err(|error| shared.poison(&error))?;
    Ok(appended)
}

/// Gives back what of the log can be given back; false if there is nothing.
fn make_space(shared: &Shared, log: &mut Log, steps: &SyncSender<Step>) -> bool {
    let mut made = log.remove_spares();
    if shared.unflushed_bytes.load(Ordering::Relaxed) > 0 {
        let (reply, done) = oneshot::channel();
        let asked = steps.send(Step::Maintain(Maintenance::Checkpoint(reply))).is_ok();
        if asked && matches!(done.blocking_recv(), Ok(Ok(()))) {
            purge(shared, log);
            log.remove_spares();
            made = true;
        }
    }
    made
}

fn purge(shared: &Shared, log: &mut Log) {
    let durable = *shared.durable.lock();
    if let Err(error) = log.purge(durable) {
        // Only space is lost, and opening the folder again gives it back.
        tracing::warn!(%error, "a log segment could not be removed");
    }
}

/// Refuses a group for which there may not be space, before any of it is written.
///
/// The state file grows long after a write is acknowledged, so everything on its way there counts.
fn check_space(shared: &Shared, bytes: u64, log_bytes: u64) -> Result<(), StorageError> {
    let available = shared
        .config
        .disk
        .free_bytes(&shared.folder)
        .map_err(|error| StorageError::io("measure the disk of", &shared.folder, error))?;
    let needed = shared.needed_bytes(bytes, log_bytes);
    if available < needed {
        return Err(StorageError::DiskFull { path: shared.folder.clone(), available, needed });
    }
    Ok(())
}
