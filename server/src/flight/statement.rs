//! Statements: what they return, and carrying them out.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::common::ParamValues;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use genomdb_grammar::ast;
use tonic::Status;

use super::{Caller, handle::Handle, parameters, status, wire_schema};
use crate::{
    Answer, Node, Observer, Prepared, QueryId, Session, Silent, Statement,
    parameters::Parameters,
    queries::Registration,
    query::{ParameterTypes, parameters_of_insert},
};

/// Rows, in the schema that was promised.
pub(super) type Rows = BoxStream<'static, Result<RecordBatch, Status>>;

/// Parses a statement that a caller may run.
pub(super) fn parse(text: &str, caller: &Caller) -> Result<Statement, Status> {
    let statement = Statement::parse(text).map_err(|error| status::of_text(&error, text))?;
    match &statement.ast {
        ast::Statement::Copy(_) => Err(Status::permission_denied(
            "COPY reads and writes files of the server, which clients may not do; bulk ingest puts rows in",
        )),
        ast::Statement::Set(_) | ast::Statement::Reset(_) if caller.session.is_none() => {
            Err(Status::failed_precondition(
                "the connection has no session that could keep a setting; connect with a user name, or let \
                 the client keep cookies",
            ))
        }
        _ => Ok(statement),
    }
}

/// Tells whether a statement returns rows; if not, it is carried out as soon as it is asked for.
pub(super) const fn returns_rows(statement: &Statement) -> bool {
    matches!(
        statement.ast,
        ast::Statement::Query(_)
            | ast::Statement::Explain(_)
            | ast::Statement::Show(_)
            | ast::Statement::Describe(_)
    )
}

/// What is known of a statement before it runs.
pub(super) struct Described {
    /// Its columns; none if it returns no rows.
    pub(super) schema: SchemaRef,
    /// Its parameters.
    pub(super) parameters: Schema,
    /// Its plan, if it is a query.
    pub(super) prepared: Option<Prepared>,
}

/// Finds out what a statement returns; nothing is changed by it.
pub(super) async fn describe(
    node: &Node,
    session: &Session,
    statement: &Statement,
    handle: &Handle,
) -> Result<Described, Status> {
    let failed = |error| status::of_statement(&error, statement);
    if let ast::Statement::Query(_) = &statement.ast {
        let prepared = node.prepare(session, statement).await.map_err(failed)?;
        let names = prepared.parameters().map_err(failed)?;
        let values = runs(&parameters::from_bytes(&handle.parameters)?, &names)?;
        let schema = wire_schema(&prepared, values.into_iter().next().flatten(), statement)?;
        return Ok(Described { schema, parameters: schema_of(names), prepared: Some(prepared) });
    }
    if let ast::Statement::Insert(insert) = &statement.ast {
        let names = parameters_of_insert(node, session, statement, insert).await.map_err(failed)?;
        let schema = Arc::new(Schema::empty());
        return Ok(Described { schema, parameters: schema_of(names), prepared: None });
    }
    let schema = match returns_rows(statement) {
        true => {
            let observer: Arc<dyn Observer> = Arc::new(Silent);
            match node.query(session, statement, &observer).await.map_err(failed)? {
                Answer::Rows(rows) => wire_schema::of_any_run(&rows.schema()),
                Answer::Done(_) => Arc::new(Schema::empty()),
            }
        }
        false => Arc::new(Schema::empty()),
    };
    Ok(Described { schema, parameters: Schema::empty(), prepared: None })
}

/// A statement that was begun.
pub(super) struct Run {
    pub(super) schema: SchemaRef,
    pub(super) rows: Rows,
    /// How many rows of tables it has added or changed.
    pub(super) changed: i64,
}

impl Run {
    fn of(schema: SchemaRef, rows: Rows) -> Self {
        Self { schema, rows, changed: 0 }
    }
}

/// Carries out a statement, as often as there are rows of parameters; a query by its plan, if there is one.
pub(super) async fn run(
    node: &Arc<Node>,
    session: &Arc<Session>,
    statement: &Statement,
    parameters: &Parameters,
    planned: Option<Prepared>,
    registration: Registration,
) -> Result<Run, Status> {
    let failed = |error| status::of_statement(&error, statement);
    if let ast::Statement::Query(_) = &statement.ast {
        let prepared = match planned {
            Some(prepared) => prepared,
            None => node.prepare(session, statement).await.map_err(|error| {
                registration.query().fail(&error);
                failed(error)
            })?,
        };
        let names = prepared.parameters().map_err(failed)?;
        let runs = runs(parameters, &names)?;
        let schema = wire_schema(&prepared, runs.first().cloned().flatten(), statement)?;
        let query = Arc::new(Query { node: Arc::clone(node), session: Arc::clone(session), prepared });
        let rows = query.rows(Arc::clone(&schema), statement.clone(), runs, registration).await?;
        return Ok(Run::of(schema, rows));
    }
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    match node.answer(session, statement, parameters, &observer, registration).await.map_err(failed)? {
        Answer::Rows(rows) => {
            let schema = wire_schema::of_any_run(&rows.schema());
            let statement = statement.clone();
            let rows = rows.map_err(move |error| status::of_statement(&statement.error(error), &statement));
            Ok(Run::of(schema, rows.boxed()))
        }
        Answer::Done(message) => {
            let changed = changed(&message);
            Ok(Run { changed, ..Run::of(Arc::new(Schema::empty()), stream::empty().boxed()) })
        }
    }
}

