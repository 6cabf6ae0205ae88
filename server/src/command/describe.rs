//! `DESCRIBE`: the columns of a table or a query, as rows.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, StringArray},
    datatypes::{DataType, Schema},
};
use genomdb_grammar::ast::{Describe, DescribeTarget, Name};
use genomdb_layout::catalog::{Catalog, TableKind};

use super::table as find_table;
use crate::{Answer, Node, QueryError, QueryErrorKind, Session, Statement};

/// Describes what the statement names.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    statement: &Statement,
    describe: &Describe,
) -> Result<Answer, QueryError> {
    let catalog = node.catalog().await?;
    match &describe.target {
        DescribeTarget::Query(query) => {
            schema(session.executor().plan(&catalog, query, &statement.text)?.schema().as_arrow())
        }
        DescribeTarget::Table(name) => {
            let (dataset, view) = super::qualified(name)?;
            match catalog.view(&dataset, &view) {
                Some(view) => {
                    let query = genomdb_grammar::parse(&view.text).map_err(QueryErrorKind::Parse)?;
                    let genomdb_grammar::ast::Statement::Query(query) = query else {
                        return Err(QueryError::at(
                            name.at.0,
                            format!("the text of view `{}` is no query", view.name),
                        ));
                    };
                    schema(session.executor().plan(&catalog, &query, &view.text)?.schema().as_arrow())
                }
                None => table(&catalog, name),
            }
        }
    }
}

/// Describes a table: its columns, and each tag as `tags.NM`.
pub(crate) fn table(catalog: &Catalog, name: &Name) -> Result<Answer, QueryError> {
    let table = find_table(catalog, name)?;
    match table.kind {
        TableKind::Alignments => schema(&genomdb_genome::schema::alignment::schema(&table.tags)),
        TableKind::Rows => schema(&table.schema),
        other => {
            Err(QueryError::at(name.at.0, format!("tables of {} are not part of this version", other.name())))
        }
    }
}

/// Describes the columns of a schema; the fields of a struct follow it.
pub(crate) fn schema(schema: &Schema) -> Result<Answer, QueryError> {
    let mut rows: Vec<(String, String, bool)> = Vec::new();
    for field in schema.fields() {
        rows.push((field.name().clone(), type_name(field.data_type()), field.is_nullable()));
        if let DataType::Struct(inner) = field.data_type() {
            let name = |inner: &str| format!("{}.{inner}", field.name());
            rows.extend(inner.iter().map(|inner| (name(inner.name()), type_name(inner.data_type()), true)));
        }
    }
    Answer::from_columns([
        ("column", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0))) as ArrayRef),
        ("type", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1)))),
        ("nullable", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.2))))),
    ])
}

/// Names a type in one short word where it can: how a text is encoded is no news to a user.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Dictionary(_, values) => type_name(values),
        DataType::Struct(_) => "Struct".to_owned(),
        DataType::List(item) => format!("List({})", type_name(item.data_type())),
        other => other.to_string(),
    }
}
