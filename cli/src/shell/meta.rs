//! The commands of the shell that begin with `\`, as psql has them.

mod copy;
mod plot;

use genomdb_server::{grammar::suggest, output::Format};

pub(super) use copy::{Copy, format_of, table_name};
pub(super) use plot::{PlotRequest, Shape};

use super::{arguments::words, segment};
use crate::printer::Expanded;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meta {
    /// Leave.
    Quit,
    /// Show the commands.
    Help,
    /// Show how statements are written: all of them, or one.
    StatementHelp(String),
    /// Show where the data is.
    Connection,
    /// List tables, all or those whose names match.
    Tables(Option<String>),
    /// Describe a table.
    Describe(String),
    /// List functions, all or those whose names match.
    Functions(Option<String>),
    /// List datasets.
    Datasets,
    /// Show or hide how long statements take.
    Timing(Option<bool>),
    /// Write rows one value a line.
    Expanded(Option<Expanded>),
    /// Write results in a format; without one, say which it is.
    Format(Option<Format>),
    /// Change how results are written; without a value, say how.
    Option(Option<String>, Option<String>),
    /// Write results into a file, or again on standard output.
    Output(Option<String>),
    /// Run the statements and commands of a file.
    Include(String),
    /// Edit the last statement, or a file.
    Edit(Option<String>),
    /// Run the statement; one value a line if `expanded`, into a file if there is one.
    Go {
        /// One value a line.
        expanded: bool,
        /// A file.
        file: Option<String>,
    },
    /// Run the statement again and again, so many seconds apart.
    Watch(f64),
    /// Move rows between a table and a file.
    Copy(Copy),
    /// Give a variable a value; without a name, list them.
    Set(Option<String>, String),
    /// Take a variable away.
    Unset(String),
    /// Draw the last result.
    Plot(PlotRequest),
    /// Write a line.
    Echo(String),
}

/// A command: its name, what follows it, and what it does.
pub(super) struct Command {
    /// Its name, without the `\`.
    pub(super) name: &'static str,
    /// What follows it.
    pub(super) usage: &'static str,
    /// What it does.
    pub(super) purpose: &'static str,
}

const fn command(name: &'static str, usage: &'static str, purpose: &'static str) -> Command {
    Command { name, usage, purpose }
}

/// All commands, in the order in which help shows them.
pub(super) const COMMANDS: &[Command] = &[
    command("?", "", "show this"),
    command("h", "[STATEMENT]", "how statements are written"),
    command("q", "", "leave (as does Ctrl-D)"),
    command("conninfo", "", "where the data is"),
    command("d", "[TABLE]", "list the tables, or describe one"),
    command("dt", "[PATTERN]", "list the tables; * stands for anything"),
    command("df", "[PATTERN]", "list the functions"),
    command("l", "", "list the datasets"),
    command("g", "[FILE]", "run the statement; `SELECT 1 \\g` needs no `;`"),
    command("gx", "[FILE]", "the same, one value a line"),
    command("e", "[FILE]", "edit the last statement, or a file, with $EDITOR, and run it"),
    command("i", "FILE", "run the statements and commands of a file"),
    command("o", "[FILE]", "write results into a file; without one, here again"),
    command("watch", "[SECONDS]", "run the statement again and again, until Ctrl-C"),
    command("copy", "{TABLE | (QUERY)} to FILE [FORMAT]", "write rows into a file"),
    command("copy", "TABLE from FILE", "load a file of alignments into a table"),
    command("plot", "histogram [COLUMN] [FILE]", "draw how the numbers of a column are spread"),
    command("plot", "bars [LABEL NUMBER] [FILE]", "draw a number for each label"),
    command(
        "plot",
        "track [COLUMNS] [FILE]",
        "draw (position, depth) or (start, end) rows; FILE is .svg or .png",
    ),
    command("format", "[NAME]", "how results are written: table, vertical, markdown, csv, tsv, json, …"),
    command("x", "[on|off|auto]", "one value a line; auto where rows are wider than the screen"),
    command("pset", "[OPTION [VALUE]]", "maxrows, maxwidth, pager, format, expanded, timing"),
    command("timing", "[on|off]", "show how long each statement took"),
    command("set", "[NAME [VALUE]]", "a variable: :NAME as it is, :'NAME' as a string, :\"NAME\" as a name"),
    command("unset", "NAME", "take a variable away"),
    command("echo", "TEXT", "write a line"),
];

/// What `\?` prints.
pub(super) fn help() -> String {
    let mut text = String::new();
    for Command { name, usage, purpose } in COMMANDS {
        let head = format!("\\{name} {usage}");
        text.push_str(&format!("{head:<42} {purpose}\n"));
    }
    text.push_str(
        "\nStatements end in `;` and may have many lines. Tab completes, Ctrl-R searches what was typed before,\n\
         Ctrl-C ends a query and nothing else. For example:\n  \
         SELECT qname, pos, cigar FROM reads WHERE interval INTERSECTS 'chr1:10,000-20,000' LIMIT 5;",
    );
    text
}

