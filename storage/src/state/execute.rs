//! Applying entries: many groups' in one redb transaction, each by the same rules on every replica.

use std::sync::atomic::Ordering;

use redb::{Durability, ReadableTable, Table, WriteTransaction};

use super::{
    events::{Change, NewEvents},
    fault::Fault,
    group::{GroupEntries, GroupRow, Membership, Payload, Phase},
    sessions,
    store::Store,
    tables::{GROUPS, SESSIONS, SessionsTable, SpaceTables},
};
use crate::{
    action::{Action, Proposal, Refusal, Response},
    error::StorageError,
    kv::{Key, KeyRange, Operation, Timestamp},
    log_id::LogId,
    range::{RangeDescriptor, RangeId, Space},
};

/// Responses to entries, one for each command.
pub(crate) type Responses = Vec<Option<Response>>;

/// A range while its entries are applied.
pub(super) struct Applying<'a, 't> {
    pub(super) row: GroupRow,
    pub(super) tables: &'a mut SpaceTables<'t>,
    pub(super) sessions: &'a mut SessionsTable<'t>,
    pub(super) groups: &'a mut Table<'t, u64, &'static [u8]>,
    pub(super) events: NewEvents,
    /// Whether requests for other versions are taken; only to see that a test notices.
    pub(super) unchecked: bool,
    /// Of ranges that entries brought into being.
    pub(super) born: Vec<NewEvents>,
}

impl Store {
    /// Applies entries, visible when it returns, durable only after a checkpoint; for each group and
    /// entry the response, if it was a command.
    ///
    /// Nothing of it is applied if it fails. Groups are taken in order, so the child of a split may
    /// follow its parent in one call.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] names an entry that is no proposal; [`StorageError::RangeAbsent`] a
    /// group that is not live here.
    ///
    /// # Panics
    ///
    /// If entries do not follow what is applied.
    pub(crate) fn apply(&self, groups: &[GroupEntries]) -> Result<Vec<Responses>, StorageError> {
        let unchecked = self.unchecked.load(Ordering::Relaxed);
        let (responses, events) =
            self.file.write(Durability::None, |transaction| apply_groups(transaction, groups, unchecked))?;
        self.events.add(events);
        Ok(responses)
    }
}

fn apply_groups(
    transaction: &WriteTransaction,
    batch: &[GroupEntries],
    unchecked: bool,
) -> Result<(Vec<Responses>, Vec<NewEvents>), Fault> {
    let mut groups = transaction.open_table(GROUPS)?;
    let mut sessions = transaction.open_table(SESSIONS)?;
    let (mut user, mut placement) = (None, None);
    let (mut responses, mut events) = (Vec::with_capacity(batch.len()), Vec::new());
    for GroupEntries { range, entries } in batch {
        let row = find_group(&groups, *range)?;
        let row = row.filter(|row| row.group.phase == Phase::Live);
        let row = row.ok_or(StorageError::RangeAbsent { range: *range })?;
        let space = row.group.descriptor.space;
        let tables = match space {
            Space::User => &mut user,
            Space::Placement => &mut placement,
        };
        if tables.is_none() {
            *tables = Some(SpaceTables::open(transaction, space)?);
        }
        let Some(tables) = tables else { continue };
        let mut applying = Applying {
            events: NewEvents::new(*range, row.group.applied.index),
            row,
            tables,
            sessions: &mut sessions,
            groups: &mut groups,
            unchecked,
            born: Vec::new(),
        };
        responses.push(
            entries.iter().map(|(id, payload)| applying.entry(*id, payload)).collect::<Result<_, _>>()?,
        );
        applying.finish(&mut events)?;
    }
    Ok((responses, events))
}

/// The row of a group.
pub(super) fn find_group(
    groups: &impl ReadableTable<u64, &'static [u8]>,
    range: RangeId,
) -> Result<Option<GroupRow>, Fault> {
    let row = groups.get(range.0)?;
    row.map(|row| GroupRow::decode(row.value()).map_err(Fault::row("groups"))).transpose()
}

impl Applying<'_, '_> {
    fn entry(&mut self, id: LogId, payload: &Payload) -> Result<Option<Response>, Fault> {
        let applied = &mut self.row.group.applied;
        // STATE-1: the place in the log changes with the data, so nothing is applied twice or left out.
        assert!(applied.index + 1 == id.index && applied.term <= id.term, "STATE-1");
        *applied = id;
        self.events.begin(id.index);
        match payload {
            Payload::Blank => Ok(None),
            Payload::Membership(bytes) => {
                self.row.group.membership = Membership { id, bytes: bytes.clone() };
                Ok(None)
            }
            Payload::Command(bytes) => {
                let range = self.row.group.descriptor.id;
                let proposal = Proposal::decode(bytes.clone())
                    .map_err(|reason| Fault::Corrupt(format!("entry {id} of range {range}: {reason}")))?;
                self.proposal(&proposal).map(Some)
            }
        }
    }

