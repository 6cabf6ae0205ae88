//! What can stand at a place of a text that is being typed. No I/O: names are looked up by others.

use genomdb_server::grammar::{Token, TokenKind, tokens};

use crate::shell::segment;

/// A kind of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Wanted {
    /// Tables and views.
    Tables,
    /// Columns of these tables.
    Columns(Vec<String>),
    /// Functions.
    Functions,
    /// Words of the language.
    Keywords,
    /// Contigs of these tables; of all, if there are none.
    Contigs(Vec<String>),
    /// Settings.
    Settings,
    /// Files.
    Files,
    /// Commands that begin with `\`.
    Commands,
    /// Formats of results.
    Formats,
    /// Statements that `\h` explains.
    Statements,
    /// These words.
    Words(&'static [&'static str]),
}

/// What can stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Context {
    /// Where what is being typed begins.
    pub(in crate::shell) begin: usize,
    /// What is typed of it.
    pub(in crate::shell) prefix: String,
    /// What it may be; the most likely first.
    pub(in crate::shell) wanted: Vec<Wanted>,
}

/// What SHOW shows besides settings.
const SHOWN: &[&str] = &[
    "ALL",
    "COLUMNS",
    "CONTIGS",
    "DATASETS",
    "FUNCTIONS",
    "HEADER",
    "QUERIES",
    "SAMPLES",
    "SOURCES",
    "TABLES",
];
/// Words before a region.
const BEFORE_REGIONS: [&str; 5] = ["INTERSECTS", "CONTAINS", "WITHIN", "ANY", "OF"];
/// Tokens that are looked at before a string, to see whether it is a region.
const LOOK_BACK: usize = 8;

/// Finds out what can stand at byte `position` of `text`.
pub(in crate::shell) fn context(text: &str, position: usize) -> Context {
    let before = text.get(..position).unwrap_or(text);
    let mut command = None;
    let mut from = 0;
    while let Some(begin) = segment::command_at(before, from) {
        match before.get(begin..).and_then(|line| line.find('\n')) {
            Some(line) => (from, command) = (begin + line, None),
            None => {
                command = Some(begin);
                break;
            }
        }
    }
    match command {
        Some(begin) => of_command(before, begin),
        None => of_statement(text, before, from),
    }
}

fn of_command(before: &str, begin: usize) -> Context {
    let line = before.get(begin..).unwrap_or_default();
    let name = segment::name(line);
    if !line.contains(char::is_whitespace) {
        return Context { begin, prefix: line.to_owned(), wanted: vec![Wanted::Commands] };
    }
    let word = line.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
    let prefix = line.get(word..).unwrap_or_default();
    let quoted = prefix.strip_prefix('\'');
    let earlier: Vec<&str> = line.get(..word).unwrap_or_default().split_whitespace().skip(1).collect();
    let wanted = match (name, earlier.as_slice()) {
        ("i" | "include" | "o" | "e" | "edit" | "g" | "gx", []) => vec![Wanted::Files],
        ("d" | "dt", []) => vec![Wanted::Tables],
        ("df", []) => vec![Wanted::Functions],
        ("format", []) => vec![Wanted::Formats],
        ("x", []) => vec![Wanted::Words(&["on", "off", "auto"])],
        ("timing", []) => vec![Wanted::Words(&["on", "off"])],
        ("h" | "help", []) => vec![Wanted::Statements],
        ("pset", []) => {
            vec![Wanted::Words(&["expanded", "format", "maxrows", "maxwidth", "pager", "timing"])]
        }
        ("pset", ["format"]) => vec![Wanted::Formats],
        ("pset", [_]) => vec![Wanted::Words(&["on", "off", "auto"])],
        ("plot", []) => vec![Wanted::Words(&["histogram", "bars", "track"])],
        ("plot", _) => vec![Wanted::Files],
        ("copy", []) => vec![Wanted::Tables],
        ("copy", [.., last]) if last.eq_ignore_ascii_case("to") || last.eq_ignore_ascii_case("from") => {
            vec![Wanted::Files]
        }
        ("copy", [.., direction, _]) if direction.eq_ignore_ascii_case("to") => vec![Wanted::Formats],
        ("copy", _) => vec![Wanted::Words(&["to", "from"])],
        _ => Vec::new(),
    };
    let begin = begin + word + usize::from(quoted.is_some());
    Context { begin, prefix: quoted.unwrap_or(prefix).to_owned(), wanted }
}

