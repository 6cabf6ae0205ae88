//! What GQL's own constructs become, as SQL text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of a test")]

use expect_test::{Expect, expect};
use genomdb_grammar::ast::Statement;
use genomdb_planner::lower::lower_query;

fn check(text: &str, want: Expect) {
    let Ok(Statement::Query(query)) = genomdb_grammar::parse(text) else { panic!("{text} does not parse") };
    let shown = match lower_query(&query, text) {
        Ok(lowered) => lowered.to_string(),
        Err(error) => error.render(text),
    };
    want.assert_eq(&shown);
}

#[test]
fn region_predicates() {
    check(
        "SELECT qname FROM reads WHERE interval INTERSECTS 'chr1:1-100'",
        expect![[r#"SELECT qname FROM reads WHERE intersects("chrom", "start", "end", 'chr1:1-100')"#]],
    );
    check(
        "SELECT qname FROM reads r WHERE r.interval NOT INTERSECTS $1",
        expect![[r#"SELECT qname FROM reads r WHERE NOT (intersects(r."chrom", r."start", r."end", $1))"#]],
    );
    check(
        "SELECT qname FROM reads WHERE interval INTERSECTS ANY ('chr1', 'chr2:5-6')",
        expect![[r#"SELECT qname FROM reads WHERE intersects("chrom", "start", "end", 'chr1', 'chr2:5-6')"#]],
    );
    check(
        "SELECT qname FROM reads WHERE interval INTERSECTS ALL ('chr1', 'chr2:5-6')",
        expect![[
            r#"SELECT qname FROM reads WHERE (intersects("chrom", "start", "end", 'chr1') AND intersects("chrom", "start", "end", 'chr2:5-6'))"#
        ]],
    );
    check(
        "SELECT qname FROM reads WHERE interval INTERSECTS ANY (SELECT region FROM targets)",
        expect![[
            r#"SELECT qname FROM reads WHERE EXISTS (SELECT 1 FROM (SELECT region FROM targets) AS "__regions" ("region") WHERE intersects("chrom", "start", "end", "__regions"."region"))"#
        ]],
    );
    check(
        "SELECT qname FROM reads WHERE interval WITHIN ALL (SELECT region FROM targets)",
        expect![[
            r#"SELECT qname FROM reads WHERE NOT EXISTS (SELECT 1 FROM (SELECT region FROM targets) AS "__regions" ("region") WHERE NOT within_region("chrom", "start", "end", "__regions"."region"))"#
        ]],
    );
    check(
        "SELECT 1 FROM a JOIN b ON a.interval INTERSECTS b.interval",
        expect![[
            r#"SELECT 1 FROM a JOIN b ON (a."chrom" = b."chrom" AND a."start" < b."end" AND b."start" < a."end")"#
        ]],
    );
    check(
        "SELECT 1 FROM a JOIN b ON a.interval CONTAINS (b.interval)",
        expect![[
            r#"SELECT 1 FROM a JOIN b ON (a."chrom" = b."chrom" AND a."start" <= b."start" AND b."end" <= a."end")"#
        ]],
    );
    check(
        "SELECT 1 FROM a JOIN b ON a.interval WITHIN b.interval",
        expect![[
            r#"SELECT 1 FROM a JOIN b ON (a."chrom" = b."chrom" AND b."start" <= a."start" AND a."end" <= b."end")"#
        ]],
    );
    check(
        "SELECT 1 FROM a JOIN b ON a.interval WITHIN 10000 OF b.interval",
        expect![[
            r#"SELECT 1 FROM a JOIN b ON (a."chrom" = b."chrom" AND a."start" <= b."end" + (10000) AND b."start" <= a."end" + (10000))"#
        ]],
    );
    check(
        "SELECT 1 FROM a WHERE interval WITHIN 10 OF 'chr1:5-6' OR interval CONTAINS 'chr1:7-8'",
        expect![[
            r#"SELECT 1 FROM a WHERE within_distance("chrom", "start", "end", 10, 'chr1:5-6') OR contains_region("chrom", "start", "end", 'chr1:7-8')"#
        ]],
    );
    check(
        "SELECT 1 FROM a WHERE interval CONTAINS ANY ('chr1:7-8', b.interval)",
        expect![[
            r#"SELECT 1 FROM a WHERE (contains_region("chrom", "start", "end", 'chr1:7-8') OR ("chrom" = b."chrom" AND "start" <= b."start" AND b."end" <= "end"))"#
        ]],
    );
    check(
        "SELECT 1 FROM a WHERE mapq INTERSECTS 'chr1'",
        expect![[r#"
        error: INTERSECTS needs an interval on its left side, such as `interval` or `t.interval`
         --> line 1, column 23
          |
        1 | SELECT 1 FROM a WHERE mapq INTERSECTS 'chr1'
          |                       ^^^^^
    "#]],
    );
}

#[test]
fn columns_of_our_own() {
    check(
        "SELECT interval, stop, r.stop, end, \"stop\" FROM reads r",
        expect![[
            r#"SELECT region("chrom", "start", "end") AS "interval", end, r.end, end, "stop" FROM reads r"#
        ]],
    );
    check(
        "SELECT overlap_bp(a.interval, b.interval), count(interval) FROM a, b",
        expect![[
            r#"SELECT overlap_bp(a."chrom", a."start", a."end", b."chrom", b."start", b."end"), count(region("chrom", "start", "end")) FROM a, b"#
        ]],
    );
    check("SELECT stop FROM (SELECT 1 AS stop)", expect!["SELECT stop FROM (SELECT 1 AS stop)"]);
    check("SELECT interval FROM t AS x (interval)", expect!["SELECT interval FROM t AS x (interval)"]);
    check(
        "SELECT tags.NM, r.tags.nM, tags['NM'], tags.MD[1], info.AF FROM reads r",
        expect![[r#"SELECT tags."NM", r.tags."nM", tags['NM'], tags."MD"[1], info."AF" FROM reads r"#]],
    );
    check("SELECT tags.NM FROM tags", expect!["SELECT tags.NM FROM tags"]);
    check(
        "SELECT INTERVAL '1' DAY, interval, current_date FROM reads",
        expect![[
            r#"SELECT INTERVAL '1' DAY, region("chrom", "start", "end") AS "interval", current_date FROM reads"#
        ]],
    );
    check(
        "SELECT * FROM a ANTI JOIN b ON a.interval INTERSECTS b.interval",
        expect![[
            r#"SELECT * FROM a LEFT ANTI JOIN b ON (a."chrom" = b."chrom" AND a."start" < b."end" AND b."start" < a."end")"#
        ]],
    );
}

#[test]
fn what_cannot_be_planned_is_pointed_at() {
    check(
        "SELECT CAST(a AS FLUFF)",
        expect![[r#"
        error: unknown data type FLUFF
         --> line 1, column 18
          |
        1 | SELECT CAST(a AS FLUFF)
          |                  ^^^^^
    "#]],
    );
    check(
        "SELECT a BETWEEN SYMMETRIC 1 AND 2",
        expect![[r#"
        error: BETWEEN SYMMETRIC is not supported
         --> line 1, column 8
          |
        1 | SELECT a BETWEEN SYMMETRIC 1 AND 2
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "SELECT sum(a ORDER BY ALL)",
        expect![[r#"
        error: ORDER BY ALL here is not supported
         --> line 1, column 8
          |
        1 | SELECT sum(a ORDER BY ALL)
          |        ^^^
    "#]],
    );
    check(
        "SELECT CAST(a AS VARCHAR(1.5))",
        expect![[r#"
        error: `1.5` is not a whole number that fits here
         --> line 1, column 18
          |
        1 | SELECT CAST(a AS VARCHAR(1.5))
          |                  ^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn long_chains_become_shallow_trees() {
    let text = format!("SELECT 1 WHERE {}", vec!["a"; 5_000].join(" OR "));
    let Ok(Statement::Query(query)) = genomdb_grammar::parse(&text) else { panic!("does not parse") };
    let lowered = lower_query(&query, &text).unwrap();
    // Left-deep it would be 5,000 levels of clone, print and drop.
    assert!(lowered.clone().to_string().len() > 25_000);
    assert_eq!(lowered.to_string().matches(" OR ").count(), 4_999);
}

#[test]
fn the_deepest_query_is_lowered_on_a_small_stack() {
    let deepest = |open: &str, close: &str| {
        let fits = |n: usize| {
            let text = format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
            genomdb_grammar::parse(&text).ok().map(|statement| (text, statement))
        };
        (1..200).map_while(fits).last().unwrap()
    };
    for (open, close) in [
        ("(", ")"),
        ("(SELECT ", ")"),
        ("CASE WHEN a THEN ", " END"),
        ("f(a OR b AND c = d + e * ", ")"),
        ("NOT ", ""),
    ] {
        let (text, statement) = deepest(open, close);
        let Statement::Query(query) = statement else { panic!("not a query") };
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let lowered = thread.spawn(move || lower_query(&query, &text).map(|_| ()));
        assert_eq!(lowered.unwrap().join().unwrap(), Ok(()), "{open}");
    }
}

#[test]
fn a_very_long_list_is_refused_before_it_is_planned() {
    let list = |values: usize| format!("SELECT 1 FROM reads WHERE pos IN ({})", vec!["1"; values].join(","));
    let lower = |text: &str| match genomdb_grammar::parse(text).unwrap() {
        genomdb_grammar::ast::Statement::Query(query) => lower_query(&query, text),
        other => panic!("no query: {other}"),
    };
    assert!(lower(&list(32_768)).is_ok());
    let error = lower(&list(32_769)).unwrap_err().to_string();
    expect_test::expect![[
        "an IN list of 32769 values (the most is 32768; join with VALUES or a table instead) is not supported"
    ]]
    .assert_eq(&error);
}
