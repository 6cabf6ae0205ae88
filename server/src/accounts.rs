//! Who may ask: tokens that are made, listed, revoked and recognised, the same on every node of a cluster.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use genomdb_layout::{catalog::TokenEntry, key::tokens_prefix};
use genomdb_storage::{Condition, KeyRange, Outcome, ScanLimit, Storage, StorageError, Transaction};
use parking_lot::Mutex;

use crate::{
    Principal, Role, UnknownRole, milliseconds,
    token::{NoChance, Token},
};

/// Tokens that there may be; a node compares with all of them.
const TOKENS_MAX: usize = 1000;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// How long a node goes by what it has read: a token that was revoked elsewhere is accepted no longer.
pub const REVOKED_WITHIN: Duration = Duration::from_secs(2);
/// How long reading them may take.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Who shows tokens that nobody knows has them read no more often than that.
const READ_PAUSE: Duration = Duration::from_millis(50);

/// Why something about tokens was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccountError {
    /// The name cannot be one.
    #[error(
        "this cannot be the name of a token: that is 1 to 64 letters, digits and `.`, `_`, `-`, `@`, not \
         `local`, and nothing that begins with `gdb_`"
    )]
    Name,
    /// There is a token of that name.
    #[error("there is a token `{0}`; revoke it first, or take another name")]
    Exists(String),
    /// There are too many.
    #[error("there are {TOKENS_MAX} tokens, and no more may be made; revoke some")]
    Full,
    /// It would expire before it is used.
    #[error("a token that expires at once is of no use")]
    Expired,
    /// No token can be made.
    #[error(transparent)]
    Chance(Arc<NoChance>),
    /// The store does not answer.
    #[error("tokens cannot be read or written")]
    Storage(#[source] Arc<StorageError>),
    /// The store does not answer in time.
    #[error("tokens cannot be read in time")]
    Late,
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What it is called, and what lists of queries call who shows it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made.
    pub created: SystemTime,
    /// From when on it is not accepted.
    pub expires: Option<SystemTime>,
}

impl Account {
    /// Whether its time is over.
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }
}

impl TryFrom<&TokenEntry> for Account {
    type Error = UnknownRole;

    fn try_from(entry: &TokenEntry) -> Result<Self, UnknownRole> {
        // What no clock can show is as good as never.
        let moment = |ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms));
        Ok(Self {
            name: entry.name.clone(),
            role: entry.role.parse()?,
            created: moment(entry.created_ms).unwrap_or(UNIX_EPOCH),
            expires: entry.expires_ms.and_then(moment),
        })
    }
}

/// The tokens of a data folder or a cluster.
#[derive(Debug)]
pub struct Accounts {
    storage: Storage,
    /// What was read last.
    latest: Mutex<Option<Reading>>,
    /// Held by whoever reads; the others wait for what comes of it.
    reading: tokio::sync::Mutex<()>,
}

/// What came of reading all tokens.
#[derive(Clone, Debug)]
struct Reading {
    /// What was written before this moment is in it.
    began: Instant,
    tokens: Result<Arc<[Known]>, AccountError>,
}

/// A token that somebody may show.
#[derive(Debug)]
struct Known {
    hash: [u8; 32],
    principal: Principal,
    expires: Option<SystemTime>,
}

impl Accounts {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, latest: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Makes a token, valid for `lifetime` or until it is revoked. Nobody can find it out again.
    ///
    /// # Errors
    ///
    /// If the name is taken or cannot be one, there are too many, or the store does not answer.
    pub async fn create(
        &self,
        name: &str,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<(Account, Token), AccountError> {
        check_name(name)?;
        let now = SystemTime::now();
        let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        if expires.is_some_and(|expires| expires <= now) {
            return Err(AccountError::Expired);
        }
        if self.entries().await?.len() >= TOKENS_MAX {
            return Err(AccountError::Full);
        }
        let token = Token::random().map_err(|error| AccountError::Chance(Arc::new(error)))?;
        let entry = TokenEntry {
            name: name.to_owned(),
            role: role.name().to_owned(),
            hash: token.hash().0,
            created_ms: milliseconds::since_1970(now),
            expires_ms: expires.map(milliseconds::since_1970),
        };
        let key = TokenEntry::key(name).to_bytes();
        let absent = Condition::Absent(key.clone().into());
        let mut transaction = Transaction { conditions: vec![absent], ..Transaction::default() };
        transaction.batch.put(key, entry.to_bytes());
        if self.storage.transact(transaction).await? != Outcome::Committed {
            return Err(AccountError::Exists(name.to_owned()));
        }
        self.forget();
        tracing::info!(name, %role, "a token was made");
        Ok((Account { name: name.to_owned(), role, created: now, expires }, token))
    }

    /// The tokens that there are, by name.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        let mut accounts: Vec<Account> =
            self.entries().await?.into_iter().map(|(account, _)| account).collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(accounts)
    }

