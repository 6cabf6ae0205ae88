//! Tables of rows in statements: how they are made, shown, joined, filled and dropped.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, TimestampMicrosecondArray},
    datatypes::{Int8Type, Int32Type},
};
use genomdb_server::IngestMode;

use crate::node::{TestNode, samples};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_and_described_as_other_tables_are() {
    let test = TestNode::new();
    let keys: DictionaryArray<Int8Type> = [Some("x"), None].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let when = TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC");
    let columns: [(&str, ArrayRef, bool); 3] =
        [("key", Arc::new(keys), true), ("list", Arc::new(lists), true), ("when", Arc::new(when), false)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    test.ingest("t", IngestMode::Create, [batch]).await.unwrap();
    let described = test.rows("DESCRIBE t").await;
    assert_eq!(described, ["key|Utf8|true", "list|List(Int32)|true", "when|Timestamp(µs, \"UTC\")|false"]);
    assert_eq!(test.rows("SHOW COLUMNS FROM t").await, described);
    assert_eq!(
        test.rows("SELECT * FROM t").await,
        ["x|[1, ]|1970-01-01T00:00:00Z", "||1970-01-01T00:00:00.000001Z"]
    );
    assert!(test.rows("SHOW TABLES").await[0].starts_with("main|t|rows|1|2|"));
    assert!(test.rows("SHOW SOURCES FROM t").await[0].starts_with("t|ingest-1|Arrow|2|"));
    assert!(test.rows("SHOW HEADER FROM t").await.is_empty());
    assert_eq!(test.ask("DROP SOURCE 'ingest-1' FROM t").await.unwrap(), "DROP SOURCE");
    assert!(test.rows("SELECT * FROM t").await.is_empty());
    assert_eq!(test.ask("DROP TABLE t").await.unwrap(), "DROP TABLE");
    assert_eq!(test.error("SELECT * FROM t").await, "unknown table `t`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_reads_the_columns_and_rows_that_are_wanted() {
    let test = TestNode::new();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300_000));
    let halves: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300_000).map(|n| n * 7_919 % 65_537)));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("x", halves)]).unwrap();
    test.ingest("t", IngestMode::Create, [batch]).await.unwrap();
    let plan = async |query: &str| {
        let plan = test.ask(&format!("EXPLAIN {query}")).await.unwrap();
        let line = plan.lines().find(|line| line.contains("RowScanExec")).map(str::to_owned);
        line.map(|line| line.split("RowScanExec: ").nth(1).unwrap().trim_end_matches(['|', ' ']).to_owned())
    };
    let part = |plan: &str, name: &str| -> u64 {
        let value = plan.split(&format!("{name}=")).nth(1).unwrap();
        value.split([',', ' ']).next().unwrap().parse().unwrap()
    };
    let all = plan("SELECT * FROM t").await.unwrap();
    let one = plan("SELECT n FROM t").await.unwrap();
    assert!(all.starts_with("table=t, chunks=5 of 5, rows=300000, gets="), "{all}");
    assert!(one.ends_with("columns=[n]"), "{one}");
    assert!(part(&one, "gets") < part(&all, "gets") && part(&one, "bytes") < part(&all, "bytes"), "{one}");
    let few = plan("SELECT n FROM t LIMIT 70000").await.unwrap();
    assert!(few.starts_with("table=t, chunks=2 of 5, rows=") && few.ends_with("limit=70000"), "{few}");
    // The index of the chunks knows it.
    assert_eq!(plan("SELECT count(*) FROM t").await, None);
    assert_eq!(test.rows("SELECT count(*) FROM t").await, ["300000"]);
    assert_eq!(test.rows("SELECT n FROM t LIMIT 3 OFFSET 65534").await, ["65534", "65535", "65536"]);
    assert_eq!(
        test.rows("SELECT sum(n), count(DISTINCT x) FROM t WHERE n >= 200000").await,
        ["24999950000|65537"]
    );
    assert_eq!(test.rows("SELECT n FROM t WHERE x = 1 ORDER BY n LIMIT 1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_join_their_samples() {
    let test = TestNode::new();
    let sam = "@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:1000\n@RG\tID:a\tSM:one\n@RG\tID:b\tSM:two\n\
        r1\t0\tchr1\t1\t60\t4M\t*\t0\t0\tACGT\t####\tRG:Z:a\nr2\t0\tchr1\t90\t60\t4M\t*\t0\t0\tACGT\t####\tRG:Z:b\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sam");
    std::fs::write(&path, sam).unwrap();
    let load = genomdb_server::LoadRequest {
        path: Some(path),
        table: "reads".to_owned(),
        ..genomdb_server::LoadRequest::default()
    };
    let observer: Arc<dyn genomdb_server::Observer> = Arc::new(genomdb_server::Silent);
    test.node.load(&load, &observer, &genomdb_server::CancelToken::new()).await.unwrap();
    test.ingest("samples", IngestMode::Create, [samples(&[("two", Some(44)), ("one", Some(7))])])
        .await
        .unwrap();
    let joined = "SELECT qname, age FROM reads JOIN samples ON reads.sample = samples.name ORDER BY qname";
    assert_eq!(test.rows(joined).await, ["r1|7", "r2|44"]);
    // Regions of a table of rows, and overlaps with it.
    test.ask("CREATE TABLE genes AS VALUES ('chr1', 2, 20, 'g'), ('chr1', 500, 600, 'h')").await.unwrap();
    test.ask("CREATE VIEW gene AS SELECT column1 AS chrom, column2 AS start, column3 AS \"end\", column4 AS name FROM genes").await.unwrap();
    let overlaps = "SELECT r.qname, g.name FROM reads r JOIN gene g ON r.interval INTERSECTS g.interval";
    assert_eq!(test.rows(overlaps).await, ["r1|g"]);
    assert_eq!(test.rows("SELECT name FROM gene WHERE interval INTERSECTS 'chr1:550-560'").await, ["h"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_makes_a_table() {
    let test = TestNode::new();
    assert_eq!(
        test.ask("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'").await.unwrap(),
        "CREATE TABLE 2"
    );
    assert_eq!(test.rows("SELECT * FROM t ORDER BY a").await, ["1|x", "2|y"]);
    // That none is NULL now says nothing of later ones.
    assert_eq!(test.rows("DESCRIBE t").await, ["a|Int64|true", "b|Utf8|true"]);
    assert_eq!(test.error("CREATE TABLE t AS SELECT 3 AS a").await, "`t` exists already");
    assert_eq!(test.ask("CREATE TABLE IF NOT EXISTS t AS SELECT 3 AS a").await.unwrap(), "CREATE TABLE");
    assert_eq!(test.rows("SELECT count(*) FROM t").await, ["2"]);
    // From itself: the old rows are read to the end.
    assert_eq!(
        test.ask("CREATE OR REPLACE TABLE t AS SELECT a * 10 AS a FROM t").await.unwrap(),
        "CREATE TABLE 2"
    );
    assert_eq!(test.rows("SELECT * FROM t ORDER BY a").await, ["10", "20"]);
    assert_eq!(test.rows("SHOW SOURCES").await.len(), 1);
    assert_eq!(test.ask("CREATE TABLE e AS SELECT a FROM t WHERE false").await.unwrap(), "CREATE TABLE 0");
    assert_eq!(test.rows("SELECT count(*) FROM e").await, ["0"]);
    let twice = test.error("CREATE TABLE u AS SELECT l.a, r.a FROM t l JOIN t r USING (a)").await;
    assert_eq!(twice, "column `a` cannot be stored: another column has the same name");
    let fails = test.error("CREATE TABLE u AS SELECT 1 / (a - 10) AS x FROM t").await;
    assert!(fails.contains("Divide by zero"), "{fails}");
    assert_eq!(test.error("SELECT * FROM u").await, "unknown table `u`");
    assert_eq!(
        test.error("CREATE TABLE u TYPE ROWS").await,
        "a table of rows takes its columns from a query"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_inserted() {
    let test = TestNode::new();
    test.ingest("samples", IngestMode::Create, [samples(&[("a", Some(1))])]).await.unwrap();
    assert_eq!(test.ask("INSERT INTO samples VALUES ('b', 2), ('c', NULL)").await.unwrap(), "INSERT 2");
    assert_eq!(test.ask("INSERT INTO samples (age, name) SELECT '7', 'd'").await.unwrap(), "INSERT 1");
    assert_eq!(
        test.ask("INSERT INTO samples (name) SELECT name || '2' FROM samples WHERE age = 1").await.unwrap(),
        "INSERT 1"
    );
    assert_eq!(test.ask("INSERT INTO samples SELECT * FROM samples").await.unwrap(), "INSERT 5");
    let all = "SELECT DISTINCT * FROM samples ORDER BY name";
    assert_eq!(test.rows(all).await, ["a|1", "a2|", "b|2", "c|", "d|7"]);
    test.ask("CREATE TABLE reads TYPE ALIGNMENTS").await.unwrap();
    for (text, expected) in [
        ("INSERT INTO samples VALUES ('x')", "the query has 1 columns, and 2 are wanted"),
        ("INSERT INTO samples (name, ago) VALUES ('x', 1)", "table `samples` has no column `ago`"),
        ("INSERT INTO samples (name, name) VALUES ('x', 1)", "column `name` is given twice"),
        ("INSERT INTO samples (age) VALUES (1)", "column `name` holds no NULL, and is not given"),
        (
            "INSERT INTO samples VALUES ('x', [1])",
            "column `age` is of type Int64, the query gives List(Int64)",
        ),
        (
            "INSERT INTO samples VALUES (NULL, 1)",
            "the rows do not fit table `main.samples`: column `name` has a NULL, which the table does not allow there",
        ),
        ("INSERT INTO reads VALUES (1)", "`reads` is a table of alignments, rows cannot be added to it"),
        ("INSERT INTO samplers VALUES (1)", "unknown table `samplers`"),
    ] {
        assert_eq!(test.error(text).await, expected, "{text}");
    }
    assert!(test.error("INSERT INTO samples VALUES ('x', 'many')").await.contains("many"));
    assert_eq!(test.rows("SELECT count(*) FROM samples").await, ["10"]);
}
