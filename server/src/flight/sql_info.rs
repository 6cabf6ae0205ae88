//! `GetSqlInfo`: what the server is and what its language can. Every code of the protocol has a value: JDBC
//! reads most of them, and fails on one that is missing.

use std::collections::BTreeMap;

use arrow_flight::{
    error::FlightError,
    sql::{
        SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
        SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType,
        SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert,
        SqlTransactionIsolationLevel, SupportedSqlGrammar,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
    },
};
use genomdb_grammar::{KEYWORDS, Limits};
use genomdb_planner::functions;

/// The version of Arrow's columnar format that results are written in.
const ARROW_FORMAT: &str = "1.5";

/// Functions of numbers.
const NUMERIC: &[&str] = &[
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cot", "degrees", "exp", "floor", "ln", "log",
    "log10", "log2", "pi", "power", "radians", "random", "round", "signum", "sin", "sqrt", "tan", "trunc",
];
/// Functions of texts.
const STRING: &[&str] = &[
    "ascii",
    "btrim",
    "char_length",
    "chr",
    "concat",
    "concat_ws",
    "ends_with",
    "initcap",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "octet_length",
    "regexp_like",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "to_hex",
    "translate",
    "trim",
    "upper",
];
/// Functions of dates and times.
const DATETIME: &[&str] = &[
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "now",
    "to_char",
    "to_date",
    "to_timestamp",
];
/// Functions of anything; behind them come GenomDB's own.
const SYSTEM: &[&str] = &["arrow_typeof", "coalesce", "greatest", "least", "nullif", "nvl", "version"];

/// Everything.
pub(super) fn all() -> Result<SqlInfoData, FlightError> {
    let mut infos = SqlInfoDataBuilder::new();
    server(&mut infos);
    names(&mut infos);
    language(&mut infos);
    limits(&mut infos);
    transactions(&mut infos);
    results(&mut infos);
    infos.build()
}

fn server(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::FlightSqlServerName, "GenomDB");
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    infos.append(SqlInfo::FlightSqlServerArrowVersion, ARROW_FORMAT);
    infos.append(SqlInfo::FlightSqlServerReadOnly, false);
    infos.append(SqlInfo::FlightSqlServerSql, true);
    infos.append(SqlInfo::FlightSqlServerSubstrait, false);
    // A null cannot be told; no version is none.
    infos.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    infos.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    infos.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    infos.append(SqlInfo::FlightSqlServerCancel, true);
    infos.append(SqlInfo::FlightSqlServerBulkIngestion, true);
    infos.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    // Handles do not expire.
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, 0_i32);
    infos.append(SqlInfo::FlightSqlServerTransactionTimeout, 0_i32);
}

fn names(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlDdlCatalog, false);
    infos.append(SqlInfo::SqlDdlSchema, true);
    infos.append(SqlInfo::SqlDdlTable, true);
    infos.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32);
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    // Between quotes every letter counts, which the enumeration has no word for.
    infos.append(
        SqlInfo::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32,
    );
    infos.append(SqlInfo::SqlAllTablesAreSelectable, true);
    infos.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    let own = functions::all().into_iter().map(|function| function.name);
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
    infos.append(SqlInfo::SqlKeywords, texts(KEYWORDS));
    infos.append(SqlInfo::SqlNumericFunctions, texts(NUMERIC));
    infos.append(SqlInfo::SqlStringFunctions, texts(STRING));
    infos.append(
        SqlInfo::SqlSystemFunctions,
        SYSTEM.iter().copied().chain(own).map(str::to_owned).collect::<Vec<_>>(),
    );
    infos.append(SqlInfo::SqlDatetimeFunctions, texts(DATETIME));
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlExtraNameCharacters, "");
    infos.append(SqlInfo::SqlSchemaTerm, "dataset");
    infos.append(SqlInfo::SqlProcedureTerm, "");
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlCatalogAtStart, true);
}

fn language(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlSupportsColumnAliasing, true);
    infos.append(SqlInfo::SqlNullPlusNullIsNull, true);
    infos.append(SqlInfo::SqlSupportsConvert, conversions());
    infos.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    infos.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    infos.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    infos.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    infos.append(
        SqlInfo::SqlSupportedGroupBy,
        mask(&[
            SqlSupportedGroupBy::SqlGroupByUnrelated as i32,
            SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32,
        ]),
    );
    infos.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    infos.append(SqlInfo::SqlSupportsNonNullableColumns, false);
    infos.append(
        SqlInfo::SqlSupportedGrammar,
        mask(&[SupportedSqlGrammar::SqlMinimumGrammar as i32, SupportedSqlGrammar::SqlCoreGrammar as i32]),
    );
    // SQL-92's entry level has UPDATE and DELETE, which GQL has not.
    infos.append(SqlInfo::SqlAnsi92SupportedLevel, 0_i32);
    infos.append(SqlInfo::SqlSupportsIntegrityEnhancementFacility, false);
    infos.append(SqlInfo::SqlOuterJoinsSupportLevel, SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32);
    infos.append(SqlInfo::SqlSchemasSupportedActions, 0_i32);
    infos.append(SqlInfo::SqlCatalogsSupportedActions, 0_i32);
    infos.append(SqlInfo::SqlSupportedPositionedCommands, 0_i32);
    infos.append(SqlInfo::SqlSelectForUpdateSupported, false);
    infos.append(SqlInfo::SqlStoredProceduresSupported, false);
    infos.append(
        SqlInfo::SqlSupportedSubqueries,
        mask(&[
            SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
            SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
            SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
        ]),
    );
    infos.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    infos.append(
        SqlInfo::SqlSupportedUnions,
        mask(&[SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32]),
    );
    infos.append(SqlInfo::SqlNamedParametersSupported, false);
    infos.append(SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported, false);
}

