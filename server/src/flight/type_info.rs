//! The types of columns, as ODBC and JDBC describe them.

use arrow_flight::{
    error::FlightError,
    sql::{
        Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
        metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
    },
};

/// The name in GQL, the type in XDBC, the digits or characters that a value has, and for numbers whether they
/// lack a sign.
type Row = (&'static str, XdbcDataType, Option<i32>, Option<bool>);

const TYPES: [Row; 17] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), None),
    ("TINYINT", XdbcDataType::XdbcTinyint, Some(3), Some(false)),
    ("TINYINT UNSIGNED", XdbcDataType::XdbcTinyint, Some(3), Some(true)),
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(5), Some(false)),
    ("SMALLINT UNSIGNED", XdbcDataType::XdbcSmallint, Some(5), Some(true)),
    ("INTEGER", XdbcDataType::XdbcInteger, Some(10), Some(false)),
    ("INTEGER UNSIGNED", XdbcDataType::XdbcInteger, Some(10), Some(true)),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(19), Some(false)),
    ("BIGINT UNSIGNED", XdbcDataType::XdbcBigint, Some(20), Some(true)),
    ("REAL", XdbcDataType::XdbcReal, Some(7), Some(false)),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(15), Some(false)),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(38), Some(false)),
    ("VARCHAR", XdbcDataType::XdbcVarchar, Some(i32::MAX), None),
    ("BYTEA", XdbcDataType::XdbcVarbinary, Some(i32::MAX), None),
    ("DATE", XdbcDataType::XdbcDate, Some(10), None),
    ("TIME", XdbcDataType::XdbcTime, Some(18), None),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(29), None),
];

/// Every type.
pub(super) fn all() -> Result<XdbcTypeInfoData, FlightError> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    TYPES.into_iter().for_each(|row| builder.append(describe(row)));
    builder.build()
}

fn describe((name, data_type, column_size, unsigned): Row) -> XdbcTypeInfo {
    let is_text = data_type == XdbcDataType::XdbcVarchar;
    let is_binary = data_type == XdbcDataType::XdbcVarbinary;
    let is_decimal = data_type == XdbcDataType::XdbcDecimal;
    let datetime_subcode = match data_type {
        // The numbers of dates, times and timestamps are those of ODBC; the names of the enumeration are not.
        XdbcDataType::XdbcDate => Some(XdbcDatetimeSubcode::XdbcSubcodeYear),
        XdbcDataType::XdbcTime => Some(XdbcDatetimeSubcode::XdbcSubcodeTime),
        XdbcDataType::XdbcTimestamp => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
        _ => None,
    };
    let is_time = datetime_subcode.is_some();
    let is_quoted = is_text || is_time;
    let prefix = match data_type {
        XdbcDataType::XdbcDate => "DATE '",
        XdbcDataType::XdbcTime => "TIME '",
        XdbcDataType::XdbcTimestamp => "TIMESTAMP '",
        XdbcDataType::XdbcVarbinary => "X'",
        _ => "'",
    };
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        column_size,
        literal_prefix: (is_quoted || is_binary).then(|| prefix.to_owned()),
        literal_suffix: (is_quoted || is_binary).then(|| "'".to_owned()),
        create_params: is_decimal.then(|| vec!["precision".to_owned(), "scale".to_owned()]),
        nullable: Nullable::NullabilityNullable,
        case_sensitive: is_text,
        searchable: if is_text { Searchable::Full } else { Searchable::Basic },
        unsigned_attribute: unsigned,
        fixed_prec_scale: false,
        auto_increment: unsigned.map(|_| false),
        local_type_name: Some(name.to_owned()),
        minimum_scale: is_decimal.then_some(0),
        maximum_scale: is_decimal.then_some(38),
        sql_data_type: if is_time { XdbcDataType::XdbcDatetime } else { data_type },
        datetime_subcode,
        num_prec_radix: unsigned.map(|_| 10),
        interval_precision: None,
    }
}
