//! The rule about invariants: each has a number, a place that asserts it and a test that cites it.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Tree;

const LIST: &str = "docs/invariants.md";

/// Every invariant of the list is cited by code and by a test, and none is cited that is not listed.
pub(crate) fn cited(tree: &Tree) -> Vec<String> {
    let listed = listed(tree);
    let prefixes: BTreeSet<&str> = listed.iter().filter_map(|id| Some(id.split_once('-')?.0)).collect();
    let mut in_code: BTreeMap<String, &str> = BTreeMap::new();
    let mut in_tests: BTreeMap<String, &str> = BTreeMap::new();
    for (path, text) in tree.ending_in(".rs").filter(|(path, _)| !path.starts_with("tests/tidy/")) {
        let (code, tests) = split_tests(path, text);
        in_code.extend(citations(code, &prefixes).map(|id| (id, path)));
        in_tests.extend(citations(tests, &prefixes).map(|id| (id, path)));
    }
    let mut violations = Vec::new();
    for id in &listed {
        if !in_code.contains_key(id) {
            violations.push(format!("{id}: no code cites it"));
        }
        if !in_tests.contains_key(id) {
            violations.push(format!("{id}: no test cites it"));
        }
    }
    let unlisted = in_code.iter().chain(&in_tests).filter(|(id, _)| !listed.contains(*id));
    let unlisted: BTreeSet<String> =
        unlisted.map(|(id, path)| format!("{path}: cites {id}, which {LIST} does not list")).collect();
    violations.extend(unlisted);
    violations
}

/// The ids of the list: the first cell of each row of its tables.
fn listed(tree: &Tree) -> BTreeSet<String> {
    let rows = tree.text(LIST).unwrap_or_default().lines().filter_map(|line| line.strip_prefix('|'));
    let cells = rows.filter_map(|row| row.split('|').next()).map(str::trim);
    cells.filter(|cell| is_id(cell)).map(str::to_owned).collect()
}

/// Capital letters, a hyphen, a number.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(prefix, number)| {
        let capital = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_uppercase());
        capital && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A file's code and its tests: what stands under a folder or file of tests, or after `#[cfg(test)]`.
fn split_tests<'a>(path: &str, text: &'a str) -> (&'a str, &'a str) {
    let is_test = path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_test.rs");
    if is_test {
        return ("", text);
    }
    text.find("#[cfg(test)]").map_or((text, ""), |at| text.split_at(at))
}

/// The ids with a known prefix that a text cites.
fn citations<'a>(text: &'a str, prefixes: &'a BTreeSet<&str>) -> impl Iterator<Item = String> + 'a {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let ids = words.filter(|word| is_id(word));
    ids.filter(|id| id.split_once('-').is_some_and(|(prefix, _)| prefixes.contains(prefix)))
        .map(str::to_owned)
}

mod broken {
    use super::*;
    use crate::check_breaks;

    #[test]
    fn invariants_without_code_or_test_or_number() {
        let list = "| id | law |\n|---|---|\n| BLK-1 | a |\n| BLK-2 | b |\n";
        let code = "//! BLK-1 and BLK-3, in UTF-8.\n#[cfg(test)]\nmod tests { /* BLK-1 */ }\n";
        check_breaks(
            cited,
            &[(LIST, list), ("layout/src/block.rs", code)],
            &[
                "BLK-2: no code cites it",
                "BLK-2: no test cites it",
                "layout/src/block.rs: cites BLK-3, which docs/invariants.md does not list",
            ],
        );
    }
}
