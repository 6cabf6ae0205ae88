//! Statements, prepared or not: what is promised, what comes, and how it ends early.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor, Ticket,
    sql::{Any, CommandStatementQuery, ProstMessageExt as _},
};
use futures::TryStreamExt as _;
use prost::Message as _;
use tonic::Code;

use crate::served::{Served, ask, get, numbers};

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_what_was_promised() {
    let served = Served::with_reads().await;
    let mut client = served.client().await;
    for (text, rows) in [
        ("SELECT * FROM reads", 3278),
        ("SELECT * FROM reads WHERE false", 0),
        ("SELECT chrom, count(*) AS n, max(tags.NM) AS nm FROM reads GROUP BY chrom", 3),
        ("SELECT chrom, [chrom, 'x'] AS list, {'c': chrom} AS struct FROM reads LIMIT 5", 5),
        ("SELECT arrow_cast('a', 'Utf8View') AS view, arrow_cast('a', 'BinaryView') AS bytes", 1),
        ("SELECT arrow_cast(1.5, 'Decimal32(3, 1)') AS small, NULL AS nothing", 1),
        ("SHOW TABLES", 1),
        ("SHOW QUERIES", 0),
        ("DESCRIBE reads", 31),
        ("EXPLAIN SELECT 1", 2),
    ] {
        let got = ask(&mut client, text).await;
        assert_eq!(got.promised, *got.schema, "{text}");
        assert_eq!(got.rows(), rows, "{text}");
        for field in got.schema.flattened_fields() {
            let is_plain = !matches!(
                field.data_type(),
                DataType::Dictionary(..)
                    | DataType::Utf8View
                    | DataType::BinaryView
                    | DataType::Decimal32(..)
            );
            assert!(is_plain, "{text}: {field}");
        }
    }
    let schema = client
        .inner_mut()
        .get_schema(FlightDescriptor::new_cmd("SELECT pos, chrom FROM reads"))
        .await
        .unwrap()
        .into_inner();
    let schema = arrow::datatypes::Schema::try_from(&schema).unwrap();
    assert_eq!(schema.field(1).data_type(), &DataType::Utf8);
    assert!(served.node.queries().list().is_empty(), "a schema needs no query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_query_runs_with_values_and_a_row_is_a_run() {
    let served = Served::with_reads().await;
    let mut client = served.client().await;
    let text = "SELECT $1 AS given, count(*) AS n FROM reads WHERE chrom = $2";
    let mut prepared = client.prepare(text.to_owned(), None).await.unwrap();
    let parameters = prepared.parameter_schema().unwrap();
    let names: Vec<_> = parameters.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["1", "2"]);
    assert_eq!(parameters.field(1).data_type(), &DataType::Utf8, "a contig is a text");
    let values = |given: Vec<i64>, chroms: Vec<&str>| {
        RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(given)) as _),
            ("b", Arc::new(StringArray::from(chroms)) as _),
        ])
        .unwrap()
    };
    prepared.set_parameters(values(vec![7], vec!["11"])).unwrap();
    let info = prepared.execute().await.unwrap();
    let got = get(&mut client, info).await;
    assert_eq!(got.promised, *got.schema);
    assert_eq!(got.schema.field(0).data_type(), &DataType::Int64, "the value says its type");
    assert_eq!(got.batches.first().unwrap().column(1).as_primitive::<Int64Type>().value(0), 2249);
    prepared.set_parameters(values(vec![1, 2, 3], vec!["11", "20", "none"])).unwrap();
    let info = prepared.execute().await.unwrap();
    let got = get(&mut client, info).await;
    let counts: Vec<_> =
        got.batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values()).collect();
    assert_eq!(counts, [&2249, &829, &0]);
    prepared.close().await.unwrap();
    // The way of JDBC: each question mark is the next value.
    let text = "SELECT ? AS given, '?' AS mark, count(*) AS n FROM reads WHERE chrom = ?";
    let mut marked = client.prepare(text.to_owned(), None).await.unwrap();
    marked.set_parameters(values(vec![7], vec!["20"])).unwrap();
    let info = marked.execute().await.unwrap();
    let table = get(&mut client, info).await.table();
    assert!(table.contains("| 7     | ?    | 829 |"), "{table}");
    served.wait_until_nothing_runs().await;
}

