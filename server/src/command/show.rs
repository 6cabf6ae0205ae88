//! `SHOW`: what the catalog holds, as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray, UInt32Array, UInt64Array};
use genomdb_grammar::ast::{Name, Show, ShowObject, ShowWhat};
use genomdb_layout::catalog::{Catalog, SourceEntry, SourceSummary, TableEntry};

use genomdb_planner::functions;

use super::tables;
use crate::{
    Answer, Node, QueryError, Session, milliseconds,
    queries::{Registration, is_of},
    session::unknown_setting,
};

/// Answers `SHOW TABLES`, `SHOW SOURCES [FROM t]`, `SHOW setting` and the like.
pub(crate) async fn run(
    node: &Node,
    session: &Session,
    show: &Show,
    own: &Registration,
) -> Result<Answer, QueryError> {
    match &show.what {
        ShowWhat::Objects { object, from, like } => {
            if like.is_some() {
                return Err(QueryError::at(show.at.0, "SHOW … LIKE is not part of this version"));
            }
            let catalog = node.catalog().await?;
            show_objects(node, &catalog, *object, from.as_ref(), (session, show, own)).await
        }
        ShowWhat::AllSettings(_) => show_settings(session, None),
        ShowWhat::Setting(setting, _) => {
            show_settings(session, Some(&setting.name)).map_err(|error| error.place(setting.at.0))
        }
    }
}

async fn show_objects(
    node: &Node,
    catalog: &Catalog,
    object: ShowObject,
    from: Option<&Name>,
    (session, show, own): (&Session, &Show, &Registration),
) -> Result<Answer, QueryError> {
    match object {
        ShowObject::Tables => show_tables(catalog),
        ShowObject::Datasets => {
            Answer::from_columns([("dataset", strings(catalog.datasets.iter().map(String::as_str)))])
        }
        ShowObject::Sources => show_sources(&tables(catalog, from)?),
        ShowObject::Samples => show_samples(&tables(catalog, from)?),
        ShowObject::Contigs => show_contigs(&tables(catalog, from)?),
        ShowObject::Header => show_header(node, &tables(catalog, from)?).await,
        ShowObject::Columns => {
            match from {
                Some(table) => super::describe::table(catalog, table),
                None => Err(QueryError::at(show.at.0, "SHOW COLUMNS needs a table")
                    .with_hint("SHOW COLUMNS FROM reads")),
            }
        }
        ShowObject::Functions => show_functions(),
        ShowObject::Queries => show_queries(node, session, own),
        ShowObject::References => {
            Err(QueryError::at(show.at.0, "SHOW REFERENCES is not part of this version"))
        }
    }
}

/// The queries that run, without the one that asks.
fn show_queries(node: &Node, session: &Session, own: &Registration) -> Result<Answer, QueryError> {
    let mut queries = node.queries().list();
    queries.retain(|query| query.id != own.id() && is_of(query, session.principal()));
    let began =
        queries.iter().map(|query| i64::try_from(milliseconds::since_1970(query.began)).unwrap_or(i64::MAX));
    let elapsed = queries.iter().map(|query| milliseconds::of(query.elapsed()));
    let began = TimestampMillisecondArray::from_iter_values(began).with_timezone("UTC");
    Answer::from_columns([
        ("id", strings(queries.iter().map(|query| query.id.to_string()))),
        ("began", Arc::new(began) as ArrayRef),
        ("elapsed_ms", Arc::new(UInt64Array::from_iter_values(elapsed))),
        ("rows", Arc::new(UInt64Array::from_iter_values(queries.iter().map(|query| query.rows())))),
        ("user", strings(queries.iter().map(|query| &query.principal.name))),
        ("text", strings(queries.iter().map(|query| query.text.to_string()))),
    ])
}

/// One setting, or all, with what each does.
fn show_settings(session: &Session, name: Option<&str>) -> Result<Answer, QueryError> {
    let all = session.settings();
    let wanted: Vec<_> = all.iter().filter(|(known, _, _)| name.is_none_or(|name| name == known)).collect();
    if let (Some(name), true) = (name, wanted.is_empty()) {
        return Err(unknown_setting(name, &all));
    }
    Answer::from_columns([
        ("setting", strings(wanted.iter().map(|(name, _, _)| name))),
        (
            "value",
            Arc::new(StringArray::from_iter(wanted.iter().map(|(_, value, _)| value.as_ref()))) as ArrayRef,
        ),
        ("description", strings(wanted.iter().map(|(_, _, description)| description))),
    ])
}

fn show_tables(catalog: &Catalog) -> Result<Answer, QueryError> {
    let tables = || catalog.tables.iter();
    let views = || catalog.views.iter();
    let names = tables().map(|table| table.name.as_str()).chain(views().map(|view| view.name.as_str()));
    let datasets =
        tables().map(|table| table.dataset.as_str()).chain(views().map(|view| view.dataset.as_str()));
    let kinds = tables().map(|table| table.kind.name()).chain(views().map(|_| "view"));
    let some = |count: fn(&TableEntry) -> u64| {
        let counts = tables().map(|table| Some(count(table))).chain(views().map(|_| None));
        Arc::new(UInt64Array::from_iter(counts)) as ArrayRef
    };
    Answer::from_columns([
        ("dataset", strings(datasets)),
        ("name", strings(names)),
        ("kind", strings(kinds)),
        ("sources", some(|table| table.sources.len() as u64)),
        ("records", some(TableEntry::records)),
        ("bytes", some(|table| table.sources.iter().map(|source| source.bytes).sum())),
    ])
}

