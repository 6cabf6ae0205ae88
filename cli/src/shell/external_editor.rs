//! `\e`: a text in the editor that the user is used to.

use std::{
    io::{self, Write as _},
    path::Path,
    process::Command,
};

/// The editor of those who name none.
const EDITOR: &str = "vi";

/// The editor, as a command line.
pub(super) fn editor() -> String {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let mut named = named.filter(|editor| !editor.trim().is_empty());
    named.next().unwrap_or_else(|| EDITOR.to_owned())
}

/// Lets the user edit a text, and returns what became of it.
///
/// # Errors
///
/// If the editor cannot be started, or failed: the text is then as it was.
pub(super) fn edit(text: &str) -> io::Result<String> {
    let mut file = tempfile::Builder::new().prefix("gql-").suffix(".gql").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    edit_file(file.path())?;
    std::fs::read_to_string(file.path())
}

/// Lets the user edit a file.
///
/// # Errors
///
/// If the editor cannot be started, or failed.
pub(super) fn edit_file(path: &Path) -> io::Result<()> {
    let editor = editor();
    // As other programs do: it is a command line, behind which the file stands.
    let command = format!("{editor} \"$1\"");
    let status = Command::new("sh").args(["-c", &command, "sh"]).arg(path).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("the editor `{editor}` failed: {status}"))),
    }
}
