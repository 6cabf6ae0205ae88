//! `CREATE`: tables, views and datasets.

use genomdb_grammar::ast::{Create, CreateKind, Ident, Query, TableDefinition};
use genomdb_layout::catalog::{Catalog, TableKind, ViewEntry};

use super::qualified;
use crate::{Answer, Node, QueryError, Session, Statement};

/// Makes what the statement asks for.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    statement: &Statement,
    create: &Create,
) -> Result<Answer, QueryError> {
    let at = create.at.0;
    let message = match &create.kind {
        CreateKind::Table(TableDefinition::Kind { kind, reference, options }) => {
            let kind = table_kind(kind)?;
            if let Some(reference) = reference {
                return Err(QueryError::at(reference.at.0, "references are not part of this version"));
            }
            if let Some(option) = options.first() {
                return Err(QueryError::at(
                    option.at.0,
                    format!("`{}` is not an option of a table", option.name),
                ));
            }
            node.catalogs().update(|catalog| create_table(catalog, create, kind)).await?;
            "CREATE TABLE"
        }
        CreateKind::View(columns, query) => {
            if let Some(column) = columns.first() {
                let error =
                    QueryError::at(column.at.0, "a view takes the names of its columns from its query");
                return Err(error.with_hint("name them there: SELECT expression AS name"));
            }
            // A view that cannot be planned is refused now, not when it is read.
            session.executor().plan(&node.catalog().await?, query, &statement.text)?;
            node.catalogs().update(|catalog| create_view(catalog, create, query)).await?;
            "CREATE VIEW"
        }
        CreateKind::Dataset => {
            node.catalogs().update(|catalog| create_dataset(catalog, create)).await?;
            "CREATE DATASET"
        }
        CreateKind::Table(TableDefinition::Query(_)) => {
            return Err(QueryError::at(at, "CREATE TABLE … AS is not part of this version")
                .with_hint("CREATE VIEW keeps a query, COPY … FROM loads a file"));
        }
        CreateKind::Reference(..) => {
            return Err(QueryError::at(at, "references are not part of this version"));
        }
    };
    Ok(Answer::Done(message.to_owned()))
}

fn table_kind(kind: &Ident) -> Result<TableKind, QueryError> {
    match kind.value.to_ascii_lowercase().as_str() {
        "alignments" | "reads" => Ok(TableKind::Alignments),
        "variants" | "features" | "sequences" => {
            Err(QueryError::at(kind.at.0, format!("tables of {} are not part of this version", kind.value)))
        }
        _ => Err(QueryError::at(kind.at.0, format!("`{}` is not a kind of table", kind.value))
            .with_hint("CREATE TABLE name TYPE ALIGNMENTS")),
    }
}

/// Tells whether the name is free; an error if it is taken and that matters.
fn is_free(catalog: &Catalog, create: &Create, dataset: &str, name: &str) -> Result<bool, QueryError> {
    if !catalog.datasets.iter().any(|known| known == dataset) {
        return Err(QueryError::at(create.name.at.0, format!("unknown dataset `{dataset}`"))
            .with_hint(format!("CREATE DATASET {dataset}")));
    }
    let taken = catalog.table(dataset, name).is_some() || catalog.view(dataset, name).is_some();
    if taken && !create.if_not_exists {
        return Err(QueryError::at(create.name.at.0, format!("`{name}` exists already")));
    }
    Ok(!taken)
}

fn create_table(catalog: &mut Catalog, create: &Create, kind: TableKind) -> Result<(), QueryError> {
    if create.or_replace {
        return Err(QueryError::at(
            create.at.0,
            "a table is not replaced: that would drop its sources unasked",
        )
        .with_hint("DROP TABLE first, or CREATE TABLE IF NOT EXISTS"));
    }
    let (dataset, name) = qualified(&create.name)?;
    if is_free(catalog, create, &dataset, &name)? {
        catalog.add_table(&dataset, &name, kind);
    }
    Ok(())
}

fn create_view(catalog: &mut Catalog, create: &Create, query: &Query) -> Result<(), QueryError> {
    let (dataset, name) = qualified(&create.name)?;
    if create.or_replace {
        catalog.views.retain(|view| (&view.dataset, &view.name) != (&dataset, &name));
    }
    if is_free(catalog, create, &dataset, &name)? {
        catalog.views.push(ViewEntry { dataset, name, text: query.to_string() });
    }
    Ok(())
}

fn create_dataset(catalog: &mut Catalog, create: &Create) -> Result<(), QueryError> {
    let [name] = create
        .name
        .folded()
        .try_into()
        .map_err(|_| QueryError::at(create.name.at.0, "a dataset has a plain name"))?;
    if catalog.datasets.contains(&name) {
        if create.if_not_exists {
            return Ok(());
        }
        return Err(QueryError::at(create.name.at.0, format!("`{name}` exists already")));
    }
    catalog.datasets.push(name);
    Ok(())
}
