//! The query path: a statement in, an answer out.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use datafusion::{
    common::ParamValues,
    error::DataFusionError,
    execution::{RecordBatchStream, SendableRecordBatchStream},
    scalar::ScalarValue,
};
use futures::Stream;
use genomdb_executor::{ExplainRequest, QueryOptions};
use genomdb_grammar::ast::{self, OptionValue};

use crate::{
    Answer, Node, Observer, QueryError, Session, Statement,
    admission::Permit,
    catalog::Pin as CatalogPin,
    command,
    parameters::Parameters,
    queries::{Outcome, Registration},
};

/// Runs one statement; its query is on the list of those that run as `registration`.
///
/// # Errors
///
/// If it is wrong, or fails before its first row.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    asked: (&Statement, &Parameters),
    observer: &Arc<dyn Observer>,
    mut registration: Registration,
) -> Result<Answer, QueryError> {
    let begun = begin(node, session, asked, observer, &mut registration).await;
    finish(begun, registration)
}

/// A statement that was begun.
enum Begun {
    /// It is answered.
    Answer(Answer),
    /// Its rows are to come.
    Rows(SendableRecordBatchStream, Permit, QueryOptions),
}

impl From<Answer> for Begun {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Hands out what was begun, and notes how it ended if it has.
fn finish(begun: Result<Begun, QueryError>, registration: Registration) -> Result<Answer, QueryError> {
    match begun {
        Ok(Begun::Rows(rows, permit, options)) => Ok(Answer::Rows(registration.rows(rows, permit, &options))),
        Ok(Begun::Answer(answer)) => {
            registration.query().end(Outcome::Done);
            Ok(answer)
        }
        Err(error) => {
            registration.query().fail(&error);
            Err(error)
        }
    }
}

async fn begin(
    node: &Node,
    session: &Session,
    (statement, parameters): (&Statement, &Parameters),
    observer: &Arc<dyn Observer>,
    registration: &mut Registration,
) -> Result<Begun, QueryError> {
    session.allow(&statement.ast)?;
    if parameters.are_bound() && !matches!(statement.ast, ast::Statement::Insert(_)) {
        let message = "only a query and INSERT take parameters";
        return Err(QueryError::at(statement.ast.at().0, message));
    }
    let answer = match &statement.ast {
        ast::Statement::Query(query) => {
            let pin = node.pin_catalog().await?;
            let prepared = session.executor().prepare(pin.catalog(), query, &statement.text)?;
            return rows(node, session, &prepared, None, (pin, registration)).await;
        }
        ast::Statement::Explain(explain) => {
            return self::explain(node, session, statement, explain, registration).await;
        }
        ast::Statement::Describe(describe) => {
            command::describe::run(node, session, statement, describe).await
        }
        ast::Statement::Show(show) => command::show::run(node, session, show, registration).await,
        ast::Statement::Create(create) => {
            command::create::run(node, session, statement, create, registration).await
        }
        ast::Statement::Insert(insert) => {
            command::insert::run(node, session, (statement, parameters), insert, registration).await
        }
        ast::Statement::Drop(drop) => command::drop::run(node, drop).await,
        ast::Statement::Copy(copy) => command::copy::run(node, copy, observer, registration).await,
        ast::Statement::Set(set) => command::set::set(session, set),
        ast::Statement::Reset(reset) => command::set::reset(session, reset),
        ast::Statement::Kill(kill) => command::kill::run(node, session, kill),
    };
    answer.map(Begun::from)
}

/// A query that was planned once, to be run often.
#[derive(Clone, Debug)]
pub struct Prepared {
    statement: Statement,
    plan: genomdb_executor::Prepared,
}

/// The parameters of a statement, by name, with their types where these are known.
pub(crate) type ParameterTypes = Vec<(String, Option<DataType>)>;

/// Finds out which parameters an `INSERT` takes; nothing is changed by it.
pub(crate) async fn parameters_of_insert(
    node: &Node,
    session: &Session,
    statement: &Statement,
    insert: &ast::Insert,
) -> Result<ParameterTypes, QueryError> {
    let parameters = command::insert::parameters(node, session, statement, insert).await;
    parameters.map_err(|error| error.within(&statement.text))
}

/// Plans a query.
///
/// # Errors
///
/// If the statement is wrong or no query.
pub async fn prepare(node: &Node, session: &Session, statement: &Statement) -> Result<Prepared, QueryError> {
    let ast::Statement::Query(query) = &statement.ast else {
        return Err(QueryError::at(statement.ast.at().0, "only a query can be prepared"));
    };
    let catalog = node.catalog().await?;
    let plan = session.executor().prepare(&catalog, query, &statement.text)?;
    Ok(Prepared { statement: statement.clone(), plan })
}

impl Prepared {
    /// Returns the columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        self.plan.schema()
    }

    /// Returns the columns of the result with the values of parameters, which may decide their types.
    ///
    /// # Errors
    ///
    /// If a value is missing or does not fit.
    pub(crate) fn schema_with(&self, parameters: Option<ParamValues>) -> Result<SchemaRef, QueryError> {
        match parameters {
            Some(parameters) => match self.plan.bind(parameters) {
                Ok(bound) => Ok(Arc::clone(bound.schema())),
                Err(error) => Err(self.statement.error(error)),
            },
            None => Ok(Arc::clone(self.plan.schema())),
        }
    }

