//! Hostile texts: an error or a tree, on a thread with a small stack; never a panic, never an overflow.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of a test")]

use std::time::Instant;

use genomdb_grammar::ast::{ExprKind, Query, QueryBody, SelectItem, Statement};
use genomdb_grammar::{Limits, ParseError, ParseErrorKind, parse, parse_script, parse_with};
use proptest::prelude::*;

/// Runs on a thread with the stack that a runtime's worker has, or less.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// Parses, prints and drops; the time taken is printed, not asserted.
fn attempt(name: &str, text: &str) -> Result<String, ParseError> {
    on_a_small_stack(|| {
        let begun = Instant::now();
        let result = parse(text);
        let parsed = begun.elapsed();
        let result = result.map(|statement| statement.to_string());
        println!("{name}: {} bytes, parsed in {parsed:?}, {:?} in all", text.len(), begun.elapsed());
        result
    })
}

fn check_too_deep(name: &str, text: &str) {
    let error = attempt(name, text).unwrap_err();
    assert!(matches!(error.kind, ParseErrorKind::TooDeep { .. }), "{name}: {error}");
}

fn check_parses(name: &str, text: &str) {
    if let Err(error) = attempt(name, text) {
        panic!("{name}: {}", error.render(text));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |open: &str, middle: &str, close: &str, n: usize| {
        format!("SELECT {}{middle}{}", open.repeat(n), close.repeat(n))
    };
    check_too_deep("10,000 open parentheses", &format!("SELECT {}", "(".repeat(10_000)));
    check_too_deep("10,000 parentheses", &deep("(", "1", ")", 10_000));
    check_too_deep("10,000 CASE", &deep("CASE WHEN a THEN ", "1", " END", 10_000));
    check_too_deep("10,000 open CASE", &format!("SELECT {}", "CASE WHEN ".repeat(10_000)));
    check_too_deep("10,000 CASE with a column named end", &deep("CASE WHEN end THEN ", "1", " END", 10_000));
    check_too_deep("10,000 subqueries", &deep("(SELECT ", "1", ")", 10_000));
    check_too_deep("10,000 calls", &deep("f(", "1", ")", 10_000));
    check_too_deep("10,000 brackets", &deep("[", "1", "]", 10_000));
    check_too_deep("10,000 subscripts", &deep("a[", "1", "]", 10_000));
    check_too_deep("10,000 NOT", &deep("NOT ", "a", "", 10_000));
    check_too_deep("10,000 minus", &deep("- ", "a", "", 10_000));
    check_too_deep("10,000 casts", &deep("", "a", "::int", 10_000));
    check_too_deep("10,000 IS NULL", &deep("", "a", " IS NULL", 10_000));
    check_too_deep("10,000 BETWEEN", &deep("", "a", " BETWEEN 1 AND 2", 10_000));
    check_too_deep("10,000 lambdas", &format!("SELECT f({}x)", "x -> ".repeat(10_000)));
    check_too_deep(
        "10,000 arrays of arrays",
        &format!("SELECT CAST(a AS {}INT{})", "ARRAY<".repeat(10_000), ">".repeat(10_000)),
    );
    check_too_deep(
        "10,000 tables in parentheses",
        &format!("SELECT * FROM {}t{}", "(".repeat(10_000), ")".repeat(10_000)),
    );
    check_too_deep("10,000 WITH", &format!("{} SELECT 1", "WITH a AS (".repeat(10_000)));
    check_too_deep("10,000 braces", &deep("{a: ", "1", "}", 10_000));
    check_too_deep("10,000 parentheses and brackets", &deep("([", "1", "])", 10_000));
    check_too_deep(
        "10,000 queries in parentheses",
        &format!("{}SELECT 1{}", "(".repeat(10_000), ")".repeat(10_000)),
    );
}

#[test]
fn nesting_up_to_the_limit_fits_a_small_stack() {
    let n = Limits::default().depth_max / 2 - 6;
    for (open, close) in [
        ("(", ")"),
        ("(SELECT ", ")"),
        ("CASE WHEN a THEN ", " END"),
        ("f(a OR b AND c = d + e * ", ")"),
        ("[", "]"),
        ("((SELECT ", ") + 1)"),
    ] {
        let n = if open.starts_with("f(") || open.starts_with("((") { n / 3 } else { n };
        let text = format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
        check_parses(open, &text);
    }
    let text = format!("SELECT * FROM {}SELECT 1{}", "(SELECT * FROM (".repeat(n / 2), "))".repeat(n / 2));
    check_parses("tables in tables", &text);
    let text = format!("SELECT * FROM {}SELECT 1{}", "((SELECT 1) UNION ".repeat(n / 2), ")".repeat(n / 2));
    check_parses("set operations in tables", &text);
}

#[test]
fn long_texts_are_read() {
    check_parses("5,000 terms of OR", &format!("SELECT 1 WHERE {}", vec!["a = 1"; 5_000].join(" OR ")));
    check_parses("90,000 terms of AND", &format!("SELECT 1 WHERE {}", vec!["a = 1"; 90_000].join(" AND ")));
    let list: Vec<String> = (0..170_000).map(|i| (i % 9973).to_string()).collect();
    check_parses("an IN list of 1 MiB", &format!("SELECT * FROM t WHERE a IN ({})", list.join(",")));
    check_parses(
        "an IN list of 170,000 texts",
        &format!("SELECT 1 WHERE a IN ({})", vec!["'ab'"; 170_000].join(",")),
    );
    check_parses(
        "an IN list of 170,000 names",
        &format!("SELECT 1 WHERE a IN ({})", vec!["abcde"; 170_000].join(",")),
    );
    check_parses(
        "170,000 regions",
        &format!("SELECT 1 FROM t WHERE interval INTERSECTS ANY ({})", vec!["'c'"; 170_000].join(", ")),
    );
    check_parses("100,000 rows", &format!("VALUES {}", vec!["(1,2,3)"; 100_000].join(",")));
    check_parses("a comment of 1 MiB", &format!("SELECT /*{}*/ 1", "*".repeat(1 << 19)));
    check_parses("blanks of 1 MiB", &format!("SELECT {} 1", " ".repeat(1 << 19)));
    check_parses("a text of 1 MiB", &format!("SELECT '{}'", "''".repeat(1 << 18)));
    check_parses("a name of 1 MiB", &format!("SELECT {}", "a".repeat(1 << 19)));
}

#[test]
fn chains_that_others_recurse_over_are_bounded() {
    let check = |name: &str, text: String| {
        let error = attempt(name, &text).unwrap_err();
        assert!(matches!(error.kind, ParseErrorKind::TooManyInChain { .. }), "{name}: {error}");
    };
    check("a sum", format!("SELECT {}", vec!["1"; 100_000].join("+")));
    check("comparisons", format!("SELECT {}", vec!["1"; 100_000].join("=")));
    check("unions", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(40_000)));
    check("joins", format!("SELECT 1 FROM a{}", " JOIN b".repeat(90_000)));
    check("tables", format!("SELECT 1 FROM {}", vec!["a"; 90_000].join(",")));
    check("subscripts", format!("SELECT a{}", "[1]".repeat(90_000)));
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let error = parse(&format!("SELECT '{}'", "a".repeat(1 << 20))).unwrap_err();
    assert!(matches!(error.kind, ParseErrorKind::TooLong { .. }), "{error}");
    let limits = Limits { text_bytes_max: 8, ..Limits::default() };
    assert!(parse_with("SELECT 1", &limits).is_ok());
    assert!(parse_with("SELECT 12", &limits).is_err());
}