fn of_statement(text: &str, before: &str, from: usize) -> Context {
    let typed = before.get(from..).unwrap_or_default();
    let mut words: Vec<Word<'_>> = tokens(typed).iter().map(|token| Word::new(typed, token)).collect();
    // What stands before the last `;` is another statement.
    if let Some(end) = words.iter().rposition(|word| word.text == ";") {
        words.drain(..=end);
    }
    let nothing = |begin| Context { begin, prefix: String::new(), wanted: Vec::new() };
    let whole = text.get(from..).unwrap_or_default();
    let sources = sources(whole, typed.len());
    match words.pop() {
        Some(word) if word.kind == TokenKind::Comment && word.end == typed.len() => nothing(before.len()),
        Some(word) if word.kind == TokenKind::String && !word.is_closed => {
            let tables = sources.iter().map(|source| source.table.clone()).collect();
            let prefix = word.text.get(1..).unwrap_or_default().to_owned();
            let is_region = is_region(&words) && !prefix.contains(':');
            let wanted = if is_region { vec![Wanted::Contigs(tables)] } else { Vec::new() };
            Context { begin: before.len() - prefix.len(), prefix, wanted }
        }
        Some(word) if word.is_name() && word.end == typed.len() => {
            name(words, Some(word), before.len(), &sources)
        }
        Some(word) => {
            words.push(word);
            name(words, None, before.len(), &sources)
        }
        None => name(words, None, before.len(), &sources),
    }
}

/// A name that begins, or is about to.
fn name(words: Vec<Word<'_>>, typed: Option<Word<'_>>, end: usize, sources: &[Source]) -> Context {
    let prefix = typed.as_ref().map_or("", |word| word.text).to_owned();
    let begin = end - prefix.len();
    let found = |wanted| Context { begin, prefix: prefix.clone(), wanted };
    let upper = |word: &Word<'_>| word.text.to_uppercase();
    let first = words.first().map(upper).unwrap_or_default();
    // Names of settings have dots.
    let is_setting = ["SET", "RESET", "SHOW"].contains(&first.as_str());
    if is_setting {
        let dotted = words.iter().skip(1).all(|word| word.is_name() || word.text == ".");
        let joined: String = words.iter().skip(1).map(|word| word.text).chain([prefix.as_str()]).collect();
        let is_one = words.len() == 1 || words.last().is_some_and(|word| word.text == ".");
        if dotted && is_one {
            let mut wanted = vec![Wanted::Settings];
            if first == "SHOW" && words.len() == 1 {
                wanted.insert(0, Wanted::Words(SHOWN));
            }
            return Context { begin: end - joined.len(), prefix: joined, wanted };
        }
    }
    let mut last = words.iter().rev();
    let previous = last.next();
    if previous.is_some_and(|word| word.text == ".") {
        let qualifier = last.next().map(|word| word.text).unwrap_or_default();
        let table = sources.iter().find(|source| source.alias.eq_ignore_ascii_case(qualifier));
        return found(table.map(|source| Wanted::Columns(vec![source.table.clone()])).into_iter().collect());
    }
    let keyword = previous.map(upper).unwrap_or_default();
    if ["FROM", "JOIN", "TABLE", "DESCRIBE", "DESC", "INTO", "COPY", "VIEW"].contains(&keyword.as_str()) {
        return found(vec![Wanted::Tables]);
    }
    if keyword == "," && is_in_from(&words) {
        return found(vec![Wanted::Tables]);
    }
    if words.is_empty() {
        return found(vec![Wanted::Keywords]);
    }
    let mut wanted = Vec::new();
    if !sources.is_empty() {
        wanted.push(Wanted::Columns(sources.iter().map(|source| source.table.clone()).collect()));
    }
    wanted.extend([Wanted::Keywords, Wanted::Functions]);
    found(wanted)
}

