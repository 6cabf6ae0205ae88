//! Rules about words: nothing left for later, no trace of where it was made, links that lead somewhere.

use std::collections::BTreeMap;

use super::tree::Tree;

/// The rules' own files hold what they forbid.
const RULES: &str = "tests/tidy/";

/// What stands for work not done.
const UNFINISHED: &[&str] = &[
    "todo!(",
    "unimplemented!(",
    "not yet implemented",
    "TODO",
    "XXX",
    "#[ignore",
    "dbg!(",
    "placeholder for",
];

/// Paths and words of the place where the code was written.
const WORKPLACE: &[&str] =
    &["/work/", "/tmp/brief", "/tmp/target-", "/.library", "shared/DESIGN", "the CEO", "index.crates.io"];

/// Nothing is left for later: what is not there is said in the changelog's plain words or not at all.
pub(crate) fn unfinished(tree: &Tree) -> Vec<String> {
    lines_with(tree, UNFINISHED, |path| path.ends_with(".md"))
}

/// Nothing in the repository names the machine or the people that made it.
pub(crate) fn workplace(tree: &Tree) -> Vec<String> {
    lines_with(tree, WORKPLACE, |_| false)
}

fn lines_with(tree: &Tree, forbidden: &[&str], exempt: fn(&str) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !path.starts_with(RULES) && !exempt(path)) {
        for (index, line) in text.lines().enumerate() {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                violations.push(format!("{path}:{}: `{word}`", index + 1));
            }
        }
    }
    violations
}

/// Links in documents lead to files and headings, and paths in backticks to files.
pub(crate) fn links(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.ending_in(".md") {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in targets(text).filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.to_owned() } else { joined(folder, file) };
            if !tree.holds(&file) {
                violations.push(format!("{path}: the link `{target}` leads nowhere"));
            } else if !heading.is_empty() && !tree.text(&file).is_some_and(|text| has_heading(text, heading))
            {
                violations.push(format!("{path}: `{file}` has no heading `#{heading}`"));
            }
        }
        for named in text.split('`').skip(1).step_by(2).filter(|named| is_source_path(named)) {
            if !tree.holds(named) && !tree.holds(&joined(folder, named)) {
                violations.push(format!("{path}: there is no `{named}`"));
            }
        }
    }
    violations
}

/// The targets of Markdown links: what stands between `](` and `)`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Whether text in backticks is meant as a path of this repository.
fn is_source_path(named: &str) -> bool {
    let plain = named.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte));
    plain
        && named.contains('/')
        && [".rs", ".md", ".pest", ".gql"].iter().any(|ending| named.ends_with(ending))
}

/// `folder` and a relative path as one path from the root.
fn joined(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a heading gives this anchor.
fn has_heading(text: &str, anchor: &str) -> bool {
    text.lines().filter(|line| line.starts_with('#')).any(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>() == anchor
    })
}

/// Decisions are numbered, once each.
pub(crate) fn decisions(tree: &Tree) -> Vec<String> {
    let mut by_number: BTreeMap<&str, &str> = BTreeMap::new();
    let mut violations = Vec::new();
    for (path, _) in tree.ending_in(".md") {
        let Some(name) = path.strip_prefix("docs/decisions/") else { continue };
        let Some((number, _)) = name.split_once('-').filter(|(number, _)| number.parse::<u16>().is_ok())
        else {
            violations.push(format!("{path}: does not start with its number"));
            continue;
        };
        if let Some(other) = by_number.insert(number, path) {
            violations.push(format!("{path}: has the number of {other}"));
        }
    }
    violations
}

/// The gate's last command is the one with which the README has a newcomer run all tests.
pub(crate) fn gate(tree: &Tree) -> Vec<String> {
    const COMMAND: &str = "cargo test --workspace";
    let mut violations = Vec::new();
    let gate = tree.text(".ci/run").unwrap_or_default();
    let last = gate.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with('#'));
    if !last.is_some_and(|line| line.ends_with(COMMAND)) {
        violations.push(format!(".ci/run: does not end with `{COMMAND}`"));
    }
    if !tree.text("README.md").is_some_and(|readme| readme.lines().any(|line| line.trim() == COMMAND)) {
        violations.push(format!("README.md: does not say `{COMMAND}` on a line of its own"));
    }
    violations
}

mod broken {
    use super::*;
    use crate::check_breaks;

    #[test]
    fn work_left_for_later() {
        check_breaks(
            unfinished,
            &[("a/src/lib.rs", "//! A.\nfn f() { todo!() }\n"), ("b.md", "about `todo!()`")],
            &["a/src/lib.rs:2: `todo!(`"],
        );
    }

    #[test]
    fn the_name_of_the_workplace() {
        check_breaks(
            workplace,
            &[("docs/a.md", "see /work/shared\n"), ("tests/tidy/prose.rs", "/work/")],
            &["docs/a.md:1: `/work/`"],
        );
    }

    #[test]
    fn links_that_lead_nowhere() {
        let readme =
            "# GenomDB\n[a](docs/a.md) [b](docs/b.md) [c](#genomdb) [d](docs/a.md#no-such) `a/src/lib.rs`";
        check_breaks(
            links,
            &[
                ("README.md", readme),
                ("docs/a.md", "# Some title\n[x](../README.md#genomdb) [y](#some-title)"),
            ],
            &[
                "README.md: the link `docs/b.md` leads nowhere",
                "README.md: `docs/a.md` has no heading `#no-such`",
                "README.md: there is no `a/src/lib.rs`",
            ],
        );
    }

    #[test]
    fn decisions_without_a_number_of_their_own() {
        check_breaks(
            decisions,
            &[
                ("docs/decisions/001-a.md", "a"),
                ("docs/decisions/001-b.md", "b"),
                ("docs/decisions/c.md", "c"),
            ],
            &[
                "docs/decisions/001-b.md: has the number of docs/decisions/001-a.md",
                "docs/decisions/c.md: does not start with its number",
            ],
        );
    }

    #[test]
    fn a_gate_that_ends_with_something_else() {
        check_breaks(
            gate,
            &[(".ci/run", "cargo test --workspace\ncargo doc\n"), ("README.md", "Run the tests.\n")],
            &[
                ".ci/run: does not end with `cargo test --workspace`",
                "README.md: does not say `cargo test --workspace` on a line of its own",
            ],
        );
    }
}
