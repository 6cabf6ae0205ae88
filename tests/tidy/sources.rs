//! Rules about source files: how long, how they open, what they are called.

use super::tree::Tree;

/// Lines that a source file may have.
const LINES_MAX: usize = 500;
/// Names that say nothing about what is in the file.
const EMPTY_NAMES: &[&str] = &["mod", "utils", "util", "common", "helpers", "helper", "misc", "manager"];

/// No source file is longer than a reader's patience.
pub(crate) fn length(tree: &Tree) -> Vec<String> {
    let lengths = tree.ending_in(".rs").map(|(path, text)| (path, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LINES_MAX);
    long.map(|(path, lines)| format!("{path}: {lines} lines, more than {LINES_MAX}")).collect()
}

/// Every source file opens with what it is, after a licence or attributes at most.
pub(crate) fn opening(tree: &Tree) -> Vec<String> {
    let silent = tree.ending_in(".rs").filter(|(path, text)| {
        let first = text.lines().next().unwrap_or_default();
        !path.ends_with("build.rs") && !first.starts_with("//! ")
    });
    silent.map(|(path, _)| format!("{path}: does not open with `//!`")).collect()
}

/// A file is one concept, named by the field.
pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let stem =
        |path: &str| path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs")).map(str::to_owned);
    let named = tree.ending_in(".rs").filter_map(|(path, _)| Some((path, stem(path)?)));
    let empty = named.filter(|(_, stem)| EMPTY_NAMES.contains(&stem.as_str()));
    empty.map(|(path, stem)| format!("{path}: `{stem}` says nothing about what is in it")).collect()
}

mod broken {
    use super::*;
    use crate::check_breaks;

    #[test]
    fn a_file_too_long() {
        let long = "//! x\n".repeat(LINES_MAX + 1);
        let enough = "//! x\n".repeat(LINES_MAX);
        check_breaks(
            length,
            &[("genome/src/a.rs", &long), ("genome/src/b.rs", &enough)],
            &["genome/src/a.rs: 501 lines, more than 500"],
        );
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is() {
        check_breaks(
            opening,
            &[
                ("a/src/lib.rs", "use std::fs;\n"),
                ("a/build.rs", "fn main() {}"),
                ("a/src/b.rs", "//! A b.\n"),
            ],
            &["a/src/lib.rs: does not open with `//!`"],
        );
    }

    #[test]
    fn a_name_that_says_nothing() {
        check_breaks(
            names,
            &[("a/src/region/mod.rs", ""), ("a/src/utils.rs", ""), ("a/src/model.rs", "")],
            &[
                "a/src/region/mod.rs: `mod` says nothing about what is in it",
                "a/src/utils.rs: `utils` says nothing about what is in it",
            ],
        );
    }
}
