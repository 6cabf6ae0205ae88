//! Rules about the manifests: the dependency table of the design, and where a version may stand.

use toml::Table;

use super::tree::Tree;

/// A crate: its folder, its layer, and the crates that it may use.
struct Rule {
    name: &'static str,
    layer: u8,
    may_use: &'static [&'static str],
}

const fn rule(layer: u8, name: &'static str, may_use: &'static [&'static str]) -> Rule {
    Rule { name, layer, may_use }
}

/// The dependency table, as the architecture has it: a crate uses only lower layers, and of those these.
const CRATES: &[Rule] = &[
    rule(1, "genome", &[]),
    rule(1, "grammar", &[]),
    rule(1, "storage", &[]),
    rule(1, "protocol", &[]),
    rule(2, "formats", &["genome"]),
    rule(2, "layout", &["genome"]),
    rule(3, "planner", &["genome", "grammar", "layout"]),
    rule(4, "executor", &["genome", "layout", "planner", "storage"]),
    rule(4, "loader", &["genome", "formats", "layout", "storage"]),
    rule(
        5,
        "server",
        &["genome", "grammar", "storage", "protocol", "formats", "layout", "planner", "executor", "loader"],
    ),
    // Knows the wire and nothing of ours, so that others can build on it.
    rule(1, "client", &[]),
    rule(6, "cli", &["genome", "client", "formats", "protocol", "server"]),
    rule(7, "tests", ALL),
    rule(7, "examples", ALL),
    rule(7, "fuzz", ALL),
    // Light to build on purpose: it runs the binaries, it does not link them.
    rule(7, "xtask", &[]),
];

/// What stands above all may use all.
const ALL: &[&str] = &[
    "genome", "grammar", "storage", "protocol", "client", "formats", "layout", "planner", "executor",
    "loader", "server", "cli",
];

/// A dependency by the start of its name, and the only crates that know it. `tests`, `examples` and `fuzz` may
/// look at anything: they are oracles.
const OWNED: &[(&str, &[&str])] = &[
    ("pest", &["grammar"]),
    // In `formats` for its tests, in `xtask` to write BAM.
    ("noodles", &["formats", "xtask"]),
    ("libdeflater", &["formats"]),
    ("bzip2", &["formats"]),
    ("lzma-rust2", &["formats"]),
    ("redb", &["storage"]),
    ("raft-engine", &["storage"]),
    ("openraft", &["storage"]),
    ("datafusion", &["planner", "executor", "server"]),
    ("sqlparser", &["planner"]),
    ("pco", &["layout"]),
    ("axum", &["server"]),
    ("arrow-flight", &["server"]),
    // Between nodes, and to clients.
    ("tonic", &["storage", "server"]),
    ("hyper", &["client", "server"]),
    ("clap", &["cli", "xtask"]),
    ("reedline", &["cli"]),
];

/// The folder and the parsed text of every member's manifest.
fn members(tree: &Tree) -> Vec<(&str, Table)> {
    let manifests = tree.ending_in("/Cargo.toml").filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml").filter(|folder| !folder.contains('/'))?;
        Some((folder, text.parse::<Table>().unwrap()))
    });
    manifests.collect()
}

/// The entries of one dependency section.
fn section<'a>(manifest: &'a Table, name: &str) -> impl Iterator<Item = (&'a String, &'a toml::Value)> {
    manifest.get(name).and_then(toml::Value::as_table).into_iter().flatten()
}

