//! What a load that failed is called over HTTP.

use std::io;

use axum::http::StatusCode;
use genomdb_formats::FormatError;

use crate::{LoadError, http::problem::Problem};

/// The problem: the file, the record and the field that are meant stand in it, where there are any.
pub(super) fn problem(error: &LoadError) -> Problem {
    let (status, code) = class(error);
    match error {
        LoadError::Storage(error) => Problem::of_storage(error),
        LoadError::Format(FormatError::Record { file, record, fault, .. }) => {
            Problem::new(status, code, error.to_string()).of_record(file, *record, Some(&fault.field))
        }
        LoadError::Record { file, record, .. } => {
            Problem::new(status, code, error.to_string()).of_record(file, *record, None)
        }
        LoadError::Format(format) => Problem::new(status, code, error.to_string()).of_file(format.file()),
        _ => Problem::new(status, code, error.to_string()).with_retry(),
    }
}

fn class(error: &LoadError) -> (StatusCode, &'static str) {
    match error {
        LoadError::Format(FormatError::Io { source, .. }) => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (StatusCode::INSUFFICIENT_STORAGE, "disk_full")
            }
            io::ErrorKind::UnexpectedEof => (StatusCode::BAD_REQUEST, "upload_broke_off"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "unreadable"),
        },
        LoadError::Format(_) | LoadError::Record { .. } | LoadError::FileChanged { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "damaged_file")
        }
        LoadError::Contigs { .. } => (StatusCode::CONFLICT, "contigs"),
        LoadError::Duplicate { .. } => (StatusCode::CONFLICT, "duplicate"),
        LoadError::NameTaken { .. }
        | LoadError::WrongKind { .. }
        | LoadError::SourceBusy { .. }
        | LoadError::TableChanged { .. } => (StatusCode::CONFLICT, "conflict"),
        LoadError::UnknownDataset { .. }
        | LoadError::UnknownTable { .. }
        | LoadError::UnknownSource { .. } => (StatusCode::NOT_FOUND, "not_found"),
        LoadError::CatalogBusy { .. } | LoadError::LeaseLost => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
        LoadError::Cancelled => (StatusCode::CONFLICT, "cancelled"),
        LoadError::Spill { .. } => (StatusCode::INSUFFICIENT_STORAGE, "spill"),
        // What a load of a file does not say: of statements that write rows.
        LoadError::NotRows { .. } | LoadError::TableExists { .. } | LoadError::Columns { .. } => {
            (StatusCode::CONFLICT, "conflict")
        }
        LoadError::Row { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "damaged_file"),
        LoadError::Storage(_) | LoadError::Layout(_) | LoadError::MissingValue { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "corrupt")
        }
    }
}
