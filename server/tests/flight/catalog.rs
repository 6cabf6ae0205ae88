//! What there is: the calls by which clients fill their trees.

use arrow::{
    array::{AsArray as _, BinaryArray},
    datatypes::Schema,
};
use arrow_flight::{
    Criteria, FlightDescriptor, IpcMessage, Ticket,
    decode::FlightRecordBatchStream,
    error::FlightError,
    sql::{
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
        CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo,
    },
};
use expect_test::expect;
use futures::TryStreamExt as _;

use crate::served::{Served, ask, get};

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_datasets_and_tables() {
    let served = Served::with_reads().await;
    let mut client = served.client().await;
    client.execute_update("CREATE DATASET other".to_owned(), None).await.unwrap();
    client.execute_update("CREATE VIEW good AS SELECT qname FROM reads".to_owned(), None).await.unwrap();
    let info = client.get_catalogs().await.unwrap();
    let got = get(&mut client, info).await;
    assert_eq!(got.promised, *got.schema);
    assert!(got.table().contains("| genomdb"), "{}", got.table());
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    let got = get(&mut client, info).await;
    expect![[r#"
        +--------------+----------------+
        | catalog_name | db_schema_name |
        +--------------+----------------+
        | genomdb      | main           |
        | genomdb      | other          |
        +--------------+----------------+"#]]
    .assert_eq(&got.table());
    let info = client.get_tables(CommandGetTables::default()).await.unwrap();
    let got = get(&mut client, info).await;
    assert_eq!(got.promised, *got.schema);
    expect![[r#"
        +--------------+----------------+------------+------------+
        | catalog_name | db_schema_name | table_name | table_type |
        +--------------+----------------+------------+------------+
        | genomdb      | main           | good       | VIEW       |
        | genomdb      | main           | reads      | TABLE      |
        +--------------+----------------+------------+------------+"#]]
    .assert_eq(&got.table());
    let info = client.get_table_types().await.unwrap();
    assert_eq!(get(&mut client, info).await.rows(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_tables_are_told_where_they_are_asked_for() {
    let served = Served::with_reads().await;
    let mut client = served.client().await;
    client.execute_update("CREATE VIEW good AS SELECT qname FROM reads".to_owned(), None).await.unwrap();
    for (pattern, rows) in [("r%", 1), ("%", 2), ("nothing", 0)] {
        let request = CommandGetTables {
            catalog: Some("genomdb".to_owned()),
            db_schema_filter_pattern: Some("main".to_owned()),
            table_name_filter_pattern: Some(pattern.to_owned()),
            include_schema: true,
            ..CommandGetTables::default()
        };
        let info = client.get_tables(request).await.unwrap();
        let got = get(&mut client, info).await;
        assert_eq!(got.promised, *got.schema);
        assert_eq!((got.rows(), got.schema.fields().len()), (rows, 5), "{pattern}");
        for batch in &got.batches {
            let schemas: &BinaryArray = batch.column(4).as_binary();
            for (name, bytes) in batch.column(2).as_string::<i32>().iter().zip(schemas) {
                let schema = Schema::try_from(IpcMessage(bytes.unwrap().to_vec().into())).unwrap();
                let text = format!("SELECT * FROM {}", name.unwrap());
                assert_eq!(schema, *ask(&mut client, &text).await.schema, "{name:?}");
            }
        }
    }
    let request = CommandGetTables { table_types: vec!["VIEW".to_owned()], ..CommandGetTables::default() };
    let info = client.get_tables(request).await.unwrap();
    assert_eq!(get(&mut client, info).await.rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_empty_with_the_columns_that_are_prescribed() {
    let served = Served::start();
    let mut client = served.client().await;
    let infos = [
        (client.get_primary_keys(CommandGetPrimaryKeys::default()).await.unwrap(), 6),
        (client.get_imported_keys(CommandGetImportedKeys::default()).await.unwrap(), 13),
        (client.get_exported_keys(CommandGetExportedKeys::default()).await.unwrap(), 13),
        (client.get_cross_reference(CommandGetCrossReference::default()).await.unwrap(), 13),
    ];
    for (info, columns) in infos {
        let got = get(&mut client, info).await;
        assert_eq!(got.promised, *got.schema);
        assert_eq!((got.rows(), got.schema.fields().len()), (0, columns));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_is_and_which_types_it_has() {
    let served = Served::start();
    let mut client = served.client().await;
    let info = client.get_sql_info(Vec::new()).await.unwrap();
    let got = get(&mut client, info).await;
    assert_eq!(got.promised, *got.schema);
    assert_eq!(got.rows(), 12 + 2 + 77, "{}", got.table());
    for code in [508, 509, 510, 511, 512] {
        // Each function is one that the session knows.
        let functions = got.batches.iter().flat_map(|batch| {
            let row = batch
                .column(0)
                .as_primitive::<arrow::datatypes::UInt32Type>()
                .iter()
                .position(|it| it == Some(code));
            let value = batch.column(1).as_union().value(row.unwrap());
            let names = value.as_list::<i32>().value(0);
            names.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        });
        for name in functions.filter(|_| code != 508) {
            let error = client.execute(format!("SELECT {name}(1, 2, 3, 4, 5, 6, 7)"), None).await;
            let error = error.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!error.contains("Invalid function"), "{error}");
        }
    }
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo::default()).await.unwrap();
    let all = get(&mut client, info).await;
    assert_eq!(all.promised, *all.schema);
    assert!(all.rows() > 10);
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: Some(-5) }).await.unwrap();
    assert_eq!(get(&mut client, info).await.rows(), 2, "with a sign and without");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_flight_alone_find_tables_and_ask_in_plain_text() {
    let served = Served::with_reads().await;
    let mut client = served.plain().await;
    let flights = client.list_flights(Criteria::default()).await.unwrap().into_inner();
    let flights: Vec<_> = flights.try_collect().await.unwrap();
    let found = flights.first().unwrap();
    let path = FlightDescriptor::new_path(vec!["main".to_owned(), "reads".to_owned()]);
    assert_eq!(found.flight_descriptor, Some(path.clone()));
    let by_path = client.get_flight_info(path).await.unwrap().into_inner();
    assert_eq!(by_path.schema, found.schema);
    for ticket in
        [found.endpoint.first().unwrap().ticket.clone().unwrap(), Ticket::new("SELECT * FROM reads")]
    {
        let rows = client.do_get(ticket).await.unwrap().into_inner();
        let rows = FlightRecordBatchStream::new_from_flight_data(rows.map_err(FlightError::from));
        let batches: Vec<_> = rows.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3278);
    }
    let poll = client.poll_flight_info(FlightDescriptor::new_cmd("SELECT 1")).await.unwrap().into_inner();
    assert!(poll.flight_descriptor.is_none() && poll.info.is_some(), "there is no more to come");
}
