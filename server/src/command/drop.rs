//! `DROP`: tables, one source of a table, views and datasets.

use genomdb_grammar::ast::{Drop, DropKind, Name};
use genomdb_layout::catalog::Catalog;
use genomdb_loader::drop_source;

use super::{DEFAULT_DATASET, qualified, table, unknown_table};
use crate::{Answer, Existence, Node, QueryError};

/// Removes what the statement names.
pub(crate) async fn run(node: &Node, drop: &Drop) -> Result<Answer, QueryError> {
    let message = match &drop.kind {
        DropKind::Table(name, _) => {
            drop_table(node, name, drop.if_exists).await?;
            "DROP TABLE"
        }
        DropKind::Source { source, table: name } => {
            let catalog = node.catalog().await?;
            let entry = table(&catalog, name)?;
            let found = entry.sources.iter().find(|known| known.name == source.value);
            match found {
                Some(found) => {
                    let (dataset, table, source) =
                        (entry.dataset.clone(), entry.name.clone(), found.name.clone());
                    node.drop_rows(move |storage| drop_source(storage, &dataset, &table, &source)).await?;
                }
                None if drop.if_exists => {}
                None => {
                    let names = entry.sources.iter().map(|known| known.name.as_str());
                    let near = genomdb_grammar::suggest(&source.value, names);
                    let hint = near.map_or("SHOW SOURCES lists them".to_owned(), |near| {
                        format!("did you mean '{near}'?")
                    });
                    let message = format!("table `{}` has no source '{}'", entry.name, source.value);
                    return Err(QueryError::at(source.at.0, message).with_hint(hint));
                }
            }
            "DROP SOURCE"
        }
        DropKind::View(name, _) => {
            drop_view(node, name, drop.if_exists).await?;
            "DROP VIEW"
        }
        DropKind::Dataset(name, _) => {
            drop_dataset(node, name, drop.if_exists).await?;
            "DROP DATASET"
        }
        DropKind::Reference(name, _) => {
            return Err(QueryError::at(name.at.0, "references are not part of this version"));
        }
    };
    Ok(Answer::Done(message.to_owned()))
}

async fn drop_table(node: &Node, name: &Name, if_exists: bool) -> Result<(), QueryError> {
    let catalog = node.catalog().await?;
    let (dataset, table) = qualified(name)?;
    match catalog.table(&dataset, &table) {
        Some(_) => node.drop_rows(move |storage| genomdb_loader::drop_table(storage, &dataset, &table)).await,
        None if if_exists => Ok(()),
        None => Err(unknown_table(&catalog, &dataset, &table, name.at.0)),
    }
}

async fn drop_view(node: &Node, name: &Name, if_exists: bool) -> Result<(), QueryError> {
    let (dataset, view) = qualified(name)?;
    let change = |catalog: &mut Catalog| {
        let before = catalog.views.len();
        catalog.views.retain(|known| (&known.dataset, &known.name) != (&dataset, &view));
        if catalog.views.len() == before && !if_exists {
            return Err(QueryError::of_name(name.at.0, Existence::Missing, format!("unknown view `{view}`")));
        }
        Ok(())
    };
    node.catalogs().update(change).await
}

async fn drop_dataset(node: &Node, name: &Name, if_exists: bool) -> Result<(), QueryError> {
    let at = name.at.0;
    let dataset = name.last().map(|part| part.folded()).unwrap_or_default();
    let change = |catalog: &mut Catalog| {
        if dataset == DEFAULT_DATASET {
            return Err(QueryError::at(at, format!("`{DEFAULT_DATASET}` is the default dataset and stays")));
        }
        if catalog.tables.iter().any(|table| table.dataset == dataset)
            || catalog.views.iter().any(|view| view.dataset == dataset)
        {
            return Err(QueryError::at(at, format!("dataset `{dataset}` is not empty"))
                .with_hint("drop its tables first"));
        }
        let before = catalog.datasets.len();
        catalog.datasets.retain(|known| *known != dataset);
        if catalog.datasets.len() == before && !if_exists {
            return Err(QueryError::of_name(at, Existence::Missing, format!("unknown dataset `{dataset}`")));
        }
        Ok(())
    };
    node.catalogs().update(change).await
}
