//! `INSERT INTO table query`: what a query yields becomes rows of a table.

use std::collections::BTreeMap;

use arrow::{compute::can_cast_types, datatypes::Field};
use datafusion::{
    common::Column,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit},
    scalar::ScalarValue,
};
use genomdb_grammar::{
    ast::{Ident, Insert},
    suggest,
};
use genomdb_layout::catalog::{Catalog, TableEntry, TableKind};

use super::{
    bind::{bind, types_of},
    qualified, table,
};
use crate::{
    Answer, IngestMode, IngestRequest, Node, QueryError, Session, Statement,
    parameters::Parameters,
    queries::Registration,
    query::{ParameterTypes, start},
};

/// Adds the rows to the table, all of them or none.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    (statement, parameters): (&Statement, &Parameters),
    insert: &Insert,
    registration: &mut Registration,
) -> Result<Answer, QueryError> {
    let pin = node.pin_catalog().await?;
    let entry = table_of_rows(pin.catalog(), insert)?;
    let executor = session.executor();
    let mut plan = executor.plan(pin.catalog(), &insert.query, &statement.text)?;
    if parameters.are_bound() {
        plan = bind(plan, parameters)?;
    }
    let plan = fitted(plan, entry, insert)?;
    let prepared = executor.optimize(pin.catalog(), plan)?;
    let (dataset, table) = qualified(&insert.table)?;
    let (rows, _turn) = start(node, session, &prepared, (pin, &mut *registration)).await?;
    let request = IngestRequest { dataset, table, mode: IngestMode::Append };
    // Stopped, the ingest is dropped, and so takes back what it wrote.
    let count = registration.unless_stopped(node.ingest(session, request, rows)).await?;
    Ok(Answer::Done(format!("INSERT {count}")))
}

/// The parameters of the query, by name; one that is a value of a column is of its type.
pub(crate) async fn parameters(
    node: &Node,
    session: &Session,
    statement: &Statement,
    insert: &Insert,
) -> Result<ParameterTypes, QueryError> {
    let catalog = node.catalog().await?;
    let entry = table_of_rows(&catalog, insert)?;
    let executor = session.executor();
    let plan = executor.plan(&catalog, &insert.query, &statement.text)?;
    let columns: Vec<_> = places(entry, &insert.columns)?
        .into_iter()
        .filter_map(|place| entry.schema.fields().get(place).map(|field| field.data_type().clone()))
        .collect();
    let known = match &plan {
        LogicalPlan::Values(values) => types_of(values, &columns),
        _ => BTreeMap::new(),
    };
    let mut found = executor.optimize(&catalog, plan)?.parameters()?;
    for (name, is) in &mut found {
        if let Some(column) = known.get(name) {
            *is = Some(column.clone());
        }
    }
    Ok(found)
}

/// The table that rows are to be added to.
fn table_of_rows<'c>(catalog: &'c Catalog, insert: &Insert) -> Result<&'c TableEntry, QueryError> {
    let entry = table(catalog, &insert.table)?;
    if entry.kind != TableKind::Rows {
        let message =
            format!("`{}` is a table of {}, rows cannot be added to it", entry.name, entry.kind.name());
        return Err(QueryError::at(insert.table.at.0, message)
            .with_hint(format!("COPY {} FROM 'file' loads a file", entry.name)));
    }
    Ok(entry)
}

/// Gives the rows of a query the columns of the table: in its order, of its types, NULL where none is given.
fn fitted(plan: LogicalPlan, table: &TableEntry, insert: &Insert) -> Result<LogicalPlan, QueryError> {
    let given = places(table, &insert.columns)?;
    let found = plan.schema().fields().len();
    if found != given.len() {
        let message = format!("the query has {found} columns, and {} are wanted", given.len());
        return Err(QueryError::at(insert.query.at.0, message));
    }
    let mut columns = Vec::with_capacity(table.schema.fields().len());
    for (place, field) in table.schema.fields().iter().enumerate() {
        let value = match given.iter().position(|known| *known == place) {
            Some(index) => {
                let (relation, found) = plan.schema().qualified_field(index);
                let column = Expr::Column(Column::new(relation.cloned(), found.name()));
                converted(column, found, field, insert)?
            }
            None if field.is_nullable() => lit(ScalarValue::try_from(field.data_type())?),
            None => {
                let message = format!("column `{}` holds no NULL, and is not given", field.name());
                return Err(QueryError::at(insert.at.0, message));
            }
        };
        columns.push(value.alias(field.name()));
    }
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

fn converted(value: Expr, found: &Field, field: &Field, insert: &Insert) -> Result<Expr, QueryError> {
    let (from, to) = (found.data_type(), field.data_type());
    if from == to {
        Ok(value)
    } else if can_cast_types(from, to) {
        Ok(cast(value, to.clone()))
    } else {
        let message = format!("column `{}` is of type {to}, the query gives {from}", field.name());
        Err(QueryError::at(insert.query.at.0, message))
    }
}

/// Returns the places of the named columns in the table; all of them where none is named.
fn places(table: &TableEntry, columns: &[Ident]) -> Result<Vec<usize>, QueryError> {
    let known = || table.schema.fields().iter().map(|field| field.name().as_str());
    if columns.is_empty() {
        return Ok((0..known().count()).collect());
    }
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let name = column.folded();
        let Some(place) = known().position(|known| known == name) else {
            let error = QueryError::at(column.at.0, format!("table `{}` has no column `{name}`", table.name));
            return Err(match suggest(&name, known()) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint(format!("DESCRIBE {} lists them", table.name)),
            });
        };
        if places.contains(&place) {
            return Err(QueryError::at(column.at.0, format!("column `{name}` is given twice")));
        }
        places.push(place);
    }
    Ok(places)
}