    /// Returns the parameters, `$1` or `$name`, with their types where these are known.
    ///
    /// # Errors
    ///
    /// If a parameter is used with two types.
    pub(crate) fn parameters(&self) -> Result<ParameterTypes, QueryError> {
        self.plan.parameters().map_err(|error| self.statement.error(error))
    }

    /// Runs the query with the values of `$1`, `$2`, …; on the newest data, planned anew if that changed.
    ///
    /// # Errors
    ///
    /// If a value is missing or does not fit, or the query fails before its first row.
    pub async fn run(
        &self,
        node: &Node,
        session: &Session,
        parameters: Vec<ScalarValue>,
    ) -> Result<SendableRecordBatchStream, QueryError> {
        let registration = node.queries().begin(self.statement.text.clone(), session.principal());
        let parameters = (!parameters.is_empty()).then(|| ParamValues::from(parameters));
        self.run_as(node, session, parameters, registration).await
    }

    /// The same, for a query that has a name already.
    pub(crate) async fn run_as(
        &self,
        node: &Node,
        session: &Session,
        parameters: Option<ParamValues>,
        mut registration: Registration,
    ) -> Result<SendableRecordBatchStream, QueryError> {
        let begun = self.begin(node, session, parameters, &mut registration).await;
        match finish(begun, registration) {
            Ok(Answer::Rows(rows)) => Ok(rows),
            Ok(Answer::Done(message)) => Err(QueryError::invalid(message)),
            Err(error) => Err(error.within(&self.statement.text)),
        }
    }

    async fn begin(
        &self,
        node: &Node,
        session: &Session,
        parameters: Option<ParamValues>,
        registration: &mut Registration,
    ) -> Result<Begun, QueryError> {
        let pin = node.pin_catalog().await?;
        let renewed;
        let prepared = if pin.catalog().version == self.plan.catalog().version {
            self
        } else {
            renewed = prepare(node, session, &self.statement).await?;
            &renewed
        };
        rows(node, session, &prepared.plan, parameters, (pin, registration)).await
    }
}

async fn explain(
    node: &Node,
    session: &Session,
    statement: &Statement,
    explain: &ast::Explain,
    registration: &mut Registration,
) -> Result<Begun, QueryError> {
    let ast::Statement::Query(query) = explain.statement.as_ref() else {
        return Err(QueryError::at(explain.statement.at().0, "EXPLAIN explains queries"));
    };
    let mut request = ExplainRequest {
        analyze: explain.analyze,
        verbose: explain.verbose,
        format: explain.format.as_ref().and_then(OptionValue::as_text),
    };
    for option in &explain.options {
        let name = option.name.folded().join(".");
        let value = option.value.as_ref().and_then(OptionValue::as_text);
        let is_on = !matches!(value.as_deref(), Some("false" | "off" | "0"));
        match name.as_str() {
            "analyze" => request.analyze = is_on,
            "verbose" => request.verbose = is_on,
            "format" => request.format = value,
            _ => {
                return Err(QueryError::at(option.at.0, format!("`{name}` is not an option of EXPLAIN"))
                    .with_hint("the options are ANALYZE, VERBOSE and FORMAT"));
            }
        }
    }
    let pin = node.pin_catalog().await?;
    let prepared = session.executor().explain(pin.catalog(), query, &statement.text, &request)?;
    rows(node, session, &prepared, None, (pin, registration)).await
}

/// Starts a planned query when its turn comes; its catalog version stays pinned until the last row, or until
/// it is dropped.
async fn rows(
    node: &Node,
    session: &Session,
    prepared: &genomdb_executor::Prepared,
    parameters: Option<ParamValues>,
    (pin, registration): (CatalogPin, &mut Registration),
) -> Result<Begun, QueryError> {
    let executor = session.executor();
    let options = executor.query_options();
    if let Some(timeout) = options.timeout.limit() {
        registration.set_timeout(timeout);
    }
    let plan = async { Ok::<_, QueryError>(executor.physical(prepared, parameters).await?) };
    let planned = registration.unless_stopped(plan).await?;
    let admission = node.admission();
    let permit = registration.admitted(admission, admission.lane(planned.bytes()), &options).await?;
    let running = executor.start(&planned, registration.usage())?;
    let rows = Box::pin(PinnedStream { stream: running.stream, _pin: pin });
    Ok(Begun::Rows(rows, permit, options))
}

/// Starts a planned query whose rows go to a table; it holds its turn as long as the permit lives.
pub(crate) async fn start(
    node: &Node,
    session: &Session,
    prepared: &genomdb_executor::Prepared,
    (pin, registration): (CatalogPin, &mut Registration),
) -> Result<(SendableRecordBatchStream, Permit), QueryError> {
    match rows(node, session, prepared, None, (pin, registration)).await? {
        Begun::Rows(rows, permit, _) => Ok((rows, permit)),
        Begun::Answer(_) => Err(QueryError::invalid("the query has no rows")),
    }
}

/// A stream that keeps what it reads from being collected.
struct PinnedStream {
    stream: SendableRecordBatchStream,
    _pin: CatalogPin,
}

impl Stream for PinnedStream {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl RecordBatchStream for PinnedStream {
    fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}
