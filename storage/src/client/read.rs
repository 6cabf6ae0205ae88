//! Reads, put together from the ranges that they reach.

use futures_util::future::join_all;

use super::{Client, Patience, call::Attempt};
use crate::{
    error::StorageError,
    kv::{Key, KeyRange, ScanLimit, ScanPage, Timestamp, Value},
    range::Space,
    rpc::{Answer, Lock, Query, ReadMode, Request, Route},
};

/// What one range said to a query; `None` if the ranges are not what they were.
type Asked = Result<Option<Answer>, StorageError>;

fn locks(answer: &Answer) -> &[Lock] {
    match answer {
        Answer::Values { locks, .. }
        | Answer::Page { locks, .. }
        | Answer::Keys { locks, .. }
        | Answer::Deque { locks, .. }
        | Answer::Expiry { locks, .. } => locks,
        _ => &[],
    }
}

impl Client {
    /// Asks one range until it answers.
    async fn query(&self, route: &Route, mode: ReadMode, query: Query, patience: &mut Patience) -> Asked {
        let mut route = route.clone();
        // An answer that is right if its locks were not decided when they were asked about.
        let mut before: Option<Answer> = None;
        loop {
            let request = Request::Read {
                range: route.descriptor.id,
                version: route.descriptor.version,
                mode,
                query: query.clone(),
            };
            let reason = match self.attempt(&route, request, patience.left()).await {
                Attempt::Answered(answer) => {
                    let stale = matches!(mode, ReadMode::Stale(_));
                    if locks(&answer).is_empty() || stale {
                        return Ok(Some(answer));
                    }
                    // What is not decided and what is forgotten since look alike at the primary; but it
                    // is forgotten only after all of its locks are gone.
                    if let Some(before) = before.take()
                        && locks(&before).iter().all(|lock| locks(&answer).contains(lock))
                    {
                        return Ok(Some(before));
                    }
                    if !self.settle_all(&route, locks(&answer), patience).await? {
                        before = Some(answer);
                    }
                    continue;
                }
                Attempt::Split(_) => return Ok(None),
                Attempt::Moved(reason) => {
                    patience.wait(reason).await?;
                    return Ok(None);
                }
                Attempt::Again(reason) | Attempt::Unknown(reason) => reason,
                Attempt::Failed(error) => return Err(error),
            };
            patience.wait(reason).await?;
            let found = self.locate(route.descriptor.space, &route.descriptor.keys.start, patience).await?;
            if found.descriptor != route.descriptor {
                return Ok(None);
            }
            route = found;
        }
    }

    /// Does what was decided to the locks that a read met; false if none of them is decided: then
    /// the old value, which the read found, was right.
    async fn settle_all(
        &self,
        route: &Route,
        locks: &[Lock],
        patience: &mut Patience,
    ) -> Result<bool, StorageError> {
        let space = route.descriptor.space;
        let mut settled = false;
        for lock in locks {
            if self.decision(space, lock, patience).await?.is_some() {
                settled |= self.settle(space, lock, patience).await?;
            }
        }
        Ok(settled)
    }

    /// Values of `keys`, in their order; those of one range are of one moment.
    pub(crate) async fn batch_get(
        &self,
        space: Space,
        mode: ReadMode,
        keys: Vec<Key>,
    ) -> Result<Vec<Option<Value>>, StorageError> {
        let mut patience = self.patience();
        let mut values: Vec<Option<Value>> = vec![None; keys.len()];
        let mut open: Vec<usize> = (0..keys.len()).collect();
        while !open.is_empty() {
            let mut wanted: Vec<(Route, Vec<usize>)> = Vec::new();
            for number in open.drain(..) {
                let Some(key) = keys.get(number) else { continue };
                match wanted.iter_mut().find(|(route, _)| route.descriptor.keys.contains(key)) {
                    Some((_, numbers)) => numbers.push(number),
                    None => wanted.push((self.locate(space, key, &mut patience).await?, vec![number])),
                }
            }
            let asked = join_all(wanted.iter().map(|(route, numbers)| {
                let keys = numbers.iter().filter_map(|number| keys.get(*number).cloned()).collect();
                async move { self.query(route, mode, Query::Values(keys), &mut self.patience()).await }
            }))
            .await;
            for ((_, numbers), asked) in wanted.into_iter().zip(asked) {
                match asked? {
                    Some(Answer::Values { values: found, .. }) => {
                        for (number, value) in numbers.into_iter().zip(found) {
                            if let Some(place) = values.get_mut(number) {
                                *place = value;
                            }
                        }
                    }
                    Some(_) => return Err(StorageError::other_answer()),
                    None => open.extend(numbers),
                }
            }
            if !open.is_empty() && patience.left().is_zero() {
                return Err(patience.expired());
            }
        }
        Ok(values)
    }