/// Whether the last clause that began is FROM.
fn is_in_from(words: &[Word<'_>]) -> bool {
    const CLAUSES: [&str; 8] = ["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "ON"];
    let last = words.iter().rev().map(|word| word.text.to_uppercase());
    let mut clauses = last.filter(|word| CLAUSES.contains(&word.as_str()));
    clauses.next().is_some_and(|clause| clause == "FROM")
}

/// Whether a string behind these words is a region, or the name of a contig.
fn is_region(words: &[Word<'_>]) -> bool {
    let last = words.iter().rev().take(LOOK_BACK).take_while(|word| {
        // Further strings of `ANY('chr1', '…`, and what leads to them.
        word.kind == TokenKind::String || [",", "(", "="].contains(&word.text) || word.is_name()
    });
    let mut names = last.filter(|word| word.is_name()).map(|word| word.text.to_uppercase());
    names.next().is_some_and(|name| BEFORE_REGIONS.contains(&name.as_str()) || name.ends_with("CHROM"))
}

/// A table of FROM, and what columns call it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    alias: String,
    table: String,
}

/// The tables of the statement at a place of a text.
fn sources(text: &str, position: usize) -> Vec<Source> {
    let words: Vec<Word<'_>> = tokens(text).iter().map(|token| Word::new(text, token)).collect();
    let begin =
        words.iter().rposition(|word| word.text == ";" && word.end <= position).map_or(0, |end| end + 1);
    let rest = words.get(begin..).unwrap_or_default();
    let end = rest.iter().position(|word| word.text == ";").unwrap_or(rest.len());
    let words = rest.get(..end).unwrap_or_default();
    let mut sources = Vec::new();
    let mut expects = false;
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let upper = word.text.to_uppercase();
        match upper.as_str() {
            "FROM" | "JOIN" => expects = true,
            "," => {}
            _ if !expects => {}
            "(" | "LATERAL" => expects = false,
            _ if word.is_name() => {
                let mut table = word.text.to_owned();
                while rest.next_if(|next| next.text == ".").is_some() {
                    if let Some(part) = rest.next() {
                        table = format!("{table}.{}", part.text);
                    }
                }
                let _as = rest.next_if(|next| next.text.eq_ignore_ascii_case("as"));
                let named = rest
                    .next_if(|next| matches!(next.kind, TokenKind::Identifier | TokenKind::QuotedIdentifier));
                let own = table.rsplit('.').next().unwrap_or(&table).to_owned();
                let alias = named.map_or(own, |name| name.text.trim_matches('"').to_owned());
                sources.push(Source { alias, table });
                // Another follows a comma.
                expects = rest.peek().is_some_and(|next| next.text == ",");
            }
            _ => expects = false,
        }
    }
    sources
}

/// A token with its text.
#[derive(Clone, Copy, Debug)]
struct Word<'t> {
    text: &'t str,
    kind: TokenKind,
    end: usize,
    is_closed: bool,
}

