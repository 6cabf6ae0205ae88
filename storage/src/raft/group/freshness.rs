//! How old the state of a replica is: what its leader last told it, and when.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;

use crate::{clock::Clock, kv::Timestamp};

/// Messages of the leader that are remembered until they are applied.
const CONTACTS_MAX: usize = 16;

/// A message of the leader: up to where everything was committed when it was sent.
#[derive(Clone, Copy, Debug)]
struct Contact {
    /// This node's clock when it came.
    received: Duration,
    /// The leader's time when it was sent.
    sent: Timestamp,
    committed: u64,
}

/// What the leader said lately.
#[derive(Debug, Default)]
pub(crate) struct Freshness(Mutex<Contacts>);

#[derive(Debug, Default)]
struct Contacts {
    /// Newest of which everything is applied.
    reached: Option<Contact>,
    /// Newer ones, oldest first.
    ahead: VecDeque<Contact>,
}

impl Freshness {
    /// The leader sent a message in which everything up to `committed` was committed.
    pub(crate) fn contact(&self, committed: u64, sent: Timestamp, clock: &dyn Clock) {
        let mut contacts = self.0.lock();
        if contacts.ahead.len() == CONTACTS_MAX {
            // The newer half is what counts once it is applied.
            contacts.ahead.drain(1..CONTACTS_MAX / 2);
        }
        contacts.ahead.push_back(Contact { received: clock.now(), sent, committed });
    }

    /// How long ago, at most, the applied state was the newest.
    ///
    /// By this node's clock since the message came, and by both nodes' wall clocks since it was sent:
    /// the larger of the two, as either alone can be fooled, by a message that waited in a socket or by
    /// clocks that differ.
    pub(crate) fn age(&self, applied: u64, clock: &dyn Clock) -> Option<Duration> {
        let mut contacts = self.0.lock();
        while let Some(contact) = contacts.ahead.front().copied()
            && contact.committed <= applied
        {
            contacts.reached = Some(contact);
            contacts.ahead.pop_front();
        }
        let contact = contacts.reached?;
        let by_wall = Duration::from_millis(clock.wall().0.saturating_sub(contact.sent.0));
        Some(by_wall.max(clock.now().saturating_sub(contact.received)))
    }
}