/// Each source of the tables, with its table.
fn sources<'c>(
    tables: &'c [&TableEntry],
) -> impl Iterator<Item = (&'c TableEntry, &'c SourceSummary)> + Clone {
    tables.iter().flat_map(|table| table.sources.iter().map(move |source| (*table, source)))
}

fn show_sources(tables: &[&TableEntry]) -> Result<Answer, QueryError> {
    let all = || sources(tables);
    let loaded = all().map(|(_, source)| i64::try_from(source.loaded_at_ms).unwrap_or(i64::MAX));
    let checksums = all().map(|(_, source)| format!("{:032x}", source.checksum));
    Answer::from_columns([
        ("table", strings(all().map(|(table, _)| table.name.as_str()))),
        ("source", strings(all().map(|(_, source)| source.name.as_str()))),
        ("format", strings(all().map(|(_, source)| source.format.as_str()))),
        ("records", Arc::new(all().map(|(_, source)| Some(source.records)).collect::<UInt64Array>())),
        ("bytes", Arc::new(all().map(|(_, source)| Some(source.bytes)).collect::<UInt64Array>())),
        ("samples", strings(all().map(|(_, source)| source.samples.join(",")))),
        ("loaded_at", Arc::new(loaded.map(Some).collect::<TimestampMillisecondArray>().with_timezone("UTC"))),
        ("checksum", strings(checksums)),
    ])
}

fn show_samples(tables: &[&TableEntry]) -> Result<Answer, QueryError> {
    let rows = sources(tables).flat_map(|(table, source)| {
        source.samples.iter().map(move |sample| {
            let groups = source.read_groups.iter().filter(|group| group.sample.as_ref() == Some(sample));
            (table, source, sample, groups.map(|group| group.id.as_str()).collect::<Vec<_>>().join(","))
        })
    });
    let rows: Vec<_> = rows.collect();
    Answer::from_columns([
        ("table", strings(rows.iter().map(|row| row.0.name.as_str()))),
        ("sample", strings(rows.iter().map(|row| row.2.as_str()))),
        ("source", strings(rows.iter().map(|row| row.1.name.as_str()))),
        ("read_groups", strings(rows.iter().map(|row| row.3.as_str()))),
    ])
}

fn show_contigs(tables: &[&TableEntry]) -> Result<Answer, QueryError> {
    let rows =
        || tables.iter().flat_map(|table| (0_u32..).zip(table.contigs.iter()).map(move |row| (table, row)));
    let lengths = rows().map(|(_, (_, contig))| contig.length.and_then(|length| i64::try_from(length).ok()));
    Answer::from_columns([
        ("table", strings(rows().map(|(table, _)| table.name.as_str()))),
        ("number", Arc::new(rows().map(|(_, (number, _))| Some(number)).collect::<UInt32Array>())),
        ("contig", strings(rows().map(|(_, (_, contig))| contig.name.to_string()))),
        ("length", Arc::new(Int64Array::from_iter(lengths))),
        ("md5", Arc::new(StringArray::from_iter(rows().map(|(_, (_, contig))| contig.md5.as_deref())))),
    ])
}

/// The header lines of every source, as they stood in its file.
async fn show_header(node: &Node, tables: &[&TableEntry]) -> Result<Answer, QueryError> {
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    // Rows came without a header.
    for (table, source) in sources(tables).filter(|(_, source)| source.entry_bytes > 0) {
        let keys = source.entry_keys(table.id).into_iter().map(|key| key.to_bytes().into()).collect();
        let pieces = node.storage().batch_get(keys).await?;
        let bytes = pieces.into_iter().flatten().fold(Vec::new(), |mut bytes, piece| {
            bytes.extend_from_slice(&piece);
            bytes
        });
        let entry = SourceEntry::from_bytes(&bytes)?;
        for line in String::from_utf8_lossy(&entry.header).lines() {
            names.push(source.name.as_str());
            lines.push(line.to_owned());
        }
    }
    Answer::from_columns([("source", strings(names)), ("line", strings(lines))])
}

fn show_functions() -> Result<Answer, QueryError> {
    let all = functions::all();
    Answer::from_columns([
        ("function", strings(all.iter().map(|function| functions::usage(function)))),
        ("returns", strings(all.iter().map(|function| function.returns.to_string()))),
        ("purpose", strings(all.iter().map(|function| function.purpose))),
        ("example", strings(all.iter().map(|function| function.example.0))),
        ("gives", strings(all.iter().map(|function| function.example.1))),
    ])
}

fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    // `from_iter_values` wants to know how many there will be, which a flattened iterator cannot say.
    Arc::new(values.into_iter().map(Some).collect::<StringArray>())
}
