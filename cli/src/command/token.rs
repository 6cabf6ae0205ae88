//! `genomdb token`: who may ask.

use std::{
    fmt::Write as _,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use genomdb_server::{Account, AccountError, Node};
use serde_json::{Value, json};

use crate::{
    args::token::{Action, Token},
    command, exit, logging,
};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The name is not quoted: it may be a token.
    #[error("there is no token of that name; `genomdb token list` shows those that there are")]
    None,
}

impl TokenError {
    const fn code(&self) -> u8 {
        match self {
            Self::Account(AccountError::Storage(_) | AccountError::Late) => exit::UNREACHABLE,
            Self::Account(AccountError::Name | AccountError::Expired) => exit::USAGE,
            Self::Account(_) | Self::None => exit::FAILED,
        }
    }
}

/// Runs `genomdb token`.
pub fn run(arguments: &Token) -> ExitCode {
    let (runtime, node) = match command::open(&arguments.data) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let done = runtime.block_on(act(&node, arguments));
    let closed = runtime.block_on(node.close());
    match (done, closed) {
        (Err(error), _) => exit::fail(error.code(), &error),
        (Ok(()), Err(error)) => exit::fail(exit::FAILED, &error),
        (Ok(()), Ok(())) => ExitCode::from(exit::DONE),
    }
}

async fn act(node: &Node, arguments: &Token) -> Result<(), TokenError> {
    let accounts = node.accounts();
    match &arguments.action {
        Action::Create(create) => {
            let (account, token) = accounts.create(&create.name, create.role, create.expires).await?;
            if arguments.json {
                let mut shown = shown(&account);
                if let Some(fields) = shown.as_object_mut() {
                    fields.insert("token".to_owned(), token.reveal().into());
                }
                println!("{shown:#}");
            } else {
                println!("{}", token.reveal());
                eprintln!("made `{}`, a {}; the token is shown this once", account.name, account.role);
            }
        }
        Action::List => {
            let list = accounts.list().await?;
            match arguments.json {
                true => println!("{:#}", Value::Array(list.iter().map(shown).collect())),
                false => print!("{}", table(&list)),
            }
        }
        Action::Revoke(revoke) => {
            if !accounts.revoke(&revoke.name).await? {
                return Err(TokenError::None);
            }
            match arguments.json {
                true => println!("{:#}", json!({ "revoked": revoke.name })),
                false => println!("revoked `{}`", revoke.name),
            }
        }
    }
    Ok(())
}

fn shown(account: &Account) -> Value {
    let ms = |moment: SystemTime| {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    json!({
        "name": account.name,
        "role": account.role.name(),
        "created_ms": ms(account.created),
        "expires_ms": account.expires.map(ms),
        "expired": account.is_expired(),
    })
}

/// A line for each, with columns that begin below each other.
fn table(accounts: &[Account]) -> String {
    let width = accounts.iter().map(|account| account.name.len()).max().unwrap_or_default().max("name".len());
    let mut text = format!("{:width$}  role    made                      expires\n", "name");
    for account in accounts {
        let expires = match account.expires {
            None => "never".to_owned(),
            Some(_) if account.is_expired() => "expired".to_owned(),
            Some(expires) => logging::time(expires),
        };
        let (name, role, made) = (&account.name, account.role.name(), logging::time(account.created));
        // Writing into a string does not fail.
        let _written = writeln!(text, "{name:width$}  {role:6}  {made}  {expires}");
    }
    text
}
