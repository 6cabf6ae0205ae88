//! The tables of the dataset `system`: what runs, what ran, and what is set.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use genomdb_executor::{SystemTable, Used};

use crate::{
    Principal, RunningQuery, milliseconds,
    queries::{Queries, is_of},
};

/// Makes the value of a column for a query.
enum Column {
    Text(fn(&RunningQuery) -> Option<String>),
    Number(fn(&RunningQuery, &Used) -> u64),
    Time(fn(&RunningQuery) -> i64),
}

type Columns = &'static [(&'static str, Column)];

const QUERIES: Columns = &[
    ("id", Column::Text(|query| Some(query.id.to_string()))),
    ("user", Column::Text(|query| Some(query.principal.name.to_string()))),
    ("state", Column::Text(|query| Some(query.state().name().to_owned()))),
    ("priority", Column::Text(|query| Some(query.priority().to_string()))),
    ("began", Column::Time(began)),
    ("elapsed_ms", Column::Number(|query, _| milliseconds::of(query.elapsed()))),
    ("queued_ms", Column::Number(|query, _| milliseconds::of(query.queued()))),
    ("rows", Column::Number(|query, _| query.rows())),
    ("rows_read", Column::Number(|_, used| used.rows_read)),
    ("bytes_read", Column::Number(|_, used| used.bytes_read)),
    ("blocks_read", Column::Number(|_, used| used.blocks_read)),
    ("blocks_pruned", Column::Number(|_, used| used.blocks_pruned())),
    ("memory_bytes", Column::Number(|_, used| used.memory)),
    ("text", Column::Text(|query| Some(query.text.to_string()))),
];

const QUERY_LOG: Columns = &[
    ("id", Column::Text(|query| Some(query.id.to_string()))),
    ("user", Column::Text(|query| Some(query.principal.name.to_string()))),
    ("outcome", Column::Text(|query| query.outcome().map(|outcome| outcome.name().to_owned()))),
    ("error", Column::Text(|query| query.outcome()?.error().map(str::to_owned))),
    ("priority", Column::Text(|query| Some(query.priority().to_string()))),
    ("began", Column::Time(began)),
    ("elapsed_ms", Column::Number(|query, _| milliseconds::of(query.elapsed()))),
    ("queued_ms", Column::Number(|query, _| milliseconds::of(query.queued()))),
    ("rows", Column::Number(|query, _| query.rows())),
    ("result_bytes", Column::Number(|query, _| query.result_bytes())),
    ("rows_read", Column::Number(|_, used| used.rows_read)),
    ("bytes_read", Column::Number(|_, used| used.bytes_read)),
    ("blocks_read", Column::Number(|_, used| used.blocks_read)),
    ("blocks_pruned", Column::Number(|_, used| used.blocks_pruned())),
    ("memory_peak_bytes", Column::Number(|_, used| used.memory_peak)),
    ("text", Column::Text(|query| Some(query.text.to_string()))),
];

/// The tables as `principal` sees them: of queries, only those that it may know of.
pub(crate) fn tables(queries: &Queries, principal: &Principal) -> Vec<SystemTable> {
    let (running, ended) = (queries.clone(), queries.clone());
    let settings = Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
        Field::new("description", DataType::Utf8, false),
    ]));
    let columns = Arc::clone(&settings);
    vec![
        of_queries("queries", QUERIES, principal.clone(), move || running.list()),
        of_queries("query_log", QUERY_LOG, principal.clone(), move || ended.log()),
        SystemTable::new("settings", settings, move |options| {
            let all = genomdb_executor::settings(options);
            let names = StringArray::from_iter_values(all.iter().map(|(name, ..)| name));
            let values: StringArray = all.iter().map(|(_, value, _)| value.as_ref()).collect();
            let words = StringArray::from_iter_values(all.iter().map(|(.., description)| description));
            let arrays: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(values), Arc::new(words)];
            Ok(RecordBatch::try_new(Arc::clone(&columns), arrays)?)
        }),
    ]
}

fn of_queries(
    name: &'static str,
    columns: Columns,
    principal: Principal,
    queries: impl Fn() -> Vec<Arc<RunningQuery>> + Send + Sync + 'static,
) -> SystemTable {
    let fields = columns.iter().map(|(name, column)| match column {
        Column::Text(_) => Field::new(*name, DataType::Utf8, matches!(*name, "outcome" | "error")),
        Column::Number(_) => Field::new(*name, DataType::UInt64, false),
        Column::Time(_) => {
            Field::new(*name, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false)
        }
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    SystemTable::new(name, Arc::clone(&schema), move |_| {
        let mut queries = queries();
        queries.retain(|query| is_of(query, &principal));
        let arrays = columns.iter().map(|(_, column)| array(column, &queries));
        Ok(RecordBatch::try_new(Arc::clone(&schema), arrays.collect())?)
    })
}

fn array(column: &Column, queries: &[Arc<RunningQuery>]) -> ArrayRef {
    match column {
        Column::Text(text) => Arc::new(queries.iter().map(|query| text(query)).collect::<StringArray>()),
        Column::Number(number) => {
            let numbers = queries.iter().map(|query| number(query, &query.used()));
            Arc::new(UInt64Array::from_iter_values(numbers))
        }
        Column::Time(time) => {
            let times = queries.iter().map(|query| time(query));
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        }
    }
}

fn began(query: &RunningQuery) -> i64 {
    i64::try_from(milliseconds::since_1970(query.began)).unwrap_or(i64::MAX)
}
