//! What an interval join compares, found in a join's keys and filter, however it was spelt.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::{
    common::{JoinSide, JoinType, Result},
    logical_expr::Operator,
    physical_expr::{
        PhysicalExpr,
        expressions::{BinaryExpr, Column},
        split_conjunction,
        utils::collect_columns,
    },
    physical_plan::{
        ExecutionPlan,
        joins::{
            HashJoinExec,
            utils::{ColumnIndex, JoinFilter},
        },
    },
};

/// One side of the condition, in terms of that side's columns.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The contig's name.
    pub(super) chrom: Arc<dyn PhysicalExpr>,
    /// The first base, or whatever is compared with the other side's end.
    pub(super) start: Arc<dyn PhysicalExpr>,
    /// The exclusive end, or whatever is compared with the other side's start.
    pub(super) end: Arc<dyn PhysicalExpr>,
    /// Added to `end`: 1 where it was compared with `<=`.
    pub(super) end_add: i64,
}

/// `left.chrom = right.chrom AND left.start < right.end AND right.start < left.end AND residual`.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) left: Place,
    pub(super) right: Place,
    /// What else must hold of a pair.
    pub(super) residual: Option<JoinFilter>,
}

/// Which conditions of a join compare, and what.
struct Comparison {
    /// The smaller side's expression, on `side`.
    small: Arc<dyn PhysicalExpr>,
    /// The larger side's expression, on the other side.
    large: Arc<dyn PhysicalExpr>,
    side: JoinSide,
    or_equal: bool,
}

/// Finds an overlap in a hash join by contig.
pub(super) fn recognise(join: &HashJoinExec) -> Result<Option<Condition>> {
    use JoinType::{Inner, Left, LeftAnti, LeftSemi, Right, RightAnti, RightSemi};
    let supported =
        matches!(join.join_type(), Inner | Left | Right | LeftSemi | RightSemi | LeftAnti | RightAnti);
    let ([(left_chrom, right_chrom)], Some(filter)) = (join.on(), join.filter()) else { return Ok(None) };
    let nulls_differ = join.null_equality() == datafusion::common::NullEquality::NullEqualsNothing;
    if !supported || !nulls_differ || join.null_aware || !is_text(left_chrom, join.left())? {
        return Ok(None);
    }
    let mut comparisons: [Option<Comparison>; 2] = [None, None];
    let mut rest: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for conjunct in split_conjunction(filter.expression()) {
        let comparison = compare(conjunct, filter)?;
        let slot = comparison.as_ref().map(|comparison| usize::from(comparison.side == JoinSide::Right));
        match (slot.and_then(|slot| comparisons.get_mut(slot)), comparison) {
            (Some(slot @ None), Some(comparison)) => *slot = Some(comparison),
            _ => rest.push(Arc::clone(conjunct)),
        }
    }
    let [Some(left_first), Some(right_first)] = comparisons else { return Ok(None) };
    let sides = [(&left_first.small, join.left()), (&right_first.large, join.left())];
    let others = [(&right_first.small, join.right()), (&left_first.large, join.right())];
    for (expr, input) in sides.into_iter().chain(others) {
        if !is_integer(expr, input)? {
            return Ok(None);
        }
    }
    let left = Place {
        chrom: Arc::clone(left_chrom),
        start: left_first.small,
        end: right_first.large,
        end_add: i64::from(right_first.or_equal),
    };
    let right = Place {
        chrom: Arc::clone(right_chrom),
        start: right_first.small,
        end: left_first.large,
        end_add: i64::from(left_first.or_equal),
    };
    let residual = rest.into_iter().reduce(|a, b| Arc::new(BinaryExpr::new(a, Operator::And, b)));
    let residual = residual
        .map(|expr| JoinFilter::new(expr, filter.column_indices().to_vec(), Arc::clone(filter.schema())));
    Ok(Some(Condition { left, right, residual }))
}

fn is_text(expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let data_type = expr.data_type(&input.schema())?;
    Ok(match data_type {
        arrow::datatypes::DataType::Dictionary(_, value) => value.is_string(),
        other => other.is_string(),
    })
}

/// Every integer but those of 64 bits without a sign, which an `i64` does not hold.
fn is_integer(expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let data_type = expr.data_type(&input.schema())?;
    Ok(data_type.is_integer() && data_type != arrow::datatypes::DataType::UInt64)
}

/// Reads `a < b`, `a <= b`, `b > a` or `b >= a` where `a` is of one side and `b` of the other.
fn compare(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Result<Option<Comparison>> {
    let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    let (small, large, or_equal) = match binary.op() {
        Operator::Lt => (binary.left(), binary.right(), false),
        Operator::LtEq => (binary.left(), binary.right(), true),
        Operator::Gt => (binary.right(), binary.left(), false),
        Operator::GtEq => (binary.right(), binary.left(), true),
        _ => return Ok(None),
    };
    let (Some(small_side), Some(large_side)) = (side(small, filter), side(large, filter)) else {
        return Ok(None);
    };
    if small_side == large_side {
        return Ok(None);
    }
    let (small, large) = (of_side(small, filter)?, of_side(large, filter)?);
    Ok(Some(Comparison { small, large, side: small_side, or_equal }))
}

/// The side of which all columns of an expression are; `None` where there are none, or of both.
fn side(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Option<JoinSide> {
    let mut sides = collect_columns(expr)
        .into_iter()
        .map(|column| filter.column_indices().get(column.index()).map(|index: &ColumnIndex| index.side));
    let first = sides.next()??;
    (first != JoinSide::None && sides.all(|side| side == Some(first))).then_some(first)
}

/// Rewrites an expression over the filter's columns to one over the columns of its side.
fn of_side(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = Arc::clone(expr).transform(|node| {
        let column = node.downcast_ref::<Column>();
        Ok(match column.and_then(|column| Some((column, filter.column_indices().get(column.index())?))) {
            Some((column, index)) => {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), index.index));
                Transformed::yes(column)
            }
            None => Transformed::no(node),
        })
    });
    rewritten.map(|rewritten| rewritten.data)
}
