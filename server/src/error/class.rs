//! What kind of an error it is, for those who tell it to programs: HTTP as a status, gRPC as a code.

use datafusion::error::DataFusionError;
use genomdb_loader::LoadError;
use genomdb_storage::StorageError;

use super::{Existence, QueryError, QueryErrorKind};
use crate::Interruption;

/// What a program that asked can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Write GQL.
    Syntax,
    /// Ask for something that exists.
    Invalid,
    /// Make it first.
    NotFound,
    /// Take another name.
    Exists,
    /// Ask for something that this version can do.
    NotImplemented,
    /// Ask as somebody else.
    Forbidden,
    /// Nothing: somebody stopped it.
    Cancelled,
    /// Ask for less, or give it more time.
    Timeout,
    /// Ask for less.
    Limit,
    /// Ask when less is going on.
    Busy,
    /// Ask for less, or when less is going on.
    Resources,
    /// Look at the data on which it failed.
    Failed,
    /// Look at the file that was loaded.
    Load,
    /// Ask again.
    Unavailable,
    /// Make room.
    DiskFull,
    /// Restore what is damaged.
    Corrupt,
    /// Look at the store.
    Storage,
    /// Tell us.
    Internal,
}

impl ErrorClass {
    /// Its name in answers.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::NotImplemented => "not_implemented",
            Self::Forbidden => "forbidden",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Busy => "busy",
            Self::Resources => "resources",
            Self::Failed => "failed",
            Self::Load => "load",
            Self::Unavailable => "unavailable",
            Self::DiskFull => "disk_full",
            Self::Corrupt => "corrupt",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }
}

impl ErrorClass {
    /// What kind of an error of the store it is.
    pub(crate) fn of_storage(error: &StorageError) -> Self {
        match error {
            StorageError::Unavailable { .. } | StorageError::Unknown { .. } | StorageError::Closed => {
                Self::Unavailable
            }
            StorageError::NodeFull { .. } | StorageError::DiskFull { .. } => Self::DiskFull,
            StorageError::Corrupt { .. } => Self::Corrupt,
            _ => Self::Storage,
        }
    }
}

impl QueryError {
    /// What kind of an error it is.
    pub(crate) fn class(&self) -> ErrorClass {
        match self.kind() {
            QueryErrorKind::Parse(_) => ErrorClass::Syntax,
            QueryErrorKind::Invalid { existence: Some(Existence::Missing), .. } => ErrorClass::NotFound,
            QueryErrorKind::Invalid { existence: Some(Existence::Taken), .. } => ErrorClass::Exists,
            QueryErrorKind::Invalid { existence: None, .. } => ErrorClass::Invalid,
            QueryErrorKind::Denied(_) => ErrorClass::Forbidden,
            QueryErrorKind::Engine(error) => of_engine(error),
            QueryErrorKind::Load(error) => match error {
                LoadError::UnknownDataset { .. }
                | LoadError::UnknownTable { .. }
                | LoadError::UnknownSource { .. } => ErrorClass::NotFound,
                LoadError::TableExists { .. } => ErrorClass::Exists,
                _ => ErrorClass::Load,
            },
            QueryErrorKind::Storage(error) => ErrorClass::of_storage(error),
            QueryErrorKind::Layout(_) => ErrorClass::Corrupt,
        }
    }
}

fn of_engine(error: &DataFusionError) -> ErrorClass {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => ErrorClass::Resources,
        DataFusionError::Internal(_) => ErrorClass::Internal,
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) | DataFusionError::Configuration(_) => {
            ErrorClass::Invalid
        }
        DataFusionError::NotImplemented(_) => ErrorClass::NotImplemented,
        DataFusionError::External(source) => {
            match (source.downcast_ref::<StorageError>(), source.downcast_ref::<Interruption>()) {
                (Some(error), _) => ErrorClass::of_storage(error),
                (None, Some(interruption)) => of_interruption(interruption),
                (None, None) => ErrorClass::Failed,
            }
        }
        _ => ErrorClass::Failed,
    }
}

const fn of_interruption(interruption: &Interruption) -> ErrorClass {
    match interruption {
        Interruption::Cancelled => ErrorClass::Cancelled,
        Interruption::Timeout(_) => ErrorClass::Timeout,
        Interruption::ResultRows(_) | Interruption::ResultBytes(_) => ErrorClass::Limit,
        Interruption::Busy(_) => ErrorClass::Busy,
    }
}
