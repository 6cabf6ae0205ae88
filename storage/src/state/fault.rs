//! What goes wrong between redb and the state, before the file has given its name.

/// A failure while the tables are read or changed.
#[derive(Debug)]
pub(super) enum Fault {
    /// redb's.
    Redb(Box<redb::Error>),
    /// A row or an entry is not what was written.
    Corrupt(String),
    /// Refused, for a reason of the caller's.
    Other(crate::error::StorageError),
}

macro_rules! from_redb {
    ($($error:ident)*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        })*
    };
}

from_redb!(StorageError TableError TransactionError CommitError SetDurabilityError CompactionError DatabaseError);

impl From<redb::CursorError> for Fault {
    fn from(error: redb::CursorError) -> Self {
        match error {
            redb::CursorError::Storage(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<crate::error::StorageError> for Fault {
    fn from(error: crate::error::StorageError) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    /// A row that does not decode.
    pub(super) fn row(table: &'static str) -> impl Fn(&'static str) -> Self {
        move |reason| Self::Corrupt(format!("a row of `{table}`: {reason}"))
    }
}
