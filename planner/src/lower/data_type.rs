//! Data types.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{DataType, DataTypeKind, StructStyle, TimeZone};

use super::{Lower, LowerError, Result};

impl Lower<'_> {
    pub(super) fn data_type(&self, data_type: &DataType) -> Result<sql::DataType> {
        let span = data_type.at.0;
        Ok(match &data_type.kind {
            DataTypeKind::Named { name, arguments, time_zone } => named(name, arguments, *time_zone, span)?,
            DataTypeKind::Bracketed(inner, size) => sql::DataType::Array(
                sql::ArrayElemTypeDef::SquareBracket(Box::new(self.data_type(inner)?), *size),
            ),
            DataTypeKind::Array(None, _) => sql::DataType::Array(sql::ArrayElemTypeDef::None),
            DataTypeKind::Array(Some(inner), style) => {
                let inner = Box::new(self.data_type(inner)?);
                sql::DataType::Array(match style {
                    StructStyle::Angle => sql::ArrayElemTypeDef::AngleBracket(inner),
                    StructStyle::Parenthesis => sql::ArrayElemTypeDef::Parenthesis(inner),
                })
            }
            DataTypeKind::Struct(fields, style) => {
                let fields = fields.iter().map(|field| {
                    Ok(sql::StructField {
                        field_name: field.name.as_ref().map(|name| self.ident(name)),
                        field_type: self.data_type(&field.data_type)?,
                        options: None,
                    })
                });
                let style = match style {
                    StructStyle::Angle => sql::StructBracketKind::AngleBrackets,
                    StructStyle::Parenthesis => sql::StructBracketKind::Parentheses,
                };
                sql::DataType::Struct(fields.collect::<Result<_>>()?, style)
            }
            DataTypeKind::Map(key, value) => {
                sql::DataType::Map(Box::new(self.data_type(key)?), Box::new(self.data_type(value)?))
            }
        })
    }
}

/// A type by its name, with what stood in parentheses.
fn named(name: &str, arguments: &[String], time_zone: Option<TimeZone>, span: Span) -> Result<sql::DataType> {
    use sql::DataType as Type;
    let zone = match time_zone {
        None => sql::TimezoneInfo::None,
        Some(TimeZone::With) => sql::TimezoneInfo::WithTimeZone,
        Some(TimeZone::Without) => sql::TimezoneInfo::WithoutTimeZone,
    };
    let number = || arguments.first().map(|text| whole(text, span)).transpose();
    let length = || Ok(number()?.map(|length| sql::CharacterLength::IntegerLength { length, unit: None }));
    let exact = || exact(arguments, span);
    Ok(match name {
        "BOOLEAN" => Type::Boolean,
        "BOOL" => Type::Bool,
        "TINYINT" | "TINYINT SIGNED" => Type::TinyInt(number()?),
        "TINYINT UNSIGNED" => Type::TinyIntUnsigned(number()?),
        "SMALLINT" | "SMALLINT SIGNED" => Type::SmallInt(number()?),
        "SMALLINT UNSIGNED" => Type::SmallIntUnsigned(number()?),
        "INT" | "INT SIGNED" => Type::Int(number()?),
        "INT UNSIGNED" => Type::IntUnsigned(number()?),
        "INTEGER" | "INTEGER SIGNED" => Type::Integer(number()?),
        "INTEGER UNSIGNED" => Type::IntegerUnsigned(number()?),
        "BIGINT" | "BIGINT SIGNED" => Type::BigInt(number()?),
        "BIGINT UNSIGNED" => Type::BigIntUnsigned(number()?),
        "INT2" => Type::Int2(number()?),
        "INT2 UNSIGNED" => Type::Int2Unsigned(number()?),
        "INT4" => Type::Int4(number()?),
        "INT4 UNSIGNED" => Type::Int4Unsigned(number()?),
        "INT8" => Type::Int8(number()?),
        "INT8 UNSIGNED" => Type::Int8Unsigned(number()?),
        "FLOAT" => Type::Float(exact()?),
        "FLOAT UNSIGNED" => Type::FloatUnsigned(exact()?),
        "FLOAT4" => Type::Float4,
        "FLOAT8" => Type::Float8,
        "REAL" => Type::Real,
        "REAL UNSIGNED" => Type::RealUnsigned,
        "DOUBLE" => Type::Double(exact()?),
        "DOUBLE UNSIGNED" => Type::DoubleUnsigned(exact()?),
        "DOUBLE PRECISION" => Type::DoublePrecision,
        "DOUBLE PRECISION UNSIGNED" => Type::DoublePrecisionUnsigned,
        "DECIMAL" => Type::Decimal(exact()?),
        "NUMERIC" => Type::Numeric(exact()?),
        "DEC" => Type::Dec(exact()?),
        "CHAR" => Type::Char(length()?),
        "CHARACTER" => Type::Character(length()?),
        "CHAR VARYING" => Type::CharVarying(length()?),
        "CHARACTER VARYING" => Type::CharacterVarying(length()?),
        "VARCHAR" => Type::Varchar(length()?),
        "NVARCHAR" => Type::Nvarchar(length()?),
        "TEXT" => Type::Text,
        "STRING" => Type::String(number()?),
        "BYTEA" => Type::Bytea,
        "BINARY" => Type::Binary(number()?),
        "VARBINARY" => Type::Varbinary(number()?.map(|length| sql::BinaryLength::IntegerLength { length })),
        "BLOB" => Type::Blob(number()?),
        "UUID" => Type::Uuid,
        "JSON" => Type::JSON,
        "DATE" => Type::Date,
        "DATETIME" => Type::Datetime(number()?),
        "TIME" => Type::Time(number()?, zone),
        "TIMETZ" => Type::Time(number()?, sql::TimezoneInfo::Tz),
        "TIMESTAMP" => Type::Timestamp(number()?, zone),
        "TIMESTAMPTZ" => Type::Timestamp(number()?, sql::TimezoneInfo::Tz),
        "INTERVAL" => Type::Interval { fields: None, precision: number()? },
        "REGCLASS" => Type::Regclass,
        _ => return Err(LowerError::UnknownDataType { name: name.to_owned(), span }),
    })
}

fn whole(text: &str, span: Span) -> Result<u64> {
    text.parse().map_err(|_| LowerError::NotANumber { text: text.to_owned(), span })
}

fn exact(arguments: &[String], span: Span) -> Result<sql::ExactNumberInfo> {
    Ok(match arguments {
        [] => sql::ExactNumberInfo::None,
        [precision] => sql::ExactNumberInfo::Precision(whole(precision, span)?),
        [precision, scale, ..] => {
            let scale = scale.parse().map_err(|_| LowerError::NotANumber { text: scale.clone(), span })?;
            sql::ExactNumberInfo::PrecisionAndScale(whole(precision, span)?, scale)
        }
    })
}