/// How many rows were added, as the message of the statement says.
fn changed(message: &str) -> i64 {
    let count = message.strip_prefix("INSERT ").or_else(|| message.strip_prefix("CREATE TABLE "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// A query that runs once for each row of parameters.
struct Query {
    node: Arc<Node>,
    session: Arc<Session>,
    prepared: Prepared,
}

impl Query {
    /// The rows of all runs, one run after the other.
    async fn rows(
        self: Arc<Self>,
        schema: SchemaRef,
        statement: Statement,
        runs: Vec<Option<ParamValues>>,
        registration: Registration,
    ) -> Result<Rows, Status> {
        let mut runs = runs.into_iter();
        let Some(first) = runs.next() else { return Ok(stream::empty().boxed()) };
        // What is wrong with the first run is told before anything is sent.
        let first = Arc::clone(&self).begin(first, registration, &schema, &statement).await?;
        let rest = stream::iter(runs).then(move |values| {
            let (query, schema, statement) = (Arc::clone(&self), Arc::clone(&schema), statement.clone());
            async move {
                let principal = query.session.principal();
                let registration = query.node.queries().begin(statement.text.clone(), principal);
                Arc::clone(&query).begin(values, registration, &schema, &statement).await
            }
        });
        Ok(first.chain(rest.try_flatten()).boxed())
    }

    async fn begin(
        self: Arc<Self>,
        values: Option<ParamValues>,
        registration: Registration,
        schema: &SchemaRef,
        statement: &Statement,
    ) -> Result<Rows, Status> {
        let rows = self.prepared.run_as(&self.node, &self.session, values, registration).await;
        let rows = rows.map_err(|error| status::of_statement(&error, statement))?;
        if rows.schema().fields().len() != schema.fields().len() {
            return Err(Status::internal("the query returns other columns than it promised"));
        }
        let statement = statement.clone();
        Ok(rows.map_err(move |error| status::of_statement(&statement.error(error), &statement)).boxed())
    }
}

fn wire_schema(
    prepared: &Prepared,
    values: Option<ParamValues>,
    statement: &Statement,
) -> Result<SchemaRef, Status> {
    let schema = prepared.schema_with(values).map_err(|error| status::of_statement(&error, statement))?;
    Ok(wire_schema::of(&schema))
}

/// The values of each run, of parameters that have names, `$name`, or are numbered, `$1`.
fn runs(parameters: &Parameters, names: &ParameterTypes) -> Result<Vec<Option<ParamValues>>, Status> {
    let is_named = |name: &str| !name.trim_start_matches('$').starts_with(|c: char| c.is_ascii_digit());
    let runs = parameters.runs(names.iter().any(|(name, _)| is_named(name)));
    runs.map_err(|error| Status::invalid_argument(error.to_string()))
}

/// Describes parameters. One whose type nothing tells is a text, which every client can bind.
fn schema_of(names: ParameterTypes) -> Schema {
    let fields = names.into_iter().map(|(name, data_type)| {
        let data_type = data_type.filter(|data_type| !data_type.is_null()).unwrap_or(DataType::Utf8);
        Field::new(name.trim_start_matches('$'), data_type, true)
    });
    wire_schema::of(&Schema::new(fields.collect::<Vec<_>>())).as_ref().clone()
}

/// Lists a query under the name that was told before; if it had run before, under another.
pub(super) fn register(node: &Node, handle: &Handle, caller: &Caller) -> Registration {
    let (queries, text) = (node.queries(), Arc::<str>::from(handle.text.as_str()));
    let id = QueryId::from_number(handle.query);
    let named = queries.begin_as(id, Arc::clone(&text), &caller.principal);
    named.unwrap_or_else(|| queries.begin(text, &caller.principal))
}

/// Reserves the name of a query that a ticket is made for.
pub(super) fn reserve(handle: &mut Handle) {
    handle.query = QueryId::random().number();
}
