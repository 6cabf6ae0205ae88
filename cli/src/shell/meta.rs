//! The commands of the prompt that begin with `\`, as psql has them.

use genomdb_server::output::Format;

/// What a line that begins with `\` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    /// Leave.
    Quit,
    /// Show what there is.
    Help,
    /// Show or hide how long a statement took.
    Timing,
    /// Change how results are written.
    Format(Format),
    /// Run a statement that the command stands for.
    Statement(String),
    /// Run the statements of a file.
    Include(String),
}

/// What `\?` prints.
pub(super) const HELP: &str = r"\d             list the tables
\d TABLE       describe the columns of a table
\df            list the functions
\i FILE        run the statements of a file
\format NAME   write results as table, csv, tsv, json or ndjson
\timing        show how long each statement took, or stop showing it
\q             leave (as does Ctrl-D)

Statements end in `;`, for example:
  SELECT qname, pos, cigar FROM reads WHERE interval INTERSECTS 'chr1:10,000-20,000' LIMIT 5;";

/// Reads a line that begins with `\`.
pub(super) fn parse(line: &str) -> Result<Meta, String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    Ok(match (name, argument) {
        ("\\q" | "\\quit", _) => Meta::Quit,
        ("\\?" | "\\h" | "\\help", _) => Meta::Help,
        ("\\timing", _) => Meta::Timing,
        ("\\d" | "\\dt", "") => Meta::Statement("SHOW TABLES".to_owned()),
        ("\\d", table) => Meta::Statement(format!("DESCRIBE {table}")),
        ("\\df", _) => Meta::Statement("SHOW FUNCTIONS".to_owned()),
        ("\\i", "") => return Err("\\i needs a file".to_owned()),
        ("\\i", file) => Meta::Include(file.to_owned()),
        ("\\format", name) => match name.parse() {
            Ok(Format::Arrow | Format::Parquet) => {
                return Err("binary formats are for files: genomdb query --format … --output FILE".to_owned());
            }
            Ok(format) => Meta::Format(format),
            Err(_) => return Err("the formats are table, csv, tsv, json and ndjson".to_owned()),
        },
        _ => return Err(format!("`{name}` is unknown; \\? lists what there is")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_psql_users_type() {
        let statement = |text: &str| Ok(Meta::Statement(text.to_owned()));
        assert_eq!(parse("\\dt"), statement("SHOW TABLES"));
        assert_eq!(parse("\\d reads;"), statement("DESCRIBE reads"));
        assert_eq!(parse("\\format csv"), Ok(Meta::Format(Format::Csv)));
        assert_eq!(parse("\\i  a b.gql "), Ok(Meta::Include("a b.gql".to_owned())));
        for wrong in ["\\x1", "\\i", "\\format parquet", "\\format gif"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
