//! Data types.

use super::{Build, Result};
use crate::ast::{DataType, DataTypeKind, StructField, StructStyle, TimeZone};
use crate::parser::{Node, Rule};
use crate::span::At;

impl Build<'_> {
    /// The rule `data_type`.
    pub(super) fn data_type(&self, node: Node<'_>) -> Result<DataType> {
        let span = self.span(&node);
        self.nest(span, || {
            let mut kids = node.into_inner();
            let Some(base) = kids.next() else { return Err(self.missing(span, "a data type")) };
            let mut data_type = self.type_base(base)?;
            for bound in kids {
                let at = At(data_type.at.0.to(self.span(&bound)));
                let size = match bound.clone().into_inner().next() {
                    Some(number) => match number.as_str().parse() {
                        Ok(size) => Some(size),
                        Err(_) => {
                            return self.invalid(self.span(&number), "an array's size is a whole number");
                        }
                    },
                    None => None,
                };
                self.grow(at.0)?;
                data_type = DataType { kind: DataTypeKind::Bracketed(Box::new(data_type), size), at };
            }
            Ok(data_type)
        })
    }

    fn type_base(&self, node: Node<'_>) -> Result<DataType> {
        let at = self.at(&node);
        let style = if node.as_str().ends_with('>') { StructStyle::Angle } else { StructStyle::Parenthesis };
        let kind = match node.as_rule() {
            Rule::array_type => {
                let inner = node.into_inner().find(|kid| kid.as_rule() == Rule::data_type);
                DataTypeKind::Array(inner.map(|kid| self.data_type(kid)).transpose()?.map(Box::new), style)
            }
            Rule::struct_type => {
                let fields = node.into_inner().filter(|kid| kid.as_rule() == Rule::struct_type_field);
                DataTypeKind::Struct(fields.map(|kid| self.struct_field(kid)).collect::<Result<_>>()?, style)
            }
            Rule::map_type => {
                let mut kids = node.clone().into_inner().filter(|kid| kid.as_rule() == Rule::data_type);
                match (kids.next(), kids.next()) {
                    (Some(key), Some(value)) => {
                        DataTypeKind::Map(Box::new(self.data_type(key)?), Box::new(self.data_type(value)?))
                    }
                    _ => return self.confused(&node),
                }
            }
            _ => return self.named_type(node),
        };
        Ok(DataType { kind, at })
    }

    fn struct_field(&self, node: Node<'_>) -> Result<StructField> {
        let name = self.idents(node.clone()).pop();
        match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::data_type) {
            Some(kid) => Ok(StructField { name, data_type: self.data_type(kid)? }),
            None => self.confused(&node),
        }
    }

    /// `type_named`, `type_with_zone`, `simple_type_head`.
    pub(super) fn named_type(&self, node: Node<'_>) -> Result<DataType> {
        let at = self.at(&node);
        let mut words: Vec<String> = Vec::new();
        let mut arguments = Vec::new();
        let mut time_zone = None;
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::type_with_zone => return self.named_type(kid),
                Rule::literal_type | Rule::zoned_type => words.push(kid.as_str().to_uppercase()),
                Rule::type_word => words.extend(kid.as_str().split_whitespace().map(str::to_uppercase)),
                Rule::type_args => arguments = type_arguments(kid),
                Rule::time_zone => {
                    let with = super::has(&kid.into_inner(), Rule::kw_with);
                    time_zone = Some(if with { TimeZone::With } else { TimeZone::Without });
                }
                rule if rule.is_keyword() => words.push(kid.as_str().to_uppercase()),
                _ => return self.confused(&kid),
            }
        }
        Ok(DataType { kind: DataTypeKind::Named { name: words.join(" "), arguments, time_zone }, at })
    }
}

/// The arguments as written, a sign joined to its number.
fn type_arguments(node: Node<'_>) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut sign = "";
    for kid in node.into_inner() {
        if kid.as_rule() == Rule::interval_sign {
            sign = kid.as_str();
        } else {
            arguments.push(format!("{sign}{}", kid.as_str()));
            sign = "";
        }
    }
    arguments
}