/// Crates use only what the table allows; in tests anything of a lower layer.
pub(crate) fn edges(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (folder, manifest) in members(tree) {
        let Some(rule) = CRATES.iter().find(|rule| rule.name == folder) else {
            violations.push(format!("{folder}: not in the dependency table"));
            continue;
        };
        let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
        if name != Some(folder) && name != Some(&format!("genomdb-{folder}")) {
            violations.push(format!("{folder}: its package is named {}", name.unwrap_or("nothing")));
        }
        let ours = |name: &String| name.strip_prefix("genomdb-").map(str::to_owned);
        for section_name in ["dependencies", "build-dependencies"] {
            for used in section(&manifest, section_name).filter_map(|(name, _)| ours(name)) {
                if !rule.may_use.contains(&used.as_str()) {
                    violations.push(format!("{folder}: may not use {used}"));
                }
            }
        }
        for used in section(&manifest, "dev-dependencies").filter_map(|(name, _)| ours(name)) {
            let below = CRATES.iter().any(|other| other.name == used && other.layer < rule.layer);
            if !below && used != folder {
                violations.push(format!("{folder}: its tests may not use {used}, which is not below"));
            }
        }
    }
    violations
}

/// A dependency that one crate hides from the others is used by that crate alone.
pub(crate) fn owned_dependencies(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (folder, manifest) in members(tree) {
        if ["tests", "examples", "fuzz"].contains(&folder) {
            continue;
        }
        for section_name in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for (name, _) in section(&manifest, section_name) {
                for (owned, owners) in OWNED {
                    let matches = name == owned
                        || name.strip_prefix(owned).is_some_and(|rest| rest.starts_with(['-', '_']));
                    if matches && !owners.contains(&folder) {
                        violations.push(format!("{folder}: {name} belongs to {}", owners.join(", ")));
                    }
                }
            }
        }
    }
    violations
}

/// Versions stand in the workspace's manifest, nowhere else.
pub(crate) fn versions(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (folder, manifest) in members(tree) {
        for section_name in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for (name, value) in section(&manifest, section_name) {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                let is_itself = *name == format!("genomdb-{folder}");
                if !inherited && !is_itself {
                    violations.push(format!("{folder}: {name} does not take its version from the workspace"));
                }
            }
        }
    }
    violations
}

/// Every crate takes the lints of the workspace.
pub(crate) fn lints(tree: &Tree) -> Vec<String> {
    let obeys = |manifest: &Table| {
        manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool()) == Some(true)
    };
    let members = members(tree).into_iter();
    let disobeying = members.filter(|(_, manifest)| !obeys(manifest));
    disobeying.map(|(folder, _)| format!("{folder}: does not take the lints of the workspace")).collect()
}

mod broken {
    use super::*;
    use crate::check_breaks;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn an_edge_upwards_or_unticked() {
        let grammar = manifest("genomdb-grammar", "[dependencies]\ngenomdb-planner.workspace = true");
        let layout = manifest("genomdb-layout", "[dev-dependencies]\ngenomdb-formats.workspace = true");
        let common = manifest("genomdb-common", "");
        let xtask = manifest("tasks", "");
        check_breaks(
            edges,
            &[
                ("common/Cargo.toml", &common),
                ("grammar/Cargo.toml", &grammar),
                ("layout/Cargo.toml", &layout),
                ("xtask/Cargo.toml", &xtask),
            ],
            &[
                "common: not in the dependency table",
                "grammar: may not use planner",
                "layout: its tests may not use formats, which is not below",
                "xtask: its package is named tasks",
            ],
        );
    }

    #[test]
    fn a_dependency_that_belongs_to_another() {
        let text =
            manifest("genomdb-server", "[dependencies]\npest_derive.workspace = true\npestilence = '1'");
        check_breaks(
            owned_dependencies,
            &[("server/Cargo.toml", &text)],
            &["server: pest_derive belongs to grammar"],
        );
    }

    #[test]
    fn a_version_of_its_own() {
        let text =
            manifest("genomdb-genome", "[dependencies]\narrow-schema = '60'\nthiserror.workspace = true");
        check_breaks(
            versions,
            &[("genome/Cargo.toml", &text)],
            &["genome: arrow-schema does not take its version from the workspace"],
        );
    }

    #[test]
    fn lints_left_out() {
        let text = manifest("genomdb-genome", "");
        check_breaks(
            lints,
            &[("genome/Cargo.toml", &text)],
            &["genome: does not take the lints of the workspace"],
        );
    }
}