    /// Entries of a range in key order, up to a limit.
    pub(crate) async fn scan(
        &self,
        space: Space,
        mode: ReadMode,
        range: KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<(Key, Value)>, StorageError> {
        let size = |(key, value): &(Key, Value)| key.len() + value.len();
        self.scan_as(space, mode, range, limit, Query::Scan, size, |answer| match answer {
            Answer::Page { page, .. } => Some(page),
            _ => None,
        })
        .await
    }

    /// Keys of a range in order, up to a limit.
    pub(crate) async fn scan_keys(
        &self,
        space: Space,
        mode: ReadMode,
        range: KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<Key>, StorageError> {
        self.scan_as(space, mode, range, limit, Query::ScanKeys, Key::len, |answer| match answer {
            Answer::Keys { page, .. } => Some(page),
            _ => None,
        })
        .await
    }

    #[allow(clippy::too_many_arguments, reason = "what differs between two scans, each once")]
    async fn scan_as<E>(
        &self,
        space: Space,
        mode: ReadMode,
        range: KeyRange,
        limit: ScanLimit,
        query: impl Fn(KeyRange, ScanLimit) -> Query,
        size: impl Fn(&E) -> usize,
        page_of: impl Fn(Answer) -> Option<ScanPage<E>>,
    ) -> Result<ScanPage<E>, StorageError> {
        let mut patience = self.patience();
        let mut page = ScanPage { entries: Vec::new(), next: Some(range) };
        let mut left = limit;
        while let Some(keys) = page.next.clone().filter(|keys| !keys.is_empty()) {
            let route = self.locate(space, &keys.start, &mut patience).await?;
            let (here, rest) = keys.cut(route.descriptor.keys.end.as_ref());
            let asked = self.query(&route, mode, query(here, left), &mut patience).await?;
            let Some(answer) = asked else { continue };
            let found = page_of(answer).ok_or_else(StorageError::other_answer)?;
            left.entries = left.entries.saturating_sub(found.entries.len());
            left.bytes = left.bytes.saturating_sub(found.entries.iter().map(&size).sum());
            page.entries.extend(found.entries);
            page.next = match found.next {
                Some(next) => Some(KeyRange { start: next.start, end: keys.end }),
                None => rest,
            };
            if left.entries == 0 || left.bytes == 0 {
                break;
            }
        }
        page.next = page.next.filter(|next| !next.is_empty());
        Ok(page)
    }

    /// The length of a deque, and elements of it.
    pub(crate) async fn deque(
        &self,
        mode: ReadMode,
        key: Key,
        from: u64,
        limit: ScanLimit,
    ) -> Result<(u64, Vec<Value>), StorageError> {
        match self.query_key(mode, key.clone(), Query::Deque { key, from, limit }).await? {
            Answer::Deque { length, elements, .. } => Ok((length, elements)),
            _ => Err(StorageError::other_answer()),
        }
    }

    /// When the value of a key expires, if it does.
    pub(crate) async fn expiry(&self, mode: ReadMode, key: Key) -> Result<Option<Timestamp>, StorageError> {
        match self.query_key(mode, key.clone(), Query::Expiry(key)).await? {
            Answer::Expiry { expiry, .. } => Ok(expiry),
            _ => Err(StorageError::other_answer()),
        }
    }

    async fn query_key(&self, mode: ReadMode, key: Key, query: Query) -> Result<Answer, StorageError> {
        let mut patience = self.patience();
        loop {
            let route = self.locate(Space::User, &key, &mut patience).await?;
            if let Some(answer) = self.query(&route, mode, query.clone(), &mut patience).await? {
                return Ok(answer);
            }
        }
    }
}