/// Reads a command.
///
/// # Errors
///
/// In words, if it is none, or not written so.
pub(super) fn parse(text: &str) -> Result<Meta, String> {
    let text = text.trim();
    let name = segment::name(text);
    let rest = text.get(name.len() + 1..).unwrap_or_default().trim().trim_end_matches(';').trim_end();
    // These read their words by rules of their own.
    match name {
        "copy" => return Ok(Meta::Copy(copy::parse(rest)?)),
        "echo" => return Ok(Meta::Echo(words(rest)?.join(" "))),
        "h" | "help" => return Ok(Meta::StatementHelp(rest.to_owned())),
        _ => {}
    }
    let mut arguments = words(rest)?.into_iter();
    let mut next = || -> Option<String> { arguments.next() };
    let need =
        |argument: Option<String>, what: &str| argument.ok_or_else(|| format!("\\{name} needs {what}"));
    let meta = match name {
        "q" | "quit" | "exit" => Meta::Quit,
        "?" => Meta::Help,
        "conninfo" => Meta::Connection,
        "d" => next().map_or(Meta::Tables(None), Meta::Describe),
        "dt" => Meta::Tables(next()),
        "df" => Meta::Functions(next()),
        "l" => Meta::Datasets,
        "timing" => Meta::Timing(next().map(|word| switch(&word)).transpose()?),
        "x" => Meta::Expanded(next().map(|word| expanded(&word)).transpose()?),
        "format" => Meta::Format(next().map(|word| word.parse()).transpose()?),
        "pset" => Meta::Option(next(), next()),
        "o" => Meta::Output(next()),
        "i" | "include" => Meta::Include(need(next(), "a file")?),
        "e" | "edit" => Meta::Edit(next()),
        "g" => Meta::Go { expanded: false, file: next() },
        "gx" => Meta::Go { expanded: true, file: next() },
        "watch" => Meta::Watch(next().map_or(Ok(2.0), |word| seconds(&word))?),
        "set" => {
            let name = next();
            Meta::Set(name, arguments.by_ref().collect::<Vec<_>>().join(" "))
        }
        "unset" => Meta::Unset(need(next(), "a name")?),
        "plot" => return plot::parse(arguments.collect()).map(Meta::Plot),
        "" => return Err("a command has a name; \\? lists them".to_owned()),
        _ => return Err(unknown(name)),
    };
    match arguments.next() {
        Some(word) => Err(format!("\\{name} takes no `{word}`")),
        None => Ok(meta),
    }
}

fn unknown(name: &str) -> String {
    match suggest(name, COMMANDS.iter().map(|command| command.name)) {
        Some(near) => format!("there is no command \\{name}; did you mean \\{near}?"),
        None => format!("there is no command \\{name}; \\? lists what there is"),
    }
}

/// `on` or `off`.
pub(super) fn switch(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(format!("`{word}` is neither on nor off")),
    }
}

/// `on`, `off` or `auto`.
pub(super) fn expanded(word: &str) -> Result<Expanded, String> {
    match switch(word) {
        Ok(true) => Ok(Expanded::On),
        Ok(false) => Ok(Expanded::Off),
        Err(_) if word.eq_ignore_ascii_case("auto") => Ok(Expanded::Auto),
        Err(_) => Err(format!("`{word}` is neither on, off nor auto")),
    }
}

fn seconds(word: &str) -> Result<f64, String> {
    let seconds = word.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| format!("`{word}` is no number of seconds up to a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_psql_users_type() {
        let check = |text: &str, expected: Meta| assert_eq!(parse(text), Ok(expected), "{text}");
        let some = |text: &str| Some(text.to_owned());
        check("\\q", Meta::Quit);
        check("\\?", Meta::Help);
        check("\\h create view", Meta::StatementHelp("create view".to_owned()));
        check("\\conninfo", Meta::Connection);
        check("\\d", Meta::Tables(None));
        check("\\d reads;", Meta::Describe("reads".to_owned()));
        check("\\dt r*", Meta::Tables(some("r*")));
        check("\\df", Meta::Functions(None));
        check("\\l", Meta::Datasets);
        check("\\timing", Meta::Timing(None));
        check("\\timing off", Meta::Timing(Some(false)));
        check("\\x auto", Meta::Expanded(Some(Expanded::Auto)));
        check("\\format csv", Meta::Format(Some(Format::Csv)));
        check("\\pset maxrows 10", Meta::Option(some("maxrows"), some("10")));
        check("\\o 'a b.csv'", Meta::Output(some("a b.csv")));
        check("\\i  a.gql ", Meta::Include("a.gql".to_owned()));
        check("\\e", Meta::Edit(None));
        check("\\gx", Meta::Go { expanded: true, file: None });
        check("\\g x.csv", Meta::Go { expanded: false, file: some("x.csv") });
        check("\\watch", Meta::Watch(2.0));
        check("\\watch 0.5", Meta::Watch(0.5));
        check("\\set", Meta::Set(None, String::new()));
        check("\\set a b 'c d'", Meta::Set(some("a"), "b c d".to_owned()));
        check("\\unset a", Meta::Unset("a".to_owned()));
        check("\\echo a  'b  c'", Meta::Echo("a b  c".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("\\dtt", "did you mean \\dt?");
        check("\\tming", "did you mean \\timing?");
        check("\\xyzzy", "\\? lists");
        check("\\", "has a name");
        check("\\i", "needs a file");
        check("\\i a b", "takes no `b`");
        check("\\format gif", "no format");
        check("\\format vcf", "variants");
        check("\\x maybe", "neither on, off nor auto");
        check("\\timing maybe", "neither on nor off");
        check("\\watch -1", "seconds");
        check("\\o 'a", "never closed");
    }

    #[test]
    fn help_names_every_command() {
        for command in COMMANDS {
            assert!(help().contains(&format!("\\{} ", command.name)), "{}", command.name);
            assert!(!parse(&format!("\\{}", command.name)).is_err_and(|error| error.contains("no command")));
        }
    }
}
