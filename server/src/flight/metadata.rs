//! Catalog calls: what there is, as rows of the columns that Flight SQL prescribes.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    error::FlightError,
    sql::{
        Command, CommandGetTables, ProstMessageExt as _, TicketStatementQuery, metadata::GetTablesBuilder,
    },
};
use genomdb_layout::catalog::Catalog;
use prost::Message as _;
use tonic::Status;

use super::{CATALOG, handle::Handle, sql_info, statement, status, type_info, wire_schema};
use crate::{Node, Session, Statement};

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

/// What a catalog call returns.
pub(super) async fn rows(node: &Node, session: &Session, command: Command) -> Result<RecordBatch, Status> {
    match command {
        Command::CommandGetCatalogs(command) => {
            let mut builder = command.into_builder();
            builder.append(CATALOG);
            builder.build().map_err(failed)
        }
        Command::CommandGetDbSchemas(command) => {
            let mut builder = command.into_builder();
            for dataset in &node.catalog().await.map_err(status::of)?.datasets {
                builder.append(CATALOG, dataset);
            }
            builder.build().map_err(failed)
        }
        Command::CommandGetTables(command) => tables(node, session, command).await,
        Command::CommandGetTableTypes(_) => {
            let types: ArrayRef = Arc::new(StringArray::from(vec![TABLE, VIEW]));
            let schema = Schema::new(vec![Field::new("table_type", DataType::Utf8, false)]);
            RecordBatch::try_new(Arc::new(schema), vec![types]).map_err(|error| failed(error.into()))
        }
        Command::CommandGetSqlInfo(command) => {
            let infos = sql_info::all().map_err(failed)?;
            command.into_builder(&infos).build().map_err(failed)
        }
        Command::CommandGetXdbcTypeInfo(command) => {
            let types = type_info::all().map_err(failed)?;
            command.into_builder(&types).build().map_err(failed)
        }
        Command::CommandGetPrimaryKeys(_) => Ok(RecordBatch::new_empty(primary_keys())),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(RecordBatch::new_empty(foreign_keys())),
        other => Err(Status::unimplemented(format!("`{}` is not served", other.type_url()))),
    }
}

/// Every table as something that can be got.
pub(super) async fn flights(node: &Node, session: &Session) -> Result<Vec<FlightInfo>, Status> {
    let catalog = node.catalog().await.map_err(status::of)?;
    let mut flights = Vec::new();
    for (dataset, name, _) in named(&catalog) {
        let Some(schema) = columns(node, session, dataset, name).await else { continue };
        let mut handle = Handle::of(select(Some(dataset), name));
        statement::reserve(&mut handle);
        let ticket = TicketStatementQuery { statement_handle: handle.to_bytes()? }.as_any().encode_to_vec();
        let path = vec![dataset.to_owned(), name.to_owned()];
        flights.push(FlightInfo {
            schema: wire_schema::to_bytes(&schema)?,
            flight_descriptor: Some(FlightDescriptor::new_path(path)),
            endpoint: vec![FlightEndpoint::new().with_ticket(Ticket::new(ticket))],
            ..FlightInfo::new()
        });
    }
    Ok(flights)
}

/// The text of a query for all of a table.
pub(super) fn select(dataset: Option<&str>, table: &str) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match dataset {
        Some(dataset) => format!("SELECT * FROM {}.{}", quoted(dataset), quoted(table)),
        None => format!("SELECT * FROM {}", quoted(table)),
    }
}

/// Tables and views: dataset, name and type.
fn named(catalog: &Catalog) -> impl Iterator<Item = (&str, &str, &'static str)> {
    let tables = catalog.tables.iter().map(|table| (table.dataset.as_str(), table.name.as_str(), TABLE));
    tables.chain(catalog.views.iter().map(|view| (view.dataset.as_str(), view.name.as_str(), VIEW)))
}

async fn tables(node: &Node, session: &Session, command: CommandGetTables) -> Result<RecordBatch, Status> {
    let catalog = node.catalog().await.map_err(status::of)?;
    let none = Schema::empty();
    // Whose columns are asked for is found out first: each costs a plan.
    let mut builder = CommandGetTables { include_schema: false, ..command.clone() }.into_builder();
    for (dataset, name, table_type) in named(&catalog) {
        builder.append(CATALOG, dataset, name, table_type, &none).map_err(failed)?;
    }
    let found = builder.build().map_err(failed)?;
    if !command.include_schema {
        return Ok(found);
    }
    let mut builder = GetTablesBuilder::new(None::<&str>, None::<&str>, None::<&str>, None::<&str>, true);
    let [_, datasets, names, types] = found.columns() else {
        return Err(Status::internal("the tables have other columns than is prescribed"));
    };
    let (datasets, names) = (datasets.as_string::<i32>(), names.as_string::<i32>());
    for ((dataset, name), table_type) in datasets.iter().zip(names).zip(types.as_string::<i32>()) {
        let (Some(dataset), Some(name), Some(table_type)) = (dataset, name, table_type) else { continue };
        // A view may name what is no longer there: it has no columns then.
        let schema = columns(node, session, dataset, name).await;
        let schema = schema.as_deref().unwrap_or(&none);
        builder.append(CATALOG, dataset, name, table_type, schema).map_err(failed)?;
    }
    builder.build().map_err(failed)
}

/// The columns of a table or view.
async fn columns(node: &Node, session: &Session, dataset: &str, name: &str) -> Option<SchemaRef> {
    let statement = Statement::parse(&select(Some(dataset), name)).ok()?;
    let prepared = node.prepare(session, &statement).await.ok()?;
    Some(wire_schema::of(prepared.schema()))
}

fn primary_keys() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        text("key_name", true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
}

fn foreign_keys() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}

fn failed(error: FlightError) -> Status {
    Status::internal(error.to_string())
}
