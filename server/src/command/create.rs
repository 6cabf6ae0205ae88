//! `CREATE`: tables, views and datasets.

use arrow::datatypes::Schema;
use datafusion::{execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter};
use genomdb_grammar::ast::{Create, CreateKind, Ident, Query, TableDefinition};
use genomdb_layout::catalog::{Catalog, TableKind, ViewEntry};

use super::qualified;
use crate::{
    Answer, Existence, IngestMode, IngestRequest, Node, QueryError, Session, Statement,
    queries::Registration, query::start,
};

/// Makes what the statement asks for.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    statement: &Statement,
    create: &Create,
    registration: &mut Registration,
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
        CreateKind::Table(TableDefinition::Query(query)) => {
            return create_from(node, session, statement, (create, query), registration).await;
        }
        CreateKind::Reference(..) => {
            return Err(QueryError::at(at, "references are not part of this version"));
        }
    };
    Ok(Answer::Done(message.to_owned()))
}

/// Makes a table of rows of what a query yields.
async fn create_from(
    node: &Node,
    session: &Session,
    statement: &Statement,
    (create, query): (&Create, &Query),
    registration: &mut Registration,
) -> Result<Answer, QueryError> {
    if create.temporary {
        return Err(QueryError::at(create.at.0, "temporary tables are not part of this version"));
    }
    let (dataset, table) = qualified(&create.name)?;
    let pin = node.pin_catalog().await?;
    // What is wrong with the name is said before the query runs.
    if !create.or_replace && !is_free(pin.catalog(), create, &dataset, &table)? {
        return Ok(Answer::Done("CREATE TABLE".to_owned()));
    }
    let executor = session.executor();
    let prepared = executor.prepare(pin.catalog(), query, &statement.text)?;
    let (rows, _turn) = start(node, session, &prepared, (pin, &mut *registration)).await?;
    let mode = if create.or_replace { IngestMode::Replace } else { IngestMode::Create };
    let request = IngestRequest { dataset, table, mode };
    // Stopped, the ingest is dropped, and so takes back what it wrote.
    let count = registration.unless_stopped(node.ingest(session, request, nullable(rows))).await?;
    Ok(Answer::Done(format!("CREATE TABLE {count}")))
}

/// Lets every column hold NULL: that these rows have none is no promise for those that come later.
fn nullable(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
    Box::pin(RecordBatchStreamAdapter::new(schema.into(), rows))
}

fn table_kind(kind: &Ident) -> Result<TableKind, QueryError> {
    match kind.value.to_ascii_lowercase().as_str() {
        "alignments" | "reads" => Ok(TableKind::Alignments),
        "variants" | "features" | "sequences" => {
            Err(QueryError::at(kind.at.0, format!("tables of {} are not part of this version", kind.value)))
        }
        "rows" => Err(QueryError::at(kind.at.0, "a table of rows takes its columns from a query")
            .with_hint("CREATE TABLE name AS SELECT …")),
        _ => Err(QueryError::at(kind.at.0, format!("`{}` is not a kind of table", kind.value))
            .with_hint("CREATE TABLE name TYPE ALIGNMENTS")),
    }
}

/// Tells whether the name is free; an error if it is taken and that matters.
fn is_free(catalog: &Catalog, create: &Create, dataset: &str, name: &str) -> Result<bool, QueryError> {
    if !catalog.datasets.iter().any(|known| known == dataset) {
        return Err(QueryError::of_name(
            create.name.at.0,
            Existence::Missing,
            format!("unknown dataset `{dataset}`"),
        )
        .with_hint(format!("CREATE DATASET {dataset}")));
    }
    let taken = catalog.table(dataset, name).is_some() || catalog.view(dataset, name).is_some();
    if taken && !create.if_not_exists {
        return Err(QueryError::of_name(
            create.name.at.0,
            Existence::Taken,
            format!("`{name}` exists already"),
        ));
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
        return Err(QueryError::of_name(
            create.name.at.0,
            Existence::Taken,
            format!("`{name}` exists already"),
        ));
    }
    catalog.datasets.push(name);
    Ok(())
}
