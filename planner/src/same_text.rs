//! `mate_chrom <> chrom`: two dictionary columns of one table, compared by number instead of by text.
//!
//! Arrow compares dictionaries value by value, through two indirections a row. The columns of a scan share
//! one dictionary of distinct values, so equal numbers are equal texts; where they do not share it, Arrow's
//! comparison is used after all.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray},
    compute::kernels::cmp,
    datatypes::{DataType, Int32Type},
};
use datafusion::{
    common::{
        Column, ExprSchema, Result,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

/// Rewrites `=` and `<>` between two dictionary columns of one table.
///
/// A join's conditions are left alone: there, equality is what joins are made of.
#[derive(Debug, Default)]
pub struct SameTextRule;

impl OptimizerRule for SameTextRule {
    fn name(&self) -> &str {
        "same_text"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
        let schema = Arc::clone(input.schema());
        let is_dictionary = |column: &Column| {
            schema.field_from_column(column).is_ok_and(|field| *field.data_type() == dictionary())
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| Ok(compare_numbers(expr, &is_dictionary)))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }
}

fn dictionary() -> DataType {
    genomdb_genome::schema::alignment::dictionary()
}

fn compare_numbers(expr: Expr, is_dictionary: &impl Fn(&Column) -> bool) -> Transformed<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Transformed::no(expr) };
    let (Expr::Column(a), Expr::Column(b)) = (left.as_ref(), right.as_ref()) else {
        return Transformed::no(expr);
    };
    let equal = match op {
        Operator::Eq => true,
        Operator::NotEq => false,
        _ => return Transformed::no(expr),
    };
    if a.relation != b.relation || !is_dictionary(a) || !is_dictionary(b) {
        return Transformed::no(expr);
    }
    let function = Arc::new(ScalarUDF::new_from_impl(SameText::new(equal)));
    let arguments = vec![left.as_ref().clone(), right.as_ref().clone()];
    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
}

/// The comparison; NULL where either side is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SameText {
    equal: bool,
    signature: Signature,
}

impl SameText {
    fn new(equal: bool) -> Self {
        Self { equal, signature: Signature::exact(vec![dictionary(), dictionary()], Volatility::Immutable) }
    }

    fn compare(&self, left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
        let dictionaries = (left.as_dictionary_opt::<Int32Type>(), right.as_dictionary_opt::<Int32Type>());
        Ok(match dictionaries {
            (Some(a), Some(b)) if share_values(a, b) => {
                if self.equal {
                    cmp::eq(a.keys(), b.keys())
                } else {
                    cmp::neq(a.keys(), b.keys())
                }
            }
            _ => {
                if self.equal {
                    cmp::eq(left, right)
                } else {
                    cmp::neq(left, right)
                }
            }
        }?)
    }
}

/// Tells whether both have the very same list of values; no scan lists a value twice or lists NULL.
fn share_values(a: &DictionaryArray<Int32Type>, b: &DictionaryArray<Int32Type>) -> bool {
    Arc::ptr_eq(a.values(), b.values()) || a.values().to_data().ptr_eq(&b.values().to_data())
}

impl ScalarUDFImpl for SameText {
    fn name(&self) -> &str {
        if self.equal { "same_text" } else { "other_text" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return datafusion::common::internal_err!("{} takes two columns", self.name());
        };
        Ok(ColumnarValue::Array(Arc::new(self.compare(left, right)?)))
    }
}