    /// Ends a token; false if there is none of that name. What it began goes on; here it begins nothing more,
    /// and on other nodes nothing after [`REVOKED_WITHIN`].
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn revoke(&self, name: &str) -> Result<bool, AccountError> {
        let key = TokenEntry::key(name).to_bytes();
        let present = Condition::Present(key.clone().into());
        let mut transaction = Transaction { conditions: vec![present], ..Transaction::default() };
        transaction.batch.delete(key);
        let was_there = self.storage.transact(transaction).await? == Outcome::Committed;
        self.forget();
        if was_there {
            tracing::info!(name, "a token was revoked");
        }
        Ok(was_there)
    }

    /// Tells who shows a token; `None` if it is not, or no longer, accepted.
    ///
    /// A token counts as soon as it was made, on every node, and for [`REVOKED_WITHIN`] after it was revoked
    /// on another one.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Principal>, AccountError> {
        let hash = token.hash();
        let asked = Instant::now();
        let find = |tokens: &[Known]| {
            let now = SystemTime::now();
            // All are compared, so that the time it takes tells nothing about which it is.
            let known = tokens.iter().filter(|known| hash.is(&known.hash)).fold(None, |_, known| Some(known));
            known
                .filter(|known| known.expires.is_none_or(|expires| now < expires))
                .map(|known| known.principal.clone())
        };
        let (began, tokens) = self.read_within(asked, REVOKED_WITHIN).await?;
        let found = find(&tokens);
        if found.is_some() || asked <= began {
            return Ok(found);
        }
        // It may have been made since.
        let (_, tokens) = self.read_within(asked, Duration::ZERO).await?;
        Ok(find(&tokens))
    }

    /// All tokens, as they were at most `age` before `asked`.
    async fn read_within(
        &self,
        asked: Instant,
        age: Duration,
    ) -> Result<(Instant, Arc<[Known]>), AccountError> {
        let latest = || {
            let latest = self.latest.lock().clone()?;
            (latest.began + age >= asked).then(|| latest.tokens.map(|tokens| (latest.began, tokens)))
        };
        // Errors are no news for whoever comes after them.
        if let Some(Ok(fresh)) = latest() {
            return Ok(fresh);
        }
        let _reading = self.reading.lock().await;
        let last = self.latest.lock().as_ref().map(|reading| reading.began);
        if let Some(fresh) = latest()
            && (fresh.is_ok() || last.is_some_and(|began| began >= asked))
        {
            return fresh;
        }
        if let Some(last) = last {
            tokio::time::sleep_until((last + READ_PAUSE).into()).await;
        }
        let began = Instant::now();
        let entries = tokio::time::timeout(READ_TIMEOUT, self.entries()).await;
        let entries = entries.unwrap_or(Err(AccountError::Late));
        let tokens = entries.map(|entries| {
            let known = entries.into_iter().map(|(account, hash)| Known {
                hash,
                principal: Principal { name: account.name.into(), role: account.role },
                expires: account.expires,
            });
            known.collect::<Arc<[Known]>>()
        });
        *self.latest.lock() = Some(Reading { began, tokens: tokens.clone() });
        tokens.map(|tokens| (began, tokens))
    }

    /// Has all read anew that is asked after this.
    fn forget(&self) {
        *self.latest.lock() = None;
    }

    async fn entries(&self) -> Result<Vec<(Account, [u8; 32])>, AccountError> {
        let mut accounts = Vec::new();
        let mut next = Some(KeyRange::prefix(tokens_prefix()));
        while let Some(range) = next {
            let page = self.storage.scan(range, ScanLimit::default()).await?;
            for (_, value) in page.entries {
                match entry(&value) {
                    Ok(entry) => accounts.push(entry),
                    // One that cannot be read opens nothing; the others still do.
                    Err(error) => tracing::error!(%error, "a token cannot be read"),
                }
            }
            next = page.next;
        }
        Ok(accounts)
    }
}

fn entry(value: &[u8]) -> Result<(Account, [u8; 32]), Box<dyn std::error::Error + Send + Sync>> {
    let entry = TokenEntry::from_bytes(value)?;
    Ok((Account::try_from(&entry)?, entry.hash))
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    // Who gives a token for a name shall not find it in a log.
    let is_free = *name != *Principal::local().name && !name.starts_with("gdb_");
    match is_plain && is_free && (1..=NAME_BYTES_MAX).contains(&name.len()) {
        true => Ok(()),
        false => Err(AccountError::Name),
    }
}
