//! Texts that parse, and their canonical text; texts that do not, and what is said about them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of a test")]

use genomdb_grammar::{parse, parse_script};

/// Parses, prints, parses again: the same tree, the same text.
fn check(text: &str, canonical: &str) {
    let statement = match parse(text) {
        Ok(statement) => statement,
        Err(error) => panic!("{}", error.render(text)),
    };
    let printed = statement.to_string();
    assert_eq!(printed, if canonical.is_empty() { text } else { canonical });
    match parse(&printed) {
        Ok(again) => assert_eq!(again, statement, "{printed}"),
        Err(error) => panic!("{}", error.render(&printed)),
    }
}

#[test]
fn queries() {
    check("select 1", "SELECT 1");
    check("SELECT a, b AS c, t.*, * FROM t WHERE a = 1 AND NOT b < 2 OR c IS NOT NULL", "");
    check("SELECT qname, end, start FROM main.reads r WHERE interval INTERSECTS 'chr1:1-100'", "");
    check("SELECT * FROM a JOIN b ON a.interval INTERSECTS b.interval", "");
    check("SELECT * FROM a WHERE interval NOT INTERSECTS ANY ('chr1', 'chr2')", "");
    check("SELECT * FROM a WHERE interval INTERSECTS ANY (SELECT region FROM r) AND mapq > 3", "");
    check(
        "SELECT * FROM a JOIN b ON a.interval WITHIN 10000 OF b.interval AND a.interval CONTAINS b.interval",
        "",
    );
    check("SELECT tags.NM, tags['nM'], t.tags.AS FROM reads AS t", "");
    check("SELECT CASE WHEN end > 5 THEN end ELSE start END AS end FROM r", "");
    check("SELECT CASE x WHEN 1 THEN 'a' END, CAST(x AS DECIMAL(10, 2)), x::INT[]::TEXT FROM r", "");
    check(
        "SELECT count(*) FILTER (WHERE filter = 'PASS'), count(DISTINCT a), array_agg(a ORDER BY b DESC NULLS LAST) FROM r",
        "",
    );
    check(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY mapq) FROM r GROUP BY ROLLUP (a, b), GROUPING SETS ((a), (), (a, b))",
        "",
    );
    check(
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING), rank() OVER w FROM r WINDOW w AS (ORDER BY a) QUALIFY rank() OVER w = 1",
        "",
    );
    check(
        "WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 10) SELECT * FROM a ORDER BY n LIMIT 3 OFFSET 1",
        "",
    );
    check("SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4", "");
    check("((SELECT 1) UNION (SELECT 2)) ORDER BY 1", "");
    check("SELECT ((SELECT 1) UNION (SELECT 2) LIMIT 1) + 1, ((SELECT 2))", "");
    check(
        "SELECT * FROM ((SELECT 1) UNION (SELECT 2)) AS t (a), (a JOIN b USING (x)), LATERAL (SELECT a.x) AS l",
        "",
    );
    check(
        "SELECT * FROM a LEFT SEMI JOIN b ON TRUE NATURAL JOIN c CROSS JOIN d, UNNEST([1, 2]) WITH ORDINALITY AS u (x, n)",
        "",
    );
    check("VALUES (1, 'a'), (2, 'it''s')", "");
    check(
        "SELECT INTERVAL '1' DAY, INTERVAL '1 day', DATE '2020-01-01', TIMESTAMP WITH TIME ZONE '2020-01-01', interval FROM t",
        "",
    );
    check(
        "SELECT EXTRACT(year FROM x), SUBSTRING(a FROM 1 FOR 2), SUBSTR(a, 1), TRIM(BOTH 'x' FROM y), POSITION('a' IN b), OVERLAY(a PLACING b FROM 1), CEIL(x), FLOOR(x TO DAY)",
        "",
    );
    check(
        "SELECT a BETWEEN 1 AND 2 AND b NOT LIKE 'x!%' ESCAPE '!' AND c SIMILAR TO 'x' AND d ~ 'x' AND e !~* 'y'",
        "",
    );
    check(
        "SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM 1 + 2, a AT TIME ZONE 'UTC' - b, -a * - -b",
        "",
    );
    check(
        "SELECT a = ANY ([1, 2]), a <= ALL (SELECT 1), EXISTS (SELECT 1), a IN (1, 2), a NOT IN (SELECT 1), a IN ()",
        "",
    );
    check(
        "SELECT [1, 2][1], a[1:2].b[:], ARRAY[1], STRUCT(1 AS a, 2), {a: 1, 'b c': 2}, MAP {'a': 1}, f(x)[1].y",
        "",
    );
    check("SELECT array_transform(a, x -> x + 1), f((x, y) -> x), g(a => 1, b := 2), $1, $name", "");
    // Each `?` is the next number.
    check(
        "SELECT ?, a FROM t WHERE b = ? AND c IN (SELECT ?)",
        "SELECT $1, a FROM t WHERE b = $2 AND c IN (SELECT $3)",
    );
    check(
        "SELECT E'a\\nb', $$it's$$, $x$ $$ $x$, X'0A', U&'\\0061', 0x1F, 1e5, .5, 1., 'a\"b', \"a\"\"b\", `c`",
        "SELECT E'a\nb', $$it's$$, $x$ $$ $x$, X'0A', U&'a', 0x1F, 1e5, .5, 1., 'a\"b', \"a\"\"b\", `c`",
    );
    check("SELECT /* a /* b */ c */ 1 -- d", "SELECT 1");
}

