//! The state thread: applies durable groups, answers their writers, makes checkpoints.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::Duration,
};

use super::{Maintenance, Message, PoisonOnPanic, Request, Shared, subtract};
use crate::{
    error::StorageError,
    state::{Detachment, Entry},
    wal::Appended,
};

/// What the log thread hands over.
#[derive(Debug)]
pub(super) enum Step {
    Apply(Group),
    Maintain(Maintenance),
    Close,
}

/// Writes that one fsync made durable.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) requests: Vec<Request>,
    pub(super) appended: Vec<Appended>,
    pub(super) bytes: u64,
}

impl Group {
    /// Tells all writers the same error.
    pub(super) fn refuse(self, error: &StorageError) {
        for request in self.requests {
            let _gone = request.reply.send(Err(error.clone()));
        }
    }
}

/// Applied and not yet in a checkpoint.
#[derive(Debug, Default)]
struct Dirty {
    bytes: u64,
    /// When a checkpoint is due.
    deadline: Option<Duration>,
}

/// Runs until told to close.
pub(super) fn run(shared: &Shared, steps: &Receiver<Step>, log: &Sender<Message>) {
    let _guard = PoisonOnPanic(shared);
    let mut dirty = Dirty::default();
    loop {
        let step = match dirty.deadline {
            None => steps.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => steps.recv_timeout(deadline.saturating_sub(shared.config.clock.now())),
        };
        match step {
            Ok(Step::Apply(group)) => {
                if !apply(shared, group, &mut dirty) {
                    break;
                }
            }
            Ok(Step::Maintain(work)) => maintain(shared, work, &mut dirty, log),
            Ok(Step::Close) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let due = dirty.deadline.is_some_and(|deadline| deadline <= shared.config.clock.now());
        // On a full disk only the clock makes it try again.
        let large =
            dirty.bytes >= shared.config.checkpoint_bytes && shared.state.pages().detachment().is_none();
        if (due || large)
            && let Err(error) = checkpoint(shared, &mut dirty, log)
        {
            shared.poison(&error);
            break;
        }
    }
    refuse_all(shared, steps);
}

/// Applies a group; false if the state is no longer what the log says, so nothing may follow.
fn apply(shared: &Shared, group: Group, dirty: &mut Dirty) -> bool {
    let entries: Vec<Entry<'_>> = group
        .requests
        .iter()
        .zip(&group.appended)
        .map(|(request, appended)| Entry {
            index: appended.index,
            end: appended.end,
            transaction: &request.transaction,
        })
        .collect();
    match shared.state.apply(&entries) {
        Ok(outcomes) => {
            for (request, outcome) in group.requests.into_iter().zip(outcomes) {
                // A writer that went away does not want to know.
                let _gone = request.reply.send(Ok(outcome));
            }
            dirty.bytes += group.bytes;
            let interval = shared.config.checkpoint_interval;
            dirty.deadline.get_or_insert_with(|| shared.config.clock.now() + interval);
            true
        }
        Err(error) => {
            let error = shared.poison(&error);
            group.refuse(&error);
            false
        }
    }
}

/// Makes everything applied durable in the state file; false if the disk is full.
fn checkpoint(shared: &Shared, dirty: &mut Dirty, log: &Sender<Message>) -> Result<bool, StorageError> {
    let detachment = match shared.state.pages().attach() {
        Ok(()) => match shared.state.checkpoint(None)? {
            Some(durable) => {
                // LOG-2: the log gives up only what a durable checkpoint reaches.
                *shared.durable.lock() = durable;
                subtract(&shared.unflushed_bytes, dirty.bytes);
                *dirty = Dirty::default();
                let _closing = log.send(Message::Purge);
                return Ok(true);
            }
            None => shared.state.pages().detachment(),
        },
        Err(detachment) => Some(detachment),
    };
    if let Some(Detachment::Failed(error)) = detachment {
        return Err(error);
    }
    // The disk is full. Tried again after the next interval; until then the log keeps what is needed.
    dirty.deadline = Some(shared.config.clock.now() + shared.config.checkpoint_interval);
    Ok(false)
}

fn maintain(shared: &Shared, work: Maintenance, dirty: &mut Dirty, log: &Sender<Message>) {
    let done = checkpoint(shared, dirty, log)
        .and_then(|done| if done { Ok(()) } else { Err(shared.disk_full(0, 0)) });
    let (done, reply) = match work {
        Maintenance::Checkpoint(reply) => (done, reply),
        Maintenance::Compact(reply) => (done.and_then(|()| shared.state.compact()), reply),
    };
    let _gone = reply.send(done);
}

/// Answers everything that still comes, so that nobody waits for ever.
fn refuse_all(shared: &Shared, steps: &Receiver<Step>) {
    while let Ok(step) = steps.recv() {
        let error = shared.poisoned().unwrap_or(StorageError::Closed);
        match step {
            Step::Apply(group) => group.refuse(&error),
            Step::Maintain(Maintenance::Checkpoint(reply) | Maintenance::Compact(reply)) => {
                let _gone = reply.send(Err(error));
            }
            Step::Close => return,
        }
    }
}
