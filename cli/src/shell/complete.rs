//! What Tab offers: the names that can stand where the cursor is.

mod context;

use std::{path::Path, sync::Arc};

use genomdb_server::{grammar::KEYWORDS, output::Format};
use reedline::{Completer, CompletionResult, Span, Suggestion};

pub(super) use context::{Context, Wanted, context};

use super::{meta::COMMANDS, names::Names, statement_help::STATEMENTS};

/// Offers names at a prompt.
pub(super) struct NameCompleter {
    names: Arc<Names>,
}

impl NameCompleter {
    pub(super) const fn new(names: Arc<Names>) -> Self {
        Self { names }
    }
}

impl Completer for NameCompleter {
    fn complete(&mut self, text: &str, position: usize) -> CompletionResult {
        let context = context(text, position);
        let mut offered = Vec::new();
        for wanted in &context.wanted {
            offered.extend(offers(&self.names, wanted, &context.prefix));
        }
        CompletionResult::fresh(suggestions(&context, position, offered))
    }
}

/// A name, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) about: String,
}

fn offer(name: impl Into<String>, about: impl Into<String>) -> Offer {
    Offer { name: name.into(), about: about.into() }
}

/// All names of a kind.
fn offers(names: &Names, wanted: &Wanted, prefix: &str) -> Vec<Offer> {
    let fixed = |all: &[&str]| all.iter().map(|name| offer(*name, "")).collect();
    match wanted {
        Wanted::Tables => names.tables(),
        Wanted::Columns(tables) => tables.iter().flat_map(|table| names.columns(table)).collect(),
        Wanted::Functions => names.functions(),
        Wanted::Contigs(tables) => names.contigs(tables),
        Wanted::Settings => names.settings(),
        Wanted::Keywords => {
            let is_lower = prefix.starts_with(|first: char| first.is_lowercase());
            let cased = |word: &str| if is_lower { word.to_lowercase() } else { word.to_owned() };
            KEYWORDS.iter().map(|word| offer(cased(word), "")).collect()
        }
        Wanted::Words(words) => fixed(words),
        Wanted::Files => files(prefix),
        Wanted::Commands => {
            let mut commands: Vec<Offer> = COMMANDS
                .iter()
                .map(|command| offer(format!("\\{}", command.name), command.purpose))
                .collect();
            commands.dedup_by(|second, first| second.name == first.name);
            commands
        }
        Wanted::Formats => {
            Format::ALL.iter().map(|format| offer(format.name(), format.description())).collect()
        }
        Wanted::Statements => STATEMENTS.iter().map(|(name, _)| offer(name.to_lowercase(), "")).collect(),
    }
}

/// Files whose paths begin with `prefix`; folders end with `/`.
fn files(prefix: &str) -> Vec<Offer> {
    let (folder, _) = prefix.rsplit_once('/').map_or(("", prefix), |(folder, name)| (folder, name));
    let begin = if prefix.contains('/') { format!("{folder}/") } else { String::new() };
    let path = if begin.is_empty() { Path::new(".") } else { Path::new(&begin) };
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{begin}{name}{slash}"))
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| offer(name, "")).collect()
}

/// Those of the names that begin with what is typed, as reedline wants them.
fn suggestions(context: &Context, position: usize, offered: Vec<Offer>) -> Vec<Suggestion> {
    let typed = context.prefix.to_lowercase();
    let mut seen = std::collections::BTreeSet::new();
    let fitting = offered.into_iter().filter(|offer| offer.name.to_lowercase().starts_with(&typed));
    fitting
        .filter(|offer| seen.insert(offer.name.clone()))
        .map(|Offer { name, about }| Suggestion {
            append_whitespace: !name.ends_with(['/', '(', ':']),
            description: Some(about).filter(|about| !about.is_empty()),
            span: Span::new(context.begin.min(position), position),
            value: name,
            ..Suggestion::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_typed_is_offered_once() {
        let context = context("SELECT Ma", 9);
        let offered = vec![offer("mapq", "UInt8"), offer("pos", ""), offer("mapq", ""), offer("max(", "")];
        let names: Vec<_> = suggestions(&context, 9, offered)
            .into_iter()
            .map(|suggestion| (suggestion.value, suggestion.span.start, suggestion.append_whitespace))
            .collect();
        assert_eq!(names, [("mapq".to_owned(), 7, true), ("max(".to_owned(), 7, false)]);
    }

    #[test]
    fn files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("a b.gql"), "").unwrap();
        let names: Vec<_> = files(&format!("{path}/x")).into_iter().map(|offer| offer.name).collect();
        assert_eq!(names, [format!("{path}/a b.gql"), format!("{path}/inner/")]);
        assert!(files("/no/such/folder/").is_empty());
    }
}
