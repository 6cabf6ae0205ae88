//! The rules of the house as tests: who may use whom, what a file looks like, what the documents promise.
//!
//! Each rule is a function from a tree of files to the list of what breaks it. Beside each rule a small tree
//! breaks it on purpose, so that no rule passes because it looks at nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod invariants;
mod manifests;
mod prose;
mod sources;
mod tree;

use tree::Tree;

/// Fails with every violation listed, one a line.
#[track_caller]
fn check(rule: fn(&Tree) -> Vec<String>) {
    let violations = rule(&Tree::of_this_repository());
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}

/// A tree of these files breaks the rule, in these words.
#[track_caller]
fn check_breaks(rule: fn(&Tree) -> Vec<String>, files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(rule(&Tree::made_of(files)), expected);
}

#[test]
fn crates_use_only_what_the_table_ticks() {
    check(manifests::edges);
}

#[test]
fn dependencies_are_known_where_they_belong() {
    check(manifests::owned_dependencies);
}

#[test]
fn versions_stand_in_one_place() {
    check(manifests::versions);
}

#[test]
fn every_crate_obeys_the_lints() {
    check(manifests::lints);
}

#[test]
fn files_are_short() {
    check(sources::length);
}

#[test]
fn files_say_what_they_are() {
    check(sources::opening);
}

#[test]
fn modules_are_named_for_what_they_hold() {
    check(sources::names);
}

#[test]
fn nothing_is_left_for_later() {
    check(prose::unfinished);
}

#[test]
fn nothing_names_the_place_it_was_made() {
    check(prose::workplace);
}

#[test]
fn links_and_paths_lead_somewhere() {
    check(prose::links);
}

#[test]
fn decisions_are_numbered() {
    check(prose::decisions);
}

#[test]
fn the_gate_ends_with_the_command_of_the_readme() {
    check(prose::gate);
}

#[test]
fn invariants_are_listed_asserted_and_tested() {
    check(invariants::cited);
}
