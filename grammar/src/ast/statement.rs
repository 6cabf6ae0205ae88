//! Statements.

use super::{Ident, Name, Query};
use crate::span::At;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A query.
    Query(Box<Query>),
    /// `CREATE …`
    Create(Create),
    /// `DROP …`
    Drop(Drop),
    /// `INSERT …`
    Insert(Insert),
    /// `COPY …`
    Copy(Copy),
    /// `SHOW …`
    Show(Show),
    /// `DESCRIBE …`
    Describe(Describe),
    /// `EXPLAIN …`
    Explain(Explain),
    /// `SET …`
    Set(SetVariable),
    /// `RESET …`
    Reset(Reset),
    /// `KILL QUERY …`
    Kill(Kill),
}

impl Statement {
    /// Where the statement stands.
    pub fn at(&self) -> At {
        match self {
            Statement::Query(query) => query.at,
            Statement::Create(create) => create.at,
            Statement::Drop(drop) => drop.at,
            Statement::Insert(insert) => insert.at,
            Statement::Copy(copy) => copy.at,
            Statement::Show(show) => show.at,
            Statement::Describe(describe) => describe.at,
            Statement::Explain(explain) => explain.at,
            Statement::Set(set) => set.at,
            Statement::Reset(reset) => reset.at,
            Statement::Kill(kill) => kill.at,
        }
    }
}

/// A string literal of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The string, unquoted.
    pub value: String,
    /// Where it stands.
    pub at: At,
}

/// `CREATE …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// `TEMPORARY`
    pub temporary: bool,
    /// The name of what is made.
    pub name: Name,
    /// What is made.
    pub kind: CreateKind,
    /// Where it stands.
    pub at: At,
}

/// What a `CREATE` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateKind {
    /// A table.
    Table(TableDefinition),
    /// A view, with the names of its columns.
    View(Vec<Ident>, Box<Query>),
    /// A dataset.
    Dataset,
    /// A reference, from a file.
    Reference(Text, Vec<OptionEntry>),
}

/// Where the shape of a new table comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableDefinition {
    /// `TYPE READS`: the kind as written, and what else was said.
    Kind {
        /// `READS`, `ALIGNMENTS`, `VARIANTS`, `FEATURES`, `SEQUENCES`: which are known is for the planner to say.
        kind: Ident,
        /// `REFERENCE name`
        reference: Option<Name>,
        /// `(name value, …)`
        options: Vec<OptionEntry>,
    },
    /// `AS query`
    Query(Box<Query>),
}

/// `DROP …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// What is dropped.
    pub kind: DropKind,
    /// Where it stands.
    pub at: At,
}

/// What a `DROP` drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropKind {
    /// A table; with `CASCADE` (true) or `RESTRICT` (false).
    Table(Name, Option<bool>),
    /// A view.
    View(Name, Option<bool>),
    /// A dataset.
    Dataset(Name, Option<bool>),
    /// A reference.
    Reference(Name, Option<bool>),
    /// One source of a table: `DROP SOURCE 'a.bam' FROM reads`.
    Source {
        /// The source's name.
        source: Text,
        /// Its table.
        table: Name,
    },
}

/// `INSERT INTO t (a, b) query`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// The table to which rows are added.
    pub table: Name,
    /// The columns that the query gives; none is all of them, in their order.
    pub columns: Vec<Ident>,
    /// What gives the rows; also `VALUES …`.
    pub query: Box<Query>,
    /// Where it stands.
    pub at: At,
}

/// `COPY …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// From a table, or a query.
    pub source: CopySource,
    /// Into the table, or out of it.
    pub target: CopyTarget,
    /// `(FORMAT bam, …)`
    pub options: Vec<OptionEntry>,
    /// Where it stands.
    pub at: At,
}

/// The left side of a `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    /// A table.
    Table(Name),
    /// A query.
    Query(Box<Query>),
}

