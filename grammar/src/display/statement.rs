//! The text of statements.

use std::fmt::{self, Display, Formatter};

use super::{Quoted, list, parenthesised};
use crate::ast::{
    Copy, CopySource, CopyTarget, Create, CreateKind, Describe, DescribeTarget, Drop, DropKind, Explain,
    Insert, Kill, Name, OptionEntry, OptionValue, OptionValueKind, Reset, SetVariable, Setting, Show,
    ShowObject, ShowWhat, Statement, TableDefinition, Text,
};

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Query(query) => query.fmt(f),
            Statement::Create(create) => create.fmt(f),
            Statement::Drop(drop) => drop.fmt(f),
            Statement::Insert(insert) => insert.fmt(f),
            Statement::Copy(copy) => copy.fmt(f),
            Statement::Show(show) => show.fmt(f),
            Statement::Describe(describe) => describe.fmt(f),
            Statement::Explain(explain) => explain.fmt(f),
            Statement::Set(set) => set.fmt(f),
            Statement::Reset(reset) => reset.fmt(f),
            Statement::Kill(kill) => kill.fmt(f),
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Quoted(&self.value, '\'').fmt(f)
    }
}

/// Options in parentheses, with a blank before; nothing for none.
fn options(f: &mut Formatter<'_>, entries: &[OptionEntry]) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    f.write_str(" ")?;
    parenthesised(f, entries)
}

impl Display for Create {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (or_replace, if_not_exists, temporary) = (
            if self.or_replace { "OR REPLACE " } else { "" },
            if self.if_not_exists { "IF NOT EXISTS " } else { "" },
            if self.temporary { "TEMPORARY " } else { "" },
        );
        let what = match &self.kind {
            CreateKind::Table(_) => "TABLE",
            CreateKind::View(..) => "VIEW",
            CreateKind::Dataset => "DATASET",
            CreateKind::Reference(..) => "REFERENCE",
        };
        write!(f, "CREATE {or_replace}{temporary}{what} {if_not_exists}{}", self.name)?;
        match &self.kind {
            CreateKind::Table(TableDefinition::Query(query)) => write!(f, " AS {query}"),
            CreateKind::Table(TableDefinition::Kind { kind, reference, options: entries }) => {
                write!(f, " TYPE {kind}")?;
                reference.iter().try_for_each(|name| write!(f, " REFERENCE {name}"))?;
                options(f, entries)
            }
            CreateKind::View(columns, query) => {
                if !columns.is_empty() {
                    f.write_str(" ")?;
                    parenthesised(f, columns)?;
                }
                write!(f, " AS {query}")
            }
            CreateKind::Dataset => Ok(()),
            CreateKind::Reference(file, entries) => {
                write!(f, " FROM {file}")?;
                options(f, entries)
            }
        }
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT INTO {} ", self.table)?;
        if !self.columns.is_empty() {
            parenthesised(f, &self.columns)?;
            f.write_str(" ")?;
        }
        self.query.fmt(f)
    }
}

impl Display for Drop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let object = |f: &mut Formatter<'_>, what: &str, name: &Name, cascade: &Option<bool>| {
            let cascade = match cascade {
                Some(true) => " CASCADE",
                Some(false) => " RESTRICT",
                None => "",
            };
            write!(f, "DROP {what} {if_exists}{name}{cascade}")
        };
        match &self.kind {
            DropKind::Table(name, cascade) => object(f, "TABLE", name, cascade),
            DropKind::View(name, cascade) => object(f, "VIEW", name, cascade),
            DropKind::Dataset(name, cascade) => object(f, "DATASET", name, cascade),
            DropKind::Reference(name, cascade) => object(f, "REFERENCE", name, cascade),
            DropKind::Source { source, table } => write!(f, "DROP SOURCE {if_exists}{source} FROM {table}"),
        }
    }
}

impl Display for Copy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.source {
            CopySource::Table(name) => write!(f, "COPY {name}")?,
            CopySource::Query(query) => write!(f, "COPY ({query})")?,
        }
        match &self.target {
            CopyTarget::From(files) => {
                f.write_str(" FROM ")?;
                list(f, files, ", ")?;
            }
            CopyTarget::To(file) => write!(f, " TO {file}")?,
        }
        options(f, &self.options)
    }
}

impl Display for OptionEntry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.value.iter().try_for_each(|value| write!(f, " {value}"))
    }
}

impl Display for OptionValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OptionValueKind::String(text) => Quoted(text, '\'').fmt(f),
            OptionValueKind::Number(text) => f.write_str(text),
            OptionValueKind::Boolean(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            OptionValueKind::Word(name) => name.fmt(f),
            OptionValueKind::List(values) => parenthesised(f, values),
        }
    }
}

impl Display for Show {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verbose = |on: &bool| if *on { " VERBOSE" } else { "" };
        match &self.what {
            ShowWhat::Objects { object, from, like } => {
                write!(f, "SHOW {object}")?;
                from.iter().try_for_each(|name| write!(f, " FROM {name}"))?;
                like.iter().try_for_each(|pattern| write!(f, " LIKE {}", Quoted(pattern, '\'')))
            }
            ShowWhat::AllSettings(on) => write!(f, "SHOW ALL{}", verbose(on)),
            ShowWhat::Setting(setting, on) => write!(f, "SHOW {setting}{}", verbose(on)),
        }
    }
}

impl Display for ShowObject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShowObject::Tables => "TABLES",
            ShowObject::Sources => "SOURCES",
            ShowObject::Samples => "SAMPLES",
            ShowObject::Contigs => "CONTIGS",
            ShowObject::Header => "HEADER",
            ShowObject::Columns => "COLUMNS",
            ShowObject::Functions => "FUNCTIONS",
            ShowObject::Datasets => "DATASETS",
            ShowObject::Queries => "QUERIES",
            ShowObject::References => "REFERENCES",
        })
    }
}

impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let parts: Vec<String> = self
            .name
            .split('.')
            .map(|part| if plain(part) { part.to_owned() } else { Quoted(part, '"').to_string() })
            .collect();
        list(f, &parts, ".")
    }
}

impl Display for Describe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.target {
            DescribeTarget::Table(name) => write!(f, "DESCRIBE {name}"),
            DescribeTarget::Query(query) => write!(f, "DESCRIBE {query}"),
        }
    }
}

impl Display for Explain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("EXPLAIN ")?;
        f.write_str(if self.analyze { "ANALYZE " } else { "" })?;
        f.write_str(if self.verbose { "VERBOSE " } else { "" })?;
        self.format.iter().try_for_each(|format| write!(f, "FORMAT {format} "))?;
        if !self.options.is_empty() {
            parenthesised(f, &self.options)?;
            f.write_str(" ")?;
        }
        self.statement.fmt(f)
    }
}

impl Display for SetVariable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SET {} = ", self.setting)?;
        list(f, &self.values, ", ")
    }
}

impl Display for Reset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.setting {
            Some(setting) => write!(f, "RESET {setting}"),
            None => f.write_str("RESET ALL"),
        }
    }
}

impl Display for Kill {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "KILL QUERY {}", self.query_id)
    }
}
