//! Statements other than queries.

use super::{Build, Result, has};
use crate::ast::{
    Copy, CopySource, CopyTarget, Create, CreateKind, Describe, DescribeTarget, Drop, DropKind, Explain,
    Insert, Kill, OptionEntry, OptionValue, OptionValueKind, Reset, SetVariable, Setting, Show, ShowObject,
    ShowWhat, Statement, TableDefinition, Text,
};
use crate::parser::{Node, Rule};

impl Build<'_> {
    /// Any statement.
    pub(super) fn statement(&self, node: Node<'_>) -> Result<Statement> {
        match node.as_rule() {
            Rule::query => Ok(Statement::Query(Box::new(self.query(node)?))),
            Rule::create => Ok(Statement::Create(self.create(node)?)),
            Rule::drop => Ok(Statement::Drop(self.drop(node)?)),
            Rule::insert => Ok(Statement::Insert(self.insert(node)?)),
            Rule::copy => Ok(Statement::Copy(self.copy(node)?)),
            Rule::show => Ok(Statement::Show(self.show(node)?)),
            Rule::describe => Ok(Statement::Describe(self.describe(node)?)),
            Rule::explain => Ok(Statement::Explain(self.explain(node)?)),
            Rule::set => Ok(Statement::Set(self.set(node)?)),
            Rule::reset => {
                let at = self.at(&node);
                let setting = node.into_inner().find(|kid| kid.as_rule() == Rule::setting_name);
                Ok(Statement::Reset(Reset { setting: setting.map(|kid| self.setting(kid)), at }))
            }
            Rule::kill => {
                let at = self.at(&node);
                let id = node.clone().into_inner().find(|kid| !kid.as_rule().is_keyword());
                match id {
                    Some(id) => Ok(Statement::Kill(Kill { query_id: self.text_or_word(&id)?, at })),
                    None => self.confused(&node),
                }
            }
            _ => self.confused(&node),
        }
    }

    fn text_or_word(&self, node: &Node<'_>) -> Result<Text> {
        match node.as_rule() {
            Rule::word | Rule::quoted => {
                let ident = self.ident(node);
                Ok(Text { value: ident.value, at: ident.at })
            }
            _ => self.text(node),
        }
    }

    fn create(&self, node: Node<'_>) -> Result<Create> {
        let at = self.at(&node);
        let or_replace = has(&node.clone().into_inner(), Rule::or_replace);
        let Some(what) = node.clone().into_inner().find(|kid| {
            matches!(
                kid.as_rule(),
                Rule::create_table | Rule::create_view | Rule::create_dataset | Rule::create_reference
            )
        }) else {
            return self.confused(&node);
        };
        let kids = what.clone().into_inner();
        let Some(name) = kids.clone().find(|kid| kid.as_rule() == Rule::name) else {
            return self.confused(&what);
        };
        let kind = match what.as_rule() {
            Rule::create_table => CreateKind::Table(self.table_definition(what)?),
            Rule::create_view => {
                let columns = kids.clone().find(|kid| kid.as_rule() == Rule::column_list);
                let columns = columns.map(|kid| self.idents(kid)).unwrap_or_default();
                match kids.clone().find(|kid| kid.as_rule() == Rule::query) {
                    Some(query) => CreateKind::View(columns, Box::new(self.query(query)?)),
                    None => return self.confused(&what),
                }
            }
            Rule::create_dataset => CreateKind::Dataset,
            _ => {
                let text = kids.clone().find(|kid| is_text(kid.as_rule()));
                let Some(text) = text else { return self.confused(&what) };
                CreateKind::Reference(self.text(&text)?, self.options_of(&what)?)
            }
        };
        Ok(Create {
            or_replace,
            if_not_exists: has(&kids, Rule::if_not_exists),
            temporary: has(&kids, Rule::temporary),
            name: self.name(name),
            kind,
            at,
        })
    }

    fn table_definition(&self, node: Node<'_>) -> Result<TableDefinition> {
        let kids = node.clone().into_inner();
        if let Some(query) = kids.clone().find(|kid| kid.as_rule() == Rule::query) {
            return Ok(TableDefinition::Query(Box::new(self.query(query)?)));
        }
        let reference = kids.clone().find(|kid| kid.as_rule() == Rule::references);
        let reference = reference.and_then(|kid| kid.into_inner().find(|kid| kid.as_rule() == Rule::name));
        Ok(TableDefinition::Kind {
            kind: self.first_ident(&node)?,
            reference: reference.map(|kid| self.name(kid)),
            options: self.options_of(&node)?,
        })
    }

    fn drop(&self, node: Node<'_>) -> Result<Drop> {
        let at = self.at(&node);
        let Some(what) = node.clone().into_inner().find(|kid| !kid.as_rule().is_keyword()) else {
            return self.confused(&node);
        };
        let kids = what.clone().into_inner();
        let if_exists = has(&kids, Rule::if_exists);
        let Some(name) = kids.clone().find(|kid| kid.as_rule() == Rule::name) else {
            return self.confused(&what);
        };
        let name = self.name(name);
        if what.as_rule() == Rule::drop_source {
            let source = kids.clone().find(|kid| is_text(kid.as_rule()) || is_name(kid.as_rule()));
            let Some(source) = source else { return self.confused(&what) };
            let kind = DropKind::Source { source: self.text_or_word(&source)?, table: name };
            return Ok(Drop { if_exists, kind, at });
        }
        let cascade = if has(&kids, Rule::kw_cascade) {
            Some(true)
        } else {
            has(&kids, Rule::kw_restrict).then_some(false)
        };
        let kind = if has(&kids, Rule::kw_table) {
            DropKind::Table(name, cascade)
        } else if has(&kids, Rule::kw_view) {
            DropKind::View(name, cascade)
        } else if has(&kids, Rule::kw_dataset) {
            DropKind::Dataset(name, cascade)
        } else {
            DropKind::Reference(name, cascade)
        };
        Ok(Drop { if_exists, kind, at })
    }

    fn insert(&self, node: Node<'_>) -> Result<Insert> {
        let at = self.at(&node);
        let (mut table, mut columns, mut query) = (None, Vec::new(), None);
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::name => table = Some(self.name(kid)),
                Rule::column_list => columns = self.idents(kid),
                Rule::query => query = Some(Box::new(self.query(kid)?)),
                _ => {}
            }
        }
        match (table, query) {
            (Some(table), Some(query)) => Ok(Insert { table, columns, query, at }),
            _ => self.confused(&node),
        }
    }

    fn copy(&self, node: Node<'_>) -> Result<Copy> {
        let at = self.at(&node);
        let (mut source, mut target, mut options) = (None, None, Vec::new());
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::name => source = Some(CopySource::Table(self.name(kid))),
                Rule::paren_query => match kid.clone().into_inner().next() {
                    Some(query) => source = Some(CopySource::Query(Box::new(self.query(query)?))),
                    None => return self.confused(&kid),
                },
                Rule::copy_from | Rule::copy_to => {
                    options = self.options_of(&kid)?;
                    let from = kid.as_rule() == Rule::copy_from;
                    let texts = kid.into_inner().filter(|kid| is_text(kid.as_rule()));
                    let mut texts = texts.map(|kid| self.text(&kid)).collect::<Result<Vec<Text>>>()?;
                    target =
                        if from { Some(CopyTarget::From(texts)) } else { texts.pop().map(CopyTarget::To) };
                }
                _ => {}
            }
        }
        match (source, target) {
            (Some(source), Some(target)) => Ok(Copy { source, target, options, at }),
            _ => self.confused(&node),
        }
    }

    /// The options in parentheses of a statement; none is an empty list.
    fn options_of(&self, node: &Node<'_>) -> Result<Vec<OptionEntry>> {
        match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::options) {
            Some(options) => options.into_inner().map(|kid| self.option(kid)).collect(),
            None => Ok(Vec::new()),
        }
    }

    fn option(&self, node: Node<'_>) -> Result<OptionEntry> {
        let at = self.at(&node);
        let (mut name, mut value) = (None, None);
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::option_name => name = Some(self.name(kid)),
                _ => value = Some(self.option_value(kid)?),
            }
        }
        match name {
            Some(name) => Ok(OptionEntry { name, value, at }),
            None => self.confused(&node),
        }
    }

    fn option_value(&self, node: Node<'_>) -> Result<OptionValue> {
        let at = self.at(&node);
        let Some(kid) = node.clone().into_inner().next() else { return self.confused(&node) };
        let kind = match kid.as_rule() {
            Rule::signed_number => OptionValueKind::Number(kid.as_str().to_owned()),
            Rule::boolean => OptionValueKind::Boolean(kid.as_str().eq_ignore_ascii_case("true")),
            Rule::option_list => {
                let list = kid.into_inner().map(|kid| self.option_value(kid));
                OptionValueKind::List(self.nest(at.0, || list.collect::<Result<_>>())?)
            }
            rule if is_name(rule) => OptionValueKind::Word(self.name(node)),
            _ => OptionValueKind::String(self.text(&kid)?.value),
        };
        Ok(OptionValue { kind, at })
    }

    fn show(&self, node: Node<'_>) -> Result<Show> {
        let at = self.at(&node);
        let Some(kid) = node.clone().into_inner().find(|kid| !kid.as_rule().is_keyword()) else {
            return self.confused(&node);
        };
        let words = kid.clone().into_inner();
        let verbose = has(&words, Rule::kw_verbose);
        let what = if kid.as_rule() == Rule::show_object {
            let Some(object) = words.clone().next().and_then(|what| what.into_inner().next()) else {
                return self.confused(&kid);
            };
            let Some(object) = show_object(object.as_rule()) else { return self.confused(&object) };
            let from = words.clone().find(|kid| kid.as_rule() == Rule::name).map(|kid| self.name(kid));
            let like = words.clone().find(|kid| kid.as_rule() == Rule::string);
            let like = like.map(|kid| self.text(&kid)).transpose()?.map(|text| text.value);
            ShowWhat::Objects { object, from, like }
        } else {
            match words.clone().find(|kid| kid.as_rule() == Rule::setting_name) {
                Some(name) => ShowWhat::Setting(self.setting(name), verbose),
                None => ShowWhat::AllSettings(verbose),
            }
        };
        Ok(Show { what, at })
    }

    fn describe(&self, node: Node<'_>) -> Result<Describe> {
        let at = self.at(&node);
        for kid in node.clone().into_inner() {
            let target = match kid.as_rule() {
                Rule::name => DescribeTarget::Table(self.name(kid)),
                Rule::query => DescribeTarget::Query(Box::new(self.query(kid)?)),
                _ => continue,
            };
            return Ok(Describe { target, at });
        }
        self.confused(&node)
    }

    fn explain(&self, node: Node<'_>) -> Result<Explain> {
        let at = self.at(&node);
        let (mut analyze, mut verbose, mut format, mut options, mut statement) =
            (false, false, None, Vec::new(), None);
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::kw_explain => {}
                Rule::kw_analyze => analyze = true,
                Rule::kw_verbose => verbose = true,
                Rule::explain_format => {
                    let value = kid.into_inner().find(|kid| kid.as_rule() == Rule::option_value);
                    format = value.map(|kid| self.option_value(kid)).transpose()?;
                }
                Rule::explain_options => {
                    for option in self.options_of(&kid)? {
                        let switched_on = !matches!(
                            option
                                .value
                                .as_ref()
                                .and_then(OptionValue::as_text)
                                .map(|text| text.to_lowercase())
                                .as_deref(),
                            Some("false" | "off" | "0")
                        );
                        match option.name.folded().join(".").as_str() {
                            "analyze" => analyze = switched_on,
                            "verbose" => verbose = switched_on,
                            "format" if option.value.is_some() => format = option.value,
                            _ => options.push(option),
                        }
                    }
                }
                _ => statement = Some(Box::new(self.statement(kid)?)),
            }
        }
        match statement {
            Some(statement) => Ok(Explain { analyze, verbose, format, options, statement, at }),
            None => self.confused(&node),
        }
    }

    fn set(&self, node: Node<'_>) -> Result<SetVariable> {
        let at = self.at(&node);
        let (mut setting, mut values) = (None, Vec::new());
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::setting_name => setting = Some(self.setting(kid)),
                Rule::time_zone_name => {
                    let name = "datafusion.execution.time_zone".to_owned();
                    setting = Some(Setting { name, at: self.at(&kid) });
                }
                Rule::option_value => values.push(self.option_value(kid)?),
                _ => {}
            }
        }
        match setting {
            Some(setting) => Ok(SetVariable { setting, values, at }),
            None => self.confused(&node),
        }
    }

    fn setting(&self, node: Node<'_>) -> Setting {
        let at = self.at(&node);
        Setting { name: self.name(node).folded().join("."), at }
    }
}

fn is_text(rule: Rule) -> bool {
    matches!(rule, Rule::string | Rule::escape_string | Rule::dollar_string | Rule::unicode_string)
}

fn is_name(rule: Rule) -> bool {
    matches!(rule, Rule::word | Rule::quoted)
}

fn show_object(rule: Rule) -> Option<ShowObject> {
    Some(match rule {
        Rule::kw_tables => ShowObject::Tables,
        Rule::kw_sources => ShowObject::Sources,
        Rule::kw_samples => ShowObject::Samples,
        Rule::kw_contigs => ShowObject::Contigs,
        Rule::kw_header => ShowObject::Header,
        Rule::kw_columns => ShowObject::Columns,
        Rule::kw_functions => ShowObject::Functions,
        Rule::kw_datasets => ShowObject::Datasets,
        Rule::kw_queries => ShowObject::Queries,
        Rule::kw_references => ShowObject::References,
        _ => return None,
    })
}
