//! What senders asked last, and what they were answered.

use redb::ReadableTable as _;

use super::{
    fault::Fault,
    tables::{SessionRow, SessionsTable},
};
use crate::{
    action::{Refusal, Response, Session},
    kv::Timestamp,
    range::RangeId,
};

/// A session that was not used for so long may be dropped.
const IDLE_MS: u64 = 60 * 60 * 1000;
/// With each new session so many others are looked at. Clients are random numbers, so those behind the
/// new one are any; of all sessions about one in so many is kept too long.
const SWEEP: usize = 8;

/// What a session was answered before, if this is not its next request.
pub(super) fn answered(
    table: &SessionsTable<'_>,
    range: RangeId,
    session: Session,
) -> Result<Option<Response>, Fault> {
    let Some(row) = table.get((range.0, session.client))? else { return Ok(None) };
    let row = SessionRow::decode(row.value()).map_err(Fault::row("sessions"))?;
    if row.sequence < session.sequence {
        return Ok(None);
    }
    if session.sequence < row.sequence {
        return Ok(Some(Response::Refused(Refusal::Superseded)));
    }
    Response::decode(row.response).map(Some).map_err(Fault::row("sessions"))
}

/// Remembers an answer. With a new session, drops some of those that are long unused.
pub(super) fn remember(
    table: &mut SessionsTable<'_>,
    range: RangeId,
    session: Session,
    now: Timestamp,
    response: &Response,
) -> Result<(), Fault> {
    let row = SessionRow { sequence: session.sequence, stamp: now, response: response.encode() };
    let known = table.insert((range.0, session.client), row.encode().as_ref())?.is_some();
    if known {
        return Ok(());
    }
    let mut idle = Vec::new();
    {
        let this = (range.0, session.client);
        let behind = table.range(this..=(range.0, u64::MAX))?.skip(1);
        let before = table.range((range.0, 0)..this)?;
        for row in behind.chain(before).take(SWEEP) {
            let (key, row) = row?;
            let row = SessionRow::decode(row.value()).map_err(Fault::row("sessions"))?;
            if row.stamp.0.saturating_add(IDLE_MS) <= now.0 {
                idle.push(key.value());
            }
        }
    }
    for key in idle {
        table.remove(key)?;
    }
    Ok(())
}

/// Gives the child of a split what its parent knows: a request may come to it again.
pub(super) fn copy(table: &mut SessionsTable<'_>, parent: RangeId, child: RangeId) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for row in table.range((parent.0, 0)..=(parent.0, u64::MAX))? {
        let (key, row) = row?;
        rows.push((key.value().1, row.value().to_vec()));
    }
    for (client, row) in rows {
        table.insert((child.0, client), row.as_slice())?;
    }
    Ok(())
}