/// Rows for `INSERT INTO t VALUES (id, name, score)`.
fn rows(ids: Vec<Option<i64>>, names: Vec<&str>, scores: Vec<&str>) -> RecordBatch {
    // Values fit by their types or can be read as such; names say nothing, and may even be the same.
    let fields =
        [DataType::Int64, DataType::Utf8, DataType::Utf8].map(|is| Field::new("parameter", is, true));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(StringArray::from(names)),
        Arc::new(StringArray::from(scores)),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_takes_as_many_rows_as_are_bound_and_all_or_none() {
    let served = Served::start();
    let mut client = served.client().await;
    let made = "CREATE TABLE t AS SELECT 1 AS id, 'a' AS name, 0.5 AS score WHERE false";
    client.execute_update(made.to_owned(), None).await.unwrap();
    let all = "SELECT id, name, score FROM t ORDER BY name";
    let mut prepared =
        client.prepare("INSERT INTO t VALUES (?, upper(?), ?)".to_owned(), None).await.unwrap();
    let types: Vec<_> =
        prepared.parameter_schema().unwrap().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int64, DataType::Utf8, DataType::Float64], "what the columns hold");
    assert!(ask(&mut client, all).await.batches.is_empty(), "preparing changes nothing");
    prepared
        .set_parameters(rows(vec![Some(7), None, Some(9)], vec!["x", "y", "z"], vec!["1", "2.5", "3"]))
        .unwrap();
    assert_eq!(prepared.execute_update().await.unwrap(), 3);
    let table = ask(&mut client, all).await.table();
    for row in ["| 7  | X    | 1.0   |", "|    | Y    | 2.5   |", "| 9  | Z    | 3.0   |"] {
        assert!(table.contains(row), "{table}");
    }
    prepared.set_parameters(rows(vec![Some(1), Some(2)], vec!["p", "q"], vec!["1", "no number"])).unwrap();
    let error = prepared.execute_update().await.unwrap_err().to_string();
    assert!(error.contains("no number"), "{error}");
    assert_eq!(ask(&mut client, all).await.rows(), 3, "nothing of it is there");

    let many = 20_000;
    let ids = (0..many).map(Some).collect::<Vec<_>>();
    let (names, scores) = (vec!["many"; ids.len()], vec!["0"; ids.len()]);
    prepared.set_parameters(rows(ids, names, scores)).unwrap();
    assert_eq!(prepared.execute_update().await.unwrap(), many);
    let counted = ask(&mut client, "SELECT count(*) AS n, sum(id) AS sum FROM t WHERE name = 'MANY'").await;
    assert!(counted.table().contains("| 20000 | 199990000 |"), "{}", counted.table());
    assert_eq!(ask(&mut client, "SHOW SOURCES FROM t").await.rows(), 2, "a statement is a source");
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_takes_parameters_in_every_kind_of_query() {
    let served = Served::start();
    let mut client = served.client().await;
    let made = "CREATE TABLE t AS SELECT 1 AS id, 'a' AS name, 0.5 AS score WHERE false";
    client.execute_update(made.to_owned(), None).await.unwrap();
    let two = || rows(vec![Some(1), Some(2)], vec!["a", "b"], vec!["5", "6"]);
    for (text, count) in [
        ("INSERT INTO t (name, id) VALUES ($2, $1), ('always', $1 + 10)", 4),
        ("INSERT INTO t SELECT $1, $2, CAST($3 AS DOUBLE)", 2),
        ("INSERT INTO t SELECT id, name, score FROM t WHERE name = $2", 4),
    ] {
        let mut prepared = client.prepare(text.to_owned(), None).await.unwrap();
        prepared.set_parameters(two()).unwrap();
        assert_eq!(prepared.execute_update().await.unwrap(), count, "{text}");
    }
    let table = ask(&mut client, "SELECT id, name, count(*) AS n FROM t GROUP BY ALL ORDER BY id, name")
        .await
        .table();
    for row in ["| 1  | a      | 4 |", "| 2  | b      | 4 |", "| 11 | always | 1 |", "| 12 | always | 1 |"] {
        assert!(table.contains(row), "{table}");
    }
    for (text, words) in [
        ("INSERT INTO t VALUES ($1, $2, $4)", "parameter $4 has no value"),
        ("CREATE TABLE u AS SELECT $1 AS n", "only a query and INSERT take parameters"),
    ] {
        let mut prepared = client.prepare(text.to_owned(), None).await.unwrap();
        prepared.set_parameters(two()).unwrap();
        let error = prepared.execute_update().await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let many = vec![Some(1); 300];
    let texts = vec!["1"; many.len()];
    let mut prepared = client.prepare("INSERT INTO t SELECT $1, $2, 0".to_owned(), None).await.unwrap();
    prepared.set_parameters(rows(many, texts.clone(), texts)).unwrap();
    let error = prepared.execute_update().await.unwrap_err().to_string();
    assert!(error.contains("300 rows are bound"), "{error}");
    let unbound = client.execute_update("INSERT INTO t VALUES ($1, 'a', 1)".to_owned(), None).await;
    assert!(unbound.unwrap_err().to_string().contains("$1"), "a value is missing");
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_rows_is_carried_out_once_and_says_so_to_jdbc() {
    let served = Served::start();
    let mut client = served.client().await;
    let mut prepared = client.prepare("CREATE DATASET one".to_owned(), None).await.unwrap();
    assert!(prepared.dataset_schema().unwrap().fields().is_empty());
    let datasets = async || served.node.catalog().await.unwrap().datasets.clone();
    assert_eq!(datasets().await, ["main"], "preparing changes nothing");
    prepared.execute_update().await.unwrap();
    assert_eq!(datasets().await, ["main", "one"]);
    // The same by a client that takes every statement for a query, as ADBC does.
    let info = client.execute("CREATE DATASET two".to_owned(), None).await.unwrap();
    assert_eq!(datasets().await, ["main", "one", "two"]);
    let got = get(&mut client, info).await;
    assert!(got.schema.fields().is_empty() && got.batches.is_empty());
    assert_eq!(client.execute_update("DROP DATASET two".to_owned(), None).await.unwrap(), 0);
    assert_eq!(datasets().await, ["main", "one"]);
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_a_code_and_a_place() {
    let served = Served::with_reads().await;
    let mut client = served.plain().await;
    for (text, code, words) in [
        ("SELECT 1,\n  nothing\nFROM reads", Code::InvalidArgument, "(line 2, column 3); the columns are"),
        ("SELEC 1", Code::InvalidArgument, "(line 1, column 1); did you mean SELECT?"),
        ("COPY reads FROM '/etc/passwd'", Code::PermissionDenied, "COPY"),
        ("SET genomdb.pushdown = false", Code::FailedPrecondition, "no session"),
        ("CREATE DATASET main", Code::AlreadyExists, "exists already"),
        ("CREATE TABLE reads AS SELECT 1 AS n", Code::AlreadyExists, "exists already"),
        ("SELECT 1 FROM reeds", Code::NotFound, "did you mean `reads`?"),
        ("DROP TABLE reeds", Code::NotFound, "unknown table `reeds`"),
        ("DROP DATASET none", Code::NotFound, "unknown dataset `none`"),
    ] {
        let error = client.get_flight_info(FlightDescriptor::new_cmd(text)).await.unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.message().contains(words), "{text}: {error}");
    }
    for bytes in
        [b"\xff\xfe".to_vec(), Any { type_url: "arrow.flight.x".into(), ..Any::default() }.encode_to_vec()]
    {
        let refused = client.get_flight_info(FlightDescriptor::new_cmd(bytes.clone())).await.unwrap_err();
        assert_ne!(refused.code(), Code::Internal, "{refused}");
        assert!(client.do_get(Ticket::new(bytes)).await.is_err());
    }
    let unknown = client.do_action(Action::new("Dance", "")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    let none = client.do_put(futures::stream::empty()).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_is_no_end() {
    let served = Served::start();
    let mut client = served.plain().await;
    let text = format!("SELECT 1 / (999999 - n) AS r FROM ({}) AS t", numbers(6));
    let mut rows = client.do_get(Ticket::new(text)).await.unwrap().into_inner();
    let error = loop {
        match rows.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_a_slow_reader_and_ends_with_one_that_leaves() {
    let served = Served::start();
    let mut client = served.plain().await;
    let reply = client.do_get(Ticket::new(numbers(9))).await.unwrap();
    let id = reply.metadata().get("x-genomdb-query-id").unwrap().to_str().unwrap().to_owned();
    let mut rows = reply.into_inner();
    assert!(rows.message().await.unwrap().is_some());
    let running = served.node.queries().list();
    assert_eq!(running.first().unwrap().id.to_string(), id);
    // A thousand million rows are never all on their way: the query stands still before it has sent many.
    let sent = || served.node.queries().list().first().map_or(0, |query| query.rows());
    let still = std::cell::Cell::new((0, 0));
    served
        .wait_until("it stands still", |_| {
            let (rows, times) = still.get();
            let now = sent();
            still.set((now, if now == rows && now > 0 { times + 1 } else { 0 }));
            times > 100_000
        })
        .await;
    assert!(sent() < 100_000_000, "{}", sent());
    drop(rows);
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_what_it_was_promised_with() {
    let served = Served::start();
    let mut client = served.plain().await;
    let text = format!("SELECT count(*) AS n FROM ({}) WHERE n % 7 = 1", numbers(10));
    let command = CommandStatementQuery { query: text, transaction_id: None };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let info = client.get_flight_info(descriptor).await.unwrap().into_inner();
    let cancel = async |info| {
        let request = CancelFlightInfoRequest::new(info).encode_to_vec();
        let mut results =
            served.plain().await.do_action(Action::new("CancelFlightInfo", request)).await.unwrap();
        let result = results.get_mut().message().await.unwrap().unwrap();
        CancelFlightInfoResult::decode(result.body).unwrap().status()
    };
    assert_eq!(cancel(info.clone()).await, CancelStatus::NotCancellable, "it does not run yet");
    let ticket = info.endpoint.first().unwrap().ticket.clone().unwrap();
    let reading = async {
        let rows = client.do_get(ticket).await?.into_inner();
        rows.try_collect::<Vec<_>>().await
    };
    let cancelling = async {
        served.wait_until("it runs", |node| !node.queries().list().is_empty()).await;
        cancel(info).await
    };
    let (read, cancelled) = futures::join!(reading, cancelling);
    assert_eq!(cancelled, CancelStatus::Cancelled);
    assert_eq!(read.unwrap_err().code(), Code::Cancelled);
    served.wait_until_nothing_runs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_comes_in_messages_that_every_client_takes() {
    let served = Served::start();
    let client = served.plain().await;
    let text = format!("SELECT repeat('x', 1000 + n) AS text FROM ({}) AS t", numbers(4));
    let rows =
        client.max_decoding_message_size(3 << 20).do_get(Ticket::new(text)).await.unwrap().into_inner();
    let messages: Vec<_> = rows.try_collect().await.unwrap();
    let bytes: usize = messages.iter().map(|message| message.data_body.len()).sum();
    assert!(bytes > 50 << 20, "{bytes}");
    assert!(messages.len() > 25, "{}", messages.len());
}
