//! `genomdb kv`: what is kept under keys beside the tables.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use genomdb_server::{
    cluster::{StorageError, key_text},
    kv::{
        Condition, End, KeyValues, KvError, OperationResult, Outcome, ScanLimit, Span, Timestamp,
        Transaction, WriteBatch,
    },
};

use crate::{
    args::kv::{Action, Kv, Put, Scan},
    exit,
};

/// Entries that are read at once.
const PAGE_ENTRIES: usize = 1_000;
/// Bytes that are read at once, and the entry that reaches the bound.
const PAGE_BYTES: usize = 4 << 20;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error(transparent)]
    Key(#[from] key_text::BadKey),
    #[error("cannot read the value, or write what was found")]
    Io(#[from] io::Error),
    #[error("the store gave another answer than was asked for")]
    OtherAnswer,
}

impl CommandError {
    fn report(&self) -> ExitCode {
        let code = match self {
            Self::Key(_) | Self::Kv(KvError::KeyLength { .. }) => exit::USAGE,
            Self::Kv(KvError::Storage(StorageError::Unavailable { .. })) => exit::UNREACHABLE,
            _ => exit::FAILED,
        };
        exit::fail(code, self)
    }
}

/// What a command found.
enum Found {
    Done,
    /// No such value, or a condition that does not hold.
    Nothing,
}

/// Runs `genomdb kv`.
pub fn run(arguments: &Kv) -> ExitCode {
    let (runtime, node) = match super::open(&arguments.data) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let kv = KeyValues::new(node.storage().clone());
    let done = runtime.block_on(act(&kv, &arguments.action));
    let closed = runtime.block_on(node.close());
    match (done, closed) {
        (Err(error), _) => error.report(),
        (Ok(_), Err(error)) => exit::fail(exit::FAILED, &error),
        (Ok(Found::Done), Ok(())) => ExitCode::from(exit::DONE),
        (Ok(Found::Nothing), Ok(())) => ExitCode::from(exit::FAILED),
    }
}

async fn act(kv: &KeyValues, action: &Action) -> Result<Found, CommandError> {
    let mut batch = WriteBatch::new();
    match action {
        Action::Get(options) => {
            let value = kv.get(&key_text::parse(&options.key)?).await?;
            return write(value.as_deref());
        }
        Action::Put(options) => return put(kv, options).await,
        Action::Delete(options) => {
            batch.delete(stored(kv, &options.key)?);
        }
        Action::Scan(options) => return scan(kv, options).await,
        Action::Add(options) => {
            batch.add(stored(kv, &options.key)?, options.delta);
        }
        Action::Push(options) => {
            let end = if options.front { End::Front } else { End::Back };
            batch.push(stored(kv, &options.key)?, end, value(options.value.as_deref())?);
        }
        Action::Pop(options) => {
            let end = if options.back { End::Back } else { End::Front };
            batch.pop(stored(kv, &options.key)?, end);
        }
        Action::Deque(options) => return deque(kv, &key_text::parse(&options.key)?).await,
    }
    let transaction = Transaction { conditions: Vec::new(), batch };
    let (_, mut results) = kv.change(transaction, None).await?;
    match results.pop() {
        None => {}
        Some(OperationResult::Counter(value)) => println!("{value}"),
        Some(OperationResult::Length(length)) => println!("{length}"),
        Some(OperationResult::Element(element)) => return write(element.as_deref()),
    }
    Ok(Found::Done)
}

/// The key of the store for one that was typed.
fn stored(kv: &KeyValues, key: &str) -> Result<genomdb_server::cluster::Key, CommandError> {
    Ok(kv.key(&key_text::parse(key)?)?)
}

/// What was typed, or comes in.
fn value(typed: Option<&str>) -> io::Result<Vec<u8>> {
    match typed {
        Some(typed) => Ok(typed.as_bytes().to_vec()),
        None => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

fn write(value: Option<&[u8]>) -> Result<Found, CommandError> {
    let Some(value) = value else { return Ok(Found::Nothing) };
    let mut out = io::stdout().lock();
    out.write_all(value)?;
    out.flush()?;
    Ok(Found::Done)
}

async fn put(kv: &KeyValues, options: &Put) -> Result<Found, CommandError> {
    let key = stored(kv, &options.key)?;
    let conditions = match options.if_absent {
        true => vec![Condition::Absent(key.clone())],
        false => Vec::new(),
    };
    let mut batch = WriteBatch::new();
    let value = value(options.value.as_deref())?;
    match options.ttl {
        Some(seconds) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let until = now.saturating_add(Duration::from_secs(seconds)).as_millis();
            batch.put_until(key, value, Timestamp(u64::try_from(until).unwrap_or(u64::MAX)))
        }
        None => batch.put(key, value),
    };
    match kv.change(Transaction { conditions, batch }, None).await? {
        (Outcome::Committed, _) => Ok(Found::Done),
        (Outcome::ConditionFailed { .. }, _) => Ok(Found::Nothing),
    }
}

async fn scan(kv: &KeyValues, options: &Scan) -> Result<Found, CommandError> {
    let span = Span::Prefix(key_text::parse(&options.prefix)?.to_vec());
    let mut left = options.limit.unwrap_or(usize::MAX);
    let mut after: Option<Vec<u8>> = None;
    let mut out = io::stdout().lock();
    while left > 0 {
        let limit = ScanLimit { entries: left.min(PAGE_ENTRIES), bytes: PAGE_BYTES };
        let page = kv.scan(&span, after.as_deref(), limit).await?;
        for (key, value) in &page.entries {
            let key = key_text::write(key);
            match options.keys_only {
                true => writeln!(out, "{key}")?,
                false => writeln!(out, "{key}\t{}", key_text::write(value))?,
            }
        }
        left -= page.entries.len().min(left);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.flush()?;
    Ok(Found::Done)
}

async fn deque(kv: &KeyValues, key: &[u8]) -> Result<Found, CommandError> {
    let mut from = 0;
    let mut out = io::stdout().lock();
    loop {
        let limit = ScanLimit { entries: PAGE_ENTRIES, bytes: PAGE_BYTES };
        let (length, elements) = kv.deque(key, from, limit).await?;
        for element in &elements {
            writeln!(out, "{}", key_text::write(element))?;
        }
        from += elements.len() as u64;
        if from >= length {
            break;
        }
        if elements.is_empty() {
            return Err(CommandError::OtherAnswer);
        }
    }
    out.flush()?;
    Ok(Found::Done)
}