/// The right side of a `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTarget {
    /// `FROM 'a', 'b'`: load these files into the table.
    From(Vec<Text>),
    /// `TO 'a'`: write there.
    To(Text),
}

/// `name value` of an option list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionEntry {
    /// Its name, dots included.
    pub name: Name,
    /// Its value; an option without one is switched on.
    pub value: Option<OptionValue>,
    /// Where it stands.
    pub at: At,
}

/// The value of an option or a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionValue {
    /// The value.
    pub kind: OptionValueKind,
    /// Where it stands.
    pub at: At,
}

/// The forms of an option's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValueKind {
    /// `'text'`
    String(String),
    /// `12`, `-0.5`, as written.
    Number(String),
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// A bare word: `BAM`, `coordinate`.
    Word(Name),
    /// `('a', 'b')`
    List(Vec<OptionValue>),
}

impl OptionValue {
    /// The value as a plain string: of a string its text, of a word the word as written.
    pub fn as_text(&self) -> Option<String> {
        match &self.kind {
            OptionValueKind::String(text) | OptionValueKind::Number(text) => Some(text.clone()),
            OptionValueKind::Boolean(value) => Some(value.to_string()),
            OptionValueKind::Word(name) => {
                Some(name.parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."))
            }
            OptionValueKind::List(_) => None,
        }
    }
}

/// `SHOW …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// What is shown.
    pub what: ShowWhat,
    /// Where it stands.
    pub at: At,
}

/// What a `SHOW` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShowWhat {
    /// Things of the catalog.
    Objects {
        /// Which.
        object: ShowObject,
        /// `FROM t`
        from: Option<Name>,
        /// `LIKE 'pattern'`
        like: Option<String>,
    },
    /// `SHOW ALL`; with `VERBOSE`.
    AllSettings(bool),
    /// `SHOW name`; with `VERBOSE`.
    Setting(Setting, bool),
}

/// The kinds of thing that `SHOW` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowObject {
    /// `SHOW TABLES`
    Tables,
    /// `SHOW SOURCES`
    Sources,
    /// `SHOW SAMPLES`
    Samples,
    /// `SHOW CONTIGS`
    Contigs,
    /// `SHOW HEADER`
    Header,
    /// `SHOW COLUMNS`
    Columns,
    /// `SHOW FUNCTIONS`
    Functions,
    /// `SHOW DATASETS`
    Datasets,
    /// `SHOW QUERIES`
    Queries,
    /// `SHOW REFERENCES`
    References,
}

/// `DESCRIBE …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// What is described.
    pub target: DescribeTarget,
    /// Where it stands.
    pub at: At,
}

/// What a `DESCRIBE` describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescribeTarget {
    /// A table.
    Table(Name),
    /// The columns of a query.
    Query(Box<Query>),
}

/// `EXPLAIN …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// `ANALYZE`
    pub analyze: bool,
    /// `VERBOSE`
    pub verbose: bool,
    /// `FORMAT x`
    pub format: Option<OptionValue>,
    /// Other options of `EXPLAIN (…)`.
    pub options: Vec<OptionEntry>,
    /// What is explained.
    pub statement: Box<Statement>,
    /// Where it stands.
    pub at: At,
}

/// The name of a setting: `gql.coordinates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The parts, joined by dots, in lower case; `TIME ZONE` is `datafusion.execution.time_zone`.
    pub name: String,
    /// Where it stands.
    pub at: At,
}

/// `SET name = value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetVariable {
    /// What is set.
    pub setting: Setting,
    /// To what; at least one.
    pub values: Vec<OptionValue>,
    /// Where it stands.
    pub at: At,
}

/// `RESET name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Which; none is all.
    pub setting: Option<Setting>,
    /// Where it stands.
    pub at: At,
}

/// `KILL QUERY 'id'`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The query's id.
    pub query_id: Text,
    /// Where it stands.
    pub at: At,
}
