//! Errors of the query engine in the user's words, with the place in the text where it can be told.

use datafusion::{
    arrow::error::ArrowError,
    common::{Column, Location, SchemaError},
    error::DataFusionError,
};
use genomdb_grammar::{Span, line_column, suggest};
use genomdb_planner::{PlanError, lower::LowerError};

use super::{Existence, QueryErrorKind};

/// Returns what an error says, without the names of the stages that it passed.
pub(super) fn message(error: &DataFusionError) -> String {
    let root = root(error);
    let text = match root {
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::ResourcesExhausted(text) => text.clone(),
        DataFusionError::External(error) => error.to_string(),
        DataFusionError::ArrowError(error, _) => error.to_string(),
        other => other.strip_backtrace(),
    };
    // What follows is a stack of our own program, which tells a user nothing.
    text.split("\n\nbacktrace:").next().unwrap_or_default().trim().to_owned()
}

/// Finds out what a user needs to know of an error; `None` where its message is all there is.
pub(super) fn explain(error: &DataFusionError, text: &str) -> Option<QueryErrorKind> {
    let wrong =
        |message, span, hint, existence| Some(QueryErrorKind::Invalid { message, span, hint, existence });
    let invalid = |message, span, hint| wrong(message, span, hint, None);
    let place = diagnostic(error).and_then(|location| token_at(text, location));
    match root(error) {
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let message = format!("unknown column `{}`", field.flat_name());
                let span = place.or_else(|| find_word(text, &field.name));
                invalid(message, span, column_hint(field, valid_fields))
            }
            SchemaError::AmbiguousReference { field } => {
                let hint = Some("write the table before it, as in `reads.pos`".to_owned());
                let span = place.or_else(|| find_word(text, &field.name));
                invalid(format!("column `{}` is ambiguous", field.name), span, hint)
            }
            _ => None,
        },
        DataFusionError::External(source) => {
            if let Some(error) = source.downcast_ref::<LowerError>() {
                return invalid(error.to_string(), Some(error.span()), None);
            }
            match source.downcast_ref::<PlanError>()? {
                PlanError::UnknownTable { name, suggestion } => {
                    let hint = suggestion.as_ref().map(|near| format!("did you mean `{near}`?"));
                    let hint = hint.or_else(|| Some("SHOW TABLES lists what there is".to_owned()));
                    let last = name.rsplit('.').next().unwrap_or(name);
                    let span = place.or_else(|| find_word(text, last));
                    wrong(format!("unknown table `{name}`"), span, hint, Some(Existence::Missing))
                }
                PlanError::UnknownContig { contig, region, table, suggestion } => {
                    let hint = suggestion.as_ref().map(|near| format!("did you mean `{near}`?"));
                    let hint = hint.or_else(|| Some(format!("SHOW CONTIGS FROM {table} lists them")));
                    let span = find(text, region).or_else(|| find(text, contig));
                    invalid(format!("table `{table}` has no contig `{contig}`"), span, hint)
                }
                _ => None,
            }
        }
        DataFusionError::Plan(_) if place.is_some() => invalid(message(error), place, None),
        _ => None,
    }
}

/// Follows an error to its cause through the stages that wrapped it.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        DataFusionError::External(source) => source.downcast_ref::<DataFusionError>().map_or(error, root),
        DataFusionError::ArrowError(source, _) => match source.as_ref() {
            ArrowError::ExternalError(source) => source.downcast_ref::<DataFusionError>().map_or(error, root),
            _ => error,
        },
        _ => error,
    }
}

/// Returns the place that the planner noted.
fn diagnostic(error: &DataFusionError) -> Option<Location> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            diagnostic.span.map(|span| span.start).or_else(|| self::diagnostic(inner))
        }
        DataFusionError::Context(_, inner) => diagnostic(inner),
        DataFusionError::Shared(inner) => diagnostic(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(diagnostic),
        _ => None,
    }
}

fn column_hint(field: &Column, valid: &[Column]) -> Option<String> {
    if let Some(near) = suggest(&field.name, valid.iter().map(|column| column.name.as_str())) {
        return Some(format!("did you mean `{near}`?"));
    }
    let names: Vec<_> = valid.iter().map(|column| column.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("the columns are {}", names.join(", ")))
}

/// Returns the word of the text that begins at a line and a column.
fn token_at(text: &str, location: Location) -> Option<Span> {
    let offsets = text.char_indices().map(|(offset, _)| offset);
    let start = offsets.into_iter().find(|&offset| {
        let here = line_column(text, offset);
        u64::from(here.line) == location.line && u64::from(here.column) == location.column
    })?;
    let length = text.get(start..)?.find(|c: char| !c.is_alphanumeric() && !"_.\"".contains(c));
    Some(Span::new(start, length.map_or(text.len(), |length| start + length.max(1))))
}

/// Finds a name in the text that is not a part of a longer one.
fn find_word(text: &str, name: &str) -> Option<Span> {
    let lower = text.to_lowercase();
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let found = lower
        .match_indices(&name.to_lowercase())
        .map(|(start, found)| (start, start + found.len()))
        .find(|&(start, end)| {
            let before = lower.get(..start).and_then(|before| before.chars().next_back());
            let after = lower.get(end..).and_then(|after| after.chars().next());
            !is_part(before) && !is_part(after)
        });
    found.map(|(start, end)| Span::new(start, end))
}

fn find(text: &str, part: &str) -> Option<Span> {
    text.find(part).map(|start| Span::new(start, start + part.len()))
}