#[test]
fn what_backtracks_does_so_in_bounds() {
    let cases = [
        ("unclosed calls", format!("SELECT {}", "f(a, ".repeat(90))),
        ("a false end", format!("SELECT {}1{} x y z", "(".repeat(90), ")".repeat(90))),
        ("queries and no queries", format!("SELECT {}(SELECT 1){} x y", "(".repeat(90), " + 1)".repeat(90))),
        (
            "windows",
            format!(
                "SELECT {} OVER (",
                "f(1) OVER (PARTITION BY a ORDER BY b ROWS 1 PRECEDING), ".repeat(2000)
            ),
        ),
        ("options", format!("COPY t FROM 'a' ({}", "a b, ".repeat(100_000))),
        ("many quotes", "'".repeat(99_999)),
        ("many comments", "/*".repeat(50_000)),
        ("many dollars", "$a$".repeat(50_001)),
        ("half a comment", "/* */ ".repeat(50_000) + "x"),
    ];
    for (name, text) in cases {
        assert!(attempt(name, &text).is_err(), "{name}");
    }
}

#[test]
fn a_long_chain_is_flat() {
    let text = format!("SELECT {}", vec!["a"; 5_000].join(" OR "));
    let Statement::Query(query) = parse(&text).unwrap() else { panic!("not a query") };
    let Query { body: QueryBody::Select(select), .. } = *query else { panic!("not a SELECT") };
    let [SelectItem::Expr(expr, None)] = select.items.as_slice() else { panic!("not one column") };
    assert!(matches!(&expr.kind, ExprKind::Chain { rest, .. } if rest.len() == 4_999));
}

