//! Bulk ingest: rows that clients put into tables.

use std::sync::Arc;

use arrow::{
    array::{DictionaryArray, Int64Array, RecordBatch, StringArray, StringViewArray},
    datatypes::Int32Type,
};
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use futures::stream;

use crate::served::{Client, Served, ask};

fn rows(numbers: std::ops::Range<i64>) -> RecordBatch {
    let words: DictionaryArray<Int32Type> =
        numbers.clone().map(|n| if n % 2 == 0 { "a" } else { "b" }).collect();
    let views: StringViewArray = numbers.clone().map(|n| Some(n.to_string())).collect();
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(numbers)) as _),
        ("word", Arc::new(words) as _),
        ("view", Arc::new(views) as _),
    ])
    .unwrap()
}

async fn put(
    client: &mut Client,
    if_not_exist: TableNotExistOption,
    if_exists: TableExistsOption,
    batches: Vec<RecordBatch>,
) -> Result<i64, String> {
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_not_exist.into(),
            if_exists: if_exists.into(),
        }),
        table: "put".to_owned(),
        ..CommandStatementIngest::default()
    };
    let batches = stream::iter(batches.into_iter().map(Ok));
    client.execute_ingest(command, batches).await.map_err(|error| error.to_string())
}

async fn count(client: &mut Client) -> String {
    ask(client, "SELECT count(*) AS n, sum(n) AS sum, max(word) AS word FROM put").await.table()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_put_into_tables_as_the_options_say() {
    use {TableExistsOption as Exists, TableNotExistOption as Missing};
    let served = Served::start();
    let mut client = served.client().await;
    let missing = put(&mut client, Missing::Fail, Exists::Append, vec![rows(0..1)]).await;
    assert!(missing.unwrap_err().contains("put"));
    let many = vec![rows(0..5000), rows(5000..10_000)];
    assert_eq!(put(&mut client, Missing::Create, Exists::Fail, many).await, Ok(10_000));
    assert!(count(&mut client).await.contains("| 10000 | 49995000 | b"), "{}", count(&mut client).await);
    let twice = put(&mut client, Missing::Create, Exists::Fail, vec![rows(0..1)]).await;
    assert!(twice.unwrap_err().contains("put"));
    assert_eq!(put(&mut client, Missing::Fail, Exists::Append, vec![rows(0..10)]).await, Ok(10));
    assert_eq!(put(&mut client, Missing::Create, Exists::Append, vec![rows(0..10)]).await, Ok(10));
    assert!(count(&mut client).await.contains("| 10020 "), "{}", count(&mut client).await);
    assert_eq!(put(&mut client, Missing::Create, Exists::Replace, vec![rows(0..3)]).await, Ok(3));
    assert!(count(&mut client).await.contains("| 3 | 3   | b"), "{}", count(&mut client).await);
    let others =
        RecordBatch::try_from_iter([("other", Arc::new(StringArray::from(vec!["x"])) as _)]).unwrap();
    assert!(put(&mut client, Missing::Fail, Exists::Append, vec![others]).await.is_err());
    assert!(put(&mut client, Missing::Unspecified, Exists::Unspecified, vec![rows(0..1)]).await.is_err());
    assert!(count(&mut client).await.contains("| 3 "), "an ingest that failed leaves nothing");
    let inserted = client.execute_update("INSERT INTO put SELECT 1, 'x', 'y'".to_owned(), None).await;
    assert_eq!(inserted.unwrap(), 1, "rows that a statement adds are counted");
    served.wait_until_nothing_runs().await;
}
