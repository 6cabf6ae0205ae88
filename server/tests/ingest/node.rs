//! A node in a temporary folder, and short ways to ask it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::SchemaRef,
    util::pretty::pretty_format_batches,
};
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{Stream, TryStreamExt};
use genomdb_server::{
    Answer, Config, IngestMode, IngestRequest, Node, Observer, Principal, QueryError, Role, Session, Silent,
    Statement,
};

/// A node, and a session of somebody who may write and no more.
pub(crate) struct TestNode {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) node: Node,
    pub(crate) session: Session,
}

/// Rows of a name and a number each.
pub(crate) fn samples(rows: &[(&str, Option<i64>)]) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
    let ages: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)));
    RecordBatch::try_from_iter_with_nullable([("name", names, false), ("age", ages, true)]).unwrap()
}

/// Batches as a client would send them.
pub(crate) fn stream(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + 'static,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

pub(crate) fn request(table: &str, mode: IngestMode) -> IngestRequest {
    IngestRequest { dataset: String::new(), table: table.to_owned(), mode }
}

impl TestNode {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::open(folder.path(), &Config::default()).unwrap();
        let session = node.session(Principal { name: "eva".into(), role: Role::Writer });
        Self { folder, node, session }
    }

    pub(crate) async fn ingest(
        &self,
        table: &str,
        mode: IngestMode,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<u64, QueryError> {
        let batches: Vec<Result<RecordBatch, DataFusionError>> = batches.into_iter().map(Ok).collect();
        let schema = batches[0].as_ref().unwrap().schema();
        let rows = stream(schema, futures::stream::iter(batches));
        self.node.ingest(&self.session, request(table, mode), rows).await
    }

    /// The answer of a statement: rows as a table, or what was done.
    pub(crate) async fn ask(&self, text: &str) -> Result<String, QueryError> {
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        let statement = Statement::parse(text)?;
        match self.node.query(&self.session, &statement, &observer).await? {
            Answer::Done(done) => Ok(done),
            Answer::Rows(rows) => {
                let batches: Vec<_> = rows.try_collect().await.map_err(|error| statement.error(error))?;
                Ok(pretty_format_batches(&batches).unwrap().to_string())
            }
        }
    }

    /// The rows of an answer, without frame and header, a `|` between columns.
    pub(crate) async fn rows(&self, text: &str) -> Vec<String> {
        let table = self.ask(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|"))
            .collect()
    }

    pub(crate) async fn error(&self, text: &str) -> String {
        match self.ask(text).await {
            Ok(answer) => panic!("{text} answers {answer}"),
            Err(error) => error.to_string(),
        }
    }
}
