//! A query that neither sorts nor groups shows its rows in order of (contig, start).
//!
//! A scan is planned as several streams, because aggregates and joins use them in parallel. Where nothing
//! but filters, projections and limits stand above it, their interleaving would lose the order: there the
//! scan becomes one stream, which reads ahead and decodes in parallel and leaves in order.

use std::sync::Arc;

use datafusion::{
    common::{Result, config::ConfigOptions},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan, Partitioning,
        analyze::AnalyzeExec,
        coalesce_partitions::CoalescePartitionsExec,
        coop::CooperativeExec,
        execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions},
        filter::FilterExec,
        limit::{GlobalLimitExec, LocalLimitExec},
        projection::ProjectionExec,
        repartition::RepartitionExec,
    },
};

use crate::scan::AlignmentScanExec;

/// Keeps the order of a scan that reaches the query's result.
#[derive(Debug, Default)]
pub struct GenomeOrderRule;

impl PhysicalOptimizerRule for GenomeOrderRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(ordered(&plan)?.unwrap_or(plan))
    }

    fn name(&self) -> &str {
        "GenomeOrder"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Returns the plan as one ordered stream; `None` where something in it makes its own order.
fn ordered(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<AlignmentScanExec>() {
        return Ok(Some(Arc::new(scan.ordered())));
    }
    let children = plan.children();
    let [input] = children.as_slice() else {
        return Ok(None);
    };
    // EXPLAIN ANALYZE shows the plan that would run without it.
    let keeps = plan.is::<AnalyzeExec>()
        || plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>();
    let round_robin = plan
        .downcast_ref::<RepartitionExec>()
        .is_some_and(|repartition| matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_)));
    let coalesce = plan.downcast_ref::<CoalescePartitionsExec>();
    if !keeps && !round_robin && coalesce.is_none() {
        return Ok(None);
    }
    let Some(input) = ordered(input)? else { return Ok(None) };
    Ok(Some(match coalesce.map(ExecutionPlan::fetch) {
        Some(Some(fetch)) => Arc::new(GlobalLimitExec::new(input, 0, Some(fetch))),
        Some(None) => input,
        None if round_robin => input,
        None => with_input(plan, input)?,
    }))
}

/// Replaces the only input of a node.
pub(crate) fn with_input(
    plan: &Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(vec![input], options)
}
