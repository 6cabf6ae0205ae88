//! Which format an answer has: what `format=` or the JSON body says, or what `Accept` likes best.

use axum::http::{HeaderMap, header};

use super::problem::Problem;
use crate::output::Format;

/// Of an answer whose reader takes anything.
const DEFAULT: Format = Format::Json;

/// What an answer says of itself.
pub(super) const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Table | Format::Vertical => "text/plain; charset=utf-8",
        Format::Markdown => "text/markdown; charset=utf-8",
        Format::Sam => "text/x-sam; charset=utf-8",
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::Tsv => "text/tab-separated-values; charset=utf-8",
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
        Format::Arrow => "application/vnd.apache.arrow.stream",
        Format::Parquet => "application/vnd.apache.parquet",
    }
}

/// The media type without its parameters.
pub(super) fn bare(format: Format) -> &'static str {
    media_type(format).split(';').next().unwrap_or_default()
}

/// What is asked for; `named` wins over the header.
pub(super) fn choose(named: Option<&str>, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = named {
        return name.parse().map_err(Problem::bad_request);
    }
    let mut wishes = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        let text = value.to_str().map_err(|_| Problem::bad_request("the Accept header is no text"))?;
        wishes.extend(text.split(',').filter_map(wish));
    }
    if wishes.is_empty() {
        return Ok(DEFAULT);
    }
    // Among equals, the first.
    wishes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    wishes.iter().find_map(|(media_type, _)| matching(media_type)).ok_or_else(|| {
        let mut known = Format::ALL.map(bare).to_vec();
        known.dedup();
        Problem::not_acceptable(format!("an answer can be {}", known.join(", ")))
    })
}

/// A media range and how much it is liked; `None` for one that is not wanted.
fn wish(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().filter(|media_type| !media_type.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(1.0));
    (quality > 0.0).then_some((media_type, quality))
}

fn matching(media_type: &str) -> Option<Format> {
    match media_type {
        "*/*" | "application/*" => return Some(DEFAULT),
        "text/*" => return Some(Format::Table),
        "application/jsonl" | "application/ndjson" => return Some(Format::Ndjson),
        _ => {}
    }
    Format::ALL.into_iter().find(|format| bare(*format) == media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(None, &headers).ok()
    }

    #[test]
    fn the_best_liked_that_there_is() {
        assert_eq!(choose(None, &HeaderMap::new()).ok(), Some(Format::Json));
        assert_eq!(chosen("*/*"), Some(Format::Json));
        assert_eq!(chosen("text/csv"), Some(Format::Csv));
        assert_eq!(chosen("image/png, text/tab-separated-values;q=0.5, */*;q=0.1"), Some(Format::Tsv));
        assert_eq!(chosen("text/csv;q=0.2, application/vnd.apache.arrow.stream;q=0.9"), Some(Format::Arrow));
        assert_eq!(chosen("TEXT/CSV; charset=utf-8"), Some(Format::Csv));
        assert_eq!(chosen("application/jsonl"), Some(Format::Ndjson));
        assert_eq!(chosen("image/png"), None);
        assert_eq!(chosen("text/csv;q=0"), Some(Format::Json), "nothing is wanted less than nothing");
    }

    #[test]
    fn a_name_wins() {
        assert_eq!(choose(Some("parquet"), &HeaderMap::new()).ok(), Some(Format::Parquet));
        assert!(choose(Some("gif"), &HeaderMap::new()).is_err());
    }
}
