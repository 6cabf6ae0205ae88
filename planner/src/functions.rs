//! The query functions of GQL: one list, which the session registers and `SHOW FUNCTIONS` prints.

mod cigar;
mod flag;
mod interval;
mod quality;
mod sequence;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

pub use flag::{FlagTest, flag_test};
pub use interval::parse_region;

/// One query function: what it is called, what it takes, what it does, and an example for its reader.
#[derive(Debug)]
pub struct Function {
    /// The name, in lower case.
    pub name: &'static str,
    /// Other names of the same function.
    pub aliases: &'static [&'static str],
    /// What it takes, one list for each form, as people write it.
    pub forms: &'static [&'static [Parameter]],
    /// Whether the last parameter may be given any number of times.
    pub variadic: bool,
    /// The type of its value.
    pub returns: DataType,
    /// What it does, in one sentence.
    pub purpose: &'static str,
    /// A call, and its value.
    pub example: (&'static str, &'static str),
    evaluate: fn(&Arguments<'_>) -> Result<ArrayRef>,
}

/// What a parameter of a function stands for; it decides which types are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A FLAG.
    Flag,
    /// Flags by number or by their names, as `'paired,proper_pair'`.
    Flags,
    /// A contig's name.
    Chrom,
    /// A 0-based position.
    Position,
    /// Text in region notation.
    Region,
    /// CIGAR text.
    Cigar,
    /// Letters of CIGAR operations.
    Letters,
    /// Bases.
    Seq,
    /// Qualities, as SAM writes them.
    Qual,
    /// A number of bases.
    Bases,
}

impl Parameter {
    /// Returns the parameter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Flags => "flags",
            Self::Chrom => "chrom",
            Self::Position => "position",
            Self::Region => "region",
            Self::Cigar => "cigar",
            Self::Letters => "letters",
            Self::Seq => "seq",
            Self::Qual => "qual",
            Self::Bases => "bases",
        }
    }

    /// Returns the type in which the function takes a value of `given`, `None` if it does not.
    fn coerce(self, given: &DataType) -> Option<DataType> {
        let text =
            matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
                || matches!(given, DataType::Dictionary(_, value) if value.is_string());
        let integer = given.is_integer() || given.is_null();
        match self {
            Self::Flag => integer.then_some(DataType::UInt16),
            Self::Flags if given.is_integer() => Some(DataType::Int64),
            Self::Chrom if *given == genomdb_genome::schema::alignment::dictionary() => Some(given.clone()),
            Self::Flags
            | Self::Chrom
            | Self::Region
            | Self::Cigar
            | Self::Letters
            | Self::Seq
            | Self::Qual => text.then_some(DataType::Utf8),
            Self::Position | Self::Bases => integer.then_some(DataType::Int64),
        }
    }
}

/// Returns every function, sorted by name.
pub fn all() -> Vec<&'static Function> {
    let groups =
        [flag::FUNCTIONS, cigar::FUNCTIONS, interval::FUNCTIONS, quality::FUNCTIONS, sequence::FUNCTIONS];
    let mut all: Vec<_> = groups.into_iter().flatten().collect();
    all.sort_by_key(|function| function.name);
    all
}

/// Returns every function in the form in which DataFusion registers it.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    all().into_iter().map(|function| Arc::new(ScalarUDF::new_from_impl(Call::new(function)))).collect()
}

/// The values that a function is called with.
struct Arguments<'a> {
    values: &'a [ColumnarValue],
    rows: usize,
}

impl Arguments<'_> {
    fn count(&self) -> usize {
        self.values.len()
    }

    fn value(&self, index: usize) -> Result<&ColumnarValue> {
        match self.values.get(index) {
            Some(value) => Ok(value),
            None => exec_err!("argument {} is missing", index + 1),
        }
    }

    /// Returns an argument as an array of as many values as there are rows.
    fn array(&self, index: usize) -> Result<ArrayRef> {
        self.value(index)?.to_array(self.rows)
    }

    fn text(&self, index: usize) -> Result<arrow::array::StringArray> {
        Ok(cast(&self.array(index)?, &DataType::Utf8)?.as_string::<i32>().clone())
    }

    fn integers(&self, index: usize) -> Result<arrow::array::Int64Array> {
        Ok(cast(&self.array(index)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// Returns an argument that is the same for every row; `None` where it differs from row to row.
    fn constant(&self, index: usize) -> Result<Option<&ScalarValue>> {
        Ok(match self.value(index)? {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        })
    }
}

/// A function as DataFusion calls it.
#[derive(Debug)]
struct Call {
    function: &'static Function,
    aliases: Vec<String>,
    signature: Signature,
}

impl Call {
    fn new(function: &'static Function) -> Self {
        let aliases = function.aliases.iter().map(|&alias| alias.to_owned()).collect();
        Self { function, aliases, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

// Names are unique in the list, which a test proves.
impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.clone())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let fits = |form: &[Parameter]| -> Option<Vec<DataType>> {
            let last = *form.last()?;
            let many = self.function.variadic && given.len() > form.len();
            let expected = form
                .iter()
                .copied()
                .chain(std::iter::repeat_n(last, if many { given.len() - form.len() } else { 0 }));
            let expected: Vec<_> = expected.collect();
            (expected.len() == given.len()).then(|| {
                expected.iter().zip(given).map(|(parameter, given)| parameter.coerce(given)).collect()
            })?
        };
        match self.function.forms.iter().find_map(|form| fits(form)) {
            Some(types) => Ok(types),
            None => {
                let given: Vec<_> = given.iter().map(ToString::to_string).collect();
                plan_err!(
                    "`{}` is called as {}, not with ({})",
                    self.function.name,
                    usage(self.function),
                    given.join(", ")
                )
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = Arguments { values: &args.args, rows: args.number_rows };
        Ok(ColumnarValue::Array((self.function.evaluate)(&arguments)?))
    }
}

/// Returns how a function is called, each form once, as `bin(position, bases)`.
pub fn usage(function: &Function) -> String {
    let form = |form: &&[Parameter]| {
        let names: Vec<_> = form.iter().map(|parameter| parameter.name()).collect();
        format!("{}({}{})", function.name, names.join(", "), if function.variadic { ", …" } else { "" })
    };
    function.forms.iter().map(form).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Array;
    use datafusion::prelude::SessionContext;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> =
            all().iter().flat_map(|f| f.aliases.iter().copied().chain([f.name])).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// Every example in the list is run: the documentation cannot be wrong.
    #[tokio::test]
    async fn examples_are_true() {
        let context = SessionContext::new();
        for function in scalar_functions() {
            context.register_udf(function.as_ref().clone());
        }
        for function in all() {
            let (call, expected) = function.example;
            let query = format!("SELECT CAST({call} AS VARCHAR) AS v");
            let batches = context.sql(&query).await.unwrap().collect().await.unwrap();
            let value = cast(batches[0].column(0), &DataType::Utf8).unwrap();
            let value = value.as_string::<i32>();
            let found = if value.is_null(0) { "NULL" } else { value.value(0) };
            assert_eq!(found, expected, "{call}");
        }
    }
}
