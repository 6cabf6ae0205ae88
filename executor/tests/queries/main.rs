//! Queries over random tables: with push-down and without it, and against the records themselves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod joins;
mod predicates;
mod scans;
mod store;

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::common::ParamValues;
use futures::TryStreamExt;
use genomdb_executor::{ExplainRequest, Prepared};
use store::Store;

impl Store {
    fn prepare(&self, text: &str, pushdown: bool) -> datafusion::common::Result<Prepared> {
        let executor = self.executor.with_setting("genomdb.pushdown", &pushdown.to_string())?;
        executor.prepare(&self.catalog, &query(text), text)
    }

    /// Runs a query; each row as text, in the order in which it came.
    async fn rows(&self, text: &str, pushdown: bool) -> datafusion::common::Result<Vec<String>> {
        let prepared = self.prepare(text, pushdown)?;
        self.run(&prepared, None).await
    }

    async fn run(
        &self,
        prepared: &Prepared,
        parameters: Option<ParamValues>,
    ) -> datafusion::common::Result<Vec<String>> {
        let running = self.executor.run(prepared, parameters).await?;
        let batches: Vec<RecordBatch> = running.stream.try_collect().await?;
        Ok(batches.iter().flat_map(texts).collect())
    }

    async fn explain(&self, text: &str, analyze: bool) -> String {
        let request = ExplainRequest { analyze, ..ExplainRequest::default() };
        let prepared = self.executor.explain(&self.catalog, &query(text), text, &request).unwrap();
        self.run(&prepared, None).await.unwrap().join("\n")
    }

    /// Whether a query answers the same with push-down and without it; returns the answer.
    async fn same(&self, text: &str, in_order: bool) -> Vec<String> {
        let mut with = self.rows(text, true).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut without = self.rows(text, false).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        if !in_order {
            with.sort();
            without.sort();
        }
        assert_eq!(with, without, "{text}");
        with
    }
}

fn query(text: &str) -> genomdb_planner::Query {
    match genomdb_grammar::parse(text) {
        Ok(genomdb_grammar::ast::Statement::Query(query)) => *query,
        other => panic!("{text}: {other:?}"),
    }
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" ");
    (0..batch.num_rows()).map(row).collect()
}
