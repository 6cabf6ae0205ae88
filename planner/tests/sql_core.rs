//! The SQL core against an oracle: what sqlparser's own parser makes of DataFusion's published tests.
//!
//! Every query of the `.slt` files of the `datafusion-sqllogictest` crate that is expected to run, and that
//! sqlparser reads in its generic dialect, must parse here and lower to the same tree. What does not is listed
//! in `sql_core_exceptions.txt` with the reason. The files are read from Cargo's registry; where they are not
//! (nothing builds the crate), the test says so and passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use genomdb_grammar::ast;
use genomdb_planner::lower::lower_query;

/// The folder of the published tests, if Cargo has it.
fn test_files() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries
        .filter_map(|entry| Some(entry.ok()?.path().join("datafusion-sqllogictest-55.2.0/test_files")))
        .find(|path| path.is_dir())
}

fn slt_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            slt_files(&path, found);
        } else if path.to_string_lossy().contains(".slt") {
            found.push(path);
        }
    }
}

/// The queries of a file that are expected to succeed in the generic dialect.
fn queries(text: &str) -> Vec<String> {
    let mut queries = Vec::new();
    let mut generic = true;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let query = line.starts_with("query ") && !line.starts_with("query error");
        if !query && !line.starts_with("statement ") {
            continue;
        }
        let mut sql = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && line.trim() != "----") {
            sql.push(line);
        }
        let sql = sql.join("\n");
        let lower = sql.to_lowercase();
        if lower.contains("sql_parser.dialect") {
            generic = lower.contains("generic");
        } else if query && generic && !sql.contains("${") {
            queries.push(sql);
        }
    }
    queries
}

enum Outcome {
    Same,
    NotAQuery,
    Differs(String),
}

fn compare(text: &str) -> Outcome {
    let theirs = match Parser::parse_sql(&GenericDialect {}, text) {
        Ok(mut statements) if statements.len() == 1 => statements.pop().unwrap(),
        _ => return Outcome::NotAQuery,
    };
    let theirs = match theirs {
        Statement::Query(_) => theirs,
        Statement::Explain { statement, .. } if matches!(*statement, Statement::Query(_)) => *statement,
        _ => return Outcome::NotAQuery,
    };
    let mut ours = match genomdb_grammar::parse(text) {
        Ok(statement) => statement,
        Err(error) => return Outcome::Differs(format!("does not parse: {}", error.render(text))),
    };
    if let ast::Statement::Explain(explain) = ours {
        ours = *explain.statement;
    }
    if let ast::Statement::Describe(ast::Describe { target: ast::DescribeTarget::Query(query), .. }) = ours {
        ours = ast::Statement::Query(query);
    }
    let ast::Statement::Query(query) = ours else {
        return Outcome::Differs("parses as another statement".to_owned());
    };
    let printed = query.to_string();
    match genomdb_grammar::parse(&printed) {
        Ok(ast::Statement::Query(again)) if again == query => {}
        Ok(_) => return Outcome::Differs(format!("its canonical text means something else: {printed}")),
        Err(error) => {
            return Outcome::Differs(format!(
                "its canonical text does not parse: {}",
                error.render(&printed)
            ));
        }
    }
    match lower_query(&query, text) {
        Ok(lowered) if lowered == theirs => Outcome::Same,
        Ok(lowered) if lowered.to_string() == theirs.to_string() => {
            Outcome::Differs("same text, other tree".to_owned())
        }
        Ok(lowered) => Outcome::Differs(format!("another tree:\n  ours   {lowered}\n  theirs {theirs}")),
        Err(error) => Outcome::Differs(format!("does not lower: {}", error.render(text))),
    }
}

/// File name and a piece of the query, a tab, the reason.
fn exceptions() -> Vec<(String, String)> {
    include_str!("sql_core_exceptions.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (piece, reason) = line.split_once('\t').expect("a piece, a tab, a reason");
            (piece.to_owned(), reason.to_owned())
        })
        .collect()
}

#[test]
fn the_queries_of_datafusion_lower_to_the_same_trees() {
    let Some(folder) = test_files() else {
        println!(
            "skipped: datafusion-sqllogictest 55.2.0 is not in Cargo's registry (cargo fetch it in any project)"
        );
        return;
    };
    let exceptions = exceptions();
    let mut files = Vec::new();
    slt_files(&folder, &mut files);
    let (mut same, mut excepted, mut differing) = (0, 0, 0);
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for query in queries(&text) {
            match compare(&query) {
                Outcome::Same => same += 1,
                Outcome::NotAQuery => {}
                Outcome::Differs(_) if exceptions.iter().any(|(piece, _)| query.contains(piece.as_str())) => {
                    excepted += 1
                }
                Outcome::Differs(why) => {
                    differing += 1;
                    failures.entry(name.clone()).or_default().push(format!("{query}\n=> {why}"));
                }
            }
        }
    }
    for (name, list) in &failures {
        println!("== {name}: {} differ", list.len());
        list.iter().take(20).for_each(|failure| println!("{failure}\n"));
    }
    println!("{same} the same, {excepted} excepted for a reason, {differing} differ");
    assert!(differing == 0, "{differing} queries differ without a reason");
    assert!(same > 10_000, "only {same} queries were compared");
}
