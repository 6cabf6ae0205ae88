//! `cargo xtask verify`: the one gate, as it runs before a change lands. It never writes into the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use clap::Args;

use crate::{TaskError, say};

/// What to verify.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Leave out the tests, for a caller that runs them itself.
    #[arg(long)]
    without_tests: bool,
}

/// Environment of a step: warnings of rustdoc are errors.
const STRICT_DOCS: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");

/// Runs every check, cheapest first, and stops at the first that fails.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), TaskError> {
    let root = workspace_root()?;
    cargo(&root, &["fmt", "--all", "--check"])?;
    cargo(&root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&root, &["doc", "--workspace", "--no-deps", "--document-private-items"])?;
    examples(&root)?;
    if args.without_tests { Ok(()) } else { cargo(&root, &["test", "--workspace"]) }
}

/// The folder that holds the workspace.
pub(crate) fn workspace_root() -> Result<PathBuf, TaskError> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.parent().map(Path::to_owned);
    root.ok_or_else(|| TaskError::Input(format!("{} is not inside a workspace", own.display())))
}

/// Runs cargo, its output going where ours goes.
fn cargo(root: &Path, args: &[&str]) -> Result<(), TaskError> {
    let began = Instant::now();
    say(&format!("-- cargo {}", args.join(" ")))?;
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root).env(STRICT_DOCS.0, STRICT_DOCS.1).stdin(Stdio::null());
    let status =
        command.status().map_err(|source| TaskError::Start { program: "cargo".to_owned(), source })?;
    if !status.success() {
        return Err(TaskError::Input(format!("cargo {}: {status}", args.join(" "))));
    }
    say(&format!("   ok, {:.0} s", began.elapsed().as_secs_f64()))
}

/// Runs the examples: the program, and the quickstart as the README has a newcomer run it, whose output is
/// compared byte for byte.
fn examples(root: &Path) -> Result<(), TaskError> {
    cargo(root, &["build", "--bin", "gql", "--bin", "load_and_query"])?;
    cargo(root, &["run", "--quiet", "--bin", "load_and_query"])?;
    say("-- examples/quickstart.gql")?;
    let folder = tempfile::tempdir().map_err(TaskError::file("a temporary folder"))?;
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--bin", "gql", "--", "--format", "table", "--data"])
        .arg(folder.path().join("data"))
        .args(["--file", "examples/quickstart.gql"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| TaskError::Start { program: "gql".to_owned(), source })?;
    if !output.status.success() {
        return Err(TaskError::Input(format!("examples/quickstart.gql: {}", output.status)));
    }
    let expected_at = root.join("examples/quickstart.out");
    let expected = fs::read_to_string(&expected_at).map_err(TaskError::file(&expected_at))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed == expected {
        return say("   ok");
    }
    let difference =
        printed.lines().zip(expected.lines()).position(|(printed, expected)| printed != expected);
    let line = difference.unwrap_or_else(|| printed.lines().count().min(expected.lines().count())) + 1;
    say(&printed)?;
    Err(TaskError::Input(format!(
        "examples/quickstart.gql: prints other than quickstart.out from line {line} on"
    )))
}