    fn proposal(&mut self, proposal: &Proposal) -> Result<Response, Fault> {
        let descriptor = &self.row.group.descriptor;
        let range = descriptor.id;
        // Before the version: what was done before a split is not done again after it.
        if let Some(session) = proposal.session
            && let Some(response) = sessions::answered(self.sessions, range, session)?
        {
            return Ok(response);
        }
        // RANGE-1: meant for the range as it was.
        if proposal.version != descriptor.version && !self.unchecked {
            return Ok(Response::Refused(Refusal::Version(descriptor.clone())));
        }
        let response = self.action(&proposal.action, proposal.now)?;
        if let Some(session) = proposal.session
            && !matches!(&response, Response::Refused(refusal) if !refusal.is_remembered())
        {
            sessions::remember(self.sessions, range, session, proposal.now, &response)?;
        }
        Ok(response)
    }

    fn action(&mut self, action: &Action, now: Timestamp) -> Result<Response, Fault> {
        match action {
            Action::Transact(transaction) => self.transact(transaction, now),
            Action::Prepare { id, primary, deadline, part } => {
                self.prepare(*id, primary, *deadline, part, now)
            }
            Action::Decide { id, primary, commit } => self.decide(*id, primary, *commit, now),
            Action::Resolve { id, keys, commit } => self.resolve(*id, keys, *commit, now),
            Action::Forget { id, primary } => self.forget(*id, primary, now),
            Action::Expire { entries } => self.expire(entries, now),
            Action::Split { at, child } => self.split(at, *child),
            // Whoever applies it computes the checksum from a view as of this entry.
            Action::Verify => Ok(Response::Verified),
        }
    }

    fn expire(&mut self, entries: &[(Key, Timestamp)], now: Timestamp) -> Result<Response, Fault> {
        if let Some(refusal) = self.outside(entries.iter().map(|(key, _)| key)) {
            return Ok(Response::Refused(refusal));
        }
        for (key, until) in entries {
            if *until <= now && self.tables.expiry(key)? == Some(*until) {
                self.tables.remove_value(key)?;
                self.events.push(key, Change::Deleted);
            }
        }
        Ok(Response::Done(Vec::new()))
    }

    /// Cuts the range in two. The child begins with the parent's members and sessions; its rows lie
    /// where they are.
    fn split(&mut self, at: &Key, child: RangeId) -> Result<Response, Fault> {
        let RangeDescriptor { id, space, keys, version } = &self.row.group.descriptor;
        let inside = keys.contains(at) && keys.start < at;
        // The driver's own range never splits.
        if !inside || *space != Space::User {
            return Ok(Response::Refused(Refusal::NotInRange { key: at.clone() }));
        }
        if find_group(self.groups, child)?.is_some() {
            return Err(Fault::Corrupt(format!("range {id} is to be split into {child}, which exists")));
        }
        let (id, version) = (*id, version + 1);
        let child_keys = KeyRange { start: at.clone(), end: keys.end.clone() };
        let child = RangeDescriptor { id: child, space: *space, keys: child_keys, version };
        let mut row = self.row.clone();
        row.group.descriptor = child.clone();
        row.group.applied = LogId::BIRTH;
        row.group.membership.id = LogId::BIRTH;
        self.take_growth();
        row.bytes = self.row.bytes / 2;
        self.row.bytes -= row.bytes;
        self.groups.insert(child.id.0, row.encode().as_ref())?;
        sessions::copy(self.sessions, id, child.id)?;
        let parent = &mut self.row.group.descriptor;
        parent.version = version;
        parent.keys.end = Some(at.clone());
        let parent = parent.clone();
        self.events.push(at, Change::Split { parent: parent.clone(), child: child.clone() });
        self.born.push(NewEvents::born(&child, &parent));
        Ok(Response::Split { parent, child })
    }

    /// Why these keys cannot be touched here, if one lies outside of the range.
    pub(super) fn outside<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Option<Refusal> {
        let range = &self.row.group.descriptor.keys;
        let key = keys.into_iter().find(|key| !range.contains(key)).filter(|_| !self.unchecked)?;
        Some(Refusal::NotInRange { key: key.clone() })
    }

    /// As [`Applying::outside`], for operations; a span must lie in the range as a whole.
    pub(super) fn outside_operations(&self, operations: &[Operation]) -> Option<Refusal> {
        let range = &self.row.group.descriptor.keys;
        let inside = |operation: &&Operation| match operation {
            Operation::DeleteRange(span) => {
                let ends = match (&span.end, &range.end) {
                    (_, None) => true,
                    (Some(end), Some(last)) => end <= last,
                    (None, Some(_)) => false,
                };
                span.is_empty() || (range.start <= span.start && ends)
            }
            point => range.contains(point.key()),
        };
        let outside = operations.iter().find(|operation| !inside(operation));
        let operation = outside.filter(|_| !self.unchecked)?;
        Some(Refusal::NotInRange { key: operation.key().clone() })
    }

    fn take_growth(&mut self) {
        let growth = std::mem::take(&mut self.tables.data_growth);
        self.row.bytes = self.row.bytes.saturating_add_signed(growth);
    }

    fn finish(mut self, events: &mut Vec<NewEvents>) -> Result<(), Fault> {
        self.take_growth();
        let range = self.row.group.descriptor.id;
        self.groups.insert(range.0, self.row.encode().as_ref())?;
        events.push(self.events);
        events.append(&mut self.born);
        Ok(())
    }
}
