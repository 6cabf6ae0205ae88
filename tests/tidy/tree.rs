//! The files that the rules look at: those of the repository, or a handful made up for one rule.

use std::{collections::BTreeMap, fs, path::Path};

/// Paths from the repository's root, with `/`, to the text of the file.
#[derive(Debug)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

/// Folders that hold no source: what git ignores, and git itself.
const SKIPPED: &[&str] = &["target", ".git", "genomdb-data", "node_modules"];
/// A file without one of these endings is data, and no rule reads it.
const ENDINGS: &[&str] = &[".rs", ".toml", ".md", ".pest", ".gql", ".slt", ".sh", ".py", ".tsv", ".ci/run"];

impl Tree {
    /// Everything below the folder that holds the workspace.
    pub(crate) fn of_this_repository() -> Self {
        let mut tree = Self { files: BTreeMap::new() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        tree.add(root, "");
        assert!(tree.files.contains_key("Cargo.toml"), "not the root: {}", root.display());
        tree
    }

    /// A tree of these paths and texts.
    pub(crate) fn made_of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(owned).collect() }
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.add(&entry.path(), &format!("{path}/"));
            } else if kind.is_file() {
                let is_text = ENDINGS.iter().any(|ending| path.ends_with(ending));
                let text = if is_text { fs::read_to_string(entry.path()).unwrap() } else { String::new() };
                self.files.insert(path, text);
            }
        }
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is such a file, or a folder with files in it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// Every file with this ending, by path.
    pub(crate) fn ending_in(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.ends_with(ending))
    }

    /// Every file that is text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(|(_, text)| !text.is_empty())
    }
}
