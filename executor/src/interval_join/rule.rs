//! Replaces hash joins by contig whose condition is an overlap.

use std::sync::Arc;

use datafusion::{
    common::{
        JoinSide, JoinType, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    physical_expr::{
        PhysicalExpr,
        expressions::{CastExpr, Column},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        filter::FilterExec,
        joins::HashJoinExec,
        projection::ProjectionExec,
        repartition::RepartitionExec,
        statistics::{StatisticsArgs, StatisticsContext},
    },
};

use super::{
    IntervalJoinExec, OutputColumn,
    condition::{Place, recognise},
};
use crate::{
    scan::{AlignmentScanExec, DynamicRegions},
    session::pushdown,
};

/// Replaces hash joins by contig whose condition is an overlap by [`IntervalJoinExec`].
#[derive(Debug, Default)]
pub struct IntervalJoinRule;

impl PhysicalOptimizerRule for IntervalJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !pushdown(config) {
            return Ok(plan);
        }
        let replaced = plan.transform_up(|node| {
            let join = node.downcast_ref::<HashJoinExec>();
            Ok(match join.map(replace).transpose()?.flatten() {
                Some(join) => Transformed::yes(join),
                None => Transformed::no(node),
            })
        })?;
        Ok(replaced.data)
    }

    fn name(&self) -> &str {
        "IntervalJoin"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replace(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(condition) = recognise(join)? else { return Ok(None) };
    let build = build_side(join.left(), join.right());
    let (mut left, mut right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let mut regions = None;
    if may_skip_probe_rows(*join.join_type(), build) {
        let (probe, place) = match build {
            JoinSide::Left => (&mut right, &condition.right),
            _ => (&mut left, &condition.left),
        };
        let handle = DynamicRegions::default();
        if let Some(narrowed) = narrowed(probe, place, &handle)? {
            *probe = narrowed;
            regions = Some(handle);
        }
    }
    let output = output(join);
    let kind = (*join.join_type(), build);
    Ok(Some(Arc::new(IntervalJoinExec::new(
        (left, right),
        condition,
        kind,
        (join.schema(), output),
        regions,
    ))))
}

/// Whether a row of the probe side without a partner is never shown.
fn may_skip_probe_rows(join_type: JoinType, build: JoinSide) -> bool {
    match join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => true,
        JoinType::Left | JoinType::LeftAnti => build == JoinSide::Left,
        JoinType::Right | JoinType::RightAnti => build == JoinSide::Right,
        _ => false,
    }
}

/// The smaller side; where that is not known, the one that is no scan.
fn build_side(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> JoinSide {
    let (left_rows, right_rows) = (rows(left), rows(right));
    match (left_rows, right_rows) {
        (Some(left), Some(right)) if left != right => {
            if left < right {
                JoinSide::Left
            } else {
                JoinSide::Right
            }
        }
        _ if has_scan(left) && !has_scan(right) => JoinSide::Right,
        _ => JoinSide::Left,
    }
}

fn rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().copied()
}

fn has_scan(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|node| Ok(node.is::<AlignmentScanExec>())).unwrap_or(false)
}

fn output(join: &HashJoinExec) -> Vec<OutputColumn> {
    let of = |side, plan: &Arc<dyn ExecutionPlan>| {
        (0..plan.schema().fields().len()).map(move |index| OutputColumn { side, index }).collect::<Vec<_>>()
    };
    let (left, right) = (of(JoinSide::Left, join.left()), of(JoinSide::Right, join.right()));
    let all = match join.join_type() {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        _ => [left, right].concat(),
    };
    match &join.projection {
        Some(projection) => projection.iter().filter_map(|&index| all.get(index).copied()).collect(),
        None => all,
    }
}

/// Lets the scan below read only the regions of the build side, if its columns are what is compared.
fn narrowed(
    plan: &Arc<dyn ExecutionPlan>,
    place: &Place,
    regions: &DynamicRegions,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let columns = [&place.chrom, &place.start, &place.end].map(column);
    match columns {
        [Some(chrom), Some(start), Some(end)] if place.end_add == 0 => {
            descend(plan, [chrom, start, end], regions)
        }
        _ => Ok(None),
    }
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => column(cast.expr()),
        None => expr.downcast_ref::<Column>().map(Column::index),
    }
}

fn descend(
    plan: &Arc<dyn ExecutionPlan>,
    columns: [usize; 3],
    regions: &DynamicRegions,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<AlignmentScanExec>() {
        let names = columns.map(|index| scan.source_column(index));
        let is_interval = names == [Some("chrom"), Some("start"), Some("end")];
        // A limit counts rows before the join.
        return Ok((is_interval && scan.fetch().is_none())
            .then(|| Arc::new(scan.with_dynamic_regions(regions.clone())) as Arc<dyn ExecutionPlan>));
    }
    let below = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        columns.map(|index| projection.expr().get(index).and_then(|expr| column(&expr.expr)))
    } else if plan.is::<CooperativeExec>() || plan.is::<RepartitionExec>() {
        columns.map(Some)
    } else if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        if filter.fetch().is_some() {
            return Ok(None);
        }
        columns.map(|index| match filter.projection() {
            Some(projection) => projection.get(index).copied(),
            None => Some(index),
        })
    } else {
        return Ok(None);
    };
    let inputs = plan.children();
    let ([Some(chrom), Some(start), Some(end)], [input]) = (below, inputs.as_slice()) else {
        return Ok(None);
    };
    match descend(input, [chrom, start, end], regions)? {
        Some(input) => Ok(Some(crate::genome_order::with_input(plan, input)?)),
        None => Ok(None),
    }
}
