//! Statements that are not queries: one file for each verb.

mod bind;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod describe;
pub(crate) mod drop;
pub(crate) mod insert;
pub(crate) mod kill;
pub(crate) mod set;
pub(crate) mod show;

use genomdb_grammar::{Span, ast::Name, suggest};
use genomdb_layout::catalog::{Catalog, TableEntry};

use crate::{Existence, QueryError};

pub(crate) use genomdb_planner::DEFAULT_DATASET;

/// Takes a name apart: its dataset and what is named in it.
pub(crate) fn qualified(name: &Name) -> Result<(String, String), QueryError> {
    let mut parts = name.folded();
    match (parts.pop(), parts.pop(), parts.pop()) {
        (Some(name), None, _) => Ok((DEFAULT_DATASET.to_owned(), name)),
        (Some(name), Some(dataset), None) => Ok((dataset, name)),
        _ => Err(QueryError::at(name.at.0, "a table is named as `table` or `dataset.table`")),
    }
}

/// Finds a table by a name of the statement.
pub(crate) fn table<'c>(catalog: &'c Catalog, name: &Name) -> Result<&'c TableEntry, QueryError> {
    let (dataset, table) = qualified(name)?;
    catalog.table(&dataset, &table).ok_or_else(|| unknown_table(catalog, &dataset, &table, name.at.0))
}

/// The error of a table that does not exist, with the name that was probably meant.
pub(crate) fn unknown_table(catalog: &Catalog, dataset: &str, table: &str, span: Span) -> QueryError {
    let names =
        catalog.tables.iter().filter(|entry| entry.dataset == dataset).map(|entry| entry.name.as_str());
    let error = QueryError::of_name(span, Existence::Missing, format!("unknown table `{table}`"));
    if let Some(near) = suggest(table, names) {
        error.with_hint(format!("did you mean `{near}`?"))
    } else if catalog.tables.is_empty() {
        error.with_hint("there is no table yet: `genomdb load FILE`, or COPY … FROM 'file'")
    } else {
        error.with_hint("SHOW TABLES lists what there is")
    }
}

/// Returns the tables that a `FROM` names, all of them where there is none.
pub(crate) fn tables<'c>(
    catalog: &'c Catalog,
    from: Option<&Name>,
) -> Result<Vec<&'c TableEntry>, QueryError> {
    match from {
        Some(name) => Ok(vec![table(catalog, name)?]),
        None => Ok(catalog.tables.iter().collect()),
    }
}