#[test]
fn statements() {
    check("create table reads type alignments", "CREATE TABLE reads TYPE alignments");
    check(
        "CREATE OR REPLACE TABLE IF NOT EXISTS a.b TYPE READS REFERENCE grch38 (naming 'ucsc', x.y 2, z TRUE, q)",
        "",
    );
    check("CREATE VIEW v (a, b) AS SELECT 1, 2", "");
    check("CREATE TABLE t AS SELECT 1", "");
    check("CREATE DATASET IF NOT EXISTS d", "");
    check("CREATE REFERENCE r FROM 'r.fa' (naming ucsc)", "");
    check("INSERT INTO d.t SELECT 1", "");
    check("INSERT INTO t (a, \"B c\") VALUES (1, 'x'), (2, NULL)", "");
    check("insert into t (select 1)", "INSERT INTO t (SELECT 1)");
    check("INSERT INTO t (a) (SELECT 1)", "");
    check("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x", "");
    check("INSERT INTO into SELECT 1", "");
    check("DROP TABLE IF EXISTS t CASCADE", "");
    check("DROP SOURCE 'a.bam' FROM t", "");
    check("DROP DATASET d", "");
    check("COPY t FROM 'a.bam', 'b.bam' (FORMAT BAM, SAMPLE 'NA12878', threads 4, regions ('a', 'b'))", "");
    check(
        "copy t from 'a.bam' with (format = 'bam', force => true)",
        "COPY t FROM 'a.bam' (format 'bam', force TRUE)",
    );
    check("COPY (SELECT * FROM t WHERE mapq > 3) TO 'x.parquet' (FORMAT PARQUET)", "");
    check("COPY t TO 'x.sam'", "");
    check("SHOW TABLES", "");
    check("SHOW SOURCES FROM t LIKE 'a%'", "");
    check("SHOW SAMPLES", "");
    check("SHOW HEADER FROM t", "");
    check("SHOW ALL", "");
    check("SHOW datafusion.execution.batch_size", "");
    check("SHOW TABLES.x", "SHOW tables.x");
    check("DESCRIBE t", "");
    check("DESCRIBE SELECT 1", "");
    check("EXPLAIN SELECT 1", "");
    check("EXPLAIN ANALYZE VERBOSE FORMAT tree SELECT 1", "");
    check(
        "EXPLAIN (ANALYZE, FORMAT JSON, costs FALSE) SELECT 1",
        "EXPLAIN ANALYZE FORMAT JSON (costs FALSE) SELECT 1",
    );
    check("EXPLAIN (SELECT 1)", "");
    check("SET gql.coordinates = 'native'", "");
    check("set time zone 'UTC'", "SET datafusion.execution.time_zone = 'UTC'");
    check("RESET gql.coordinates", "");
    check("RESET ALL", "");
    check("KILL QUERY 'abc'", "");
}

#[test]
fn scripts() {
    let script = parse_script("select 1; ; -- x\n select ';' ;;").unwrap();
    assert_eq!(script.iter().map(ToString::to_string).collect::<Vec<_>>(), ["SELECT 1", "SELECT ';'"]);
    let error = parse_script("select 1;\nselect from from").unwrap_err();
    assert_eq!((error.line, error.column), (2, 13));
}

/// The statements of the language reference, so that it stays true.
#[test]
fn the_reference_parses() {
    let page = include_str!("../../docs/query-language.md");
    let mut scripts = 0;
    for block in page.split("```sql\n").skip(1) {
        let script = block.split("```").next().unwrap();
        if let Err(error) = parse_script(script) {
            panic!("{}", error.render(script));
        }
        scripts += 1;
    }
    assert!(scripts > 2);
}