/// Words and signs out of which random statements are made.
const TOKENS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "end",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ";",
    "::",
    "=",
    "<",
    "->",
    "=>",
    "||",
    "+",
    "-",
    "*",
    "/",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "BETWEEN",
    "LIKE",
    "ESCAPE",
    "INTERVAL",
    "interval",
    "INTERSECTS",
    "WITHIN",
    "OF",
    "CONTAINS",
    "ANY",
    "ALL",
    "EXISTS",
    "UNION",
    "INTERSECT",
    "VALUES",
    "WITH",
    "AS",
    "JOIN",
    "ON",
    "USING",
    "LATERAL",
    "UNNEST",
    "OVER",
    "PARTITION BY",
    "ROWS",
    "a",
    "b",
    "tags",
    "f",
    "\"q\"",
    "1",
    "2.5",
    "'x'",
    "$1",
    "$x$ $x$",
    "DATE",
    "CAST",
    "INT",
    "TRIM",
    "SUBSTRING",
    "POSITION",
    "EXTRACT",
    "COPY",
    "TO",
    "SHOW",
    "TABLES",
    "SET",
    "EXPLAIN",
    "DESCRIBE",
    "DROP",
    "CREATE",
    "TABLE",
    "TYPE",
    "READS",
    "SOURCE",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "FIRST",
    "ONLY",
    "ROLLUP",
    "DISTINCT",
    "FILTER",
    "/*",
    "*/",
    "--",
    "\n",
    "'",
];

proptest! {
    #[test]
    fn random_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = parse(&text).map_err(|error| error.render(&text));
        let _ = parse_script(&text);
    }

    #[test]
    fn random_characters_give_an_answer(text in "\\PC{0,120}") {
        let _ = parse(&text).map_err(|error| error.render(&text));
        let text = format!("SELECT {text}");
        let _ = parse(&text).map_err(|error| error.render(&text));
    }

    #[test]
    fn random_tokens_give_an_answer(tokens in proptest::collection::vec(0..TOKENS.len(), 0..40)) {
        let words: Vec<&str> = tokens.iter().map(|&i| TOKENS[i]).collect();
        for text in [words.join(" "), format!("SELECT {}", words.join(" ")), format!("SELECT * FROM {}", words.join(" "))] {
            match parse(&text) {
                Ok(statement) => {
                    let printed = statement.to_string();
                    match parse(&printed) {
                        Ok(again) => prop_assert_eq!(again, statement, "{} then {}", text, printed),
                        Err(error) => prop_assert!(false, "{}\n{}", text, error.render(&printed)),
                    }
                }
                Err(error) => { let _ = error.render(&text); }
            }
            let _ = parse_script(&text);
        }
    }
}
