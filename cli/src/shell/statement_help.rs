//! How statements are written, for `\h`. The whole of it is in docs/query-language.md.

use genomdb_server::grammar::suggest;

/// Statements and how they are written.
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    (
        "SELECT",
        "[WITH name AS (query), …]\nSELECT [DISTINCT] expression [AS name], …\nFROM table [AS name] [JOIN table ON condition] …\n\
         [WHERE condition] [GROUP BY expression, …] [HAVING condition]\n[ORDER BY expression [ASC | DESC], …] [LIMIT n] [OFFSET n]\n\n\
         A region:      WHERE interval INTERSECTS 'chr1:10,000-20,000'\n\
         Regions:       WHERE interval INTERSECTS ANY('chr1', 'chr2:1-1000')\n\
         Flags:         WHERE flags_all(flag, 'proper_pair') AND NOT is_duplicate(flag)\n\
         A tag:         SELECT tags['NM']",
    ),
    (
        "COPY",
        "COPY table FROM 'file', … [(REFERENCE 'file.fa', NAME 'name', SAMPLE 'sample', FORCE, THREADS n)]",
    ),
    ("CREATE TABLE", "CREATE TABLE [IF NOT EXISTS] [dataset.]table TYPE ALIGNMENTS"),
    ("CREATE VIEW", "CREATE [OR REPLACE] VIEW [dataset.]view AS query"),
    ("CREATE DATASET", "CREATE DATASET [IF NOT EXISTS] dataset"),
    ("DROP", "DROP {TABLE | VIEW | DATASET} [IF EXISTS] name\nDROP SOURCE 'source' FROM table"),
    (
        "SHOW",
        "SHOW {TABLES | DATASETS | FUNCTIONS | QUERIES | ALL}\n\
         SHOW {SOURCES | SAMPLES | CONTIGS | HEADER | COLUMNS} [FROM table]\nSHOW setting",
    ),
    ("DESCRIBE", "DESCRIBE {table | query}"),
    ("EXPLAIN", "EXPLAIN [ANALYZE] [VERBOSE] query"),
    ("SET", "SET setting = value"),
    ("RESET", "RESET {setting | ALL}"),
    ("KILL QUERY", "KILL QUERY 'id'"),
];

/// What `\h` prints.
///
/// # Errors
///
/// In words, if there is no such statement.
pub(super) fn help(topic: &str) -> Result<String, String> {
    let topic = topic.trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    if topic.is_empty() {
        let names: Vec<&str> = STATEMENTS.iter().map(|(name, _)| *name).collect();
        return Ok(format!("{}\n\\h STATEMENT shows how one is written", names.join(", ")));
    }
    let found: Vec<&str> =
        STATEMENTS.iter().filter(|(name, _)| name.starts_with(&topic)).map(|(_, usage)| *usage).collect();
    if !found.is_empty() {
        return Ok(found.join("\n\n"));
    }
    Err(match suggest(&topic, STATEMENTS.iter().map(|(name, _)| *name)) {
        Some(near) => format!("there is no statement {topic}; did you mean {near}?"),
        None => format!("there is no statement {topic}; \\h lists them"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_by_the_beginning_of_their_names() {
        assert!(help("").unwrap().contains("CREATE VIEW"));
        assert!(help("select").unwrap().starts_with("[WITH"));
        assert_eq!(help("create").unwrap().matches("CREATE").count(), 3);
        assert!(help(" kill  query;").unwrap().starts_with("KILL"));
        assert!(help("SELCT").unwrap_err().contains("did you mean SELECT?"));
        assert!(help("frobnicate").unwrap_err().contains("\\h lists them"));
    }
}
