//! `Node::ingest`: its modes, what it refuses, and that it is all or nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::error::DataFusionError;
use futures::StreamExt;
use genomdb_server::{Config, IngestMode, Node, Principal, Role};

use crate::node::{TestNode, request, samples, stream};

const ALL: &str = "SELECT * FROM samples ORDER BY name";

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_does_what_it_says() {
    let test = TestNode::new();
    let (one, two) = (samples(&[("b", Some(2)), ("a", None)]), samples(&[("c", Some(3))]));
    assert_eq!(test.ingest("samples", IngestMode::Create, [one.clone(), two.clone()]).await.unwrap(), 3);
    // The order in which they came.
    assert_eq!(test.rows("SELECT * FROM samples").await, ["b|2", "a|", "c|3"]);
    assert_eq!(test.ingest("samples", IngestMode::Append, [two.clone()]).await.unwrap(), 1);
    assert_eq!(test.ingest("samples", IngestMode::CreateOrAppend, [two.clone()]).await.unwrap(), 1);
    assert_eq!(test.rows(ALL).await, ["a|", "b|2", "c|3", "c|3", "c|3"]);
    assert_eq!(test.rows("SELECT count(*), sum(age) FROM samples").await, ["5|11"]);
    assert_eq!(test.ingest("new", IngestMode::CreateOrAppend, [two.clone()]).await.unwrap(), 1);

    let other: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let other = RecordBatch::try_from_iter([("other", other)]).unwrap();
    assert_eq!(test.ingest("samples", IngestMode::Replace, [other.clone()]).await.unwrap(), 1);
    assert_eq!(test.rows("SELECT * FROM samples").await, ["x"]);
    assert_eq!(test.ingest("made", IngestMode::Replace, [other.clone()]).await.unwrap(), 1);

    let error = |error: genomdb_server::QueryError| error.to_string();
    let twice = test.ingest("samples", IngestMode::Create, [one.clone()]).await.map_err(error);
    assert_eq!(twice.unwrap_err(), "table `main.samples` exists already");
    let missing = test.ingest("none", IngestMode::Append, [one]).await.map_err(error);
    assert_eq!(missing.unwrap_err(), "there is no table `main.none`");
    test.node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_columns_are_refused_by_name_and_type() {
    let test = TestNode::new();
    test.ingest("samples", IngestMode::Create, [samples(&[("a", Some(1))])]).await.unwrap();
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("x")]));
    let none: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    let ages: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let fine = samples(&[("x", None)]).column(1).clone();
    let check = async |columns: &[(&str, &ArrayRef)], expected: &str| {
        let columns = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let error = test.ingest("samples", IngestMode::Append, [batch]).await.unwrap_err().to_string();
        assert_eq!(error, format!("the rows do not fit table `main.samples`: {expected}"));
        assert_eq!(test.rows(ALL).await, ["a|1"]);
    };
    check(&[("name", &names), ("age", &ages)], "column `age` is of type Int32, in the table of type Int64")
        .await;
    check(&[("name", &names), ("years", &fine)], "column 2 is named `years`, in the table `age`").await;
    check(&[("name", &names)], "column `age` of type Int64 is missing").await;
    let more = [("name", &names), ("age", &fine), ("x", &ages)];
    check(&more, "the table has no column `x`, which is of type Int32").await;
    check(
        &[("name", &none), ("age", &fine)],
        "column `name` has a NULL, which the table does not allow there",
    )
    .await;
    let twice = [("a", Arc::clone(&names)), ("a", names)];
    let twice = RecordBatch::try_from_iter(twice).unwrap();
    let error = test.ingest("twice", IngestMode::Create, [twice]).await.unwrap_err();
    assert_eq!(error.to_string(), "column `a` cannot be stored: another column has the same name");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_of_rows_is_left_alone() {
    let test = TestNode::new();
    test.ask("CREATE TABLE reads TYPE ALIGNMENTS").await.unwrap();
    test.ask("CREATE VIEW v AS SELECT 1").await.unwrap();
    for (table, is) in [("reads", "a table of alignments"), ("v", "a view")] {
        for mode in [IngestMode::Create, IngestMode::Append, IngestMode::Replace, IngestMode::CreateOrAppend]
        {
            let error = test.ingest(table, mode, [samples(&[("a", None)])]).await.unwrap_err();
            assert_eq!(error.to_string(), format!("`main.{table}` is {is}, rows cannot be added to it"));
        }
    }
    let mut request = request("t", IngestMode::Create);
    request.dataset = "none".to_owned();
    let batch = samples(&[("a", None)]);
    let rows = stream(batch.schema(), futures::stream::iter([Ok(batch)]));
    let error = test.node.ingest(&test.session, request, rows).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no dataset `none`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_not_ingest() {
    let test = TestNode::new();
    let reader = test.node.session(Principal { name: "tom".into(), role: Role::Reader });
    let batch = samples(&[("a", None)]);
    let rows = stream(batch.schema(), futures::stream::iter([Ok(batch)]));
    let error = test.node.ingest(&reader, request("t", IngestMode::Create), rows).await.unwrap_err();
    assert_eq!(error.to_string(), "tom is a reader; an ingest needs a writer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_leaves_the_table_as_it_was() {
    let test = TestNode::new();
    let batch = samples(&[("a", Some(1))]);
    test.ingest("samples", IngestMode::Create, [batch.clone()]).await.unwrap();
    for (table, mode) in
        [("samples", IngestMode::Append), ("samples", IngestMode::Replace), ("new", IngestMode::Create)]
    {
        let failing = [Ok(batch.clone()), Err(DataFusionError::Execution("the client went away".to_owned()))];
        let rows = stream(batch.schema(), futures::stream::iter(failing));
        let error = test.node.ingest(&test.session, request(table, mode), rows).await.unwrap_err();
        assert_eq!(error.to_string(), "the client went away");
        assert_eq!(test.rows(ALL).await, ["a|1"]);
        assert_eq!(test.rows("SHOW TABLES").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_ingest_leaves_nothing() {
    let test = TestNode::new();
    let batch = samples(&[("a", Some(1))]);
    let sent = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&sent);
    let schema = batch.schema();
    let batches = futures::stream::iter([Ok(batch)]).chain(futures::stream::once(async move {
        told.notify_one();
        futures::future::pending().await
    }));
    let ingest =
        test.node.ingest(&test.session, request("samples", IngestMode::Create), stream(schema, batches));
    tokio::select! {
        _ = ingest => panic!("the stream never ends"),
        () = sent.notified() => {}
    }
    // Waits until it is taken back.
    test.node.close().await.unwrap();
    let node = Node::open(test.folder.path(), &Config::default()).unwrap();
    assert!(node.catalog().await.unwrap().tables.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_makes_an_empty_table() {
    let test = TestNode::new();
    let batch = samples(&[]);
    assert_eq!(test.ingest("samples", IngestMode::Create, [batch.clone()]).await.unwrap(), 0);
    assert_eq!(test.rows("SELECT count(*) FROM samples").await, ["0"]);
    assert!(test.rows("SELECT * FROM samples").await.is_empty());
    assert!(test.rows("SHOW SOURCES").await.is_empty());
    assert_eq!(test.ingest("samples", IngestMode::Append, [samples(&[("a", None)])]).await.unwrap(), 1);
    assert_eq!(test.ingest("samples", IngestMode::Replace, [batch]).await.unwrap(), 0);
    assert_eq!(test.rows("SELECT count(*) FROM samples").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_sees_one_version_while_the_table_is_replaced() {
    let test = TestNode::new();
    test.ingest("samples", IngestMode::Create, [samples(&[("old", Some(1))])]).await.unwrap();
    let observer: Arc<dyn genomdb_server::Observer> = Arc::new(genomdb_server::Silent);
    let statement = genomdb_server::Statement::parse("SELECT name FROM samples").unwrap();
    let answer = test.node.query(&test.session, &statement, &observer).await.unwrap();
    let genomdb_server::Answer::Rows(mut rows) = answer else { panic!("a SELECT has rows") };
    test.ingest("samples", IngestMode::Replace, [samples(&[("new", Some(2))])]).await.unwrap();
    let batch = rows.next().await.unwrap().unwrap();
    assert_eq!(batch, samples(&[("old", Some(1))]).project(&[0]).unwrap());
    assert_eq!(test.rows("SELECT name FROM samples").await, ["new"]);
}
