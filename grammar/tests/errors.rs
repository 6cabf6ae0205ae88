//! What is said about texts that do not parse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of a test")]

use expect_test::{Expect, expect};
use genomdb_grammar::{parse, parse_script};

fn check(text: &str, want: Expect) {
    let shown = match parse(text) {
        Ok(statement) => format!("parses as {statement}\n"),
        Err(error) => error.render(text),
    };
    want.assert_eq(&shown);
}

#[test]
fn misspelt_words_are_guessed() {
    check(
        "SELCT 1",
        expect![[r#"
        error: unexpected `SELCT`, expected a statement
         --> line 1, column 1
          |
        1 | SELCT 1
          | ^^^^^ did you mean SELECT?
    "#]],
    );
    check(
        "SELECT a FORM t",
        expect![[r#"
        error: unexpected `t`, expected UNION, FETCH, FROM, GROUP, HAVING, LIMIT or others
         --> line 1, column 15
          |
        1 | SELECT a FORM t
          |               ^ did you mean FROM instead of `FORM`?
    "#]],
    );
    check(
        "SELECT a FROM t WEHRE a = 1",
        expect![[r#"
        error: unexpected `a`, expected UNION, JOIN, FETCH, GROUP, HAVING, LIMIT or others
         --> line 1, column 23
          |
        1 | SELECT a FROM t WEHRE a = 1
          |                       ^ did you mean WHERE instead of `WEHRE`?
    "#]],
    );
    check(
        "SELECT a FROM t GRUOP BY a",
        expect![[r#"
        error: unexpected `BY`, expected UNION, JOIN, FETCH, GROUP, HAVING, LIMIT or others
         --> line 1, column 23
          |
        1 | SELECT a FROM t GRUOP BY a
          |                       ^^ did you mean GROUP instead of `GRUOP`?
    "#]],
    );
    check(
        "SELECT a FROM t WHERE interval INTERSETCS 'chr1'",
        expect![[r#"
        error: unexpected `INTERSETCS`, expected an expression, a quoted text, an operator, LIKE, BETWEEN, INTERSECTS or others
         --> line 1, column 32
          |
        1 | SELECT a FROM t WHERE interval INTERSETCS 'chr1'
          |                                ^^^^^^^^^^ did you mean INTERSECTS?
    "#]],
    );
    check(
        "COPY t FORM 'a.bam'",
        expect![[r#"
        error: unexpected `FORM`, expected FROM or TO
         --> line 1, column 8
          |
        1 | COPY t FORM 'a.bam'
          |        ^^^^ did you mean FROM?
    "#]],
    );
    check(
        "SHOW TABELS FROM t",
        expect![[r#"
        error: unexpected `FROM`, expected VERBOSE or the end
         --> line 1, column 13
          |
        1 | SHOW TABELS FROM t
          |             ^^^^ did you mean TABLES instead of `TABELS`?
    "#]],
    );
    check(
        "CREATE TABEL t TYPE READS",
        expect![[r#"
        error: unexpected `TABEL`, expected DATASET, OR or REFERENCE
         --> line 1, column 8
          |
        1 | CREATE TABEL t TYPE READS
          |        ^^^^^ did you mean TABLE?
    "#]],
    );
}

#[test]
fn what_is_not_closed_is_pointed_at() {
    check(
        "SELECT (1 + 2 FROM t",
        expect![[r#"
        error: `(` is never closed
         --> line 1, column 8
          |
        1 | SELECT (1 + 2 FROM t
          |        ^
    "#]],
    );
    check(
        "SELECT 'abc FROM t",
        expect![[r#"
        error: `'` is never closed
         --> line 1, column 8
          |
        1 | SELECT 'abc FROM t
          |        ^
    "#]],
    );
    check(
        "SELECT \"abc FROM t",
        expect![[r#"
        error: `"` is never closed
         --> line 1, column 8
          |
        1 | SELECT "abc FROM t
          |        ^
    "#]],
    );
    check(
        "SELECT 1 + 2) FROM t",
        expect![[r#"
        error: `)` closes nothing
         --> line 1, column 13
          |
        1 | SELECT 1 + 2) FROM t
          |             ^
    "#]],
    );
    check(
        "SELECT [1, 2) FROM t",
        expect![[r#"
        error: `)` does not close `[`
         --> line 1, column 13
          |
        1 | SELECT [1, 2) FROM t
          |             ^
    "#]],
    );
    check(
        "SELECT 1 /* never",
        expect![[r#"
        error: `/*` is never closed
         --> line 1, column 10
          |
        1 | SELECT 1 /* never
          |          ^
    "#]],
    );
}

#[test]
fn what_is_missing_is_named() {
    check(
        "",
        expect![[r#"
        error: there is no statement
         --> line 1, column 1
          |
        1 | 
          | ^
    "#]],
    );
    check(
        "SELECT a FROM",
        expect![[r#"
        error: unexpected end of text, expected a table
         --> line 1, column 14
          |
        1 | SELECT a FROM
          |              ^
    "#]],
    );
    check(
        "SELECT a,\n  FROM t WHERE",
        expect![[r#"
        error: unexpected end of text, expected an expression
         --> line 2, column 15
          |
        2 |   FROM t WHERE
          |               ^
    "#]],
    );
    check(
        "SELECT CASE WHEN a THEN b FROM t",
        expect![[r#"
        error: unexpected `FROM`, expected an operator, LIKE, BETWEEN, INTERSECTS, AND, AT or others
         --> line 1, column 27
          |
        1 | SELECT CASE WHEN a THEN b FROM t
          |                           ^^^^ CASE is closed by END
    "#]],
    );
    check(
        "SELECT CAST(a INT)",
        expect![[r#"
        error: unexpected `INT`, expected an operator, LIKE, BETWEEN, INTERSECTS, AND, AS or others
         --> line 1, column 15
          |
        1 | SELECT CAST(a INT)
          |               ^^^
    "#]],
    );
    check(
        "SELECT a BETWEEN 1, 2",
        expect![[r#"
        error: AND of BETWEEN is missing
         --> line 1, column 19
          |
        1 | SELECT a BETWEEN 1, 2
          |                   ^
    "#]],
    );
    check(
        "SELECT a IN 1",
        expect![[r#"
        error: unexpected `1`, expected a list in parentheses
         --> line 1, column 13
          |
        1 | SELECT a IN 1
          |             ^
    "#]],
    );
    check(
        "SELECT * FROM a JOIN",
        expect![[r#"
        error: unexpected end of text, expected a table
         --> line 1, column 21
          |
        1 | SELECT * FROM a JOIN
          |                     ^
    "#]],
    );
    check(
        "SELECT from FROM t",
        expect![[r#"
        error: unexpected `FROM`, expected a table
         --> line 1, column 13
          |
        1 | SELECT from FROM t
          |             ^^^^ a reserved word is a name only in double quotes
    "#]],
    );
    check(
        "SELECT a b c FROM t",
        expect![[r#"
        error: unexpected `c`, expected UNION, FETCH, FROM, GROUP, HAVING, LIMIT or others
         --> line 1, column 12
          |
        1 | SELECT a b c FROM t
          |            ^
    "#]],
    );
    check(
        "SELECT ANY (1)",
        expect![[r#"
        error: ANY, SOME and ALL stand only after a comparison or a region operator
         --> line 1, column 8
          |
        1 | SELECT ANY (1)
          |        ^^^^^^^
    "#]],
    );
    check(
        "CREATE TABLE t (a INT)",
        expect![[r#"
        error: unexpected `(`, expected AS or TYPE
         --> line 1, column 16
          |
        1 | CREATE TABLE t (a INT)
          |                ^
    "#]],
    );
    check(
        "COPY t FROM file.bam",
        expect![[r#"
        error: unexpected `file`, expected a quoted text
         --> line 1, column 13
          |
        1 | COPY t FROM file.bam
          |             ^^^^
    "#]],
    );
    check(
        "SELECT 1 LIMIT 1 LIMIT 2",
        expect![[r#"
        error: LIMIT, OFFSET and FETCH stand once
         --> line 1, column 18
          |
        1 | SELECT 1 LIMIT 1 LIMIT 2
          |                  ^^^^^^^
    "#]],
    );
}

#[test]
fn statements_of_other_databases_get_advice() {
    check(
        "delete from t",
        expect![[r#"
        error: DELETE is not a statement of GQL
         --> line 1, column 1
          |
        1 | delete from t
          | ^^^^^^ rows go with their source: DROP SOURCE 'file' FROM table
    "#]],
    );
    check(
        "UPDATE t SET a = 1",
        expect![[r#"
        error: UPDATE is not a statement of GQL
         --> line 1, column 1
          |
        1 | UPDATE t SET a = 1
          | ^^^^^^ loaded rows are never changed; drop the source and load it anew
    "#]],
    );
    check(
        "BEGIN",
        expect![[r#"
        error: BEGIN is not a statement of GQL
         --> line 1, column 1
          |
        1 | BEGIN
          | ^^^^^ every statement is a transaction of its own
    "#]],
    );
    check(
        "hello",
        expect![[r#"
        error: unexpected `hello`, expected a statement
         --> line 1, column 1
          |
        1 | hello
          | ^^^^^ a statement begins with SELECT, WITH, COPY, SHOW, DESCRIBE, EXPLAIN, CREATE, DROP or SET
    "#]],
    );
}

#[test]
fn errors_of_a_script_are_where_they_are() {
    let text = "SELECT 1;\n\nSELECT 2 +;\nSELECT 3";
    let error = parse_script(text).unwrap_err();
    expect![[r#"
        error: unexpected end of text, expected a name, an expression, a quoted text or NOT
         --> line 3, column 11
          |
        3 | SELECT 2 +;
          |           ^
    "#]]
    .assert_eq(&error.render(text));
}