impl<'t> Word<'t> {
    fn new(text: &'t str, token: &Token) -> Self {
        let end = token.span.range().end;
        Self { text: token.span.text(text), kind: token.kind, end, is_closed: token.is_closed }
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Keyword | TokenKind::Identifier | TokenKind::QuotedIdentifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cursor stands at `|`.
    fn check(text: &str, prefix: &str, wanted: &[Wanted]) {
        let position = text.find('|').unwrap();
        let context = context(&text.replacen('|', "", 1), position);
        assert_eq!((context.prefix.as_str(), context.wanted.as_slice()), (prefix, wanted), "{text}");
        assert_eq!(context.begin, position - prefix.len(), "{text}");
    }

    fn columns(tables: &[&str]) -> Wanted {
        Wanted::Columns(tables.iter().map(|table| (*table).to_owned()).collect())
    }

    fn contigs(tables: &[&str]) -> Wanted {
        Wanted::Contigs(tables.iter().map(|table| (*table).to_owned()).collect())
    }

    #[test]
    fn names_of_statements() {
        use Wanted::{Functions, Keywords, Tables};
        check("|", "", &[Keywords]);
        check("sel|", "sel", &[Keywords]);
        check("SELECT ma|", "ma", &[Keywords, Functions]);
        check("SELECT ma| FROM reads", "ma", &[columns(&["reads"]), Keywords, Functions]);
        check("SELECT a FROM |", "", &[Tables]);
        check("SELECT a FROM rea|", "rea", &[Tables]);
        check("SELECT a FROM reads r, oth|", "oth", &[Tables]);
        check("SELECT a FROM reads JOIN x| ", "x", &[Tables]);
        check("SELECT a FROM reads WHERE |", "", &[columns(&["reads"]), Keywords, Functions]);
        check("SELECT r.m| FROM d.reads AS r, other o", "m", &[columns(&["d.reads"])]);
        check("SELECT o.| FROM d.reads AS r, other o", "", &[columns(&["other"])]);
        check("SELECT x.| FROM reads", "", &[]);
        check(
            "SELECT 1 FROM a; SELECT | FROM b; SELECT 1 FROM c",
            "",
            &[columns(&["b"]), Keywords, Functions],
        );
        check("DESCRIBE r|", "r", &[Tables]);
        check("SELECT 1 -- no|", "", &[]);
        check("SELECT 'no|", "no", &[]);
    }

    #[test]
    fn contigs_stand_in_regions() {
        check("SELECT 1 FROM reads WHERE interval INTERSECTS 'chr|", "chr", &[contigs(&["reads"])]);
        check("SELECT 1 FROM reads WHERE interval INTERSECTS '|' AND mapq > 3", "", &[contigs(&["reads"])]);
        check("SELECT 1 FROM reads WHERE interval INTERSECTS ANY('chr1', 'c|", "c", &[contigs(&["reads"])]);
        check("SELECT 1 FROM reads WHERE chrom = 'c|", "c", &[contigs(&["reads"])]);
        check("SELECT 1 FROM reads WHERE interval INTERSECTS 'chr1:1|", "chr1:1", &[]);
        check("SELECT 1 FROM reads WHERE qname = 'c|", "c", &[]);
    }

    #[test]
    fn settings_have_dots() {
        check("SET |", "", &[Wanted::Settings]);
        check("SET query.ti|", "query.ti", &[Wanted::Settings]);
        check("SHOW query.|", "query.", &[Wanted::Settings]);
        check("SHOW ta|", "ta", &[Wanted::Words(SHOWN), Wanted::Settings]);
        check("SHOW CONTIGS FROM r|", "r", &[Wanted::Tables]);
    }

    #[test]
    fn commands_and_what_follows_them() {
        check("\\|", "\\", &[Wanted::Commands]);
        check("\\ti|", "\\ti", &[Wanted::Commands]);
        check("SELECT 1 \\g|", "\\g", &[Wanted::Commands]);
        check("\\i ab/c|", "ab/c", &[Wanted::Files]);
        check("\\o 'a|", "a", &[Wanted::Files]);
        check("\\d r|", "r", &[Wanted::Tables]);
        check("\\copy reads to x|", "x", &[Wanted::Files]);
        check("\\copy reads to x p|", "p", &[Wanted::Formats]);
        check("\\copy reads |", "", &[Wanted::Words(&["to", "from"])]);
        check("\\format c|", "c", &[Wanted::Formats]);
        check("\\h cr|", "cr", &[Wanted::Statements]);
        check("\\timing\nsel|", "sel", &[Wanted::Keywords]);
    }
}