/// 0 is no limit, or one that is not known.
fn limits(infos: &mut SqlInfoDataBuilder) {
    for unlimited in [
        SqlInfo::SqlMaxBinaryLiteralLength,
        SqlInfo::SqlMaxCharLiteralLength,
        SqlInfo::SqlMaxColumnNameLength,
        SqlInfo::SqlMaxColumnsInGroupBy,
        SqlInfo::SqlMaxColumnsInIndex,
        SqlInfo::SqlMaxColumnsInOrderBy,
        SqlInfo::SqlMaxColumnsInSelect,
        SqlInfo::SqlMaxColumnsInTable,
        SqlInfo::SqlMaxConnections,
        SqlInfo::SqlMaxCursorNameLength,
        SqlInfo::SqlMaxIndexLength,
        SqlInfo::SqlDbSchemaNameLength,
        SqlInfo::SqlMaxProcedureNameLength,
        SqlInfo::SqlMaxCatalogNameLength,
        SqlInfo::SqlMaxRowSize,
        SqlInfo::SqlMaxStatements,
        SqlInfo::SqlMaxTableNameLength,
        SqlInfo::SqlMaxTablesInSelect,
        SqlInfo::SqlMaxUsernameLength,
    ] {
        infos.append(unlimited, 0_i64);
    }
    infos.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
    let bytes = i64::try_from(Limits::default().text_bytes_max).unwrap_or(i64::MAX);
    infos.append(SqlInfo::SqlMaxStatementLength, bytes);
}

fn transactions(infos: &mut SqlInfoDataBuilder) {
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i32;
    infos.append(SqlInfo::SqlDefaultTransactionIsolation, none);
    infos.append(SqlInfo::SqlTransactionsSupported, false);
    infos.append(SqlInfo::SqlSupportedTransactionsIsolationLevels, mask(&[none]));
    infos.append(SqlInfo::SqlDataDefinitionCausesTransactionCommit, false);
    infos.append(SqlInfo::SqlDataDefinitionsInTransactionsIgnored, false);
    infos.append(SqlInfo::SqlBatchUpdatesSupported, false);
    infos.append(SqlInfo::SqlSavepointsSupported, false);
    infos.append(SqlInfo::SqlLocatorsUpdateCopy, false);
}

fn results(infos: &mut SqlInfoDataBuilder) {
    let forward = mask(&[SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32]);
    let read_only = mask(&[SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32]);
    infos.append(SqlInfo::SqlSupportedResultSetTypes, forward);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified, read_only);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, read_only);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0_i32);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0_i32);
}

/// The bits of an enumeration's values.
fn mask(bits: &[i32]) -> i32 {
    bits.iter().fold(0, |mask, bit| mask | 1 << bit)
}

/// Which types CAST turns into which.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert as Type;
    let numbers = [
        Type::SqlConvertBigint,
        Type::SqlConvertBit,
        Type::SqlConvertDecimal,
        Type::SqlConvertFloat,
        Type::SqlConvertInteger,
        Type::SqlConvertNumeric,
        Type::SqlConvertReal,
        Type::SqlConvertSmallint,
        Type::SqlConvertTinyint,
    ];
    let texts = [Type::SqlConvertChar, Type::SqlConvertVarchar];
    let times = [Type::SqlConvertDate, Type::SqlConvertTime, Type::SqlConvertTimestamp];
    let list = |types: &[&[Type]]| types.concat().into_iter().map(|to| to as i32).collect::<Vec<_>>();
    let mut conversions = BTreeMap::new();
    conversions.extend(numbers.map(|from| (from as i32, list(&[&numbers, &texts]))));
    conversions.extend(texts.map(|from| {
        (from as i32, list(&[&numbers, &texts, &times, &[Type::SqlConvertBinary, Type::SqlConvertVarbinary]]))
    }));
    let date = [Type::SqlConvertDate, Type::SqlConvertTimestamp];
    conversions.insert(Type::SqlConvertDate as i32, list(&[&date, &texts]));
    conversions.insert(Type::SqlConvertTime as i32, list(&[&[Type::SqlConvertTime], &texts]));
    conversions.insert(Type::SqlConvertTimestamp as i32, list(&[&times, &texts]));
    conversions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_lacks_a_value() {
        let infos = all().unwrap();
        // The codes of the protocol: 0 to 11, 100 and 101, 500 to 576.
        for code in (0..=11).chain([100, 101]).chain(500..=576) {
            let rows = infos.record_batch([code]).unwrap().num_rows();
            assert_eq!(rows, 1, "{:?}", SqlInfo::try_from(i32::try_from(code).unwrap()));
        }
    }
}
